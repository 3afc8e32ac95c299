import { isAppError } from '@app/core'
import { findText, isOfClass, valuesOf, type LdifEntry } from '@app/ldif'
import { controllersOf, standingOf, type ObjectController, type Standing } from './access-rights.js'
import { describe } from './lint-rules-control.js'
import { decodeSecurityDescriptor } from './security-descriptor.js'
import { isTemplateEntry } from './template-ldif.js'
import type { ExportFinding } from './template-rule.js'

const PKI = 'cn=public key services,cn=services,cn=configuration,'
const WHERE = 'nTSecurityDescriptor'

/**
 * Who controls the objects of the PKI beside templates: ESC7 for enrollment services, ESC5 for every other object below
 * "Public Key Services" and for the computers that CAs run on.
 */
export function accessFindings(entries: readonly LdifEntry[]): ExportFinding[] {
  return pkiObjects(entries).flatMap(entry => {
    const controllers = controllersOfEntry(entry)
    if (controllers === 'damaged') {
      const finding = {
        rule: 'security-descriptor',
        severity: 'warning' as const,
        message: 'The security descriptor cannot be read.',
        where: WHERE,
        remedy: 'Export the object again, or look at its permissions in AD.',
        object: entry.dn
      }
      return [finding]
    }
    return [...controlFindings(entry, controllers, 'low'), ...controlFindings(entry, controllers, 'unknown')]
  })
}

function pkiObjects(entries: readonly LdifEntry[]): LdifEntry[] {
  const hosts = new Set(
    entries
      .filter(entry => isOfClass(entry, 'pKIEnrollmentService'))
      .flatMap(service => findText(service, 'dNSHostName')?.toLowerCase() ?? [])
  )
  return entries.filter(entry => {
    if (isTemplateEntry(entry)) return false
    if (entry.dn.toLowerCase().includes(PKI)) return true
    return isOfClass(entry, 'computer') && hosts.has(findText(entry, 'dNSHostName')?.toLowerCase() ?? '')
  })
}

function controllersOfEntry(entry: LdifEntry): readonly ObjectController[] | 'damaged' {
  const [bytes] = valuesOf(entry, WHERE)
  if (bytes === undefined) return []
  try {
    return controllersOf(decodeSecurityDescriptor(bytes))
  } catch (error) {
    if (isAppError(error, 'security_descriptor_invalid')) return 'damaged'
    throw error
  }
}

function controlFindings(
  entry: LdifEntry,
  all: readonly ObjectController[],
  standing: Exclude<Standing, 'administrative'>
): ExportFinding[] {
  const controllers = all.filter(({ sid }) => standingOf(sid) === standing)
  if (controllers.length === 0) return []
  const isService = isOfClass(entry, 'pKIEnrollmentService')
  const effect = isService ? 'what the CA offers' : 'what the forest trusts or offers'
  return [
    {
      rule: isService ? 'ESC7' : 'ESC5',
      severity: standing === 'low' ? 'error' : 'warning',
      message: `${describe(controllers)} can change the object, and so ${effect}.`,
      where: WHERE,
      remedy:
        standing === 'low'
          ? 'Leave changes of the object to administrators.'
          : 'Make sure that each of them is an administrator of the PKI.',
      object: entry.dn
    }
  ]
}
