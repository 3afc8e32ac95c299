import { requestEntity } from './entities.js'
import { selectList } from './entity.js'
import { REQUEST_SEALING_COLUMNS, type RequestForSealing, type RequestRow } from './request-row.js'
import type { Statement } from './sql.js'

/** The steps that claim requests. */
export type Step = 'evaluate' | 'seal' | 'issue' | 'respond' | 'expire'

/** What each step gets to see of a request. */
export interface ClaimedRows {
  readonly evaluate: RequestRow
  readonly seal: RequestForSealing
  readonly issue: RequestRow
  readonly respond: RequestRow
  readonly expire: RequestRow
}

/**
 * The rows that a step works on, word for word as in its partial index, since the planner uses one only if it can prove
 * that the index covers the condition. For the same reason states are no parameters.
 */
const DUE = {
  evaluate: `r.state = 'received'`,
  seal: `r.state = 'approved' AND r.archival`,
  issue: `(r.state = 'sealed' OR (r.state = 'approved' AND NOT r.archival))`,
  respond: `r.state IN ('pending', 'issued', 'denied', 'failed') AND r.responded_state IS DISTINCT FROM r.state`,
  expire: `r.state = 'pending'`
} as const satisfies Record<Step, string>

const ALL = selectList(requestEntity, 'r')

const COLUMNS = {
  evaluate: ALL,
  seal: selectList(requestEntity, 'r', REQUEST_SEALING_COLUMNS),
  issue: ALL,
  respond: ALL,
  expire: ALL
} as const satisfies Record<Step, string>

/**
 * Claims rows: $1 now, $2 how many. NO KEY UPDATE is as strong as what a move takes; the stronger UPDATE would make the
 * foreign key check of a certificate reserved in another transaction wait for the claim, that is for ever.
 */
export function claimStatement(step: Step): Statement {
  // Most rows that wait for an officer are not due to expire; those that are, are found by their time.
  const [isDue, first] =
    step === 'expire'
      ? ['r.pending_until <= $1', 'r.pending_until']
      : ['(r.lease_until IS NULL OR r.lease_until <= $1)', 'r.id']
  return {
    name: `request_claim_${step}`,
    text: `
      SELECT ${COLUMNS[step]} FROM certkeep.request AS r
      WHERE ${DUE[step]} AND ${isDue}
      ORDER BY ${first} LIMIT $2
      FOR NO KEY UPDATE SKIP LOCKED`
  }
}

/** The earliest time at which a row is due. */
export function nextDueStatement(step: Step): Statement {
  const due = step === 'expire' ? 'r.pending_until' : 'coalesce(r.lease_until, r.submitted_at)'
  return {
    text: `SELECT min(${due}) AS due FROM certkeep.request AS r WHERE ${DUE[step]}`
  }
}
