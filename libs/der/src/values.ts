import { AppError } from '@app/core'
import { TAG } from './tag.js'

/** A BIT STRING: its bytes and how many bits of the last one do not count (always zero in DER). */
export interface BitString {
  readonly unusedBits: number
  readonly bytes: Uint8Array
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function decodeBoolean(content: Uint8Array, what: string): boolean {
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw invalid(what, 'is not a DER BOOLEAN')
  return content[0] === 0xff
}

/** A two's complement integer of any size (X.690, 8.3). */
export function decodeInteger(content: Uint8Array, what: string): bigint {
  if (content.length === 0) throw invalid(what, 'is an INTEGER without content')
  const [first, second] = content
  if (
    content.length > 1 &&
    ((first === 0 && (second as number) < 0x80) || (first === 0xff && (second as number) >= 0x80))
  ) {
    throw new AppError('der_integer_not_minimal', `${what} is an INTEGER with a superfluous leading octet.`, { what })
  }
  const magnitude = BigInt(`0x${Buffer.from(content).toString('hex')}`)
  return (first as number) < 0x80 ? magnitude : magnitude - (1n << BigInt(8 * content.length))
}

/** An integer from 0 to 2^31-1. */
export function decodeSmallInteger(content: Uint8Array, what: string): number {
  const value = content.length > 5 ? -1n : decodeInteger(content, what)
  if (value < 0n || value > 0x7fffffffn) throw invalid(what, 'is out of range (0 to 2147483647)')
  return Number(value)
}

const knownIdentifiers = new Map<string, string>()

/** An OBJECT IDENTIFIER in dotted decimal (X.690, 8.19): at most 64 octets, arcs below 2^63. */
export function decodeObjectIdentifier(content: Uint8Array, what: string): string {
  if (content.length === 0 || content.length > 64) throw invalid(what, 'is not an OBJECT IDENTIFIER of 1 to 64 octets')
  const key = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('latin1')
  const known = knownIdentifiers.get(key)
  if (known !== undefined) return known
  const arcs: bigint[] = []
  let arc = 0n
  let octets = 0
  for (const octet of content) {
    if (octets === 0 && octet === 0x80) throw invalid(what, 'has an arc that is not minimal')
    if (++octets > 19) throw invalid(what, 'has an arc that is too large')
    arc = (arc << 7n) | BigInt(octet & 0x7f)
    if (octet < 0x80) {
      arcs.push(arc)
      arc = 0n
      octets = 0
    }
  }
  if (octets !== 0) throw invalid(what, 'ends inside an arc')
  const head = arcs[0] as bigint
  const root = head < 40n ? 0n : head < 80n ? 1n : 2n
  const dotted = [root, head - 40n * root, ...arcs.slice(1)].join('.')
  // Bounded, so that a stranger's identifiers cannot fill the memory.
  if (knownIdentifiers.size < 2_000) knownIdentifiers.set(key, dotted)
  return dotted
}

export function decodeBitString(content: Uint8Array, what: string): BitString {
  const unusedBits = content[0]
  if (unusedBits === undefined || unusedBits > 7 || (content.length === 1 && unusedBits !== 0)) {
    throw invalid(what, 'is not a BIT STRING')
  }
  const last = content[content.length - 1] as number
  if (content.length > 1 && (last & ((1 << unusedBits) - 1)) !== 0)
    throw invalid(what, 'has unused bits that are not zero')
  return { unusedBits, bytes: content.subarray(1) }
}

const stringTags = new Set<number>([
  TAG.utf8String,
  TAG.numericString,
  TAG.printableString,
  TAG.teletexString,
  TAG.ia5String,
  TAG.visibleString,
  TAG.universalString,
  TAG.bmpString
])

/** Whether an identifier octet is that of a character string type this reader knows. */
export function isStringTag(tag: number): boolean {
  return stringTags.has(tag)
}

/** The text of a character string of any type; refuses what the type does not allow. */
export function decodeString(tag: number, content: Uint8Array, what: string): string {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  switch (tag) {
    case TAG.utf8String:
      try {
        return utf8.decode(content)
      } catch (cause) {
        throw new AppError('der_value_invalid', `${what} is not valid UTF-8.`, { what }, { cause })
      }
    case TAG.numericString:
      return matching(bytes.toString('latin1'), /^[0-9 ]*$/, what, 'NumericString')
    case TAG.printableString:
      // '*', '@', '&' and '_' are not in the type, but real requests carry them in names.
      return matching(bytes.toString('latin1'), /^[A-Za-z0-9 '()+,\-./:=?*@&_]*$/, what, 'PrintableString')
    case TAG.ia5String:
    case TAG.visibleString:
      return matching(bytes.toString('latin1'), /^[\x00-\x7f]*$/, what, 'IA5String')
    case TAG.teletexString:
      return bytes.toString('latin1')
    case TAG.bmpString: {
      if (content.length % 2 !== 0) throw invalid(what, 'is a BMPString of an odd length')
      const text = Buffer.from(bytes).swap16().toString('utf16le')
      if (/[\ud800-\udfff]/.test(text)) throw invalid(what, 'is a BMPString with a surrogate')
      return text
    }
    default:
      return decodeUniversalString(bytes, what)
  }
}

function decodeUniversalString(bytes: Buffer, what: string): string {
  if (bytes.length % 4 !== 0) throw invalid(what, 'is a UniversalString of a bad length')
  let text = ''
  for (let i = 0; i < bytes.length; i += 4) {
    const point = bytes.readUInt32BE(i)
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) throw invalid(what, 'has a code point out of range')
    text += String.fromCodePoint(point)
  }
  return text
}

/** UTCTime `YYMMDDHHMMSSZ` or GeneralizedTime `YYYYMMDDHHMMSSZ` (RFC 5280, 4.1.2.5). */
export function decodeTime(tag: number, content: Uint8Array, what: string): Date {
  const text = Buffer.from(content).toString('latin1')
  const pattern =
    tag === TAG.utcTime
      ? /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/
      : /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/
  const parts = pattern.exec(text)
  if (parts === null) throw invalid(what, 'is not a time in UTC to the second')
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1).map(Number)
  const fullYear = tag === TAG.utcTime ? (year < 50 ? 2000 + year : 1900 + year) : year
  const date = new Date(0)
  date.setUTCFullYear(fullYear, month - 1, day)
  date.setUTCHours(hour, minute, second)
  const same = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour
  if (!same || minute > 59 || second > 59) throw invalid(what, 'is not a time that exists')
  return date
}

function matching(text: string, pattern: RegExp, what: string, type: string): string {
  if (!pattern.test(text)) throw invalid(what, `has a character that ${type} does not allow`)
  return text
}

function invalid(what: string, why: string): AppError {
  return new AppError('der_value_invalid', `${what} ${why}.`, { what })
}
