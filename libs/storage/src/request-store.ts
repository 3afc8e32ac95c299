import {
  AppError,
  type CaId,
  type ErrorCode,
  type PrincipalId,
  REQUEST_STATES,
  type RequestId,
  type RequestState
} from '@app/core'
import type { DataSource } from 'typeorm'
import type { Because } from './audit-row.js'
import { findInBatches } from './batches.js'
import { requestEntity } from './entities.js'
import { selectList } from './entity.js'
import { Conditions, type Page, pageOf } from './page.js'
import { type ClaimedRows, claimStatement, nextDueStatement, type Step } from './request-claims.js'
import { moveRequests, type RequestMove } from './request-moves.js'
import {
  REQUEST_OUTCOME_COLUMNS,
  REQUEST_SUMMARY_COLUMNS,
  type RequestOutcome,
  type RequestRow,
  type RequestSummary
} from './request-row.js'
import { type Submitted, Submissions } from './request-submission.js'
import type { NewEnvelope, NewRequest } from './submission-row.js'
import { statesCondition } from './request-states.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableJson } from './text.js'
import { inTransaction, type Unit } from './unit.js'

/** What a list of requests is narrowed by. */
export interface RequestFilter {
  readonly caId?: CaId
  readonly states?: readonly RequestState[]
  readonly requesterId?: PrincipalId
  readonly templateName?: string
  readonly keyId?: Uint8Array
  readonly submittedFrom?: Date
  readonly submittedUntil?: Date
}

const FIND: Statement = {
  name: 'request_find',
  text: `SELECT ${selectList(requestEntity, 'r')} FROM certkeep.request AS r WHERE r.id = $1`
}

const FIND_OUTCOMES: Statement = {
  name: 'request_outcomes',
  text: `
    SELECT ${selectList(requestEntity, 'r', REQUEST_OUTCOME_COLUMNS)}, c.serial_number AS "serialNumber"
    FROM certkeep.request AS r
    LEFT JOIN certkeep.certificate AS c ON c.request_id = r.id AND c.state = 'issued'
    WHERE r.id = ANY ($1::integer[])`
}

const LEASE: Statement = {
  name: 'request_lease',
  text: `UPDATE certkeep.request SET lease_until = $2, attempts = attempts + 1 WHERE id = ANY ($1::integer[])`
}

const WITHDRAW: Statement = { text: `SELECT certkeep.withdraw_request($1, $2, $3, $4, $5) AS won` }

const COUNT_FAILED: Statement = {
  text: `
    SELECT count(*) AS count FROM certkeep.request
    WHERE state = 'failed' AND (requester_id = $1 OR caller_id = $1) AND failure_code = $2 AND submitted_at >= $3`
}

const COUNT: Statement = { text: `SELECT state, count(*) AS count FROM certkeep.request GROUP BY state` }

/** Requests. Every change of a state is compare-and-set and brings exactly one audit event with it. */
export class RequestStore {
  private readonly submissions: Submissions
  private readonly outcomes = findInBatches(
    (ids: readonly RequestId[]) => this.findOutcomes(ids),
    id => id
  )

  constructor(private readonly dataSource: DataSource) {
    this.submissions = new Submissions(dataSource)
  }

  /**
   * Records a request, durably once it returns, with its envelope and its audit event. The same bytes again, or under the
   * same idempotency key, give the earlier request, however many calls there are at once. Throws `idempotency_mismatch`
   * for a key that the requester used for other bytes and `replayed_transaction` for such a transaction id.
   */
  submit(request: NewRequest, envelope: NewEnvelope | undefined, because: Because): Promise<Submitted> {
    return this.submissions.submit({ request, envelope, because })
  }

  find(id: RequestId): Promise<RequestRow | undefined> {
    return queryOne<RequestRow>(this.dataSource, undefined, FIND, [id])
  }

  /** Throws `not_found`. */
  async get(id: RequestId): Promise<RequestRow> {
    const row = await this.find(id)
    if (row === undefined) throw unknownRequest(id)
    return row
  }

  /** What there is to tell of a request, without what it is made of. Throws `not_found`. */
  async getOutcome(id: RequestId): Promise<RequestOutcome> {
    const outcome = await this.outcomes(id)
    if (outcome === undefined) throw unknownRequest(id)
    return outcome
  }

  private async findOutcomes(ids: readonly RequestId[]): Promise<ReadonlyMap<unknown, RequestOutcome>> {
    const rows = await query<RequestOutcome>(this.dataSource, undefined, FIND_OUTCOMES, [ids])
    return new Map(rows.map(row => [row.id, row]))
  }

  /** Newest first; the cursor is the number of the last one seen. */
  async list(filter: RequestFilter, limit: number, cursor?: RequestId): Promise<Page<RequestSummary, RequestId>> {
    const conditions = new Conditions()
      .addText(statesCondition(filter.states))
      .add('r.ca_id = ?', filter.caId)
      .add('r.requester_id = ?', filter.requesterId)
      .add('lower(r.template_name) = lower(?)', filter.templateName)
      .add('r.key_id = ?', filter.keyId)
      .add('r.submitted_at >= ?', filter.submittedFrom)
      .add('r.submitted_at < ?', filter.submittedUntil)
      .add('r.id < ?', cursor)
    const columns = selectList(requestEntity, 'r', REQUEST_SUMMARY_COLUMNS)
    const text = `SELECT ${columns} FROM certkeep.request AS r ${conditions.where()} ORDER BY r.id DESC ${conditions.limit(limit)}`
    const rows = await query<RequestSummary>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }

  /**
   * Takes up to `limit` rows that are due for a step, the oldest first, and runs work on them in one transaction. Nobody
   * else claims them meanwhile: another connection gets other rows. Gives how many there were; work is not called when
   * there were none. When work throws, nothing happened, and the rows are due again at once. The rows stay readable, and
   * certificates may be reserved for them in another transaction.
   */
  withClaimed<S extends Step>(
    step: S,
    options: { readonly limit: number; readonly now: Date },
    work: (rows: readonly ClaimedRows[S][], unit: Unit) => Promise<void>
  ): Promise<number> {
    return inTransaction(this.dataSource, async unit => {
      const values = [options.now, options.limit]
      const rows = await query<ClaimedRows[S]>(this.dataSource, unit, claimStatement(step), values)
      if (rows.length > 0) await work(rows, unit)
      return rows.length
    })
  }

  /**
   * Moves each request that is still in the state its move starts from, clears lease and attempts, and adds one audit
   * event each, all in one statement. Gives the ids of those that moved. Throws `internal` for an illegal move.
   */
  moveAll(unit: Unit, moves: readonly RequestMove[], now: Date): Promise<ReadonlySet<RequestId>> {
    return moveRequests(this.dataSource, unit, moves, now)
  }

  /** As {@link moveAll} for one, by itself unless a unit is given. Whether it moved. */
  async move(move: RequestMove, now: Date, unit?: Unit): Promise<boolean> {
    const moved = await moveRequests(this.dataSource, unit, [move], now)
    return moved.has(move.id)
  }

  /** Lets no step claim the rows before `until`, and counts an attempt for each. */
  async lease(unit: Unit, ids: readonly RequestId[], until: Date): Promise<void> {
    if (ids.length === 0) return
    await query(this.dataSource, unit, LEASE, [ids, until])
  }

  /**
   * Denies a pending request at the wish of its own requester, or of who submitted it for them. Whether it did: not when
   * it is another's, or no longer pending. The one move that the front may make.
   */
  async withdraw(id: RequestId, requesterId: PrincipalId, because: Because, now: Date): Promise<boolean> {
    const values = [id, requesterId, because.actor, storableJson(because.detail ?? {}), now]
    const row = await queryOne<{ readonly won: boolean }>(this.dataSource, undefined, WITHDRAW, values)
    return row?.won === true
  }

  /** How many requests that a principal made or submitted for another since a time were refused for a reason. */
  async countFailed(requesterId: PrincipalId, code: ErrorCode, since: Date): Promise<number> {
    const row = await queryOne<{ readonly count: number }>(this.dataSource, undefined, COUNT_FAILED, [
      requesterId,
      code,
      since
    ])
    return row?.count ?? 0
  }

  /** When the next row falls due for a step: a time past or present, the end of a lease, or never. */
  async nextDue(step: Step): Promise<Date | undefined> {
    const row = await queryOne<{ readonly due: Date | null }>(this.dataSource, undefined, nextDueStatement(step), [])
    return row?.due ?? undefined
  }

  /** How many requests there are in each state. Reads them all. */
  async countByState(): Promise<Readonly<Record<RequestState, number>>> {
    const rows = await query<{ readonly state: RequestState; readonly count: number }>(
      this.dataSource,
      undefined,
      COUNT,
      []
    )
    const counts = new Map(rows.map(({ state, count }) => [state, count]))
    const all = REQUEST_STATES.map(state => [state, counts.get(state) ?? 0])
    return Object.fromEntries(all) as Record<RequestState, number>
  }
}

function unknownRequest(id: RequestId): AppError {
  return new AppError('not_found', `There is no request ${id}.`, { requestId: id })
}
