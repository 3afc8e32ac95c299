import { toHex, type RequestId } from '@app/core'
import type { DataSource } from 'typeorm'
import { requestEntity } from './entities.js'
import { snakeCase } from './entity.js'
import { query, type Statement } from './sql.js'
import { COLUMNS, submissionValues, type NewRequest, type Submission } from './submission-row.js'

/** What the rows of a batch are told apart by: a unique index sees to it. */
type Identity = Pick<NewRequest, 'caId' | 'requesterId' | 'requestDigest'>

/** How many submissions go together, if more than one: there is a statement for each of these numbers. */
const SIZES = [16, 8, 4, 2] as const

/** Of so many submissions that wait, how many to take. */
export function batchSizeFor(waiting: number): number {
  return SIZES.find(size => size <= waiting) ?? 1
}

const EXTRA = ['actor', 'detail'] as const
const ENVELOPE = ['envelope', 'placement'] as const

/** The type of what a statement takes for a column. */
function typeOf(column: string): string {
  switch (column) {
    case 'state':
      return 'certkeep.request_state'
    case 'detail':
      return 'jsonb'
    case 'envelope':
      return 'bytea'
    default:
      return (requestEntity.options.columns as Columns)[column]?.type ?? 'text'
  }
}

type Columns = Readonly<Record<string, { readonly type: string } | undefined>>

/** As the statement for one, for several that are all received; see `submitRequest`. */
function statementFor(size: number, isEnveloped: boolean): Statement {
  const columns = [...COLUMNS, ...EXTRA, ...(isEnveloped ? ENVELOPE : [])]
  const row = (start: number): string =>
    `(${columns.map((column, index) => `$${start + index + 1}::${typeOf(column)}`).join(', ')})`
  const rows = Array.from({ length: size }, (_, index) => row(index * columns.length))
  const names = COLUMNS.map(snakeCase).join(', ')
  return {
    name: `request_submit${isEnveloped ? '_enveloped' : ''}_${size}`,
    text: `
      WITH given (${columns.map(snakeCase).join(', ')}) AS (VALUES ${rows.join(', ')}), submitted AS (
        INSERT INTO certkeep.request (${names}) SELECT ${names} FROM given
        ON CONFLICT DO NOTHING
        RETURNING id, state, submitted_at, ca_id, requester_id, request_digest
      ), event AS (
        INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
        SELECT s.submitted_at, g.actor, 'request.submitted', 'request', s.id::text, 'success',
               jsonb_build_object('to', s.state) || g.detail
        FROM submitted AS s JOIN given AS g USING (ca_id, requester_id, request_digest)
      )${isEnveloped ? ENVELOPED : ''}
      SELECT id, ca_id AS "caId", requester_id AS "requesterId", request_digest AS "requestDigest" FROM submitted`
  }
}

const ENVELOPED = `, enveloped AS (
        INSERT INTO certkeep.archived_key_envelope (request_id, envelope, placement)
        SELECT s.id, g.envelope, g.placement FROM submitted AS s JOIN given AS g USING (ca_id, requester_id, request_digest)
      )`

const STATEMENTS = new Map(
  SIZES.flatMap(size =>
    [true, false].map(isEnveloped => [nameOf(size, isEnveloped), statementFor(size, isEnveloped)] as const)
  )
)

function nameOf(size: number, isEnveloped: boolean): string {
  return `${size} ${isEnveloped}`
}

/** Whether a submission can go with others. */
export function isBatchable({ request }: Submission): boolean {
  return request.state === 'received' && request.requesterId !== null
}

/** What tells two submissions of one batch apart. */
function keyOf({ caId, requesterId, requestDigest }: Identity): string {
  return `${caId} ${requesterId} ${toHex(requestDigest)}`
}

/** Whether the same request is there twice: a batch has an event for each that it was given, recorded or not. */
export function hasRepeats(submissions: readonly Submission[]): boolean {
  return new Set(submissions.map(({ request }) => keyOf(request))).size < submissions.length
}

/**
 * Inserts submissions that {@link isBatchable} holds for and that have no repeats, all with an envelope or all without, in
 * one statement, which is a transaction of its own. Gives the id of each; undefined for one that another excludes.
 */
export async function insertTogether(
  dataSource: DataSource,
  submissions: readonly Submission[],
  isEnveloped: boolean
): Promise<readonly (RequestId | undefined)[]> {
  const statement = STATEMENTS.get(nameOf(submissions.length, isEnveloped))
  const values = submissions.flatMap(submissionValues)
  const rows = await query<Identity & { readonly id: RequestId }>(dataSource, undefined, statement as Statement, values)
  const ids = new Map(rows.map(row => [keyOf(row), row.id]))
  return submissions.map(({ request }) => ids.get(keyOf(request)))
}
