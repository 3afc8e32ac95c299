import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Requests, and the rules that hold for them whoever writes. */
export class CreateRequests1795219203000 implements MigrationInterface {
  readonly name = 'CreateRequests1795219203000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE certkeep.request (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        ca_id integer NOT NULL REFERENCES certkeep.ca (id),
        state text NOT NULL CONSTRAINT request_state_known CHECK (
          state IN ('received', 'pending', 'approved', 'sealed', 'issued', 'denied', 'failed', 'revoked')
        ),
        format text NOT NULL CHECK (format IN ('pkcs10', 'cmc', 'pkcs7', 'keygen')),
        dialect text NOT NULL CHECK (dialect IN ('microsoft', 'standard')),
        raw_request bytea NOT NULL,
        request_digest bytea NOT NULL CHECK (octet_length(request_digest) = 32),
        request_attributes text NOT NULL,
        flags bigint NOT NULL CHECK (flags BETWEEN 0 AND 4294967295),
        row_flags bigint NOT NULL CHECK (row_flags BETWEEN 0 AND 4294967295),
        requester_id uuid REFERENCES certkeep.principal (id),
        requester_name text NOT NULL,
        subject text,
        public_key bytea,
        key_id bytea CHECK (octet_length(key_id) = 20),
        template_id integer,
        template_name text,
        archival boolean,
        carries_key boolean NOT NULL,
        key_hash_algorithm text,
        key_hash bytea,
        proof_digest text,
        body_part_id bigint NOT NULL CHECK (body_part_id BETWEEN 0 AND 4294967295),
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
        responded_state text,
        UNIQUE (id, archival),
        FOREIGN KEY (template_id, archival) REFERENCES certkeep.template (id, archival),
        CONSTRAINT request_archival_is_templates CHECK ((template_id IS NULL) = (archival IS NULL)),
        CONSTRAINT request_approved_has_template CHECK (
          state NOT IN ('approved', 'sealed', 'issued', 'revoked') OR template_id IS NOT NULL
        ),
        CONSTRAINT request_sealed_is_archival CHECK (state <> 'sealed' OR archival),
        CONSTRAINT request_refused_has_reason CHECK (state NOT IN ('denied', 'failed') OR failure_code IS NOT NULL),
        CONSTRAINT request_resolved_has_time CHECK (
          (state IN ('issued', 'denied', 'failed', 'revoked')) = (resolved_at IS NOT NULL)
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
      CREATE INDEX request_to_decide ON certkeep.request (id) WHERE state = 'pending';
    `)
    await runner.query(GUARDS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP FUNCTION certkeep.withdraw_request(integer, uuid, text, jsonb, timestamptz);
      DROP TABLE certkeep.request;
    `)
  }
}

/**
 * Triggers whose condition is what must not be; the function runs only then, so a legal row pays for a comparison.
 * `current_user` is the role of the process, also inside of a transaction.
 */
const GUARDS = `
  CREATE TRIGGER request_starts_unresolved BEFORE INSERT ON certkeep.request FOR EACH ROW
    WHEN (NEW.state NOT IN ('received', 'denied', 'failed'))
    EXECUTE FUNCTION certkeep.refuse('a request starts as received, denied or failed');

  CREATE TRIGGER request_moves_legally BEFORE UPDATE OF state ON certkeep.request FOR EACH ROW
    WHEN (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
      ('received', 'pending'), ('received', 'approved'), ('received', 'denied'), ('received', 'failed'),
      ('pending', 'approved'), ('pending', 'denied'), ('pending', 'failed'),
      ('approved', 'sealed'), ('approved', 'issued'), ('approved', 'failed'), ('approved', 'denied'),
      ('sealed', 'issued'), ('sealed', 'failed'),
      ('issued', 'revoked'), ('denied', 'approved'), ('revoked', 'issued')
    ))
    EXECUTE FUNCTION certkeep.refuse('a request may not make this move');

  CREATE TRIGGER request_is_sealed_before_issued BEFORE UPDATE OF state ON certkeep.request FOR EACH ROW
    WHEN (OLD.state = 'approved' AND NEW.state = 'issued' AND NEW.archival)
    EXECUTE FUNCTION certkeep.refuse('a request whose template demands archival is sealed before it is issued');

  CREATE TRIGGER request_keeps_template BEFORE UPDATE OF template_id ON certkeep.request FOR EACH ROW
    WHEN (OLD.template_id IS NOT NULL AND NEW.template_id IS DISTINCT FROM OLD.template_id)
    EXECUTE FUNCTION certkeep.refuse('the template that a request was judged by does not change');

  CREATE TRIGGER request_moves_of_archive BEFORE UPDATE OF state ON certkeep.request FOR EACH ROW
    WHEN (current_user = 'certkeep_archive' AND NEW.state <> OLD.state
      AND (OLD.state, NEW.state) NOT IN (('approved', 'sealed'), ('approved', 'failed')))
    EXECUTE FUNCTION certkeep.refuse('the archive only seals or fails an approved request');

  CREATE TRIGGER request_moves_of_console BEFORE UPDATE OF state ON certkeep.request FOR EACH ROW
    WHEN (current_user = 'certkeep_console' AND NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
      ('pending', 'approved'), ('pending', 'denied'), ('approved', 'denied'), ('denied', 'approved')))
    EXECUTE FUNCTION certkeep.refuse('the console only decides');

  CREATE TRIGGER request_moves_of_authority BEFORE UPDATE OF state ON certkeep.request FOR EACH ROW
    WHEN (current_user = 'certkeep_authority' AND (OLD.state, NEW.state) IN (
      ('approved', 'sealed'), ('denied', 'approved')))
    EXECUTE FUNCTION certkeep.refuse('the authority neither seals nor overrules a denial');

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
