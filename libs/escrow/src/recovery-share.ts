import { createDecipheriv, hash } from 'node:crypto'
import { decodeEnvelopedData, isIdentifiedBy, openEnvelopedData } from '@app/cms'
import { AppError, equalBytes, wipe, type Entropy } from '@app/core'
import type { Decrypter } from '@app/keys'
import { combine } from 'shamir-secret-sharing'
import type { Certificate } from '@app/x509'
import type { OpenedKey } from './archived-key.js'
import { decodeKeyBlob, wipeKeyBlob } from './key-blob.js'
import {
  decodeAgentShare,
  decodeThresholdSealedKey,
  encodeThresholdTerms,
  type AgentShare,
  type SealedShare,
  type ThresholdSealedKey
} from './threshold-codec.js'
import { bare, encryptShare } from './threshold-seal.js'

/** What an agent approves a recovery with, on the agent's own machine. */
export interface ShareTransfer {
  readonly sealed: Uint8Array
  /** The agent's private key and certificate. */
  readonly decrypter: Decrypter
  readonly agent: Certificate
  /** Whose key the share is encrypted to instead. RSA. */
  readonly recipient: Certificate
  readonly entropy: Entropy
}

/**
 * The agent's share of a key, encrypted to the recipient of a recovery: what the agent hands over as an approval.
 * The share is in memory here and nowhere else.
 *
 * Throws `not_found` when the key has no share for the agent, `cms_decrypt_failed` when it does not open with this
 * private key, `recovery_share_invalid` when it is not the share that was made for this key, `public_key_unsupported`
 * when the recipient's key is not RSA, and what `decodeThresholdSealedKey` throws.
 */
export async function transferShare(transfer: ShareTransfer): Promise<Uint8Array> {
  const { decrypter, agent, recipient, entropy } = transfer
  const key = decodeThresholdSealedKey(transfer.sealed)
  const sealedShare = key.shares.find(({ envelope }) => isFor(agent, envelope))
  if (sealedShare === undefined) {
    throw new AppError('not_found', 'The key was not sealed to this agent certificate.', {
      serialNumber: agent.serialHex,
      shares: key.shares.length
    })
  }
  const plaintext = await decrypt(sealedShare.envelope, decrypter)
  try {
    verifyShare(decodeAgentShare(plaintext), key, [sealedShare])
    return encryptShare(plaintext, recipient, entropy)
  } finally {
    wipe(plaintext)
  }
}

/** What the recipient of a recovery opens a key with, on the recipient's own machine. */
export interface ThresholdOpening<T> {
  readonly sealed: Uint8Array
  /** What {@link transferShare} gave, one from each of as many agents as the threshold says, or more. */
  readonly transferred: readonly Uint8Array[]
  /** The recipient's private key. */
  readonly decrypter: Decrypter
  readonly use: (key: OpenedKey) => Promise<T> | T
}

/**
 * Rebuilds a threshold-sealed key from the agents' shares and lends the blob to `use`; it is overwritten when `use`
 * ends. Fewer shares than the threshold give nothing at all.
 *
 * Throws `recovery_shares_missing` for too few different shares, `recovery_share_invalid` for one that is not of this
 * key, `cms_decrypt_failed` for one that does not open with this private key or when what opens is damaged,
 * `key_blob_invalid` when it holds no key, and what `decodeThresholdSealedKey` throws.
 */
export async function openWithShares<T>(opening: ThresholdOpening<T>): Promise<T> {
  const key = decodeThresholdSealedKey(opening.sealed)
  const plaintexts: Uint8Array[] = []
  let contentKey: Uint8Array | undefined
  let plaintext: Uint8Array | undefined
  try {
    for (const envelope of opening.transferred) plaintexts.push(await decrypt(envelope, opening.decrypter))
    contentKey = await combine([...enoughShares(plaintexts.map(decodeAgentShare), key)])
    plaintext = decryptKey(key, contentKey)
    const blob = decodeKeyBlob(plaintext)
    wipeKeyBlob(blob)
    const { format, algorithm, bits } = blob
    return await opening.use({ plaintext, format, algorithm, bits })
  } finally {
    wipe(contentKey, plaintext, ...plaintexts)
  }
}

/** As many different shares as the threshold says. More would do no harm; one that is wrong would, so all are judged. */
function enoughShares(shares: readonly AgentShare[], key: ThresholdSealedKey): readonly Uint8Array[] {
  for (const share of shares) verifyShare(share, key, key.shares)
  const different = shares.filter(
    ({ share }, index) => shares.findIndex(other => equalBytes(other.share, share)) === index
  )
  if (different.length >= key.threshold) return different.slice(0, key.threshold).map(({ share }) => bare(share))
  throw new AppError(
    'recovery_shares_missing',
    `${key.threshold} agents must open the key together; there are shares of ${different.length}.`,
    { threshold: key.threshold, shares: different.length }
  )
}

function verifyShare(share: AgentShare, key: ThresholdSealedKey, expected: readonly SealedShare[]): void {
  const commitment = hash('sha256', share.share, 'buffer')
  const isOfKey = equalBytes(share.keyHash, key.keyHash)
  if (isOfKey && expected.some(known => equalBytes(known.commitment, commitment))) return
  throw new AppError('recovery_share_invalid', 'A share is not one that was made for this key.', { isOfKey })
}

async function decrypt(envelope: Uint8Array, decrypter: Decrypter): Promise<Uint8Array> {
  return openEnvelopedData(decodeEnvelopedData(envelope), (key, transport) => decrypter.unwrap(key, transport))
}

function decryptKey(key: ThresholdSealedKey, contentKey: Uint8Array): Uint8Array {
  const decipher = createDecipheriv('aes-256-gcm', contentKey, key.nonce, { authTagLength: key.tag.length })
    .setAAD(encodeThresholdTerms(key))
    .setAuthTag(key.tag)
  const plaintext = decipher.update(key.encryptedKey)
  try {
    decipher.final()
    return plaintext
  } catch {
    wipe(plaintext)
    throw new AppError('cms_decrypt_failed', 'The sealed key is damaged: what its shares open is not what was sealed.')
  }
}

function isFor(agent: Certificate, envelope: Uint8Array): boolean {
  const identity = { issuer: agent.issuer.raw, serialNumber: agent.serialNumber }
  return decodeEnvelopedData(envelope).recipients.some(({ identifier }) => isIdentifiedBy(identity, identifier))
}
