import type { TemplateReference } from '@app/cmc'
import { AppError } from '@app/core'
import type { CertificateTemplate } from './certificate-template.js'

/**
 * The one template that a request means, out of those the CA offers (MS-WCCE 3.2.2.6.2.1.4.1, 3.2.2.6.2.1.4.2).
 * Throws `template_missing`, `template_conflict`, `template_unknown` or `template_version`.
 */
export function resolveTemplate(
  reference: TemplateReference,
  offered: readonly CertificateTemplate[]
): CertificateTemplate {
  const names = distinct(reference.names)
  const [name] = names
  if (name === undefined && reference.oid === undefined) {
    throw new AppError('template_missing', 'The request names no template; name one that this CA offers.')
  }
  if (names.length > 1) throw conflict(names.map(quote).join(', '))
  const byName = name === undefined ? undefined : offered.find(template => isNamed(template, name))
  const byOid = reference.oid === undefined ? undefined : offered.find(template => template.oid === reference.oid)
  if (name !== undefined && byName === undefined) throw unknown(quote(name))
  if (reference.oid !== undefined && byOid === undefined) throw unknown(reference.oid)
  if (byName !== undefined && byOid !== undefined && byName !== byOid) {
    throw conflict(`${quote(byName.name)} and ${byOid.oid}, which is ${quote(byOid.name)}`)
  }
  const template = (byName ?? byOid) as CertificateTemplate
  checkVersion(reference, template)
  return template
}

function distinct(names: readonly string[]): string[] {
  const trimmed = names.map(name => name.trim()).filter(name => name !== '')
  return [...new Map(trimmed.map(name => [name.toLowerCase(), name])).values()]
}

function isNamed(template: CertificateTemplate, name: string): boolean {
  return template.name.toLowerCase() === name.toLowerCase()
}

/** The minor version counts whatever the major one is, as in MS-WCCE 3.2.2.6.2.1.4.2. */
function checkVersion(reference: TemplateReference, template: CertificateTemplate): void {
  if (template.schemaVersion < 2) return
  const { major = 0, minor = 0 } = reference
  if (major <= template.majorVersion && minor <= template.minorVersion) return
  const has = `${template.majorVersion}.${template.minorVersion}`
  throw new AppError(
    'template_version',
    `The request wants version ${major}.${minor} of the template ${quote(template.name)}; this CA has ${has}.`,
    { template: template.name, wanted: `${major}.${minor}`, has }
  )
}

function conflict(what: string): AppError {
  return new AppError('template_conflict', `The request names different templates: ${what}.`)
}

function unknown(what: string): AppError {
  return new AppError('template_unknown', `This CA offers no template ${what}.`, { template: what })
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 64))
}
