import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import {
  CaStore,
  SelfIssuedStore,
  TemplateStore,
  type CaRow,
  type InstalledCaCertificate,
  type IssuedSelfIssuedCertificate,
  type TemplateRow
} from '@app/storage'
import type { AuthenticatedRequester } from '../requester/requester.js'

/** The certification authorities that can issue, and their certificates. */
@Injectable()
export class AuthoritiesService {
  constructor(
    private readonly cas: CaStore,
    private readonly selfIssued: SelfIssuedStore,
    private readonly templates: TemplateStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  async list(): Promise<readonly CaRow[]> {
    return (await this.cas.list()).filter(ca => ca.state === 'active')
  }

  /**
   * By plain, sanitized or short sanitized name, case ignored (MS-WCCE 3.2.1.4.2.1.1). Throws `not_found`, in the same
   * words when the requester's credential is for another CA.
   */
  async get(name: string, { credential }: AuthenticatedRequester): Promise<CaRow> {
    const ca = await this.cas.findByName(name)
    if (ca === undefined || ca.state !== 'active' || (credential?.caId ?? ca.id) !== ca.id) {
      throw new AppError('not_found', `There is no certification authority "${name}".`)
    }
    return ca
  }

  /** The templates that the CA offers, whoever may enroll for them. */
  templatesOf(ca: CaRow): Promise<readonly TemplateRow[]> {
    return this.templates.listOffered(ca.id)
  }

  /** The certificates of the CA, by their index. */
  certificatesOf(ca: CaRow): Promise<readonly InstalledCaCertificate[]> {
    return this.cas.listCertificates(ca.id)
  }

  /** What the CA has signed for itself since it was renewed: roots and cross certificates. */
  selfIssuedOf(ca: CaRow): Promise<readonly IssuedSelfIssuedCertificate[]> {
    return this.selfIssued.listIssued(ca.id)
  }

  /** The signing certificate with this index (the newest if absent) and all above it, the root last. DER. */
  async chainOf(ca: CaRow, certIndex?: number): Promise<readonly Uint8Array[]> {
    const rows = await this.cas.listCertificates(ca.id)
    const row = certIndex === undefined ? rows.at(-1) : rows.find(candidate => candidate.certIndex === certIndex)
    if (row === undefined) {
      throw new AppError('not_found', `"${ca.name}" has no certificate ${certIndex ?? ''}.`)
    }
    return [row.certificate, ...row.chain]
  }

  /**
   * What leads from older roots of the CA to its present key: cross certificates, DER, the newest first (RFC 4210, 4.4).
   * Empty unless the CA is a root that has been renewed with a new key.
   */
  crossCertificatesOf(ca: CaRow): Promise<readonly Uint8Array[]> {
    return this.selfIssued.listNewWithOld(ca.id, this.clock.now())
  }
}
