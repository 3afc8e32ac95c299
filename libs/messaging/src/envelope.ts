import { KeyObject } from 'node:crypto'
import { AppError } from '@app/core'
import { CompactEncrypt, compactDecrypt } from 'jose'
import type { MessageLevel } from './codes.js'
import {
  encodePlainEnvelope,
  isSameFields,
  MESSAGE_TYPE,
  parseEnvelope,
  type ParsedEnvelope
} from './envelope-parts.js'
import { decryptCompact, type HeldDecryptionKey } from './held-decryption-key.js'
import { parseMessageFields, type MessageFields, type MessageFieldsInput } from './message-fields.js'
import { certificateKey, encryptionAlgorithmOf, encryptionKeyId } from './message-key.js'
import { heldKeyOf, signCompact, verifyCompact, type HeldKey } from './message-signature.js'

/** What a signed message shows of its sender, and signs with. */
export interface MessageSigner {
  /** DER */
  readonly certificate: Uint8Array
  /** The certificate's. */
  readonly privateKey: KeyObject | HeldKey
  /** That the certificate is registered for. */
  readonly sid: string
}

/** A message on its way into an envelope. */
export interface NewMessage {
  readonly fields: Omit<MessageFieldsInput, 'level' | 'senderSid'>
  readonly body: Uint8Array
}

/** The protection that a message gets. */
export type Protection =
  | { readonly level: 'none' }
  | { readonly level: 'integrity'; readonly signer: MessageSigner }
  | { readonly level: 'privacy'; readonly signer: MessageSigner; readonly encryptTo: KeyObject }

/** A message whose signature holds. Whether the certificate is registered for the SID is not known yet. */
export interface VerifiedMessage {
  readonly fields: MessageFields
  readonly body: Uint8Array
  readonly senderSid: string
  /** DER */
  readonly certificate: Uint8Array
}

const CRITICAL = { crit: { mq: true } } as const

/**
 * The envelope of a message: as it is; in a JWS (RFC 7515), whose header has the fields that bind it to its queue; or
 * that JWS in a JWE (RFC 7516) to the key of the queue, which repeats the fields outside: those and the label can be read
 * on the way. Throws `MQ_ERROR_INVALID_PARAMETER` for wrong fields, `MQ_ERROR_INVALID_CERTIFICATE` for a key that signs no
 * messages, `MQ_ERROR_PUBLIC_KEY_NOT_FOUND` for one that cannot be encrypted to.
 */
export async function sealMessage(message: NewMessage, protection: Protection): Promise<string> {
  const { level } = protection
  const senderSid = level === 'none' ? {} : { senderSid: protection.signer.sid }
  const fields = parseMessageFields({ ...message.fields, level, ...senderSid })
  if (level === 'none') return encodePlainEnvelope(fields, message.body)
  const signed = await sign(fields, message.body, protection.signer)
  return level === 'privacy' ? encrypt(fields, signed, protection.encryptTo) : signed
}

/**
 * The signed message in an encrypted one. Throws `MQ_ERROR_CORRUPTED_SECURITY_DATA`, whatever the reason, and also when
 * the fields inside are not those outside.
 */
export async function decryptEnvelope(
  envelope: ParsedEnvelope,
  privateKey: KeyObject | HeldDecryptionKey
): Promise<ParsedEnvelope> {
  const inner = await attemptCrypto(async () => {
    const plaintext = await (privateKey instanceof KeyObject
      ? decryptWith(envelope.text, privateKey)
      : decryptCompact(envelope.text, privateKey))
    return parseEnvelope(Buffer.from(plaintext).toString('latin1'))
  })
  if (inner?.level === 'integrity' && isSameFields(inner.fields, envelope.fields)) return inner
  throw new AppError('MQ_ERROR_CORRUPTED_SECURITY_DATA', 'The message cannot be decrypted.')
}

/**
 * Verifies the signature of a message by the certificate that it names, at the level that its way had: what was signed
 * to be encrypted is refused without the encryption. Throws `MQ_ERROR_FAIL_VERIFY_SIGNATURE_EX`.
 */
export async function verifyEnvelope(envelope: ParsedEnvelope, level: MessageLevel): Promise<VerifiedMessage> {
  const { fields, certificate: encoded, text } = envelope
  const { senderSid } = fields
  if (encoded === undefined || senderSid === undefined || fields.level !== level) throw badSignature()
  const certificate = Buffer.from(encoded, 'base64')
  const body = await attemptCrypto(() => Promise.resolve(verifyCompact(text, certificateKey(certificate))))
  if (body === undefined) throw badSignature()
  return { fields, body, senderSid, certificate }
}

async function decryptWith(text: string, privateKey: KeyObject): Promise<Uint8Array> {
  const algorithms = { keyManagementAlgorithms: [encryptionAlgorithmOf(privateKey)] }
  const options = { ...CRITICAL, ...algorithms, contentEncryptionAlgorithms: ['A256GCM'] }
  return (await compactDecrypt(text, privateKey, options)).plaintext
}

function sign(fields: MessageFields, body: Uint8Array, { certificate, privateKey }: MessageSigner): Promise<string> {
  const x5c = [Buffer.from(certificate).toString('base64')]
  const key = privateKey instanceof KeyObject ? heldKeyOf(privateKey) : privateKey
  return signCompact({ typ: MESSAGE_TYPE.integrity, crit: ['mq'], x5c, mq: fields }, body, key)
}

function encrypt(fields: MessageFields, signed: string, encryptTo: KeyObject): Promise<string> {
  return new CompactEncrypt(Buffer.from(signed, 'latin1'))
    .setProtectedHeader({
      alg: encryptionAlgorithmOf(encryptTo),
      enc: 'A256GCM',
      typ: MESSAGE_TYPE.privacy,
      cty: MESSAGE_TYPE.integrity,
      kid: encryptionKeyId(encryptTo),
      crit: ['mq'],
      mq: fields
    })
    .encrypt(encryptTo, CRITICAL)
}

/** Every failure of foreign bytes is one: who sent them learns no more. */
async function attemptCrypto<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch {
    return undefined
  }
}

function badSignature(): AppError {
  return new AppError('MQ_ERROR_FAIL_VERIFY_SIGNATURE_EX', 'The signature of the message does not verify.')
}
