import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Requests, and the rules that hold for them whoever writes. */
export class CreateRequests1795219203000 implements MigrationInterface {
  readonly name = 'CreateRequests1795219203000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- In this order, so that a comparison tells what a request must have: from issued on it is resolved, from
      -- denied on it has a reason, from approved to revoked it has a template.
      CREATE TYPE certkeep.request_state AS ENUM (
        'received', 'pending', 'approved', 'sealed', 'issued', 'revoked', 'denied', 'failed'
      );

      -- An insertion compiles every CHECK of the table anew, which for many small ones costs more than the insertion
      -- itself. Hence an enumeration, and constraints only for what another rule builds on. There are no foreign keys
      -- to ca and principal either: whoever submits locks the row that a foreign key refers to, and all submissions
      -- would share the CA's. Rows of both tables are never deleted, which their triggers see to.
      CREATE TABLE certkeep.request (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        ca_id integer NOT NULL,
        state certkeep.request_state NOT NULL,
        format text NOT NULL,
        dialect text NOT NULL,
        raw_request bytea NOT NULL,
        request_digest bytea NOT NULL,
        request_attributes text NOT NULL,
        flags bigint NOT NULL,
        row_flags bigint NOT NULL,
        requester_id uuid,
        requester_name text NOT NULL,
        subject text,
        public_key bytea,
        key_id bytea,
        template_id integer,
        template_name text,
        archival boolean,
        carries_key boolean NOT NULL,
        key_hash_algorithm text,
        key_hash bytea,
        proof_digest text,
        body_part_id bigint NOT NULL,
        transaction_id bytea,
        sender_nonce bytea,
        idempotency_key text,
        out_of_band boolean NOT NULL DEFAULT false,
        submitted_at timestamptz NOT NULL,
        resolved_at timestamptz,
        failure_code text,
        failure_message text,
        disposition_message text NOT NULL,
        lease_until timestamptz,
        attempts integer NOT NULL DEFAULT 0,
        responded_state certkeep.request_state,
        UNIQUE (id, archival),
        FOREIGN KEY (template_id, archival) REFERENCES certkeep.template (id, archival),
        -- Without this a request could pass its template's demand for archival by leaving archival out.
        CONSTRAINT request_archival_is_templates CHECK ((template_id IS NULL) = (archival IS NULL)),
        CONSTRAINT request_has_what_its_state_needs CHECK (
          (state >= 'issued') = (resolved_at IS NOT NULL)
          AND (state < 'denied' OR failure_code IS NOT NULL)
          AND (state < 'approved' OR state > 'revoked' OR template_id IS NOT NULL)
          AND (state <> 'sealed' OR archival)
        )
      );
      -- DER hardly compresses: store it as it is, out of line when large.
      ALTER TABLE certkeep.request ALTER raw_request SET STORAGE EXTERNAL, ALTER public_key SET STORAGE EXTERNAL;
      -- Every row is updated several times within a second of its insertion.
      ALTER TABLE certkeep.request SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

      CREATE UNIQUE INDEX request_idempotency_key ON certkeep.request (ca_id, requester_id, idempotency_key)
        WHERE idempotency_key IS NOT NULL;
      CREATE UNIQUE INDEX request_transaction_id ON certkeep.request (ca_id, requester_id, transaction_id)
        WHERE transaction_id IS NOT NULL;
      CREATE UNIQUE INDEX request_digest ON certkeep.request (ca_id, requester_id, request_digest)
        WHERE state NOT IN ('failed', 'denied');
      CREATE INDEX request_of_requester ON certkeep.request (ca_id, requester_id, id DESC);
      CREATE INDEX request_of_key ON certkeep.request (key_id) WHERE key_id IS NOT NULL;
      -- Rows lie in the order of their submission, so this costs next to nothing.
      CREATE INDEX request_submitted_at ON certkeep.request USING brin (submitted_at);

      -- One for each step that claims rows; each holds only the rows that the step has yet to take.
      CREATE INDEX request_to_evaluate ON certkeep.request (id) WHERE state = 'received';
      CREATE INDEX request_to_seal ON certkeep.request (id) WHERE state = 'approved' AND archival;
      CREATE INDEX request_to_issue ON certkeep.request (id)
        WHERE state = 'sealed' OR (state = 'approved' AND NOT archival);
      CREATE INDEX request_to_respond ON certkeep.request (id)
        WHERE state IN ('pending', 'issued', 'denied', 'failed') AND responded_state IS DISTINCT FROM state;
      CREATE INDEX request_failed ON certkeep.request (requester_id, submitted_at) WHERE state = 'failed';
      CREATE INDEX request_to_decide ON certkeep.request (id) WHERE state = 'pending';
    `)
    await runner.query(GUARDS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP FUNCTION certkeep.withdraw_request(integer, uuid, text, jsonb, timestamptz);
      DROP TABLE certkeep.request;
      DROP FUNCTION certkeep.guard_request();
      DROP TYPE certkeep.request_state;
    `)
  }
}

/**
 * What CHECK cannot say. PostgreSQL copies the conditions of all triggers of a table for each statement on it, so that
 * a trigger's own condition is short and the rest is in its function, which is compiled once per connection.
 * `current_user` is the role of the process; inside of `withdraw_request` it is the owner.
 */
const GUARDS = `
  CREATE TRIGGER request_starts_unresolved BEFORE INSERT ON certkeep.request FOR EACH ROW
    WHEN (NEW.state NOT IN ('received', 'denied', 'failed'))
    EXECUTE FUNCTION certkeep.refuse('a request starts as received, denied or failed');

  CREATE TRIGGER request_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.request
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a request is never deleted');

  CREATE FUNCTION certkeep.guard_request() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    broken text;
  BEGIN
    IF NEW.state <> OLD.state THEN
      IF NOT (CASE OLD.state
        WHEN 'received' THEN NEW.state IN ('pending', 'approved', 'denied', 'failed')
        WHEN 'pending' THEN NEW.state IN ('approved', 'denied', 'failed')
        WHEN 'approved' THEN NEW.state IN ('sealed', 'issued', 'denied', 'failed')
        WHEN 'sealed' THEN NEW.state IN ('issued', 'failed')
        WHEN 'issued' THEN NEW.state = 'revoked'
        WHEN 'denied' THEN NEW.state = 'approved'
        WHEN 'revoked' THEN NEW.state = 'issued'
        ELSE false
      END) THEN
        broken := 'request_moves_legally';
      ELSIF OLD.state = 'approved' AND NEW.state = 'issued' AND NEW.archival THEN
        broken := 'request_is_sealed_before_issued';
      ELSIF NOT (CASE current_user
        WHEN 'certkeep_archive' THEN OLD.state = 'approved' AND NEW.state IN ('sealed', 'failed')
        WHEN 'certkeep_console' THEN OLD.state IN ('pending', 'approved', 'denied') AND NEW.state IN ('approved', 'denied')
        WHEN 'certkeep_authority' THEN NEW.state <> 'sealed' AND OLD.state <> 'denied'
        ELSE true
      END) THEN
        broken := 'request_moves_of_role';
      END IF;
    END IF;
    IF OLD.template_id IS NOT NULL AND NEW.template_id IS DISTINCT FROM OLD.template_id THEN
      broken := 'request_keeps_template';
    END IF;
    IF broken IS NOT NULL THEN
      RAISE EXCEPTION 'request % may not go from % to % (%)', OLD.id, OLD.state, NEW.state, broken
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = broken, TABLE = TG_TABLE_NAME,
              SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NEW;
  END $$;

  CREATE TRIGGER request_is_guarded BEFORE UPDATE OF state, template_id ON certkeep.request FOR EACH ROW
    EXECUTE FUNCTION certkeep.guard_request();

  -- What the front may do to a request that stands, and nothing more: end the requester's own one while it is pending.
  CREATE FUNCTION certkeep.withdraw_request(
    of_id integer, of_requester uuid, by_actor text, event_detail jsonb, at_time timestamptz
  ) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH moved AS (
      UPDATE certkeep.request
      SET state = 'denied', resolved_at = at_time, failure_code = 'withdrawn',
          failure_message = 'The requester withdrew the request.', disposition_message = 'Withdrawn by the requester',
          lease_until = NULL, attempts = 0, responded_state = NULL
      WHERE id = of_id AND requester_id = of_requester AND state = 'pending'
      RETURNING id
    ), event AS (
      INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      SELECT at_time, by_actor, 'request.withdrawn', 'request', id::text, 'success',
             jsonb_build_object('from', 'pending', 'to', 'denied') || event_detail
      FROM moved
    )
    SELECT EXISTS (SELECT FROM moved)
  $$;
  REVOKE EXECUTE ON FUNCTION certkeep.withdraw_request(integer, uuid, text, jsonb, timestamptz) FROM PUBLIC;
`
