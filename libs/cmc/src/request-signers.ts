import { AppError, equalBytes } from '@app/core'
import { findSignerCertificate, verifySignerInfo, type SignerInfo, type SignerVerificationOptions } from '@app/cms'
import { OID } from '@app/oid'
import { decodeSubjectKeyIdentifier, findExtension, type Certificate, type DigestName } from '@app/x509'
import { findRenewedCertificate, findRequesterName, type RequestFacts } from './request-facts.js'
import type { RequestMessage } from './request-message.js'

/** A request that somebody besides the requested key may sign. */
export type SignedMessage = Extract<RequestMessage, { readonly signedData: unknown }>

/** More signers than any policy asks for cost verifications and nothing else. */
const MAX_SIGNERS = 8

/** A certificate whose key has signed a message. The signature is verified; the certificate is not judged. */
export interface MessageSigner {
  readonly certificate: Certificate
  /** Its place among the signers of the message, from 0. */
  readonly index: number
}

/** Who signed a message, every signature verified. */
export interface MessageSignatures {
  /** Whether the requested key itself signed it. */
  readonly isByRequestKey: boolean
  /** All others, no certificate twice. */
  readonly signers: readonly MessageSigner[]
  /** Of all signatures, that of the requested key first. */
  readonly digests: readonly DigestName[]
}

/**
 * Verifies every signature of a message: that of the requested key, which is named by its key identifier, and those of
 * certificates that the message holds (MS-WCCE 3.2.1.4.2.1.4; RFC 10002 (RFC 5272), 3.2). Throws `cms_no_signer`,
 * `cms_signer_count` for more signers than accepted or one twice, and what `findSignerCertificate` and
 * `verifySignerInfo` throw.
 */
export function verifyMessageSigners(
  message: SignedMessage,
  facts: RequestFacts,
  options: Pick<SignerVerificationOptions, 'allowSha1'>
): MessageSignatures {
  const { signedData } = message
  requireSignerCount(signedData.signerInfos.length)
  const leniencyOf = leniencyFor(message, facts)
  const signers: MessageSigner[] = []
  const own: DigestName[] = []
  const others: DigestName[] = []
  for (const [index, signer] of signedData.signerInfos.entries()) {
    const certificate = isRequestKey(signer, facts) ? undefined : findSignerCertificate(signedData, signer.sid)
    const publicKey = certificate?.publicKey ?? facts.publicKey
    const { digest } = verifySignerInfo(signedData, signer, publicKey, { ...options, ...leniencyOf(signer) })
    if (certificate === undefined) own.push(digest)
    else {
      others.push(digest)
      if (signers.some(known => equalBytes(known.certificate.raw, certificate.raw))) throw signsTwice()
      signers.push({ certificate, index })
    }
  }
  if (own.length > 1) throw signsTwice()
  return { isByRequestKey: own.length === 1, signers, digests: [...own, ...others] }
}

function requireSignerCount(count: number): void {
  if (count === 0) throw new AppError('cms_no_signer', 'The request is not signed; sign it with its key.')
  if (count <= MAX_SIGNERS) return
  throw new AppError('cms_signer_count', `The request has ${count} signers; at most ${MAX_SIGNERS} are accepted.`, {
    signers: count
  })
}

function signsTwice(): AppError {
  return new AppError('cms_signer_count', 'One signer signs the request twice, which counts for no more than once.')
}

/**
 * Whether a signer names the requested key: by the key identifier that the request asks for, or by SHA-1 of the key,
 * which Windows uses whether or not the request has the extension (RFC 10002 (RFC 5272), 3.2).
 */
export function isRequestKey({ sid }: Pick<SignerInfo, 'sid'>, facts: RequestFacts): boolean {
  if (sid.kind !== 'keyId') return false
  if (equalBytes(facts.publicKey.keyId, sid.keyId)) return true
  const extension = findExtension(facts, OID.id_ce_subjectKeyIdentifier)
  return extension !== undefined && equalBytes(decodeSubjectKeyIdentifier(extension.value), sid.keyId)
}

/**
 * The two forms outside of RFC 5652 that real clients send: a PKCS#7 renewal whose one signature is directly over its
 * content (Windows), and a PKCS#7 request to renew or on behalf of another whose signed attributes lack contentType
 * (Certipy). No other message gets either.
 */
function leniencyFor(
  message: SignedMessage,
  facts: RequestFacts
): (signer: SignerInfo) => Pick<SignerVerificationOptions, 'leniency'> {
  const isRenewal = findRenewedCertificate(facts) !== undefined
  const mayLackContentType = isRenewal || findRequesterName(facts, message) !== undefined
  const mayBeDirect = isRenewal && message.signedData.signerInfos.length === 1
  return ({ signedAttributes }) => {
    if (message.format !== 'pkcs7') return {}
    if (signedAttributes === undefined) return mayBeDirect ? { leniency: 'pkcs7-renewal' } : {}
    return mayLackContentType ? { leniency: 'pkcs7-without-content-type' } : {}
  }
}
