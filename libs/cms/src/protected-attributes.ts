import { AppError } from '@app/core'
import { DEFAULT_LIMITS, DerReader, encodeTlv, TAG, type DerLimits } from '@app/der'
import { decodeAttributes, type Attribute } from '@app/x509'

/** Attributes that a signature or an authentication tag covers. */
export interface ProtectedAttributes {
  /** The received bytes with the tag of a SET OF in place of the context tag: what is hashed (RFC 5652, 5.4). */
  readonly encoded: Uint8Array
  readonly list: readonly Attribute[]
}

/**
 * Reads signed or authenticated attributes from the content of their element. They must be DER (RFC 5652, 5.3;
 * RFC 5083, 2.1): `der_set_order` when they are not sorted, `cms_structure` when there are none.
 */
export function decodeProtectedAttributes(content: Uint8Array, what: string): ProtectedAttributes {
  const encoded = encodeTlv(TAG.set, content)
  const limits: DerLimits = { ...DEFAULT_LIMITS, maxBytes: encoded.length }
  const list = decodeAttributes(DerReader.over(encoded, limits), what)
  if (list.length === 0) throw new AppError('cms_structure', `${what} is present and empty.`, { what })
  return { encoded, list }
}

/**
 * The value of an attribute that must occur once with one value; undefined when the attribute is absent.
 * Throws `cms_attribute_repeated` or `cms_attribute_values`.
 */
export function findSingleValue(attributes: readonly Attribute[], oid: string, name: string): Uint8Array | undefined {
  const found = attributes.filter(attribute => attribute.oid === oid)
  const [attribute] = found
  if (attribute === undefined) return undefined
  if (found.length > 1) {
    throw new AppError(
      'cms_attribute_repeated',
      `The attribute ${name} occurs ${found.length} times; once is allowed.`,
      {
        attribute: name,
        count: found.length
      }
    )
  }
  const [value] = attribute.values
  if (value === undefined || attribute.values.length > 1) {
    throw new AppError(
      'cms_attribute_values',
      `The attribute ${name} has ${attribute.values.length} values, not one.`,
      {
        attribute: name,
        values: attribute.values.length
      }
    )
  }
  return value
}

/** As {@link findSingleValue}; an absent attribute throws `cms_attribute_missing`. */
export function getSingleValue(attributes: readonly Attribute[], oid: string, name: string): Uint8Array {
  const value = findSingleValue(attributes, oid, name)
  if (value === undefined) {
    throw new AppError('cms_attribute_missing', `The attribute ${name} is absent from the protected attributes.`, {
      attribute: name
    })
  }
  return value
}

/**
 * Demands that a value of the contentType attribute is the type of the content (RFC 5652, 11.1).
 * Throws `cms_content_type_mismatch`.
 */
export function verifyContentType(value: Uint8Array, contentType: string): void {
  const reader = DerReader.over(value)
  const attributed = reader.oid('value of contentType')
  reader.end('value of contentType')
  if (attributed !== contentType) {
    throw new AppError(
      'cms_content_type_mismatch',
      `The attribute contentType says ${attributed}; the content is ${contentType}.`,
      { attribute: attributed, content: contentType }
    )
  }
}
