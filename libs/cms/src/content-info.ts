import { AppError } from '@app/core'
import { DEFAULT_LIMITS, DerReader, encodeContext, encodeOid, encodeSequence, type DerLimits } from '@app/der'

/** The outer wrapper of every CMS message (RFC 5652, 3). */
export interface ContentInfo {
  /** Dotted decimal. */
  readonly contentType: string
  /** The whole TLV inside `[0]`, as received. */
  readonly content: Uint8Array
}

/**
 * Reads a ContentInfo of any type; nothing may follow it. Throws a `der_…` code when it breaks its syntax.
 *
 * ```asn1
 * ContentInfo ::= SEQUENCE {
 *   contentType  ContentType,
 *   content      [0] EXPLICIT ANY DEFINED BY contentType }
 * ```
 * RFC 5652, 3.
 */
export function decodeContentInfo(bytes: Uint8Array, limits: DerLimits = DEFAULT_LIMITS): ContentInfo {
  const { contentType, content } = readContentInfo(bytes, limits)
  const { raw } = content.any('content')
  content.end('content')
  return { contentType, content: raw }
}

/** A ContentInfo around a complete TLV. */
export function encodeContentInfo(contentType: string, content: Uint8Array): Uint8Array {
  return encodeSequence(encodeOid(contentType), encodeContext(0, content))
}

/**
 * Enters the SEQUENCE inside a ContentInfo of one of the given types.
 * Throws `cms_content_type_mismatch` when it is of another type.
 */
export function enterContentInfo<ContentType extends string>(
  bytes: Uint8Array,
  accepted: readonly ContentType[],
  what: string,
  limits: DerLimits
): { readonly contentType: ContentType; readonly body: DerReader } {
  const { contentType, content } = readContentInfo(bytes, limits)
  const known = accepted.find(candidate => candidate === contentType)
  if (known === undefined) {
    throw new AppError('cms_content_type_mismatch', `Expected ${what}, found content type ${contentType}.`, {
      expected: accepted.join(' or '),
      found: contentType
    })
  }
  const body = content.sequence(what)
  content.end('content')
  return { contentType: known, body }
}

function readContentInfo(bytes: Uint8Array, limits: DerLimits): { contentType: string; content: DerReader } {
  const message = DerReader.over(bytes, limits)
  const info = message.sequence('ContentInfo')
  message.end('ContentInfo')
  const contentType = info.oid('contentType')
  const content = info.explicit(0, 'content')
  info.end('ContentInfo')
  return { contentType, content }
}
