import { hash } from 'node:crypto'
import {
  decodeContentEncryption,
  decodeEnvelopedData,
  decodeKeyTransRecipient,
  decryptBeginning,
  encodeContentEncryption,
  encodeRecipient,
  getRecipientInfo,
  isIdentifiedBy,
  keyLengthOf,
  openEnvelopedData,
  replaceRecipientInfo,
  type ContentEncryption
} from '@app/cms'
import { AppError, equalBytes, isAppError, wipe, type Entropy } from '@app/core'
import { DerReader, encodeOctetString, encodeSequence } from '@app/der'
import type { Decrypter } from '@app/keys'
import { decodeAlgorithmIdentifier, type Certificate } from '@app/x509'
import { isBlobBeginning } from './blob-beginning.js'
import { decodeAgentShare, decodeThresholdSealedKey, isThresholdSealed } from './threshold-codec.js'
import { identityOf } from './sealed-key.js'
import { encryptShare, isShareFor, replaceShareEnvelope } from './threshold-seal.js'

/** So many octets of an encrypted blob tell whether a content key is the right one; they hold none of a private key. */
const BEGINNING_LENGTH = 16

/**
 * What one agent holds of a sealed key, by itself: enough for the agent to hand it on to a successor, and for the
 * successor to tell that it is the right one. Together with the sealed key it is the agent's means to open it; alone it
 * opens nothing, since the encrypted key is not in it.
 */
export interface AgentPart {
  readonly mode: 'any-agent' | 'threshold'
  /** `threshold`: the ContentInfo with the agent's share; `any-agent`: the agent's KeyTransRecipientInfo. */
  readonly part: Uint8Array
  /**
   * What the part is told right by. `threshold`: SHA-256 of the SubjectPublicKeyInfo, then SHA-256 of the share.
   * `any-agent`: SEQUENCE of the content's AlgorithmIdentifier and an OCTET STRING with the content's first 16 octets as
   * they are encrypted; in the clear they are the header of a key blob.
   */
  readonly binding: Uint8Array
}

/** Takes an agent's part out of a sealed key. Throws `not_found` when it was not sealed to the agent, and decoding codes. */
export function getAgentPart(sealed: Uint8Array, agent: Certificate): AgentPart {
  if (!isThresholdSealed(sealed)) {
    const part = getRecipientInfo(sealed, identityOf(agent))
    const { contentEncryption, encryptedContent } = decodeEnvelopedData(sealed)
    const beginning = encodeOctetString(encryptedContent.subarray(0, BEGINNING_LENGTH))
    return { mode: 'any-agent', part, binding: encodeSequence(encodeContentEncryption(contentEncryption), beginning) }
  }
  const { keyHash, shares } = decodeThresholdSealedKey(sealed)
  const share = shares.find(candidate => isShareFor(agent, candidate))
  if (share === undefined) {
    throw new AppError('not_found', 'The key was not sealed to this agent certificate.', { serial: agent.serialHex })
  }
  return { mode: 'threshold', part: share.envelope, binding: Buffer.concat([keyHash, share.commitment]) }
}

/** How an agent hands a part on, on the agent's own machine. */
export interface PartTransfer {
  readonly held: AgentPart
  readonly decrypter: Decrypter
  /** Whose key the part is encrypted to instead. RSA. */
  readonly successor: Certificate
  readonly entropy: Entropy
}

/**
 * The agent's part encrypted to a successor, in the same form. The secret in it is in memory here and nowhere else.
 * Throws `cms_decrypt_failed` when the part does not open with this private key, `recovery_share_invalid` when what it
 * holds is not what belongs to the key, `public_key_unsupported` when the successor's key is not RSA, and decoding codes.
 */
export function transferPart({ held, decrypter, successor, entropy }: PartTransfer): Promise<Uint8Array> {
  return withSecretOf(held, decrypter, secret => {
    if (held.mode === 'threshold') return encryptShare(secret, successor, entropy)
    const { transport } = decodeKeyTransRecipient(held.part)
    return encodeRecipient({ certificate: successor, transport }, secret)
  })
}

/** Whether a part opens with this private key and is the right one, for the successor to know. Throws as {@link transferPart}. */
export function verifyPart(held: AgentPart, decrypter: Decrypter): Promise<void> {
  return withSecretOf(held, decrypter, () => undefined)
}

/**
 * The same sealed key with a successor in the place of an agent: `part` is what {@link transferPart} gave. Everything else
 * stays as it is. Whether the part holds the right secret only the successor can tell ({@link verifyPart}).
 *
 * Throws `not_found` when the key was not sealed to the agent, `cms_structure` when the part is not for the successor
 * alone or not encrypted as the agent's was, `conflict` when the key is sealed to the successor already.
 */
export function replaceAgentPart(
  sealed: Uint8Array,
  agent: Certificate,
  successor: Certificate,
  part: Uint8Array
): Uint8Array {
  if (isSealedTo(sealed, successor)) {
    throw new AppError('conflict', 'The key is sealed to the successor already.', { serial: successor.serialHex })
  }
  if (isThresholdSealed(sealed)) {
    const { kind, contentEncryption } = decodeEnvelopedData(part)
    if (kind !== 'auth-enveloped' || contentEncryption.algorithm !== 'aes-256-gcm') throw notAsBefore()
    return replaceShareEnvelope(sealed, agent, successor, part)
  }
  const before = decodeKeyTransRecipient(getRecipientInfo(sealed, identityOf(agent)))
  const { identifier, transport, encryptedKey } = decodeKeyTransRecipient(part)
  const isForSuccessor =
    identifier.kind === 'issuerAndSerial' &&
    isIdentifiedBy(identityOf(successor), identifier) &&
    encryptedKey.length === Math.ceil(successor.publicKey.bits / 8)
  if (!isForSuccessor || JSON.stringify(transport) !== JSON.stringify(before.transport)) throw notAsBefore()
  return replaceRecipientInfo(sealed, identityOf(agent), part)
}

function isSealedTo(sealed: Uint8Array, agent: Certificate): boolean {
  try {
    getAgentPart(sealed, agent)
    return true
  } catch (error) {
    if (isAppError(error, 'not_found')) return false
    throw error
  }
}

function notAsBefore(): AppError {
  return new AppError('cms_structure', 'The part is not encrypted to the successor alone, or not as the agent’s was.')
}

/** Lends the secret of a part, the share or the content key, once it is known to be the right one; it is wiped afterwards. */
async function withSecretOf<T>(held: AgentPart, decrypter: Decrypter, use: (secret: Uint8Array) => T): Promise<T> {
  const secret = await (held.mode === 'threshold' ? openShare(held, decrypter) : openContentKey(held, decrypter))
  try {
    return use(secret)
  } finally {
    wipe(secret)
  }
}

async function openShare({ part, binding }: AgentPart, decrypter: Decrypter): Promise<Uint8Array> {
  const plaintext = await openEnvelopedData(decodeEnvelopedData(part), (key, transport) =>
    decrypter.unwrap(key, transport)
  )
  const { keyHash, share } = decodeAgentShare(plaintext)
  if (equalBytes(binding, Buffer.concat([keyHash, hash('sha256', share, 'buffer')]))) return plaintext
  wipe(plaintext)
  throw wrongPart()
}

async function openContentKey({ part, binding }: AgentPart, decrypter: Decrypter): Promise<Uint8Array> {
  const { encryption, beginning } = decodeBinding(binding)
  const { encryptedKey, transport } = decodeKeyTransRecipient(part)
  const key = await decrypter.unwrap(encryptedKey, transport)
  // Decryption with PKCS #1 v1.5 gives something for anything; what it gives says whether it is the key.
  if (key.length === keyLengthOf(encryption.algorithm)) {
    const clear = decryptBeginning(encryption, key, beginning)
    const isRight = isBlobBeginning(clear)
    wipe(clear)
    if (isRight) return key
  }
  wipe(key)
  throw wrongPart()
}

function decodeBinding(binding: Uint8Array): {
  readonly encryption: ContentEncryption
  readonly beginning: Uint8Array
} {
  const reader = DerReader.over(binding)
  const body = reader.sequence('binding')
  reader.end('binding')
  const encryption = decodeContentEncryption(decodeAlgorithmIdentifier(body, 'contentEncryptionAlgorithm'))
  const beginning = body.octetString('beginning of the content')
  body.end('binding')
  if (beginning.length === BEGINNING_LENGTH) return { encryption, beginning }
  throw new AppError('cms_structure', 'The beginning of the content is not of 16 octets.')
}

function wrongPart(): AppError {
  return new AppError('recovery_share_invalid', 'What the part holds is not what belongs to the key.')
}
