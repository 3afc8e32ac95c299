import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock, type RequestId } from '@app/core'
import type { EnrollmentRequest } from '@app/cmc'
import { CLOCK } from '@app/platform'
import { Outcomes, Wakeups } from '@app/queue'
import { RequestStore, type NewEnvelope, type NewRequest, type RequestOutcome, type RequestRow } from '@app/storage'
import { isResolved, isSettled } from '../enrollment/request-view.js'
import { newRequest, readSubmission, type Submission } from './new-request.js'
import { RequestParties } from './request-parties.js'
import { SubmissionChecks } from './submission-checks.js'

/** Milliseconds between two looks at the database for an outcome that no signal told of. */
const pollEvery = 500

/** Steps 2 to 5 of a request's life: decode, verify, record, wake the authority; then the wait for the outcome. */
@Injectable()
export class SubmissionService {
  constructor(
    private readonly requests: RequestStore,
    private readonly parties: RequestParties,
    private readonly checks: SubmissionChecks,
    private readonly wakeups: Wakeups,
    private readonly outcomes: Outcomes,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Records a submission and waits up to `wait` milliseconds for its outcome. A repeated submission answers with the
   * first one's request. Throws only for what cannot be recorded, as `replayed_transaction` or `idempotency_mismatch`.
   */
  async submit(submission: Submission, wait: number): Promise<RequestOutcome> {
    // 1. Decode and verify; what is wrong is recorded, not thrown.
    const now = this.clock.now()
    const parties = await this.parties.resolve(readSubmission(submission), submission)
    const read = await this.checks.apply(parties.read, parties.submission, now)
    // failpoint: submit.verified
    // 2. Record, and 3. wake the next step.
    const envelope = read.request === undefined ? undefined : envelopeOf(read.request)
    return this.record(newRequest(parties.submission, read, now), wait, envelope)
  }

  /** Records a submission that fails for a reason which its bytes do not tell, and waits for its signed answer. */
  refuse(submission: Submission, failure: AppError, wait: number): Promise<RequestOutcome> {
    const request = newRequest(submission, { failure }, this.clock.now())
    // Transaction and key may be those of another request, which keeps them.
    return this.record({ ...request, transactionId: null, idempotencyKey: null }, wait)
  }

  /** Records a request, wakes the step that is next, and waits up to `wait` milliseconds for the outcome. */
  async record(request: NewRequest, wait: number, envelope?: NewEnvelope): Promise<RequestOutcome> {
    // Row, envelope and audit event in one transaction.
    const { callerName, requesterName } = request
    const because =
      callerName === null ? { actor: requesterName } : { actor: callerName, detail: { onBehalfOf: requesterName } }
    const { id, state } = await this.requests.submit(request, envelope, because)
    // failpoint: submit.recorded
    // A lost wake-up is found by the sweep.
    if (state === 'received') this.wakeups.nudge('evaluate')
    if (state === 'failed') this.wakeups.nudge('respond')
    // failpoint: submit.woken
    const deadline = Date.now() + wait
    if (wait > 0) await this.outcomes.wait(id, Math.min(wait, pollEvery))
    return this.follow(id, deadline, isSettled)
  }

  /**
   * The request's row as soon as it waits for nobody any more, an officer included, or after `wait` milliseconds as it
   * then is.
   */
  resolution(id: RequestId, wait: number): Promise<RequestOutcome> {
    return this.follow(id, Date.now() + wait, isResolved)
  }

  private async follow(
    id: RequestId,
    deadline: number,
    isDone: (outcome: RequestOutcome) => boolean
  ): Promise<RequestOutcome> {
    let outcome = await this.requests.getOutcome(id)
    while (!isDone(outcome) && Date.now() < deadline && !this.outcomes.isClosed) {
      // Another process may have resolved it, which no signal in this one tells.
      await this.outcomes.wait(id, Math.min(pollEvery, deadline - Date.now()))
      outcome = await this.requests.getOutcome(id)
    }
    return outcome
  }

  /** Denies a pending request for its own requester. Throws `conflict` when it is not pending any more. */
  async withdraw(row: RequestRow, requester: Submission['requester']): Promise<void> {
    const because = { actor: requester.name }
    if (!(await this.requests.withdraw(row.id, requester.id, because, this.clock.now()))) {
      throw new AppError('conflict', `Request ${row.id} is not pending, so it cannot be withdrawn.`, {
        state: row.state
      })
    }
    // failpoint: withdraw.committed
    this.wakeups.nudge('respond')
  }
}

function envelopeOf(request: EnrollmentRequest): NewEnvelope | undefined {
  const { archivedKey } = request
  if (archivedKey === undefined) return undefined
  return { envelope: Buffer.from(archivedKey.envelope), placement: archivedKey.placement }
}
