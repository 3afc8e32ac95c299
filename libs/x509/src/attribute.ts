import { encodeOid, encodeSequence, encodeSetOf, TAG, type DerReader } from '@app/der'

/** One attribute as received; `values` are whole elements, `raw` is the whole attribute. */
export interface Attribute {
  readonly oid: string
  readonly values: readonly Uint8Array[]
  readonly raw: Uint8Array
}

/** How a SET OF Attribute is read. */
export interface AttributeReading {
  /** The identifier octet of the set: a SET, or the context tag that replaces it. */
  readonly tag?: number
  /**
   * `checked` (the default) refuses members that do not ascend, as DER demands; every Windows message on record has
   * them in order. `unchecked` is for forms whose clients are known not to sort.
   */
  readonly order?: 'checked' | 'unchecked'
}

/**
 * Reads the SET OF Attribute that comes next. Repeated types and empty value sets are left for the caller to judge.
 * Throws a `der_…` code.
 *
 * ```asn1
 * Attribute ::= SEQUENCE {
 *   type    OBJECT IDENTIFIER,
 *   values  SET OF ANY }
 * ```
 * RFC 2986, 4.1; RFC 5652, 5.3.
 */
export function decodeAttributes(reader: DerReader, what: string, reading: AttributeReading = {}): Attribute[] {
  const { tag = TAG.set, order = 'checked' } = reading
  const set = order === 'checked' ? reader.setOf(what, tag) : reader.enter(tag, what)
  return set.each(members => decodeAttribute(members, what, order))
}

function decodeAttribute(reader: DerReader, what: string, order: 'checked' | 'unchecked'): Attribute {
  const body = reader.sequence(`attribute of ${what}`)
  const { raw } = body
  const oid = body.oid(`attribute type of ${what}`)
  const name = `values of attribute ${oid}`
  const set = order === 'checked' ? body.setOf(name) : body.enter(TAG.set, name)
  const values = set.each(members => members.any(name).raw)
  body.end(`attribute of ${what}`)
  return { oid, values, raw }
}

/** One Attribute from whole value elements, which are put in order. */
export function encodeAttribute(oid: string, values: readonly Uint8Array[]): Uint8Array {
  return encodeSequence(encodeOid(oid), encodeSetOf(values))
}

/** The attribute of this type; undefined when there is none. */
export function findAttribute(attributes: readonly Attribute[], oid: string): Attribute | undefined {
  return attributes.find(attribute => attribute.oid === oid)
}
