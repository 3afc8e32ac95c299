import type { MigrationInterface, QueryRunner } from 'typeorm'

/** The chain over the audit log, its checkpoints and the keys that these are signed with. */
export class ChainAuditLog1795230600000 implements MigrationInterface {
  readonly name = 'ChainAuditLog1795230600000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLES)
    await runner.query(LINK)
    await runner.query(`
      GRANT SELECT ON certkeep.audit_link, certkeep.audit_checkpoint, certkeep.audit_key
        TO certkeep_authority, certkeep_console;
      GRANT INSERT ON certkeep.audit_checkpoint, certkeep.audit_key TO certkeep_authority;
      GRANT EXECUTE ON FUNCTION certkeep.link_audit_events TO certkeep_authority;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP FUNCTION certkeep.link_audit_events(bigint, integer);
      DROP TABLE certkeep.audit_checkpoint;
      DROP TABLE certkeep.audit_key;
      DROP TABLE certkeep.audit_link;
    `)
  }
}

const TABLES = `
  -- No foreign key to the events: it would lock, and so write, every one of them once more. What is missing is what
  -- the verification finds.
  CREATE TABLE certkeep.audit_link (
    position bigint PRIMARY KEY CHECK (position > 0),
    seq bigint NOT NULL UNIQUE,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32)
  );

  CREATE TABLE certkeep.audit_key (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key_reference text NOT NULL UNIQUE,
    public_key bytea NOT NULL,
    created_at timestamptz NOT NULL
  );

  CREATE TABLE certkeep.audit_checkpoint (
    position bigint PRIMARY KEY REFERENCES certkeep.audit_link (position),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    settled bigint NOT NULL CHECK (settled >= 0),
    at timestamptz NOT NULL,
    key_id integer NOT NULL REFERENCES certkeep.audit_key (id),
    signature bytea NOT NULL
  );

  CREATE TRIGGER audit_link_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON certkeep.audit_link
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('links are never changed or removed');
  CREATE TRIGGER audit_key_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON certkeep.audit_key
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('keys are never changed or removed');
  CREATE TRIGGER audit_checkpoint_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON certkeep.audit_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('checkpoints are never changed or removed');
`

/** What is hashed of an event, in this order. */
const FIELDS = ['seq', 'at', 'actor', 'action', 'object_type', 'object_id', 'outcome', 'detail']

/** A field behind its length. Written out, since a function of its own would cost more than the hash. */
function encoded(field: string): string {
  const octets = `convert_to(t.${field}, 'UTF8')`
  return `int4send(octet_length(${octets})) || ${octets}`
}

/**
 * The events never leave the database to be linked, and the authority, which has it done, can neither read them nor
 * write a link of its own. What is hashed is said in docs/audit.md and, for the verification, in libs/audit.
 */
const LINK = `
  -- Links up to so many events above a number that are not linked yet, in the order of their numbers. No row comes back
  -- when another connection is at it. Besides the end of the chain it tells the newest event that is committed, and who
  -- is writing events at a moment after that: once none of these is at it any more, no event up to that one can come.
  CREATE FUNCTION certkeep.link_audit_events(above bigint, most integer)
  RETURNS TABLE (linked integer, last_seq bigint, "position" bigint, hash bytea, newest bigint, writers text[])
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  -- The plan for any number would look at all events.
  SET plan_cache_mode = force_custom_plan AS $$
  DECLARE
    entry record;
    positions bigint[] := '{}';
    seqs bigint[] := '{}';
    hashes bytea[] := '{}';
  BEGIN
    IF NOT pg_try_advisory_xact_lock(4812366206) THEN
      RETURN;
    END IF;
    SELECT l.position, l.hash INTO link_audit_events.position, link_audit_events.hash
    FROM certkeep.audit_link AS l ORDER BY l.position DESC LIMIT 1;
    IF NOT FOUND THEN
      link_audit_events.position := 0;
      link_audit_events.hash := decode(repeat('00', 32), 'hex');
    END IF;
    newest := coalesce((SELECT max(e.seq) FROM certkeep.audit_event AS e), 0);
    writers := ARRAY(
      SELECT DISTINCT l.virtualtransaction FROM pg_locks AS l
      WHERE l.locktype = 'relation' AND l.relation = 'certkeep.audit_event'::regclass AND l.granted
        AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
        AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        AND l.pid IS DISTINCT FROM pg_backend_pid());
    linked := 0;
    last_seq := above;
    FOR entry IN
      SELECT t.number AS seq, ${FIELDS.map(encoded).join(' || ')} AS fields
      FROM (
        SELECT e.seq AS number, e.seq::text AS seq, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
          e.actor, e.action, e.object_type, e.object_id, e.outcome, e.detail::text AS detail
        FROM certkeep.audit_event AS e
        WHERE e.seq > above AND NOT EXISTS (SELECT FROM certkeep.audit_link AS l WHERE l.seq = e.seq)
        ORDER BY e.seq LIMIT most
      ) AS t
    LOOP
      linked := linked + 1;
      last_seq := entry.seq;
      link_audit_events.position := link_audit_events.position + 1;
      link_audit_events.hash := sha256(link_audit_events.hash || entry.fields);
      positions := positions || link_audit_events.position;
      seqs := seqs || last_seq;
      hashes := hashes || link_audit_events.hash;
    END LOOP;
    INSERT INTO certkeep.audit_link (position, seq, hash)
    SELECT n.position, n.seq, n.hash FROM unnest(positions, seqs, hashes) AS n (position, seq, hash);
    RETURN NEXT;
  END $$;
  REVOKE EXECUTE ON FUNCTION certkeep.link_audit_events(bigint, integer) FROM PUBLIC;
`
