import { createDecipheriv } from 'node:crypto'

/** A private RSA key that opens messages and does not show itself: that of a key store. */
export interface HeldDecryptionKey {
  /** The content key in the bytes, by RSAES-OAEP with SHA-256. Throws when there is none. */
  unwrap(encryptedKey: Uint8Array): Promise<Uint8Array>
}

const CONTENT_KEY_BYTES = 32
const TAG_BYTES = 16

/**
 * Opens a compact JWE (RFC 7516, 5.2) of RSA-OAEP-256 and A256GCM with a key that stays where it is. Throws for every
 * other, and when it does not open.
 */
export async function decryptCompact(text: string, key: HeldDecryptionKey): Promise<Uint8Array> {
  const [header = '', ...parts] = text.split('.')
  const { alg, enc } = JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as Record<string, unknown>
  if (alg !== 'RSA-OAEP-256' || enc !== 'A256GCM') throw new Error('The message is encrypted in another way.')
  const [encryptedKey, iv, ciphertext, tag] = parts.map(part => Buffer.from(part, 'base64url'))
  if (encryptedKey === undefined || iv === undefined || ciphertext === undefined || tag?.length !== TAG_BYTES) {
    throw new Error('The message lacks a part.')
  }
  const contentKey = await key.unwrap(encryptedKey)
  try {
    if (contentKey.length !== CONTENT_KEY_BYTES) throw new Error('The content key has another length.')
    const decipher = createDecipheriv('aes-256-gcm', contentKey, iv)
    decipher.setAAD(Buffer.from(header, 'latin1')).setAuthTag(tag)
    return Buffer.concat([decipher.update(ciphertext), decipher.final()])
  } finally {
    contentKey.fill(0)
  }
}
