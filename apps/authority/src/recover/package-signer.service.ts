import { createHash } from 'node:crypto'
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { buildSignedData, identifierOf } from '@app/cms'
import { AppError, equalBytes, type Clock } from '@app/core'
import { encodeOctetString } from '@app/der'
import { OID } from '@app/oid'
import { CLOCK } from '@app/platform'
import { Steps, type StepRun } from '@app/queue'
import { AgentStore, ArchivedKeyStore, RecoveryPackageStore, type PackageToSign } from '@app/storage'
import { encodeAttribute } from '@app/x509'
import { CaRegistry, type IssuingCa } from '../ca/ca-registry.js'

const batchSize = 32

/**
 * Signs what `certutil -getkey` gives (MS-CSRA 3.1.4.2.9, GetArchivedKey): a SignedData of the CA around the key as it is
 * sealed to the agents, with the certificates that are needed to verify and to open it and to write a PKCS#12. The
 * authority sees what is encrypted to the agents, never a key.
 */
@Injectable()
export class PackageSigner implements OnApplicationBootstrap {
  constructor(
    private readonly steps: Steps,
    private readonly packages: RecoveryPackageStore,
    private readonly keys: ArchivedKeyStore,
    private readonly agents: AgentStore,
    private readonly registry: CaRegistry,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('recovery-packages', () => this.run())
  }

  private async run(): Promise<StepRun> {
    const failures: unknown[] = []
    let last: PackageToSign | undefined
    do {
      const unsigned = await this.packages.listUnsigned(batchSize, this.clock.now(), last?.recoveryId)
      const attempts = await Promise.allSettled(unsigned.map(row => this.sign(row)))
      failures.push(...attempts.flatMap(attempt => (attempt.status === 'rejected' ? [attempt.reason as unknown] : [])))
      last = unsigned[batchSize - 1]
    } while (last !== undefined)
    // Bad rows hold back no other; they are tried again until nobody could fetch them any more.
    if (failures.length > 0) throw failures[0]
    return { more: false, next: [] }
  }

  private async sign(row: PackageToSign): Promise<void> {
    // 1. The CA as it is now or, of a package whose signature was begun, as it was then.
    const ca = await (row.signerIndex === null
      ? this.registry.get(row.caId)
      : this.registry.getKey(row.caId, row.signerIndex))
    const certificate = await this.keys.findCertificate(row.requestId)
    if (certificate === undefined) throw new AppError('internal', `Request ${row.requestId} has no certificate.`)
    // 2. What will be signed, written down.
    const toSign = row.toSign ?? (await this.intend(row, ca, certificate))
    if (toSign === undefined) return
    // failpoint: package.intent-committed
    // 3. Sign that and nothing else; the first signature is kept.
    const signed = await this.build(row, ca, certificate, data => {
      if (!equalBytes(data, toSign)) throw new AppError('internal', 'A recovery would be signed in another form.')
      return ca.signer.sign(data)
    })
    // failpoint: package.signed
    await this.packages.finish(row.recoveryId, toSign, signed, this.clock.now())
    // failpoint: package.finished
  }

  /** Undefined when another process was faster. */
  private async intend(row: PackageToSign, ca: IssuingCa, certificate: Uint8Array): Promise<Uint8Array | undefined> {
    let toSign: Uint8Array | undefined
    await this.build(row, ca, certificate, data => {
      toSign = data
      return Promise.resolve(new Uint8Array())
    })
    if (toSign === undefined) throw new AppError('internal', 'A recovery has nothing to sign.')
    const { keyIndex } = ca
    const isFirst = await this.packages.intend(row.recoveryId, row.caId, { keyIndex, toSign }, this.clock.now())
    return isFirst ? toSign : undefined
  }

  private async build(
    row: PackageToSign,
    ca: IssuingCa,
    certificate: Uint8Array,
    sign: (data: Uint8Array) => Promise<Uint8Array>
  ): Promise<Uint8Array> {
    const agents = await this.agents.findAll(row.agentIds)
    const keyHash = encodeOctetString(createHash('sha1').update(certificate).digest())
    const others = [...agents.values()].map(agent => agent.certificate)
    const certificates = [ca.certificate.raw, ...ca.chain, certificate, ...others]
    return buildSignedData({
      eContentType: OID.id_data,
      eContent: row.sealed,
      certificates: withoutTwins(certificates),
      signers: [
        {
          sid: identifierOf(ca.certificate),
          scheme: ca.signer.scheme,
          signedAttributes: [encodeAttribute(OID.szOID_ARCHIVED_KEY_CERT_HASH, [keyHash])],
          sign
        }
      ]
    })
  }
}

/** A SET has no member twice; an agent may have a certificate of the CA that is in the chain already. */
function withoutTwins(certificates: readonly Uint8Array[]): readonly Uint8Array[] {
  return certificates.filter((one, index) => certificates.findIndex(other => equalBytes(other, one)) === index)
}
