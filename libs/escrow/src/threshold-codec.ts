import { decodeContentInfo, encodeContentInfo } from '@app/cms'
import { AppError } from '@app/core'
import { DerReader, encodeInteger, encodeOctetString, encodeSequence } from '@app/der'
import { OID } from '@app/oid'

/** One agent's part of a threshold-sealed key. */
export interface SealedShare {
  /** SHA-256 of the share: tells a wrong share from a right one, and nothing of either. */
  readonly commitment: Uint8Array
  /** ContentInfo: the {@link AgentShare} encrypted to the agent's certificate. */
  readonly envelope: Uint8Array
}

/** A key that so many of its agents open together as `threshold` says, and no fewer. */
export interface ThresholdSealedKey {
  readonly threshold: number
  /** SHA-256 of the SubjectPublicKeyInfo of the archived key. */
  readonly keyHash: Uint8Array
  /** In the order of the agents that it was sealed to. */
  readonly shares: readonly SealedShare[]
  readonly nonce: Uint8Array
  readonly encryptedKey: Uint8Array
  readonly tag: Uint8Array
}

/** A share as its agent decrypts it. Secret: {@link wipe} it. */
export interface AgentShare {
  /** The key that it is a share of, as in {@link ThresholdSealedKey}. */
  readonly keyHash: Uint8Array
  readonly share: Uint8Array
}

const VERSION = 1
const HASH_LENGTH = 32
const NONCE_LENGTH = 12
const TAG_LENGTH = 16
/** A share is as long as the content key, and one octet for its place on the polynomial. */
const SHARE_LENGTH = 33

/** What binds an encrypted key to its shares. Whom they are encrypted to is not part of it, for agents have successors. */
export type ThresholdTerms = Pick<ThresholdSealedKey, 'threshold' | 'keyHash'> & {
  readonly shares: readonly Pick<SealedShare, 'commitment'>[]
}

/** The terms of {@link encodeThresholdSealedKey}: what is authenticated with the encrypted key. */
export function encodeThresholdTerms({ threshold, keyHash, shares }: ThresholdTerms): Uint8Array {
  return encodeSequence(
    encodeInteger(VERSION),
    encodeInteger(threshold),
    encodeOctetString(keyHash),
    encodeSequence(...shares.map(({ commitment }) => encodeOctetString(commitment)))
  )
}

/**
 * A ContentInfo of Certkeep's own type.
 *
 * ```asn1
 * ThresholdSealedKey ::= SEQUENCE {
 *   terms         SEQUENCE {
 *     version       INTEGER (1),
 *     threshold     INTEGER (2..255),
 *     keyHash       OCTET STRING (SIZE (32)),  -- SHA-256 of the SubjectPublicKeyInfo
 *     commitments   SEQUENCE SIZE (2..255) OF
 *                   OCTET STRING (SIZE (32)) }, -- SHA-256 of each share
 *   envelopes     SEQUENCE OF ContentInfo,     -- AuthEnvelopedData of an AgentShare each, in the same order
 *   nonce         OCTET STRING (SIZE (12)),
 *   encryptedKey  OCTET STRING,                -- AES-256-GCM; the terms are authenticated with it
 *   tag           OCTET STRING (SIZE (16)) }
 * ```
 */
export function encodeThresholdSealedKey(key: ThresholdSealedKey): Uint8Array {
  return encodeContentInfo(
    OID.id_ct_thresholdSealedKey,
    encodeSequence(
      encodeThresholdTerms(key),
      encodeSequence(...key.shares.map(({ envelope }) => envelope)),
      encodeOctetString(key.nonce),
      encodeOctetString(key.encryptedKey),
      encodeOctetString(key.tag)
    )
  )
}

/** Whether a ContentInfo is a {@link ThresholdSealedKey}. Throws a `der_…` code for what is no ContentInfo. */
export function isThresholdSealed(sealed: Uint8Array): boolean {
  return decodeContentInfo(sealed).contentType === OID.id_ct_thresholdSealedKey
}

/**
 * Reads a threshold-sealed key. Throws `cms_content_type_mismatch` for another ContentInfo, `cms_structure` or a
 * `der_…` code for one that breaks its syntax.
 */
export function decodeThresholdSealedKey(sealed: Uint8Array): ThresholdSealedKey {
  const { contentType, content } = decodeContentInfo(sealed)
  if (contentType !== OID.id_ct_thresholdSealedKey) {
    throw new AppError('cms_content_type_mismatch', 'This is no key that several agents open together.', {
      expected: OID.id_ct_thresholdSealedKey,
      found: contentType
    })
  }
  const reader = DerReader.over(content)
  const body = reader.sequence('ThresholdSealedKey')
  reader.end('ThresholdSealedKey')
  const { threshold, keyHash, commitments } = decodeTerms(body.sequence('terms'))
  const envelopes = body.sequence('envelopes').each(list => list.any('envelope').raw)
  const nonce = sized(body.octetString('nonce'), NONCE_LENGTH, 'nonce')
  const encryptedKey = body.octetString('encryptedKey')
  const tag = sized(body.octetString('tag'), TAG_LENGTH, 'tag')
  body.end('ThresholdSealedKey')
  if (envelopes.length !== commitments.length) {
    throw broken(`it has ${envelopes.length} envelopes for ${commitments.length} shares`)
  }
  const shares = commitments.map((commitment, index) => ({ commitment, envelope: envelopes[index] as Uint8Array }))
  return { threshold, keyHash, shares, nonce, encryptedKey, tag }
}

function decodeTerms(terms: DerReader): Pick<ThresholdSealedKey, 'threshold' | 'keyHash'> & {
  readonly commitments: readonly Uint8Array[]
} {
  requireVersion(terms.smallInteger('version'), 'ThresholdSealedKey')
  const threshold = terms.smallInteger('threshold')
  const keyHash = sized(terms.octetString('keyHash'), HASH_LENGTH, 'keyHash')
  const commitments = terms
    .sequence('commitments')
    .each(list => sized(list.octetString('commitment'), HASH_LENGTH, 'commitment'))
  terms.end('terms')
  if (threshold < 2 || commitments.length > 255 || threshold > commitments.length) {
    throw broken(`${threshold} of ${commitments.length} shares are no threshold`)
  }
  return { threshold, keyHash, commitments }
}

/**
 * ```asn1
 * AgentShare ::= SEQUENCE {
 *   version  INTEGER (1),
 *   keyHash  OCTET STRING (SIZE (32)),
 *   share    OCTET STRING (SIZE (33)) }
 * ```
 */
export function encodeAgentShare({ keyHash, share }: AgentShare): Uint8Array {
  return encodeSequence(encodeInteger(VERSION), encodeOctetString(keyHash), encodeOctetString(share))
}

/** Reads a decrypted share; its bytes are those of `plaintext`. Throws `cms_structure` or a `der_…` code. */
export function decodeAgentShare(plaintext: Uint8Array): AgentShare {
  const reader = DerReader.over(plaintext)
  const body = reader.sequence('AgentShare')
  reader.end('AgentShare')
  requireVersion(body.smallInteger('version'), 'AgentShare')
  const keyHash = sized(body.octetString('keyHash'), HASH_LENGTH, 'keyHash')
  const share = sized(body.octetString('share'), SHARE_LENGTH, 'share')
  body.end('AgentShare')
  return { keyHash, share }
}

function requireVersion(version: number, what: string): void {
  if (version !== VERSION) throw broken(`${what} has version ${version}; this program knows ${VERSION}`)
}

function sized(bytes: Uint8Array, length: number, what: string): Uint8Array {
  if (bytes.length !== length) throw broken(`${what} has ${bytes.length} octets instead of ${length}`)
  return bytes
}

function broken(why: string): AppError {
  return new AppError('cms_structure', `The sealed key breaks its form: ${why}.`)
}
