import { randomBytes } from 'node:crypto'
import { AppError, wipe } from '@app/core'
import { decryptContent, keyLengthOf } from './content-encryption.js'
import { getOnlyRecipient, type EnvelopedData, type KeyTransRecipient } from './enveloped-data.js'
import type { KeyTransport } from './key-transport.js'

/**
 * Decrypts a content-encryption key with the recipient's private key. The caller of {@link openEnvelopedData} gives it.
 * It throws an AppError of another code than `cms_decrypt_failed` only when the private key cannot be used at all,
 * never because of what the encrypted key is.
 */
export type KeyUnwrapper = (encryptedKey: Uint8Array, transport: KeyTransport) => Promise<Uint8Array>

/**
 * The decrypted content; the caller wipes it. `recipient` is the one whose key `unwrap` uses; without it the envelope
 * must have one only (else `cms_recipient_count`).
 *
 * Every failure is `cms_decrypt_failed`, in the same words and on the same path: a content-encryption key that could not
 * be decrypted, or is not as long as its cipher's, is replaced by a random one and decryption goes on (RFC 3218, 2.3),
 * so that neither RSAES-PKCS1-v1_5 (Bleichenbacher) nor the CBC padding (Vaudenay) can be asked by trial. That holds
 * only as long as the caller lets nobody outside tell a failure here from one in reading the content it gives back.
 * An AppError of `unwrap` that says the private key is out of reach is passed on as it is.
 */
export async function openEnvelopedData(
  enveloped: EnvelopedData,
  unwrap: KeyUnwrapper,
  recipient: KeyTransRecipient = getOnlyRecipient(enveloped)
): Promise<Uint8Array> {
  const { contentEncryption, encryptedContent, authenticatedAttributes } = enveloped
  const keyLength = keyLengthOf(contentEncryption.algorithm)
  const substitute = randomBytes(keyLength)
  const unwrapped = await unwrapOrNothing(recipient, unwrap)
  try {
    const key = unwrapped.length === keyLength ? unwrapped : substitute
    return decryptContent(contentEncryption, key, encryptedContent, authenticatedAttributes?.encoded)
  } catch {
    // Without a cause: OpenSSL's words differ by the failure.
    throw new AppError(
      'cms_decrypt_failed',
      'The encrypted content could not be decrypted: it is damaged, or the key is not the one it was encrypted to.'
    )
  } finally {
    wipe(unwrapped, substitute)
  }
}

async function unwrapOrNothing(recipient: KeyTransRecipient, unwrap: KeyUnwrapper): Promise<Uint8Array> {
  try {
    return await unwrap(recipient.encryptedKey, recipient.transport)
  } catch (error) {
    if (error instanceof AppError && error.code !== 'cms_decrypt_failed') throw error
    return new Uint8Array()
  }
}
