import { AppError, equalBytes, type RequestId, type RequestState } from '@app/core'
import type { DataSource } from 'typeorm'
import { inBatches } from './batches.js'
import { snakeCase } from './entity.js'
import { query, queryOne, type Statement } from './sql.js'
import { batchSizeFor, hasRepeats, insertTogether, isBatchable } from './submission-batches.js'
import { COLUMNS, storable, submissionValues, type NewRequest, type Submission } from './submission-row.js'

/** What became of a submission. */
export interface Submitted {
  readonly id: RequestId
  readonly state: RequestState
  /** False when the same request had been submitted before; id and state are then the earlier one's. */
  readonly fresh: boolean
}

const FIRST_EXTRA = COLUMNS.length + 1
const [ACTOR, DETAIL, ENVELOPE, PLACEMENT] = [0, 1, 2, 3].map(offset => `$${FIRST_EXTRA + offset}`)
const parameterOf = (column: (typeof COLUMNS)[number]): string => `$${COLUMNS.indexOf(column) + 1}`

/**
 * Row, audit event and envelope in one statement, which is a transaction of its own: one round trip and one commit.
 * A row that any unique index excludes is not inserted, and neither is the rest; nothing comes back then.
 */
function insertStatement(name: string, more: string): Statement {
  return {
    name,
    text: `
      WITH submitted AS (
        INSERT INTO certkeep.request (${COLUMNS.map(snakeCase).join(', ')}, resolved_at)
        VALUES (${COLUMNS.map(parameterOf).join(', ')},
                CASE WHEN ${parameterOf('state')}::certkeep.request_state = 'received' THEN NULL
                     ELSE ${parameterOf('submittedAt')}::timestamptz END)
        ON CONFLICT DO NOTHING
        RETURNING id, state, submitted_at, failure_code
      ), event AS (
        INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
        SELECT submitted_at, ${ACTOR}::text, 'request.submitted', 'request', id::text,
               CASE state WHEN 'received' THEN 'success' ELSE state::text END,
               jsonb_strip_nulls(jsonb_build_object('to', state, 'failure', failure_code)) || ${DETAIL}::jsonb
        FROM submitted
      )${more}
      SELECT id FROM submitted`
  }
}

/** Two statements, since the authority, which submits too, may not name the table of the envelopes at all. */
const INSERT = insertStatement('request_submit', '')
const INSERT_ENVELOPED = insertStatement(
  'request_submit_enveloped',
  `, enveloped AS (
        INSERT INTO certkeep.archived_key_envelope (request_id, envelope, placement)
        SELECT id, ${ENVELOPE}::bytea, ${PLACEMENT}::text FROM submitted
      )`
)

/** An earlier request that excludes a new one, the strongest reason first. */
const FIND_EARLIER: Statement = {
  name: 'request_find_earlier',
  text: `
    SELECT id, state, request_digest AS "requestDigest", reason FROM (
      SELECT id, state, request_digest, 'idempotency_key' AS reason, 1 AS rank FROM certkeep.request
      WHERE ca_id = $1 AND requester_id = $2 AND idempotency_key = $3
      UNION ALL
      SELECT id, state, request_digest, 'digest', 2 FROM certkeep.request
      WHERE ca_id = $1 AND requester_id = $2 AND request_digest = $4 AND state NOT IN ('failed', 'denied')
      UNION ALL
      SELECT id, state, request_digest, 'transaction_id', 3 FROM certkeep.request
      WHERE ca_id = $1 AND requester_id = $2 AND transaction_id = $5
    ) AS earlier
    ORDER BY rank LIMIT 1`
}

/** An earlier request may fail, and so give way, between the two statements; each round needs another such one. */
const ROUNDS = 5

type Outcome = PromiseSettledResult<RequestId | undefined>

/** Records requests, those together that come together; see `RequestStore.submit`. */
export class Submissions {
  private readonly plain = this.together(false)
  private readonly enveloped = this.together(true)

  constructor(private readonly dataSource: DataSource) {}

  async submit(submission: Submission): Promise<Submitted> {
    const { request, envelope } = submission
    if (envelope !== undefined && request.state !== 'received') {
      throw new AppError('internal', `A request that is ${request.state} keeps no archived key.`)
    }
    for (let round = 0; round < ROUNDS; round++) {
      const id = await this.insert(submission)
      if (id !== undefined) return { id, state: request.state, fresh: true }
      const earlier = await findEarlier(this.dataSource, request)
      if (earlier !== undefined) return earlier
    }
    throw new AppError('unavailable', 'Requests like this one come and go too fast to record it; try again.')
  }

  private async insert(submission: Submission): Promise<RequestId | undefined> {
    if (!isBatchable(submission)) return this.insertOne(submission)
    const insertion = submission.envelope === undefined ? this.plain : this.enveloped
    const outcome = await insertion(submission)
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  }

  private together(isEnveloped: boolean): (submission: Submission) => Promise<Outcome> {
    const each = (batch: readonly Submission[]): Promise<readonly Outcome[]> =>
      Promise.allSettled(batch.map(submission => this.insertOne(submission)))
    return inBatches(batchSizeFor, async batch => {
      if (batch.length === 1 || hasRepeats(batch)) return each(batch)
      try {
        const ids = await insertTogether(this.dataSource, batch, isEnveloped)
        return ids.map(value => ({ status: 'fulfilled', value }))
      } catch {
        // One that the database refuses takes no other with it. Whatever was recorded after all is found again.
        return each(batch)
      }
    })
  }

  private async insertOne(submission: Submission): Promise<RequestId | undefined> {
    const statement = submission.envelope === undefined ? INSERT : INSERT_ENVELOPED
    const values = submissionValues(submission)
    const inserted = await queryOne<{ readonly id: RequestId }>(this.dataSource, undefined, statement, values)
    return inserted?.id
  }
}

interface Earlier {
  readonly id: RequestId
  readonly state: RequestState
  readonly requestDigest: Buffer
  readonly reason: 'idempotency_key' | 'digest' | 'transaction_id'
}

/** The same bytes get the stored answer; another request under the same key or transaction id is refused. */
async function findEarlier(dataSource: DataSource, request: NewRequest): Promise<Submitted | undefined> {
  const { caId, requesterId, idempotencyKey, requestDigest, transactionId } = request
  const values = [caId, requesterId, storable(idempotencyKey), requestDigest, transactionId]
  const [earlier] = await query<Earlier>(dataSource, undefined, FIND_EARLIER, values)
  if (earlier === undefined) return undefined
  const { id, state, reason } = earlier
  if (equalBytes(earlier.requestDigest, requestDigest)) return { id, state, fresh: false }
  if (reason === 'idempotency_key') {
    const message = `The idempotency key was used for another request, ${id}; use a new key for a new request.`
    throw new AppError('idempotency_mismatch', message, { requestId: id })
  }
  const message = `The transaction id was used for another request, ${id}; use a new one for a new request.`
  throw new AppError('replayed_transaction', message, { requestId: id })
}
