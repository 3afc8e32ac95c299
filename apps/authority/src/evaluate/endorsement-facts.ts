import { Injectable } from '@nestjs/common'
import { AppError, equalBytes } from '@app/core'
import { verifyEndorsements } from '@app/cmc'
import type { DecisionInput, KnownCertificate } from '@app/policy'
import { AgentScopeStore, CertificateStore, type RequestRow } from '@app/storage'
import type { Certificate } from '@app/x509'

/**
 * Gathers who stands behind a request besides its key. The signatures are verified here once more: the role that takes
 * requests may say whose they are, and cannot make a registration authority or an old key sign them.
 */
@Injectable()
export class EndorsementFacts {
  constructor(
    private readonly certificates: CertificateStore,
    private readonly scopes: AgentScopeStore
  ) {}

  /**
   * Throws `agent_restricted` when row and message do not agree on whether the request is for another, and what the
   * verification of the message throws.
   */
  async of(row: RequestRow): Promise<Pick<DecisionInput, 'signers' | 'renewal' | 'onBehalfOf'>> {
    const { signers, renewal, onBehalfOf } = verifyEndorsements(row.rawRequest)
    const wanted = renewal === undefined ? signers : [...signers, renewal.certificate]
    const known = await Promise.all(wanted.map(certificate => this.known(certificate)))
    const knownOf = (certificate: Certificate): KnownCertificate =>
      known.find(({ certificate: { raw } }) => equalBytes(raw, certificate.raw)) ?? { certificate }
    // A row says of itself whether it is on behalf of another; the message must say the same.
    if ((onBehalfOf === undefined) !== (row.callerId === null)) {
      throw new AppError(
        'agent_restricted',
        `Request ${row.id} is recorded for another account than its message names.`
      )
    }
    return {
      signers: signers.map(knownOf),
      ...(renewal === undefined ? {} : { renewal: { ...renewal, old: knownOf(renewal.certificate) } }),
      ...(onBehalfOf === undefined || row.callerId === null
        ? {}
        : {
            onBehalfOf: {
              signers: onBehalfOf.signers.map(knownOf),
              callerId: row.callerId,
              scopes: await this.scopes.listHeld(row.callerId, row.caId)
            }
          })
    }
  }

  /** The very bytes are looked up, so what a message holds is a certificate of this installation or nothing. */
  private async known(certificate: Certificate): Promise<KnownCertificate> {
    const record = await this.certificates.findRecord(certificate.raw)
    return record === undefined ? { certificate } : { certificate, record }
  }
}
