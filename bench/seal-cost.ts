import { randomBytes } from 'node:crypto'
import type { CertRequest } from '@app/client'
import { wipe, type Entropy } from '@app/core'
import {
  encodeCapiPrivateKeyBlob,
  sealToAgents,
  sealToThreshold,
  verifySealedKey,
  verifyThresholdSealedKey
} from '@app/escrow'
import { decodeCertificate, type Certificate } from '@app/x509'
import type { Subscriber } from './enrollment-requests.js'

const entropy: Entropy = { bytes: length => randomBytes(length) }
const times = 300
const threshold = 2

/** Milliseconds of one core for sealing an archived key to the same agents and reading it back, in each mode. */
export interface SealCost {
  readonly threshold: number
  readonly anyAgent: number
}

/** Measures {@link SealCost} in this process, for all recovery agents of a CA. */
export async function measureSealing(client: CertRequest, { privateKey, signer }: Subscriber): Promise<SealCost> {
  const agents = await agentsOf(client)
  const { publicKey } = signer
  const plaintext = encodeCapiPrivateKeyBlob(privateKey)
  try {
    return {
      threshold: await cpuOfEach(async () => {
        const sealed = await sealToThreshold({ plaintext, publicKey, agents, threshold, entropy })
        verifyThresholdSealedKey(sealed, { agents, threshold, publicKey })
      }),
      anyAgent: await cpuOfEach(() => {
        verifySealedKey(sealToAgents({ plaintext, agents, entropy }), agents)
        return Promise.resolve()
      })
    }
  } finally {
    wipe(plaintext)
  }
}

async function agentsOf(client: CertRequest): Promise<readonly Certificate[]> {
  const count = Number(await client.getCAProperty('KRACERTCOUNT'))
  const found: Certificate[] = []
  for (let index = 0; index < count; index++) {
    found.push(decodeCertificate((await client.getCAProperty('KRACERT', index)) as Uint8Array))
  }
  return found
}

async function cpuOfEach(work: () => Promise<void>): Promise<number> {
  // Some first, for the engine to learn what is hot.
  for (let time = 0; time < times; time++) await work()
  const start = process.cpuUsage()
  for (let time = 0; time < times; time++) await work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000 / times
}
