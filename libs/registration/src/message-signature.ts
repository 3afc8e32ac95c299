import { sign as signBytes, verify as verifyBytes, type KeyObject } from 'node:crypto'
import { AppError, toHex } from '@app/core'

/** The digests that a message may be signed with; SHA-1 is that of the first version of the protocol. */
export type MessageHash = 'sha256' | 'sha1'

/** What `Data@HashAlgorithm` names each digest by: the identifier of RSASSA-PKCS1-v1_5 with it (RFC 8017, A.2.4). */
export const HASH_ALGORITHM_OIDS: Readonly<Record<MessageHash, string>> = {
  sha256: '1.2.840.113549.1.1.11',
  sha1: '1.2.840.113549.1.1.5'
}

/**
 * Signs a text as `CryptSignHash` of Windows does: RSASSA-PKCS1-v1_5 over its UTF-16LE octets without a byte order mark,
 * the signature's octets in reverse order. Upper-case hexadecimal. Throws `invalid_argument` for a key that is not RSA.
 */
export function signMessageText(text: string, privateKey: KeyObject, hash: MessageHash = 'sha256'): string {
  if (privateKey.asymmetricKeyType !== 'rsa') {
    throw new AppError('invalid_argument', 'A registration message is signed with an RSA key.')
  }
  return toHex(signBytes(hash, Buffer.from(text, 'utf16le'), privateKey).toReversed()).toUpperCase()
}

/**
 * Whether a signature of {@link signMessageText} is that of the text by the key, with one of the digests. False too for
 * what is no hexadecimal, for another length and for a key that is not RSA.
 */
export function isSignatureOf(
  text: string,
  signature: string,
  publicKey: KeyObject,
  hashes: readonly MessageHash[]
): boolean {
  if (publicKey.asymmetricKeyType !== 'rsa') return false
  if (!/^(?:[0-9a-f]{2})+$/i.test(signature)) return false
  const bigEndian = Buffer.from(signature, 'hex').toReversed()
  const signed = Buffer.from(text, 'utf16le')
  return hashes.some(hash => verifyBytes(hash, signed, publicKey, bigEndian))
}
