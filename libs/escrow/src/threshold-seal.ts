import { createCipheriv, hash } from 'node:crypto'
import { buildEnvelopedData, decodeEnvelopedData, isIdentifiedBy } from '@app/cms'
import { AppError, concatBytes, equalBytes, isAppError, wipe, type Entropy } from '@app/core'
import { split } from 'shamir-secret-sharing'
import type { Certificate, PublicKeyInfo } from '@app/x509'
import {
  decodeThresholdSealedKey,
  encodeAgentShare,
  encodeThresholdSealedKey,
  encodeThresholdTerms,
  type SealedShare,
  type ThresholdSealedKey
} from './threshold-codec.js'

/** What to seal, to whom, and how many of them must work together to open it. */
export interface ThresholdSealPlan {
  /** The key blob as received; the caller wipes it. */
  readonly plaintext: Uint8Array
  /** The public half of the key in it. */
  readonly publicKey: PublicKeyInfo
  /** The recovery agents, all judged usable and different from each other. */
  readonly agents: readonly Certificate[]
  /** 2 or more, and no more than there are agents. */
  readonly threshold: number
  readonly entropy: Entropy
}

/**
 * Seals a key blob so that `threshold` of the agents open it together and fewer learn nothing: a fresh AES-256-GCM key
 * encrypts the blob, is split (Shamir, over GF(2^8)), and each share is encrypted to one agent's certificate
 * (AuthEnvelopedData, RSAES-OAEP with SHA-256, AES-256-GCM). The sealer keeps nothing that opens it. Everything that
 * says which key it is and how many shares open it is authenticated with the encrypted blob.
 *
 * Throws `no_valid_recovery_agent` for fewer agents than the threshold, `invalid_argument` for a threshold below 2 or an
 * agent named twice, `public_key_unsupported` for an agent whose key is not RSA.
 */
export async function sealToThreshold(plan: ThresholdSealPlan): Promise<Uint8Array> {
  const { agents, threshold, entropy, plaintext } = plan
  verifyPlan(agents, threshold)
  const keyHash = hashOfKey(plan.publicKey)
  const contentKey = entropy.bytes(32)
  let parts: readonly Uint8Array[] = []
  try {
    parts = await split(bare(contentKey), agents.length, threshold)
    const shares = agents.map((agent, index) => sealShare(parts[index] as Uint8Array, keyHash, agent, entropy))
    const nonce = entropy.bytes(12)
    const terms = encodeThresholdTerms({ threshold, keyHash, shares })
    const cipher = createCipheriv('aes-256-gcm', contentKey, nonce).setAAD(terms)
    const encryptedKey = concatBytes([cipher.update(plaintext), cipher.final()])
    return encodeThresholdSealedKey({ threshold, keyHash, shares, nonce, encryptedKey, tag: cipher.getAuthTag() })
  } finally {
    wipe(contentKey, ...parts)
  }
}

/** The same memory as a plain Uint8Array: the splitting library takes no subclass, such as Buffer. */
export function bare(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Of what a share is bound to: SHA-256 of the SubjectPublicKeyInfo. */
function hashOfKey(publicKey: PublicKeyInfo): Uint8Array {
  return hash('sha256', publicKey.raw, 'buffer')
}

/**
 * Reads a threshold-sealed key back and verifies that it is for this key, with this threshold, and has one share for
 * each of these agents and no other. That the agents can decrypt it only they can tell. Throws `internal` when it is not
 * so: then nothing may be issued.
 */
export function verifyThresholdSealedKey(
  sealed: Uint8Array,
  plan: Pick<ThresholdSealPlan, 'agents' | 'threshold' | 'publicKey'>
): void {
  const { threshold, keyHash, shares } = readBack(sealed)
  const isForAll =
    shares.length === plan.agents.length &&
    plan.agents.every((agent, index) => isShareFor(agent, shares[index] as SealedShare))
  if (isForAll && threshold === plan.threshold && equalBytes(keyHash, hashOfKey(plan.publicKey))) return
  throw new AppError('internal', 'A sealed key does not read back as it was meant.', {
    shares: shares.length,
    agents: plan.agents.length,
    threshold
  })
}

function verifyPlan(agents: readonly Certificate[], threshold: number): void {
  if (!Number.isInteger(threshold) || threshold < 2) {
    throw new AppError('invalid_argument', 'At least two agents must open a key together.', { threshold })
  }
  if (agents.length < threshold) {
    throw new AppError(
      'no_valid_recovery_agent',
      `${threshold} agents are to open the key together, and there are ${agents.length}. Add agents.`,
      { threshold, agents: agents.length }
    )
  }
  const twice = agents.some((agent, index) => agents.slice(index + 1).some(({ raw }) => equalBytes(raw, agent.raw)))
  if (twice) throw new AppError('invalid_argument', 'A recovery agent is named twice.', { agents: agents.length })
}

function sealShare(share: Uint8Array, keyHash: Uint8Array, agent: Certificate, entropy: Entropy): SealedShare {
  const content = encodeAgentShare({ keyHash, share })
  try {
    return {
      commitment: hash('sha256', share, 'buffer'),
      envelope: encryptShare(content, agent, entropy)
    }
  } finally {
    wipe(content)
  }
}

/** An encoded {@link AgentShare} encrypted to one certificate, whose key must be RSA (else `public_key_unsupported`). */
export function encryptShare(content: Uint8Array, recipient: Certificate, entropy: Entropy): Uint8Array {
  return buildEnvelopedData({
    content,
    recipients: [{ certificate: recipient, transport: { scheme: 'rsaes-oaep', digest: 'sha256' } }],
    contentEncryption: 'aes-256-gcm',
    entropy
  })
}

/**
 * The same sealed key with an agent's share encrypted to a successor: `envelope` is what `transferShare` gave the agent
 * for the successor's certificate. Every other share stays as it is. Whether the envelope holds the right share only the
 * successor can tell. Throws `not_found` when the key has no share for the agent, `cms_structure` when the envelope is
 * not for the successor alone, and what {@link decodeThresholdSealedKey} throws.
 */
export function replaceShareEnvelope(
  sealed: Uint8Array,
  agent: Certificate,
  successor: Certificate,
  envelope: Uint8Array
): Uint8Array {
  const key = decodeThresholdSealedKey(sealed)
  const index = key.shares.findIndex(share => isShareFor(agent, share))
  const replaced = key.shares[index]
  if (replaced === undefined) {
    throw new AppError('not_found', 'The key was not sealed to this agent certificate.', { serial: agent.serialHex })
  }
  const share = { commitment: replaced.commitment, envelope }
  if (!isShareFor(successor, share)) {
    throw new AppError('cms_structure', 'The share is not encrypted to the successor alone.', {
      serial: successor.serialHex
    })
  }
  return encodeThresholdSealedKey({ ...key, shares: key.shares.with(index, share) })
}

/** Whether a share is encrypted to an agent and to nobody else. */
export function isShareFor(agent: Certificate, { envelope }: SealedShare): boolean {
  const [recipient, ...others] = decodeEnvelopedData(envelope).recipients
  return (
    recipient !== undefined &&
    others.length === 0 &&
    recipient.encryptedKey.length === Math.ceil(agent.publicKey.bits / 8) &&
    isIdentifiedBy({ issuer: agent.issuer.raw, serialNumber: agent.serialNumber }, recipient.identifier)
  )
}

function readBack(sealed: Uint8Array): ThresholdSealedKey {
  try {
    return decodeThresholdSealedKey(sealed)
  } catch (cause) {
    throw isAppError(cause) ? new AppError('internal', 'A sealed key does not read back.', {}, { cause }) : cause
  }
}
