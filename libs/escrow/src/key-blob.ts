import { createPrivateKey, type KeyObject } from 'node:crypto'
import { AppError, view, wipe } from '@app/core'
import type { CurveName } from '@app/x509'
import { decodeCapiBlob, isCapiBlob } from './capi-blob.js'
import { decodeCngEccBlob, decodeCngRsaBlob, isCngEccBlob, isCngRsaBlob } from './cng-blob.js'
import { bitLength, type EcKeyParts, type RsaKeyParts } from './key-parts.js'
import { decodePkcs8, encodeEcPkcs8, encodeRsaPkcs8 } from './pkcs8.js'

/** The forms in which clients archive a private key. */
export type KeyBlobFormat = 'capi-rsa' | 'cng-rsa' | 'cng-rsa-full' | 'cng-ecc' | 'pkcs8'

/** An RSA private key out of a blob. */
export interface RsaKeyBlob {
  readonly format: KeyBlobFormat
  readonly algorithm: 'rsa'
  /** Size of the modulus. */
  readonly bits: number
  readonly parts: RsaKeyParts
}

/** An elliptic curve private key out of a blob. */
export interface EcKeyBlob {
  readonly format: KeyBlobFormat
  readonly algorithm: 'ec'
  /** Size of the curve's field. */
  readonly bits: number
  readonly curve: CurveName
  readonly parts: EcKeyParts
}

/** A private key out of a blob: a secret, to be wiped with {@link wipeKeyBlob}. */
export type KeyBlob = RsaKeyBlob | EcKeyBlob

/**
 * Reads a private key in any of the forms that clients archive: CAPI PRIVATEKEYBLOB, CNG BCRYPT_RSAPRIVATE_BLOB,
 * BCRYPT_RSAFULLPRIVATE_BLOB and BCRYPT_ECCPRIVATE_BLOB, PKCS#8 PrivateKeyInfo with RSA or EC. Every length must be
 * exact and nothing may follow. The result holds copies; the caller wipes them and the blob.
 *
 * That the numbers make a working key, and whose, is for `verifyKeyPair` to say. Throws `key_blob_invalid` for
 * everything else, a signature-only key (CALG_RSA_SIGN, Ed25519) among it: such keys are not archived.
 */
export function decodeKeyBlob(bytes: Uint8Array): KeyBlob {
  if (isCapiBlob(bytes)) return rsaBlob('capi-rsa', decodeCapiBlob(bytes))
  if (isCngRsaBlob(bytes)) {
    const { full, parts } = decodeCngRsaBlob(bytes)
    return rsaBlob(full ? 'cng-rsa-full' : 'cng-rsa', parts)
  }
  if (isCngEccBlob(bytes)) return ecBlob('cng-ecc', decodeCngEccBlob(bytes))
  const key = decodePkcs8(bytes)
  return 'modulus' in key ? rsaBlob('pkcs8', key) : ecBlob('pkcs8', key)
}

/** The key as PKCS#8 PrivateKeyInfo in DER (RFC 5958): a secret, the caller wipes it. */
export function encodeKeyBlobAsPkcs8(blob: KeyBlob): Uint8Array {
  return blob.algorithm === 'rsa' ? encodeRsaPkcs8(blob.parts) : encodeEcPkcs8(blob.parts)
}

/**
 * Turns an archived blob into PKCS#8 PrivateKeyInfo in DER, for `key open` and for PKCS#12. The result is a secret that
 * the caller wipes. Throws as {@link decodeKeyBlob}.
 */
export function keyBlobToPkcs8(bytes: Uint8Array): Uint8Array {
  const blob = decodeKeyBlob(bytes)
  try {
    return encodeKeyBlobAsPkcs8(blob)
  } finally {
    wipeKeyBlob(blob)
  }
}

/**
 * The key for node:crypto. OpenSSL clears its memory when the object is collected; keep it no longer than needed.
 * Throws `key_blob_invalid` when OpenSSL takes the numbers for no key.
 */
export function keyObjectOf(blob: KeyBlob): KeyObject {
  const pkcs8 = encodeKeyBlobAsPkcs8(blob)
  try {
    return createPrivateKey({ key: view(pkcs8), format: 'der', type: 'pkcs8' })
  } catch {
    // No cause: OpenSSL's words depend on the secret.
    throw new AppError('key_blob_invalid', 'The numbers of the archived key make no private key.')
  } finally {
    wipe(pkcs8)
  }
}

/** Overwrites every number of the key that is not public. */
export function wipeKeyBlob(blob: KeyBlob): void {
  if (blob.algorithm === 'ec') {
    wipe(blob.parts.scalar)
    return
  }
  const { privateExponent, prime1, prime2, exponent1, exponent2, coefficient } = blob.parts
  wipe(privateExponent, prime1, prime2, exponent1, exponent2, coefficient)
}

function rsaBlob(format: KeyBlobFormat, parts: RsaKeyParts): RsaKeyBlob {
  return { format, algorithm: 'rsa', bits: bitLength(parts.modulus), parts }
}

function ecBlob(format: KeyBlobFormat, parts: EcKeyParts): EcKeyBlob {
  return { format, algorithm: 'ec', bits: Number(parts.curve.slice(2)), curve: parts.curve, parts }
}
