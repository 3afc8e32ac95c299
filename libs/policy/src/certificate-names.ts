import { AppError } from '@app/core'
import { OID } from '@app/oid'
import {
  isFlagSet,
  isForAuthentication,
  isSubjectFromRequest,
  purposesOf,
  SUBJECT_NAME_FLAG,
  type CertificateTemplate
} from '@app/templates'
import { encodeName, findNameAttributeType, type GeneralName, type NameAttributeInput } from '@app/x509'
import { directoryAltNames, directorySubject } from './directory-names.js'
import type { RequestToJudge } from './request-to-judge.js'
import type { Requester } from './requester.js'
import { requestedAltNames, requestedSecurityIdentifier, requestedSubject } from './requested-names.js'

/** The names in a certificate. */
export interface CertificateNames {
  /** The subject's Name element. */
  readonly subject: Uint8Array
  readonly isSubjectEmpty: boolean
  /** Empty when the certificate has no alternative names. */
  readonly altNames: readonly GeneralName[]
  /** For the SID extension: present where the certificate logs on as its subject. */
  readonly securityIdentifier?: string
}

/** What names may be taken from: a request, or the certificate that it renews. */
export type NameSource = Pick<RequestToJudge, 'subject' | 'extensions'>

/**
 * What a template that does not take the names from the directory takes them from: the request, or with
 * OLD_CERT_SUPPLIES_SUBJECT_AND_ALT_NAME the certificate that is renewed (MS-CRTD 2.28).
 */
export function nameSource<Renewed extends NameSource>(
  template: CertificateTemplate,
  request: NameSource,
  renewed: Renewed | undefined
): NameSource | Renewed {
  return renewed !== undefined && isFromOldCertificate(template) ? renewed : request
}

/**
 * The names that a certificate made from the template has: those of the directory, or those of the request, or of the
 * certificate that it renews, where the template says so. Never a mixture.
 *
 * Throws `subject_missing` when there would be none, `subject_too_long`, `subject_alt_name_required` for a TLS server
 * without a name to check, `subject_upn_missing`, `subject_dns_missing`, `subject_email_missing` or
 * `subject_guid_missing` for what the directory lacks, and `x509_structure` or `invalid_argument` for names that are
 * none.
 */
export function certificateNames(
  template: CertificateTemplate,
  requester: Requester,
  request: NameSource,
  renewed?: NameSource
): CertificateNames {
  const isSupplied = isSubjectFromRequest(template)
  const source = nameSource(template, request, renewed)
  const rdns = isSupplied ? requestedSubject(source) : directorySubject(template, requester)
  const altNames = isSupplied ? requestedAltNames(template, source) : directoryAltNames(template, requester)
  if (rdns.length === 0 && altNames.length === 0) {
    throw new AppError(
      'subject_missing',
      isSupplied
        ? `The template ${template.name} takes the names from the request, and the request has none that it takes.`
        : `The template ${template.name} asks the directory for no name.`
    )
  }
  if (isSupplied) requireServerName(template, altNames)
  requireLengths(rdns)
  const names = { subject: encodeName(rdns), isSubjectEmpty: rdns.length === 0, altNames }
  const securityIdentifier = isSupplied
    ? requestedSecurityIdentifier(template, source)
    : isForAuthentication(template)
      ? requester.sid
      : undefined
  return securityIdentifier === undefined ? names : { ...names, securityIdentifier }
}

/** Why {@link certificateNames} takes what it takes of a template, with a certificate that is renewed or without. */
export function explainNames(
  template: CertificateTemplate,
  isRenewal = false
): Readonly<Record<'subject' | 'altNames' | 'securityIdentifier', string>> {
  const source = sourceName(template, isRenewal)
  return {
    subject: `The template takes the subject from the ${source}.`,
    altNames: `The template takes the alternative names from the ${source}.`,
    securityIdentifier: !isForAuthentication(template)
      ? 'Certificates of the template do not log on, so they have no security identifier.'
      : isSubjectFromRequest(template)
        ? `The template takes the names from the ${source}, and with them the security identifier.`
        : "Certificates of the template log on, so they have the security identifier of the requester's account."
  }
}

function sourceName(template: CertificateTemplate, isRenewal: boolean): string {
  if (!isSubjectFromRequest(template)) return 'directory'
  return isRenewal && isFromOldCertificate(template) ? 'certificate that is renewed' : 'request'
}

function isFromOldCertificate(template: CertificateTemplate): boolean {
  return isFlagSet(template.subjectNameFlags, SUBJECT_NAME_FLAG.OLD_CERT_SUPPLIES_SUBJECT_AND_ALT_NAME)
}

/** Whether the names of a certificate are those that the request itself asks for. */
export function areNamesRequested(template: CertificateTemplate, isRenewal: boolean): boolean {
  return isSubjectFromRequest(template) && !(isRenewal && isFromOldCertificate(template))
}

/** TLS clients compare alternative names alone (RFC 9525, 2); a host name in the subject would be of no use. */
function requireServerName(template: CertificateTemplate, altNames: readonly GeneralName[]): void {
  if (!purposesOf(template).includes(OID.id_kp_serverAuth)) return
  if (altNames.some(({ kind }) => kind === 'dNSName' || kind === 'iPAddress')) return
  throw new AppError(
    'subject_alt_name_required',
    `A TLS server's certificate needs a DNS name or IP address as alternative name; add one to the request.`,
    { template: template.name }
  )
}

function requireLengths(rdns: readonly (readonly NameAttributeInput[])[]): void {
  for (const { type, value } of rdns.flat()) {
    const known = findNameAttributeType(type)
    const { length } = Array.from(value)
    if (known?.maxLength === undefined || length <= known.maxLength) continue
    throw new AppError(
      'subject_too_long',
      `${known.keywords[0]} in the subject has ${length} characters; at most ${known.maxLength} are allowed.`,
      { attribute: known.keywords[0], length, limit: known.maxLength }
    )
  }
}
