import { AppError, equalBytes, isAppError, toBase64 } from '@app/core'
import { isOfClass, textOf, valuesOf, type LdifAttribute, type LdifEntry } from '@app/ldif'
import { domainOf, enrollmentRightsOf, wellKnownName } from './access-rights.js'
import type { CertificateTemplate, DirectoryEntry, StoredValue } from './certificate-template.js'
import { decodeSecurityDescriptor } from './security-descriptor.js'
import { TEMPLATE_ATTRIBUTES, type TemplateMembers } from './template-attributes.js'
import { decodeTemplate, encodeTemplate } from './template-codec.js'
import {
  decodeExactMembers,
  decodeSettings,
  derivedSettings,
  encodeSettings,
  hasSettings,
  IMPORTED_AGENT_COUNT,
  isSettingAttribute
} from './template-settings.js'

/** The class of a template's entry in AD (MS-CRTD 2). */
export const TEMPLATE_CLASS = 'pKICertificateTemplate'

/** Where the templates of a forest are, below its root; `DC=X` is for `ldifde -c` to replace. */
const CONTAINER = 'CN=Certificate Templates,CN=Public Key Services,CN=Services,CN=Configuration'
const DEFAULT_BASE = 'DC=X'

/** A template out of a directory entry, and what whoever imports it should know. */
export interface ImportedTemplate {
  readonly template: CertificateTemplate
  readonly notes: readonly string[]
}

/** The name of the directory's group with a security identifier; undefined for one that it does not know. */
export type FindGroup = (sid: string) => string | undefined

/** Whether an entry is a certificate template. */
export function isTemplateEntry(entry: LdifEntry): boolean {
  return isOfClass(entry, TEMPLATE_CLASS)
}

/**
 * The template that an entry of AD's template container describes (MS-CRTD 2). Groups with the right Enroll in its
 * security descriptor may enroll, as far as `findGroup` knows them. Attributes without a member are kept for
 * {@link encodeTemplateEntry}. Throws `invalid_argument` for an entry that makes no template.
 */
export function decodeTemplateEntry(entry: LdifEntry, findGroup: FindGroup): ImportedTemplate {
  try {
    return decodeMembers(entry, findGroup)
  } catch (error) {
    if (!isAppError(error, 'invalid_argument')) throw error
    const { message, evidence, code } = error
    throw new AppError(code, `${entry.dn}: ${message}`, { ...evidence, entry: entry.dn }, { cause: error })
  }
}

function decodeMembers(entry: LdifEntry, findGroup: FindGroup): ImportedTemplate {
  const members: TemplateMembers = {}
  for (const { attribute, decode } of TEMPLATE_ATTRIBUTES) {
    Object.assign(members, decode(valuesOf(entry, attribute), entry))
  }
  const isOwn = hasSettings(entry)
  const notes: string[] = []
  if (isOwn) Object.assign(members, decodeSettings(entry))
  else Object.assign(members, derivedSettings(members), groupsOf(members, findGroup, notes))
  if (!isOwn && members.archival !== undefined) {
    notes.push(
      `Archived keys are sealed to ${IMPORTED_AGENT_COUNT} recovery agents; set archival.agentCount otherwise.`
    )
  }
  const template = decodeTemplate(withStored(members, entry))
  return { template: isOwn ? overruled(template, entry) : template, notes }
}

function withStored(members: TemplateMembers, entry: LdifEntry): unknown {
  const bare = decodeTemplate(members)
  const directoryEntry = storedOf(bare, entry)
  return directoryEntry === undefined ? bare : { ...bare, directoryEntry }
}

/** What an entry states exactly, in place of what its attributes say. Attributes that were added to it since stay. */
function overruled(template: CertificateTemplate, entry: LdifEntry): CertificateTemplate {
  const exact = Object.entries(decodeExactMembers(entry))
  if (exact.length === 0) return template
  const members = { ...encodeTemplate(template) }
  for (const [member, value] of exact) {
    if (value === null) delete members[member]
    else members[member] = value
  }
  const { directoryEntry } = decodeTemplate(members)
  const added = template.directoryEntry?.attributes.filter(({ name }) => !isStored(directoryEntry, name)) ?? []
  if (added.length > 0) {
    const distinguishedName = directoryEntry?.distinguishedName ?? entry.dn
    members['directoryEntry'] = { distinguishedName, attributes: [...(directoryEntry?.attributes ?? []), ...added] }
  }
  return decodeTemplate(members)
}

function isStored(entry: DirectoryEntry | undefined, name: string): boolean {
  return entry?.attributes.some(known => known.name.toLowerCase() === name.toLowerCase()) === true
}

function groupsOf(members: TemplateMembers, findGroup: FindGroup, notes: string[]): TemplateMembers {
  const encoded = members.securityDescriptor as string | undefined
  if (encoded === undefined) {
    notes.push('There is no security descriptor in the entry, so no group may enroll; set enroll.')
    return { enroll: [], autoEnroll: [] }
  }
  try {
    const { enroll, autoEnroll, denied } = enrollmentRightsOf(decodeSecurityDescriptor(Buffer.from(encoded, 'base64')))
    const names = (sids: readonly string[]): string[] => [...new Set(sids.flatMap(sid => findGroup(sid) ?? []))]
    const unknown = [...new Set([...enroll, ...autoEnroll])].filter(sid => findGroup(sid) === undefined)
    notes.push(
      ...unknown.map(sid => `${nameOf(sid)} may enroll in AD and is no group here; its members may not enroll.`),
      ...denied.map(sid => `${nameOf(sid)} is denied enrollment in AD; here whoever is in no group of enroll may not.`)
    )
    return { enroll: names(enroll), autoEnroll: names(autoEnroll) }
  } catch (error) {
    if (!isAppError(error, 'security_descriptor_invalid')) throw error
    notes.push(`${error.message} No group may enroll; set enroll.`)
    return { enroll: [], autoEnroll: [] }
  }
}

function nameOf(sid: string): string {
  const name = wellKnownName(sid)
  if (name === undefined) return sid
  return domainOf(sid) === undefined ? `${name} (${sid})` : `${name} of its domain (${sid})`
}

/**
 * The entry of a template, for AD and for Certkeep. Of an imported template every attribute and value comes back as it
 * was, unless the member that it stands for is another now; {@link decodeTemplateEntry} gives back the same template.
 * Without `settings` it has only what the schema of AD knows.
 */
export function encodeTemplateEntry(
  template: CertificateTemplate,
  options: { readonly base?: string; readonly settings?: boolean } = {}
): LdifEntry {
  const dn = template.directoryEntry?.distinguishedName ?? distinguishedNameOf(template, options.base)
  const attributes = attributesOf(template)
  if (options.settings === false) return { dn, attributes }
  const draft = { dn, attributes: withValues([...attributes, ...encodeSettings(template, {})]) }
  const exact = differences(template, decodeTemplateEntry(draft, () => undefined).template)
  return { dn, attributes: withValues([...attributes, ...encodeSettings(template, exact)]) }
}

/** What must be overruled in `read` so that it is `template`. */
function differences(template: CertificateTemplate, read: CertificateTemplate): Record<string, unknown> {
  const wanted = encodeTemplate(template)
  const got = encodeTemplate(read)
  const members = [...new Set([...Object.keys(wanted), ...Object.keys(got)])]
  const differing = members.filter(member => JSON.stringify(wanted[member]) !== JSON.stringify(got[member]))
  return Object.fromEntries(differing.map(member => [member, wanted[member] ?? null]))
}

function distinguishedNameOf({ name }: Pick<CertificateTemplate, 'name'>, base = DEFAULT_BASE): string {
  // RFC 4514, 2.4.
  const escaped = name.replace(/^[ #]|[,+"\\<>;=]| $/g, character => `\\${character}`)
  return `CN=${escaped},${CONTAINER},${base}`
}

function canonicalAttributes(template: CertificateTemplate): LdifAttribute[] {
  const objectClass = { name: 'objectClass', values: [Buffer.from('top'), Buffer.from(TEMPLATE_CLASS)] }
  return [
    objectClass,
    ...TEMPLATE_ATTRIBUTES.map(({ attribute, encode }) => ({ name: attribute, values: encode(template) }))
  ]
}

function attributesOf(template: CertificateTemplate): LdifAttribute[] {
  const stored = new Map(
    (template.directoryEntry?.attributes ?? []).map(({ name, values }) => [
      name.toLowerCase(),
      { name, values: values.map(bytesOf) }
    ])
  )
  const modelled = canonicalAttributes(template).map(attribute => {
    const former = stored.get(attribute.name.toLowerCase())
    stored.delete(attribute.name.toLowerCase())
    return former !== undefined && saysTheSame(template, attribute.name, former) ? former : attribute
  })
  const others = [...stored.values()].filter(({ name }) => !isSettingAttribute(name))
  return withValues([...modelled, ...others])
}

/** Whether the values that an attribute had still stand for what the template says. */
function saysTheSame(template: CertificateTemplate, attribute: string, former: LdifAttribute): boolean {
  const codec = TEMPLATE_ATTRIBUTES.find(known => known.attribute === attribute)
  if (codec === undefined) return true
  const canonical = canonicalAttributes(template).filter(({ name }) => name !== attribute)
  try {
    const members = codec.decode(former.values, { dn: '', attributes: withValues([...canonical, former]) })
    return codec.members.every(member => JSON.stringify(members[member]) === JSON.stringify(template[member]))
  } catch (error) {
    if (isAppError(error)) return false
    throw error
  }
}

/** What of an entry the template does not give back by itself. */
function storedOf(template: CertificateTemplate, entry: LdifEntry): DirectoryEntry | undefined {
  const canonical = new Map(withValues(canonicalAttributes(template)).map(attribute => [attribute.name, attribute]))
  const differing = entry.attributes.filter(attribute => {
    const own = canonical.get(attribute.name)
    return !isSettingAttribute(attribute.name) && (own === undefined || !hasSameValues(own, attribute))
  })
  const present = new Set(entry.attributes.map(({ name }) => name.toLowerCase()))
  const absent = [...canonical.keys()].filter(name => !present.has(name.toLowerCase()))
  const attributes = [
    ...differing.map(({ name, values }) => ({ name, values: values.map(storedValue) })),
    ...absent.map(name => ({ name, values: [] }))
  ]
  const isUsual = entry.dn === distinguishedNameOf(template) && attributes.length === 0
  return isUsual ? undefined : { distinguishedName: entry.dn, attributes }
}

function hasSameValues(a: LdifAttribute, b: LdifAttribute): boolean {
  return (
    a.values.length === b.values.length && a.values.every((value, i) => equalBytes(value, b.values[i] as Uint8Array))
  )
}

function withValues(attributes: readonly LdifAttribute[]): LdifAttribute[] {
  return attributes.filter(({ values }) => values.length > 0)
}

function storedValue(value: Uint8Array): StoredValue {
  const text = textOf(value)
  const isPrintable = text !== undefined && text.length <= 65_536 && !/\p{Cc}/u.test(text)
  return isPrintable ? text : { base64: toBase64(value) }
}

function bytesOf(value: StoredValue): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.base64, 'base64')
}
