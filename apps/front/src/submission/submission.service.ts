import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock, type RequestId } from '@app/core'
import { verifyIdentityClaim, type EnrollmentRequest } from '@app/cmc'
import { archivedKeyRecipient } from '@app/escrow'
import { CLOCK } from '@app/platform'
import { Outcomes, Wakeups } from '@app/queue'
import {
  ExchangeKeyStore,
  PrincipalStore,
  RequestStore,
  type NewEnvelope,
  type NewRequest,
  type RequestRow
} from '@app/storage'
import { isSettled } from '../enrollment/request-view.js'
import { newRequest, readSubmission, type Read, type Submission } from './new-request.js'

/** Steps 2 to 5 of a request's life: decode, verify, record, wake the authority; then the wait for the outcome. */
@Injectable()
export class SubmissionService {
  constructor(
    private readonly requests: RequestStore,
    private readonly exchangeKeys: ExchangeKeyStore,
    private readonly principals: PrincipalStore,
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
    const read = await this.checked(readSubmission(submission), submission, now)
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

  /** What needs a look at the database before the request is accepted: recipient of the key, identity proof. */
  private async checked(read: Read, submission: Submission, now: Date): Promise<Read> {
    if (read.request === undefined) return read
    try {
      await this.checkRecipient(read.request, submission, now)
      await this.checkIdentityProof(read.request, submission, now)
      return read
    } catch (error) {
      if (error instanceof AppError) return { failure: error }
      throw error
    }
  }

  private async checkRecipient(request: EnrollmentRequest, submission: Submission, now: Date): Promise<void> {
    if (request.archivedKey === undefined) return
    const recipient = archivedKeyRecipient(request.archivedKey.envelope)
    const key =
      recipient.kind === 'issuerAndSerial'
        ? await this.exchangeKeys.findByRecipient(recipient.issuer, recipient.serialNumber)
        : undefined
    if (key === undefined || key.caId !== submission.caId) {
      throw new AppError(
        'exchange_recipient_unknown',
        'The private key is wrapped to a certificate that is not an exchange certificate of this CA. Fetch the exchange certificate again and make a new request.'
      )
    }
    if (key.state === 'destroyed' || key.notAfter === null || key.notAfter < now) {
      throw new AppError(
        'exchange_key_gone',
        'The exchange certificate that the private key is wrapped to has expired. Fetch the current one and make a new request.'
      )
    }
  }

  private async checkIdentityProof(request: EnrollmentRequest, submission: Submission, now: Date): Promise<void> {
    if (request.identityProof === undefined) return
    const { identification } = request.identityProof
    const secret = identification === undefined ? undefined : await this.principals.findSecret(identification, now)
    if (secret?.principalId !== submission.requester.id) throw identityRefused()
    verifyIdentityClaim(request.identityProof, secret.witnessKey)
    if (!(await this.principals.useSecret(secret.identification, now))) throw identityRefused()
  }
}

function envelopeOf(request: EnrollmentRequest): NewEnvelope | undefined {
  const { archivedKey } = request
  if (archivedKey === undefined) return undefined
  return { envelope: Buffer.from(archivedKey.envelope), placement: archivedKey.placement }
}

function identityRefused(): AppError {
  return new AppError(
    'identity_proof_invalid',
    'The identity proof is unknown, expired, used up or does not verify. Ask the CA for a new secret.'
  )
}
