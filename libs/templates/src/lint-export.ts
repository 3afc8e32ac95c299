import { isAppError } from '@app/core'
import { findText, isOfClass, textValuesOf, valuesOf, type LdifEntry } from '@app/ldif'
import { enrollmentRightsOf, standingOf, wellKnownName } from './access-rights.js'
import type { CertificateTemplate } from './certificate-template.js'
import { accessFindings } from './lint-export-access.js'
import { accountFindings } from './lint-export-accounts.js'
import { authorityFindings } from './lint-export-authorities.js'
import { lintTemplate } from './lint-template.js'
import { decodeSecurityDescriptor } from './security-descriptor.js'
import { decodeTemplateEntry, isTemplateEntry } from './template-ldif.js'
import type { ExportFinding } from './template-rule.js'

/** What an export of AD shows of its certificate services, and what it cannot show. */
export interface ExportReport {
  readonly objects: number
  readonly templates: number
  readonly findings: readonly ExportFinding[]
  /** Misconfigurations that no export shows, and where to look for each. */
  readonly notShown: readonly { readonly rule: string; readonly look: string }[]
}

/** Where to look for what is in the registry of a CA or a domain controller, or on a host. */
const NOT_SHOWN = [
  { rule: 'ESC6', look: 'certutil -getreg policy\\EditFlags must not show EDITF_ATTRIBUTESUBJECTALTNAME2.' },
  { rule: 'ESC7', look: 'certutil -getreg CA\\Security: only administrators may manage the CA or its certificates.' },
  { rule: 'ESC8', look: 'The web enrollment pages of IIS must demand TLS and extended protection, and take no NTLM.' },
  {
    rule: 'ESC10',
    look: 'On domain controllers: StrongCertificateBindingEnforcement 2, CertificateMappingMethods 0x18.'
  },
  { rule: 'ESC11', look: 'certutil -getreg CA\\InterfaceFlags must show IF_ENFORCEENCRYPTICERTREQUEST.' },
  { rule: 'ESC12', look: 'Who can log on to the host of the CA or read the password of its HSM.' },
  { rule: 'ESC16', look: 'certutil -getreg policy\\DisableExtensionList must not show 1.3.6.1.4.1.311.25.2.' }
] as const

/**
 * Lints an export of AD as a whole: templates with who may enroll for them and which CA offers them, enrollment
 * services, NTAuth, containers and policy identifiers of the PKI, and how accounts are tied to certificates.
 */
export function lintExport(entries: readonly LdifEntry[]): ExportReport {
  const templates = entries.filter(isTemplateEntry)
  const findings = [
    ...templates.flatMap(entry => templateFindings(entry, entries)),
    ...authorityFindings(entries),
    ...accessFindings(entries),
    ...accountFindings(entries)
  ]
  return {
    objects: entries.length,
    templates: templates.length,
    // Members in one order, as people read them.
    findings: findings.map(({ rule, severity, object, message, where, remedy }) => ({
      rule,
      severity,
      object,
      message,
      where,
      remedy
    })),
    notShown: NOT_SHOWN
  }
}

function templateFindings(entry: LdifEntry, entries: readonly LdifEntry[]): ExportFinding[] {
  let template: CertificateTemplate
  try {
    template = decodeTemplateEntry(entry, sid => wellKnownName(sid) ?? sid).template
  } catch (error) {
    if (!isAppError(error)) throw error
    return [unreadable(entry, error.message)]
  }
  const context = contextOf(template, entry, entries)
  const linked = policyFindings(template, entry, entries)
  // Where the export shows what a policy gives, that a policy might give something is told already.
  const findings = lintTemplate(template).filter(({ rule }) => rule !== 'ESC13' || linked.length === 0)
  return [
    ...findings.map(finding => ({ ...finding, message: `${finding.message}${context}`, object: entry.dn })),
    ...linked
  ]
}

function unreadable(entry: LdifEntry, message: string): ExportFinding {
  return {
    rule: 'unreadable',
    severity: 'error',
    message,
    where: 'the entry',
    remedy: 'Correct the attribute in AD, or leave the template out of the import.',
    object: entry.dn
  }
}

/** Who may enroll and where, which tells how much a fault matters. */
function contextOf({ name }: CertificateTemplate, entry: LdifEntry, entries: readonly LdifEntry[]): string {
  const offering = entries
    .filter(service => isOfClass(service, 'pKIEnrollmentService'))
    .filter(service =>
      textValuesOf(service, 'certificateTemplates').some(offered => offered.toLowerCase() === name.toLowerCase())
    )
    .map(service => findText(service, 'cn') ?? service.dn)
  const enrollees = enrolleesOf(entry).map(
    sid => `${wellKnownName(sid) ?? sid}${standingOf(sid) === 'low' ? ' (everybody in it)' : ''}`
  )
  const offered = offering.length === 0 ? 'no CA of the export offers it' : `offered by ${offering.join(', ')}`
  return ` In AD: ${offered}; ${enrollees.length === 0 ? 'nobody' : enrollees.join(', ')} may enroll.`
}

function enrolleesOf(entry: LdifEntry): readonly string[] {
  const [bytes] = valuesOf(entry, 'nTSecurityDescriptor')
  if (bytes === undefined) return []
  try {
    return enrollmentRightsOf(decodeSecurityDescriptor(bytes)).enroll
  } catch (error) {
    if (isAppError(error, 'security_descriptor_invalid')) return []
    throw error
  }
}

/** ESC13: an issuance policy that makes its holder a member of a group. */
function policyFindings(
  template: CertificateTemplate,
  entry: LdifEntry,
  entries: readonly LdifEntry[]
): ExportFinding[] {
  return entries
    .filter(policy => isOfClass(policy, 'msPKI-Enterprise-Oid'))
    .filter(policy => template.issuancePolicies.includes(findText(policy, 'msPKI-Cert-Template-OID') ?? ''))
    .flatMap(policy => {
      const group = findText(policy, 'msDS-OIDToGroupLink')
      if (group === undefined) return []
      return [
        {
          rule: 'ESC13',
          severity: 'error' as const,
          message: `Whoever gets a certificate is a member of ${group} by the policy ${findText(policy, 'displayName') ?? policy.dn}.`,
          where: 'issuancePolicies (msPKI-Certificate-Policy)',
          remedy: 'Take the group off the policy (msDS-OIDToGroupLink), or the policy off the template.',
          object: entry.dn
        }
      ]
    })
}
