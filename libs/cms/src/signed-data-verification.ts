import { hash } from 'node:crypto'
import { AppError, equalBytes, isAppError, toHex } from '@app/core'
import { DerReader, TAG } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeCertificate,
  decodeDigestName,
  decodeSubjectKeyIdentifier,
  digestOid,
  findExtension,
  verifySignature,
  type Certificate,
  type DigestName,
  type PublicKeyInfo
} from '@app/x509'
import { isIdentifiedBy, type SignerIdentifier } from './identifier.js'
import { findSingleValue, getSingleValue, verifyContentType, type ProtectedAttributes } from './protected-attributes.js'
import type { SignedData, SignerInfo } from './signed-data.js'

/** What a caller may let pass. */
export interface SignerVerificationOptions {
  /** SHA-1 is refused unless this is true. */
  readonly allowSha1?: boolean
  /**
   * The two forms outside RFC 5652 that clients of PKCS#7 requests send, for content of type id-data and nothing else:
   * `pkcs7-renewal` takes a signature directly over the content (Windows), `pkcs7-without-content-type` takes signed
   * attributes without contentType (Certipy).
   */
  readonly leniency?: 'pkcs7-renewal' | 'pkcs7-without-content-type'
}

/**
 * Verifies one signer of a SignedData with embedded content (RFC 5652, 5.4 and 5.6), over the received bytes. In this
 * order: algorithms (`cms_algorithm_not_allowed`; `cms_digest_algorithm_mismatch` also when the digest is not in
 * digestAlgorithms), presence of content and signed attributes (`cms_content_missing`,
 * `cms_signed_attributes_missing`), contentType and messageDigest (`cms_attribute_missing`, `…_repeated`, `…_values`,
 * `cms_content_type_mismatch`), the digest of the content (`cms_message_digest_mismatch`), the signature
 * (`cms_signature_invalid`). Whose key it is and whether that one is trusted is for the caller.
 */
export function verifySignerInfo(
  signedData: SignedData,
  signerInfo: SignerInfo,
  publicKey: PublicKeyInfo,
  options: SignerVerificationOptions = {}
): { readonly digest: DigestName } {
  const digest = verifyDigestAlgorithm(signedData, signerInfo)
  const { signedAttributes, signatureAlgorithm, signature } = signerInfo
  const data = signedAttributes?.encoded ?? signedData.eContent ?? new Uint8Array()
  const { allowSha1 = false } = options
  const { valid } = verifySignature({ publicKey, signatureAlgorithm, digest, data, signature, allowSha1 })
  const content = getContent(signedData)
  if (signedAttributes === undefined) requireDirectSignature(signedData, content, options)
  else verifySignedAttributes(signedAttributes, signedData.eContentType, content, digest, options)
  if (!valid) {
    throw new AppError('cms_signature_invalid', 'The signature is not that of the signer over what it should cover.', {
      algorithm: signatureAlgorithm.oid,
      digest
    })
  }
  return { digest }
}

/**
 * The embedded certificate that a signer identifier names; by key identifier only through the extension. Throws
 * `cms_signer_not_found`, `cms_signer_ambiguous` when several fit, and what `decodeCertificate` throws; certificates
 * with a key of an unsupported kind do no harm as long as another one is the signer's.
 */
export function findSignerCertificate(
  signedData: Pick<SignedData, 'certificates'>,
  sid: SignerIdentifier
): Certificate {
  const { certificates, unsupported } = decodeUsableCertificates(signedData.certificates)
  const found = certificates.filter(certificate => isIdentifiedBy(identityOf(certificate), sid))
  const [certificate] = found
  const evidence = {
    ...(sid.kind === 'keyId' ? { keyId: toHex(sid.keyId) } : { serialNumber: toHex(sid.serialNumber) }),
    certificates: signedData.certificates.length
  }
  if (found.length > 1) {
    throw new AppError('cms_signer_ambiguous', `${found.length} certificates fit the signer identifier.`, evidence)
  }
  if (certificate !== undefined) return certificate
  throw new AppError('cms_signer_not_found', 'No certificate in the message fits the signer identifier.', evidence, {
    cause: unsupported
  })
}

function decodeUsableCertificates(encoded: readonly Uint8Array[]): {
  readonly certificates: readonly Certificate[]
  readonly unsupported: unknown
} {
  const certificates: Certificate[] = []
  let unsupported: unknown
  for (const bytes of encoded) {
    try {
      certificates.push(decodeCertificate(bytes))
    } catch (error) {
      if (!isAppError(error, 'public_key_unsupported')) throw error
      unsupported = error
    }
  }
  return { certificates, unsupported }
}

function identityOf(certificate: Certificate): { issuer: Uint8Array; serialNumber: Uint8Array; keyId?: Uint8Array } {
  const { issuer, serialNumber } = certificate
  const extension = findExtension(certificate, OID.id_ce_subjectKeyIdentifier)
  if (extension === undefined) return { issuer: issuer.raw, serialNumber }
  return { issuer: issuer.raw, serialNumber, keyId: decodeSubjectKeyIdentifier(extension.value) }
}

function verifyDigestAlgorithm(signedData: SignedData, signerInfo: SignerInfo): DigestName {
  const digest = decodeDigestName(signerInfo.digestAlgorithm, 'digestAlgorithm of SignerInfo')
  // RFC 5652, 5.1 lets a verifier fail on this; a signer that hides its digest has nothing honest to say.
  if (!signedData.digestAlgorithms.includes(digestOid(digest))) {
    throw new AppError(
      'cms_digest_algorithm_mismatch',
      `The signer uses ${digest}, which digestAlgorithms does not list.`,
      { digest, listed: signedData.digestAlgorithms.join(' ') }
    )
  }
  return digest
}

function getContent(signedData: SignedData): Uint8Array {
  if (signedData.eContent === undefined) {
    throw new AppError('cms_content_missing', 'The SignedData is without its content; embed it.')
  }
  return signedData.eContent
}

function requireDirectSignature(signedData: SignedData, content: Uint8Array, options: SignerVerificationOptions): void {
  // Signed attributes presented as content begin with the tag of a SET; no request does.
  const isAllowed =
    options.leniency === 'pkcs7-renewal' && signedData.eContentType === OID.id_data && content[0] !== TAG.set
  if (!isAllowed) {
    throw new AppError(
      'cms_signed_attributes_missing',
      'The signer has no signed attributes; sign contentType and messageDigest.',
      { contentType: signedData.eContentType }
    )
  }
}

function verifySignedAttributes(
  { list }: ProtectedAttributes,
  eContentType: string,
  content: Uint8Array,
  digest: DigestName,
  options: SignerVerificationOptions
): void {
  const mayLackContentType = options.leniency === 'pkcs7-without-content-type' && eContentType === OID.id_data
  const contentType = (mayLackContentType ? findSingleValue : getSingleValue)(list, OID.id_contentType, 'contentType')
  if (contentType !== undefined) verifyContentType(contentType, eContentType)
  const reader = DerReader.over(getSingleValue(list, OID.id_messageDigest, 'messageDigest'))
  const stated = reader.octetString('value of messageDigest')
  reader.end('value of messageDigest')
  findSingleValue(list, OID.id_signingTime, 'signingTime')
  if (!equalBytes(stated, hash(digest, content, 'buffer'))) {
    throw new AppError('cms_message_digest_mismatch', `messageDigest is not the ${digest} of the content.`, { digest })
  }
}
