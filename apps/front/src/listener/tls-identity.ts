import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, isAppError, view, wipe, type Clock } from '@app/core'
import { encodePem } from '@app/der'
import { readSecretFile, writeNewFile } from '@app/files'
import { generateKeyPairOf } from '@app/keys'
import { CLOCK, CONFIG, type Config, type ServerTls } from '@app/platform'
import { CertificateStore, internalRequest, type CaRow } from '@app/storage'
import { AuthoritiesService } from '../authorities/authorities.service.js'
import { SubmissionService } from '../submission/submission.service.js'

interface Identity {
  readonly privateKey: KeyObject
  readonly certificate: X509Certificate
  /** DER of the CA certificate that it was issued under, and those above. */
  readonly chain: readonly Uint8Array[]
}

/** How long before its end the certificate is renewed: a third of its 90 days. */
const renewBefore = 30 * 86_400_000
const patience = 30_000

/** Keeps the certificate of the HTTPS listener: issued by the installation's own CA, renewed by itself. */
@Injectable()
export class TlsIdentity {
  private readonly directory: string

  constructor(
    private readonly authorities: AuthoritiesService,
    private readonly submissions: SubmissionService,
    private readonly certificates: CertificateStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config
  ) {
    this.directory = join(config.home, 'tls')
  }

  /** What to serve with now: the newest stored identity that is still good, else a new one. Throws `unavailable`. */
  async current(): Promise<ServerTls> {
    const [ca] = await this.authorities.list()
    if (ca === undefined) throw new AppError('unavailable', 'There is no CA yet that could certify the HTTPS listener.')
    const present = await this.authorities.chainOf(ca)
    const { privateKey, certificate, chain } = (await this.findStored(present)) ?? (await this.enroll(ca))
    // Before the root: OpenSSL takes the first issuer that fits, and who trusts an older root does not know the new one.
    const crosses = await this.authorities.crossCertificatesOf(ca)
    const authorities = await this.authorities.certificatesOf(ca)
    return {
      privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      // The root is sent too: a client that knows no more than its fingerprint finds it there.
      certificates: [certificate.toString(), ...[...crosses, ...chain].map(pemOf)].join(''),
      clientAuthorities: [...authorities.map(({ certificate: der }) => der), ...chain.slice(1)].map(pemOf)
    }
  }

  private async findStored(chain: readonly Uint8Array[]): Promise<Identity | undefined> {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
    const issuer = chain[0] === undefined ? undefined : new X509Certificate(chain[0])
    const names = readdirSync(this.directory).filter(name => name.endsWith('.crt'))
    for (const name of names.toSorted().toReversed()) {
      const certificate = new X509Certificate(readFileSync(join(this.directory, name)))
      if (issuer === undefined || !certificate.verify(issuer.publicKey) || !this.isGood(certificate)) continue
      const privateKey = await this.readKey(name.replace(/\.crt$/, '.key'))
      if (privateKey !== undefined && certificate.checkPrivateKey(privateKey)) {
        return { privateKey, certificate, chain }
      }
    }
    return undefined
  }

  private isGood(certificate: X509Certificate): boolean {
    const remaining = certificate.validToDate.getTime() - this.clock.now().getTime()
    const covers = (name: string): boolean =>
      (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined
    return remaining > renewBefore && this.config.hostNames.every(covers)
  }

  private async readKey(name: string): Promise<KeyObject | undefined> {
    try {
      const pem = await readSecretFile(join(this.directory, name))
      try {
        return createPrivateKey(view(pem))
      } finally {
        wipe(pem)
      }
    } catch (error) {
      // A key that was lost is replaced; nothing depends on this one.
      if (isAppError(error, 'config_invalid')) return undefined
      throw error
    }
  }

  /** A new key and its certificate: a request of the installation itself, through the queue like any other. */
  private async enroll(ca: CaRow): Promise<Identity> {
    const { privateKey, publicKey } = await generateKeyPairOf('p-256')
    const submittedAt = this.clock.now()
    const request = internalRequest({
      caId: ca.id,
      templateName: 'WebServer',
      publicKey: publicKey.raw,
      keyId: publicKey.keyId,
      rowFlags: 0,
      submittedAt
    })
    const row = await this.submissions.record(request, patience)
    const issued = await this.certificates.findByRequest(row.id)
    if (issued?.certificate == null) {
      throw new AppError('unavailable', `The HTTPS listener got no certificate: ${row.dispositionMessage}.`, {
        state: row.state
      })
    }
    const name = `${submittedAt.toISOString().replace(/\D/g, '').slice(0, 17)}-${issued.serialNumber.toString('hex').slice(0, 8)}`
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    await writeNewFile(join(this.directory, `${name}.key`), Buffer.from(pem), 0o600)
    await writeNewFile(
      join(this.directory, `${name}.crt`),
      Buffer.from(encodePem('CERTIFICATE', issued.certificate)),
      0o644
    )
    // The authority may have looked at the CA before or after its renewal.
    const chain = await this.authorities.chainOf(ca, issued.certIndex)
    return { privateKey, certificate: new X509Certificate(issued.certificate), chain }
  }
}

function pemOf(der: Uint8Array): string {
  return encodePem('CERTIFICATE', der)
}
