import { AppError, equalBytes, toHex } from '@app/core'
import { verifySignerInfo, type SignerInfo } from '@app/cms'
import { OID } from '@app/oid'
import {
  decodeSubjectKeyIdentifier,
  findExtension,
  verifyCertificationRequest,
  verifyNullSignature,
  type CertificationRequest,
  type DigestName
} from '@app/x509'
import { verifyCrmfProof } from './crmf.js'
import type { RequestFacts } from './request-facts.js'
import type { CmcMessage } from './request-message.js'

/** How the requester proved that it holds the private key. */
export interface RequestProof {
  readonly kind: 'signature' | 'null-signature-in-cmc' | 'crmf-signature'
  /** SHA-1 when any of the signatures uses it, else the digest of the outermost one. */
  readonly digest: DigestName
  /** The digests of all signatures, the outermost first. */
  readonly digests: readonly DigestName[]
}

/** What a caller may let pass. */
export interface ProofOptions {
  /** SHA-1 is refused unless this is true. */
  readonly allowSha1?: boolean
}

/** Verifies a PKCS#10 that stands alone. Throws what `verifyCertificationRequest` throws. */
export function verifyPkcs10Proof(request: CertificationRequest, options: ProofOptions): RequestProof {
  const { digest } = verifyCertificationRequest(request, options)
  return { kind: 'signature', digest, digests: [digest] }
}

/**
 * Verifies the signatures of a CMC request for a new certificate: one signer, named by the key identifier of the
 * requested key, whose signature verifies with that key; then the request's own proof, which may be a null signature
 * now that the outer one has proven possession (MS-WCCE 2.2.2.6.5; RFC 10002 (RFC 5272), 3.2). Throws `cms_no_signer`,
 * `cms_signer_count`, `cms_signer_not_found`, and what `verifySignerInfo`, `verifyCertificationRequest` and
 * `verifyCrmfProof` throw.
 */
export function verifyCmcProof(message: CmcMessage, facts: RequestFacts, options: ProofOptions): RequestProof {
  const signer = getOnlySigner(message.signedData.signerInfos)
  verifySignerIdentifier(signer, facts)
  const outer = verifySignerInfo(message.signedData, signer, facts.publicKey, options).digest
  const { kind, digest: inner } = verifyInnerProof(message, options)
  // The hash in the place of a signature signs nothing: the outer digest is all that counts then.
  const digests = kind === 'null-signature-in-cmc' ? [outer] : [outer, inner]
  return { kind, digest: digests.includes('sha1') ? 'sha1' : outer, digests }
}

function verifyInnerProof(
  { request }: CmcMessage,
  options: ProofOptions
): { readonly kind: RequestProof['kind']; readonly digest: DigestName } {
  if (request.kind === 'crmf') return { kind: 'crmf-signature', ...verifyCrmfProof(request.message, options) }
  if (request.request.nullSignature !== undefined) {
    return { kind: 'null-signature-in-cmc', ...verifyNullSignature(request.request) }
  }
  return { kind: 'signature', ...verifyCertificationRequest(request.request, options) }
}

/** The one signer. Throws `cms_no_signer` or `cms_signer_count`. */
export function getOnlySigner(signers: readonly SignerInfo[]): SignerInfo {
  const [only] = signers
  if (only === undefined) throw new AppError('cms_no_signer', 'The CMC request is not signed; sign it with its key.')
  if (signers.length > 1) {
    throw new AppError('cms_signer_count', `The CMC request has ${signers.length} signers; exactly one is accepted.`, {
      signers: signers.length
    })
  }
  return only
}

/**
 * The signer must be the requested key (RFC 10002 (RFC 5272), 3.2): by the key identifier that the request asks for, or
 * by SHA-1 of the key, which Windows uses whether or not the request has the extension.
 */
function verifySignerIdentifier({ sid }: SignerInfo, facts: RequestFacts): void {
  const extension = findExtension(facts, OID.id_ce_subjectKeyIdentifier)
  const known = [facts.publicKey.keyId]
  if (extension !== undefined) known.push(decodeSubjectKeyIdentifier(extension.value))
  if (sid.kind === 'keyId' && known.some(keyId => equalBytes(keyId, sid.keyId))) return
  throw new AppError('cms_signer_not_found', 'The signer of the CMC request is not the key that the request is for.', {
    signer: sid.kind === 'keyId' ? toHex(sid.keyId) : 'issuerAndSerialNumber',
    keyId: toHex(facts.publicKey.keyId)
  })
}
