import type { RequestId } from '@app/core'
import type { DataSource } from 'typeorm'
import { encodeByteaArray } from './bytea-array.js'
import type { ResponseRow } from './certificate-row.js'
import { responseEntity } from './entities.js'
import { selectList } from './entity.js'
import { query, queryOne, type Statement } from './sql.js'
import type { Unit } from './unit.js'

/** A signed response that is about to be stored. */
export type NewResponse = Omit<ResponseRow, 'fullResponse'> & { readonly fullResponse: Uint8Array }

/** A row whose move was told to be responded has that mark already, and is not written again. */
const PUT: Statement = {
  name: 'response_put',
  text: `
    WITH p AS (
      SELECT * FROM unnest($1::integer[], $2::certkeep.request_state[], $3::bytea[], $4::timestamptz[])
        AS p (request_id, state, full_response, created_at)
    ), marked AS (
      UPDATE certkeep.request AS r SET responded_state = p.state FROM p
      WHERE r.id = p.request_id AND r.state = p.state AND r.responded_state IS DISTINCT FROM p.state
    )
    INSERT INTO certkeep.response (request_id, state, full_response, created_at)
    SELECT request_id, state, full_response, created_at FROM p
    ON CONFLICT (request_id) DO UPDATE
    SET state = excluded.state, full_response = excluded.full_response, created_at = excluded.created_at`
}

const FIND: Statement = {
  name: 'response_find',
  text: `SELECT ${selectList(responseEntity, 'r')} FROM certkeep.response AS r WHERE r.request_id = $1`
}

/** The signed full responses, the latest one for each request. */
export class ResponseStore {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Stores responses, in place of those for earlier states, and marks their requests as responded where they are still in
   * the state that the response tells of.
   */
  async put(unit: Unit, responses: readonly NewResponse[]): Promise<void> {
    if (responses.length === 0) return
    await query(this.dataSource, unit, PUT, [
      responses.map(({ requestId }) => requestId),
      responses.map(({ state }) => state),
      encodeByteaArray(responses.map(({ fullResponse }) => fullResponse)),
      responses.map(({ createdAt }) => createdAt)
    ])
  }

  /** Compare its state with the request's: the response for a new state comes a little later than the state. */
  find(requestId: RequestId): Promise<ResponseRow | undefined> {
    return queryOne<ResponseRow>(this.dataSource, undefined, FIND, [requestId])
  }
}
