import type { KeyObject } from 'node:crypto'
import { AppError, isAppError, wipe } from '@app/core'
import { encodeCapiBlob } from './capi-blob.js'
import { encodeCngEcc } from './cng-blob.js'
import { decodeKeyBlob, wipeKeyBlob, type KeyBlob } from './key-blob.js'

/**
 * A private RSA key as a CAPI PRIVATEKEYBLOB, the form that Windows clients archive and every CA reads: a secret, the
 * caller wipes it. Throws `invalid_argument` for a key that is not RSA or has no room in it (see `encodeCapiBlob`).
 */
export function encodeCapiPrivateKeyBlob(privateKey: KeyObject): Uint8Array {
  return withKeyBlob(privateKey, blob => {
    if (blob.algorithm !== 'rsa') throw wrongKind('an RSA key')
    return encodeCapiBlob(blob.parts)
  })
}

/**
 * A private key on a NIST curve as a BCRYPT_ECCPRIVATE_BLOB with an ECDH magic: a secret, the caller wipes it. Throws
 * `invalid_argument` for another kind of key.
 */
export function encodeCngEccBlob(privateKey: KeyObject): Uint8Array {
  return withKeyBlob(privateKey, blob => {
    if (blob.algorithm !== 'ec') throw wrongKind('a key on P-256, P-384 or P-521')
    return encodeCngEcc(blob.parts)
  })
}

/**
 * A private RSA or NIST curve key as PKCS#8 PrivateKeyInfo in DER: a secret, the caller wipes it. Throws
 * `invalid_argument` for a key that is not archived.
 */
export function encodePkcs8KeyBlob(privateKey: KeyObject): Uint8Array {
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
  try {
    wipeKeyBlob(decodeKeyBlob(pkcs8))
    return pkcs8
  } catch (error) {
    wipe(pkcs8)
    throw isAppError(error) ? wrongKind('an RSA or NIST curve key') : error
  }
}

function withKeyBlob(privateKey: KeyObject, encode: (blob: KeyBlob) => Uint8Array): Uint8Array {
  const pkcs8 = encodePkcs8KeyBlob(privateKey)
  const blob = decodeKeyBlob(pkcs8)
  try {
    return encode(blob)
  } catch (error) {
    if (!isAppError(error, 'key_blob_invalid')) throw error
    throw new AppError('invalid_argument', error.message, {}, { cause: error })
  } finally {
    wipe(pkcs8)
    wipeKeyBlob(blob)
  }
}

function wrongKind(wanted: string): AppError {
  return new AppError('invalid_argument', `The key is of a kind that this form cannot hold; it holds ${wanted}.`)
}
