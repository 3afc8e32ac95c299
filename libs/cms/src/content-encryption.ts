import { createCipheriv, createDecipheriv, type CipherGCMTypes } from 'node:crypto'
import { AppError, concatBytes, wipe, type Entropy } from '@app/core'
import { DerReader, encodeInteger, encodeOctetString, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import { encodeAlgorithmIdentifier, type AlgorithmIdentifier } from '@app/x509'

/** A content encryption of EnvelopedData: no integrity of its own. */
export type CbcName = 'des-ede3-cbc' | 'aes-128-cbc' | 'aes-192-cbc' | 'aes-256-cbc'
/** A content encryption of AuthEnvelopedData. */
export type GcmName = 'aes-128-gcm' | 'aes-256-gcm'
/** Every content encryption this program reads and writes, by its name in OpenSSL. */
export type ContentEncryptionName = CbcName | GcmName

/** A content encryption with what it needs besides the key. */
export type ContentEncryption =
  | { readonly algorithm: CbcName; readonly iv: Uint8Array }
  | { readonly algorithm: GcmName; readonly nonce: Uint8Array; readonly tag: Uint8Array }

interface CipherFacts {
  readonly oid: string
  readonly keyLength: number
  /** Octets of the initialization vector or nonce. */
  readonly ivLength: number
}

const CBC: Readonly<Record<CbcName, CipherFacts>> = {
  'des-ede3-cbc': { oid: OID.des_ede3_cbc, keyLength: 24, ivLength: 8 },
  'aes-128-cbc': { oid: OID.aes128_CBC, keyLength: 16, ivLength: 16 },
  'aes-192-cbc': { oid: OID.aes192_CBC, keyLength: 24, ivLength: 16 },
  'aes-256-cbc': { oid: OID.aes256_CBC, keyLength: 32, ivLength: 16 }
}

const GCM: Readonly<Record<GcmName, CipherFacts>> = {
  'aes-128-gcm': { oid: OID.aes128_GCM, keyLength: 16, ivLength: 12 },
  'aes-256-gcm': { oid: OID.aes256_GCM, keyLength: 32, ivLength: 12 }
}

const CIPHERS: Readonly<Record<ContentEncryptionName, CipherFacts>> = { ...CBC, ...GCM }
const TAG_LENGTH = 16

/** Octets of the key that a content encryption takes. */
export function keyLengthOf(algorithm: ContentEncryptionName): number {
  return CIPHERS[algorithm].keyLength
}

/** Whether a content encryption authenticates, so that its envelope is an AuthEnvelopedData. */
export function isAuthenticated(algorithm: ContentEncryptionName): algorithm is GcmName {
  return algorithm in GCM
}

/**
 * The content encryption of an EnvelopedData. Throws `cms_algorithm_not_allowed` for any but the CBC ciphers of
 * {@link CbcName}, `cms_structure` or a `der_…` code for a bad initialization vector.
 *
 * ```asn1
 * CBCParameter ::= OCTET STRING
 * ```
 * RFC 3370, 5.1; RFC 3565, 4.1.
 */
export function decodeCbc(identifier: AlgorithmIdentifier): ContentEncryption {
  const algorithm = (Object.keys(CBC) as CbcName[]).find(name => CBC[name].oid === identifier.oid)
  if (algorithm === undefined) throw refused(identifier.oid, 'EnvelopedData')
  const reader = DerReader.over(identifier.parameters ?? new Uint8Array())
  const iv = reader.octetString('initialization vector')
  reader.end('initialization vector')
  if (iv.length !== CBC[algorithm].ivLength) throw badLength('initialization vector', iv.length)
  return { algorithm, iv }
}

/**
 * The content encryption of an AuthEnvelopedData whose `mac` has been read. Throws `cms_algorithm_not_allowed` for any
 * but {@link GcmName} with a nonce of 12 octets, `cms_structure` when aes-ICVlen is not the length of the `mac`.
 *
 * ```asn1
 * GCMParameters ::= SEQUENCE {
 *   aes-nonce   OCTET STRING,
 *   aes-ICVlen  INTEGER (12 | 13 | 14 | 15 | 16) DEFAULT 12 }
 * ```
 * RFC 5084, 3.2.
 */
export function decodeGcm(identifier: AlgorithmIdentifier, mac: Uint8Array): ContentEncryption {
  const algorithm = (Object.keys(GCM) as GcmName[]).find(name => GCM[name].oid === identifier.oid)
  if (algorithm === undefined) throw refused(identifier.oid, 'AuthEnvelopedData')
  const message = DerReader.over(identifier.parameters ?? new Uint8Array())
  const reader = message.sequence('GCMParameters')
  message.end('GCMParameters')
  const nonce = reader.octetString('aes-nonce')
  const tagLength = reader.isEnd ? 12 : reader.smallInteger('aes-ICVlen')
  reader.end('GCMParameters')
  if (nonce.length !== GCM[algorithm].ivLength) {
    throw new AppError('cms_algorithm_not_allowed', `A GCM nonce of ${nonce.length} octets is not allowed; use 12.`, {
      algorithm: identifier.oid,
      nonceLength: nonce.length
    })
  }
  if (tagLength < 12 || tagLength > 16 || mac.length !== tagLength) throw badLength('mac', mac.length)
  return { algorithm, nonce, tag: mac }
}

/**
 * The content encryption that an AlgorithmIdentifier stands for, of either kind. The tag of GCM is not in it and is empty
 * here. Throws as {@link decodeCbc} and {@link decodeGcm}.
 */
export function decodeContentEncryption(identifier: AlgorithmIdentifier): ContentEncryption {
  const isGcm = Object.values(GCM).some(({ oid }) => oid === identifier.oid)
  if (!isGcm) return decodeCbc(identifier)
  const encryption = decodeGcm(identifier, new Uint8Array(TAG_LENGTH))
  return { ...encryption, tag: new Uint8Array() } as ContentEncryption
}

/** The AlgorithmIdentifier of a content encryption. */
export function encodeContentEncryption(encryption: ContentEncryption): Uint8Array {
  const parameters =
    'iv' in encryption
      ? encodeOctetString(encryption.iv)
      : encodeSequence(encodeOctetString(encryption.nonce), encodeInteger(encryption.tag.length))
  return encodeAlgorithmIdentifier(CIPHERS[encryption.algorithm].oid, parameters)
}

/** Encrypts with a fresh initialization vector or nonce; `aad` counts for GCM only. */
export function encryptContent(
  algorithm: ContentEncryptionName,
  key: Uint8Array,
  content: Uint8Array,
  aad: Uint8Array | undefined,
  entropy: Entropy
): { encryption: ContentEncryption; encryptedContent: Uint8Array } {
  const iv = entropy.bytes(CIPHERS[algorithm].ivLength)
  if (!isAuthenticated(algorithm)) {
    const cipher = createCipheriv(algorithm, key, iv)
    return {
      encryption: { algorithm, iv },
      encryptedContent: concatBytes([cipher.update(content), cipher.final()])
    }
  }
  const cipher = createCipheriv(algorithm satisfies CipherGCMTypes, key, iv, { authTagLength: TAG_LENGTH })
  if (aad !== undefined) cipher.setAAD(aad)
  const encryptedContent = concatBytes([cipher.update(content), cipher.final()])
  return { encryption: { algorithm, nonce: iv, tag: cipher.getAuthTag() }, encryptedContent }
}

/** Decrypts; throws OpenSSL's error on any failure, after wiping what had been decrypted so far. */
export function decryptContent(
  encryption: ContentEncryption,
  key: Uint8Array,
  encryptedContent: Uint8Array,
  aad: Uint8Array | undefined
): Uint8Array {
  const decipher = 'iv' in encryption ? createDecipheriv(encryption.algorithm, key, encryption.iv) : gcmDecipher()
  const parts: Uint8Array[] = []
  try {
    parts.push(decipher.update(encryptedContent))
    parts.push(decipher.final())
    return concatBytes(parts)
  } finally {
    wipe(...parts)
  }

  function gcmDecipher(): ReturnType<typeof createDecipheriv> {
    const { algorithm, nonce, tag } = encryption as Extract<ContentEncryption, { tag: Uint8Array }>
    const gcm = createDecipheriv(algorithm satisfies CipherGCMTypes, key, nonce, { authTagLength: tag.length })
    gcm.setAuthTag(tag)
    if (aad !== undefined) gcm.setAAD(aad)
    return gcm
  }
}

/**
 * Decrypts the beginning of a content: whole blocks of a CBC cipher, any octets of GCM. Nothing is verified by it. The
 * caller wipes the result.
 */
export function decryptBeginning(encryption: ContentEncryption, key: Uint8Array, beginning: Uint8Array): Uint8Array {
  if ('iv' in encryption) {
    const decipher = createDecipheriv(encryption.algorithm, key, encryption.iv).setAutoPadding(false)
    return concatBytes([decipher.update(beginning), decipher.final()])
  }
  const { algorithm, nonce } = encryption
  return createDecipheriv(algorithm satisfies CipherGCMTypes, key, nonce, { authTagLength: TAG_LENGTH }).update(
    beginning
  )
}

function refused(algorithm: string, where: string): AppError {
  return new AppError(
    'cms_algorithm_not_allowed',
    `Content encryption ${algorithm} is not allowed in ${where}; use AES, or 3DES in EnvelopedData only.`,
    { algorithm }
  )
}

function badLength(what: string, length: number): AppError {
  return new AppError('cms_structure', `The ${what} has ${length} octets, which is not what its algorithm says.`, {
    what,
    length
  })
}
