import type { MigrationInterface, QueryRunner } from 'typeorm'

/** The rules of a recovery, which hold whoever writes: who approves, when it is released, and that it is released once. */
export class GuardRecoveries1795231001000 implements MigrationInterface {
  readonly name = 'GuardRecoveries1795231001000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(COUNTING)
    await runner.query(GUARD_NEW)
    await runner.query(GUARD_MOVES)
    await runner.query(GUARD_APPROVALS)
    await runner.query(GUARD_PREPARED)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER recovery_package_is_guarded ON certkeep.recovery_package;
      DROP TRIGGER recovery_share_is_guarded ON certkeep.recovery_share;
      DROP TRIGGER recovery_approval_is_guarded ON certkeep.recovery_approval;
      DROP TRIGGER recovery_is_guarded ON certkeep.recovery;
      DROP TRIGGER recovery_is_new ON certkeep.recovery;
      DROP FUNCTION certkeep.guard_recovery_package();
      DROP FUNCTION certkeep.guard_recovery_share();
      DROP FUNCTION certkeep.guard_recovery_approval();
      DROP FUNCTION certkeep.guard_recovery();
      DROP FUNCTION certkeep.guard_new_recovery();
      DROP FUNCTION certkeep.archived_keys(integer[]);
      DROP FUNCTION certkeep.refuse_recovery(integer, text, text);
      DROP FUNCTION certkeep.lock_recovery_parties(integer);
      DROP FUNCTION certkeep.counted_agents(integer, timestamptz);
      DROP FUNCTION certkeep.agent_may_open(integer, uuid, timestamptz);
      DROP FUNCTION certkeep.holds_role(uuid, text, integer);
    `)
  }
}

/** Run as their owner, for a process sees less of the tables than they look at; each tells no more than its result. */
const COUNTING = `
  CREATE FUNCTION certkeep.holds_role(of_principal uuid, of_role text, at_ca integer) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
      SELECT FROM certkeep.role_assignment AS h JOIN certkeep.principal AS p ON p.id = h.principal_id
      WHERE h.principal_id = of_principal AND h.role = of_role AND h.revoked_at IS NULL AND p.disabled_at IS NULL
        AND (h.ca_id IS NULL OR h.ca_id = at_ca))
  $$;

  -- Whether a person opens what is sealed to an agent: the agent is the person's, in use and valid, and the person is one
  -- who may.
  CREATE FUNCTION certkeep.agent_may_open(of_agent integer, of_principal uuid, at timestamptz) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
      SELECT FROM certkeep.recovery_agent AS g
      WHERE g.id = of_agent AND g.principal_id = of_principal AND g.state = 'active'
        AND at BETWEEN g.not_before AND g.not_after
        AND certkeep.holds_role(of_principal, 'recovery_agent', g.ca_id))
  $$;

  -- The agents whose approvals count at a time. What was right when it was given may have ceased to be.
  CREATE FUNCTION certkeep.counted_agents(of_recovery integer, at timestamptz) RETURNS integer[]
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(a.agent_id ORDER BY a.agent_id), '{}')
    FROM certkeep.recovery AS r JOIN certkeep.recovery_approval AS a ON a.recovery_id = r.id
    WHERE r.id = of_recovery AND a.principal_id <> r.requester_id
      AND certkeep.agent_may_open(a.agent_id, a.principal_id, at)
  $$;

  -- Whoever changes a right of one who approved waits until the release is decided, or has done so before.
  CREATE FUNCTION certkeep.lock_recovery_parties(of_recovery integer) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    people uuid[] := ARRAY(
      SELECT principal_id FROM certkeep.recovery_approval WHERE recovery_id = of_recovery
      UNION SELECT requester_id FROM certkeep.recovery WHERE id = of_recovery);
  BEGIN
    PERFORM FROM certkeep.principal WHERE id = ANY (people) ORDER BY id FOR SHARE;
    PERFORM FROM certkeep.role_assignment WHERE principal_id = ANY (people) AND revoked_at IS NULL ORDER BY id FOR SHARE;
    PERFORM FROM certkeep.recovery_agent WHERE id IN (
      SELECT agent_id FROM certkeep.recovery_approval WHERE recovery_id = of_recovery) ORDER BY id FOR SHARE;
  END $$;

  CREATE FUNCTION certkeep.refuse_recovery(of_recovery integer, broken text, of_table text) RETURNS void
  LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION 'recovery % breaks a rule: %', of_recovery, broken
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = broken, TABLE = of_table, SCHEMA = 'certkeep';
  END $$;

  REVOKE EXECUTE ON FUNCTION certkeep.holds_role(uuid, text, integer), certkeep.agent_may_open(integer, uuid, timestamptz),
    certkeep.counted_agents(integer, timestamptz), certkeep.lock_recovery_parties(integer) FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION certkeep.holds_role(uuid, text, integer), certkeep.agent_may_open(integer, uuid, timestamptz),
    certkeep.counted_agents(integer, timestamptz), certkeep.lock_recovery_parties(integer) TO certkeep_console;
`

/**
 * Mode and quorum are not the requester's to say: they are the sealed key's and its template's. Nobody but the archive
 * reads a sealed key; the console learns of one what it is and for whom. What a sealed key says of its quorum is a column
 * that a later migration adds, so the function finds it when it is called.
 */
const GUARD_NEW = `
  CREATE FUNCTION certkeep.archived_keys(of_requests integer[])
  RETURNS TABLE (request_id integer, ca_id integer, mode text, quorum integer, key_format text, algorithm text,
    bits integer, sealed_at timestamptz, agent_ids integer[])
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  BEGIN
    RETURN QUERY
      SELECT s.request_id, r.ca_id, s.mode, greatest(s.quorum, coalesce(
          (t.definition #>> '{archival,threshold}')::integer, (t.definition #>> '{archival,approvals}')::integer, 1)),
        s.key_format, s.algorithm, s.bits, s.sealed_at,
        ARRAY(SELECT a.agent_id FROM certkeep.sealed_key_agent AS a WHERE a.request_id = s.request_id ORDER BY 1)
      FROM certkeep.sealed_key AS s JOIN certkeep.request AS r ON r.id = s.request_id
      LEFT JOIN certkeep.template AS t ON t.id = r.template_id
      WHERE s.request_id = ANY (of_requests) AND r.state IN ('issued', 'revoked');
  END $$;
  REVOKE EXECUTE ON FUNCTION certkeep.archived_keys(integer[]) FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION certkeep.archived_keys(integer[]) TO certkeep_console;

  CREATE FUNCTION certkeep.guard_new_recovery() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    terms record;
    broken text;
  BEGIN
    SELECT k.ca_id, k.mode, k.quorum INTO terms FROM certkeep.archived_keys(ARRAY[NEW.request_id]) AS k;
    IF terms.ca_id IS DISTINCT FROM NEW.ca_id THEN
      broken := 'recovery_is_of_archived_key';
    ELSIF NEW.state <> 'requested' OR num_nonnulls(NEW.prepared_at, NEW.approved_at, NEW.notified_at) > 0 THEN
      broken := 'recovery_begins_requested';
    ELSIF NOT certkeep.holds_role(NEW.requester_id, 'officer', NEW.ca_id) THEN
      broken := 'recovery_requester_is_officer';
    END IF;
    IF broken IS NOT NULL THEN PERFORM certkeep.refuse_recovery(NEW.id, broken, TG_TABLE_NAME); END IF;
    NEW.mode := terms.mode;
    NEW.quorum := terms.quorum;
    RETURN NEW;
  END $$;
  CREATE TRIGGER recovery_is_new BEFORE INSERT ON certkeep.recovery FOR EACH ROW
    EXECUTE FUNCTION certkeep.guard_new_recovery();
`

const GUARD_MOVES = `
  CREATE FUNCTION certkeep.guard_recovery() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    broken text;
  BEGIN
    IF (NEW.ca_id, NEW.request_id, NEW.serial_number, NEW.owner_id, NEW.mode, NEW.requester_id, NEW.requester_name,
        NEW.reason, NEW.ticket, NEW.recipient, NEW.requested_at, NEW.expires_at)
      IS DISTINCT FROM
        (OLD.ca_id, OLD.request_id, OLD.serial_number, OLD.owner_id, OLD.mode, OLD.requester_id, OLD.requester_name,
        OLD.reason, OLD.ticket, OLD.recipient, OLD.requested_at, OLD.expires_at)
      OR NEW.quorum <> OLD.quorum THEN
      broken := 'recovery_keeps_terms';
    ELSIF OLD.approved_at IS NOT NULL
      AND (NEW.approved_at, NEW.release_until) IS DISTINCT FROM (OLD.approved_at, OLD.release_until) THEN
      broken := 'recovery_keeps_window';
    ELSIF NEW.state = OLD.state THEN
      IF (NEW.released_at, NEW.counted_agents, NEW.notify_at, NEW.closed_at, NEW.closed_by, NEW.close_reason)
        IS DISTINCT FROM
         (OLD.released_at, OLD.counted_agents, OLD.notify_at, OLD.closed_at, OLD.closed_by, OLD.close_reason)
        OR (OLD.notified_at IS NOT NULL AND NEW.notified_at IS DISTINCT FROM OLD.notified_at)
        OR (OLD.prepared_at IS NOT NULL AND NEW.prepared_at IS NULL) THEN
        broken := 'recovery_is_final';
      END IF;
    ELSIF NOT (CASE OLD.state
      WHEN 'requested' THEN NEW.state IN ('approved', 'refused', 'withdrawn', 'expired')
      WHEN 'approved' THEN NEW.state IN ('released', 'refused', 'withdrawn', 'expired')
      ELSE false
    END) THEN
      broken := 'recovery_moves_legally';
    ELSIF NOT (CASE current_user
      WHEN 'certkeep_archive' THEN NEW.state IN ('expired', 'refused')
      WHEN 'certkeep_console' THEN NEW.state <> 'expired'
      ELSE true
    END) THEN
      broken := 'recovery_moves_of_role';
    ELSIF NEW.state = 'approved' THEN
      IF NEW.approved_at >= OLD.expires_at THEN
        broken := 'recovery_is_approved_in_time';
      ELSIF cardinality(certkeep.counted_agents(OLD.id, NEW.approved_at)) < OLD.quorum THEN
        broken := 'recovery_is_approved_by_enough';
      END IF;
    ELSIF NEW.state = 'released' THEN
      PERFORM certkeep.lock_recovery_parties(OLD.id);
      NEW.counted_agents := certkeep.counted_agents(OLD.id, NEW.released_at);
      IF cardinality(NEW.counted_agents) < OLD.quorum THEN
        broken := 'recovery_is_released_by_enough';
      ELSIF NOT certkeep.holds_role(OLD.requester_id, 'officer', OLD.ca_id) THEN
        broken := 'recovery_requester_is_officer';
      ELSIF NOT EXISTS (SELECT FROM certkeep.archived_keys(ARRAY[OLD.request_id])) THEN
        broken := 'recovery_is_of_archived_key';
      END IF;
    END IF;
    IF broken IS NOT NULL THEN PERFORM certkeep.refuse_recovery(OLD.id, broken, TG_TABLE_NAME); END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER recovery_is_guarded BEFORE UPDATE ON certkeep.recovery FOR EACH ROW
    EXECUTE FUNCTION certkeep.guard_recovery();
`

/** The recovery is locked first, so that of two who approve at once the second finds what the first did. */
const GUARD_APPROVALS = `
  CREATE FUNCTION certkeep.guard_recovery_approval() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    target record;
    broken text;
  BEGIN
    SELECT state, mode, requester_id, expires_at, release_until INTO target
      FROM certkeep.recovery WHERE id = NEW.recovery_id FOR NO KEY UPDATE;
    IF target.state IS NULL OR target.state NOT IN ('requested', 'approved') THEN
      broken := 'recovery_approval_is_due';
    ELSIF NEW.at >= coalesce(target.release_until, target.expires_at) THEN
      broken := 'recovery_is_approved_in_time';
    ELSIF NEW.principal_id = target.requester_id THEN
      broken := 'recovery_approver_is_another';
    ELSIF (NEW.transferred IS NULL) = (target.mode = 'threshold') THEN
      broken := 'recovery_approval_has_share';
    ELSIF NOT certkeep.agent_may_open(NEW.agent_id, NEW.principal_id, NEW.at) THEN
      broken := 'recovery_approver_is_agent';
    END IF;
    IF broken IS NOT NULL THEN PERFORM certkeep.refuse_recovery(NEW.recovery_id, broken, TG_TABLE_NAME); END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER recovery_approval_is_guarded BEFORE INSERT ON certkeep.recovery_approval FOR EACH ROW
    EXECUTE FUNCTION certkeep.guard_recovery_approval();
`

/** The archive puts shares beside what is open, and the sealed key beside what is released; nothing else gets out of it. */
const GUARD_PREPARED = `
  CREATE FUNCTION certkeep.guard_recovery_share() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    target record;
  BEGIN
    SELECT state, mode INTO target FROM certkeep.recovery WHERE id = NEW.recovery_id;
    IF target.state IS NULL OR target.state NOT IN ('requested', 'approved')
      OR (NEW.share IS NULL) = (target.mode = 'threshold') THEN
      PERFORM certkeep.refuse_recovery(NEW.recovery_id, 'recovery_share_is_of_open', TG_TABLE_NAME);
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER recovery_share_is_guarded BEFORE INSERT ON certkeep.recovery_share FOR EACH ROW
    EXECUTE FUNCTION certkeep.guard_recovery_share();

  CREATE FUNCTION certkeep.guard_recovery_package() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    target record;
    broken text;
  BEGIN
    IF TG_OP = 'INSERT' THEN
      SELECT state, mode INTO target FROM certkeep.recovery WHERE id = NEW.recovery_id;
      NEW.to_be_signed := target.mode = 'any-agent';
      IF target.state IS DISTINCT FROM 'released' THEN
        broken := 'recovery_package_is_of_released';
      END IF;
    ELSIF (NEW.recovery_id, NEW.sealed, NEW.prepared_at, NEW.to_be_signed)
        IS DISTINCT FROM (OLD.recovery_id, OLD.sealed, OLD.prepared_at, OLD.to_be_signed)
      OR (OLD.to_sign IS NOT NULL
        AND (NEW.to_sign, NEW.signer_index, NEW.intended_at) IS DISTINCT FROM (OLD.to_sign, OLD.signer_index, OLD.intended_at))
      OR OLD.signed IS NOT NULL THEN
      broken := 'recovery_package_is_kept_as_meant';
    END IF;
    IF broken IS NOT NULL THEN PERFORM certkeep.refuse_recovery(NEW.recovery_id, broken, TG_TABLE_NAME); END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER recovery_package_is_guarded BEFORE INSERT OR UPDATE ON certkeep.recovery_package FOR EACH ROW
    EXECUTE FUNCTION certkeep.guard_recovery_package();
`
