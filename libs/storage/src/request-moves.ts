import { AppError, isLegalMove, type RequestId, type RequestState } from '@app/core'
import type { DataSource } from 'typeorm'
import type { Because } from './audit-row.js'
import { query, type Statement } from './sql.js'
import { storableJson } from './text.js'
import type { TemplateRow } from './template-row.js'
import type { Unit } from './unit.js'

/** One move of one request, which happens only if the request is still in the state `from`. */
export interface RequestMove {
  readonly id: RequestId
  readonly from: RequestState
  readonly to: RequestState
  readonly because: Because
  /** The template version that the request was judged by. Set once; authority only. */
  readonly template?: Pick<TemplateRow, 'id' | 'name' | 'archival'>
  /** Authority only, as are the next two. */
  readonly subject?: string
  readonly rowFlags?: number
  readonly outOfBand?: boolean
  /** Authority only: until when it may wait for an officer. */
  readonly pendingUntil?: Date
  /** Why it is denied or failed; needed for these two, and any other move takes an earlier one away. */
  readonly failure?: { readonly code: string; readonly message: string }
  readonly dispositionMessage?: string
  /** That the full response for the new state is stored in the same transaction. */
  readonly responded?: boolean
}

/** What the statement takes for each move, as JSON: one parameter, whatever the size of the batch. */
const MOVE = `
  SELECT * FROM json_to_recordset($1::json) AS m (
    id integer, "from" certkeep.request_state, "to" certkeep.request_state, outcome text, actor text, detail jsonb,
    failure_code text, failure_message text, disposition_message text, responded boolean,
    template_id integer, template_name text, archival boolean, subject text, row_flags bigint, out_of_band boolean,
    pending_until timestamptz)`

/** What any role that moves requests may set. */
const COMMON = `
  state = m."to",
  resolved_at = CASE WHEN m."to" IN ('issued', 'denied', 'failed', 'revoked')
                     THEN CASE WHEN m."to" = 'revoked' OR m."from" = 'revoked' THEN r.resolved_at ELSE $2 END END,
  failure_code = m.failure_code,
  failure_message = m.failure_message,
  disposition_message = coalesce(m.disposition_message, r.disposition_message),
  responded_state = CASE WHEN m.responded THEN m."to" END,
  lease_until = NULL,
  attempts = 0`

/** What only the authority may set besides. */
const JUDGED = `
  template_id = coalesce(m.template_id, r.template_id),
  template_name = coalesce(m.template_name, r.template_name),
  archival = coalesce(m.archival, r.archival),
  subject = coalesce(m.subject, r.subject),
  row_flags = coalesce(m.row_flags, r.row_flags),
  out_of_band = coalesce(m.out_of_band, r.out_of_band),
  pending_until = coalesce(m.pending_until, r.pending_until)`

/** The event is inserted from what the update gives back: exactly one for each row that moved, none for another. */
function moveStatement(name: string, assignments: string, read: string): Statement {
  return {
    name,
    text: `
      WITH m AS (${MOVE}), moved AS (
        UPDATE certkeep.request AS r SET ${assignments} FROM m
        WHERE r.id = m.id AND r.state = m."from"
        RETURNING r.id, ${read}
      ), event AS (
        INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
        SELECT $2, actor, 'request.' || CASE "to" WHEN 'received' THEN 'resubmitted' ELSE "to"::text END,
               'request', id::text, outcome,
               jsonb_strip_nulls(jsonb_build_object('from', "from", 'to', "to", 'failure', failure_code)) || detail
        FROM moved
      )
      SELECT id FROM moved`
  }
}

const READ = 'm."from", m."to", m.outcome, m.actor, m.detail, m.failure_code'
const MOVE_COMMON = moveStatement('request_move', COMMON, READ)
const MOVE_JUDGED = moveStatement('request_move_judged', `${COMMON}, ${JUDGED}`, READ)

/** See `RequestStore.moveAll`. */
export async function moveRequests(
  dataSource: DataSource,
  unit: Unit | undefined,
  moves: readonly RequestMove[],
  now: Date
): Promise<ReadonlySet<RequestId>> {
  if (moves.length === 0) return new Set()
  verifyMoves(moves)
  const statement = moves.some(isJudged) ? MOVE_JUDGED : MOVE_COMMON
  const parameter = storableJson(moves.map(encodeMove))
  const rows = await query<{ readonly id: RequestId }>(dataSource, unit, statement, [parameter, now])
  return new Set(rows.map(({ id }) => id))
}

function isJudged({ template, subject, rowFlags, outOfBand, pendingUntil }: RequestMove): boolean {
  return [template, subject, rowFlags, outOfBand, pendingUntil].some(value => value !== undefined)
}

function encodeMove(move: RequestMove): Readonly<Record<string, unknown>> {
  return {
    id: move.id,
    from: move.from,
    to: move.to,
    outcome: move.to === 'denied' || move.to === 'failed' ? move.to : 'success',
    actor: move.because.actor,
    detail: move.because.detail ?? {},
    failure_code: move.failure?.code,
    failure_message: move.failure?.message,
    disposition_message: move.dispositionMessage,
    responded: move.responded ?? false,
    template_id: move.template?.id,
    template_name: move.template?.name,
    archival: move.template?.archival,
    subject: move.subject,
    row_flags: move.rowFlags,
    out_of_band: move.outOfBand,
    pending_until: move.pendingUntil
  }
}

/** Defects of the caller, caught before one bad move makes the database refuse the whole batch. */
function verifyMoves(moves: readonly RequestMove[]): void {
  const seen = new Set<RequestId>()
  for (const { id, from, to, failure } of moves) {
    if (seen.has(id)) throw new AppError('internal', `Request ${id} would move twice at once.`, { requestId: id })
    seen.add(id)
    if (!isLegalMove(from, to)) {
      throw new AppError('internal', `Request ${id} would move from ${from} to ${to}.`, { requestId: id, from, to })
    }
    if ((to === 'denied' || to === 'failed') !== (failure !== undefined)) {
      throw new AppError('internal', `Request ${id} would be ${to} ${failure ? 'with' : 'without'} a failure.`, {
        requestId: id
      })
    }
  }
}
