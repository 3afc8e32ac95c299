import { AppError } from '@app/core'
import {
  contextTag,
  DerReader,
  encodeBitString,
  encodeContext,
  encodeInteger,
  encodeOid,
  encodeSequence,
  encodeTlv,
  primitiveContextTag,
  TAG
} from '@app/der'
import {
  decodeAlgorithmIdentifier,
  decodeExtensions,
  decodeName,
  decodePublicKey,
  encodeExtension,
  encodeSignatureAlgorithm,
  verifySignature,
  type AlgorithmIdentifier,
  type DigestName,
  type Extension,
  type Name,
  type PublicKeyInfo,
  type SignatureScheme
} from '@app/x509'
import { decodeBodyPartId } from './body-part.js'

/** What a CRMF request wants in the certificate; the fields a server need not heed are not kept. */
export interface CertTemplate {
  readonly subject: Name
  readonly publicKey: PublicKeyInfo
  readonly extensions: readonly Extension[]
}

/** A control of a CRMF request. */
export interface CrmfControl {
  readonly type: string
  /** The value's element. */
  readonly value: Uint8Array
}

/** How a CRMF request proves that its sender has the private key. */
export type CrmfProof =
  | { readonly kind: 'signature'; readonly algorithm: AlgorithmIdentifier; readonly signature: Uint8Array }
  /** Given, but in a way that is not processed. */
  | { readonly kind: 'raVerified' | 'poposkInput' | 'keyEncipherment' | 'keyAgreement' }
  | { readonly kind: 'none' }

/** One CRMF certification request as received. */
export interface CertReqMsg {
  readonly certReqId: number
  /** The CertRequest element: what the proof of possession signs. */
  readonly certRequest: Uint8Array
  readonly template: CertTemplate
  readonly controls: readonly CrmfControl[]
  readonly proof: CrmfProof
}

/**
 * Reads the inside of a CertReqMsg. Throws `cmc_structure` for what CMC forbids in it, `cmc_body_part_id`, what the
 * decoders of names and keys throw, or a `der_…` code.
 *
 * ```asn1
 * CertReqMsg ::= SEQUENCE {
 *   certReq  CertRequest,
 *   popo     ProofOfPossession OPTIONAL,
 *   regInfo  SEQUENCE SIZE (1..MAX) OF AttributeTypeAndValue OPTIONAL }
 * CertRequest ::= SEQUENCE {
 *   certReqId     INTEGER,
 *   certTemplate  CertTemplate,
 *   controls      Controls OPTIONAL }
 * Controls ::= SEQUENCE SIZE (1..MAX) OF AttributeTypeAndValue
 * ```
 * RFC 4211, 3, 5 and 6. regInfo must not be used (RFC 10002 (RFC 5272), 3.2.1.2.2).
 */
export function decodeCertReqMsg(body: DerReader): CertReqMsg {
  const request = body.sequence('CertRequest')
  const certRequest = request.raw
  const certReqId = decodeBodyPartId(request, 'certReqId')
  const template = decodeCertTemplate(request.sequence('CertTemplate'))
  const controls = request.isEnd ? [] : request.sequence('CRMF controls').each(decodeCrmfControl)
  request.end('CertRequest')
  const proof = decodeProof(body)
  if (body.nextTag === TAG.sequence) {
    throw new AppError('cmc_structure', 'The CRMF request has regInfo, which CMC forbids; use the CMC control.')
  }
  body.end('CertReqMsg')
  return { certReqId, certRequest, template, controls, proof }
}

function decodeCrmfControl(reader: DerReader): CrmfControl {
  const body = reader.sequence('CRMF control')
  const type = body.oid('type of a CRMF control')
  const value = body.any(`value of CRMF control ${type}`).raw
  body.end(`CRMF control ${type}`)
  return { type, value }
}

/**
 * ```asn1
 * CertTemplate ::= SEQUENCE {
 *   version       [0] Version               OPTIONAL,
 *   serialNumber  [1] INTEGER               OPTIONAL,
 *   signingAlg    [2] AlgorithmIdentifier   OPTIONAL,
 *   issuer        [3] Name                  OPTIONAL,
 *   validity      [4] OptionalValidity      OPTIONAL,
 *   subject       [5] Name                  OPTIONAL,
 *   publicKey     [6] SubjectPublicKeyInfo  OPTIONAL,
 *   issuerUID     [7] UniqueIdentifier      OPTIONAL,
 *   subjectUID    [8] UniqueIdentifier      OPTIONAL,
 *   extensions    [9] Extensions            OPTIONAL }
 * ```
 * RFC 4211, 5. The tags are implicit but for the Names. serialNumber, signingAlg and the unique identifiers must be
 * omitted; issuer and validity are wishes that the template of this CA decides instead. Subject and publicKey must be
 * there (RFC 10002 (RFC 5272), 3.2.1.2.2).
 */
function decodeCertTemplate(body: DerReader): CertTemplate {
  const version = body.optional(primitiveContextTag(0), 'version of CertTemplate')
  if (version !== undefined && (version.content.length !== 1 || version.content[0] !== 2)) {
    throw new AppError('cmc_structure', 'The CertTemplate asks for another version than v3.')
  }
  const issuer = body.optionalExplicit(3, 'issuer of CertTemplate')
  if (issuer !== undefined) {
    decodeName(issuer, 'issuer of CertTemplate')
    issuer.end('issuer of CertTemplate')
  }
  body.optional(contextTag(4), 'validity of CertTemplate')
  const subject = body.optionalExplicit(5, 'subject of CertTemplate')
  const publicKey = body.optional(contextTag(6), 'publicKey of CertTemplate')
  if (subject === undefined || publicKey === undefined) {
    throw new AppError('cmc_structure', 'The CertTemplate lacks its subject or its public key.', {
      subject: subject !== undefined,
      publicKey: publicKey !== undefined
    })
  }
  const name = decodeName(subject, 'subject of CertTemplate')
  subject.end('subject of CertTemplate')
  const extensions = body.optional(contextTag(9), 'extensions of CertTemplate')
  body.end('CertTemplate, whose serialNumber, signingAlg and unique identifiers must be omitted')
  return {
    subject: name,
    publicKey: decodePublicKey(encodeTlv(TAG.sequence, publicKey.content)),
    extensions:
      extensions === undefined ? [] : decodeExtensions(DerReader.over(encodeTlv(TAG.sequence, extensions.content)))
  }
}

/**
 * ```asn1
 * ProofOfPossession ::= CHOICE {
 *   raVerified       [0] NULL,
 *   signature        [1] POPOSigningKey,
 *   keyEncipherment  [2] POPOPrivKey,
 *   keyAgreement     [3] POPOPrivKey }
 * POPOSigningKey ::= SEQUENCE {
 *   poposkInput          [0] POPOSigningKeyInput OPTIONAL,
 *   algorithmIdentifier  AlgorithmIdentifier,
 *   signature            BIT STRING }
 * ```
 * RFC 4211, 4 and 4.1.
 */
function decodeProof(body: DerReader): CrmfProof {
  if (body.optional(primitiveContextTag(0), 'raVerified') !== undefined) return { kind: 'raVerified' }
  if (body.optional(contextTag(2), 'keyEncipherment') !== undefined) return { kind: 'keyEncipherment' }
  if (body.optional(contextTag(3), 'keyAgreement') !== undefined) return { kind: 'keyAgreement' }
  if (body.nextTag !== contextTag(1)) return { kind: 'none' }
  const key = body.enter(contextTag(1), 'POPOSigningKey')
  const input = key.optional(contextTag(0), 'poposkInput')
  const algorithm = decodeAlgorithmIdentifier(key, 'algorithm of the proof of possession')
  const { unusedBits, bytes: signature } = key.bitString('signature of the proof of possession')
  key.end('POPOSigningKey')
  if (unusedBits !== 0) throw new AppError('cmc_structure', 'The proof of possession is not whole octets.')
  return input === undefined ? { kind: 'signature', algorithm, signature } : { kind: 'poposkInput' }
}

const UNPROCESSED_PROOFS = {
  raVerified: 'no registration authority vouches for requests here; sign the CertRequest',
  poposkInput: 'subject and key are in the CertTemplate, so poposkInput must not be used; sign the CertRequest',
  keyEncipherment: 'proofs for encryption keys are not processed; sign the CertRequest',
  keyAgreement: 'proofs for agreement keys are not processed; sign the CertRequest'
} as const

/**
 * Verifies that the request is signed with the key it asks for (RFC 4211, 4.1). Throws `proof_of_possession_missing`
 * without a proof or when only an RA is said to have seen one, `form_not_supported` for the other kinds of proof,
 * `proof_of_possession_invalid` when the signature is wrong, `cms_algorithm_not_allowed` for an algorithm that is not
 * accepted, which includes SHA-1 unless `allowSha1`.
 */
export function verifyCrmfProof(
  message: CertReqMsg,
  options: { readonly allowSha1?: boolean } = {}
): { readonly digest: DigestName } {
  const { proof } = message
  if (proof.kind === 'none') {
    throw new AppError('proof_of_possession_missing', 'The CRMF request has no proof of possession; sign it.')
  }
  if (proof.kind !== 'signature') {
    const code = proof.kind === 'raVerified' ? 'proof_of_possession_missing' : 'form_not_supported'
    throw new AppError(code, `The CRMF proof of possession is not accepted: ${UNPROCESSED_PROOFS[proof.kind]}.`, {
      proof: proof.kind
    })
  }
  const { digest, valid } = verifySignature({
    publicKey: message.template.publicKey,
    signatureAlgorithm: proof.algorithm,
    data: message.certRequest,
    signature: proof.signature,
    ...options
  })
  if (!valid) {
    throw new AppError('proof_of_possession_invalid', 'The CRMF request is not signed with the key it asks for.', {
      algorithm: proof.algorithm.oid
    })
  }
  return { digest }
}

/** What a CRMF request to encode holds; `subject` and `publicKey` are whole elements. */
export interface CertRequestParts {
  readonly certReqId: number
  readonly subject: Uint8Array
  readonly publicKey: Uint8Array
  readonly extensions: readonly Extension[]
  readonly controls: readonly CrmfControl[]
}

/** A CertRequest. */
export function encodeCertRequest(parts: CertRequestParts): Uint8Array {
  const spki = DerReader.over(parts.publicKey).any('public key').content
  const template = encodeSequence(
    encodeContext(5, parts.subject),
    encodeContext(6, spki),
    ...(parts.extensions.length === 0 ? [] : [encodeContext(9, ...parts.extensions.map(encodeExtension))])
  )
  const controls = parts.controls.map(({ type, value }) => encodeSequence(encodeOid(type), value))
  return encodeSequence(
    encodeInteger(parts.certReqId),
    template,
    ...(controls.length === 0 ? [] : [encodeSequence(...controls)])
  )
}

/** The proof of possession that a signature over a CertRequest is. */
export function encodeSignatureProof(scheme: SignatureScheme, signature: Uint8Array): Uint8Array {
  return encodeContext(1, encodeSignatureAlgorithm(scheme), encodeBitString(signature))
}
