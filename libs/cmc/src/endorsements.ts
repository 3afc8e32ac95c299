import { AppError, equalBytes } from '@app/core'
import { decodeCertificate, type Certificate } from '@app/x509'
import { findRenewedCertificate, findRequesterName, requestFactsOf, type RequestFacts } from './request-facts.js'
import { decodeRequestMessage } from './request-message.js'
import { verifyMessageSigners, type MessageSignatures, type SignedMessage } from './request-signers.js'

/** The wish to renew a certificate (MS-WCCE 2.2.2.7.3). What the certificate is worth is not judged. */
export interface RenewalWish {
  /** As the request's attribute has it. */
  readonly certificate: Certificate
  /** Whether the message holds the very same certificate. */
  readonly isEmbedded: boolean
  /** Whether the certificate's key signed the message. */
  readonly isSigned: boolean
}

/** The wish to enroll on behalf of another. What those who sign for it may do is not judged. */
export interface OnBehalfWish {
  /** `DOMAIN\account`, as the message has it. */
  readonly account: string
  /** The certificates of those whose signatures cover the account's name. */
  readonly signers: readonly Certificate[]
}

/** Who stands behind a request besides the key that it asks for: facts out of verified signatures, and no judgement. */
export interface Endorsements {
  /** Every certificate whose key signed the message; none twice. */
  readonly signers: readonly Certificate[]
  readonly renewal?: RenewalWish
  readonly onBehalfOf?: OnBehalfWish
}

/**
 * What the verified signatures of a message stand for. Throws `form_not_supported` for a request that renews and is made
 * on behalf of another at once, and what `decodeCertificate` throws for the certificate to renew.
 */
export function endorsementsOf(
  message: SignedMessage,
  facts: RequestFacts,
  signatures: MessageSignatures
): Endorsements {
  const signers = signatures.signers.map(({ certificate }) => certificate)
  const renewal = renewalOf(message, facts, signatures)
  const onBehalfOf = onBehalfOfIn(message, facts, signatures)
  if (renewal !== undefined && onBehalfOf !== undefined) {
    throw new AppError(
      'form_not_supported',
      'A request renews a certificate or is made on behalf of another, not both.'
    )
  }
  return {
    signers,
    ...(renewal === undefined ? {} : { renewal }),
    ...(onBehalfOf === undefined ? {} : { onBehalfOf })
  }
}

function renewalOf(
  { signedData }: SignedMessage,
  facts: RequestFacts,
  { signers, isByRequestKey }: MessageSignatures
): RenewalWish | undefined {
  const bytes = findRenewedCertificate(facts)
  if (bytes === undefined) return undefined
  const certificate = decodeCertificate(bytes)
  const isKeyKept = equalBytes(certificate.publicKey.raw, facts.publicKey.raw)
  return {
    certificate,
    isEmbedded: signedData.certificates.some(embedded => equalBytes(embedded, bytes)),
    isSigned: (isByRequestKey && isKeyKept) || signers.some(signer => equalBytes(signer.certificate.raw, bytes))
  }
}

function onBehalfOfIn(
  message: SignedMessage,
  facts: RequestFacts,
  { signers }: MessageSignatures
): OnBehalfWish | undefined {
  const name = findRequesterName(facts, message)
  if (name === undefined) return undefined
  const covering = signers.filter(({ index }) => name.signedBy === 'all' || name.signedBy.includes(index))
  return { account: name.account, signers: covering.map(({ certificate }) => certificate) }
}

/**
 * As `readEnrollmentRequest` found them, out of the message that was kept: every signature is verified anew, so that who
 * judges the request need not believe who read it. Throws what the decoders and `verifyMessageSigners` throw; never for
 * a message that `readEnrollmentRequest` accepted.
 */
export function verifyEndorsements(stored: Uint8Array): Endorsements {
  const message = decodeRequestMessage(stored)
  if (!('signedData' in message)) return { signers: [] }
  const facts = requestFactsOf(message)
  return endorsementsOf(message, facts, verifyMessageSigners(message, facts, { allowSha1: true }))
}
