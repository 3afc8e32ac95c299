import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { requireInScope } from '@app/policy'
import { StatusChanges, Wakeups } from '@app/queue'
import { PrincipalStore, RevocationStore, type Because, type FoundCertificate } from '@app/storage'
import { CRL_REASONS } from '@app/x509'
import { requirePermission, type AuthenticatedOperator } from '../access/operator.js'
import { CertificatesService } from './certificates.service.js'
import type { CertificateDetail, ReleaseBody, RevocationBody } from './certificates.schemas.js'

/** Which certificate is meant, and which version of its status the caller has seen. */
export interface CertificateToChange {
  readonly serial: string
  readonly ca: string | undefined
  readonly version: string | undefined
}

/** Revoking, putting on hold and releasing (ICertAdmin::RevokeCertificate, MS-CSRA 3.1.4.1.8). */
@Injectable()
export class RevocationsService {
  constructor(
    private readonly certificates: CertificatesService,
    private readonly revocations: RevocationStore,
    private readonly principals: PrincipalStore,
    private readonly wakeups: Wakeups,
    private readonly statusChanges: StatusChanges,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Revokes at once: for sign-in and OCSP with the commit, for CRLs with the next one, which is due now. Throws
   * `not_found`, `access_denied`, `restricted_officer`, `precondition_failed`, `revocation_state`, and
   * `invalid_argument` for a certificate that is not trusted since a time that has not come.
   */
  async revoke(
    which: CertificateToChange,
    { reason, invalidityDate, comment }: RevocationBody,
    operator: AuthenticatedOperator
  ): Promise<CertificateDetail> {
    const now = this.clock.now()
    const since = invalidityDate === undefined ? undefined : new Date(invalidityDate)
    if (since !== undefined && since > now) {
      throw new AppError('invalid_argument', 'invalidityDate has not come yet.')
    }
    const row = await this.permitted(which, operator)
    const revocation = {
      reason: CRL_REASONS[reason],
      ...(since === undefined ? {} : { invalidityDate: since }),
      ...expected(which)
    }
    await this.revocations.revoke(row, revocation, becauseOf(operator, comment), now)
    // failpoint: revoke.committed
    return this.changed(row, which, operator)
  }

  /** Takes a certificate off hold. Throws as {@link revoke}. */
  async release(
    which: CertificateToChange,
    { comment }: ReleaseBody,
    operator: AuthenticatedOperator
  ): Promise<CertificateDetail> {
    const row = await this.permitted(which, operator)
    const { expectedChange } = expected(which)
    await this.revocations.release(row, expectedChange, becauseOf(operator, comment), this.clock.now())
    // failpoint: unrevoke.committed
    return this.changed(row, which, operator)
  }

  private async permitted(which: CertificateToChange, operator: AuthenticatedOperator): Promise<FoundCertificate> {
    const row = await this.certificates.get(which.serial, which.ca, operator)
    requirePermission(operator, 'certificate.revoke', row.caId)
    const scopes = operator.scopeOf('certificate.revoke', row.caId)
    if (scopes === undefined) return row
    const holder = row.principalId === null ? undefined : await this.principals.find(row.principalId)
    const subject = { template: row.templateName ?? undefined, groups: holder?.groupNames ?? [] }
    requireInScope(operator.name, scopes, subject)
    return row
  }

  private changed(
    { caId }: FoundCertificate,
    { serial, ca }: CertificateToChange,
    operator: AuthenticatedOperator
  ): Promise<CertificateDetail> {
    this.statusChanges.notify(caId)
    this.wakeups.nudge('crl')
    return this.certificates.show(serial, ca, operator)
  }
}

function expected({ version }: CertificateToChange): { readonly expectedChange?: number } {
  if (version === undefined) return {}
  // What was never a version of a status cannot be the present one.
  return { expectedChange: /^\d{1,15}$/.test(version) ? Number(version) : -1 }
}

function becauseOf(operator: AuthenticatedOperator, comment: string | undefined): Because {
  return { actor: operator.name, ...(comment === undefined ? {} : { detail: { comment } }) }
}
