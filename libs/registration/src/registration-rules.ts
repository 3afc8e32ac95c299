import { createHash } from 'node:crypto'
import { AppError, equalBytes, fromHex, isAppError } from '@app/core'
import { decodeCertificate, type Certificate } from '@app/x509'
import { isSignatureOf, type MessageHash } from './message-signature.js'
import type { RegistrationRequest } from './registration-request.js'
import type { ApprovalMode, ApprovalState, SiteMode } from './registration-state.js'
import { invalid } from './xml-document.js'

/** Keys of clients below this are as good as public. */
const MIN_KEY_BITS = 2048

/** Who signed a message: the client itself, or the proxy that signs for it. */
export interface MessageSigner {
  readonly certificate: Certificate
  /** SHA-256 of the SubjectPublicKeyInfo. */
  readonly keyHash: Buffer
}

/** The SHA-256 by which registrations tell keys apart. */
export function keyHashOf({ publicKey }: Pick<Certificate, 'publicKey'>): Buffer {
  return createHash('sha256').update(publicKey.raw).digest()
}

/** The certificate in a message. Throws `registration_schema_invalid` for what is none. */
export function readClientCertificate(der: Uint8Array, field: string): Certificate {
  try {
    return decodeCertificate(der)
  } catch (error) {
    if (!isAppError(error)) throw error
    throw invalid(`${field} is no X.509 certificate: ${error.message}`, [field])
  }
}

/** The error of a client that is not registered. */
export function refused(message: string, evidence: Readonly<Record<string, string>> = {}): AppError {
  return new AppError('registration_refused', message, evidence)
}

/** Throws `registration_refused` when the site does not speak with clients of a mode. */
export function requireMode(site: SiteMode | 'both', mode: SiteMode): void {
  if (site === 'both' || site === mode) return
  throw refused(`This site takes clients in ${site} mode only.`, { mode })
}

/**
 * Demands the signature over the exact text of the `Data` element, by an RSA key of 2048 bits or more. Without an
 * announcement of the digest it is SHA-256, and SHA-1 too where the site takes it. Throws `registration_refused`.
 */
export function requireMessageSignature(
  {
    data,
    signature,
    hash
  }: { readonly data: string; readonly signature: string; readonly hash: MessageHash | undefined },
  signer: Pick<Certificate, 'publicKey'>,
  isSha1Taken: boolean
): void {
  const { algorithm, bits, keyObject } = signer.publicKey
  if (algorithm !== 'rsa' || bits < MIN_KEY_BITS) {
    throw refused(`A registration is signed with an RSA key of ${MIN_KEY_BITS} bits or more.`)
  }
  if (hash === 'sha1' && !isSha1Taken) throw refused('This site does not take signatures with SHA-1.')
  const announced: readonly MessageHash[] = isSha1Taken ? ['sha256', 'sha1'] : ['sha256']
  const hashes = hash === undefined ? announced : [hash]
  if (isSignatureOf(data, signature, keyObject, hashes)) return
  throw refused(
    'The signature does not verify: it is over the UTF-16LE octets of the Data element exactly as sent, with SHA-256, and its octets are in reverse order.'
  )
}

/** In native mode the certificate that signs is the one of the TLS connection. Throws `registration_refused`. */
export function requireTlsProof(signer: Certificate, tlsCertificate: Uint8Array | undefined): void {
  if (tlsCertificate !== undefined && equalBytes(signer.raw, tlsCertificate)) return
  throw refused('The signing certificate is not the client certificate of the TLS connection.')
}

/** Throws `registration_refused` unless a message was made within the window around now. */
export function requireFreshness(timeStamp: Date, now: Date, windowSeconds: number): void {
  const apart = Math.abs(now.getTime() - timeStamp.getTime()) / 1000
  if (apart <= windowSeconds) return
  throw refused(
    `The time stamp of the message is ${Math.round(apart)} seconds from the time of the server, which takes ${windowSeconds}. Set the clock of the client.`
  )
}

/** Throws `registration_refused` for a certificate outside of its validity. */
export function requireValidity({ notBefore, notAfter }: Certificate, now: Date): void {
  if (now >= notBefore && now <= notAfter) return
  throw refused('The signing certificate is outside of its validity.')
}

/** SHA-256 over a signature's octets: what tells a message that was taken before. */
export function signatureHashOf(signature: string): Buffer {
  return createHash('sha256')
    .update(fromHex(signature.toLowerCase()) ?? new Uint8Array())
    .digest()
}

/** Whether the hint proves the key that an SMSID is registered with. */
export function isHintOf(request: RegistrationRequest, registered: Pick<Certificate, 'publicKey'>): boolean {
  const { registrationHint, smsid } = request
  if (registrationHint === undefined || smsid === '') return false
  return isSignatureOf(smsid, registrationHint, registered.publicKey.keyObject, ['sha256'])
}

/** What approval depends on. */
export interface ApprovalFacts {
  readonly mode: SiteMode
  readonly approvalMode: ApprovalMode
  readonly trustedDomains: readonly string[]
  /** The domain of the account that the client proved to be; undefined when it proved none. */
  readonly callerDomain: string | undefined
  /** Whether its signing certificate chains to a CA that the site trusts, and is not revoked. */
  readonly isCertified: boolean
}

/**
 * What the site thinks of a client when it registers: approval is not used in native mode; in mixed mode everybody, who is
 * of a trusted domain or has a certificate of a trusted CA, or nobody is approved by itself.
 */
export function approvalOf(facts: ApprovalFacts): Exclude<ApprovalState, 'blocked'> {
  if (facts.mode === 'native') return 'not_applicable'
  if (facts.approvalMode === 'all') return 'approved'
  if (facts.approvalMode === 'manual') return 'not_approved'
  const domain = facts.callerDomain?.toLowerCase()
  const isOfTrustedDomain = facts.trustedDomains.some(trusted => trusted.toLowerCase() === domain)
  return isOfTrustedDomain || facts.isCertified ? 'approved' : 'not_approved'
}
