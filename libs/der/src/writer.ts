import { AppError, compareBytes } from '@app/core'
import { TAG } from './tag.js'

/** One TLV: the identifier octet, a minimal length, then the parts in order. */
export function encodeTlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const lengthOctets = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4
  const out = Buffer.allocUnsafe(2 + lengthOctets + length)
  out[0] = tag
  if (lengthOctets === 0) out[1] = length
  else {
    out[1] = 0x80 | lengthOctets
    out.writeUIntBE(length, 2, lengthOctets)
  }
  let at = 2 + lengthOctets
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

export function encodeSequence(...parts: readonly Uint8Array[]): Uint8Array {
  return encodeTlv(TAG.sequence, ...parts)
}

/** A SET OF: the members are put in ascending order (X.690, 11.6). */
export function encodeSetOf(members: readonly Uint8Array[], tag: number = TAG.set): Uint8Array {
  return encodeTlv(tag, ...members.toSorted(compareBytes))
}

/** An EXPLICIT context tag around complete elements, or an IMPLICIT one around the content of a constructed type. */
export function encodeContext(number: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return encodeTlv(0xa0 | number, ...parts)
}

/** An IMPLICIT context tag around the content of a primitive type. */
export function encodePrimitiveContext(number: number, content: Uint8Array): Uint8Array {
  return encodeTlv(0x80 | number, content)
}

export function encodeBoolean(value: boolean): Uint8Array {
  return encodeTlv(TAG.boolean, Uint8Array.of(value ? 0xff : 0))
}

/** An INTEGER from a number or bigint of either sign. */
export function encodeInteger(value: number | bigint, tag: number = TAG.integer): Uint8Array {
  return encodeTlv(tag, integerContent(BigInt(value)))
}

/** An INTEGER from an unsigned big-endian magnitude. */
export function encodeUnsigned(magnitude: Uint8Array): Uint8Array {
  let start = 0
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++
  const trimmed = magnitude.subarray(start)
  if (trimmed.length === 0) return encodeTlv(TAG.integer, Uint8Array.of(0))
  return (trimmed[0] as number) < 0x80
    ? encodeTlv(TAG.integer, trimmed)
    : encodeTlv(TAG.integer, Uint8Array.of(0), trimmed)
}

const objectIdentifiers = new Map<string, Uint8Array>()

/** An OBJECT IDENTIFIER from dotted decimal; the result is shared, do not write to it. */
export function encodeOid(dotted: string): Uint8Array {
  const known = objectIdentifiers.get(dotted)
  if (known !== undefined) return known
  if (!/^[0-2](\.(0|[1-9]\d*))+$/.test(dotted)) {
    throw new AppError('invalid_argument', `"${dotted}" is not an object identifier in dotted decimal.`)
  }
  const [root = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt)
  const octets: number[] = []
  for (const arc of [root * 40n + second, ...rest]) pushArc(octets, arc)
  const encoded = encodeTlv(TAG.oid, Uint8Array.from(octets))
  if (objectIdentifiers.size < 2_000) objectIdentifiers.set(dotted, encoded)
  return encoded
}

export function encodeOctetString(bytes: Uint8Array): Uint8Array {
  return encodeTlv(TAG.octetString, bytes)
}

export function encodeBitString(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return encodeTlv(TAG.bitString, Uint8Array.of(unusedBits), bytes)
}

const encodedNull = Uint8Array.of(TAG.null, 0)

export function encodeNull(): Uint8Array {
  return encodedNull
}

export function encodeUtf8String(text: string): Uint8Array {
  return encodeTlv(TAG.utf8String, Buffer.from(text, 'utf8'))
}

/** The caller ensures that the text is ASCII. */
export function encodeIa5String(text: string): Uint8Array {
  return encodeTlv(TAG.ia5String, Buffer.from(text, 'latin1'))
}

/** Text of the basic multilingual plane, two octets a character. */
export function encodeBmpString(text: string): Uint8Array {
  return encodeTlv(TAG.bmpString, Buffer.from(text, 'utf16le').swap16())
}

/** UTCTime until 2049, GeneralizedTime from 2050 on, to the second (RFC 5280, 4.1.2.5). */
export function encodeTime(date: Date): Uint8Array {
  const digits = timeDigits(date)
  const year = date.getUTCFullYear()
  return year >= 1950 && year < 2050
    ? encodeTlv(TAG.utcTime, Buffer.from(`${digits.slice(2)}Z`, 'latin1'))
    : encodeGeneralizedTime(date)
}

export function encodeGeneralizedTime(date: Date): Uint8Array {
  return encodeTlv(TAG.generalizedTime, Buffer.from(`${timeDigits(date)}Z`, 'latin1'))
}

function timeDigits(date: Date): string {
  return date.toISOString().slice(0, 19).replace(/[-:T]/g, '')
}

function integerContent(value: bigint): Uint8Array {
  const magnitude = value < 0n ? -value - 1n : value
  const octets = Math.floor(magnitude.toString(2).length / 8) + 1
  const twos = value < 0n ? (1n << BigInt(8 * octets)) + value : value
  return Buffer.from(twos.toString(16).padStart(2 * octets, '0'), 'hex')
}

function pushArc(octets: number[], arc: bigint): void {
  const groups = [Number(arc & 0x7fn)]
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) groups.unshift(Number(rest & 0x7fn) | 0x80)
  octets.push(...groups)
}
