import { Injectable } from '@nestjs/common'
import { AppError, toBase64 } from '@app/core'
import { ArchivedKeyStore, CaStore, CertificateStore, type FoundRecovery } from '@app/storage'
import type { PackageView } from './recoveries.schemas.js'

/** The certificates that go with a recovered key. */
@Injectable()
export class RecoveryCertificates {
  constructor(
    private readonly keys: ArchivedKeyStore,
    private readonly certificates: CertificateStore,
    private readonly cas: CaStore
  ) {}

  /** The key's certificate and those that issued it, the nearest first: those of the CA's newest for one issued elsewhere. */
  async of({
    caId,
    requestId,
    serialNumber
  }: Pick<FoundRecovery, 'caId' | 'requestId' | 'serialNumber'>): Promise<Pick<PackageView, 'certificate' | 'chain'>> {
    const certificate = await this.keys.findCertificate(requestId)
    if (certificate === undefined) throw new AppError('internal', `Request ${requestId} has no certificate.`)
    const row = await this.certificates.findBySerial(caId, serialNumber)
    const rows = await this.cas.listCertificates(caId)
    const own = row?.requestId === requestId ? rows.find(({ certIndex }) => certIndex === row.certIndex) : undefined
    const ca = own ?? rows.at(-1)
    const chain = ca?.certificate == null ? [] : [ca.certificate, ...ca.chain]
    return { certificate: toBase64(certificate), chain: chain.map(toBase64) }
  }
}
