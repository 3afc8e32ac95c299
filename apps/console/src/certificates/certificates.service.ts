import { Inject, Injectable } from '@nestjs/common'
import { AppError, asId, fromHex, type CaId, type Clock, type RequestId } from '@app/core'
import { CLOCK } from '@app/platform'
import type { Permission } from '@app/policy'
import { CaStore, CertificateSearch, type CertificateSearchFilter, type FoundCertificate } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import type { AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews } from '../access/page.schemas.js'
import { detailOf, itemOf } from './certificate-views.js'
import type { CertificateDetail, CertificatesQuery, CertificatesView } from './certificates.schemas.js'
import { CertificateContents } from './certificate-contents.js'

/** Looking at issued certificates. */
@Injectable()
export class CertificatesService {
  constructor(
    private readonly search: CertificateSearch,
    private readonly contents: CertificateContents,
    private readonly cas: CaStore,
    private readonly named: NamedObjects,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** One page of the certificates of the CAs whose certificates the operator may see. */
  async list(query: CertificatesQuery, operator: AuthenticatedOperator): Promise<CertificatesView> {
    const filter = await this.filterOf(query, operator)
    const now = this.clock.now()
    const page = await this.search.find(filter, now, query.limit, query.cursor)
    const caName = await this.named.caNames()
    return pageOfViews(page, row => itemOf(row, caName(row.caId) ?? '', now))
  }

  /** A certificate decoded. Throws as {@link get}. */
  async show(serial: string, ca: string | undefined, operator: AuthenticatedOperator): Promise<CertificateDetail> {
    const row = await this.get(serial, ca, operator)
    const caName = await this.named.caNames()
    const item = itemOf(row, caName(row.caId) ?? '', this.clock.now())
    return detailOf(item, await this.contents.certificateOf(row))
  }

  /**
   * The certificate of a serial number. Throws `not_found` for one of a CA whose certificates the operator may not see,
   * as for none, and `invalid_argument` when several CAs have it and none is named.
   */
  async get(
    serial: string,
    ca: string | undefined,
    operator: AuthenticatedOperator,
    permission: Permission = 'certificate.read'
  ): Promise<FoundCertificate> {
    const caIds = await this.readable(ca, operator, permission)
    const { rows } = await this.search.find({ caIds, serialNumber: serialOctets(serial) }, this.clock.now(), 2)
    const [row, other] = rows
    if (row === undefined) throw new AppError('not_found', `There is no certificate ${serial}.`)
    if (other !== undefined) {
      throw new AppError('invalid_argument', `Several CAs have a certificate ${serial}; name the CA.`)
    }
    return row
  }

  private async filterOf(query: CertificatesQuery, operator: AuthenticatedOperator): Promise<CertificateSearchFilter> {
    const { ca, serial, subject, account, template, request, fingerprint, state, expiringBefore } = query
    const caIds = await this.readable(ca, operator, 'certificate.read')
    const principal = account === undefined ? undefined : await this.named.account(account)
    return {
      caIds,
      ...(serial === undefined ? {} : { serialNumber: serialOctets(serial) }),
      ...(subject === undefined ? {} : { subject }),
      ...(principal === undefined ? {} : { principalId: principal.id }),
      ...(template === undefined ? {} : { templateName: template }),
      ...(request === undefined ? {} : { requestId: asId<RequestId>(request) }),
      ...(fingerprint === undefined ? {} : { fingerprint: fromHex(fingerprint.replaceAll(':', '')) as Uint8Array }),
      ...(state === undefined ? {} : { state }),
      ...(expiringBefore === undefined ? {} : { expiringBefore: new Date(expiringBefore) })
    }
  }

  private async readable(
    name: string | undefined,
    operator: AuthenticatedOperator,
    permission: Permission
  ): Promise<readonly CaId[]> {
    const ids = (await this.cas.list()).map(({ id }) => id).filter(id => operator.may(permission, id))
    const id = await this.named.caIdOf(name)
    if (id === null) return ids
    if (ids.includes(id)) return [id]
    throw new AppError('not_found', `There is no CA "${(name ?? '').slice(0, 64)}".`)
  }
}

/** Content octets of the INTEGER of a serial number in hexadecimal. */
export function serialOctets(serial: string): Uint8Array {
  const even = serial.length % 2 === 0 ? serial : `0${serial}`
  const octets = Buffer.from(even, 'hex')
  return (octets[0] ?? 0) < 0x80 ? octets : Buffer.concat([Buffer.of(0), octets])
}
