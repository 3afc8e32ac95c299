import { AppError, equalBytes } from '@app/core'
import type { Signer } from '@app/keys'
import {
  decodeCertificate,
  encodeCertificate,
  encodeTbsCertificate,
  serialHexOf,
  verifyCertificateSignature,
  type Certificate,
  type PublicKeyInfo,
  type TbsCertificateParts
} from '@app/x509'
import type { LintFinding } from './lint-rule.js'
import { lintTbs } from './lint-tbs.js'

/**
 * A certificate that is ready to be signed, once. Only {@link prepare} makes one and only {@link issue} takes one, so
 * that nothing is signed that has not been built from a template or profile and found sound.
 */
export interface PreparedCertificate {
  /** The TBSCertificate: the exact bytes that will be signed. */
  readonly tbs: Uint8Array
  /** Content octets of the INTEGER. */
  readonly serialNumber: Uint8Array
  readonly serialHex: string
  /** The subject's Name element. */
  readonly subject: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: PublicKeyInfo
  /** Warnings of the linter. */
  readonly findings: readonly LintFinding[]
}

/** What {@link issue} holds a prepared certificate to. */
interface Intent {
  readonly tbs: Uint8Array
  readonly scheme: TbsCertificateParts['scheme']
  readonly issuerKey: PublicKeyInfo
}

const intents = new WeakMap<PreparedCertificate, Intent>()

/** What a certificate is to say, and the keys of its two parties. */
export interface CertificateContent extends Omit<TbsCertificateParts, 'publicKey'> {
  readonly publicKey: PublicKeyInfo
  readonly issuerKey: PublicKeyInfo
  /** What the certificate is held against; absent for a root. */
  readonly issuerCertificate?: Certificate
}

/** The bytes that would be signed and what the linter says of them. */
export interface CertificateDraft {
  readonly tbs: Uint8Array
  readonly findings: readonly LintFinding[]
  /** Why these bytes are never signed; absent when no finding is an error. */
  readonly refusal?: AppError
}

/** Builds the TBS and lints it, for {@link prepare} and for who only wants to see it. Throws what the encoders throw. */
export function draft(content: CertificateContent): CertificateDraft {
  const { publicKey, issuerKey: _issuerKey, issuerCertificate, ...parts } = content
  const tbs = encodeTbsCertificate({ ...parts, publicKey: publicKey.raw })
  const findings = lintTbs(tbs, issuerCertificate)
  const errors = findings.filter(({ severity }) => severity === 'error')
  if (errors.length === 0) return { tbs, findings }
  const refusal = new AppError(
    'lint_failed',
    `The certificate would break a rule: ${errors.map(({ id, message }) => `${id}: ${message}`).join(' ')}`,
    { rules: errors.map(({ id }) => id).join(','), serialNumber: serialHexOf(parts.serialNumber) }
  )
  return { tbs, findings, refusal }
}

/**
 * Builds the TBS and lints it. Throws `lint_failed`, with the ids of the rules, when a finding is an error, and what
 * the encoders throw.
 */
export function prepare(content: CertificateContent): PreparedCertificate {
  const { tbs, findings, refusal } = draft(content)
  if (refusal !== undefined) throw refusal
  const { serialNumber, subject, notBefore, notAfter, scheme, publicKey, issuerKey } = content
  const serialHex = serialHexOf(serialNumber)
  const prepared = { tbs, serialNumber, serialHex, subject, notBefore, notAfter, publicKey, findings }
  intents.set(prepared, { tbs: Uint8Array.from(tbs), scheme, issuerKey })
  return prepared
}

/**
 * Signs a prepared certificate and returns the certificate. It works once for each: whatever happens, a second
 * signature needs a new serial number. What comes back has been compared with what was prepared, and its signature
 * verified.
 *
 * Throws `conflict` when the certificate has been signed already or was not prepared here, `ca_certificate_invalid`
 * when the signer is not that of the issuer, `internal` when the bytes have changed since or the signature is wrong,
 * and what the signer throws.
 */
export async function issue(prepared: PreparedCertificate, signer: Signer): Promise<Uint8Array> {
  const evidence = { serialNumber: prepared.serialHex }
  const intent = intents.get(prepared)
  if (intent === undefined) {
    throw new AppError(
      'conflict',
      'The certificate has been signed already; prepare it again with a new serial.',
      evidence
    )
  }
  intents.delete(prepared)
  if (!equalBytes(intent.tbs, prepared.tbs)) {
    throw new AppError('internal', 'The certificate to sign is not the one that was prepared.', evidence)
  }
  if (!equalBytes(signer.publicKey.raw, intent.issuerKey.raw) || signer.scheme !== intent.scheme) {
    throw new AppError('ca_certificate_invalid', 'The signing key is not that of the CA certificate.', evidence)
  }
  const signature = await signer.sign(intent.tbs)
  if (!equalBytes(intent.tbs, prepared.tbs)) {
    throw new AppError('internal', 'The certificate that was signed is not the one that was prepared.', evidence)
  }
  const raw = encodeCertificate(prepared.tbs, intent.scheme, signature)
  try {
    verifyCertificateSignature(decodeCertificate(raw), intent.issuerKey)
  } catch (cause) {
    throw new AppError('internal', 'The signer made a signature that does not verify.', evidence, { cause })
  }
  return raw
}
