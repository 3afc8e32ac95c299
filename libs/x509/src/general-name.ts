import { AppError } from '@app/core'
import {
  contextTag,
  decodeObjectIdentifier,
  decodeString,
  DerReader,
  encodeOid,
  encodeTlv,
  primitiveContextTag,
  TAG
} from '@app/der'
import { decodeName, type Name } from './name.js'

/** A GeneralName of a kind that is kept as received and not looked into. */
type OpaqueNameKind = 'x400Address' | 'ediPartyName'

/** One of the forms of a GeneralName (RFC 5280, 4.2.1.6). */
export type GeneralName =
  /** `value` is the element inside the [0]. */
  | { readonly kind: 'otherName'; readonly oid: string; readonly value: Uint8Array }
  | { readonly kind: TextNameKind; readonly value: string }
  | { readonly kind: 'directoryName'; readonly name: Name }
  /** 4 or 16 octets. */
  | { readonly kind: 'iPAddress'; readonly address: Uint8Array }
  | { readonly kind: 'registeredID'; readonly oid: string }
  /** `raw` is the whole tagged element. */
  | { readonly kind: OpaqueNameKind; readonly raw: Uint8Array }

/** A GeneralName that is ASCII text: a mail address, a host name, a URI. */
export type TextNameKind = 'rfc822Name' | 'dNSName' | 'uri'

const TEXT_NUMBERS = { rfc822Name: 1, dNSName: 2, uri: 6 } as const satisfies Record<TextNameKind, number>

/**
 * Reads GeneralNames; `tag` is the identifier octet where a context tag replaces that of the SEQUENCE. Throws
 * `x509_structure` for an empty list or a name that breaks RFC 5280, 4.2.1.6, a `der_…` code for broken syntax.
 *
 * ```asn1
 * GeneralNames ::= SEQUENCE SIZE (1..MAX) OF GeneralName
 * GeneralName  ::= CHOICE {
 *   otherName      [0] IMPLICIT SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY },
 *   rfc822Name     [1] IMPLICIT IA5String,
 *   dNSName        [2] IMPLICIT IA5String,
 *   x400Address    [3] IMPLICIT ORAddress,
 *   directoryName  [4] EXPLICIT Name,
 *   ediPartyName   [5] IMPLICIT EDIPartyName,
 *   uniformResourceIdentifier  [6] IMPLICIT IA5String,
 *   iPAddress      [7] IMPLICIT OCTET STRING,
 *   registeredID   [8] IMPLICIT OBJECT IDENTIFIER }
 * ```
 */
export function decodeGeneralNames(reader: DerReader, what: string, tag: number = TAG.sequence): GeneralName[] {
  const names = reader.enter(tag, what).each(list => decodeGeneralName(list, what))
  if (names.length === 0) throw new AppError('x509_structure', `The list of ${what} is empty.`, { what })
  return names
}

/** Reads the GeneralName that comes next; as {@link decodeGeneralNames}. */
export function decodeGeneralName(reader: DerReader, what: string): GeneralName {
  switch (reader.nextTag) {
    case contextTag(0):
      return decodeOtherName(reader, what)
    case primitiveContextTag(1):
      return decodeTextName(reader, 'rfc822Name', what)
    case primitiveContextTag(2):
      return decodeTextName(reader, 'dNSName', what)
    case contextTag(3):
      return { kind: 'x400Address', raw: reader.any(what).raw }
    case contextTag(4): {
      const field = reader.explicit(4, what)
      const name = decodeName(field, what)
      field.end(what)
      return { kind: 'directoryName', name }
    }
    case contextTag(5):
      return { kind: 'ediPartyName', raw: reader.any(what).raw }
    case primitiveContextTag(6):
      return decodeTextName(reader, 'uri', what)
    case primitiveContextTag(7):
      return decodeIpAddress(reader, what)
    case primitiveContextTag(8):
      return { kind: 'registeredID', oid: decodeObjectIdentifier(reader.any(what).content, what) }
    default:
      throw new AppError('x509_structure', `${what} has a form that no GeneralName has.`, { what, tag: reader.nextTag })
  }
}

function decodeOtherName(reader: DerReader, what: string): GeneralName {
  const body = reader.enter(contextTag(0), what)
  const oid = body.oid(`otherName of ${what}`)
  const field = body.explicit(0, `otherName ${oid} of ${what}`)
  const value = field.any(`otherName ${oid} of ${what}`).raw
  field.end(`otherName ${oid} of ${what}`)
  body.end(`otherName ${oid} of ${what}`)
  return { kind: 'otherName', oid, value }
}

/** A NUL or line break in a name has been used to make readers disagree about it, so control characters are refused. */
const printableText = /^[\x20-\x7e]+$/

function decodeTextName(reader: DerReader, kind: TextNameKind, what: string): GeneralName {
  const value = decodeString(TAG.ia5String, reader.any(what).content, what)
  if (!printableText.test(value)) {
    throw new AppError('x509_structure', `A ${kind} of ${what} is empty or has a control character.`, { what, kind })
  }
  return { kind, value }
}

function decodeIpAddress(reader: DerReader, what: string): GeneralName {
  const address = reader.any(what).content
  if (address.length !== 4 && address.length !== 16) {
    throw new AppError('x509_structure', `An iPAddress of ${what} has neither 4 nor 16 octets.`, {
      what,
      octets: address.length
    })
  }
  return { kind: 'iPAddress', address }
}

/** GeneralNames in the order given, as a SEQUENCE or under the tag that replaces it. Throws `invalid_argument`. */
export function encodeGeneralNames(names: readonly GeneralName[], tag: number = TAG.sequence): Uint8Array {
  if (names.length === 0) throw new AppError('invalid_argument', 'A list of general names cannot be empty.')
  return encodeTlv(tag, ...names.map(encodeGeneralName))
}

/** One GeneralName. Throws `invalid_argument` for text outside of printable ASCII or an address of a wrong size. */
export function encodeGeneralName(name: GeneralName): Uint8Array {
  switch (name.kind) {
    case 'otherName':
      return encodeTlv(contextTag(0), encodeOid(name.oid), encodeTlv(contextTag(0), name.value))
    case 'rfc822Name':
    case 'dNSName':
    case 'uri':
      return encodeTextName(name.kind, name.value)
    case 'directoryName':
      return encodeTlv(contextTag(4), name.name.raw)
    case 'iPAddress':
      return encodeIpAddress(name.address)
    case 'registeredID':
      return encodeTlv(primitiveContextTag(8), DerReader.over(encodeOid(name.oid)).any('registeredID').content)
    case 'x400Address':
    case 'ediPartyName':
      return name.raw
  }
}

function encodeTextName(kind: TextNameKind, value: string): Uint8Array {
  if (!printableText.test(value)) {
    throw new AppError('invalid_argument', `A ${kind} must be printable ASCII; convert an international name first.`, {
      kind
    })
  }
  return encodeTlv(primitiveContextTag(TEXT_NUMBERS[kind]), Buffer.from(value, 'latin1'))
}

function encodeIpAddress(address: Uint8Array): Uint8Array {
  if (address.length !== 4 && address.length !== 16) {
    throw new AppError('invalid_argument', 'An IP address must have 4 or 16 octets.', { octets: address.length })
  }
  return encodeTlv(primitiveContextTag(7), address)
}
