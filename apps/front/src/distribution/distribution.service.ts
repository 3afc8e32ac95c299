import { Injectable } from '@nestjs/common'
import { asId, type CaId } from '@app/core'
import { encodePem } from '@app/der'
import { CaStore, CrlStore } from '@app/storage'

/** A file of the plain HTTP port. */
export interface PublicFile {
  readonly type: string
  readonly body: Uint8Array | string
  /** Seconds that caches may keep it. */
  readonly maxAge: number
}

const pattern = /^\/(crl|ca)\/(\d{1,9})(?:-(\d{1,4}))?(\.crl|\.cer|\.pem)?$/

/** What anybody may fetch without TLS: CRLs and CA certificates (RFC 5280, 4.2.1.13 and 4.2.2.1). */
@Injectable()
export class DistributionService {
  constructor(
    private readonly cas: CaStore,
    private readonly crls: CrlStore
  ) {}

  /**
   * `/crl/CA[-KEY]` and `/ca/CA[-INDEX]`, where CA is the CA's number; `.pem` at the end asks for PEM, anything else
   * is DER. Undefined when there is no such file.
   */
  async find(path: string): Promise<PublicFile | undefined> {
    const [match, kind, ca = '', index, ending] = pattern.exec(path) ?? []
    if (match === undefined) return undefined
    const caId = asId<CaId>(Number(ca))
    const position = index === undefined ? undefined : Number(index)
    return kind === 'crl'
      ? this.crl(caId, position, ending === '.pem')
      : this.certificate(caId, position, ending === '.pem')
  }

  private async crl(caId: CaId, keyIndex: number | undefined, pem: boolean): Promise<PublicFile | undefined> {
    const row = await this.crls.findLatest(caId, keyIndex)
    if (row === undefined) return undefined
    return pem
      ? { type: 'application/x-pem-file', body: encodePem('X509 CRL', row.crl), maxAge: 300 }
      : { type: 'application/pkix-crl', body: row.crl, maxAge: 300 }
  }

  private async certificate(caId: CaId, certIndex: number | undefined, pem: boolean): Promise<PublicFile | undefined> {
    const rows = await this.cas.listCertificates(caId)
    const row = certIndex === undefined ? rows.at(-1) : rows.find(candidate => candidate.certIndex === certIndex)
    if (row?.certificate == null) return undefined
    return pem
      ? { type: 'application/x-pem-file', body: encodePem('CERTIFICATE', row.certificate), maxAge: 3600 }
      : { type: 'application/pkix-cert', body: row.certificate, maxAge: 3600 }
  }
}
