import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Decisions on requests that wait for an officer, and the rules that hold for them whoever writes. */
export class RecordDecisions1795230100000 implements MigrationInterface {
  readonly name = 'RecordDecisions1795230100000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLES)
    await runner.query(INDEXES)
    await runner.query(GUARD_DECISION)
    await runner.query(GRANTS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE certkeep.request_edit;
      DROP TABLE certkeep.request_decision;
      DROP FUNCTION certkeep.guard_edit();
      DROP FUNCTION certkeep.guard_decision();
      DROP INDEX certkeep.request_to_expire, certkeep.request_refused, certkeep.request_revoked,
        certkeep.request_of_template, certkeep.request_of_ca, certkeep.request_subject_words;
      ALTER TABLE certkeep.request DROP round, DROP pending_until;
      ALTER TABLE certkeep.template DROP approvals, DROP always_pends;
      DROP FUNCTION certkeep.is_request_whole(integer);
    `)
  }
}

const TABLES = `
  -- As with archival: what a version demands is its definition's to say. 0x2 has every request wait for an officer, 0x40
  -- excepts the renewal of a certificate that was approved.
  ALTER TABLE certkeep.template
    ADD approvals integer NOT NULL GENERATED ALWAYS AS (coalesce((definition ->> 'approvals')::integer, 1)) STORED
      CONSTRAINT template_approvals_in_range CHECK (approvals BETWEEN 1 AND 16),
    ADD always_pends boolean NOT NULL GENERATED ALWAYS AS ((definition ->> 'enrollmentFlags')::bigint & 66 = 2) STORED;

  -- A resubmission begins a new round: what was decided in an earlier one counts no more.
  ALTER TABLE certkeep.request ADD round integer NOT NULL DEFAULT 1, ADD pending_until timestamptz;
  UPDATE certkeep.request SET pending_until = submitted_at + interval '30 days' WHERE state = 'pending';

  CREATE TABLE certkeep.request_decision (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id integer NOT NULL REFERENCES certkeep.request (id),
    round integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('approve', 'deny', 'resubmit', 'edit')),
    principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
    principal_name text NOT NULL CHECK (principal_name <> ''),
    at timestamptz NOT NULL,
    reason text,
    CONSTRAINT request_denial_has_reason CHECK (kind <> 'deny' OR btrim(coalesce(reason, '')) <> '')
  );
  -- One person counts once, and a round is denied or taken up again once.
  CREATE UNIQUE INDEX request_decision_of_person ON certkeep.request_decision (request_id, round, principal_id)
    WHERE kind = 'approve';
  CREATE UNIQUE INDEX request_decision_of_round ON certkeep.request_decision (request_id, round, kind)
    WHERE kind IN ('deny', 'resubmit');
  CREATE INDEX request_decision_of_request ON certkeep.request_decision (request_id, id);

  -- What an officer put into a pending request (MS-CSRA 3.1.4.1.6 SetAttributes, 3.1.4.1.7 SetExtension).
  CREATE TABLE certkeep.request_edit (
    decision_id bigint NOT NULL REFERENCES certkeep.request_decision (id),
    kind text NOT NULL CHECK (kind IN ('attribute', 'extension')),
    name text NOT NULL CHECK (name <> ''),
    attribute_value text,
    extension_value bytea,
    critical boolean,
    disabled boolean,
    PRIMARY KEY (decision_id, kind, name),
    CONSTRAINT request_edit_is_whole CHECK (
      CASE kind WHEN 'attribute' THEN attribute_value IS NOT NULL AND num_nulls(extension_value, critical, disabled) = 3
      ELSE attribute_value IS NULL AND num_nulls(critical, disabled) = 0 AND (extension_value IS NULL) = disabled END)
  );

  CREATE TRIGGER request_decision_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON certkeep.request_decision
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a decision is never changed or removed');
  CREATE TRIGGER request_edit_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON certkeep.request_edit
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('an edit is never changed or removed');
`

/**
 * For lists of a million requests: each filter finds its rows in the order of the list. Only the two that hold every
 * request cost a submission anything. Words are indexed where somebody has something to decide.
 */
const INDEXES = `
  CREATE INDEX request_to_expire ON certkeep.request (pending_until) WHERE state = 'pending';
  CREATE INDEX request_refused ON certkeep.request (state, id) WHERE state IN ('denied', 'failed');
  CREATE INDEX request_revoked ON certkeep.request (id) WHERE state = 'revoked';
  CREATE INDEX request_of_template ON certkeep.request (lower(template_name), id);
  CREATE INDEX request_of_ca ON certkeep.request (ca_id, id);
  CREATE INDEX request_subject_words ON certkeep.request
    USING gin (to_tsvector('simple', regexp_replace(subject, '[^[:alnum:]]+', ' ', 'g')))
    WHERE state IN ('pending', 'denied', 'failed');
`

/**
 * Who may decide what. The request's row is locked first, so that of two who decide at once the second finds what the
 * first did. The caller is who sent the request for somebody else.
 */
const GUARD_DECISION = `
  -- Whether a request can be evaluated anew: its bytes are there, and the archived key that came with them. Nobody but
  -- the archive may look at the keys themselves.
  CREATE FUNCTION certkeep.is_request_whole(of_id integer) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT octet_length(r.raw_request) > 0 AND (NOT r.carries_key OR EXISTS (
      SELECT FROM certkeep.archived_key_envelope AS e WHERE e.request_id = r.id))
    FROM certkeep.request AS r WHERE r.id = of_id
  $$;

  CREATE FUNCTION certkeep.guard_decision() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    target record;
    broken text;
  BEGIN
    SELECT state, round, requester_id, caller_id INTO target FROM certkeep.request WHERE id = NEW.request_id
      FOR NO KEY UPDATE;
    IF NEW.round IS DISTINCT FROM target.round THEN
      broken := 'request_decision_is_of_its_round';
    ELSIF NOT (CASE NEW.kind WHEN 'resubmit' THEN target.state IN ('denied', 'failed') ELSE target.state = 'pending' END) THEN
      broken := 'request_decision_is_due';
    ELSIF NEW.kind = 'approve' THEN
      IF NEW.principal_id IN (target.requester_id, target.caller_id) THEN
        broken := 'request_approver_is_another';
      ELSIF target.requester_id = '00000000-0000-4000-8000-000000000001' THEN
        broken := 'request_of_installation_is_approved_locally';
      ELSIF EXISTS (SELECT FROM certkeep.request_decision AS d WHERE d.request_id = NEW.request_id
          AND d.round = NEW.round AND d.kind = 'edit' AND d.principal_id = NEW.principal_id) THEN
        broken := 'request_approver_is_no_editor';
      END IF;
    ELSIF NEW.kind = 'edit' AND EXISTS (SELECT FROM certkeep.request_decision AS d
        WHERE d.request_id = NEW.request_id AND d.round = NEW.round AND d.kind = 'approve') THEN
      broken := 'request_is_edited_before_approval';
    END IF;
    IF broken IS NOT NULL THEN
      RAISE EXCEPTION 'request % may not be decided so: % (%)', NEW.request_id, NEW.kind, broken
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = broken, TABLE = TG_TABLE_NAME,
              SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER request_decision_is_guarded BEFORE INSERT ON certkeep.request_decision FOR EACH ROW
    EXECUTE FUNCTION certkeep.guard_decision();

  -- An edit goes with its decision; one that came later would be approved by those who have not seen it.
  CREATE FUNCTION certkeep.guard_edit() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM FROM certkeep.request_decision AS d JOIN certkeep.request AS r ON r.id = d.request_id
      WHERE d.id = NEW.decision_id AND d.kind = 'edit' AND r.state = 'pending' AND r.round = d.round
        AND NOT EXISTS (SELECT FROM certkeep.request_decision AS a WHERE a.request_id = d.request_id
          AND a.round = d.round AND a.kind = 'approve')
      FOR NO KEY UPDATE OF r;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'an edit belongs to the decision % that has just been made', NEW.decision_id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'request_edit_is_decided', TABLE = TG_TABLE_NAME,
              SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER request_edit_is_guarded BEFORE INSERT ON certkeep.request_edit FOR EACH ROW
    EXECUTE FUNCTION certkeep.guard_edit();
`

const GRANTS = `
  GRANT SELECT, INSERT ON certkeep.request_decision, certkeep.request_edit TO certkeep_console;
  GRANT SELECT ON certkeep.request_decision, certkeep.request_edit TO certkeep_authority;
  GRANT UPDATE (pending_until) ON certkeep.request TO certkeep_authority;
  REVOKE EXECUTE ON FUNCTION certkeep.is_request_whole(integer) FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION certkeep.is_request_whole(integer) TO certkeep_console;
`
