import { AppError, equalBytes, isAppError } from '@app/core'
import { z } from 'zod'
import type { MessageLevel } from './codes.js'
import { parseMessageFields, type MessageFields } from './message-fields.js'

/** `typ` of the two JOSE forms, so that a token made for anything else is no message. */
export const MESSAGE_TYPE = { integrity: 'mq-message+jws', privacy: 'mq-message+jwe' } as const

/** A message as it travels, looked at and not verified: what it says of itself. */
export interface ParsedEnvelope {
  readonly level: MessageLevel
  readonly text: string
  /** As claimed. At the level privacy the copy outside of the encryption, which the queue needs. */
  readonly fields: MessageFields
  /** The body of a message without protection; undefined otherwise. */
  readonly body: Uint8Array | undefined
  /** The certificate that a signed one names, DER, base64; undefined otherwise. */
  readonly certificate: string | undefined
  /** What names the key that it is encrypted to; undefined otherwise. */
  readonly keyId: string | undefined
}

const plainSchema = z.strictObject({ fields: z.unknown(), body: z.string() })
const common = { alg: z.string(), crit: z.tuple([z.literal('mq')]), mq: z.unknown() }
const signedSchema = z.strictObject({
  ...common,
  typ: z.literal(MESSAGE_TYPE.integrity),
  x5c: z.tuple([z.base64()])
})
const encryptedSchema = z.strictObject({
  ...common,
  typ: z.literal(MESSAGE_TYPE.privacy),
  cty: z.literal(MESSAGE_TYPE.integrity),
  enc: z.literal('A256GCM'),
  kid: z.string(),
  epk: z.unknown().optional()
})

/**
 * Reads an envelope: JSON for the level none, a compact JWS for integrity, a compact JWE for privacy. Each part must be
 * the one base64url spelling of its bytes, so that no other text means the same. Throws `MQ_ERROR_INVALID_PARAMETER`.
 */
export function parseEnvelope(text: string): ParsedEnvelope {
  try {
    if (text.startsWith('{')) return parsePlain(text)
    const parts = text.split('.')
    if (parts.length === 3) return parseSigned(text, parts)
    if (parts.length === 5) return parseEncrypted(text, parts)
  } catch (cause) {
    if (isAppError(cause)) throw cause
    throw invalid('its header is none of a message', cause)
  }
  throw invalid('it is in none of the three forms')
}

/** The text of a message without protection. */
export function encodePlainEnvelope(fields: MessageFields, body: Uint8Array): string {
  return JSON.stringify({ fields, body: Buffer.from(body).toString('base64url') })
}

/** Whether two sets of fields are the same, member for member. */
export function isSameFields(a: MessageFields, b: MessageFields): boolean {
  const names = Object.keys({ ...a, ...b }) as (keyof MessageFields)[]
  return names.every(name => a[name] === b[name])
}

function parsePlain(text: string): ParsedEnvelope {
  const { fields, body } = plainSchema.parse(JSON.parse(text))
  return {
    level: 'none',
    text,
    fields: fieldsAt('none', fields),
    body: bytesOf(body),
    certificate: undefined,
    keyId: undefined
  }
}

function parseSigned(text: string, parts: readonly string[]): ParsedEnvelope {
  const { mq, x5c } = signedSchema.parse(headerOf(parts))
  const fields = parseMessageFields(mq)
  if (fields.level === 'none') throw invalid('it says another level than it has')
  return { level: 'integrity', text, fields, body: undefined, certificate: x5c[0], keyId: undefined }
}

function parseEncrypted(text: string, parts: readonly string[]): ParsedEnvelope {
  const { mq, kid } = encryptedSchema.parse(headerOf(parts))
  return {
    level: 'privacy',
    text,
    fields: fieldsAt('privacy', mq),
    body: undefined,
    certificate: undefined,
    keyId: kid
  }
}

function fieldsAt(level: MessageLevel, value: unknown): MessageFields {
  const fields = parseMessageFields(value)
  if (fields.level !== level) throw invalid('it says another level than it has')
  return fields
}

/** The protected header; every part is checked for its spelling. */
function headerOf(parts: readonly string[]): unknown {
  const [header = new Uint8Array()] = parts.map(bytesOf)
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header))
}

function bytesOf(part: string): Uint8Array {
  const bytes = Buffer.from(part, 'base64url')
  if (equalBytes(Buffer.from(bytes.toString('base64url')), Buffer.from(part))) return bytes
  throw invalid('a part is not spelled as base64url is')
}

function invalid(why: string, cause?: unknown): AppError {
  return new AppError('MQ_ERROR_INVALID_PARAMETER', `The envelope is not one of a message: ${why}.`, {}, { cause })
}
