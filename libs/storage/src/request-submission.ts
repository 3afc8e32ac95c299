import { AppError, equalBytes, type RequestId, type RequestState } from '@app/core'
import type { DataSource } from 'typeorm'
import type { EnvelopeRow } from './archive-row.js'
import type { Because } from './audit-row.js'
import { snakeCase } from './entity.js'
import type { RequestRow } from './request-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableJson, storableText } from './text.js'

/** The columns that a submission fills, in the order of the statement's parameters. */
const COLUMNS = [
  'caId',
  'state',
  'format',
  'dialect',
  'rawRequest',
  'requestDigest',
  'requestAttributes',
  'flags',
  'rowFlags',
  'requesterId',
  'requesterName',
  'callerId',
  'callerName',
  'subject',
  'publicKey',
  'keyId',
  'templateName',
  'carriesKey',
  'keyHashAlgorithm',
  'keyHash',
  'proofDigest',
  'bodyPartId',
  'transactionId',
  'senderNonce',
  'idempotencyKey',
  'submittedAt',
  'failureCode',
  'failureMessage',
  'dispositionMessage'
] as const satisfies readonly (keyof RequestRow)[]

/** A request that is about to be recorded. `received` has no failure, the other two states have one. */
export interface NewRequest extends Pick<RequestRow, Exclude<(typeof COLUMNS)[number], BinaryColumn | 'state'>> {
  readonly state: 'received' | 'denied' | 'failed'
  readonly rawRequest: Uint8Array
  readonly requestDigest: Uint8Array
  readonly publicKey: Uint8Array | null
  readonly keyId: Uint8Array | null
  readonly keyHash: Uint8Array | null
  readonly transactionId: Uint8Array | null
  readonly senderNonce: Uint8Array | null
}

type BinaryColumn = 'rawRequest' | 'requestDigest' | 'publicKey' | 'keyId' | 'keyHash' | 'transactionId' | 'senderNonce'

/** The archived key that came with a request. */
export type NewEnvelope = Pick<EnvelopeRow, 'placement'> & { readonly envelope: Uint8Array }

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

/** See `RequestStore.submit`. */
export async function submitRequest(
  dataSource: DataSource,
  request: NewRequest,
  envelope: NewEnvelope | undefined,
  because: Because
): Promise<Submitted> {
  if (envelope !== undefined && request.state !== 'received') {
    throw new AppError('internal', `A request that is ${request.state} keeps no archived key.`)
  }
  const values = [
    ...COLUMNS.map(column => storable(request[column])),
    storableText(because.actor),
    storableJson(because.detail ?? {}),
    ...(envelope === undefined ? [] : [envelope.envelope, envelope.placement])
  ]
  const statement = envelope === undefined ? INSERT : INSERT_ENVELOPED
  for (let round = 0; round < ROUNDS; round++) {
    const inserted = await queryOne<{ readonly id: RequestId }>(dataSource, undefined, statement, values)
    if (inserted !== undefined) return { id: inserted.id, state: request.state, fresh: true }
    const earlier = await findEarlier(dataSource, request)
    if (earlier !== undefined) return earlier
  }
  throw new AppError('unavailable', 'Requests like this one come and go too fast to record it; try again.')
}

/** Much of the text is what a stranger put into the request. */
function storable(value: NewRequest[keyof NewRequest]): unknown {
  return typeof value === 'string' ? storableText(value) : value
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
