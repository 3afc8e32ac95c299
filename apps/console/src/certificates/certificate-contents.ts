import { Injectable } from '@nestjs/common'
import { AppError } from '@app/core'
import { buildCertificateBundle } from '@app/cms'
import { encodePem } from '@app/der'
import { CaStore, CertificateStore, type CertificateSummary } from '@app/storage'
import type { ContentQuery } from './certificates.schemas.js'

/** A certificate to be downloaded. */
export interface CertificateFile {
  readonly type: string
  readonly body: Uint8Array | string
}

/** The bytes of issued certificates, alone or with those of the CA. */
@Injectable()
export class CertificateContents {
  constructor(
    private readonly certificates: CertificateStore,
    private readonly cas: CaStore
  ) {}

  /** DER. */
  async certificateOf({ caId, serialNumber }: CertificateSummary): Promise<Uint8Array> {
    const row = await this.certificates.findBySerial(caId, serialNumber)
    if (row?.certificate == null) throw new AppError('internal', 'A certificate that is issued has no bytes.')
    return row.certificate
  }

  /** In a form that is asked for; `p7b` with the certificates of the CA up to the root. */
  async fileOf(row: CertificateSummary, format: ContentQuery['format']): Promise<CertificateFile> {
    const certificate = await this.certificateOf(row)
    switch (format) {
      case 'pem':
        return { type: 'application/x-pem-file', body: encodePem('CERTIFICATE', certificate) }
      case 'der':
        return { type: 'application/pkix-cert', body: certificate }
      case 'p7b': {
        const rows = await this.cas.listCertificates(row.caId)
        const ca = rows.find(({ certIndex }) => certIndex === row.certIndex)
        const chain = ca?.certificate == null ? [] : [ca.certificate, ...ca.chain]
        const body = buildCertificateBundle({ certificates: [certificate, ...chain] })
        return { type: 'application/x-pkcs7-certificates', body }
      }
    }
  }
}
