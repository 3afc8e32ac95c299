import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * What an insertion refers to is looked up for all of its rows at once. A foreign key looks for each row by itself, and
 * locks what it finds; six of them were a sixth of what an enrollment cost the database. That nothing goes away that is
 * referred to is for the triggers that keep it: none of these rows is ever deleted.
 */
export class CheckReferencesTogether1795231830000 implements MigrationInterface {
  readonly name = 'CheckReferencesTogether1795231830000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(KEPT)
    for (const check of CHECKS) await runner.query(create(check))
    await runner.query(`
      ALTER TABLE certkeep.certificate
        DROP CONSTRAINT certificate_request_id_archival_fkey, DROP CONSTRAINT certificate_ca_id_cert_index_fkey;
      ALTER TABLE certkeep.sealed_key DROP CONSTRAINT sealed_key_of_request_fkey;
      ALTER TABLE certkeep.sealed_key_agent DROP CONSTRAINT sealed_key_agent_agent_id_fkey;
      ALTER TABLE certkeep.request DROP CONSTRAINT request_id_archival_key;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE certkeep.request ADD CONSTRAINT request_id_archival_key UNIQUE (id, archival);
      ALTER TABLE certkeep.certificate
        ADD CONSTRAINT certificate_request_id_archival_fkey
          FOREIGN KEY (request_id, archival) REFERENCES certkeep.request (id, archival),
        ADD CONSTRAINT certificate_ca_id_cert_index_fkey
          FOREIGN KEY (ca_id, cert_index) REFERENCES certkeep.ca_certificate (ca_id, cert_index);
      ALTER TABLE certkeep.sealed_key ADD CONSTRAINT sealed_key_of_request_fkey
        FOREIGN KEY (of_request) REFERENCES certkeep.request (id);
      ALTER TABLE certkeep.sealed_key_agent ADD CONSTRAINT sealed_key_agent_agent_id_fkey
        FOREIGN KEY (agent_id) REFERENCES certkeep.recovery_agent (id);
    `)
    for (const { name, table } of CHECKS) {
      await runner.query(`DROP TRIGGER ${name} ON certkeep.${table}; DROP FUNCTION certkeep.verify_${name}()`)
    }
    await runner.query(`
      DROP TRIGGER certificate_keeps_references ON certkeep.certificate;
      DROP TRIGGER sealed_key_keeps_request ON certkeep.sealed_key;
      DROP TRIGGER request_keeps_archival ON certkeep.request;
      DROP FUNCTION certkeep.keep_archival();
      DROP TRIGGER ca_certificate_keeps_index ON certkeep.ca_certificate;
      DROP TRIGGER ca_certificates_are_kept ON certkeep.ca_certificate;
      DROP TRIGGER recovery_agent_is_kept ON certkeep.recovery_agent;
    `)
  }
}

/** A reference of the rows that a statement adds. */
interface Check {
  /** Of the trigger. */
  readonly name: string
  readonly table: string
  readonly event: 'INSERT' | 'UPDATE'
  /** Holds for a row that refers to nothing. */
  readonly isBroken: string
}

const CHECKS: readonly Check[] = [
  {
    name: 'certificate_is_of_request',
    table: 'certificate',
    event: 'INSERT',
    // Together with what keeps a request's archival this is what makes a certificate as archival as its request.
    isBroken: '(SELECT 1 FROM certkeep.request AS r WHERE r.id = a.request_id AND r.archival = a.archival) IS NULL'
  },
  {
    name: 'certificate_is_of_ca',
    table: 'certificate',
    event: 'INSERT',
    isBroken: `(
      SELECT 1 FROM certkeep.ca_certificate AS c WHERE c.ca_id = a.ca_id AND c.cert_index = a.cert_index) IS NULL`
  },
  {
    name: 'sealed_key_is_of_request',
    table: 'sealed_key',
    event: 'INSERT',
    isBroken: `a.of_request IS NOT NULL
      AND (SELECT 1 FROM certkeep.request AS r WHERE r.id = a.of_request) IS NULL`
  },
  {
    name: 'sealed_key_is_of_agent',
    table: 'sealed_key_agent',
    event: 'INSERT',
    isBroken: '(SELECT 1 FROM certkeep.recovery_agent AS g WHERE g.id = a.agent_id) IS NULL'
  },
  {
    name: 'sealed_key_goes_to_agent',
    table: 'sealed_key_agent',
    event: 'UPDATE',
    isBroken: '(SELECT 1 FROM certkeep.recovery_agent AS g WHERE g.id = a.agent_id) IS NULL'
  }
]

/**
 * A scalar subquery is never made into a join, and without sequential scans it is one look into an index for each row,
 * whatever the statistics were when the plan was made: a connection keeps its plan while a table grows from nothing to
 * millions of rows.
 */
function create({ name, table, event, isBroken }: Check): string {
  return `
    CREATE FUNCTION certkeep.verify_${name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
    BEGIN
      IF EXISTS (SELECT FROM added AS a WHERE ${isBroken}) THEN
        RAISE EXCEPTION 'a row of ${table} breaks the foreign key ${name}'
          USING ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
      END IF;
      RETURN NULL;
    END $$;
    REVOKE EXECUTE ON FUNCTION certkeep.verify_${name}() FROM PUBLIC;
    CREATE TRIGGER ${name} AFTER ${event} ON certkeep.${table} REFERENCING NEW TABLE AS added
      FOR EACH STATEMENT EXECUTE FUNCTION certkeep.verify_${name}();
  `
}

/** What is referred to stays, and so does what refers to it. */
const KEPT = `
  CREATE TRIGGER certificate_keeps_references BEFORE UPDATE OF request_id, archival, ca_id, cert_index
    ON certkeep.certificate FOR EACH ROW
    WHEN ((OLD.request_id, OLD.archival, OLD.ca_id, OLD.cert_index)
      IS DISTINCT FROM (NEW.request_id, NEW.archival, NEW.ca_id, NEW.cert_index))
    EXECUTE FUNCTION certkeep.refuse('a certificate stays with its request and its CA');

  CREATE TRIGGER sealed_key_keeps_request BEFORE UPDATE OF request_id ON certkeep.sealed_key FOR EACH ROW
    WHEN (NEW.request_id <> OLD.request_id)
    EXECUTE FUNCTION certkeep.refuse('a sealed key stays with its request');

  CREATE FUNCTION certkeep.keep_archival() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
  BEGIN
    IF EXISTS (SELECT FROM certkeep.certificate AS c WHERE c.request_id = OLD.id) THEN
      RAISE EXCEPTION 'a certificate was made for request % with another archival', OLD.id
        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NEW;
  END $$;
  REVOKE EXECUTE ON FUNCTION certkeep.keep_archival() FROM PUBLIC;
  CREATE TRIGGER request_keeps_archival BEFORE UPDATE OF archival ON certkeep.request FOR EACH ROW
    WHEN (OLD.archival IS NOT NULL AND NEW.archival IS DISTINCT FROM OLD.archival)
    EXECUTE FUNCTION certkeep.keep_archival();

  CREATE TRIGGER ca_certificate_keeps_index BEFORE UPDATE OF ca_id, cert_index ON certkeep.ca_certificate FOR EACH ROW
    WHEN ((OLD.ca_id, OLD.cert_index) IS DISTINCT FROM (NEW.ca_id, NEW.cert_index))
    EXECUTE FUNCTION certkeep.refuse('a certificate of a CA keeps its index');
  CREATE TRIGGER ca_certificates_are_kept BEFORE TRUNCATE ON certkeep.ca_certificate
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a certificate of a CA is never deleted');
  CREATE TRIGGER recovery_agent_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.recovery_agent
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a recovery agent is never deleted');
`
