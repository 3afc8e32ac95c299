import { AppError } from '@app/core'
import { DerReader, encodeBoolean, encodeOctetString, encodeOid, encodeSequence, TAG } from '@app/der'

/** One extension of a certificate, CRL, CRL entry or request. */
export interface Extension {
  readonly oid: string
  readonly critical: boolean
  /** What the OCTET STRING extnValue holds: one DER element. */
  readonly value: Uint8Array
}

/**
 * Reads the Extensions that come next. Throws `x509_structure` for an empty list or an extension that occurs twice,
 * a `der_…` code for broken syntax, which includes `critical` written out as FALSE: no Microsoft message does that.
 *
 * ```asn1
 * Extensions ::= SEQUENCE SIZE (1..MAX) OF Extension
 * Extension  ::= SEQUENCE {
 *   extnID     OBJECT IDENTIFIER,
 *   critical   BOOLEAN DEFAULT FALSE,
 *   extnValue  OCTET STRING }
 * ```
 * RFC 5280, 4.1 and 4.2.
 */
export function decodeExtensions(reader: DerReader, what = 'extensions'): Extension[] {
  const extensions = reader.sequence(what).each(list => decodeExtension(list, what))
  if (extensions.length === 0) throw new AppError('x509_structure', `The list of ${what} is empty.`, { what })
  requireDistinct(extensions, what)
  return extensions
}

function decodeExtension(reader: DerReader, what: string): Extension {
  const body = reader.sequence(what)
  const oid = body.oid(`${what} identifier`)
  const critical = body.nextTag === TAG.boolean
  if (critical && !body.boolean(`critical of ${oid}`)) {
    throw new AppError('der_value_invalid', `The extension ${oid} of ${what} writes out the default FALSE.`, {
      what,
      oid
    })
  }
  const value = body.octetString(`value of ${oid}`)
  body.end(what)
  return { oid, critical, value }
}

function requireDistinct(extensions: readonly Extension[], what: string): void {
  const seen = new Set<string>()
  for (const { oid } of extensions) {
    if (seen.has(oid)) throw new AppError('x509_structure', `Extension ${oid} occurs twice in ${what}.`, { what, oid })
    seen.add(oid)
  }
}

/** The extension of this identifier among those of a certificate, request, CRL or CRL entry. */
export function findExtension(
  holder: { readonly extensions: readonly Extension[] },
  oid: string
): Extension | undefined {
  return holder.extensions.find(extension => extension.oid === oid)
}

/** One Extension. */
export function encodeExtension(extension: Extension): Uint8Array {
  const oid = encodeOid(extension.oid)
  const value = encodeOctetString(extension.value)
  return extension.critical ? encodeSequence(oid, encodeBoolean(true), value) : encodeSequence(oid, value)
}

/** Extensions in the order given. Throws `x509_structure` when the list is empty or one occurs twice. */
export function encodeExtensions(extensions: readonly Extension[]): Uint8Array {
  if (extensions.length === 0) throw new AppError('x509_structure', 'A list of extensions cannot be empty.')
  requireDistinct(extensions, 'the extensions to encode')
  return encodeSequence(...extensions.map(encodeExtension))
}

/**
 * Reads the element that fills an extension's value to its last byte. Throws `der_trailing_bytes` when more follows,
 * and what `read` throws.
 */
export function decodeExtensionValue<T>(value: Uint8Array, what: string, read: (reader: DerReader) => T): T {
  const reader = DerReader.over(value)
  const decoded = read(reader)
  reader.end(what)
  return decoded
}
