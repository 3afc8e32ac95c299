import { AppError } from '@app/core'
import { contextTag, encodeOid, encodeSequence, encodeTlv, primitiveContextTag, type DerReader } from '@app/der'
import { OID } from '@app/oid'
import { decodeExtensionValue } from './extension.js'
import { decodeGeneralName, decodeGeneralNames, encodeGeneralName, type GeneralName } from './general-name.js'

/**
 * Reads the value of a cRLDistributionPoints extension: every URI of a full name, in order. Names of other forms,
 * reasons and CRL issuers are passed over.
 *
 * ```asn1
 * CRLDistributionPoints ::= SEQUENCE SIZE (1..MAX) OF DistributionPoint
 * DistributionPoint     ::= SEQUENCE {
 *   distributionPoint  [0] EXPLICIT DistributionPointName OPTIONAL,
 *   reasons            [1] IMPLICIT BIT STRING OPTIONAL,
 *   cRLIssuer          [2] IMPLICIT GeneralNames OPTIONAL }
 * DistributionPointName ::= CHOICE {
 *   fullName                 [0] IMPLICIT GeneralNames,
 *   nameRelativeToCRLIssuer  [1] IMPLICIT RelativeDistinguishedName }
 * ```
 * RFC 5280, 4.2.1.13.
 */
export function decodeCrlDistributionPoints(value: Uint8Array): string[] {
  return decodeExtensionValue(value, 'cRLDistributionPoints', reader => {
    const points = reader.sequence('cRLDistributionPoints').each(decodeDistributionPoint)
    if (points.length === 0) throw new AppError('x509_structure', 'cRLDistributionPoints is empty.')
    return points.flat()
  })
}

function decodeDistributionPoint(list: DerReader): string[] {
  const body = list.sequence('DistributionPoint')
  const point = body.optionalExplicit(0, 'distributionPoint')
  const fullName =
    point?.nextTag === contextTag(0) ? decodeGeneralNames(point, 'distribution point name', contextTag(0)) : []
  if (fullName.length === 0) point?.element(contextTag(1), 'nameRelativeToCRLIssuer')
  point?.end('distributionPoint')
  if (body.nextTag === primitiveContextTag(1)) body.bitString('distribution point reasons', primitiveContextTag(1))
  if (body.nextTag === contextTag(2)) decodeGeneralNames(body, 'cRLIssuer', contextTag(2))
  body.end('DistributionPoint')
  return fullName.flatMap(name => (name.kind === 'uri' ? [name.value] : []))
}

/** The value of a cRLDistributionPoints extension: one point that can be had from any of the URIs. */
export function encodeCrlDistributionPoints(urls: readonly string[]): Uint8Array {
  if (urls.length === 0) throw new AppError('invalid_argument', 'A distribution point needs a URI.')
  const fullName = encodeTlv(contextTag(0), ...urls.map(encodeUri))
  return encodeSequence(encodeSequence(encodeTlv(contextTag(0), fullName)))
}

/** Where the issuer's certificate and the state of a certificate can be had: URIs in order. */
export interface AuthorityInfoAccess {
  readonly caIssuers: readonly string[]
  readonly ocsp: readonly string[]
}

/**
 * Reads the value of an authorityInfoAccess extension. Other methods and other forms of names are passed over.
 *
 * ```asn1
 * AuthorityInfoAccessSyntax ::= SEQUENCE SIZE (1..MAX) OF AccessDescription
 * AccessDescription         ::= SEQUENCE {
 *   accessMethod    OBJECT IDENTIFIER,
 *   accessLocation  GeneralName }
 * ```
 * RFC 5280, 4.2.2.1.
 */
export function decodeAuthorityInfoAccess(value: Uint8Array): AuthorityInfoAccess {
  const descriptions = decodeExtensionValue(value, 'authorityInfoAccess', reader =>
    reader.sequence('authorityInfoAccess').each(decodeAccessDescription)
  )
  if (descriptions.length === 0) throw new AppError('x509_structure', 'authorityInfoAccess is empty.')
  const urlsOf = (method: string): string[] =>
    descriptions.flatMap(({ oid, name }) => (oid === method && name.kind === 'uri' ? [name.value] : []))
  return { caIssuers: urlsOf(OID.id_ad_caIssuers), ocsp: urlsOf(OID.id_ad_ocsp) }
}

function decodeAccessDescription(list: DerReader): { readonly oid: string; readonly name: GeneralName } {
  const body = list.sequence('AccessDescription')
  const oid = body.oid('accessMethod')
  const name = decodeGeneralName(body, 'accessLocation')
  body.end('AccessDescription')
  return { oid, name }
}

/** The value of an authorityInfoAccess extension: OCSP addresses first. Throws `invalid_argument` when there is none. */
export function encodeAuthorityInfoAccess(access: AuthorityInfoAccess): Uint8Array {
  const descriptions = [
    ...access.ocsp.map(url => encodeSequence(encodeOid(OID.id_ad_ocsp), encodeUri(url))),
    ...access.caIssuers.map(url => encodeSequence(encodeOid(OID.id_ad_caIssuers), encodeUri(url)))
  ]
  if (descriptions.length === 0) throw new AppError('invalid_argument', 'authorityInfoAccess needs a URI.')
  return encodeSequence(...descriptions)
}

function encodeUri(value: string): Uint8Array {
  return encodeGeneralName({ kind: 'uri', value })
}
