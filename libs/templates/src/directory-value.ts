import { AppError } from '@app/core'
import { textOf } from '@app/ldif'
import { KEY_USAGES, type KeyUsage } from '@app/x509'

/** 100-nanosecond intervals in a second (MS-DTYP 2.3.3). */
const INTERVALS = 10_000_000n

/** The text of a value. Throws `invalid_argument` when it is not UTF-8. */
export function decodeText(attribute: string, value: Uint8Array): string {
  const text = textOf(value)
  if (text === undefined) throw fault(attribute, 'is not UTF-8 text')
  return text
}

/** An integer of LDAP (RFC 4517, 3.3.16): decimal, signed, 32 bits. Throws `invalid_argument`. */
export function decodeInteger(attribute: string, value: Uint8Array): number {
  const text = decodeText(attribute, value)
  const number = /^-?\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (number >= -(2 ** 31) && number < 2 ** 32) return number
  throw fault(attribute, 'is not a 32-bit integer')
}

/** A flag word: LDAP has it as a signed integer, here it is unsigned. */
export function decodeFlagWord(attribute: string, value: Uint8Array): number {
  return decodeInteger(attribute, value) >>> 0
}

/** The signed decimal form in which AD shows a 32-bit word. */
export function encodeInteger(number: number): Uint8Array {
  return Buffer.from(String(number | 0))
}

/**
 * `pKIExpirationPeriod` and `pKIOverlapPeriod` (MS-CRTD 2.2, 2.3): 8 octets, little-endian, a negative count of
 * 100-nanosecond intervals. In seconds, fractions cut off. Throws `invalid_argument`.
 */
export function decodePeriod(attribute: string, value: Uint8Array): number {
  if (value.length !== 8) throw fault(attribute, 'has not 8 octets')
  const intervals = -Buffer.from(value).readBigInt64LE()
  if (intervals < 0n) throw fault(attribute, 'is a time in the past, where a period is negative')
  return Number(intervals / INTERVALS)
}

/** A period of whole seconds, see {@link decodePeriod}. */
export function encodePeriod(seconds: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(-BigInt(seconds) * INTERVALS)
  return bytes
}

/** `pKIKeyUsage` (MS-CRTD 2.7): the bits of the extension in one octet or two. Throws `invalid_argument`. */
export function decodeKeyUsageBits(attribute: string, value: Uint8Array): KeyUsage[] {
  const [first = 0, second = 0] = value
  if (value.length > 2 || (second & 0x7f) !== 0) throw fault(attribute, 'has bits that are no key usage')
  return KEY_USAGES.filter((_usage, bit) => bitOf(bit) & ((first << 8) | second))
}

/** Two octets, as AD has them. */
export function encodeKeyUsageBits(usages: readonly KeyUsage[]): Uint8Array {
  const word = usages.reduce((bits, usage) => bits | bitOf(KEY_USAGES.indexOf(usage)), 0)
  return Buffer.from([word >> 8, word & 0xff])
}

/** Of 16 bits, the first of which is the highest (X.690, 8.6.2.1). */
function bitOf(bit: number): number {
  return 0x8000 >> bit
}

/** The error for a value that is not what its attribute is made of. */
export function fault(attribute: string, what: string): AppError {
  return new AppError('invalid_argument', `The attribute ${attribute} ${what}.`, { attribute })
}
