import { AppError, type ErrorCode } from '@app/core'
import { OID } from '@app/oid'
import { isFlagSet, isForMachines, SUBJECT_NAME_FLAG as FLAG, type CertificateTemplate } from '@app/templates'
import { parseDistinguishedName, type GeneralName, type NameAttributeInput } from '@app/x509'
import { encodeGuidName, encodePrincipalName, isDnsName, isMailAddress, isPrincipalName } from './name-forms.js'
import { accountOf, type Requester } from './requester.js'

/**
 * The subject that a template gives the requester, out of the directory, in the order of the encoding
 * (MS-WCCE 3.2.2.6.2.1.4.4.1, 3.2.2.6.2.1.4.5.9). Empty when the template asks for none.
 * Throws `subject_missing`, `subject_dns_missing` or `subject_email_missing`.
 */
export function directorySubject(template: CertificateTemplate, requester: Requester): NameAttributeInput[][] {
  const rdns = baseSubject(template, requester)
  if (isFlagSet(template.subjectNameFlags, FLAG.SUBJECT_REQUIRE_EMAIL)) {
    rdns.push([{ type: OID.id_emailAddress, value: mailOf(requester) }])
  }
  return rdns
}

function baseSubject(template: CertificateTemplate, requester: Requester): NameAttributeInput[][] {
  const flags = template.subjectNameFlags
  if (isFlagSet(flags, FLAG.SUBJECT_REQUIRE_DIRECTORY_PATH)) {
    if (requester.distinguishedName === undefined || requester.distinguishedName === '') {
      throw missing('subject_missing', requester, 'distinguished name')
    }
    return parseDistinguishedName(requester.distinguishedName)
  }
  const byDns = isFlagSet(flags, FLAG.SUBJECT_REQUIRE_DNS_AS_CN)
  const byCommonName = isFlagSet(flags, FLAG.SUBJECT_REQUIRE_COMMON_NAME)
  if (!byDns && !byCommonName) return []
  // A computer's common name is its DNS name, whichever flag asks for it.
  const value = byDns || isForMachines(template) ? dnsNameOf(requester) : commonNameOf(requester)
  return [[{ type: OID.id_at_commonName, value }]]
}

/**
 * The subject alternative names that a template gives the requester, out of the directory
 * (MS-WCCE 3.2.2.6.2.1.4.5.9). Throws `subject_upn_missing`, `subject_email_missing`, `subject_guid_missing` or
 * `subject_dns_missing` when the directory lacks one or has it in no usable form.
 */
export function directoryAltNames(template: CertificateTemplate, requester: Requester): GeneralName[] {
  const isAsked = (...flags: number[]): boolean => flags.some(flag => isFlagSet(template.subjectNameFlags, flag))
  const names: GeneralName[] = []
  // Both flags mean the UPN: MS-WCCE knows no other service principal name here.
  if (isAsked(FLAG.SUBJECT_ALT_REQUIRE_UPN, FLAG.SUBJECT_ALT_REQUIRE_SPN)) {
    names.push(encodePrincipalName(principalNameOf(requester)))
  }
  if (isAsked(FLAG.SUBJECT_ALT_REQUIRE_EMAIL)) names.push({ kind: 'rfc822Name', value: mailOf(requester) })
  if (isAsked(FLAG.SUBJECT_ALT_REQUIRE_DNS)) names.push({ kind: 'dNSName', value: dnsNameOf(requester) })
  if (isAsked(FLAG.SUBJECT_ALT_REQUIRE_DOMAIN_DNS)) names.push({ kind: 'dNSName', value: domainDnsNameOf(requester) })
  if (isAsked(FLAG.SUBJECT_ALT_REQUIRE_DIRECTORY_GUID)) names.push(guidNameOf(requester))
  return names
}

/** The directory's cn, which stands first in the distinguished name; else the name people know the principal by. */
function commonNameOf(requester: Requester): string {
  const rdns = requester.distinguishedName === undefined ? [] : parseDistinguishedName(requester.distinguishedName)
  const own = rdns.at(-1)?.find(attribute => attribute.type === OID.id_at_commonName)?.value
  return own ?? requester.displayName ?? requester.accountName
}

function principalNameOf(requester: Requester): string {
  if (requester.upn === undefined || !isPrincipalName(requester.upn)) {
    throw missing('subject_upn_missing', requester, 'user principal name (UPN)')
  }
  return requester.upn
}

function mailOf(requester: Requester): string {
  if (requester.mail === undefined || !isMailAddress(requester.mail)) {
    throw missing('subject_email_missing', requester, 'mail address')
  }
  return requester.mail
}

function dnsNameOf(requester: Requester): string {
  if (requester.dnsName === undefined || !isDnsName(requester.dnsName)) {
    throw missing('subject_dns_missing', requester, 'DNS name')
  }
  return requester.dnsName
}

function domainDnsNameOf(requester: Requester): string {
  const rdns = requester.distinguishedName === undefined ? [] : parseDistinguishedName(requester.distinguishedName)
  const components = rdns.flat().filter(attribute => attribute.type === OID.id_domainComponent)
  const fromPath = components.toReversed().map(attribute => attribute.value)
  const domain = fromPath.length > 0 ? fromPath.join('.') : requester.domain
  if (!domain.includes('.') || !isDnsName(domain)) {
    throw missing('subject_dns_missing', requester, 'DNS name of its domain')
  }
  return domain
}

function guidNameOf(requester: Requester): GeneralName {
  const name = requester.guid === undefined ? undefined : encodeGuidName(requester.guid)
  if (name === undefined) throw missing('subject_guid_missing', requester, 'GUID')
  return name
}

function missing(code: ErrorCode, requester: Requester, what: string): AppError {
  const account = accountOf(requester)
  return new AppError(code, `The directory has no usable ${what} of ${account}, and the template needs it.`, {
    account
  })
}
