import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * A key waits for a recovery as long as that can still be delivered, and no longer. One of which the successor's person
 * has got another part goes back to the archive, which passes it over, and holds up no other. The successor is one who
 * can still open what is sealed to it.
 */
export class MendReseals1795231842000 implements MigrationInterface {
  readonly name = 'MendReseals1795231842000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(putResealed(true))
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(putResealed(false))
  }
}

const IS_ACTIVE = `EXISTS (SELECT FROM recovery_agent AS a
        WHERE a.id = run.to_agent_id AND a.state = 'active' AND a.not_after >= at)`

const MAY_OPEN = 'certkeep.agent_may_open(run.to_agent_id, run.to_principal_id, at)'

const FORMER = `
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
`

const LOOK_AGAIN = `
      -- Another agent's part has been handed on meanwhile, or the key has been imported or purged, or the successor's person
      -- has got another part, and nobody may hold two: the archive looks at it once more, as it is now.
      IF sha256(kept.sealed) IS DISTINCT FROM due.made_of OR EXISTS (SELECT FROM recovery_agent AS a
          WHERE a.id = ANY (kept.agent_ids) AND a.id <> run.from_agent_id
            AND (a.id = run.to_agent_id OR a.principal_id = run.to_principal_id)) THEN
        UPDATE reseal_key AS k SET state = 'handed_on', verified_by = NULL, moved_at = at
        WHERE k.reseal_id = run.id AND k.request_id = due.request_id;
        DELETE FROM resealed_key AS n WHERE n.reseal_id = run.id AND n.request_id = due.request_id;
        again := again + 1;
        CONTINUE;
      END IF;
`

/** As it was, or mended. */
function putResealed(isMended: boolean): string {
  return `
  CREATE OR REPLACE FUNCTION certkeep.put_resealed(of_reseal uuid, most integer, at timestamptz) RETURNS TABLE (put integer, again integer)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = certkeep, pg_temp AS $$
  DECLARE
    run reseal;
    due record;
    kept record;
  BEGIN
    put := 0;
    again := 0;
    SELECT * INTO run FROM reseal AS r WHERE r.id = of_reseal AND r.state = 'open' FOR UPDATE;
    IF NOT FOUND OR NOT ${isMended ? MAY_OPEN : IS_ACTIVE} THEN
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
            ${isMended ? 'AND r.release_until >= at ' : ''}AND NOT EXISTS (SELECT FROM recovery_package AS p WHERE p.recovery_id = r.id))))
      ORDER BY k.request_id LIMIT most FOR UPDATE OF k SKIP LOCKED
    LOOP
      SELECT s.agent_ids, s.sealed INTO kept FROM sealed_key AS s WHERE s.request_id = due.request_id FOR UPDATE;
${isMended ? LOOK_AGAIN : FORMER}      UPDATE sealed_key AS s SET sealed = due.sealed, agent_ids = ARRAY(
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
`
}
