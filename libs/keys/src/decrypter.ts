import { webcrypto, type KeyObject } from 'node:crypto'
import { unwrapContentKey, type KeyTransport } from '@app/cms'
import { AppError } from '@app/core'
import type { DigestName, PublicKeyInfo } from '@app/x509'
import { publicHalfOf } from './key-half.js'

/**
 * Unwraps content-encryption keys with one RSA private key that it does not show.
 *
 * Contract of every driver:
 * - The result is fresh memory; the caller wipes it.
 * - RSAES-PKCS1-v1_5 is decrypted with implicit rejection: a ciphertext of the right length that was not made for this
 *   key gives bytes of an unpredictable value and length instead of an error, so that nobody is told which it was. The
 *   caller must check what it decrypts with them. A driver whose device reports bad padding does the same itself.
 * - Every other failure that depends on the ciphertext is `cms_decrypt_failed`, always with the same words.
 * - Calls may overlap without limit and finish in any order. Nothing is stored, so a call can simply be repeated.
 * - Throws `unavailable` when the key's device does not answer now, `key_store_locked` when it demands a credential
 *   again, and `not_found` when the key has been destroyed. None of these depends on the ciphertext.
 */
export interface Decrypter {
  readonly publicKey: PublicKeyInfo
  unwrap(encryptedKey: Uint8Array, transport: KeyTransport): Promise<Uint8Array>
}

/**
 * Decrypts with an RSA private key in this process's memory. Throws `invalid_argument` for another kind of key.
 *
 * RSAES-OAEP runs on the thread pool. node:crypto has RSAES-PKCS1-v1_5 with implicit rejection only in its synchronous
 * form: that one holds the event loop for a quarter of a millisecond with RSA-2048, one and a half with RSA-4096.
 */
export function decrypterOf(privateKey: KeyObject): Decrypter {
  const publicKey = publicHalfOf(privateKey)
  if (publicKey.algorithm !== 'rsa' || privateKey.type !== 'private') {
    throw new AppError('invalid_argument', 'Only an RSA private key can unwrap keys.', {
      algorithm: publicKey.algorithm
    })
  }
  const oaepKeys = new Map<DigestName, webcrypto.CryptoKey>()
  const oaepKey = (digest: DigestName): webcrypto.CryptoKey => {
    const key = oaepKeys.get(digest) ?? importForOaep(privateKey, digest)
    oaepKeys.set(digest, key)
    return key
  }
  return {
    publicKey,
    async unwrap(encryptedKey, transport) {
      // RFC 8017, 7.1.2 and 7.2.2: as long as the modulus. OpenSSL would take a shorter one for a small number.
      if (encryptedKey.length !== publicKey.modulus?.length) throw decryptionFailed()
      try {
        if (transport.scheme === 'rsaes-pkcs1-v1_5') return unwrapContentKey(privateKey, encryptedKey, transport)
        const decrypted = await webcrypto.subtle.decrypt({ name: 'RSA-OAEP' }, oaepKey(transport.digest), encryptedKey)
        return new Uint8Array(decrypted)
      } catch {
        // No cause: what OpenSSL says of a ciphertext is for nobody.
        throw decryptionFailed()
      }
    }
  }
}

const WEB_DIGESTS = {
  sha1: 'SHA-1',
  sha256: 'SHA-256',
  sha384: 'SHA-384',
  sha512: 'SHA-512'
} as const satisfies Record<DigestName, string>

function importForOaep(privateKey: KeyObject, digest: DigestName): webcrypto.CryptoKey {
  return privateKey.toCryptoKey({ name: 'RSA-OAEP', hash: WEB_DIGESTS[digest] }, false, ['decrypt'])
}

function decryptionFailed(): AppError {
  return new AppError('cms_decrypt_failed', 'The encrypted key does not open with this private key.')
}
