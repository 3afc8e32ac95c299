import { generateKeyPairSync, sign } from 'node:crypto'
import {
  auditKeyId,
  ChainVerifier,
  encodeCheckpoint,
  type AuditPublicKey,
  type ChainFault,
  type Checkpoint,
  type CheckpointFacts,
  type CheckpointReader
} from '@app/audit'

/** An audit key with its private half. */
export interface TestAuditKey extends AuditPublicKey {
  sign(facts: Omit<CheckpointFacts, 'keyId'>): Checkpoint
}

/** A key as the authority makes it. */
export function makeAuditKey(): TestAuditKey {
  const { privateKey, publicKey: half } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicKey = half.export({ type: 'spki', format: 'der' })
  const keyId = auditKeyId(publicKey)
  return {
    publicKey,
    createdAt: new Date('2026-11-21T12:00:00Z'),
    sign: facts => ({ ...facts, keyId, signature: sign('sha256', encodeCheckpoint({ ...facts, keyId }), privateKey) })
  }
}

/** The checkpoints of a file that is in memory. */
export function readerOf(checkpoints: readonly Checkpoint[]): CheckpointReader {
  let index = 0
  return {
    get next() {
      return checkpoints[index]
    },
    advance: () => {
      index++
      return Promise.resolve()
    }
  }
}

/** What a verification finds first in these links, and how far it came. */
export async function verifyLinks(
  links: Parameters<ChainVerifier['add']>[0],
  trust: ConstructorParameters<typeof ChainVerifier>[0],
  last = 0
): Promise<ChainFault | undefined> {
  const verifier = new ChainVerifier(trust)
  return (await verifier.add(links)) ?? verifier.end(last)
}
