import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock, type RequestId } from '@app/core'
import type { EnrollmentRequest } from '@app/cmc'
import { CLOCK } from '@app/platform'
import { Outcomes, Wakeups } from '@app/queue'
import { RequestStore, type NewEnvelope, type NewRequest, type RequestRow } from '@app/storage'
import { isSettled } from '../enrollment/request-view.js'
import { newRequest, readSubmission, type Submission } from './new-request.js'
import { SubmissionChecks } from './submission-checks.js'

/** Steps 2 to 5 of a request's life: decode, verify, record, wake the authority; then the wait for the outcome. */
@Injectable()
export class SubmissionService {
  constructor(
    private readonly requests: RequestStore,
    private readonly checks: SubmissionChecks,
    private readonly wakeups: Wakeups,
    private readonly outcomes: Outcomes,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Records a submission and waits up to `wait` milliseconds for its outcome. A repeated submission answers with the
   * first one's request. Throws only for what cannot be recorded, as `replayed_transaction` or `idempotency_mismatch`.
   */
  async submit(submission: Submission, wait: number): Promise<RequestRow> {
    // 1. Decode and verify; what is wrong is recorded, not thrown.
    const now = this.clock.now()
    const read = await this.checks.apply(readSubmission(submission), submission, now)
    // 2. Record, and 3. wake the next step.
    const envelope = read.request === undefined ? undefined : envelopeOf(read.request)
    return this.record(newRequest(submission, read, now), wait, envelope)
  }

  /** Records a request, wakes the step that is next, and waits up to `wait` milliseconds for the outcome. */
  async record(request: NewRequest, wait: number, envelope?: NewEnvelope): Promise<RequestRow> {
    // Row, envelope and audit event in one transaction.
    const { id, state } = await this.requests.submit(request, envelope, { actor: request.requesterName })
    // A lost wake-up is found by the sweep.
    if (state === 'received') this.wakeups.nudge('evaluate')
    if (state === 'failed') this.wakeups.nudge('respond')
    return this.outcome(id, wait)
  }

  /** The request's row as soon as its outcome is known, or after `wait` milliseconds as it then is. */
  async outcome(id: RequestId, wait: number): Promise<RequestRow> {
    const deadline = Date.now() + wait
    if (wait > 0) await this.outcomes.wait(id, Math.min(wait, 500))
    let row = await this.requests.get(id)
    while (!isSettled(row) && Date.now() < deadline) {
      // Another process may have resolved it, which no signal in this one tells.
      await this.outcomes.wait(id, Math.min(500, deadline - Date.now()))
      row = await this.requests.get(id)
    }
    return row
  }

  /** Denies a pending request for its own requester. Throws `conflict` when it is not pending any more. */
  async withdraw(row: RequestRow, requester: Submission['requester']): Promise<void> {
    const because = { actor: requester.name }
    if (!(await this.requests.withdraw(row.id, requester.id, because, this.clock.now()))) {
      throw new AppError('conflict', `Request ${row.id} is not pending, so it cannot be withdrawn.`, {
        state: row.state
      })
    }
    this.wakeups.nudge('respond')
  }
}

function envelopeOf(request: EnrollmentRequest): NewEnvelope | undefined {
  const { archivedKey } = request
  if (archivedKey === undefined) return undefined
  return { envelope: Buffer.from(archivedKey.envelope), placement: archivedKey.placement }
}
