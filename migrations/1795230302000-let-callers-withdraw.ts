import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Who submitted a request for another may take it back, as its requester may. */
export class LetCallersWithdraw1795230302000 implements MigrationInterface {
  readonly name = 'LetCallersWithdraw1795230302000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(withdrawRequest('(requester_id = of_requester OR caller_id = of_requester)'))
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(withdrawRequest('requester_id = of_requester'))
  }
}

/** As it was made first, but for whose request it is; rights on a function outlast its replacement. */
function withdrawRequest(isOwn: string): string {
  return `
    CREATE OR REPLACE FUNCTION certkeep.withdraw_request(
      of_id integer, of_requester uuid, by_actor text, event_detail jsonb, at_time timestamptz
    ) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      WITH moved AS (
        UPDATE certkeep.request
        SET state = 'denied', resolved_at = at_time, failure_code = 'withdrawn',
            failure_message = 'The requester withdrew the request.', disposition_message = 'Withdrawn by the requester',
            lease_until = NULL, attempts = 0, responded_state = NULL
        WHERE id = of_id AND ${isOwn} AND state = 'pending'
        RETURNING id
      ), event AS (
        INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
        SELECT at_time, by_actor, 'request.withdrawn', 'request', id::text, 'success',
               jsonb_build_object('from', 'pending', 'to', 'denied') || event_detail
        FROM moved
      )
      SELECT EXISTS (SELECT FROM moved)
    $$`
}
