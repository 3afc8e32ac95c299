import { AppError } from '@app/core'
import { OID } from '@app/oid'
import { decodeCertificatePolicies, decodeExtendedKeyUsage, findExtension, type Certificate } from '@app/x509'

/** A certificate that signed a request or is to be renewed, with what the installation has on record of these bytes. */
export interface KnownCertificate {
  readonly certificate: Certificate
  /** Absent when no CA of the installation issued it. */
  readonly record?: {
    /** Whom it was issued to, as an id of `Requester`; null for the installation itself. */
    readonly principalId: string | null
    /** Whether that account is there and not disabled. */
    readonly isPrincipalEnabled: boolean
    /** The name of the template that it was made from. */
    readonly template: string | null
    readonly isRevoked: boolean
  }
}

/**
 * Demands that a certificate may still speak for its holder. Throws `signer_untrusted` for one that the installation did
 * not issue or whose account is gone or disabled, `certificate_revoked`, or `certificate_expired`, in this order.
 */
export function requireGoodCertificate({ certificate, record }: KnownCertificate, what: string, now: Date): void {
  const evidence = { serialNumber: certificate.serialHex }
  if (record === undefined) {
    throw new AppError('signer_untrusted', `${what} was not issued by a CA of this installation.`, evidence)
  }
  if (record.principalId === null || !record.isPrincipalEnabled) {
    throw new AppError('signer_untrusted', `The account that ${what} was issued to is gone or disabled.`, evidence)
  }
  if (record.isRevoked) throw new AppError('certificate_revoked', `${what} is revoked.`, evidence)
  if (certificate.notBefore <= now && now <= certificate.notAfter) return
  throw new AppError(
    'certificate_expired',
    `${what} is valid from ${certificate.notBefore.toISOString()} until ${certificate.notAfter.toISOString()}.`,
    evidence
  )
}

/** What a certificate's key may be used for: extended key usages and application policies. Empty when it says nothing. */
export function applicationPoliciesOf(certificate: Certificate): readonly string[] {
  const usage = findExtension(certificate, OID.id_ce_extKeyUsage)
  const policies = findExtension(certificate, OID.szOID_APPLICATION_CERT_POLICIES)
  const usages = usage === undefined ? [] : decodeExtendedKeyUsage(usage.value)
  return policies === undefined ? usages : [...usages, ...decodeCertificatePolicies(policies.value)]
}

/** The issuance policies that a certificate asserts. */
export function issuancePoliciesOf(certificate: Certificate): readonly string[] {
  const policies = findExtension(certificate, OID.id_ce_certificatePolicies)
  return policies === undefined ? [] : decodeCertificatePolicies(policies.value)
}
