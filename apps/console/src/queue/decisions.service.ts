import { Inject, Injectable } from '@nestjs/common'
import { AppError, asId, isAppError, type Clock, type RequestId } from '@app/core'
import { CLOCK, problemOf } from '@app/platform'
import { judgeDecision, type Permission } from '@app/policy'
import { Wakeups, type Step } from '@app/queue'
import { Database, DecisionStore, type DecisionRow, type RequestToDecide, type Unit } from '@app/storage'
import type { AuthenticatedOperator } from '../access/operator.js'
import { RequestAccess } from '../requests/request-access.js'
import { EVERY_STEP, moveOf, PERMISSION_OF, stepsAfter, type Verdict } from '../requests/verdict.js'
import type { BulkBody, BulkView, QueueItem } from './queue.schemas.js'

/** A decision that somebody asks for. */
export interface WantedDecision {
  readonly verdict: Verdict
  readonly reason?: string | undefined
  /** What was looked at; undefined when that does not matter. */
  readonly version?: string | undefined
  /** Whether the caller may be asking once more because it got no answer: then what it has decided so is no conflict. */
  readonly isRepeatable?: boolean
}

/** Decisions on requests. Each is for good; of several at once one wins, and the others hear of it. */
@Injectable()
export class DecisionsService {
  constructor(
    private readonly database: Database,
    private readonly decisions: DecisionStore,
    private readonly access: RequestAccess,
    private readonly wakeups: Wakeups,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Approves, denies or resubmits a request, and has what follows done. Throws what `RequestAccess.permitted` and
   * `judgeDecision` throw.
   */
  async decide(id: number, wanted: WantedDecision, operator: AuthenticatedOperator): Promise<QueueItem> {
    const requestId = asId<RequestId>(id)
    // 1. Whether the operator may; most who lose a race find out without a lock.
    const seen = await this.access.permitted(requestId, permissionOf(wanted), operator)
    const past = await this.decisions.list(requestId)
    if (isRepetition(seen, past, wanted, operator)) return this.access.item(requestId, operator)
    judge(seen, past, wanted, operator)
    // failpoint: decide.judged
    // 2. The same again while nobody else decides, and the decision with its move.
    try {
      await this.database.transaction(unit => this.record(unit, requestId, wanted, operator))
    } catch (error) {
      // A step passes over a row that is locked, even by who comes too late: it may have passed over what the winner did.
      this.wake(EVERY_STEP)
      throw error
    }
    // failpoint: decide.committed
    // 3. Whatever is due now. A lost wake-up is found by the sweep.
    this.wake(stepsAfter(wanted.verdict, seen))
    // failpoint: decide.woken
    return this.access.item(requestId, operator)
  }

  /**
   * Decides each by itself; what becomes of one is nothing to the others.
   *
   * @param onRefusal hears of each that is refused, since no error ends the call
   */
  async decideAll(
    { decisions }: BulkBody,
    operator: AuthenticatedOperator,
    onRefusal: (error: AppError) => void
  ): Promise<BulkView> {
    const results: BulkView['results'] = []
    for (const { requestId, decision: verdict, reason, etag } of decisions) {
      const version = etag?.replace(/^"|"$/g, '')
      try {
        const item = await this.decide(requestId, { verdict, reason, version }, operator)
        results.push({ requestId, outcome: 'done', item })
      } catch (error) {
        // What was decided before it stands; only a defect ends the call.
        if (!isAppError(error) || error.code === 'internal') throw error
        onRefusal(error)
        const { status, code, hresult, detail } = problemOf(error, String(requestId))
        results.push({ requestId, outcome: 'refused', problem: { status, code, hresult, detail } })
      }
    }
    return { results }
  }

  private wake(steps: readonly Step[]): void {
    for (const step of steps) this.wakeups.nudge(step)
  }

  private async record(
    unit: Unit,
    id: RequestId,
    wanted: WantedDecision,
    operator: AuthenticatedOperator
  ): Promise<void> {
    const request = await this.decisions.lock(unit, id)
    const past = await this.decisions.list(id, unit)
    const effect = judge(request, past, wanted, operator)
    // failpoint: decide.locked
    const decision = {
      requestId: id,
      round: request.round,
      kind: wanted.verdict,
      principalId: operator.principal.id,
      principalName: operator.name,
      at: this.clock.now(),
      reason: wanted.reason ?? null
    } as const
    if (!effect.isFinal) {
      await this.decisions.giveApproval(unit, decision, { given: effect.given, needed: effect.needed })
      return
    }
    const move = moveOf(request, decision, effect)
    if (await this.decisions.decide(unit, decision, move).catch(explainTwin(id))) return
    throw new AppError('internal', `Request ${id} moved while it was locked.`, { requestId: id })
  }
}

function judge(
  request: RequestToDecide,
  past: readonly DecisionRow[],
  { verdict: kind, version }: WantedDecision,
  operator: AuthenticatedOperator
) {
  const looked = version === undefined ? {} : { version }
  return judgeDecision(request, past, { kind, principalId: operator.principal.id, ...looked })
}

/** Whether the operator's latest decision on the request is this very one. */
function isRepetition(
  { round }: RequestToDecide,
  past: readonly DecisionRow[],
  { verdict, isRepeatable }: WantedDecision,
  operator: AuthenticatedOperator
): boolean {
  if (isRepeatable !== true) return false
  const last = past.findLast(({ principalId }) => principalId === operator.principal.id)
  return last?.kind === verdict && last.round === (verdict === 'resubmit' ? round - 1 : round)
}

function permissionOf({ verdict }: WantedDecision): Permission {
  return PERMISSION_OF[verdict]
}

/** The same bytes are one request of a requester, unless they were refused before. */
function explainTwin(id: RequestId): (error: unknown) => never {
  return error => {
    if (!isAppError(error, 'conflict')) throw error
    const message = `Request ${id} cannot be resubmitted: its requester has sent the same request again meanwhile.`
    throw new AppError('conflict', message, { requestId: id }, { cause: error })
  }
}
