import { AppError } from '@app/core'
import type { SignerInfo } from '@app/cms'
import { verifyCertificationRequest, verifyNullSignature, type CertificationRequest, type DigestName } from '@app/x509'
import { verifyCrmfProof } from './crmf.js'
import type { MessageSignatures, SignedMessage } from './request-signers.js'

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
 * Verifies that whoever made a signed message holds the requested key: by the request's own proof, which may be a null
 * signature when the requested key signed the message itself (MS-WCCE 2.2.2.6.5; RFC 10002 (RFC 5272), 3.2). Throws what
 * `verifyCertificationRequest` and `verifyCrmfProof` throw.
 */
export function verifyInnerProof(
  message: SignedMessage,
  signatures: MessageSignatures,
  options: ProofOptions
): RequestProof {
  const { kind, digest: inner } = verifyInner(message, signatures, options)
  const [outer = inner] = signatures.digests
  // The hash in the place of a signature signs nothing: the outer digests are all that counts then.
  const digests = kind === 'null-signature-in-cmc' ? signatures.digests : [...signatures.digests, inner]
  return { kind, digest: digests.includes('sha1') ? 'sha1' : outer, digests: [...new Set(digests)] }
}

function verifyInner(
  message: SignedMessage,
  { isByRequestKey }: MessageSignatures,
  options: ProofOptions
): { readonly kind: RequestProof['kind']; readonly digest: DigestName } {
  const inner = message.format === 'cmc' ? message.request : { kind: 'pkcs10' as const, request: message.request }
  if (inner.kind === 'crmf') return { kind: 'crmf-signature', ...verifyCrmfProof(inner.message, options) }
  const { request } = inner
  // Without the requested key's own signature outside, verifyCertificationRequest refuses the null signature.
  if (request.nullSignature !== undefined && isByRequestKey) {
    return { kind: 'null-signature-in-cmc', ...verifyNullSignature(request) }
  }
  return { kind: 'signature', ...verifyCertificationRequest(request, options) }
}

/** The one signer of a message that has one. Throws `cms_no_signer` or `cms_signer_count`. */
export function getOnlySigner(signers: readonly SignerInfo[]): SignerInfo {
  const [only] = signers
  if (only === undefined) throw new AppError('cms_no_signer', 'The CMC message is not signed; sign it with its key.')
  if (signers.length > 1) {
    throw new AppError('cms_signer_count', `The CMC message has ${signers.length} signers; exactly one is accepted.`, {
      signers: signers.length
    })
  }
  return only
}
