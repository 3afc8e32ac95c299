import { AppError } from '@app/core'
import { contextTag, DerReader, encodeContext, encodeOctetString, encodeSequence, type DerLimits } from '@app/der'
import { OID } from '@app/oid'
import { decodeAlgorithmIdentifier } from './algorithm.js'
import { decodeSignatureBits } from './certificate.js'
import { decodeExtensions, decodeExtensionValue, encodeExtensions, type Extension } from './extension.js'
import { decodeGeneralName } from './general-name.js'
import { decodeOcspCertId, type OcspCertId } from './ocsp-cert-id.js'

/** A request for the status of certificates as received. */
export interface OcspRequest {
  /** At least one. */
  readonly certIds: readonly OcspCertId[]
  /** 1 to 128 octets (RFC 9654, 2.1). */
  readonly nonce?: Uint8Array
}

/** The most that a request may have. Requests of real clients have one CertID and about a hundred bytes. */
export const OCSP_LIMITS: DerLimits = { maxDepth: 12, maxBytes: 8 * 1024, maxElements: 1000 }

/** More certificates than this in one request are refused: each costs a look into the database. */
const MAX_CERT_IDS = 32

const MAX_NONCE_OCTETS = 128

/**
 * Reads a request strictly. A signature is read and not verified: the status of a certificate is for everybody. Throws
 * `x509_structure` for no or more than 32 CertIDs, a nonce of another length than 1 to 128, an unknown critical
 * extension; a `der_…` code for broken syntax.
 *
 * ```asn1
 * OCSPRequest ::= SEQUENCE {
 *   tbsRequest         TBSRequest,
 *   optionalSignature  [0] EXPLICIT Signature OPTIONAL }
 * TBSRequest ::= SEQUENCE {
 *   version            [0] EXPLICIT INTEGER { v1(0) } DEFAULT v1,
 *   requestorName      [1] EXPLICIT GeneralName OPTIONAL,
 *   requestList        SEQUENCE OF Request,
 *   requestExtensions  [2] EXPLICIT Extensions OPTIONAL }
 * Signature ::= SEQUENCE {
 *   signatureAlgorithm  AlgorithmIdentifier,
 *   signature           BIT STRING,
 *   certs               [0] EXPLICIT SEQUENCE OF Certificate OPTIONAL }
 * Request ::= SEQUENCE {
 *   reqCert                  CertID,
 *   singleRequestExtensions  [0] EXPLICIT Extensions OPTIONAL }
 * ```
 * RFC 6960, 4.1.1.
 */
export function decodeOcspRequest(bytes: Uint8Array): OcspRequest {
  const reader = DerReader.over(bytes, OCSP_LIMITS)
  const outer = reader.sequence('OCSPRequest')
  const body = outer.sequence('TBSRequest')
  if (body.nextTag === contextTag(0)) {
    // v1 is the default and so is never written in DER; there is no other version.
    throw new AppError('x509_structure', 'The OCSP request states a version, which is v1 or unknown.')
  }
  const name = body.optionalExplicit(1, 'requestorName')
  if (name !== undefined) {
    decodeGeneralName(name, 'requestorName')
    name.end('requestorName')
  }
  const certIds = body.sequence('requestList').each(decodeSingleRequest)
  if (certIds.length === 0 || certIds.length > MAX_CERT_IDS) {
    throw new AppError('x509_structure', `The OCSP request has ${certIds.length} CertIDs; 1 to ${MAX_CERT_IDS} may be.`)
  }
  const extensions = decodeOptionalExtensions(body, 2, 'requestExtensions')
  body.end('TBSRequest')
  decodeOptionalSignature(outer)
  outer.end('OCSPRequest')
  reader.end('OCSPRequest')
  refuseUnknownCritical(extensions, [OID.id_pkix_ocsp_nonce])
  const nonce = extensions.find(({ oid }) => oid === OID.id_pkix_ocsp_nonce)
  return nonce === undefined ? { certIds } : { certIds, nonce: decodeOcspNonce(nonce.value) }
}

function decodeSingleRequest(list: DerReader): OcspCertId {
  const body = list.sequence('Request')
  const certId = decodeOcspCertId(body)
  const extensions = decodeOptionalExtensions(body, 0, 'singleRequestExtensions')
  body.end('Request')
  refuseUnknownCritical(extensions, [])
  return certId
}

/** The Extensions under an EXPLICIT tag, none when it does not come next. */
export function decodeOptionalExtensions(body: DerReader, tag: number, what: string): readonly Extension[] {
  const field = body.optionalExplicit(tag, what)
  if (field === undefined) return []
  const extensions = decodeExtensions(field, what)
  field.end(what)
  return extensions
}

function refuseUnknownCritical(extensions: readonly Extension[], known: readonly string[]): void {
  const unknown = extensions.find(({ oid, critical }) => critical && !known.includes(oid))
  if (unknown === undefined) return
  throw new AppError('x509_structure', `The OCSP request has an unknown critical extension ${unknown.oid}.`, {
    oid: unknown.oid
  })
}

function decodeOptionalSignature(outer: DerReader): void {
  const field = outer.optionalExplicit(0, 'optionalSignature')
  if (field === undefined) return
  const body = field.sequence('Signature')
  decodeAlgorithmIdentifier(body, 'signature algorithm')
  decodeSignatureBits(body, 'signature of the OCSP request')
  const certificates = body.optionalExplicit(0, 'certs')
  certificates?.sequence('certs').each(list => list.sequence('certificate'))
  certificates?.end('certs')
  body.end('Signature')
  field.end('optionalSignature')
}

/** Reads the value of a nonce extension: an OCTET STRING of 1 to 128 octets (RFC 9654, 2.1). Throws `x509_structure`. */
export function decodeOcspNonce(value: Uint8Array): Uint8Array {
  const nonce = decodeExtensionValue(value, 'nonce', reader => reader.octetString('nonce'))
  if (nonce.length === 0 || nonce.length > MAX_NONCE_OCTETS) {
    throw new AppError('x509_structure', `The nonce has ${nonce.length} octets; 1 to ${MAX_NONCE_OCTETS} may be.`)
  }
  return nonce
}

/** The nonce extension of a request or response. */
export function ocspNonceExtension(nonce: Uint8Array): Extension {
  return { oid: OID.id_pkix_ocsp_nonce, critical: false, value: encodeOctetString(nonce) }
}

/** A request without a signature for the status of these CertIDs, whole elements. */
export function encodeOcspRequest(certIds: readonly Uint8Array[], nonce?: Uint8Array): Uint8Array {
  const list = encodeSequence(...certIds.map(certId => encodeSequence(certId)))
  const extensions = nonce === undefined ? [] : [encodeContext(2, encodeExtensions([ocspNonceExtension(nonce)]))]
  return encodeSequence(encodeSequence(list, ...extensions))
}
