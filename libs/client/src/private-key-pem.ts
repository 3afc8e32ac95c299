import { createPrivateKey, type KeyObject } from 'node:crypto'
import { PKCS8ShroudedKeyBag, PrivateKeyInfo } from 'pkijs'
import { AppError, view, wipe } from '@app/core'
import { encodePem } from '@app/der'
import { useNodeCryptography } from './node-cryptography.js'
import { passwordBytes, PBES2 } from './pkcs12-encryption.js'

/**
 * A private key as PEM: PKCS#8, encrypted under the passphrase when one is given (RFC 5958, 3; PBES2 with PBKDF2 of
 * 600,000 rounds of HMAC-SHA-256 and AES-256-CBC, which OpenSSL and node:crypto read).
 */
export async function encodePrivateKeyPem(privateKey: KeyObject, passphrase?: string): Promise<string> {
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
  try {
    if (passphrase === undefined) return encodePem('PRIVATE KEY', pkcs8)
    useNodeCryptography()
    const bag = new PKCS8ShroudedKeyBag({ parsedValue: PrivateKeyInfo.fromBER(Uint8Array.from(pkcs8)) })
    await bag.makeInternalValues({ ...PBES2, password: passwordBytes(passphrase) })
    return encodePem('ENCRYPTED PRIVATE KEY', Buffer.from(bag.toSchema().toBER()))
  } finally {
    wipe(pkcs8)
  }
}

/**
 * The private key in PEM or DER: PKCS#8, encrypted or not, or the older PKCS#1 and SEC 1 forms. Throws
 * `key_store_locked` when a passphrase is missing or wrong, `key_store_invalid` when it is no private key.
 */
export function decodePrivateKey(input: Uint8Array | string, passphrase?: string): KeyObject {
  const isPem = typeof input === 'string' || view(input).includes('-----BEGIN ')
  const secret = passphrase === undefined ? {} : { passphrase }
  try {
    return isPem
      ? createPrivateKey({ key: typeof input === 'string' ? input : view(input), format: 'pem', ...secret })
      : createPrivateKey({ key: view(input), format: 'der', type: 'pkcs8', ...secret })
  } catch (cause) {
    throw isLocked(cause, input)
      ? new AppError('key_store_locked', 'The private key is encrypted; its passphrase is missing or wrong.')
      : new AppError('key_store_invalid', 'There is no private key in PEM or in PKCS#8 DER.')
  }
}

function isLocked(cause: unknown, input: Uint8Array | string): boolean {
  const { code } = cause as { code?: string }
  const text = typeof input === 'string' ? input : view(input).toString('latin1')
  return code === 'ERR_MISSING_PASSPHRASE' || /ENCRYPTED/.test(text)
}
