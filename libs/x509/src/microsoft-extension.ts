import { AppError, view } from '@app/core'
import {
  DerReader,
  encodeBmpString,
  encodeInteger,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  isStringTag
} from '@app/der'
import { OID } from '@app/oid'
import { decodeAlgorithmIdentifier, type AlgorithmIdentifier } from './algorithm.js'
import { decodeExtensionValue } from './extension.js'
import { decodeGeneralNames, encodeGeneralNames, type GeneralName } from './general-name.js'

/** A certificate template of schema version 2 or later as a certificate names it. */
export interface CertificateTemplateId {
  readonly oid: string
  /** 0 to 2^32-1. */
  readonly major?: number
  /** 0 to 2^32-1; only with `major`. */
  readonly minor?: number
}

const MAX_VERSION = 0xffff_ffffn

/**
 * Reads the value of extension 1.3.6.1.4.1.311.21.7. Throws `x509_structure` for a version out of range.
 *
 * ```asn1
 * CertificateTemplateOID ::= SEQUENCE {
 *   templateID            OBJECT IDENTIFIER,
 *   templateMajorVersion  INTEGER (0..4294967295) OPTIONAL,
 *   templateMinorVersion  INTEGER (0..4294967295) OPTIONAL }
 * ```
 * MS-WCCE 2.2.2.7.7.2.
 */
export function decodeCertificateTemplateId(value: Uint8Array): CertificateTemplateId {
  return decodeExtensionValue(value, 'certificate template', reader => {
    const body = reader.sequence('certificate template')
    const oid = body.oid('templateID')
    if (body.isEnd) return { oid }
    const major = decodeTemplateVersion(body, 'templateMajorVersion')
    if (body.isEnd) return { oid, major }
    const minor = decodeTemplateVersion(body, 'templateMinorVersion')
    body.end('certificate template')
    return { oid, major, minor }
  })
}

function decodeTemplateVersion(reader: DerReader, what: string): number {
  const version = reader.integer(what)
  if (version < 0n || version > MAX_VERSION) {
    throw new AppError('x509_structure', `${what} is not a number of 32 bits.`, { what })
  }
  return Number(version)
}

/** The value of extension 1.3.6.1.4.1.311.21.7. Throws `invalid_argument` for a minor version without a major one. */
export function encodeCertificateTemplateId(template: CertificateTemplateId): Uint8Array {
  const { oid, major, minor } = template
  if (minor !== undefined && major === undefined) {
    throw new AppError('invalid_argument', 'A minor template version needs a major one.', { minor })
  }
  const versions = [major, minor].filter(version => version !== undefined)
  return encodeSequence(encodeOid(oid), ...versions.map(version => encodeInteger(version)))
}

/**
 * Reads the value of extension 1.3.6.1.4.1.311.20.2: the name of a template of schema version 1. Windows writes a
 * BMPString (MS-WCCE 2.2.2.7.7.1); scripts around OpenSSL write other string types, which Windows reads and this does.
 */
export function decodeCertificateTemplateName(value: Uint8Array): string {
  return decodeExtensionValue(value, 'certificate template name', reader => reader.string('certificate template name'))
}

/** The value of extension 1.3.6.1.4.1.311.20.2. */
export function encodeCertificateTemplateName(name: string): Uint8Array {
  return encodeBmpString(name)
}

const securityIdentifier = /^S-1-\d{1,15}(?:-\d{1,10}){1,15}$/

/**
 * Reads the value of extension 1.3.6.1.4.1.311.25.2: the account's security identifier in text, `S-1-…`. Throws
 * `x509_structure` when it holds anything else.
 *
 * ```asn1
 * NtdsCaSecurity ::= SEQUENCE OF GeneralName
 *   -- one otherName { 1.3.6.1.4.1.311.25.2.1, OCTET STRING of ASCII }
 * ```
 * MS-WCCE 2.2.2.7.7.4.
 */
export function decodeSecurityIdentifier(value: Uint8Array): string {
  const names = decodeExtensionValue(value, 'SID extension', reader => decodeGeneralNames(reader, 'SID extension'))
  const [name] = names
  if (names.length !== 1 || name?.kind !== 'otherName' || name.oid !== OID.szOID_NTDS_OBJECTSID) {
    throw new AppError('x509_structure', 'The SID extension does not hold one object SID.', { names: names.length })
  }
  const reader = DerReader.over(name.value)
  const text = view(reader.octetString('object SID')).toString('latin1')
  reader.end('object SID')
  if (!securityIdentifier.test(text)) throw new AppError('x509_structure', 'The SID extension holds no SID.')
  return text
}

/** The value of extension 1.3.6.1.4.1.311.25.2. Throws `invalid_argument` when the text is no SID. */
export function encodeSecurityIdentifier(sid: string): Uint8Array {
  if (!securityIdentifier.test(sid)) throw new AppError('invalid_argument', `"${sid}" is no security identifier.`)
  const value = encodeOctetString(Buffer.from(sid, 'latin1'))
  return encodeGeneralNames([{ kind: 'otherName', oid: OID.szOID_NTDS_OBJECTSID, value }])
}

/** Which certificate and which key of a CA: both count from 0; a renewal with the old key raises the first alone. */
export interface CaVersion {
  readonly certificateIndex: number
  readonly keyIndex: number
}

/** Reads the value of extension 1.3.6.1.4.1.311.21.1: an INTEGER, key index in the upper 16 bits (MS-WCCE 3.2.1.4.3.2). */
export function decodeCaVersion(value: Uint8Array): CaVersion {
  const version = decodeExtensionValue(value, 'CA version', reader => reader.smallInteger('CA version'))
  return { certificateIndex: version & 0xffff, keyIndex: version >>> 16 }
}

/** The value of extension 1.3.6.1.4.1.311.21.1. Throws `invalid_argument` for an index out of range. */
export function encodeCaVersion(version: CaVersion): Uint8Array {
  const { certificateIndex, keyIndex } = version
  if (!isInRange(certificateIndex, 0xffff) || !isInRange(keyIndex, 0x7fff)) {
    throw new AppError('invalid_argument', 'A CA version has an index out of range.', { certificateIndex, keyIndex })
  }
  return encodeInteger(keyIndex * 0x10000 + certificateIndex)
}

const PREVIOUS_HASH_OCTETS = 20

/**
 * Reads the value of extension 1.3.6.1.4.1.311.21.2: the SHA-1 of the CA's certificate before this one, an OCTET STRING
 * (wincrypt.h, szOID_CERTSRV_PREVIOUS_CERT_HASH). Throws `x509_structure` for another length.
 */
export function decodePreviousCaCertificateHash(value: Uint8Array): Uint8Array {
  const what = 'hash of the previous CA certificate'
  const hash = decodeExtensionValue(value, what, reader => reader.octetString(what))
  if (hash.length !== PREVIOUS_HASH_OCTETS) {
    throw new AppError('x509_structure', `The ${what} has ${hash.length} octets.`, { octets: hash.length })
  }
  return hash
}

/** The value of extension 1.3.6.1.4.1.311.21.2 from the SHA-1 of a certificate. Throws `invalid_argument`. */
export function encodePreviousCaCertificateHash(sha1: Uint8Array): Uint8Array {
  if (sha1.length !== PREVIOUS_HASH_OCTETS) {
    throw new AppError('invalid_argument', 'The hash of a CA certificate is a SHA-1.', { octets: sha1.length })
  }
  return encodeOctetString(sha1)
}

function isInRange(index: number, limit: number): boolean {
  return Number.isInteger(index) && index >= 0 && index <= limit
}

/**
 * Reads the value of an S/MIME capabilities extension; the capabilities themselves are not judged.
 *
 * ```asn1
 * SMIMECapabilities ::= SEQUENCE OF SMIMECapability
 * SMIMECapability   ::= SEQUENCE { capabilityID OBJECT IDENTIFIER, parameters ANY OPTIONAL }
 * ```
 * RFC 8551, 2.5.2; RFC 4262, 2.
 */
export function decodeSmimeCapabilities(value: Uint8Array): AlgorithmIdentifier[] {
  return decodeExtensionValue(value, 'SMIMECapabilities', reader =>
    reader.sequence('SMIMECapabilities').each(list => decodeAlgorithmIdentifier(list, 'SMIMECapability'))
  )
}

/** The value of an S/MIME capabilities extension from whole capability elements, the preferred first. */
export function encodeSmimeCapabilities(capabilities: readonly Pick<AlgorithmIdentifier, 'raw'>[]): Uint8Array {
  return encodeSequence(...capabilities.map(capability => capability.raw))
}

/**
 * The user principal name that an alternative name is (otherName 1.3.6.1.4.1.311.20.2.3 with a string); undefined when
 * it is another. Throws a `der_…` code.
 */
export function findUserPrincipalName(name: GeneralName): string | undefined {
  if (name.kind !== 'otherName' || name.oid !== OID.szOID_NT_PRINCIPAL_NAME) return undefined
  const reader = DerReader.over(name.value)
  if (!isStringTag(reader.nextTag)) return undefined
  return reader.string('user principal name')
}
