import { AppError, attempt, equalBytes, toHex } from '@app/core'
import { OID } from '@app/oid'
import {
  ENROLLMENT_FLAG,
  isFlagSet,
  isSubjectFromRequest,
  PRIVATE_KEY_FLAG,
  type CertificateTemplate
} from '@app/templates'
import {
  decodeCertificateTemplateId,
  decodeSubjectAltName,
  encodeGeneralName,
  encodeName,
  findExtension,
  findUserPrincipalName,
  type Certificate
} from '@app/x509'
import { certificateNames, nameSource } from './certificate-names.js'
import { requireGoodCertificate, type KnownCertificate } from './known-certificate.js'
import type { RequestToJudge } from './request-to-judge.js'
import { requestedSubject } from './requested-names.js'
import type { Requester } from './requester.js'

/** A certificate that a request wants to renew. */
export interface RenewalToJudge {
  readonly old: KnownCertificate
  /** Whether the message holds the very certificate that its attribute names. */
  readonly isEmbedded: boolean
  /** Whether the certificate's key signed the message, verified. */
  readonly isSigned: boolean
}

const WHAT = 'The certificate to renew'

/**
 * Demands that the holder of the old certificate renews it, and that it may be renewed (MS-WCCE 3.2.1.4.2.1.4). Throws
 * `renewal_certificate` when it is not in the message, did not sign it, is not of this installation or is another's;
 * `certificate_revoked`, `certificate_expired`, or `signer_untrusted` when its account is gone.
 */
export function requireSoundRenewal(
  { old, isEmbedded, isSigned }: RenewalToJudge,
  requesterId: string,
  now: Date
): void {
  const refuse = (why: string): AppError =>
    new AppError('renewal_certificate', `${WHAT} ${why}.`, { serialNumber: old.certificate.serialHex })
  if (!isEmbedded) throw refuse('is named by the request and is not among the certificates of the message')
  if (!isSigned) throw refuse('did not sign the request')
  if (old.record === undefined) throw refuse('was not issued by a CA of this installation')
  if (old.record.principalId !== requesterId) throw refuse('was issued to another account')
  requireGoodCertificate(old, WHAT, now)
}

/**
 * Demands what a template asks of its renewals: the template of the old certificate (`template_conflict`), its subject
 * where the request supplies it (`renewal_subject`), and its key (`renewal_key`) where the template keeps keys
 * (MS-WCCE 3.2.2.6.2.1.4).
 */
export function requireRenewal(template: CertificateTemplate, request: RequestToJudge, { old }: RenewalToJudge): void {
  const evidence = { template: template.name, serialNumber: old.certificate.serialHex }
  if (old.record?.template?.toLowerCase() !== template.name.toLowerCase()) {
    throw new AppError(
      'template_conflict',
      `The request names the template ${template.name}, and the certificate to renew was made from ${old.record?.template ?? 'none'}.`,
      evidence
    )
  }
  if (isFlagSet(template.privateKeyFlags, PRIVATE_KEY_FLAG.REQUIRE_SAME_KEY_RENEWAL) && !isKeyKept(request, old)) {
    throw new AppError(
      'renewal_key',
      `The template ${template.name} demands that a renewal keeps the key of the old certificate.`,
      evidence
    )
  }
  if (!isSubjectFromRequest(template) || nameSource(template, request, old.certificate) === old.certificate) return
  if (equalBytes(subjectOf(request), subjectOf(old.certificate))) return
  throw new AppError(
    'renewal_subject',
    'The renewal has another subject than the certificate that it renews.',
    evidence
  )
}

/**
 * Demands that a request which only the key of the old certificate authenticates renews by a template that lets it, and
 * asks for no name that the old certificate lacks: the key stands for a credential for that certificate alone. Throws
 * `renewal_certificate`, `template_denied` or `renewal_subject`.
 */
export function requireKeyBasedRenewal(
  template: CertificateTemplate,
  requester: Requester,
  request: RequestToJudge,
  renewal: RenewalToJudge | undefined
): void {
  if (renewal === undefined) {
    throw new AppError('renewal_certificate', 'The flags announce a key-based renewal, and the request renews nothing.')
  }
  if (!isKeyBasedRenewalAllowed(template)) {
    throw new AppError(
      'template_denied',
      `The template ${template.name} does not let the key of the old certificate stand for a credential.`,
      { template: template.name }
    )
  }
  const { certificate } = renewal.old
  if (!isSubjectFromRequest(template) || hasNoOtherName(template, requester, request, certificate)) return
  throw new AppError(
    'renewal_subject',
    'A renewal that the old key alone authenticates has no other names than the certificate that it renews.',
    { template: template.name, serialNumber: certificate.serialHex }
  )
}

/** Whether a renewal by the template may be authenticated by the key of the old certificate alone. */
export function isKeyBasedRenewalAllowed(template: CertificateTemplate): boolean {
  return isFlagSet(template.enrollmentFlags, ENROLLMENT_FLAG.ALLOW_PREVIOUS_APPROVAL_KEY_BASED_RENEWAL)
}

/** Encoded anew, so that another string type or an attribute that no certificate gets makes no difference. */
function subjectOf(holder: Pick<RequestToJudge, 'subject'>): Uint8Array {
  return encodeName(requestedSubject(holder))
}

function isKeyKept({ publicKey }: Pick<RequestToJudge, 'publicKey'>, { certificate }: KnownCertificate): boolean {
  return equalBytes(publicKey.raw, certificate.publicKey.raw)
}

/** Whether the key of a renewal has been archived with the certificate that is renewed: the template keeps keys. */
export function isArchivedBefore(
  template: CertificateTemplate,
  request: Pick<RequestToJudge, 'publicKey'>,
  renewal: RenewalToJudge | undefined
): boolean {
  const keepsKeys = isFlagSet(template.privateKeyFlags, PRIVATE_KEY_FLAG.REQUIRE_SAME_KEY_RENEWAL)
  return keepsKeys && renewal !== undefined && isKeyKept(request, renewal.old)
}

/**
 * Whether the approval of the old certificate counts for its renewal, so that neither an officer nor a registration
 * authority is asked again (CT_FLAG_PREVIOUS_APPROVAL_VALIDATE_REENROLLMENT, MS-WCCE 3.2.2.6.2.1.4.8): the old one names
 * this template by its identifier and has the names that the new one would have. Where the names come from the
 * directory, one mail address or user principal name must be the same; where they come from the request, all of them,
 * alternative names and security identifier included, since nobody has approved any other.
 */
export function isApprovedBefore(
  template: CertificateTemplate,
  requester: Requester,
  request: RequestToJudge,
  renewal: RenewalToJudge | undefined
): boolean {
  if (renewal === undefined) return false
  if (!isFlagSet(template.enrollmentFlags, ENROLLMENT_FLAG.PREVIOUS_APPROVAL_VALIDATE_REENROLLMENT)) return false
  const { certificate } = renewal.old
  if (templateIdIn(certificate) !== template.oid) return false
  return isSubjectFromRequest(template)
    ? hasNoOtherName(template, requester, request, certificate)
    : isSamePerson(requester, certificate)
}

function templateIdIn(certificate: Certificate): string | undefined {
  const extension = findExtension(certificate, OID.szOID_CERTIFICATE_TEMPLATE)
  return extension === undefined ? undefined : decodeCertificateTemplateId(extension.value).oid
}

function hasNoOtherName(
  template: CertificateTemplate,
  requester: Requester,
  request: RequestToJudge,
  certificate: Certificate
): boolean {
  // Names that cannot be had are refused where names are checked, with their reason.
  const wanted = attempt(() => certificateNames(template, requester, request, certificate))
  const had = attempt(() => certificateNames(template, requester, certificate))
  if (wanted === undefined || had === undefined) return false
  const known = new Set(had.altNames.map(name => toHex(encodeGeneralName(name))))
  return (
    equalBytes(wanted.subject, had.subject) &&
    wanted.altNames.every(name => known.has(toHex(encodeGeneralName(name)))) &&
    (wanted.securityIdentifier === undefined || wanted.securityIdentifier === had.securityIdentifier)
  )
}

function isSamePerson({ upn, mail }: Requester, certificate: Certificate): boolean {
  const extension = findExtension(certificate, OID.id_ce_subjectAltName)
  if (extension === undefined) return false
  return decodeSubjectAltName(extension.value).some(
    name => isSame(findUserPrincipalName(name), upn) || (name.kind === 'rfc822Name' && isSame(name.value, mail))
  )
}

function isSame(found: string | undefined, wanted: string | undefined): boolean {
  return found !== undefined && wanted !== undefined && found.toLowerCase() === wanted.toLowerCase()
}
