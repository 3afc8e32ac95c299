import { AppError, compareBytes, concatBytes, type ErrorCode } from '@app/core'
import { DEFAULT_LIMITS, type DerLimits } from './limits.js'
import {
  decodeBitString,
  decodeBoolean,
  decodeInteger,
  decodeObjectIdentifier,
  decodeSmallInteger,
  decodeString,
  decodeTime,
  isStringTag,
  type BitString
} from './values.js'
import { contextTag, TAG } from './tag.js'

interface Budget {
  elements: number
  readonly maxDepth: number
}

/** One element as received: `raw` is the whole TLV, `content` what is inside. Both share the input's memory. */
export interface DerElement {
  readonly tag: number
  readonly raw: Uint8Array
  readonly content: Uint8Array
}

/**
 * Reads DER strictly, from front to back, over the received bytes (X.690, sections 8 and 10). Nothing is copied.
 * Every method throws an AppError of a `der_…` code naming `what` was being read.
 */
export class DerReader {
  private position: number

  private constructor(
    private readonly bytes: Uint8Array,
    start: number,
    private readonly limit: number,
    private readonly depth: number,
    private readonly budget: Budget,
    private readonly elementStart: number = start
  ) {
    this.position = start
  }

  /** A reader over a whole message. The caller ends with {@link end}, so that nothing can follow. */
  static over(bytes: Uint8Array, limits: DerLimits = DEFAULT_LIMITS): DerReader {
    if (bytes.length > limits.maxBytes) {
      throw new AppError(
        'der_too_large',
        `The message has ${bytes.length} bytes; at most ${limits.maxBytes} are accepted.`,
        {
          bytes: bytes.length,
          limit: limits.maxBytes
        }
      )
    }
    return new DerReader(bytes, 0, bytes.length, 0, { elements: limits.maxElements, maxDepth: limits.maxDepth })
  }

  /** The whole element, as received, that this reader reads the inside of; of a whole message, the message. */
  get raw(): Uint8Array {
    return this.bytes.subarray(this.elementStart, this.limit)
  }

  /** Whether everything has been read. */
  get isEnd(): boolean {
    return this.position >= this.limit
  }

  /** The identifier octet of the next element, or -1 at the end. */
  get nextTag(): number {
    return this.isEnd ? -1 : (this.bytes[this.position] as number)
  }

  /** Throws `der_trailing_bytes` unless everything has been read. */
  end(what: string): void {
    if (!this.isEnd)
      this.fail('der_trailing_bytes', what, `${this.limit - this.position} bytes follow the end of ${what}.`)
  }

  /** The next element, whatever it is. */
  any(what: string): DerElement {
    const start = this.position
    const tag = this.nextTag
    const contentStart = this.skip(what)
    return {
      tag,
      raw: this.bytes.subarray(start, this.position),
      content: this.bytes.subarray(contentStart, this.position)
    }
  }

  /** The next element, which must have this identifier octet. */
  element(tag: number, what: string): DerElement {
    if (this.nextTag !== tag) this.unexpected(tag, what)
    return this.any(what)
  }

  /** The next element when it has this identifier octet, else undefined with nothing read. */
  optional(tag: number, what: string): DerElement | undefined {
    return this.nextTag === tag ? this.any(what) : undefined
  }

  /** Enters the next element, which must be constructed and have this identifier octet. */
  enter(tag: number, what: string): DerReader {
    if (this.nextTag !== tag) this.unexpected(tag, what)
    const start = this.position
    const contentStart = this.skip(what)
    const depth = this.depth + 1
    if (depth > this.budget.maxDepth) {
      this.fail('der_too_deep', what, `${what} is nested deeper than ${this.budget.maxDepth} levels.`)
    }
    return new DerReader(this.bytes, contentStart, this.position, depth, this.budget, start)
  }

  /** Enters a SEQUENCE. */
  sequence(what: string): DerReader {
    return this.enter(TAG.sequence, what)
  }

  /** Enters a SET OF after checking that its members ascend (X.690, 11.6). */
  setOf(what: string, tag: number = TAG.set): DerReader {
    const set = this.enter(tag, what)
    const probe = new DerReader(set.bytes, set.position, set.limit, set.depth, { ...set.budget })
    let previous = -1
    while (!probe.isEnd) {
      const start = probe.position
      probe.skip(what)
      const { bytes, position: end } = probe
      if (previous >= 0 && compareBytes(bytes.subarray(previous, start), bytes.subarray(start, end)) > 0) {
        this.fail('der_set_order', what, `The members of ${what} are not in ascending order.`)
      }
      previous = start
    }
    return set
  }

  /** Enters an EXPLICIT context tag. */
  explicit(number: number, what: string): DerReader {
    return this.enter(contextTag(number), what)
  }

  /** Enters an EXPLICIT context tag when it comes next. */
  optionalExplicit(number: number, what: string): DerReader | undefined {
    return this.nextTag === contextTag(number) ? this.explicit(number, what) : undefined
  }

  /** Reads each remaining member with `read` until the end. */
  each<T>(read: (reader: DerReader) => T): T[] {
    const members: T[] = []
    while (!this.isEnd) members.push(read(this))
    return members
  }

  boolean(what: string): boolean {
    return decodeBoolean(this.content(TAG.boolean, what), what)
  }

  integer(what: string, tag: number = TAG.integer): bigint {
    return decodeInteger(this.content(tag, what), what)
  }

  /** An INTEGER from 0 to 2^31-1. */
  smallInteger(what: string, tag: number = TAG.integer): number {
    return decodeSmallInteger(this.content(tag, what), what)
  }

  /** The content octets of an INTEGER, minimal two's complement, for serial numbers and key parts. */
  integerContent(what: string): Uint8Array {
    const content = this.content(TAG.integer, what)
    decodeInteger(content.length > 2 ? content.subarray(0, 2) : content, what)
    return content
  }

  /** An OBJECT IDENTIFIER in dotted decimal. */
  oid(what: string): string {
    return decodeObjectIdentifier(this.content(TAG.oid, what), what)
  }

  octetString(what: string, tag: number = TAG.octetString): Uint8Array {
    return this.content(tag, what)
  }

  bitString(what: string, tag: number = TAG.bitString): BitString {
    return decodeBitString(this.content(tag, what), what)
  }

  null(what: string): void {
    if (this.content(TAG.null, what).length > 0) this.fail('der_value_invalid', what, `${what} is a NULL with content.`)
  }

  /** Any of the character string types, as text. */
  string(what: string): string {
    if (!isStringTag(this.nextTag)) this.unexpected(TAG.utf8String, what)
    const { tag, content } = this.any(what)
    return decodeString(tag, content, what)
  }

  /** UTCTime or GeneralizedTime in the forms RFC 5280 (4.1.2.5) allows. */
  time(what: string): Date {
    const tag = this.nextTag
    if (tag !== TAG.utcTime && tag !== TAG.generalizedTime) this.unexpected(TAG.utcTime, what)
    return decodeTime(tag, this.any(what).content, what)
  }

  /**
   * An OCTET STRING that may be BER: constructed from segments, of definite or indefinite length (X.690, 8.7).
   * Only for eContent and encryptedContent, which OpenSSL and Windows may send so. A primitive string is not copied.
   */
  berOctetString(primitiveTag: number, what: string): Uint8Array {
    if (this.nextTag === primitiveTag) return this.any(what).content
    if (this.nextTag !== (primitiveTag | 0x20)) this.unexpected(primitiveTag, what)
    const segments: Uint8Array[] = []
    this.berSegments(segments, this.depth, what)
    return concatBytes(segments)
  }

  private berSegments(segments: Uint8Array[], depth: number, what: string): void {
    if (depth + 1 > this.budget.maxDepth) this.fail('der_too_deep', what, `${what} is nested too deep.`)
    const { contentStart, length } = this.header(what)
    this.position = contentStart
    const end = length < 0 ? -1 : contentStart + length
    while (end < 0 ? !this.endOfContents() : this.position < end) {
      if (this.nextTag === TAG.octetString) segments.push(this.any(what).content)
      else if (this.nextTag === (TAG.octetString | 0x20)) this.berSegments(segments, depth + 1, what)
      else this.unexpected(TAG.octetString, what)
    }
    if (end >= 0 && this.position !== end) this.fail('der_truncated', what, `A segment of ${what} ends after it.`)
  }

  private endOfContents(): boolean {
    if (this.bytes[this.position] !== 0 || this.bytes[this.position + 1] !== 0) return false
    if (this.position + 2 > this.limit) return false
    this.position += 2
    return true
  }

  private content(tag: number, what: string): Uint8Array {
    if (this.nextTag !== tag) this.unexpected(tag, what)
    const contentStart = this.skip(what)
    return this.bytes.subarray(contentStart, this.position)
  }

  /** Moves past the next element; its content lies between the answer and the new position. */
  private skip(what: string): number {
    const { contentStart, length } = this.header(what)
    if (length < 0) this.fail('der_length_indefinite', what, `${what} has an indefinite length.`)
    this.position = contentStart + length
    return contentStart
  }

  /** Reads identifier and length octets without moving; length -1 stands for the indefinite form. */
  private header(what: string): { tag: number; contentStart: number; length: number } {
    if (--this.budget.elements < 0) this.fail('der_too_large', what, 'The message has too many elements.')
    const { bytes, limit } = this
    let at = this.position
    if (at + 2 > limit) this.fail('der_truncated', what, `The message ends before ${what}.`)
    const tag = bytes[at++] as number
    if ((tag & 0x1f) === 0x1f) this.fail('der_tag_unexpected', what, `${what} has a tag number above 30.`)
    const first = bytes[at++] as number
    if (first === 0x80) return { tag, contentStart: at, length: -1 }
    let length = first
    if (first > 0x80) {
      const octets = first & 0x7f
      if (octets > 4) this.fail('der_too_large', what, `The length of ${what} has ${octets} octets.`)
      if (at + octets > limit) this.fail('der_truncated', what, `The message ends inside the length of ${what}.`)
      length = 0
      for (let i = 0; i < octets; i++) length = length * 256 + (bytes[at + i] as number)
      if (bytes[at] === 0 || length < 0x80)
        this.fail('der_length_not_minimal', what, `The length of ${what} is not minimal.`)
      at += octets
    }
    if (at + length > limit) {
      this.fail('der_truncated', what, `${what} claims ${length} bytes where ${limit - at} are left.`)
    }
    return { tag, contentStart: at, length }
  }

  private unexpected(tag: number, what: string): never {
    const found = this.nextTag
    const text = found < 0 ? 'the end' : `tag 0x${found.toString(16).padStart(2, '0')}`
    this.fail(
      'der_tag_unexpected',
      what,
      `Expected ${what} (tag 0x${tag.toString(16).padStart(2, '0')}), found ${text}.`
    )
  }

  private fail(code: ErrorCode, what: string, message: string): never {
    throw new AppError(code, message, { what, offset: this.position })
  }
}
