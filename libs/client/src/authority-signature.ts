import { findSignerCertificate, type SignedData } from '@app/cms'
import { AppError, equalBytes, isAppError } from '@app/core'
import { OID } from '@app/oid'
import { decodeBasicConstraints, decodeCertificate, decodeKeyUsage, findExtension, type Certificate } from '@app/x509'
import { verifyChain } from './chain.js'

/** What a CA must be trusted by to have signed something. */
export interface AuthorityTrust {
  /** What was signed, in the words of a complaint. */
  readonly what: 'response' | 'recovered key'
  /** PEM of the roots. */
  readonly trust: string
  readonly at: Date
}

/** The certificate of the first signer. Throws `response_signature` when there is none. */
export function findSigner(signedData: SignedData, what: AuthorityTrust['what']): Certificate {
  const [signer] = signedData.signerInfos
  if (signer === undefined) throw new AppError('response_signature', `The ${what} is not signed.`)
  try {
    return findSignerCertificate(signedData, signer.sid)
  } catch (cause) {
    if (!isAppError(cause)) throw cause
    throw new AppError(
      'response_signature',
      `The signer of the ${what} cannot be found: ${cause.message}`,
      { cause: cause.code },
      { cause }
    )
  }
}

/**
 * Verifies that a signer is a CA that chains to the pinned trust: without this, any holder of a certificate could answer in
 * the CA's place. Throws `response_signature`.
 */
export async function verifyAuthority(
  ca: Certificate,
  certificates: readonly Uint8Array[],
  { what, trust, at }: AuthorityTrust
): Promise<void> {
  if (!isAuthority(ca)) {
    throw new AppError('response_signature', `The ${what} is signed with a certificate that is not that of a CA.`, {
      serialNumber: ca.serialHex
    })
  }
  const fault = await findTrustFault(ca, certificates, trust, at)
  if (fault === undefined) return
  const message = `The CA that signed the ${what} is not trusted: ${fault.message}`
  throw new AppError('response_signature', message, {}, { cause: fault })
}

/**
 * Why the CA's certificate does not chain to the trust; undefined when it does, or when another certificate for the same
 * name and key does: after a root got a new key, who pinned the old root gets to the new key by a cross certificate
 * (RFC 4210, 4.4).
 */
async function findTrustFault(
  ca: Certificate,
  certificates: readonly Uint8Array[],
  trust: string,
  at: Date
): Promise<AppError | undefined> {
  // Nothing but a CA stands between; a message may bring others' certificates too.
  const others = certificates.filter(der => !equalBytes(der, ca.raw) && isAuthority(decodeCertificate(der)))
  const twins = others.map(der => decodeCertificate(der)).filter(other => isSameAuthority(other, ca))
  let first: AppError | undefined
  for (const { raw } of [ca, ...twins]) {
    try {
      await verifyChain(trust, [raw, ...others.filter(other => !equalBytes(other, raw))], at)
      return undefined
    } catch (fault) {
      if (!isAppError(fault)) throw fault
      first ??= fault
    }
  }
  return first
}

function isSameAuthority(certificate: Certificate, ca: Certificate): boolean {
  const { subject, publicKey } = certificate
  return (
    equalBytes(subject.raw, ca.subject.raw) && equalBytes(publicKey.raw, ca.publicKey.raw) && isAuthority(certificate)
  )
}

function isAuthority(certificate: Certificate): boolean {
  const constraints = findExtension(certificate, OID.id_ce_basicConstraints)
  const usage = findExtension(certificate, OID.id_ce_keyUsage)
  const mayIssue = usage === undefined || decodeKeyUsage(usage.value).has('keyCertSign')
  return constraints !== undefined && decodeBasicConstraints(constraints.value).isCa && mayIssue
}
