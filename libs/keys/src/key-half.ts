import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { AppError } from '@app/core'
import { decodePublicKey, type PublicKeyInfo } from '@app/x509'

/**
 * The public half of a private or public key. Throws `public_key_unsupported` for a kind of key that is not RSA, of a
 * NIST curve or Ed25519.
 */
export function publicHalfOf(key: KeyObject): PublicKeyInfo {
  const half = key.type === 'private' ? createPublicKey(key) : key
  return decodePublicKey(half.export({ type: 'spki', format: 'der' }))
}

/**
 * A private key from PKCS#8 PrivateKeyInfo (RFC 5958) in DER, not encrypted. The bytes are not kept; wiping them is
 * the caller's. Throws `invalid_argument` when they are something else.
 */
export function privateKeyFromPkcs8(pkcs8: Uint8Array): KeyObject {
  try {
    return createPrivateKey({
      key: Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length),
      format: 'der',
      type: 'pkcs8'
    })
  } catch {
    // The cause is dropped: OpenSSL's text may speak of the content.
    throw new AppError('invalid_argument', 'The bytes are not an unencrypted PKCS#8 private key in DER.')
  }
}
