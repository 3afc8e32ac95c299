import { hash } from 'node:crypto'
import { AppError, equalBytes, isAppError } from '@app/core'
import {
  decodeSignedData,
  findSignerCertificate,
  isIdentifiedBy,
  verifySignerInfo,
  type SignedData,
  type SignerIdentifier
} from '@app/cms'
import { DerReader } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeCertificate,
  decodeExtendedKeyUsage,
  findExtension,
  verifyCertificateSignature,
  type Attribute,
  type Certificate,
  type DigestName
} from '@app/x509'
import { decodeKeyHash, type KeyHash } from './archived-key.js'
import { CMC_STATUS } from './cmc-status.js'
import { controlsOf, findOctets } from './control.js'
import { decodePkiResponse, type PkiResponse } from './pki-response.js'
import type { StatusInfo } from './status-info.js'

/** A full PKI response as received; nothing in it has been verified. */
export interface FullResponse {
  readonly raw: Uint8Array
  readonly signedData: SignedData
  /** The PKIResponse element: the content that is signed. */
  readonly content: Uint8Array
  readonly body: PkiResponse
  /** In the order received; none means success (RFC 10002 (RFC 5272), 6.1.2). */
  readonly statusInfos: readonly StatusInfo[]
  /** Every certificate in the message, in the order received. */
  readonly certificates: readonly Certificate[]
  /** SHA-1 of the issued certificate, as a Microsoft CA states it. */
  readonly issuedCertificateHash?: Uint8Array
  /** The hash of the archived key that the CA says it has. */
  readonly encryptedKeyHash?: KeyHash
  /** The content octets of the INTEGER. */
  readonly transactionId?: Uint8Array
  readonly senderNonce?: Uint8Array
  readonly recipientNonce?: Uint8Array
  readonly dataReturn?: Uint8Array
}

/**
 * Reads a full response. Throws `response_content_type` when the message is a SignedData with other content,
 * `cms_content_missing` when the content is detached, and what the decoders of the parts throw.
 */
export function decodeFullResponse(bytes: Uint8Array): FullResponse {
  const signedData = decodeSignedData(bytes)
  const { eContentType, eContent: content } = signedData
  if (eContentType !== OID.id_cct_PKIResponse) {
    throw new AppError('response_content_type', `The message holds ${eContentType}, not a PKIResponse.`, {
      found: eContentType
    })
  }
  if (content === undefined) throw new AppError('cms_content_missing', 'The full response is without its content.')
  const body = decodePkiResponse(content)
  const { controls } = body
  return {
    raw: bytes,
    signedData,
    content,
    body,
    statusInfos: controlsOf(controls, 'statusInfo').map(({ statusInfo }) => statusInfo),
    certificates: signedData.certificates.map(decodeCertificate),
    ...hashesIn(controlsOf(controls, 'addAttributes').flatMap(({ attributes }) => attributes)),
    ...present('transactionId', controlsOf(controls, 'transactionId')[0]?.content),
    ...present('senderNonce', findOctets(controls, 'senderNonce')),
    ...present('recipientNonce', findOctets(controls, 'recipientNonce')),
    ...present('dataReturn', findOctets(controls, 'dataReturn'))
  }
}

function present<Name extends string, Value>(name: Name, value: Value | undefined): { [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [Key in Name]: Value })
}

function hashesIn(attributes: readonly Attribute[]): Pick<FullResponse, 'issuedCertificateHash' | 'encryptedKeyHash'> {
  const certificate = findOnly(attributes, OID.szOID_ISSUED_CERT_HASH)
  const key = findOnly(attributes, OID.szOID_ENCRYPTED_KEY_HASH)
  return {
    ...present('issuedCertificateHash', certificate === undefined ? undefined : readOctets(certificate)),
    ...present('encryptedKeyHash', key === undefined ? undefined : decodeKeyHash(key))
  }
}

function findOnly(attributes: readonly Attribute[], oid: string): Attribute | undefined {
  const found = attributes.filter(attribute => attribute.oid === oid)
  if (found.length > 1) throw new AppError('cms_attribute_repeated', `The response has the attribute ${oid} twice.`)
  return found[0]
}

function readOctets({ oid, values }: Attribute): Uint8Array {
  const [value] = values
  if (value === undefined || values.length > 1) {
    throw new AppError('cms_attribute_values', `The attribute ${oid} of the response must have one value.`)
  }
  const reader = DerReader.over(value)
  const octets = reader.octetString(`attribute ${oid}`)
  reader.end(`attribute ${oid}`)
  return octets
}

/** Who may have signed a response. */
export interface ResponseTrust {
  /** The CA certificate that is expected, found trustworthy before. */
  readonly caCertificate: Certificate
  /** SHA-1 is refused unless this is true. */
  readonly allowSha1?: boolean
  /**
   * When given, the signer may also be a certificate in the message that the CA issued for CMC responders (id-kp-cmcCA)
   * and that is valid at this moment. The caller checks its revocation.
   */
  readonly responderAt?: Date
}

/**
 * Verifies that the CA signed the response: one signer, named as the CA certificate is, whose signature verifies with
 * its key. The chain of that certificate is for the caller. Returns the signer's certificate. Throws
 * `response_signature` for every failure; its cause tells which.
 */
export function verifyFullResponse(
  response: Pick<FullResponse, 'signedData'>,
  trust: ResponseTrust
): { readonly signer: Certificate; readonly digest: DigestName } {
  const [signerInfo, ...others] = response.signedData.signerInfos
  if (signerInfo === undefined || others.length > 0) {
    throw new AppError('response_signature', 'The response does not have exactly one signer.', {
      signers: response.signedData.signerInfos.length
    })
  }
  const { caCertificate, allowSha1 = false, responderAt } = trust
  try {
    const signer = isSignedBy(caCertificate, signerInfo.sid)
      ? caCertificate
      : findResponder(findSignerCertificate(response.signedData, signerInfo.sid), caCertificate, responderAt)
    const { digest } = verifySignerInfo(response.signedData, signerInfo, signer.publicKey, { allowSha1 })
    return { signer, digest }
  } catch (cause) {
    if (!isAppError(cause)) throw cause
    throw new AppError(
      'response_signature',
      `The response is not signed by the CA "${caCertificate.serialHex}": ${cause.message}`,
      { cause: cause.code },
      { cause }
    )
  }
}

function isSignedBy({ issuer, serialNumber }: Certificate, sid: SignerIdentifier): boolean {
  return isIdentifiedBy({ issuer: issuer.raw, serialNumber }, sid)
}

function findResponder(signer: Certificate, ca: Certificate, at: Date | undefined): Certificate {
  const usage = findExtension(signer, OID.id_ce_extKeyUsage)
  const isResponder = usage !== undefined && decodeExtendedKeyUsage(usage.value).includes(OID.id_kp_cmcCA)
  if (at === undefined || !isResponder || !equalBytes(signer.issuer.raw, ca.subject.raw)) {
    throw new AppError('cms_signer_not_found', 'The signer is neither the CA nor a responder that may answer for it.', {
      serialNumber: signer.serialHex
    })
  }
  verifyCertificateSignature(signer, ca.publicKey)
  if (at < signer.notBefore || at > signer.notAfter) {
    throw new AppError('chain_invalid', 'The responder certificate is outside its validity.', {
      serialNumber: signer.serialHex
    })
  }
  return signer
}

/** Whether the response reports success and nothing else. */
export function isSuccess(response: FullResponse): boolean {
  return response.statusInfos.every(({ status }) => status === CMC_STATUS.success)
}

/**
 * The issued certificate: the one whose SHA-1 the response states or, where it states none, the only one that issued no
 * other and did not sign the response; undefined when there is none or the status is not success.
 */
export function findIssuedCertificate(response: FullResponse): Certificate | undefined {
  const { certificates, issuedCertificateHash } = response
  if (!isSuccess(response)) return undefined
  if (issuedCertificateHash !== undefined) {
    return certificates.find(({ raw }) => equalBytes(hash('sha1', raw, 'buffer'), issuedCertificateHash))
  }
  const leaves = certificates.filter(
    candidate =>
      !certificates.some(({ issuer }) => equalBytes(issuer.raw, candidate.subject.raw)) &&
      !response.signedData.signerInfos.some(({ sid }) => isSignedBy(candidate, sid))
  )
  return leaves.length === 1 ? leaves[0] : undefined
}

/** The issued certificate followed by its issuers as far as the response has them, the nearest first. */
export function findIssuedChain(response: FullResponse): readonly Certificate[] {
  const chain: Certificate[] = []
  for (let next = findIssuedCertificate(response); next !== undefined;) {
    chain.push(next)
    const { issuer } = next
    next = response.certificates.find(
      candidate => equalBytes(candidate.subject.raw, issuer.raw) && !chain.includes(candidate)
    )
  }
  return chain
}
