import { AppError, equalBytes } from '@app/core'
import { buildSignedData, identifierOf, type SignerIdentifier } from '@app/cms'
import { DerReader, encodeNull, encodeOctetString, encodeSequence, encodeTlv, encodeUtf8String, TAG } from '@app/der'
import { OID } from '@app/oid'
import {
  buildCertificationRequest,
  decodeCertificate,
  decodePublicKey,
  decodeSubjectKeyIdentifier,
  digestOfScheme,
  encodeAlgorithmIdentifier,
  encodeAttribute,
  encodeExtensions,
  encodeSubjectKeyIdentifier,
  findExtension,
  type Extension,
  type SignatureScheme
} from '@app/x509'
import { encodeAddAttributes } from './add-controls.js'
import { hashEnvelope, type KeyHash } from './archived-key.js'
import { encodeArchiveOptions } from './crmf-archive.js'
import { encodeCertRequest, encodeSignatureProof } from './crmf.js'
import { buildIdentityProofV2, type ProofDigest, type SharedSecret } from './identity-proof.js'
import { encodeTaggedAttribute } from './message-part.js'
import { encodeRequestClientInfo, type RequestClientInfo } from './microsoft-attribute.js'
import { encodeCrmfRequestSequence, encodePkcs10RequestSequence, encodePkiData } from './pki-data.js'
import { encodeRegistrationInfo, type RequestAttributes } from './request-attributes.js'

/** A key that signs a request for itself. */
export interface RequestSigner {
  readonly scheme: SignatureScheme
  /** Signs these bytes by the scheme; ECDSA as DER. Called once for the request and once for the message. */
  readonly sign: (data: Uint8Array) => Promise<Uint8Array>
}

/** Somebody with a certificate who signs a request besides the requested key: for a renewal, the old key. */
export interface RequestCosigner extends RequestSigner {
  /** The certificate element; sent along. */
  readonly certificate: Uint8Array
}

/** A CMC request to build. */
export interface CmcRequestPlan extends RequestSigner {
  /** `microsoft` has a PKCS#10 and the archived key beside it; `standard-crmf` has a CRMF request with the key inside. */
  readonly dialect: 'microsoft' | 'standard-crmf'
  /** A Name element. */
  readonly subject: Uint8Array
  /** A SubjectPublicKeyInfo element. */
  readonly publicKey: Uint8Array
  /** The subject key identifier is added when it is not among them. */
  readonly extensions: readonly Extension[]
  /** Attribute elements for the PKCS#10. CRMF has no place for them. */
  readonly attributes?: readonly Uint8Array[]
  /** Told twice, in the PKCS#10 and beside it, as certreq does. Microsoft dialect only. */
  readonly clientInfo?: RequestClientInfo
  /** The content octets of an INTEGER. */
  readonly transactionId?: Uint8Array
  readonly senderNonce?: Uint8Array
  readonly registrationInfo?: RequestAttributes
  /** A ContentInfo element with the private key in an EnvelopedData. */
  readonly archivedKeyEnvelope?: Uint8Array
  readonly identityProof?: SharedSecret & { readonly digest?: ProofDigest }
  /** The certificate element that the request renews, sent along. Microsoft dialect only. */
  readonly renewedCertificate?: Uint8Array
  /** Those who sign the message besides the requested key: the old key of a renewal, an enrollment agent. */
  readonly cosigners?: readonly RequestCosigner[]
}

/** A CMC request as built. */
export interface CmcRequestBuilt {
  /** The ContentInfo to submit. */
  readonly request: Uint8Array
  /** What the response must tell of the archived key, when there is one. */
  readonly keyHash?: KeyHash
}

const REQUEST_ID = 1

/**
 * A CMC request, signed with the requested key and by whoever else is named (MS-WCCE 3.1.1.4.3.6; RFC 10002 (RFC 5272), 3.2).
 * Throws `invalid_argument` for attributes in a CRMF request, what `encodeArchiveOptions` throws, and what `sign` throws.
 */
export async function buildCmcRequest(plan: CmcRequestPlan): Promise<CmcRequestBuilt> {
  const keyId = keyIdOf(plan)
  const extensions = withKeyId(plan.extensions, keyId)
  const keyHash = keyHashOf(plan)
  const requestSequence =
    plan.dialect === 'microsoft'
      ? await buildPkcs10Sequence(plan, extensions)
      : await buildCrmfSequence(plan, extensions)
  const envelope = plan.dialect === 'microsoft' ? plan.archivedKeyEnvelope : undefined
  const { cosigners = [], renewedCertificate } = plan
  const sent = [
    ...cosigners.map(({ certificate }) => certificate),
    ...(renewedCertificate === undefined ? [] : [renewedCertificate])
  ]
  const certificates = sent.filter((one, index) => sent.findIndex(other => equalBytes(other, one)) === index)
  const request = await buildSignedData({
    eContentType: OID.id_cct_PKIData,
    eContent: encodePkiData({ controls: buildControls(plan, keyHash, requestSequence), requestSequence }),
    certificates,
    signers: [
      {
        sid: { kind: 'keyId', keyId } satisfies SignerIdentifier,
        ...signerOf(plan),
        ...(envelope === undefined
          ? {}
          : { unsignedAttributes: [encodeAttribute(OID.szOID_ARCHIVED_KEY_ATTR, [envelope])] })
      },
      ...cosigners.map(({ certificate, scheme, sign }) => ({
        sid: identifierOf(decodeCertificate(certificate)),
        scheme,
        sign
      }))
    ]
  })
  return { request, ...(keyHash === undefined ? {} : { keyHash }) }
}

/** Windows writes plain rsaEncryption where the standard client names the digest again. */
function signerOf({ dialect, scheme, sign }: CmcRequestPlan): RequestSigner & { signatureAlgorithm?: Uint8Array } {
  if (dialect !== 'microsoft' || !scheme.startsWith('rsa-')) return { scheme, sign }
  return { scheme, sign, signatureAlgorithm: encodeAlgorithmIdentifier(OID.rsaEncryption, encodeNull()) }
}

function keyIdOf({ extensions, publicKey }: CmcRequestPlan): Uint8Array {
  const extension = findExtension({ extensions }, OID.id_ce_subjectKeyIdentifier)
  return extension === undefined ? decodePublicKey(publicKey).keyId : decodeSubjectKeyIdentifier(extension.value)
}

function withKeyId(extensions: readonly Extension[], keyId: Uint8Array): readonly Extension[] {
  const oid = OID.id_ce_subjectKeyIdentifier
  if (findExtension({ extensions }, oid) !== undefined) return extensions
  return [...extensions, { oid, critical: false, value: encodeSubjectKeyIdentifier(keyId) }]
}

/** The CRMF form tells no hash; SHA-256 is what the server computes of it. */
function keyHashOf({ archivedKeyEnvelope, dialect, scheme }: CmcRequestPlan): KeyHash | undefined {
  if (archivedKeyEnvelope === undefined) return undefined
  return hashEnvelope(archivedKeyEnvelope, dialect === 'microsoft' ? digestOfScheme(scheme) : 'sha256')
}

async function buildPkcs10Sequence(plan: CmcRequestPlan, extensions: readonly Extension[]): Promise<Uint8Array> {
  const attributes = [...(plan.attributes ?? []), encodeAttribute(OID.extensionRequest, [encodeExtensions(extensions)])]
  if (plan.clientInfo !== undefined) attributes.push(encodeRequestClientInfo(plan.clientInfo))
  if (plan.renewedCertificate !== undefined) {
    attributes.push(encodeAttribute(OID.szOID_RENEWAL_CERTIFICATE, [plan.renewedCertificate]))
  }
  const { subject, publicKey } = plan
  const request = await buildCertificationRequest({ subject, publicKey, attributes }, plan.scheme, plan.sign)
  return encodePkcs10RequestSequence(REQUEST_ID, request)
}

async function buildCrmfSequence(plan: CmcRequestPlan, extensions: readonly Extension[]): Promise<Uint8Array> {
  if ((plan.attributes ?? []).length > 0 || plan.clientInfo !== undefined || plan.renewedCertificate !== undefined) {
    throw new AppError('invalid_argument', 'A CRMF request has no place for PKCS#10 attributes; use extensions.')
  }
  const { subject, publicKey, archivedKeyEnvelope: envelope } = plan
  const controls = envelope === undefined ? [] : [encodeArchiveOptions(envelope)]
  const certRequest = encodeCertRequest({ certReqId: REQUEST_ID, subject, publicKey, extensions, controls })
  return encodeCrmfRequestSequence(certRequest, encodeSignatureProof(plan.scheme, await plan.sign(certRequest)))
}

function buildControls(
  plan: CmcRequestPlan,
  keyHash: KeyHash | undefined,
  requestSequence: Uint8Array
): readonly Uint8Array[] {
  const controls: (readonly [type: string, value: Uint8Array])[] = []
  const { registrationInfo = [], transactionId, senderNonce, identityProof } = plan
  if (registrationInfo.length > 0) {
    controls.push([OID.id_cmc_regInfo, encodeOctetString(encodeRegistrationInfo(registrationInfo))])
  }
  const added = plan.dialect === 'microsoft' ? addedAttributes(plan, keyHash) : []
  if (added.length > 0) controls.push([OID.szOID_CMC_ADD_ATTRIBUTES, encodeAddAttributes([REQUEST_ID], added)])
  if (transactionId !== undefined) controls.push([OID.id_cmc_transactionId, encodeTransactionId(transactionId)])
  if (senderNonce !== undefined) controls.push([OID.id_cmc_senderNonce, encodeOctetString(senderNonce)])
  if (identityProof !== undefined) {
    const { identification, digest } = identityProof
    if (identification !== undefined) controls.push([OID.id_cmc_identification, encodeUtf8String(identification)])
    controls.push([OID.id_cmc_identityProofV2, buildIdentityProofV2(requestSequence, identityProof, digest)])
  }
  return controls.map(([type, value], index) => encodeTaggedAttribute(REQUEST_ID + 1 + index, type, value))
}

function addedAttributes({ clientInfo }: CmcRequestPlan, keyHash: KeyHash | undefined): Uint8Array[] {
  const added: Uint8Array[] = []
  if (keyHash !== undefined) {
    added.push(encodeAttribute(OID.szOID_ENCRYPTED_KEY_HASH, [encodeOctetString(keyHash.value)]))
  }
  if (clientInfo !== undefined) added.push(encodeRequestClientInfo(clientInfo))
  return added
}

function encodeTransactionId(content: Uint8Array): Uint8Array {
  const element = encodeTlv(TAG.integer, content)
  DerReader.over(element).integer('transactionId')
  return element
}

/** A question after a pending request to build. */
export interface PendingQueryPlan extends RequestSigner {
  readonly pendToken: Uint8Array
  /** The key identifier that the pending request was signed with. */
  readonly keyId: Uint8Array
  /** The content octets of the INTEGER of the pending request. */
  readonly transactionId?: Uint8Array
  readonly senderNonce?: Uint8Array
}

/** A CMC message that asks after a pending request (RFC 10002 (RFC 5272), 6.13), signed with the requested key. */
export function buildPendingQuery(plan: PendingQueryPlan): Promise<Uint8Array> {
  const { pendToken, keyId, transactionId, senderNonce, scheme, sign } = plan
  const controls: (readonly [string, Uint8Array])[] = [[OID.id_cmc_queryPending, encodeOctetString(pendToken)]]
  if (transactionId !== undefined) controls.push([OID.id_cmc_transactionId, encodeTransactionId(transactionId)])
  if (senderNonce !== undefined) controls.push([OID.id_cmc_senderNonce, encodeOctetString(senderNonce)])
  const tagged = controls.map(([type, value], index) => encodeTaggedAttribute(index + 1, type, value))
  return buildSignedData({
    eContentType: OID.id_cct_PKIData,
    eContent: encodePkiData({ controls: tagged, requestSequence: encodeSequence() }),
    certificates: [],
    signers: [{ sid: { kind: 'keyId', keyId }, scheme, sign }]
  })
}
