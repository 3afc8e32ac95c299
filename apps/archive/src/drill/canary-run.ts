import type { KeyObject } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { buildEnvelopedData } from '@app/cms'
import { AppError, wipe, type AgentId, type Clock, type Entropy } from '@app/core'
import {
  decodeKeyBlob,
  encodeCapiPrivateKeyBlob,
  encodeCngEccBlob,
  openSealedKey,
  openWithShares,
  transferShare,
  verifyKeyPair,
  wipeKeyBlob,
  type OpenedKey
} from '@app/escrow'
import { decrypterOf, generateKeyPairOf, publicHalfOf, signerOf } from '@app/keys'
import { CLOCK, ENTROPY } from '@app/platform'
import { ArchiveStore, CaStore, DrillStore, ExchangeKeyStore, type CaRow } from '@app/storage'
import type { ArchivalSettings } from '@app/templates'
import { decodeCertificate, type Certificate, type PublicKeyInfo } from '@app/x509'
import { ExchangeKeys } from '../inventory/exchange-keys.js'
import { Sealer } from '../seal/sealer.js'
import { selfSignedCertificate } from './self-signed.js'
import { TestAgents, type TestAgent } from './test-agents.js'

const threshold = { mode: 'threshold', agentCount: 3, threshold: 2 } as const satisfies ArchivalSettings
const anyAgent = { mode: 'any-agent', agentCount: 3 } as const satisfies ArchivalSettings

/** Where canaries go, by what seals and keeps every key. */
@Injectable()
export class CanaryStores {
  constructor(
    readonly drills: DrillStore,
    readonly archive: ArchiveStore,
    readonly cas: CaStore,
    readonly exchangeKeys: ExchangeKeyStore
  ) {}
}

/** Archives canary keys and recovers them, in both modes, for every CA. */
@Injectable()
export class CanaryRun {
  constructor(
    private readonly stores: CanaryStores,
    private readonly decrypters: ExchangeKeys,
    private readonly sealer: Sealer,
    private readonly agents: TestAgents,
    @Inject(ENTROPY) private readonly entropy: Entropy,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** How many canaries came back. Throws when one did not, with the code of the step that failed. */
  async run(): Promise<number> {
    const agents = await this.agents.provide(threshold.agentCount)
    let recovered = 0
    for (const ca of (await this.stores.cas.list()).filter(({ state }) => state === 'active')) {
      for (const settings of [threshold, anyAgent]) {
        await this.archiveAndRecover(ca, settings, agents)
        recovered++
      }
    }
    if (recovered === 0) throw new AppError('not_found', 'There is no active CA whose archive could be tried.')
    return recovered
  }

  private async archiveAndRecover(
    ca: CaRow,
    settings: typeof threshold | typeof anyAgent,
    agents: readonly TestAgent[]
  ): Promise<void> {
    const now = this.clock.now()
    const { privateKey } = await generateKeyPairOf(settings.mode === 'threshold' ? 'p-256' : 'rsa-2048')
    const publicKey = publicHalfOf(privateKey)
    // 1. Wrapped to the exchange certificate, as by a client; sealed and stored, as every key is.
    const envelope = this.wrap(privateKey, await this.exchangeCertificate(ca, now))
    const wrapped = { caId: ca.id, submittedAt: now, envelope, publicKey: publicKey.raw }
    const sealing = { settings, agents: agents.map(({ certificate }) => ({ id: 0 as AgentId, certificate })) }
    const form = await this.sealer.seal(wrapped, sealing, this.decrypters.batch(), now)
    const number = await this.stores.drills.putCanary(form)
    // 2. Read back, opened by the agents as they would, and compared.
    const stored = await this.stores.archive.findSealed(number)
    if (stored === undefined) throw new AppError('not_found', 'The canary is not in the archive after it was sealed.')
    const use = (opened: OpenedKey): Promise<void> => verifyCanary(opened, publicKey)
    if (settings.mode === 'threshold') await this.openTogether(stored.sealed, agents.slice(0, settings.threshold), use)
    else await openAlone(stored.sealed, agents, use)
  }

  private async exchangeCertificate(ca: CaRow, now: Date): Promise<Certificate> {
    const certificate = (await this.stores.exchangeKeys.findCurrent(ca.id, now))?.certificate
    if (certificate != null) return decodeCertificate(certificate)
    throw new AppError('not_found', `"${ca.name}" has no exchange certificate that a key could be wrapped to.`)
  }

  private wrap(privateKey: KeyObject, certificate: Certificate): Uint8Array {
    const content =
      privateKey.asymmetricKeyType === 'rsa' ? encodeCapiPrivateKeyBlob(privateKey) : encodeCngEccBlob(privateKey)
    try {
      const recipients = [{ certificate, transport: { scheme: 'rsaes-pkcs1-v1_5' } as const }]
      return buildEnvelopedData({ content, recipients, contentEncryption: 'aes-256-cbc', entropy: this.entropy })
    } finally {
      wipe(content)
    }
  }

  /** The agents' shares go to a key that exists for this recovery only. */
  private async openTogether(
    sealed: Uint8Array,
    agents: readonly TestAgent[],
    use: (opened: OpenedKey) => Promise<void>
  ): Promise<void> {
    const { entropy } = this
    const { privateKey } = await generateKeyPairOf('rsa-2048')
    const now = this.clock.now().getTime()
    const der = await selfSignedCertificate(signerOf(privateKey), {
      name: 'Certkeep Drill Recipient',
      serialNumber: Uint8Array.of(1),
      notBefore: new Date(now - 3_600_000),
      notAfter: new Date(now + 3_600_000)
    })
    const recipient = decodeCertificate(der)
    const transferred: Uint8Array[] = []
    for (const { certificate: agent, decrypter } of agents) {
      transferred.push(await transferShare({ sealed, decrypter, agent, recipient, entropy }))
    }
    await openWithShares({ sealed, transferred, decrypter: decrypterOf(privateKey), use })
  }
}

/** Each of the agents opens the key by itself. */
async function openAlone(
  sealed: Uint8Array,
  agents: readonly TestAgent[],
  use: (opened: OpenedKey) => Promise<void>
): Promise<void> {
  for (const { certificate: agentCertificate, decrypter } of agents) {
    await openSealedKey({ sealed, decrypter, agentCertificate, use })
  }
}

async function verifyCanary({ plaintext }: OpenedKey, publicKey: PublicKeyInfo): Promise<void> {
  const blob = decodeKeyBlob(plaintext)
  try {
    await verifyKeyPair(blob, publicKey)
  } finally {
    wipeKeyBlob(blob)
  }
}
