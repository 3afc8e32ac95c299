import { Inject, Injectable } from '@nestjs/common'
import { AppError, type CaId, type Clock } from '@app/core'
import type { Issuer } from '@app/issuance'
import { certificateUrls, CLOCK, CONFIG, distributionUrls, type Config } from '@app/platform'
import { CaStore } from '@app/storage'
import { decodeCertificate, schemeFor } from '@app/x509'

/** The CAs as certificates are made under them; of their keys, nothing but what their certificates tell. */
@Injectable()
export class CaIssuers {
  constructor(
    private readonly cas: CaStore,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  now(): Date {
    return this.clock.now()
  }

  /** A CA with its newest certificate. Throws `ca_certificate_invalid` when it has none yet. */
  async get(id: CaId): Promise<Issuer> {
    const row = (await this.cas.listCertificates(id)).at(-1)
    if (row?.certificate == null) throw new AppError('ca_certificate_invalid', 'The CA awaits its certificate.')
    const { certIndex, keyIndex } = row
    const certificate = decodeCertificate(row.certificate)
    const urls = distributionUrls(this.config.httpBaseUrl, { id, keyIndex, certIndex })
    return { certificate, scheme: schemeFor(certificate.publicKey), ...certificateUrls(this.config, urls) }
  }
}
