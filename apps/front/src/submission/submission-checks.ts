import { Inject, Injectable } from '@nestjs/common'
import { AppError } from '@app/core'
import { verifyIdentityClaim, type EnrollmentRequest } from '@app/cmc'
import { archivedKeyRecipient } from '@app/escrow'
import { CONFIG, isPassing, type Config } from '@app/platform'
import { ExchangeKeyStore, PrincipalStore, RequestStore } from '@app/storage'
import type { Read, Submission } from './new-request.js'

const minute = 60_000

/** The checks of a submission that need the database: recipient of the archived key, identity proof, rate of failures. */
@Injectable()
export class SubmissionChecks {
  constructor(
    private readonly exchangeKeys: ExchangeKeyStore,
    private readonly principals: PrincipalStore,
    private readonly requests: RequestStore,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /**
   * The submission as it was, or with the reason why it fails. Throws `rate_limited` for a requester whose archived keys
   * failed to open too often in the last minute: a padding oracle needs thousands of attempts.
   */
  async apply(read: Read, submission: Submission, now: Date): Promise<Read> {
    if (read.request === undefined) return read
    if (read.request.archivedKey !== undefined) await this.requireFewFailures(submission, now)
    try {
      await this.checkRecipient(read.request, submission, now)
      await this.checkIdentityProof(read.request, submission, now)
      return read
    } catch (error) {
      // A database that does not answer now is no fault of the request: nothing is recorded, and the client tries again.
      if (!(error instanceof AppError) || isPassing(error)) throw error
      return { failure: error }
    }
  }

  private async requireFewFailures({ requester, caller = requester }: Submission, now: Date): Promise<void> {
    const limit = this.config.limits.failuresPerMinute
    if (limit === 0) return
    const since = new Date(now.getTime() - minute)
    if ((await this.requests.countFailed(caller.id, 'archived_key_mismatch', since)) < limit) return
    throw new AppError('rate_limited', 'Too many archived keys did not open. Wait a minute and check the client.', {
      retryAfterSeconds: 60
    })
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
    const { id, name: actor } = submission.caller ?? submission.requester
    if (secret?.principalId !== id) throw identityRefused()
    verifyIdentityClaim(request.identityProof, secret.witnessKey)
    if (!(await this.principals.useSecret(secret, { actor }, now))) throw identityRefused()
  }
}

function identityRefused(): AppError {
  return new AppError(
    'identity_proof_invalid',
    'The identity proof is unknown, expired, used up or does not verify. Ask the CA for a new secret.'
  )
}
