import { AppError } from '@app/core'
import { encodeBitString, encodeOid, encodeSequence, encodeTlv, TAG, encodeInteger, encodeBoolean } from '@app/der'
import { decodeExtensionValue } from './extension.js'

/** The bits of a key usage in the order of their numbers (RFC 5280, 4.2.1.3). */
export const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly'
] as const

/** A bit of {@link KEY_USAGES}. */
export type KeyUsage = (typeof KEY_USAGES)[number]

/**
 * Reads the value of a keyUsage extension. Throws `x509_structure` when no bit or an unknown one is set,
 * `der_value_invalid` when zero bits trail.
 *
 * ```asn1
 * KeyUsage ::= BIT STRING
 * ```
 * RFC 5280, 4.2.1.3; X.690, 11.2.2.
 */
export function decodeKeyUsage(value: Uint8Array): ReadonlySet<KeyUsage> {
  const { unusedBits, bytes } = decodeExtensionValue(value, 'keyUsage', reader => reader.bitString('keyUsage'))
  const count = bytes.length * 8 - unusedBits
  if (count === 0 || count > KEY_USAGES.length) {
    throw new AppError('x509_structure', 'keyUsage has no bit or one that is not known.', { bits: count })
  }
  const usages = KEY_USAGES.filter((_usage, bit) => ((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0)
  if (usages.at(-1) !== KEY_USAGES[count - 1]) {
    throw new AppError('der_value_invalid', 'keyUsage has zero bits at its end.', { bits: count })
  }
  return new Set(usages)
}

/** The value of a keyUsage extension. Throws `invalid_argument` for no usage. */
export function encodeKeyUsage(usages: Iterable<KeyUsage>): Uint8Array {
  const bits = [...usages].map(usage => KEY_USAGES.indexOf(usage))
  if (bits.length === 0) throw new AppError('invalid_argument', 'A key usage must have at least one bit.')
  const last = Math.max(...bits)
  const bytes = new Uint8Array((last >> 3) + 1)
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7))
  return encodeBitString(bytes, 7 - (last & 7))
}

/**
 * Reads the value of an extKeyUsage extension: object identifiers in their order. Throws `x509_structure` for none or
 * one twice.
 *
 * ```asn1
 * ExtKeyUsageSyntax ::= SEQUENCE SIZE (1..MAX) OF OBJECT IDENTIFIER
 * ```
 * RFC 5280, 4.2.1.12.
 */
export function decodeExtendedKeyUsage(value: Uint8Array): string[] {
  const oids = decodeExtensionValue(value, 'extKeyUsage', reader =>
    reader.sequence('extKeyUsage').each(list => list.oid('extKeyUsage'))
  )
  requireDistinctOids(oids, 'x509_structure', 'extKeyUsage')
  return oids
}

/** The value of an extKeyUsage extension. Throws `invalid_argument` for none or one twice. */
export function encodeExtendedKeyUsage(oids: readonly string[]): Uint8Array {
  requireDistinctOids(oids, 'invalid_argument', 'extKeyUsage')
  return encodeSequence(...oids.map(encodeOid))
}

/** What a basicConstraints extension says. */
export interface BasicConstraints {
  readonly isCa: boolean
  /** The most intermediate certificates below; only with `isCa`. */
  readonly pathLength?: number
}

/**
 * Reads the value of a basicConstraints extension. Throws `x509_structure` for a path length without CA,
 * `der_value_invalid` for cA written out as FALSE.
 *
 * ```asn1
 * BasicConstraints ::= SEQUENCE {
 *   cA                 BOOLEAN DEFAULT FALSE,
 *   pathLenConstraint  INTEGER (0..MAX) OPTIONAL }
 * ```
 * RFC 5280, 4.2.1.9.
 */
export function decodeBasicConstraints(value: Uint8Array): BasicConstraints {
  return decodeExtensionValue(value, 'basicConstraints', reader => {
    const body = reader.sequence('basicConstraints')
    const isCa = body.nextTag === TAG.boolean
    if (isCa && !body.boolean('cA')) {
      throw new AppError('der_value_invalid', 'basicConstraints writes out the default cA FALSE.')
    }
    const pathLength = body.isEnd ? undefined : body.smallInteger('pathLenConstraint')
    body.end('basicConstraints')
    if (pathLength === undefined) return { isCa }
    if (!isCa) throw new AppError('x509_structure', 'basicConstraints has a path length for an end entity.')
    return { isCa, pathLength }
  })
}

/** The value of a basicConstraints extension. Throws `invalid_argument` for a path length without CA. */
export function encodeBasicConstraints(constraints: BasicConstraints): Uint8Array {
  const { isCa, pathLength } = constraints
  if (pathLength !== undefined && (!isCa || !Number.isSafeInteger(pathLength) || pathLength < 0)) {
    throw new AppError('invalid_argument', 'A path length is a natural number and only for a CA.', { pathLength })
  }
  const parts = isCa ? [encodeBoolean(true)] : []
  if (pathLength !== undefined) parts.push(encodeInteger(pathLength))
  return encodeSequence(...parts)
}

/**
 * Reads the value of a certificatePolicies extension, or of Microsoft's application policies, which has the same
 * shape (MS-WCCE 2.2.2.7.7.3): the policies' identifiers in their order. Qualifiers are not looked into. Throws
 * `x509_structure` for none or one twice.
 *
 * ```asn1
 * CertificatePolicies ::= SEQUENCE SIZE (1..MAX) OF PolicyInformation
 * PolicyInformation   ::= SEQUENCE {
 *   policyIdentifier  OBJECT IDENTIFIER,
 *   policyQualifiers  SEQUENCE SIZE (1..MAX) OF PolicyQualifierInfo OPTIONAL }
 * ```
 * RFC 5280, 4.2.1.4.
 */
export function decodeCertificatePolicies(value: Uint8Array): string[] {
  const oids = decodeExtensionValue(value, 'certificatePolicies', reader =>
    reader.sequence('certificatePolicies').each(list => {
      const body = list.sequence('PolicyInformation')
      const oid = body.oid('policyIdentifier')
      body.optional(TAG.sequence, 'policyQualifiers')
      body.end('PolicyInformation')
      return oid
    })
  )
  requireDistinctOids(oids, 'x509_structure', 'certificatePolicies')
  return oids
}

/** The value of a certificatePolicies or application policies extension, without qualifiers. Throws `invalid_argument`. */
export function encodeCertificatePolicies(oids: readonly string[]): Uint8Array {
  requireDistinctOids(oids, 'invalid_argument', 'certificatePolicies')
  return encodeSequence(...oids.map(oid => encodeSequence(encodeOid(oid))))
}

function requireDistinctOids(oids: readonly string[], code: 'x509_structure' | 'invalid_argument', what: string): void {
  if (oids.length === 0 || new Set(oids).size !== oids.length) {
    throw new AppError(code, `${what} has no identifier or one twice.`, { what, identifiers: oids.length })
  }
}

/** The value of an id-pkix-ocsp-nocheck extension: NULL (RFC 6960, 4.2.2.2.1). */
export function encodeOcspNoCheck(): Uint8Array {
  return encodeTlv(TAG.null)
}
