import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Purges take keys that were recovered by several agents too, and one key that the database refuses to erase holds up no
 * other. What is purged is what was approved. A hold is of a key that is there, and a purge that is under way sees it.
 */
export class MendPurges1795231840000 implements MigrationInterface {
  readonly name = 'MendPurges1795231840000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(functions(true))
    await runner.query(GUARDS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER key_hold_is_of_kept_key ON certkeep.key_hold;
      DROP FUNCTION certkeep.guard_key_hold();
      DROP TRIGGER key_purge_item_is_of_proposal ON certkeep.key_purge_item;
      DROP FUNCTION certkeep.guard_key_purge_item();
    `)
    await runner.query(functions(false))
  }
}

/** A violated rule is the key's own; everything else that fails is the database's, and ends the batch. */
const PURGE_ALONE = `BEGIN
          outcome := certkeep.purge_key(of_purge, one_request, at_time);
        EXCEPTION WHEN integrity_constraint_violation OR check_violation OR foreign_key_violation OR not_null_violation THEN
          GET STACKED DIAGNOSTICS broken = CONSTRAINT_NAME;
          outcome := 'broken';
        END;`

const BROKEN = `ELSIF outcome = 'broken' THEN
          UPDATE certkeep.key_purge_item SET why = 'the database does not erase it: ' || broken,
            retry_at = at_time + interval '5 minutes' WHERE purge_id = of_purge AND request_id = one_request;
        `

/** As they were, or mended. */
function functions(isMended: boolean): string {
  return `
  -- One key of an approved purge. What stands against it is looked at again, under the lock of the key.
  CREATE OR REPLACE FUNCTION certkeep.purge_key(of_purge integer, one_request integer, at_time timestamptz) RETURNS text
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    purge certkeep.key_purge;
    hash bytea;
  BEGIN
    SELECT * INTO purge FROM certkeep.key_purge WHERE id = of_purge;
    PERFORM FROM certkeep.sealed_key WHERE request_id = one_request AND purged_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN RETURN 'gone'; END IF;
    IF EXISTS (SELECT FROM certkeep.key_hold WHERE request_id = one_request AND lifted_at IS NULL) THEN
      RETURN 'held';
    ELSIF certkeep.is_key_wanted(one_request, at_time) THEN
      RETURN 'wanted';
    ELSIF NOT EXISTS (SELECT FROM certkeep.purgeable_keys(purge.ca_id, purge.template_name, at_time, ARRAY[one_request])) THEN
      RETURN 'policy';
    END IF;
    SELECT sha256(public_key) INTO STRICT hash FROM certkeep.request WHERE id = one_request;
    UPDATE certkeep.sealed_key SET sealed = NULL, purged_at = at_time, agent_ids = '{}' WHERE request_id = one_request;
    DELETE FROM certkeep.sealed_key_agent WHERE request_id = one_request;
    PERFORM set_config('certkeep.purging', 'on', true);
    UPDATE certkeep.recovery_share SET share = NULL${isMended ? ', binding = NULL' : ''} WHERE recovery_id IN (
      SELECT id FROM certkeep.recovery WHERE request_id = one_request) AND share IS NOT NULL;
    UPDATE certkeep.recovery_approval SET transferred = NULL WHERE recovery_id IN (
      SELECT id FROM certkeep.recovery WHERE request_id = one_request) AND transferred IS NOT NULL;
    UPDATE certkeep.recovery_package SET sealed = '\\x00', to_sign = CASE WHEN to_sign IS NOT NULL THEN '\\x'::bytea END,
      signed = CASE WHEN signed IS NOT NULL THEN '\\x'::bytea END
      WHERE recovery_id IN (SELECT id FROM certkeep.recovery WHERE request_id = one_request);
    PERFORM set_config('certkeep.purging', 'off', true);
    UPDATE certkeep.key_purge_item SET state = 'purged', key_hash = hash, decided_at = at_time, why = NULL
      WHERE purge_id = of_purge AND request_id = one_request;
    INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      VALUES (at_time, 'role:archive', 'sealed_key.purged', 'sealed_key', one_request::text, 'success',
        jsonb_build_object('purge', of_purge, 'proposedBy', purge.proposed_by_name, 'approvedBy', purge.approved_by_name,
          'reason', purge.reason, 'keyHash', encode(hash, 'hex')));
    RETURN 'purged';
  END $$;

  -- Up to so many keys of the oldest purge that is due. Gives how many it looked at; 0 when there is nothing to do now.
  CREATE OR REPLACE FUNCTION certkeep.run_key_purge(most integer, at_time timestamptz) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    of_purge integer;
    one_request integer;
    outcome text;
    looked integer := 0;${isMended ? '\n    broken text;' : ''}
  BEGIN
    FOR of_purge IN
      SELECT p.id FROM certkeep.key_purge AS p WHERE p.state = 'approved' ORDER BY p.id FOR NO KEY UPDATE SKIP LOCKED
    LOOP
      FOR one_request IN
        SELECT i.request_id FROM certkeep.key_purge_item AS i
        WHERE i.purge_id = of_purge AND i.state = 'due' AND (i.retry_at IS NULL OR i.retry_at <= at_time)
        ORDER BY i.request_id LIMIT most - looked
      LOOP
        ${isMended ? PURGE_ALONE : 'outcome := certkeep.purge_key(of_purge, one_request, at_time);'}
        looked := looked + 1;
        IF outcome = 'wanted' THEN
          UPDATE certkeep.key_purge_item SET why = 'a recovery of the key is in flight',
            retry_at = at_time + interval '5 minutes' WHERE purge_id = of_purge AND request_id = one_request;
        ${isMended ? BROKEN : ''}ELSIF outcome <> 'purged' THEN
          UPDATE certkeep.key_purge_item SET state = 'kept', decided_at = at_time, why = CASE outcome
            WHEN 'held' THEN 'the key is held'
            WHEN 'policy' THEN 'the retention policy no longer lets it go'
            ELSE 'the key was purged before' END
          WHERE purge_id = of_purge AND request_id = one_request;
        END IF;
      END LOOP;
      IF NOT EXISTS (SELECT FROM certkeep.key_purge_item WHERE purge_id = of_purge AND state = 'due') THEN
        UPDATE certkeep.key_purge SET state = 'done', completed_at = at_time WHERE id = of_purge;
        INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
          SELECT at_time, 'role:archive', 'key_purge.completed', 'key_purge', of_purge::text, 'success',
            jsonb_build_object('purged', count(*) FILTER (WHERE state = 'purged'),
              'kept', count(*) FILTER (WHERE state = 'kept'))
          FROM certkeep.key_purge_item WHERE purge_id = of_purge;
      END IF;
      EXIT WHEN looked >= most;
    END LOOP;
    RETURN looked;
  END $$;
`
}

const GUARDS = `
  -- Whoever holds a key waits for a purge that has it, and finds what became of it.
  CREATE FUNCTION certkeep.guard_key_hold() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  BEGIN
    PERFORM FROM certkeep.sealed_key WHERE request_id = NEW.request_id AND purged_at IS NULL FOR KEY SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the key of request % is not in the archive', NEW.request_id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME,
              SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER key_hold_is_of_kept_key BEFORE INSERT ON certkeep.key_hold FOR EACH ROW
    EXECUTE FUNCTION certkeep.guard_key_hold();

  -- Nothing is added to what somebody has approved, nor more than was told.
  CREATE FUNCTION certkeep.guard_key_purge_item() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  BEGIN
    IF EXISTS (
      SELECT FROM certkeep.key_purge AS p JOIN (SELECT DISTINCT purge_id FROM added) AS a ON a.purge_id = p.id
      WHERE p.state <> 'proposed'
        OR p.keys <> (SELECT count(*) FROM certkeep.key_purge_item AS i WHERE i.purge_id = p.id)) THEN
      RAISE EXCEPTION 'a purge is of the keys that were proposed'
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME,
              SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER key_purge_item_is_of_proposal AFTER INSERT ON certkeep.key_purge_item
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION certkeep.guard_key_purge_item();
`
