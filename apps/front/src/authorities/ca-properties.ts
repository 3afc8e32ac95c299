import { Inject, Injectable } from '@nestjs/common'
import { AppError, toBase64 } from '@app/core'
import { CR_PROPERTIES, findProperty } from '@app/cmc'
import { certificateUrls, CONFIG, distributionUrls, type Config } from '@app/platform'
import { AgentStore, CrlStore, type CaRow } from '@app/storage'
import type { PropertyView } from '../enrollment/enrollment.schemas.js'
import { AuthoritiesService } from './authorities.service.js'
import { readCaProperty } from './ca-property.js'
import { ExchangeCertificates } from './exchange-certificates.js'

/** Answers GetCAProperty from the database (MS-WCCE 3.2.1.4.3.2). */
@Injectable()
export class CaProperties {
  constructor(
    private readonly authorities: AuthoritiesService,
    private readonly agents: AgentStore,
    private readonly crls: CrlStore,
    private readonly exchangeCertificates: ExchangeCertificates,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /** A property of the CA, by CR_PROP number or name, as it is at `now`. Throws `invalid_argument`, `property_empty`. */
  async get(ca: CaRow, idOrName: string, index: number, now: Date): Promise<PropertyView> {
    const entry = findProperty(CR_PROPERTIES, idOrName)
    if (entry === undefined) throw new AppError('invalid_argument', `"${idOrName}" is no property of a CA (CR_PROP_*).`)
    const { config } = this
    const value = await readCaProperty(entry, index, {
      ca,
      now,
      roleSeparation: config.operators.roleSeparation,
      hostName: config.hostNames[0] ?? config.https.host,
      urls: ({ keyIndex, certIndex }) =>
        certificateUrls(config, distributionUrls(config.httpBaseUrl, { id: ca.id, keyIndex, certIndex })),
      certificates: () => this.authorities.certificatesOf(ca),
      selfIssued: () => this.authorities.selfIssuedOf(ca),
      exchangeCertificate: () => this.exchangeCertificates.current(ca),
      agents: () => this.agents.list(ca.id),
      templates: () => this.authorities.templatesOf(ca),
      crl: (keyIndex, kind) => this.crls.findLatest(ca.id, keyIndex, kind)
    })
    const { id, name, type } = entry
    return { id, name, type, index, value: value instanceof Uint8Array ? toBase64(value) : value }
  }
}
