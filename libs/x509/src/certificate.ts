import { AppError, equalBytes, toHex } from '@app/core'
import {
  contextTag,
  DerReader,
  encodeBitString,
  encodeContext,
  encodeInteger,
  encodeSequence,
  encodeTime,
  encodeTlv,
  primitiveContextTag,
  TAG
} from '@app/der'
import { decodeAlgorithmIdentifier, type AlgorithmIdentifier } from './algorithm.js'
import { decodeExtensions, encodeExtensions, type Extension } from './extension.js'
import { decodeName, type Name } from './name.js'
import { decodeSubjectPublicKeyInfo, type PublicKeyInfo } from './public-key.js'
import { encodeSignatureAlgorithm, verifyIssuerSignature, type SignatureScheme } from './signature.js'

/** A certificate as received. */
export interface Certificate {
  readonly raw: Uint8Array
  /** The TBSCertificate element: the bytes that are signed. */
  readonly tbs: Uint8Array
  /** Content octets of the INTEGER: positive, 1 to 20 octets. */
  readonly serialNumber: Uint8Array
  /** The serial number in lower-case hexadecimal, without the sign octet. */
  readonly serialHex: string
  readonly issuer: Name
  readonly subject: Name
  /** First second of the validity. */
  readonly notBefore: Date
  /** Last second of the validity. */
  readonly notAfter: Date
  readonly publicKey: PublicKeyInfo
  /** No identifier occurs twice. */
  readonly extensions: readonly Extension[]
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
}

const MAX_SERIAL_OCTETS = 20

/**
 * Reads a certificate strictly; verifies no signature and judges no validity. Throws `x509_structure` for what breaks
 * RFC 5280: extensions in a version other than v3, a signature algorithm inside that differs from the outer one, a serial
 * number that is not positive or longer than 20 octets, an empty issuer, a repeated extension, a time in the wrong form;
 * a `der_…` code for broken syntax, `public_key_unsupported` for a key that is not supported.
 *
 * ```asn1
 * Certificate ::= SEQUENCE {
 *   tbsCertificate      TBSCertificate,
 *   signatureAlgorithm  AlgorithmIdentifier,
 *   signatureValue      BIT STRING }
 * TBSCertificate ::= SEQUENCE {
 *   version               [0] EXPLICIT INTEGER DEFAULT v1(0),
 *   serialNumber          INTEGER,
 *   signature             AlgorithmIdentifier,
 *   issuer                Name,
 *   validity              SEQUENCE { notBefore Time, notAfter Time },
 *   subject               Name,
 *   subjectPublicKeyInfo  SubjectPublicKeyInfo,
 *   issuerUniqueID        [1] IMPLICIT BIT STRING OPTIONAL,
 *   subjectUniqueID       [2] IMPLICIT BIT STRING OPTIONAL,
 *   extensions            [3] EXPLICIT Extensions OPTIONAL }
 * ```
 * RFC 5280, 4.1.
 */
export function decodeCertificate(bytes: Uint8Array): Certificate {
  const reader = DerReader.over(bytes)
  const outer = reader.sequence('certificate')
  const { raw } = outer
  const body = outer.sequence('TBSCertificate')
  const version = decodeVersion(body)
  const serialNumber = decodeSerialNumber(body, 'certificate serial number')
  const inner = decodeAlgorithmIdentifier(body, 'certificate signature algorithm')
  const issuer = decodeName(body, 'certificate issuer')
  if (issuer.rdns.length === 0) throw new AppError('x509_structure', 'The certificate has an empty issuer.')
  const validity = body.sequence('certificate validity')
  const notBefore = decodeRfc5280Time(validity, 'notBefore')
  const notAfter = decodeRfc5280Time(validity, 'notAfter')
  validity.end('certificate validity')
  const subject = decodeName(body, 'certificate subject')
  const publicKey = decodeSubjectPublicKeyInfo(body, 'certificate public key')
  const extensions = decodeCertificateExtensions(body, version)
  const signatureAlgorithm = decodeAlgorithmIdentifier(outer, 'certificate signature algorithm')
  const signature = decodeSignatureBits(outer, 'certificate signature')
  outer.end('certificate')
  reader.end('certificate')
  if (!equalBytes(inner.raw, signatureAlgorithm.raw)) {
    throw new AppError('x509_structure', 'The certificate names two different signature algorithms.', {
      inside: inner.oid,
      outside: signatureAlgorithm.oid
    })
  }
  const serialHex = serialHexOf(serialNumber)
  const signed = { raw, tbs: body.raw, signatureAlgorithm, signature }
  return { ...signed, serialNumber, serialHex, issuer, subject, notBefore, notAfter, publicKey, extensions }
}

function decodeVersion(body: DerReader): number {
  const field = body.optionalExplicit(0, 'certificate version')
  if (field === undefined) return 1
  const version = field.smallInteger('certificate version') + 1
  field.end('certificate version')
  if (version === 1) throw new AppError('der_value_invalid', 'The certificate writes out the default version v1.')
  if (version > 3) throw new AppError('x509_structure', 'The certificate has an unknown version.', { version })
  return version
}

/** A positive INTEGER of at most 20 octets (RFC 5280, 4.1.2.2), as content octets. Throws `x509_structure`. */
export function decodeSerialNumber(reader: DerReader, what: string): Uint8Array {
  const content = reader.integerContent(what)
  requireSerialNumber(content, what)
  return content
}

/** Throws `x509_structure` unless the content octets are those of a positive, minimal INTEGER of at most 20. */
export function requireSerialNumber(content: Uint8Array, what: string): void {
  const first = content[0] ?? 0x80
  // A leading zero octet is right only before one that would make the number negative.
  const isPositive = first < 0x80 && (first > 0 || (content[1] ?? 0) >= 0x80)
  if (!isPositive || content.length > MAX_SERIAL_OCTETS) {
    throw new AppError('x509_structure', `The ${what} is not a positive number of at most 20 octets.`, {
      octets: content.length
    })
  }
}

/** The INTEGER of a serial number's content octets. Throws `x509_structure` unless it is positive, minimal and in bounds. */
export function encodeSerialNumber(content: Uint8Array): Uint8Array {
  requireSerialNumber(content, 'serial number')
  return encodeTlv(TAG.integer, content)
}

/**
 * A serial number's content octets in lower-case hexadecimal without the sign octet: what logs, URLs and the database
 * name a certificate by. `encodeUnsigned` of these bytes is the INTEGER again.
 */
export function serialHexOf(serialNumber: Uint8Array): string {
  return toHex(serialNumber[0] === 0 ? serialNumber.subarray(1) : serialNumber)
}

/** A Time that is a UTCTime until 2049 and a GeneralizedTime from 2050 on (RFC 5280, 4.1.2.5). */
export function decodeRfc5280Time(reader: DerReader, what: string): Date {
  const tag = reader.nextTag
  const time = reader.time(what)
  if (tag === TAG.generalizedTime && time.getUTCFullYear() < 2050) {
    throw new AppError('x509_structure', `${what} is a GeneralizedTime before 2050.`, { what })
  }
  return time
}

function decodeCertificateExtensions(body: DerReader, version: number): Extension[] {
  for (const number of [1, 2]) {
    const tag = primitiveContextTag(number)
    if (body.nextTag !== tag) continue
    body.bitString('unique identifier', tag)
    if (version === 1) throw new AppError('x509_structure', 'A v1 certificate has a unique identifier.')
  }
  const field = body.optionalExplicit(3, 'certificate extensions')
  const extensions = field === undefined ? [] : decodeExtensions(field, 'certificate extensions')
  field?.end('certificate extensions')
  body.end('TBSCertificate')
  if (field !== undefined && version !== 3) {
    throw new AppError('x509_structure', 'The certificate has extensions and is not of version 3.', { version })
  }
  return extensions
}

/** A BIT STRING of whole octets, as every supported signature is. Throws `x509_structure`. */
export function decodeSignatureBits(reader: DerReader, what: string): Uint8Array {
  const { unusedBits, bytes } = reader.bitString(what)
  if (unusedBits !== 0) throw new AppError('x509_structure', `The ${what} is not whole octets.`, { unusedBits })
  return bytes
}

/** What a certificate is to say; `issuer`, `subject` and `publicKey` are whole elements. */
export interface TbsCertificateParts {
  /** Content octets of the INTEGER: positive, minimal, 1 to 20 octets. */
  readonly serialNumber: Uint8Array
  readonly scheme: SignatureScheme
  readonly issuer: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
  readonly subject: Uint8Array
  readonly publicKey: Uint8Array
  /** At least one; in the order of the certificate. */
  readonly extensions: readonly Extension[]
}

/**
 * The TBSCertificate of a v3 certificate: the bytes to sign. Times lose their fractions of a second. Throws
 * `x509_structure` for a serial number out of bounds and for repeated or no extensions.
 */
export function encodeTbsCertificate(parts: TbsCertificateParts): Uint8Array {
  return encodeSequence(
    encodeContext(0, encodeInteger(2)),
    encodeSerialNumber(parts.serialNumber),
    encodeSignatureAlgorithm(parts.scheme),
    parts.issuer,
    encodeSequence(encodeTime(parts.notBefore), encodeTime(parts.notAfter)),
    parts.subject,
    parts.publicKey,
    encodeTlv(contextTag(3), encodeExtensions(parts.extensions))
  )
}

/** A certificate from its signed part, with the scheme named in it and the signature over it. */
export function encodeCertificate(tbs: Uint8Array, scheme: SignatureScheme, signature: Uint8Array): Uint8Array {
  return encodeSequence(tbs, encodeSignatureAlgorithm(scheme), encodeBitString(signature))
}

/**
 * Checks that a key signed the certificate. Compares no names and no times. Throws `chain_invalid` when it did not, or
 * with an algorithm that is not accepted; SHA-1 is not unless `allowSha1`.
 */
export function verifyCertificateSignature(
  certificate: Certificate,
  issuerPublicKey: PublicKeyInfo,
  options: { readonly allowSha1?: boolean } = {}
): void {
  const { signatureAlgorithm, tbs: data, signature } = certificate
  verifyIssuerSignature({ publicKey: issuerPublicKey, signatureAlgorithm, data, signature, ...options }, 'certificate')
}
