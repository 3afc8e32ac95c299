import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Certificates that are published to their account (userCertificate), where the template says so. A row is written by a
 * trigger, in the transaction that issues the certificate, whichever process that is.
 */
export class PublishCertificates1795231800000 implements MigrationInterface {
  readonly name = 'PublishCertificates1795231800000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLE)
    await runner.query(RECORDING)
    await runner.query(GRANTS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER certificate_is_published ON certkeep.certificate;
      DROP FUNCTION certkeep.publish_certificate();
      DROP TABLE certkeep.published_certificate;
    `)
  }
}

const TABLE = `
  CREATE TABLE certkeep.published_certificate (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    ca_id integer NOT NULL,
    serial_number bytea NOT NULL,
    principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
    published_at timestamptz NOT NULL,
    -- What another directory has of it: it is due until it is done.
    state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'done')),
    attempts integer NOT NULL DEFAULT 0,
    -- From when on it is tried, again after an attempt in vain.
    due_at timestamptz NOT NULL,
    -- Why the last attempt was in vain.
    error text,
    ended_at timestamptz,
    UNIQUE (ca_id, serial_number),
    FOREIGN KEY (ca_id, serial_number) REFERENCES certkeep.certificate (ca_id, serial_number),
    CHECK ((state = 'due') = (ended_at IS NULL))
  );
  CREATE INDEX published_certificate_of ON certkeep.published_certificate (principal_id, published_at);
  CREATE INDEX published_certificate_due ON certkeep.published_certificate (due_at) WHERE state = 'due';
  CREATE INDEX published_certificate_in_vain ON certkeep.published_certificate (id)
    WHERE state = 'due' AND error IS NOT NULL;
`

/** 8 is CT_FLAG_PUBLISH_TO_DS (MS-CRTD 2.26). */
const RECORDING = `
  CREATE FUNCTION certkeep.publish_certificate() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  BEGIN
    INSERT INTO certkeep.published_certificate (ca_id, serial_number, principal_id, published_at, due_at)
    SELECT NEW.ca_id, NEW.serial_number, NEW.principal_id, NEW.issued_at, NEW.issued_at
    FROM certkeep.request AS r JOIN certkeep.template AS t ON t.id = r.template_id
    WHERE r.id = NEW.request_id AND (t.definition ->> 'enrollmentFlags')::bigint & 8 <> 0;
    RETURN NULL;
  END $$;
  REVOKE EXECUTE ON FUNCTION certkeep.publish_certificate() FROM PUBLIC;

  CREATE TRIGGER certificate_is_published AFTER UPDATE OF state ON certkeep.certificate FOR EACH ROW
    WHEN (NEW.state = 'issued' AND OLD.state <> 'issued' AND NEW.principal_id IS NOT NULL)
    EXECUTE FUNCTION certkeep.publish_certificate();
`

const GRANTS = `
  GRANT SELECT ON certkeep.published_certificate TO certkeep_front, certkeep_console;
  GRANT UPDATE (state, attempts, due_at, error, ended_at) ON certkeep.published_certificate TO certkeep_front;
  GRANT UPDATE (due_at) ON certkeep.published_certificate TO certkeep_console;
`
