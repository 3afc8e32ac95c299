import { AppError, fromHex, toHex } from '@app/core'
import {
  DerReader,
  decodeString,
  encodeBmpString,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  isStringTag,
  TAG
} from '@app/der'
import { findNameAttributeType } from './name-attribute.js'

/** One attribute of a name as read. */
export interface NameAttribute {
  /** The object identifier of its type. */
  readonly type: string
  /** The text; for a value that is no character string, `#` and the value's element in hexadecimal. */
  readonly value: string
  /** The identifier octet of the value. */
  readonly tag: number
}

/** One attribute of a name to encode; without `tag` the string type is that of its attribute type. */
export type NameAttributeInput = Pick<NameAttribute, 'type' | 'value'> & { readonly tag?: number }

/** A distinguished name as received. Names are equal when their `raw` are. */
export interface Name {
  /** The RDNSequence element. */
  readonly raw: Uint8Array
  /** In the order of the encoding: the most significant (country, DC) first. */
  readonly rdns: readonly (readonly NameAttribute[])[]
}

/**
 * Reads the Name that comes next. Throws `x509_structure` for an empty RDN, a `der_…` code for broken syntax, which
 * includes an RDN whose attributes are out of order.
 *
 * ```asn1
 * Name                       ::= CHOICE { rdnSequence SEQUENCE OF RelativeDistinguishedName }
 * RelativeDistinguishedName  ::= SET SIZE (1..MAX) OF AttributeTypeAndValue
 * AttributeTypeAndValue      ::= SEQUENCE { type OBJECT IDENTIFIER, value ANY }
 * ```
 * RFC 5280, 4.1.2.4.
 */
export function decodeName(reader: DerReader, what: string): Name {
  const body = reader.sequence(what)
  const { raw } = body
  return { raw, rdns: body.each(list => decodeRdn(list, what)) }
}

function decodeRdn(reader: DerReader, what: string): NameAttribute[] {
  const attributes = reader.setOf(`RDN of ${what}`).each(set => decodeNameAttribute(set, what))
  if (attributes.length === 0) throw new AppError('x509_structure', `An RDN of ${what} is empty.`, { what })
  return attributes
}

function decodeNameAttribute(reader: DerReader, what: string): NameAttribute {
  const body = reader.sequence(`attribute of ${what}`)
  const type = body.oid(`attribute type of ${what}`)
  const { tag, content, raw } = body.any(`attribute ${type} of ${what}`)
  body.end(`attribute ${type} of ${what}`)
  return { type, value: isStringTag(tag) ? decodeString(tag, content, what) : `#${toHex(raw)}`, tag }
}

/**
 * A Name from its RDNs in the order of the encoding. A value becomes the string type of its `tag`, or without one
 * PrintableString for countryName and serialNumber, IA5String for domainComponent and emailAddress, UTF8String for
 * every other (RFC 5280, 4.1.2.4 and A.1). Throws `invalid_argument` when a value is empty, when its string type cannot
 * hold it or when an RDN is empty or has one type twice.
 */
export function encodeName(rdns: readonly (readonly NameAttributeInput[])[]): Uint8Array {
  return encodeSequence(...rdns.map(encodeRdn))
}

function encodeRdn(attributes: readonly NameAttributeInput[]): Uint8Array {
  if (attributes.length === 0) throw new AppError('invalid_argument', 'A name has an RDN without attributes.')
  if (new Set(attributes.map(attribute => attribute.type)).size !== attributes.length) {
    throw new AppError('invalid_argument', 'An RDN of a name has the same type twice.', { type: attributes[0]?.type })
  }
  const empty = attributes.find(attribute => attribute.value === '')
  if (empty !== undefined) {
    throw new AppError('invalid_argument', `The name attribute ${empty.type} is empty.`, { type: empty.type })
  }
  return encodeSetOf(attributes.map(attribute => encodeSequence(encodeOid(attribute.type), encodeNameValue(attribute))))
}

/** The value's element, as {@link encodeName} writes it; an empty text is allowed here. Throws `invalid_argument`. */
export function encodeNameValue(attribute: NameAttributeInput): Uint8Array {
  const { type, value } = attribute
  const tag = attribute.tag ?? findNameAttributeType(type)?.tag ?? TAG.utf8String
  return isStringTag(tag) ? encodeStringValue(type, tag, value) : encodeOtherValue(type, tag, value)
}

function encodeOtherValue(type: string, tag: number, value: string): Uint8Array {
  const element = value.startsWith('#') ? fromHex(value.slice(1)) : undefined
  if (element?.[0] !== tag) {
    throw new AppError('invalid_argument', `The name attribute ${type} is not "#" and an element in hexadecimal.`, {
      type
    })
  }
  const reader = DerReader.over(element)
  reader.any(type)
  reader.end(type)
  return element
}

function encodeStringValue(type: string, tag: number, value: string): Uint8Array {
  const encoded = encodeString(tag, value)
  // What the reader would not give back unchanged does not fit the string type.
  if (!value.isWellFormed() || readBack(encoded) !== value) {
    throw new AppError('invalid_argument', `The name attribute ${type} has a character its string type cannot hold.`, {
      type,
      tag
    })
  }
  return encoded
}

function encodeString(tag: number, value: string): Uint8Array {
  switch (tag) {
    case TAG.utf8String:
      return encodeTlv(tag, Buffer.from(value, 'utf8'))
    case TAG.bmpString:
      return encodeBmpString(value)
    case TAG.universalString:
      return encodeTlv(tag, ...Array.from(value, encodeCodePoint))
    default:
      return encodeTlv(tag, Buffer.from(value, 'latin1'))
  }
}

function encodeCodePoint(character: string): Uint8Array {
  const octets = Buffer.alloc(4)
  octets.writeUInt32BE(character.codePointAt(0) as number)
  return octets
}

function readBack(encoded: Uint8Array): string | undefined {
  try {
    return DerReader.over(encoded).string('name attribute')
  } catch {
    return undefined
  }
}

/** Whether a name has no attributes at all, as the subject of an autoenrollment request. */
export function isEmptyName(name: Pick<Name, 'rdns'>): boolean {
  return name.rdns.length === 0
}
