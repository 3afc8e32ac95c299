import { isAppError, toHex } from '@app/core'
import { DerReader, TAG } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeAuthorityInfoAccess,
  decodeAuthorityKeyIdentifier,
  decodeBasicConstraints,
  decodeCertificate,
  decodeCertificatePolicies,
  decodeCertificateTemplateId,
  decodeCertificateTemplateName,
  decodeCrlDistributionPoints,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeSecurityIdentifier,
  decodeSmimeCapabilities,
  decodeSubjectAltName,
  decodeSubjectKeyIdentifier,
  formatName,
  type Attribute,
  type Extension,
  type GeneralName
} from '@app/x509'
import { describeCertificate } from './inspection-certificate.js'
import type { InspectedObject, JsonValue } from './inspection.js'
import { decodeRequestClientInfo, findNameValuePairs } from './microsoft-attribute.js'

const NAMES: ReadonlyMap<string, string> = new Map(Object.entries(OID).map(([name, oid]) => [oid, name]))

/** What {@link describeGeneralName} gives. */
export interface DescribedName {
  readonly kind: GeneralName['kind']
  /** Of an otherName. */
  readonly type?: string
  readonly value: string
}

/** The ASN.1 name of an object identifier with the identifier itself; only that when it is not known. */
function nameOf(oid: string): string {
  return NAMES.get(oid) ?? oid
}

const EXTENSIONS: ReadonlyMap<string, (value: Uint8Array) => JsonValue> = new Map<
  string,
  (value: Uint8Array) => JsonValue
>([
  [OID.id_ce_keyUsage, value => [...decodeKeyUsage(value)]],
  [OID.id_ce_extKeyUsage, value => decodeExtendedKeyUsage(value).map(nameOf)],
  [OID.id_ce_subjectKeyIdentifier, value => toHex(decodeSubjectKeyIdentifier(value))],
  [OID.id_ce_subjectAltName, value => decodeSubjectAltName(value).map(name => ({ ...describeGeneralName(name) }))],
  [OID.id_ce_basicConstraints, value => ({ ...decodeBasicConstraints(value) })],
  [OID.id_ce_certificatePolicies, value => decodeCertificatePolicies(value)],
  [OID.szOID_APPLICATION_CERT_POLICIES, value => decodeCertificatePolicies(value).map(nameOf)],
  [OID.szOID_ENROLL_CERTTYPE_EXTENSION, decodeCertificateTemplateName],
  [OID.szOID_CERTIFICATE_TEMPLATE, value => ({ ...decodeCertificateTemplateId(value) })],
  [OID.szOID_NTDS_CA_SECURITY_EXT, decodeSecurityIdentifier],
  [OID.id_ce_authorityKeyIdentifier, describeAuthorityKey],
  [OID.id_ce_cRLDistributionPoints, value => decodeCrlDistributionPoints(value)],
  [OID.id_pe_authorityInfoAccess, value => ({ ...decodeAuthorityInfoAccess(value) })],
  [OID.id_pkix_ocsp_nocheck, () => true],
  [OID.smimeCapabilities, value => decodeSmimeCapabilities(value).map(({ oid }) => nameOf(oid))]
])

/** An extension for a person. What does not decode is shown in hexadecimal: an inspection judges nothing. */
export function describeExtension({ oid, critical, value }: Extension): InspectedObject {
  const decode = EXTENSIONS.get(oid)
  const name = NAMES.get(oid)
  return {
    oid,
    ...(name === undefined ? {} : { name }),
    critical,
    value: decode === undefined ? toHex(value) : orHex(value, decode)
  }
}

/** An attribute for a person; as {@link describeExtension}. The extension request is left to its extensions. */
export function describeAttribute(attribute: Attribute): InspectedObject {
  const { oid } = attribute
  const name = NAMES.get(oid)
  return { oid, ...(name === undefined ? {} : { name }), value: describeValues(attribute) }
}

function describeValues(attribute: Attribute): JsonValue {
  const { oid, values, raw } = attribute
  switch (oid) {
    case OID.szOID_ENROLLMENT_NAME_VALUE_PAIR:
      return orHex(raw, () => findNameValuePairs([attribute]).map(({ name, value }) => ({ name, value })))
    case OID.szOID_REQUEST_CLIENT_INFO:
      return describeEach(values, value => ({ ...decodeRequestClientInfo(value) }))
    case OID.szOID_ENROLLMENT_CSP_PROVIDER:
      return describeEach(values, describeProvider)
    case OID.szOID_OS_VERSION:
      return describeEach(values, value => DerReader.over(value).string('OS version'))
    case OID.szOID_RENEWAL_CERTIFICATE:
      return describeEach(values, value => ({ ...describeCertificate(decodeCertificate(value)) }))
    case OID.challengePassword:
      // A password is nobody's to print.
      return 'present'
    case OID.szOID_ENCRYPTED_KEY_HASH:
      return describeEach(values, value => toHex(DerReader.over(value).octetString('key hash')))
    default:
      return describeEach(values, toHex)
  }
}

function describeEach(values: readonly Uint8Array[], describe: (value: Uint8Array) => JsonValue): JsonValue {
  const described = values.map(value => orHex(value, describe))
  return described.length === 1 ? (described[0] as JsonValue) : described
}

/**
 * ```asn1
 * CSPProvider ::= SEQUENCE {
 *   keySpec    INTEGER,
 *   cspName    BMPString,
 *   signature  BIT STRING }
 * ```
 * MS-WCCE 2.2.2.7.2.
 */
function describeProvider(value: Uint8Array): JsonValue {
  const body = DerReader.over(value).sequence('CSPProvider')
  return { keySpec: body.smallInteger('keySpec'), provider: body.string('cspName') }
}

function describeAuthorityKey(value: Uint8Array): JsonValue {
  const { keyId, issuer, serialNumber } = decodeAuthorityKeyIdentifier(value)
  return {
    ...(keyId === undefined ? {} : { keyId: toHex(keyId) }),
    ...(issuer === undefined ? {} : { issuer: issuer.map(name => ({ ...describeGeneralName(name) })) }),
    ...(serialNumber === undefined ? {} : { serialNumber: toHex(serialNumber) })
  }
}

/** A general name for a person: its kind, for an otherName the type of it, and its value in text. */
export function describeGeneralName(name: GeneralName): DescribedName {
  switch (name.kind) {
    case 'rfc822Name':
    case 'dNSName':
    case 'uri':
      return { kind: name.kind, value: name.value }
    case 'directoryName':
      return { kind: name.kind, value: formatName(name.name) }
    case 'iPAddress':
      return { kind: name.kind, value: formatIpAddress(name.address) }
    case 'registeredID':
      return { kind: name.kind, value: nameOf(name.oid) }
    case 'otherName':
      return { kind: name.kind, type: nameOf(name.oid), value: describeOtherName(name.value) }
    case 'x400Address':
    case 'ediPartyName':
      return { kind: name.kind, value: toHex(name.raw) }
  }
}

/** Of RFC 5952, 4 without the short form of zeros. */
function formatIpAddress(address: Uint8Array): string {
  if (address.length === 4) return address.join('.')
  return toHex(address)
    .replace(/(.{4})(?=.)/g, '$1:')
    .replace(/(^|:)0{1,3}/g, '$1')
}

function describeOtherName(value: Uint8Array): string {
  return value[0] === TAG.utf8String ? DerReader.over(value).string('otherName') : toHex(value)
}

function orHex(value: Uint8Array, describe: (value: Uint8Array) => JsonValue): JsonValue {
  try {
    return describe(value)
  } catch (error) {
    if (isAppError(error)) return toHex(value)
    throw error
  }
}
