import { AppError, view } from '@app/core'

/** One `Name:Value` pair as the caller wrote it, blanks trimmed. */
export interface RequestAttribute {
  readonly name: string
  readonly value: string
}

/** Request attributes in the order received. Names may repeat; {@link findRequestAttribute} gives the first. */
export type RequestAttributes = readonly RequestAttribute[]

const MAX_LENGTH = 1536

/**
 * Parses the attribute string of a submission: lines `Name:Value` (MS-WCCE 3.2.1.4.2.1.2). Blanks and hyphens in the
 * name are dropped, the value is trimmed at both ends, malformed lines are ignored as Windows ignores them. Throws
 * `invalid_argument` when the text has more than 1536 characters.
 */
export function parseRequestAttributes(text: string): RequestAttributes {
  if (text.length > MAX_LENGTH) {
    throw new AppError('invalid_argument', `The attributes have ${text.length} characters; at most ${MAX_LENGTH}.`, {
      length: text.length
    })
  }
  const attributes: RequestAttribute[] = []
  for (const line of text.split(/\r\n|\n|\r|\0/)) {
    const colon = line.indexOf(':')
    const name = normalName(line.slice(0, Math.max(colon, 0)))
    if (name !== '') attributes.push({ name, value: line.slice(colon + 1).trim() })
  }
  return attributes
}

/**
 * The attribute string for a list of pairs, lines joined by LF; the inverse of {@link parseRequestAttributes}. Throws
 * `invalid_argument` when a name has a colon or either part a line break, which would make it another attribute.
 */
export function formatRequestAttributes(attributes: RequestAttributes): string {
  for (const { name, value } of attributes) {
    if (/[:\r\n\0]/.test(name) || /[\r\n\0]/.test(value)) {
      throw new AppError('invalid_argument', 'A request attribute has a line break, or a colon in its name.')
    }
  }
  return attributes.map(({ name, value }) => `${name}:${value}`).join('\n')
}

/** The value of the first attribute of this name, in any case, blanks and hyphens in it ignored; else undefined. */
export function findRequestAttribute(attributes: RequestAttributes, name: string): string | undefined {
  return findRequestAttributes(attributes, name)[0]
}

/** The values of all attributes of this name, in order. */
export function findRequestAttributes(attributes: RequestAttributes, name: string): readonly string[] {
  const wanted = normalName(name).toLowerCase()
  return attributes.filter(({ name: found }) => normalName(found).toLowerCase() === wanted).map(({ value }) => value)
}

/**
 * Parses a registration-information control: UTF-8 text `Name=Value&Name=Value&` with percent-encoded values, as
 * Windows writes it (MS-WCCE 2.2.2.6.4). Pairs without `=` are ignored like malformed attribute lines. Throws
 * `cmc_structure` for text that is not UTF-8 or breaks percent-encoding, since it is signed and must not be guessed at.
 */
export function decodeRegistrationInfo(octets: Uint8Array): RequestAttributes {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(octets)
  } catch (cause) {
    throw new AppError('cmc_structure', 'The registration information is not valid UTF-8.', {}, { cause })
  }
  const attributes: RequestAttribute[] = []
  for (const pair of text.replace(/\0+$/, '').split('&')) {
    const equals = pair.indexOf('=')
    const name = normalName(percentDecode(pair.slice(0, Math.max(equals, 0))))
    if (name !== '') attributes.push({ name, value: percentDecode(pair.slice(equals + 1)).trim() })
  }
  return attributes
}

/** The octets of a registration-information control; each pair ends with `&`, as Windows writes it. */
export function encodeRegistrationInfo(attributes: RequestAttributes): Uint8Array {
  const pairs = attributes.map(({ name, value }) => `${percentEncode(name)}=${percentEncode(value)}&`)
  return view(Buffer.from(pairs.join(''), 'utf8'))
}

/** A name as it is compared with others: blanks, hyphens and case count for nothing (MS-WCCE 3.2.1.4.2.1.2). */
export function comparableAttributeName(name: string): string {
  return normalName(name).toLowerCase()
}

function normalName(name: string): string {
  return name.replace(/[\s-]+/g, '')
}

function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, mark => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
}

function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new AppError(
      'cmc_structure',
      'The registration information has a percent sign that no two hexadecimal digits of UTF-8 follow.',
      {},
      { cause }
    )
  }
}
