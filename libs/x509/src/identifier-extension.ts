import { AppError } from '@app/core'
import {
  contextTag,
  encodeOctetString,
  encodePrimitiveContext,
  encodeSequence,
  encodeTlv,
  primitiveContextTag,
  TAG,
  encodeInteger,
  decodeSmallInteger,
  decodeInteger,
  decodeTime
} from '@app/der'
import { decodeExtensionValue } from './extension.js'
import { decodeGeneralNames, encodeGeneralNames, type GeneralName } from './general-name.js'

/** Reads the value of a subjectKeyIdentifier extension: an OCTET STRING (RFC 5280, 4.2.1.2). */
export function decodeSubjectKeyIdentifier(value: Uint8Array): Uint8Array {
  return decodeExtensionValue(value, 'subjectKeyIdentifier', reader => reader.octetString('subjectKeyIdentifier'))
}

/** The value of a subjectKeyIdentifier extension. */
export function encodeSubjectKeyIdentifier(keyId: Uint8Array): Uint8Array {
  return encodeOctetString(keyId)
}

/** What an authorityKeyIdentifier extension says of the issuer's key. */
export interface AuthorityKeyIdentifier {
  readonly keyId?: Uint8Array
  /** The issuer's own issuer and serial number (content octets); both or neither. */
  readonly issuer?: readonly GeneralName[]
  readonly serialNumber?: Uint8Array
}

/**
 * Reads the value of an authorityKeyIdentifier extension. Throws `x509_structure` when issuer and serial number do not
 * come together.
 *
 * ```asn1
 * AuthorityKeyIdentifier ::= SEQUENCE {
 *   keyIdentifier              [0] IMPLICIT OCTET STRING OPTIONAL,
 *   authorityCertIssuer        [1] IMPLICIT GeneralNames OPTIONAL,
 *   authorityCertSerialNumber  [2] IMPLICIT INTEGER OPTIONAL }
 * ```
 * RFC 5280, 4.2.1.1.
 */
export function decodeAuthorityKeyIdentifier(value: Uint8Array): AuthorityKeyIdentifier {
  return decodeExtensionValue(value, 'authorityKeyIdentifier', reader => {
    const body = reader.sequence('authorityKeyIdentifier')
    const keyId = body.optional(primitiveContextTag(0), 'keyIdentifier')?.content
    const hasIssuer = body.nextTag === contextTag(1)
    const issuer = hasIssuer ? decodeGeneralNames(body, 'authorityCertIssuer', contextTag(1)) : undefined
    const serialNumber = body.optional(primitiveContextTag(2), 'authorityCertSerialNumber')?.content
    body.end('authorityKeyIdentifier')
    const identified = keyId === undefined ? {} : { keyId }
    if (issuer === undefined && serialNumber === undefined) return identified
    if (issuer === undefined || serialNumber === undefined) {
      throw new AppError('x509_structure', 'authorityKeyIdentifier has one of issuer and serial number only.')
    }
    decodeInteger(serialNumber, 'authorityCertSerialNumber')
    return { ...identified, issuer, serialNumber }
  })
}

/** The value of an authorityKeyIdentifier extension that has the key identifier alone. */
export function encodeAuthorityKeyIdentifier(keyId: Uint8Array): Uint8Array {
  return encodeSequence(encodePrimitiveContext(0, keyId))
}

/** Reads the value of a subjectAltName extension (RFC 5280, 4.2.1.6); as {@link decodeGeneralNames}. */
export function decodeSubjectAltName(value: Uint8Array): GeneralName[] {
  return decodeExtensionValue(value, 'subjectAltName', reader => decodeGeneralNames(reader, 'subjectAltName'))
}

/** The value of a subjectAltName extension. Throws `invalid_argument`. */
export function encodeSubjectAltName(names: readonly GeneralName[]): Uint8Array {
  return encodeGeneralNames(names)
}

/** Why a certificate was revoked (RFC 5280, 5.3.1), by number. */
export const CRL_REASONS = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  removeFromCRL: 8,
  privilegeWithdrawn: 9,
  aACompromise: 10
} as const

/** A name of {@link CRL_REASONS}. */
export type CrlReason = keyof typeof CRL_REASONS

const reasonNames = new Map(Object.entries(CRL_REASONS).map(([name, number]) => [number as number, name as CrlReason]))

/** Reads the value of a reasonCode extension: an ENUMERATED. Throws `x509_structure` for an unknown number. */
export function decodeCrlReason(value: Uint8Array): CrlReason {
  const { content } = decodeExtensionValue(value, 'reasonCode', reader => reader.element(TAG.enumerated, 'reasonCode'))
  const number = decodeSmallInteger(content, 'reasonCode')
  const name = reasonNames.get(number)
  if (name === undefined) throw new AppError('x509_structure', 'reasonCode has an unknown number.', { number })
  return name
}

/** The value of a reasonCode extension. */
export function encodeCrlReason(reason: CrlReason): Uint8Array {
  return encodeTlv(TAG.enumerated, Uint8Array.of(CRL_REASONS[reason]))
}

/** Reads the value of an invalidityDate extension: a GeneralizedTime (RFC 5280, 5.3.2). */
export function decodeInvalidityDate(value: Uint8Array): Date {
  return decodeExtensionValue(value, 'invalidityDate', reader => {
    const { content } = reader.element(TAG.generalizedTime, 'invalidityDate')
    return decodeTime(TAG.generalizedTime, content, 'invalidityDate')
  })
}

const MAX_CRL_NUMBER = 1n << 159n

/** Reads the value of a cRLNumber or deltaCRLIndicator extension: an INTEGER of at most 20 octets (RFC 5280, 5.2.3). */
export function decodeCrlNumber(value: Uint8Array): bigint {
  const number = decodeExtensionValue(value, 'cRLNumber', reader => reader.integer('cRLNumber'))
  if (number < 0n || number >= MAX_CRL_NUMBER) {
    throw new AppError('x509_structure', 'cRLNumber is negative or longer than 20 octets.')
  }
  return number
}

/** The value of a cRLNumber or deltaCRLIndicator extension. Throws `invalid_argument`. */
export function encodeCrlNumber(number: bigint): Uint8Array {
  if (number < 0n || number >= MAX_CRL_NUMBER) {
    throw new AppError('invalid_argument', 'A CRL number is natural and at most 20 octets long.')
  }
  return encodeInteger(number)
}
