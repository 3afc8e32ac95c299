import { AppError } from '@app/core'
import {
  contextTag,
  decodeSmallInteger,
  decodeTime,
  DerReader,
  encodeBitString,
  encodeContext,
  encodeGeneralizedTime,
  encodeOctetString,
  encodeOid,
  encodePrimitiveContext,
  encodeSequence,
  encodeTlv,
  primitiveContextTag,
  TAG
} from '@app/der'
import { OID } from '@app/oid'
import { decodeAlgorithmIdentifier, type AlgorithmIdentifier } from './algorithm.js'
import { decodeSignatureBits } from './certificate.js'
import { encodeExtensions } from './extension.js'
import { decodeCrlReason, encodeCrlReason, type CrlReason } from './identifier-extension.js'
import { decodeName } from './name.js'
import { decodeOcspCertId, type OcspCertId } from './ocsp-cert-id.js'
import { decodeOcspNonce, decodeOptionalExtensions, ocspNonceExtension } from './ocsp-request.js'
import { encodeSignatureAlgorithm, type SignatureScheme } from './signature.js'

/** How a request went (RFC 6960, 4.2.1), by number. */
export const OCSP_STATUSES = {
  successful: 0,
  malformedRequest: 1,
  internalError: 2,
  tryLater: 3,
  sigRequired: 5,
  unauthorized: 6
} as const

/** A name of {@link OCSP_STATUSES}. */
export type OcspStatus = keyof typeof OCSP_STATUSES

/** The status of one certificate. */
export type OcspCertStatus =
  | { readonly kind: 'good' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'revoked'; readonly revokedAt: Date; readonly reason?: CrlReason }

/** What a response is to say of one certificate. */
export interface NewSingleResponse {
  /** The CertID element of the request. */
  readonly certId: Uint8Array
  readonly status: OcspCertStatus
  readonly thisUpdate: Date
  readonly nextUpdate: Date
}

/** Who answers: by the Name element, or by the SHA-1 of the content of the key's BIT STRING. */
export type OcspResponder = { readonly name: Uint8Array } | { readonly keyId: Uint8Array }

/** What a response is to say. */
export interface OcspResponseData {
  readonly responder: OcspResponder
  readonly producedAt: Date
  readonly responses: readonly NewSingleResponse[]
  /** That of the request. */
  readonly nonce?: Uint8Array
}

/** An answer that states why there is none: never signed (RFC 6960, 2.3). The result is shared, do not write to it. */
export function encodeOcspError(status: Exclude<OcspStatus, 'successful'>): Uint8Array {
  return errors[status]
}

const errors = Object.fromEntries(
  Object.entries(OCSP_STATUSES).map(([name, number]) => [name, encodeSequence(encodeStatus(number))])
) as Record<OcspStatus, Uint8Array>

function encodeStatus(number: number): Uint8Array {
  return encodeTlv(TAG.enumerated, Uint8Array.of(number))
}

/** The ResponseData: the bytes to sign. `unspecified` as the reason is left out (RFC 5280, 5.3.1). */
export function encodeOcspResponseData(data: OcspResponseData): Uint8Array {
  const { responder, producedAt, responses, nonce } = data
  const extensions = nonce === undefined ? [] : [encodeContext(1, encodeExtensions([ocspNonceExtension(nonce)]))]
  return encodeSequence(
    'name' in responder ? encodeContext(1, responder.name) : encodeContext(2, encodeOctetString(responder.keyId)),
    encodeGeneralizedTime(producedAt),
    encodeSequence(...responses.map(encodeSingleResponse)),
    ...extensions
  )
}

function encodeSingleResponse(response: NewSingleResponse): Uint8Array {
  return encodeSequence(
    response.certId,
    encodeCertStatus(response.status),
    encodeGeneralizedTime(response.thisUpdate),
    encodeContext(0, encodeGeneralizedTime(response.nextUpdate))
  )
}

const good = encodePrimitiveContext(0, new Uint8Array())
const unknown = encodePrimitiveContext(2, new Uint8Array())

function encodeCertStatus(status: OcspCertStatus): Uint8Array {
  switch (status.kind) {
    case 'good':
      return good
    case 'unknown':
      return unknown
    case 'revoked': {
      const { revokedAt, reason } = status
      const isStated = reason !== undefined && reason !== 'unspecified'
      const stated = isStated ? [encodeContext(0, encodeCrlReason(reason))] : []
      return encodeContext(1, encodeGeneralizedTime(revokedAt), ...stated)
    }
  }
}

/** A whole response from its signed part, with the certificates that verify the signature. */
export function encodeOcspResponse(
  responseData: Uint8Array,
  scheme: SignatureScheme,
  signature: Uint8Array,
  certificates: readonly Uint8Array[]
): Uint8Array {
  const basic = encodeSequence(
    responseData,
    encodeSignatureAlgorithm(scheme),
    encodeBitString(signature),
    ...(certificates.length === 0 ? [] : [encodeContext(0, encodeSequence(...certificates))])
  )
  const bytes = encodeSequence(encodeOid(OID.id_pkix_ocsp_basic), encodeOctetString(basic))
  return encodeSequence(encodeStatus(OCSP_STATUSES.successful), encodeContext(0, bytes))
}

/** What a response says of one certificate, as received. */
export interface OcspSingleResponse {
  readonly certId: OcspCertId
  readonly status: OcspCertStatus
  readonly thisUpdate: Date
  readonly nextUpdate?: Date
}

/** A signed response as received. */
export interface OcspBasicResponse {
  /** The ResponseData element: the bytes that are signed. */
  readonly responseData: Uint8Array
  readonly responder: OcspResponder
  readonly producedAt: Date
  readonly responses: readonly OcspSingleResponse[]
  readonly nonce?: Uint8Array
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
  /** DER */
  readonly certificates: readonly Uint8Array[]
}

/** A response as received: signed, or why there is none. */
export type OcspResponse =
  | { readonly status: 'successful'; readonly basic: OcspBasicResponse }
  | { readonly status: Exclude<OcspStatus, 'successful'> }

/**
 * Reads a response strictly; verifies no signature and judges no time. Throws `x509_structure` for what breaks RFC 6960,
 * a `der_…` code for broken syntax.
 *
 * ```asn1
 * OCSPResponse ::= SEQUENCE {
 *   responseStatus  ENUMERATED,
 *   responseBytes   [0] EXPLICIT SEQUENCE { responseType OBJECT IDENTIFIER, response OCTET STRING } OPTIONAL }
 * BasicOCSPResponse ::= SEQUENCE {
 *   tbsResponseData     ResponseData,
 *   signatureAlgorithm  AlgorithmIdentifier,
 *   signature           BIT STRING,
 *   certs               [0] EXPLICIT SEQUENCE OF Certificate OPTIONAL }
 * ResponseData ::= SEQUENCE {
 *   version             [0] EXPLICIT INTEGER { v1(0) } DEFAULT v1,
 *   responderID         CHOICE { byName [1] EXPLICIT Name, byKey [2] EXPLICIT OCTET STRING },
 *   producedAt          GeneralizedTime,
 *   responses           SEQUENCE OF SingleResponse,
 *   responseExtensions  [1] EXPLICIT Extensions OPTIONAL }
 * SingleResponse ::= SEQUENCE {
 *   certID            CertID,
 *   certStatus        CHOICE { good [0] IMPLICIT NULL, revoked [1] IMPLICIT RevokedInfo, unknown [2] IMPLICIT NULL },
 *   thisUpdate        GeneralizedTime,
 *   nextUpdate        [0] EXPLICIT GeneralizedTime OPTIONAL,
 *   singleExtensions  [1] EXPLICIT Extensions OPTIONAL }
 * RevokedInfo ::= SEQUENCE {
 *   revocationTime    GeneralizedTime,
 *   revocationReason  [0] EXPLICIT CRLReason OPTIONAL }
 * ```
 * RFC 6960, 4.2.1.
 */
export function decodeOcspResponse(bytes: Uint8Array): OcspResponse {
  const reader = DerReader.over(bytes)
  const outer = reader.sequence('OCSPResponse')
  const number = decodeSmallInteger(outer.element(TAG.enumerated, 'responseStatus').content, 'responseStatus')
  const name = Object.entries(OCSP_STATUSES).find(([, value]) => value === number)?.[0] as OcspStatus | undefined
  const field = outer.optionalExplicit(0, 'responseBytes')
  if (name === undefined || (name === 'successful') !== (field !== undefined)) {
    throw new AppError(
      'x509_structure',
      'The OCSP response has an unknown status, or one that its content contradicts.'
    )
  }
  const basic = field === undefined ? undefined : decodeResponseBytes(field)
  outer.end('OCSPResponse')
  reader.end('OCSPResponse')
  return basic === undefined
    ? { status: name as Exclude<OcspStatus, 'successful'> }
    : { status: 'successful', basic: decodeBasicResponse(basic) }
}

function decodeResponseBytes(field: DerReader): Uint8Array {
  const body = field.sequence('ResponseBytes')
  const type = body.oid('responseType')
  const response = body.octetString('response')
  body.end('ResponseBytes')
  field.end('responseBytes')
  if (type === OID.id_pkix_ocsp_basic) return response
  throw new AppError('x509_structure', `The OCSP response is of the unknown type ${type}.`, { type })
}

function decodeBasicResponse(bytes: Uint8Array): OcspBasicResponse {
  const reader = DerReader.over(bytes)
  const outer = reader.sequence('BasicOCSPResponse')
  const body = outer.sequence('ResponseData')
  const responder = decodeResponder(body)
  const producedAt = decodeGeneralizedTime(body, 'producedAt')
  const responses = body.sequence('responses').each(decodeSingleResponse)
  const extensions = decodeOptionalExtensions(body, 1, 'responseExtensions')
  body.end('ResponseData')
  const signatureAlgorithm = decodeAlgorithmIdentifier(outer, 'signature algorithm')
  const signature = decodeSignatureBits(outer, 'signature of the OCSP response')
  const field = outer.optionalExplicit(0, 'certs')
  const certificates = field?.sequence('certs').each(list => list.element(TAG.sequence, 'certificate').raw) ?? []
  field?.end('certs')
  outer.end('BasicOCSPResponse')
  reader.end('BasicOCSPResponse')
  const nonce = extensions.find(({ oid }) => oid === OID.id_pkix_ocsp_nonce)
  const echoed = nonce === undefined ? {} : { nonce: decodeOcspNonce(nonce.value) }
  const signed = { responseData: body.raw, signatureAlgorithm, signature, certificates }
  return { ...signed, responder, producedAt, responses, ...echoed }
}

function decodeResponder(body: DerReader): OcspResponder {
  if (body.nextTag === contextTag(1)) {
    const field = body.explicit(1, 'byName')
    const { raw } = decodeName(field, 'responder')
    field.end('byName')
    return { name: raw }
  }
  const field = body.explicit(2, 'byKey')
  const keyId = field.octetString('byKey')
  field.end('byKey')
  return { keyId }
}

function decodeSingleResponse(list: DerReader): OcspSingleResponse {
  const body = list.sequence('SingleResponse')
  const certId = decodeOcspCertId(body)
  const status = decodeCertStatus(body)
  const thisUpdate = decodeGeneralizedTime(body, 'thisUpdate')
  const field = body.optionalExplicit(0, 'nextUpdate')
  const next = field === undefined ? {} : { nextUpdate: decodeGeneralizedTime(field, 'nextUpdate') }
  field?.end('nextUpdate')
  decodeOptionalExtensions(body, 1, 'singleExtensions')
  body.end('SingleResponse')
  return { certId, status, thisUpdate, ...next }
}

function decodeCertStatus(body: DerReader): OcspCertStatus {
  for (const [number, kind] of [
    [0, 'good'],
    [2, 'unknown']
  ] as const) {
    const element = body.optional(primitiveContextTag(number), kind)
    if (element === undefined) continue
    if (element.content.length > 0) throw new AppError('x509_structure', `The status ${kind} has content.`)
    return { kind }
  }
  const revoked = body.enter(contextTag(1), 'certStatus')
  const revokedAt = decodeGeneralizedTime(revoked, 'revocationTime')
  const field = revoked.optionalExplicit(0, 'revocationReason')
  const reason = field === undefined ? {} : { reason: decodeCrlReason(field.any('revocationReason').raw) }
  field?.end('revocationReason')
  revoked.end('revoked')
  return { kind: 'revoked', revokedAt, ...reason }
}

function decodeGeneralizedTime(reader: DerReader, what: string): Date {
  return decodeTime(TAG.generalizedTime, reader.element(TAG.generalizedTime, what).content, what)
}
