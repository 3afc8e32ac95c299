import type { MigrationInterface, QueryRunner } from 'typeorm'

/** What a decision comes to: the moves that it lets a request make, and who makes them. */
export class GuardDecisions1795230101000 implements MigrationInterface {
  readonly name = 'GuardDecisions1795230101000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(GUARD_REQUEST)
    await runner.query(GUARD_CERTIFICATE)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER certificate_is_of_approved_request ON certkeep.certificate;
      DROP FUNCTION certkeep.guard_issuance();
      DROP TRIGGER request_is_guarded ON certkeep.request;
      DROP FUNCTION certkeep.guard_request();
    `)
    await runner.query(FORMER_GUARD)
  }
}

/** In place of the former one. `current_user` is the role of the process; inside of a function of the owner's it is the owner. */
const GUARD_REQUEST = `
  DROP TRIGGER request_is_guarded ON certkeep.request;

  -- Whether as many people have approved as the template's version demands, none of whom made or edited the request.
  CREATE FUNCTION certkeep.is_approved(of_request integer, of_round integer, of_template integer, parties uuid[])
  RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT count(DISTINCT a.principal_id) >= (SELECT t.approvals FROM certkeep.template AS t WHERE t.id = of_template)
    FROM certkeep.request_decision AS a
    WHERE a.request_id = of_request AND a.round = of_round AND a.kind = 'approve'
      AND a.principal_id <> ALL (array_remove(parties, NULL))
      AND NOT EXISTS (SELECT FROM certkeep.request_decision AS e WHERE e.request_id = of_request
        AND e.round = of_round AND e.kind = 'edit' AND e.principal_id = a.principal_id)
  $$;

  CREATE OR REPLACE FUNCTION certkeep.guard_request() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    broken text;
    own boolean := OLD.requester_id IS NOT DISTINCT FROM '00000000-0000-4000-8000-000000000001';
    by_process boolean := current_user IN (
      'certkeep_front', 'certkeep_console', 'certkeep_authority', 'certkeep_archive');
  BEGIN
    IF NEW.state <> OLD.state THEN
      IF NOT (CASE OLD.state
        WHEN 'received' THEN NEW.state IN ('pending', 'approved', 'denied', 'failed')
        WHEN 'pending' THEN NEW.state IN ('approved', 'denied', 'failed')
        WHEN 'approved' THEN NEW.state IN ('sealed', 'issued', 'failed')
        WHEN 'sealed' THEN NEW.state IN ('issued', 'failed')
        WHEN 'issued' THEN NEW.state = 'revoked'
        WHEN 'denied' THEN NEW.state = 'received'
        WHEN 'failed' THEN NEW.state = 'received'
        WHEN 'revoked' THEN NEW.state = 'issued'
        ELSE false
      END) THEN
        broken := 'request_moves_legally';
      ELSIF OLD.state = 'approved' AND NEW.state = 'issued' AND NEW.archival THEN
        broken := 'request_is_sealed_before_issued';
      ELSIF NOT (CASE current_user
        WHEN 'certkeep_archive' THEN OLD.state = 'approved' AND NEW.state IN ('sealed', 'failed')
        WHEN 'certkeep_console' THEN
          (OLD.state = 'pending' AND NEW.state IN ('approved', 'denied')) OR NEW.state = 'received'
        WHEN 'certkeep_authority' THEN NEW.state NOT IN ('sealed', 'received') AND NOT (OLD.state = 'pending' AND (
          NEW.state = 'approved' OR (NEW.state = 'denied' AND NEW.failure_code IS DISTINCT FROM 'pending_expired')))
        ELSE true
      END) THEN
        broken := 'request_moves_of_role';
      ELSIF NEW.state = 'approved' THEN
        IF own THEN
          -- What waits here is for the local administrator, who is nobody that a process could be.
          IF OLD.state = 'pending' AND by_process THEN
            broken := 'request_of_installation_is_approved_locally';
          END IF;
        ELSIF OLD.state = 'pending' THEN
          IF NOT coalesce(certkeep.is_approved(OLD.id, OLD.round, NEW.template_id,
              ARRAY[OLD.requester_id, OLD.caller_id]), false) THEN
            broken := 'request_is_approved_by_enough';
          END IF;
        ELSIF EXISTS (SELECT FROM certkeep.template AS t WHERE t.id = NEW.template_id AND t.always_pends) THEN
          broken := 'request_waits_for_approval';
        END IF;
      ELSIF NEW.state = 'denied' THEN
        IF btrim(coalesce(NEW.failure_message, '')) = '' THEN
          broken := 'request_denial_has_reason';
        ELSIF current_user = 'certkeep_console' AND NOT EXISTS (SELECT FROM certkeep.request_decision AS d
            WHERE d.request_id = OLD.id AND d.round = OLD.round AND d.kind = 'deny') THEN
          broken := 'request_denial_is_recorded';
        END IF;
      ELSIF NEW.state = 'received' THEN
        NEW.round := OLD.round + 1;
        IF OLD.failure_code = 'withdrawn' THEN
          broken := 'request_withdrawn_is_final';
        ELSIF NOT certkeep.is_request_whole(OLD.id) THEN
          broken := 'request_taken_up_is_whole';
        ELSIF NOT EXISTS (SELECT FROM certkeep.request_decision AS d
            WHERE d.request_id = OLD.id AND d.round = OLD.round AND d.kind = 'resubmit') THEN
          broken := 'request_resubmission_is_recorded';
        END IF;
      END IF;
    END IF;
    -- What is evaluated anew may come to another version; once it has been decided by one, it keeps it.
    IF OLD.template_id IS NOT NULL AND NEW.template_id IS DISTINCT FROM OLD.template_id AND OLD.state <> 'received' THEN
      broken := 'request_keeps_template';
    END IF;
    IF NEW.round <> OLD.round AND (OLD.state = NEW.state OR NEW.state <> 'received') THEN
      broken := 'request_round_begins_with_resubmission';
    END IF;
    IF broken IS NOT NULL THEN
      RAISE EXCEPTION 'request % may not go from % to % (%)', OLD.id, OLD.state, NEW.state, broken
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = broken, TABLE = TG_TABLE_NAME,
              SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NEW;
  END $$;

  CREATE TRIGGER request_is_guarded BEFORE UPDATE OF state, template_id, round ON certkeep.request FOR EACH ROW
    EXECUTE FUNCTION certkeep.guard_request();
`

/** A certificate comes into being only while its request is approved, and holds the request until both are recorded. */
const GUARD_CERTIFICATE = `
  CREATE FUNCTION certkeep.guard_issuance() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    found certkeep.request_state;
  BEGIN
    SELECT state INTO found FROM certkeep.request WHERE id = NEW.request_id FOR NO KEY UPDATE;
    IF found IS NULL OR found NOT IN ('approved', 'sealed') THEN
      RAISE EXCEPTION 'request % is %, and gets no certificate', NEW.request_id, found
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME,
              SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER certificate_is_of_approved_request BEFORE UPDATE OF state ON certkeep.certificate FOR EACH ROW
    WHEN (NEW.state = 'issued' AND OLD.state <> 'issued') EXECUTE FUNCTION certkeep.guard_issuance();
`

/** The rules from before this migration. */
const FORMER_GUARD = `
  DROP FUNCTION certkeep.is_approved(integer, integer, integer, uuid[]);
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
        WHEN 'certkeep_console' THEN
          OLD.state IN ('pending', 'approved', 'denied') AND NEW.state IN ('approved', 'denied')
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
`
