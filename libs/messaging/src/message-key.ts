import { createHash, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto'
import { AppError } from '@app/core'

const SMALLEST_RSA = 2048

const CURVE_ALGORITHMS: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512'
}

/**
 * The JWS algorithm that a key signs with (RFC 7518, 3.1; RFC 9864): PS256 for RSA of at least 2048 bits, ES256, ES384
 * or ES512 by its curve, Ed25519. Exactly one for each key, so that nothing is left to a header. Throws
 * `MQ_ERROR_INVALID_CERTIFICATE`.
 */
export function signatureAlgorithmOf(key: KeyObject): string {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= SMALLEST_RSA) return 'PS256'
  if (type === 'ed25519') return 'Ed25519'
  const algorithm = type === 'ec' ? CURVE_ALGORITHMS[details?.namedCurve ?? ''] : undefined
  if (algorithm !== undefined) return algorithm
  throw new AppError('MQ_ERROR_INVALID_CERTIFICATE', 'Keys of this algorithm, curve or size sign no messages.', {
    type
  })
}

/**
 * The JWE algorithm that a content key reaches a public key by (RFC 7518, 4.1): RSA-OAEP-256, or ECDH-ES with A256KW.
 * Throws `MQ_ERROR_PUBLIC_KEY_NOT_FOUND` for a key that nothing can be encrypted to.
 */
export function encryptionAlgorithmOf(key: KeyObject): string {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= SMALLEST_RSA) return 'RSA-OAEP-256'
  const agrees = type === 'x25519' || (type === 'ec' && Object.hasOwn(CURVE_ALGORITHMS, details?.namedCurve ?? ''))
  if (agrees) return 'ECDH-ES+A256KW'
  throw new AppError(
    'MQ_ERROR_PUBLIC_KEY_NOT_FOUND',
    'Messages are encrypted to RSA keys of at least 2048 bits and to keys of P-256, P-384, P-521 and X25519.',
    { type }
  )
}

/** The public key of a SubjectPublicKeyInfo, DER. Throws `MQ_ERROR_PUBLIC_KEY_NOT_FOUND`. */
export function decodeEncryptionKey(spki: Uint8Array): KeyObject {
  let key: KeyObject
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  } catch (cause) {
    throw new AppError('MQ_ERROR_PUBLIC_KEY_NOT_FOUND', 'The bytes are no public key.', {}, { cause })
  }
  encryptionAlgorithmOf(key)
  return key
}

/** How an envelope names the key that it is encrypted to: SHA-256 of the SubjectPublicKeyInfo, base64url. */
export function encryptionKeyId(key: KeyObject): string {
  const spki = key.export({ format: 'der', type: 'spki' })
  return createHash('sha256').update(spki).digest('base64url')
}

/** The public key of a certificate, DER. Throws `MQ_ERROR_INVALID_CERTIFICATE`. */
export function certificateKey(certificate: Uint8Array): KeyObject {
  try {
    return new X509Certificate(certificate).publicKey
  } catch (cause) {
    throw new AppError('MQ_ERROR_INVALID_CERTIFICATE', 'The certificate of the sender is none.', {}, { cause })
  }
}
