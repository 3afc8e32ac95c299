import { AppError } from '@app/core'
import { textValuesOf, type LdifEntry } from '@app/ldif'
import type { CertificateTemplate } from './certificate-template.js'
import { decodeText, fault } from './directory-value.js'
import { isFlagSet, PRIVATE_KEY_FLAG } from './flags.js'
import type { TemplateMembers } from './template-attributes.js'

type Member = keyof CertificateTemplate

/** Says that an entry has Certkeep's own settings, so that one which is absent is meant to be. */
const MARKER = 'certkeep-Settings-Version'

/** Members that no attribute of AD could carry as they are, in JSON. */
const MEMBERS = 'certkeep-Members'

/** How many agents an archived key of an imported template is sealed to. */
export const IMPORTED_AGENT_COUNT = 2

/** One setting that MS-CRTD has no attribute for. */
interface Setting {
  readonly attribute: string
  readonly member: Member
  readonly kind: 'texts' | 'number' | 'boolean' | 'json'
}

const SETTINGS: readonly Setting[] = [
  { attribute: 'certkeep-Key-Algorithms', member: 'keyAlgorithms', kind: 'texts' },
  { attribute: 'certkeep-Allow-SHA1-Proof-Of-Possession', member: 'allowSha1ProofOfPossession', kind: 'boolean' },
  { attribute: 'certkeep-Enroll', member: 'enroll', kind: 'texts' },
  { attribute: 'certkeep-Auto-Enroll', member: 'autoEnroll', kind: 'texts' },
  { attribute: 'certkeep-Archival', member: 'archival', kind: 'json' },
  { attribute: 'certkeep-Approvals', member: 'approvals', kind: 'number' },
  { attribute: 'certkeep-Pending-Seconds', member: 'pendingSeconds', kind: 'number' },
  { attribute: 'certkeep-Addresses', member: 'addresses', kind: 'json' }
]

/** Attributes of an entry that are Certkeep's own. */
export function isSettingAttribute(name: string): boolean {
  const known = [MARKER, MEMBERS, ...SETTINGS.map(({ attribute }) => attribute)]
  return known.some(attribute => attribute.toLowerCase() === name.toLowerCase())
}

/** Whether an entry was written by Certkeep, with its own settings. */
export function hasSettings(entry: LdifEntry): boolean {
  return textValuesOf(entry, MARKER)[0] === '1'
}

/** The settings that an entry states, unvalidated. Throws `invalid_argument`. */
export function decodeSettings(entry: LdifEntry): TemplateMembers {
  return Object.fromEntries(
    SETTINGS.flatMap(setting => {
      const values = entry.attributes.find(({ name }) => name.toLowerCase() === setting.attribute.toLowerCase())?.values
      const texts = (values ?? []).map(value => decodeText(setting.attribute, value))
      const value = decodeSetting(setting, texts)
      return value === undefined ? [] : [[setting.member, value]]
    })
  )
}

function decodeSetting({ attribute, kind }: Setting, texts: readonly string[]): unknown {
  if (kind === 'texts') return texts
  const [text, ...others] = texts
  if (others.length > 0) throw fault(attribute, 'has several values')
  if (kind === 'boolean') return text === 'TRUE'
  if (text === undefined) return undefined
  return kind === 'number' ? Number(text) : parsed(attribute, text)
}

/** Members that overrule all others; null takes a member away. */
export function decodeExactMembers(entry: LdifEntry): Readonly<Record<string, unknown>> {
  const [text] = textValuesOf(entry, MEMBERS)
  const value = text === undefined ? {} : parsed(MEMBERS, text)
  if (typeof value !== 'object' || value === null) throw fault(MEMBERS, 'is no JSON object')
  return value as Readonly<Record<string, unknown>>
}

/** The attributes of the settings, and of the members that must be overruled when it is read again. */
export function encodeSettings(
  template: CertificateTemplate,
  exact: Readonly<Record<string, unknown>>
): LdifEntry['attributes'] {
  const settings = SETTINGS.map(({ attribute, member, kind }) => ({
    name: attribute,
    values: encodeSetting(kind, template[member])
  }))
  const members = Object.keys(exact).length === 0 ? [] : [Buffer.from(JSON.stringify(exact))]
  return [{ name: MARKER, values: [Buffer.from('1')] }, ...settings, { name: MEMBERS, values: members }]
}

function encodeSetting(kind: Setting['kind'], value: unknown): readonly Uint8Array[] {
  if (value === undefined) return []
  if (kind === 'texts') return (value as readonly string[]).map(text => Buffer.from(text))
  if (kind === 'boolean') return [Buffer.from(value === true ? 'TRUE' : 'FALSE')]
  return [Buffer.from(JSON.stringify(value))]
}

/** The settings of a template that comes from AD, which knows none: the strictest that its clients can live with. */
export function derivedSettings(members: TemplateMembers): TemplateMembers {
  const archives = isFlagSet(members.privateKeyFlags as number, PRIVATE_KEY_FLAG.REQUIRE_PRIVATE_KEY_ARCHIVAL)
  const { asymmetricAlgorithm } = members.algorithms as { readonly asymmetricAlgorithm?: string }
  return {
    keyAlgorithms: [keyAlgorithmOf(asymmetricAlgorithm)],
    allowSha1ProofOfPossession: false,
    ...(archives ? { archival: { mode: 'any-agent', agentCount: IMPORTED_AGENT_COUNT } } : {})
  }
}

/** Windows names keys by algorithm and size: RSA, ECDSA_P256, ECDH_P384. RSA is what it takes where nothing is said. */
function keyAlgorithmOf(name = 'RSA'): string {
  if (/^RSA$/i.test(name)) return 'rsa'
  const size = /^EC(?:DSA|DH)_P(256|384|521)$/i.exec(name)?.[1]
  return size === undefined ? name : `P-${size}`
}

function parsed(attribute: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AppError('invalid_argument', `The attribute ${attribute} is no JSON.`, { attribute }, { cause })
  }
}
