import { sign as signWithCallback, type KeyObject } from 'node:crypto'
import { AppError } from '@app/core'
import { digestOfScheme, schemeFor, type PublicKeyInfo, type SignatureScheme } from '@app/x509'
import { publicHalfOf } from './key-half.js'

/**
 * Makes signatures with one private key that it does not show.
 *
 * Contract of every driver:
 * - `sign` hashes and signs the data it is given with `scheme` and nothing else; it never changes key or algorithm.
 * - The result is what X.509 and CMS carry: RSASSA-PKCS1-v1_5 octets, an ECDSA-Sig-Value in DER (RFC 3279, 2.2.3), or
 *   the 64 octets of Ed25519. A signature that comes back verifies under `publicKey`.
 * - Calls may overlap without limit and do not block the event loop; they finish in any order. The data may be changed
 *   only after the promise has settled.
 * - Nothing is stored. After a failure it is unknown whether a signature was made, so whoever numbers what he has
 *   signed takes a new number.
 * - Throws `unavailable` when the key's device does not answer now, `key_store_locked` when it demands a credential
 *   again, and `not_found` when the key has been destroyed. A key in this process's memory never fails so.
 */
export interface Signer {
  readonly publicKey: PublicKeyInfo
  readonly scheme: SignatureScheme
  sign(data: Uint8Array): Promise<Uint8Array>
}

/**
 * Signs with a private key in this process's memory, on the thread pool. Without a scheme it takes the key's usual one:
 * SHA-384 for P-384, SHA-512 for P-521, SHA-256 for RSA and P-256. Throws `invalid_argument` when the scheme is not one
 * for this kind of key, `public_key_unsupported` for a key of another kind.
 */
export function signerOf(privateKey: KeyObject, scheme?: SignatureScheme): Signer {
  const publicKey = publicHalfOf(privateKey)
  const chosen = scheme ?? schemeFor(publicKey)
  if (schemeFamily(chosen) !== publicKey.algorithm) {
    throw new AppError(
      'invalid_argument',
      `The scheme ${chosen} does not fit a key of the kind ${publicKey.algorithm}.`,
      {
        scheme: chosen,
        algorithm: publicKey.algorithm
      }
    )
  }
  // Ed25519 hashes by itself (RFC 8032): node:crypto wants no digest name for it.
  const digest = chosen === 'ed25519' ? null : digestOfScheme(chosen)
  return {
    publicKey,
    scheme: chosen,
    sign: data =>
      new Promise((resolve, reject) => {
        // A bare key means PKCS#1 v1.5 for RSA and DER for ECDSA.
        signWithCallback(digest, data, privateKey, (error, signature) => {
          if (error === null) resolve(signature)
          else reject(new AppError('internal', 'A key in memory did not sign.', { scheme: chosen }, { cause: error }))
        })
      })
  }
}

function schemeFamily(scheme: SignatureScheme): PublicKeyInfo['algorithm'] {
  if (scheme === 'ed25519') return 'ed25519'
  return scheme.startsWith('rsa-') ? 'rsa' : 'ec'
}
