import { Inject, Injectable } from '@nestjs/common'
import { isAppError, type Clock, type Entropy } from '@app/core'
import type { Decrypter, KeyStore } from '@app/keys'
import { CLOCK, ENTROPY, KEY_STORE } from '@app/platform'
import { DrillStore, type DrillAgentRow } from '@app/storage'
import { decodeCertificate, type Certificate } from '@app/x509'
import { selfSignedCertificate } from './self-signed.js'

const day = 86_400_000
const lifetime = 3650 * day

/** An agent whose key this process holds; nothing but canaries is sealed to it. */
export interface TestAgent {
  readonly certificate: Certificate
  readonly decrypter: Decrypter
}

/** The agents of drills. Their keys are in the key store of the archive, beside the exchange keys. */
@Injectable()
export class TestAgents {
  constructor(
    private readonly drills: DrillStore,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
    @Inject(ENTROPY) private readonly entropy: Entropy,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** So many of them, made when they are not there. */
  async provide(count: number): Promise<readonly TestAgent[]> {
    const now = this.clock.now()
    const agents: TestAgent[] = []
    for (const row of await this.drills.listAgents(new Date(now.getTime() + day))) {
      const agent = await this.open(row)
      if (agent !== undefined) agents.push(agent)
    }
    while (agents.length < count) agents.push(await this.make(now))
    return agents.slice(0, count)
  }

  /** Undefined, and forgotten, when its key is no longer in the store. */
  private async open({ id, keyReference, certificate }: DrillAgentRow): Promise<TestAgent | undefined> {
    try {
      return { certificate: decodeCertificate(certificate), decrypter: await this.keys.decrypter(keyReference) }
    } catch (error) {
      if (!isAppError(error, 'not_found')) throw error
      await this.drills.removeAgent(id)
      return undefined
    }
  }

  private async make(now: Date): Promise<TestAgent> {
    const { reference: keyReference } = await this.keys.generate('rsa-2048', 'drill-agent')
    const notAfter = new Date(now.getTime() + lifetime)
    const certificate = await selfSignedCertificate(await this.keys.signer(keyReference), {
      name: 'Certkeep Drill Agent',
      serialNumber: Uint8Array.of(1, ...this.entropy.bytes(8)),
      notBefore: new Date(now.getTime() - day),
      notAfter
    })
    await this.drills.addAgent({ keyReference, certificate, notAfter })
    return { certificate: decodeCertificate(certificate), decrypter: await this.keys.decrypter(keyReference) }
  }
}
