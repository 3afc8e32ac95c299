import { createHash } from 'node:crypto'
import { equalBytes } from '@app/core'
import { findText, isOfClass, textValuesOf, valuesOf, type LdifEntry } from '@app/ldif'
import { isTemplateEntry } from './template-ldif.js'
import type { ExportFinding } from './template-rule.js'

/** How a client signs in at an enrollment web service (MS-XCEP 3.1.4.1.3.3). */
const KERBEROS = '2'

/** Enrollment services, the store of issuers that logons trust, and policy identifiers that are linked to groups. */
export function authorityFindings(entries: readonly LdifEntry[]): ExportFinding[] {
  const services = entries.filter(entry => isOfClass(entry, 'pKIEnrollmentService'))
  return [
    ...services.flatMap(webFindings),
    ...services.flatMap(service => offerFindings(service, entries)),
    ...entries.filter(isNtAuth).flatMap(store => trustFindings(store, services)),
    ...entries.filter(entry => isOfClass(entry, 'msPKI-Enterprise-Oid')).flatMap(linkFindings)
  ]
}

/** ESC8. A value of `msPKI-Enrollment-Servers`: priority, authentication, renewal only and address, a line each. */
function webFindings(service: LdifEntry): ExportFinding[] {
  return textValuesOf(service, 'msPKI-Enrollment-Servers').flatMap((value): ExportFinding[] => {
    const [, authentication, , address = ''] = value.split('\n')
    const common = { rule: 'ESC8', where: 'msPKI-Enrollment-Servers', object: service.dn }
    if (!/^https:/i.test(address.trim())) {
      const message = `Clients enroll at ${address} without TLS, so that a logon can be relayed to it.`
      return [{ ...common, severity: 'error', message, remedy: 'Serve enrollment over TLS only.' }]
    }
    if (authentication?.trim() !== KERBEROS) return []
    const message = `${address} takes Windows logons; where it also takes NTLM a logon can be relayed to it.`
    const remedy = 'Demand extended protection and switch NTLM off, or let clients sign in with certificates.'
    return [{ ...common, severity: 'warning', message, remedy }]
  })
}

function offerFindings(service: LdifEntry, entries: readonly LdifEntry[]): ExportFinding[] {
  const known = new Set(entries.filter(isTemplateEntry).flatMap(entry => findText(entry, 'cn')?.toLowerCase() ?? []))
  const missing = textValuesOf(service, 'certificateTemplates').filter(name => !known.has(name.toLowerCase()))
  if (missing.length === 0) return []
  return [
    {
      rule: 'template-missing',
      severity: 'warning',
      message: `The CA offers templates that are not in the export: ${missing.join(', ')}.`,
      where: 'certificateTemplates',
      remedy: 'Export the container of the templates too, so that they are looked at.',
      object: service.dn
    }
  ]
}

function isNtAuth(entry: LdifEntry): boolean {
  return /^cn=ntauthcertificates,/i.test(entry.dn)
}

/** ESC5: whoever is in NTAuth can make certificates that log on as anybody. */
function trustFindings(store: LdifEntry, services: readonly LdifEntry[]): ExportFinding[] {
  const own = services.flatMap(service => valuesOf(service, 'cACertificate'))
  return valuesOf(store, 'cACertificate')
    .filter(certificate => !own.some(known => equalBytes(known, certificate)))
    .map(certificate => ({
      rule: 'ESC5',
      severity: 'warning',
      message: `Logons trust an issuer that is no CA of the export, SHA-1 ${createHash('sha1').update(certificate).digest('hex')}.`,
      where: 'cACertificate',
      remedy: 'Remove the certificate from NTAuth unless its CA is known and guarded as the others are.',
      object: store.dn
    }))
}

function linkFindings(policy: LdifEntry): ExportFinding[] {
  const group = findText(policy, 'msDS-OIDToGroupLink')
  if (group === undefined) return []
  return [
    {
      rule: 'ESC13',
      severity: 'warning',
      message: `The policy ${findText(policy, 'displayName') ?? policy.dn} makes members of ${group}.`,
      where: 'msDS-OIDToGroupLink',
      remedy: 'Use the policy only in templates whose requests are approved, or take the link away.',
      object: policy.dn
    }
  ]
}
