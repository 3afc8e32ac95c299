import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Sealed keys are sealed anew by an agent to a successor: prepared, handed on, stored beside the old form, verified, put in its place. */
export class CreateReseals1795231101000 implements MigrationInterface {
  readonly name = 'CreateReseals1795231101000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLES)
    await runner.query(GUARDS)
    await runner.query(FINISH)
    await runner.query(GRANTS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP FUNCTION certkeep.put_resealed(uuid, integer, timestamptz);
      DROP TABLE certkeep.resealed_key;
      DROP TABLE certkeep.reseal_key;
      DROP TABLE certkeep.reseal;
      DROP FUNCTION certkeep.guard_reseal();
      DROP FUNCTION certkeep.guard_reseal_key();
      DROP INDEX certkeep.sealed_key_of_agent_in_order;
      CREATE INDEX sealed_key_of_agent ON certkeep.sealed_key_agent (agent_id);
    `)
  }
}

const TABLES = `
  CREATE TABLE certkeep.reseal (
    id uuid PRIMARY KEY,
    ca_id integer NOT NULL REFERENCES certkeep.ca (id),
    from_agent_id integer NOT NULL REFERENCES certkeep.recovery_agent (id),
    to_agent_id integer NOT NULL REFERENCES certkeep.recovery_agent (id),
    -- Who carries it out and who verifies it: the accounts of the agents when it was started.
    from_principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
    to_principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
    state text NOT NULL CHECK (state IN ('open', 'completed', 'cancelled')),
    started_by uuid NOT NULL REFERENCES certkeep.principal (id),
    started_by_name text NOT NULL,
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    -- Keys that were sealed to the agent at the start; null until the archive has counted.
    total integer,
    -- Every key with a lower number has been looked at.
    prepared_up_to integer NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT reseal_has_two_agents CHECK (from_agent_id <> to_agent_id),
    CONSTRAINT reseal_starter_is_no_agent_of_it CHECK (started_by <> from_principal_id AND started_by <> to_principal_id),
    CONSTRAINT reseal_ended_has_time CHECK ((state = 'open') = (ended_at IS NULL))
  );
  -- An agent's keys go to one successor at a time.
  CREATE UNIQUE INDEX reseal_of_agent_once ON certkeep.reseal (from_agent_id) WHERE state = 'open';
  CREATE INDEX reseal_started ON certkeep.reseal (started_at DESC, id);

  CREATE TABLE certkeep.reseal_key (
    reseal_id uuid NOT NULL REFERENCES certkeep.reseal (id),
    request_id integer NOT NULL REFERENCES certkeep.sealed_key (request_id) ON DELETE CASCADE,
    state text NOT NULL CHECK (state IN ('prepared', 'handed_on', 'stored', 'verified', 'done', 'skipped')),
    mode text NOT NULL,
    -- The agent's part of the sealed key, and what a part is told right by; encrypted to agents, like what follows.
    held bytea,
    binding bytea,
    -- The part as the agent has encrypted it to the successor.
    part bytea,
    handed_on_by uuid,
    verified_by uuid,
    -- Why it is skipped, or why what was handed on before was not taken.
    failure text,
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (reseal_id, request_id),
    CONSTRAINT reseal_key_prepared_has_held CHECK (state <> 'prepared' OR num_nulls(held, binding) = 0),
    CONSTRAINT reseal_key_handed_on_has_part CHECK (state NOT IN ('handed_on', 'stored', 'verified') OR part IS NOT NULL)
  );
  CREATE INDEX reseal_key_in_state ON certkeep.reseal_key (reseal_id, state, request_id);
  CREATE INDEX reseal_key_of_key ON certkeep.reseal_key (request_id);

  -- The new sealed form, until it is put in the place of the old one. For the archive alone.
  CREATE TABLE certkeep.resealed_key (
    reseal_id uuid NOT NULL,
    request_id integer NOT NULL,
    sealed bytea NOT NULL CHECK (octet_length(sealed) > 0),
    -- SHA-256 of the old form that it was made of.
    made_of bytea NOT NULL CHECK (octet_length(made_of) = 32),
    PRIMARY KEY (reseal_id, request_id),
    FOREIGN KEY (reseal_id, request_id) REFERENCES certkeep.reseal_key (reseal_id, request_id) ON DELETE CASCADE
  );
  ALTER TABLE certkeep.resealed_key ALTER sealed SET STORAGE EXTERNAL;

  CREATE INDEX sealed_key_of_agent_in_order ON certkeep.sealed_key_agent (agent_id, request_id);
  DROP INDEX certkeep.sealed_key_of_agent;
`

const GUARDS = `
  CREATE FUNCTION certkeep.guard_reseal() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    broken text;
  BEGIN
    IF OLD.state <> 'open' THEN
      broken := 'reseal_ended_is_final';
    ELSIF current_user = 'certkeep_console' AND NEW.state <> 'cancelled' THEN
      broken := 'reseal_is_completed_by_archive';
    ELSIF current_user = 'certkeep_archive' AND NEW.state = 'cancelled' THEN
      broken := 'reseal_is_cancelled_by_console';
    ELSIF NEW.state = 'completed' AND EXISTS (SELECT FROM certkeep.reseal_key AS k
        WHERE k.reseal_id = OLD.id AND k.state IN ('prepared', 'handed_on', 'stored', 'verified')) THEN
      broken := 'reseal_completed_has_nothing_left';
    END IF;
    IF broken IS NOT NULL THEN
      RAISE EXCEPTION 'reseal % may not go from % to % (%)', OLD.id, OLD.state, NEW.state, broken
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = broken, TABLE = TG_TABLE_NAME,
              SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER reseal_is_guarded BEFORE UPDATE OF state ON certkeep.reseal FOR EACH ROW
    EXECUTE FUNCTION certkeep.guard_reseal();

  -- What a key may go through, by whose process and by whom. The old form is replaced only after 'verified', by put_resealed.
  CREATE FUNCTION certkeep.guard_reseal_key() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    broken text;
    run certkeep.reseal;
    move text := OLD.state || ' ' || NEW.state;
  BEGIN
    SELECT * INTO run FROM certkeep.reseal AS r WHERE r.id = OLD.reseal_id;
    IF run.state <> 'open' THEN
      broken := 'reseal_key_moves_in_open_reseal';
    ELSIF NOT (CASE current_user
      WHEN 'certkeep_console' THEN move IN ('prepared handed_on', 'stored verified', 'stored prepared')
      WHEN 'certkeep_archive' THEN move IN ('handed_on stored', 'handed_on prepared', 'handed_on skipped')
      ELSE move IN ('prepared handed_on', 'handed_on stored', 'handed_on prepared', 'handed_on skipped',
        'stored verified', 'stored prepared', 'verified done', 'verified handed_on')
    END) THEN
      broken := 'reseal_key_moves_legally';
    ELSIF NEW.state = 'handed_on' AND NEW.handed_on_by IS DISTINCT FROM run.from_principal_id THEN
      broken := 'reseal_key_is_handed_on_by_agent';
    ELSIF NEW.state = 'verified' AND NEW.verified_by IS DISTINCT FROM run.to_principal_id THEN
      broken := 'reseal_key_is_verified_by_successor';
    ELSIF NEW.state IN ('stored', 'verified') AND NEW.part IS DISTINCT FROM OLD.part THEN
      broken := 'reseal_key_keeps_part';
    -- Apart, for the console may not read that table.
    ELSIF NEW.state IN ('stored', 'done') THEN
      IF NOT EXISTS (SELECT FROM certkeep.resealed_key AS n
          WHERE n.reseal_id = OLD.reseal_id AND n.request_id = OLD.request_id) THEN
        broken := 'reseal_key_stored_has_form';
      END IF;
    END IF;
    IF broken IS NOT NULL THEN
      RAISE EXCEPTION 'key % of reseal % may not go from % to % (%)', OLD.request_id, OLD.reseal_id, OLD.state, NEW.state,
        broken USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = broken, TABLE = TG_TABLE_NAME,
              SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER reseal_key_is_guarded BEFORE UPDATE ON certkeep.reseal_key FOR EACH ROW
    EXECUTE FUNCTION certkeep.guard_reseal_key();
`

/**
 * The one way in which a sealed key changes. No key of a recovery that is under way is touched: the lock has every other
 * transaction that makes or moves one either be seen here, or begin afterwards and see the new form.
 */
const FINISH = `
  CREATE FUNCTION certkeep.put_resealed(of_reseal uuid, most integer, at timestamptz) RETURNS TABLE (put integer, again integer)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = certkeep, pg_temp AS $$
  DECLARE
    run reseal;
    due record;
    kept record;
  BEGIN
    put := 0;
    again := 0;
    SELECT * INTO run FROM reseal AS r WHERE r.id = of_reseal AND r.state = 'open' FOR UPDATE;
    IF NOT FOUND OR NOT EXISTS (SELECT FROM recovery_agent AS a
        WHERE a.id = run.to_agent_id AND a.state = 'active' AND a.not_after >= at) THEN
      RETURN NEXT;
      RETURN;
    END IF;
    LOCK TABLE recovery IN SHARE MODE;
    FOR due IN
      SELECT k.request_id, n.sealed, n.made_of
      FROM reseal_key AS k JOIN resealed_key AS n USING (reseal_id, request_id)
      WHERE k.reseal_id = run.id AND k.state = 'verified'
        AND NOT EXISTS (SELECT FROM recovery AS r
          WHERE r.request_id = k.request_id AND (r.state IN ('requested', 'approved') OR (r.state = 'released'
            AND NOT EXISTS (SELECT FROM recovery_package AS p WHERE p.recovery_id = r.id))))
      ORDER BY k.request_id LIMIT most FOR UPDATE OF k SKIP LOCKED
    LOOP
      SELECT s.agent_ids, s.sealed INTO kept FROM sealed_key AS s WHERE s.request_id = due.request_id FOR UPDATE;
      -- Another agent's part has been handed on meanwhile, or the key has been imported or purged: the archive looks at
      -- it once more, as it is now.
      IF sha256(kept.sealed) IS DISTINCT FROM due.made_of THEN
        UPDATE reseal_key AS k SET state = 'handed_on', verified_by = NULL, moved_at = at
        WHERE k.reseal_id = run.id AND k.request_id = due.request_id;
        DELETE FROM resealed_key AS n WHERE n.reseal_id = run.id AND n.request_id = due.request_id;
        again := again + 1;
        CONTINUE;
      END IF;
      -- Nobody may come to hold two parts of a key.
      IF EXISTS (SELECT FROM recovery_agent AS a
          WHERE a.id = ANY (kept.agent_ids) AND a.id <> run.from_agent_id
            AND (a.id = run.to_agent_id OR a.principal_id = run.to_principal_id)) THEN
        RAISE EXCEPTION 'the successor holds a part of key % already', due.request_id
          USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'sealed_key_has_one_part_a_person';
      END IF;
      UPDATE sealed_key AS s SET sealed = due.sealed, agent_ids = ARRAY(
        SELECT id FROM unnest(array_replace(s.agent_ids, run.from_agent_id, run.to_agent_id)) AS id ORDER BY id)
      WHERE s.request_id = due.request_id;
      UPDATE sealed_key_agent AS a SET agent_id = run.to_agent_id
      WHERE a.request_id = due.request_id AND a.agent_id = run.from_agent_id;
      UPDATE reseal_key AS k SET state = 'done', held = NULL, binding = NULL, part = NULL, moved_at = at
      WHERE k.reseal_id = run.id AND k.request_id = due.request_id;
      DELETE FROM resealed_key AS n WHERE n.reseal_id = run.id AND n.request_id = due.request_id;
      INSERT INTO audit_event (at, actor, action, object_type, object_id, outcome, detail)
      VALUES (at, 'role:archive', 'sealed_key.resealed', 'sealed_key', due.request_id::text, 'success',
        jsonb_build_object('reseal', run.id, 'from', run.from_agent_id, 'to', run.to_agent_id));
      put := put + 1;
    END LOOP;
    RETURN NEXT;
  END $$;
  REVOKE ALL ON FUNCTION certkeep.put_resealed(uuid, integer, timestamptz) FROM PUBLIC;
`

const GRANTS = `
  GRANT SELECT, INSERT, UPDATE (state, ended_at) ON certkeep.reseal TO certkeep_console;
  GRANT SELECT, UPDATE (state, part, handed_on_by, verified_by, failure, moved_at) ON certkeep.reseal_key
    TO certkeep_console;
  GRANT SELECT, UPDATE (state, ended_at, total, prepared_up_to) ON certkeep.reseal TO certkeep_archive;
  GRANT SELECT, INSERT, UPDATE (state, held, binding, part, failure, moved_at) ON certkeep.reseal_key TO certkeep_archive;
  GRANT SELECT, INSERT, DELETE ON certkeep.resealed_key TO certkeep_archive;
  GRANT EXECUTE ON FUNCTION certkeep.put_resealed(uuid, integer, timestamptz) TO certkeep_archive;
`
