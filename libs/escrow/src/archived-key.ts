import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import {
  decodeEnvelopedData,
  getOnlyRecipient,
  openEnvelopedData,
  type EnvelopedData,
  type SignerIdentifier
} from '@app/cms'
import { AppError, isAppError, wipe } from '@app/core'
import { DerReader, TAG } from '@app/der'
import type { Decrypter } from '@app/keys'
import { OID } from '@app/oid'
import type { PublicKeyInfo } from '@app/x509'
import { decodeKeyBlob, wipeKeyBlob, type KeyBlobFormat } from './key-blob.js'
import { keyMismatch, verifyKeyPair } from './key-pair.js'
import { verifyKeyStrength, type StrengthDemand } from './key-strength.js'

/**
 * When a refusal is told, counted from the beginning: later than any of its causes takes on an idle machine, some tenths of
 * a millisecond.
 */
const REFUSAL_MILLISECONDS = 3

/** An archived private key, in the clear for as long as a callback runs. */
export interface OpenedKey {
  /** The key blob as the client made it. Overwritten with zeros when the callback ends: keep no reference to it. */
  readonly plaintext: Uint8Array
  readonly format: KeyBlobFormat
  readonly algorithm: 'rsa' | 'ec'
  readonly bits: number
}

/** What {@link openArchivedKey} works on. */
export interface ArchivedKeyOpening<T> extends StrengthDemand {
  /** The ContentInfo that the request carried. */
  readonly envelope: Uint8Array
  readonly requestedPublicKey: PublicKeyInfo
  /** Holds the exchange key of the recipient that {@link archivedKeyRecipient} names. */
  readonly decrypter: Decrypter
  readonly use: (key: OpenedKey) => Promise<T> | T
}

/**
 * Whom the envelope of an archived key is encrypted to, so that the caller can find the exchange key. Throws
 * `cms_recipient_count` for several recipients, `cms_content_type_mismatch` for content that is no archived key, and
 * what `decodeEnvelopedData` throws.
 */
export function archivedKeyRecipient(envelope: Uint8Array): SignerIdentifier {
  return getOnlyRecipient(decodeArchivedEnvelope(envelope)).identifier
}

/**
 * Opens the envelope of an archived key, verifies that the key inside is the private half of the requested one and
 * strong, and lends its blob to `use`. Returns what `use` returns; whatever happens, the blob is overwritten.
 *
 * What can be judged from public bytes is judged first: the envelope's syntax and algorithms (the codes of
 * {@link archivedKeyRecipient}) and the strength of the requested key (`archived_key_weak`). From there on every failure
 * is one: whether the envelope did not decrypt, held no key or held another one, the caller is told
 * `archived_key_mismatch` in the same words. An answer that differed would let anyone who can send requests ask
 * whether a chosen ciphertext has good padding, and so read a captured envelope (Bleichenbacher; Vaudenay). A content
 * that cannot be decrypted is replaced by zeros of its length and takes the path of one that holds no key; the costly
 * steps (a private key import, a signature) come only once the public half is right. What is left, some hundredths of a
 * millisecond by how far the content can be read, is waited out: every refusal is told at the same time after the beginning.
 *
 * An AppError that says the exchange key is out of reach (`unavailable`, `key_store_locked`, `not_found`) does not
 * depend on the envelope and is passed on, as is what `use` throws.
 */
export async function openArchivedKey<T>(opening: ArchivedKeyOpening<T>): Promise<T> {
  const { envelope, requestedPublicKey, decrypter, use } = opening
  const enveloped = decodeArchivedEnvelope(envelope)
  getOnlyRecipient(enveloped)
  verifyKeyStrength(requestedPublicKey, opening)
  const deadline = performance.now() + REFUSAL_MILLISECONDS
  const content = await decryptOrZeros(enveloped, decrypter)
  try {
    const key = await readMatchingKey(enveloped.contentType, content, requestedPublicKey)
    if (key === undefined) {
      await waitUntil(deadline)
      throw keyMismatch()
    }
    return await use(key)
  } finally {
    wipe(content)
  }
}

/** A timer ends on a whole millisecond after its beginning, which would tell when that was; so the last one is waited through. */
async function waitUntil(deadline: number): Promise<void> {
  const whole = Math.floor(deadline - performance.now()) - 1
  if (whole > 0) await setTimeout(whole)
  while (performance.now() < deadline);
}

/** Microsoft's clients send the blob as id-data; RFC 4211 (6.4) wraps a PrivateKeyInfo with its owner's name. */
function decodeArchivedEnvelope(envelope: Uint8Array): EnvelopedData {
  const enveloped = decodeEnvelopedData(envelope)
  if (enveloped.contentType !== OID.id_data && enveloped.contentType !== OID.id_ct_encKeyWithID) {
    throw new AppError(
      'cms_content_type_mismatch',
      `The envelope of an archived key holds content of the type ${enveloped.contentType}; use id-data.`,
      { contentType: enveloped.contentType }
    )
  }
  return enveloped
}

async function decryptOrZeros(enveloped: EnvelopedData, decrypter: Decrypter): Promise<Uint8Array> {
  try {
    return await openEnvelopedData(enveloped, (key, transport) => decrypter.unwrap(key, transport))
  } catch (error) {
    if (!isAppError(error, 'cms_decrypt_failed')) throw error
    return new Uint8Array(enveloped.encryptedContent.length)
  }
}

async function readMatchingKey(
  contentType: string,
  content: Uint8Array,
  requestedPublicKey: PublicKeyInfo
): Promise<OpenedKey | undefined> {
  try {
    const plaintext = contentType === OID.id_data ? content : privateKeyOf(content)
    const blob = decodeKeyBlob(plaintext)
    try {
      await verifyKeyPair(blob, requestedPublicKey)
      return { plaintext, format: blob.format, algorithm: blob.algorithm, bits: blob.bits }
    } finally {
      wipeKeyBlob(blob)
    }
  } catch (error) {
    if (isAppError(error)) return undefined
    throw error
  }
}

/**
 * ```asn1
 * EncKeyWithID ::= SEQUENCE {
 *   privateKey  PrivateKeyInfo,
 *   identifier  CHOICE { string UTF8String, generalName GeneralName } OPTIONAL }
 * ```
 * RFC 4211, 6.4. The identifier is not used: the key is archived for the request that carries it.
 */
function privateKeyOf(content: Uint8Array): Uint8Array {
  const message = DerReader.over(content)
  const body = message.sequence('EncKeyWithID')
  message.end('EncKeyWithID')
  const privateKey = body.element(TAG.sequence, 'privateKey').raw
  if (!body.isEnd) body.any('identifier')
  body.end('EncKeyWithID')
  return privateKey
}
