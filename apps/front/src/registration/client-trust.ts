import { Inject, Injectable } from '@nestjs/common'
import { equalBytes, type Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { findClientChain, refused } from '@app/registration'
import { CaStore, CertificateStore, type SiteRow } from '@app/storage'
import { decodeCertificate, type Certificate } from '@app/x509'
import { CrlSource } from './crl-source.js'

/** Whether a client's certificate is one of a CA that the site trusts. */
@Injectable()
export class ClientTrust {
  constructor(
    private readonly cas: CaStore,
    private readonly certificates: CertificateStore,
    private readonly crls: CrlSource,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Demands a chain to a CA of this installation or of the site's list, in which nothing is revoked. What this
   * installation issued is looked up where it is kept, anything else in the CRL of its issuer, unless the site checks none.
   * Throws `registration_refused`; a CRL that cannot be had counts as one that names the certificate.
   */
  async require(client: Certificate, intermediates: readonly Uint8Array[], site: SiteRow): Promise<void> {
    const now = this.clock.now()
    const own = await this.ownCertificates()
    const trusted = [...own, ...site.trustedAuthorities.map(decodeCertificate)]
    const chain = findClientChain(client, intermediates.map(decodeCertificate), trusted, now)
    for (const [index, certificate] of chain.entries()) {
      const issuer = chain[index + 1]
      if (issuer === undefined) return
      if (own.some(({ raw }) => equalBytes(raw, issuer.raw))) await this.requireUnrevoked(certificate, index === 0)
      else if (site.isCrlChecked) await this.crls.requireUnrevoked(certificate, issuer, now)
    }
  }

  private async requireUnrevoked(certificate: Certificate, isClient: boolean): Promise<void> {
    const row = await this.certificates.findRecord(certificate.raw)
    // A CA below one of these may have no row; a client's certificate that has none was never issued.
    if (row === undefined && isClient) throw refused('The certificate was not issued here.')
    if (row?.isRevoked === true) throw refused('The certificate is revoked.')
    if (row?.principalId != null && !row.isPrincipalEnabled)
      throw refused('The account of the certificate is disabled.')
  }

  private async ownCertificates(): Promise<readonly Certificate[]> {
    const rows = await Promise.all((await this.cas.list()).map(({ id }) => this.cas.listCertificates(id)))
    return rows.flat().map(({ certificate }) => decodeCertificate(certificate))
  }
}
