import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import type { OnBehalfWish } from '@app/cmc'
import { accountNameOf, CLOCK, isPassing } from '@app/platform'
import { requireAgent, type KnownCertificate } from '@app/policy'
import { CertificateStore, PrincipalStore, type PrincipalRow } from '@app/storage'
import type { Certificate } from '@app/x509'
import type { Read, Submission } from './new-request.js'

/** A submission as it was read, with its requester and caller. */
export interface Parties {
  readonly read: Read
  readonly submission: Submission
}

/**
 * Finds whom a request is for. Whoever submits it is its requester, unless it is on behalf of another account: then that
 * one is, its names and rights count, and who submitted it is the caller.
 */
@Injectable()
export class RequestParties {
  constructor(
    private readonly certificates: CertificateStore,
    private readonly principals: PrincipalStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * The submission with its parties, or with the reason why it fails, as one of its caller. Nothing is told of an account
   * before an enrollment agent is known to ask.
   */
  async resolve(read: Read, submission: Submission): Promise<Parties> {
    const wish = read.request?.onBehalfOf
    if (wish === undefined) return { read, submission }
    try {
      const target = await this.target(wish, submission)
      const requester = { id: target.id, name: accountNameOf(target) }
      return { read, submission: { ...submission, requester, caller: submission.requester } }
    } catch (error) {
      if (!(error instanceof AppError) || isPassing(error)) throw error
      return { read: { failure: error }, submission }
    }
  }

  private async target({ account, signers }: OnBehalfWish, { requester }: Submission): Promise<PrincipalRow> {
    const known = await Promise.all(signers.map(certificate => this.known(certificate)))
    requireAgent({ signers: known, callerId: requester.id }, this.clock.now())
    const [domain, accountName, ...rest] = account.split('\\')
    const target =
      domain === undefined || accountName === undefined || rest.length > 0
        ? undefined
        : await this.principals.findByAccount(domain, accountName)
    if (target !== undefined && isAccount(target) && target.disabledAt === null) return target
    const shown = JSON.stringify(account.slice(0, 100))
    throw new AppError(
      'account_unknown',
      `The request is for the account ${shown}, which is unknown or disabled. Name it as DOMAIN\\account.`
    )
  }

  private async known(certificate: Certificate): Promise<KnownCertificate> {
    const record = await this.certificates.findRecord(certificate.raw)
    return record === undefined ? { certificate } : { certificate, record }
  }
}

/** Groups have names as accounts do, and hold nothing. */
function isAccount({ kind }: PrincipalRow): boolean {
  return kind === 'user' || kind === 'computer'
}
