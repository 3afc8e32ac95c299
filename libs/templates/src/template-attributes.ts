import { toBase64 } from '@app/core'
import { valuesOf, type LdifEntry } from '@app/ldif'
import { decodeTriplets, encodeTriplets, type RegistrationTriplets } from './algorithm-triplets.js'
import type { CertificateTemplate, CryptographicProvider } from './certificate-template.js'
import {
  decodeFlagWord,
  decodeInteger,
  decodeKeyUsageBits,
  decodePeriod,
  decodeText,
  encodeInteger,
  encodeKeyUsageBits,
  encodePeriod,
  fault
} from './directory-value.js'
import { isFlagSet, PRIVATE_KEY_FLAG } from './flags.js'

type Member = keyof CertificateTemplate
/** The members of a template before they are validated. */
export type TemplateMembers = Partial<Record<Member, unknown>>
type Values = readonly Uint8Array[]

/** How one attribute of a `pKICertificateTemplate` and the members of a template turn into each other. */
export interface TemplateAttribute {
  readonly attribute: string
  readonly members: readonly Member[]
  /** What the members are, defaults included where the attribute is absent. Throws `invalid_argument`. */
  readonly decode: (values: Values, entry: LdifEntry) => TemplateMembers
  readonly encode: (template: CertificateTemplate) => Values
}

/** The attributes of MS-CRTD 2, each once. What is not here an import keeps as it is. */
export const TEMPLATE_ATTRIBUTES: readonly TemplateAttribute[] = [
  {
    attribute: 'cn',
    members: ['name'],
    decode: values => ({ name: requireText('cn', values) }),
    encode: ({ name }) => [Buffer.from(name)]
  },
  {
    attribute: 'displayName',
    members: ['displayName'],
    decode: (values, entry) => ({
      displayName: values.length === 0 ? requireText('cn', valuesOf(entry, 'cn')) : requireText('displayName', values)
    }),
    encode: ({ displayName }) => [Buffer.from(displayName)]
  },
  word('flags', 'generalFlags'),
  integer('revision', 'majorVersion', 0),
  period('pKIExpirationPeriod', 'validitySeconds'),
  period('pKIOverlapPeriod', 'overlapSeconds'),
  {
    attribute: 'pKIKeyUsage',
    members: ['keyUsage'],
    decode: values => ({
      keyUsage: decodeKeyUsageBits('pKIKeyUsage', single('pKIKeyUsage', values) ?? new Uint8Array())
    }),
    encode: ({ keyUsage }) => [encodeKeyUsageBits(keyUsage)]
  },
  list('pKIExtendedKeyUsage', 'extendedKeyUsages'),
  list('pKICriticalExtensions', 'criticalExtensions'),
  integer('pKIMaxIssuingDepth', 'maxIssuingDepth', 0),
  integer('pKIDefaultKeySpec', 'keySpec', 1),
  {
    attribute: 'pKIDefaultCSPs',
    members: ['cryptographicProviders'],
    decode: values => ({ cryptographicProviders: values.map(decodeProvider) }),
    encode: ({ cryptographicProviders: all }) => all.map(({ preference, name }) => Buffer.from(`${preference},${name}`))
  },
  integer('msPKI-Template-Schema-Version', 'schemaVersion', 1),
  integer('msPKI-Template-Minor-Revision', 'minorVersion', 0),
  {
    attribute: 'msPKI-Cert-Template-OID',
    members: ['oid'],
    decode: values => ({ oid: requireText('msPKI-Cert-Template-OID', values) }),
    encode: ({ oid }) => [Buffer.from(oid)]
  },
  word('msPKI-Enrollment-Flag', 'enrollmentFlags'),
  word('msPKI-Private-Key-Flag', 'privateKeyFlags'),
  word('msPKI-Certificate-Name-Flag', 'subjectNameFlags'),
  integer('msPKI-Minimal-Key-Size', 'minimalKeySize', 0),
  integer('msPKI-RA-Signature', 'raSignatures', 0),
  list('msPKI-RA-Policies', 'raPolicies'),
  {
    attribute: 'msPKI-RA-Application-Policies',
    members: ['raApplicationPolicies', 'algorithms'],
    decode: (values, entry) => ({ ...decodeRegistration(values, entry) }),
    encode: encodeRegistration
  },
  list('msPKI-Certificate-Policy', 'issuancePolicies'),
  list('msPKI-Certificate-Application-Policy', 'applicationPolicies'),
  list('msPKI-Supersede-Templates', 'supersededTemplates'),
  {
    attribute: 'nTSecurityDescriptor',
    members: ['securityDescriptor'],
    decode: values => {
      const value = single('nTSecurityDescriptor', values)
      return value === undefined ? {} : { securityDescriptor: toBase64(value) }
    },
    encode: ({ securityDescriptor: value }) => (value === undefined ? [] : [Buffer.from(value, 'base64')])
  }
]

/** The attribute that carries a member; undefined for Certkeep's own settings. */
export function attributeOf(member: Member): string | undefined {
  return TEMPLATE_ATTRIBUTES.find(({ members }) => members.includes(member))?.attribute
}

function word(attribute: string, member: Member): TemplateAttribute {
  return {
    attribute,
    members: [member],
    decode: values => {
      const value = single(attribute, values)
      return { [member]: value === undefined ? 0 : decodeFlagWord(attribute, value) }
    },
    encode: template => [encodeInteger(template[member] as number)]
  }
}

function integer(attribute: string, member: Member, absent: number): TemplateAttribute {
  return {
    attribute,
    members: [member],
    decode: values => {
      const value = single(attribute, values)
      return { [member]: value === undefined ? absent : decodeInteger(attribute, value) }
    },
    encode: template => [encodeInteger(template[member] as number)]
  }
}

function period(attribute: string, member: Member): TemplateAttribute {
  return {
    attribute,
    members: [member],
    decode: values => {
      const value = single(attribute, values)
      return { [member]: value === undefined ? 0 : decodePeriod(attribute, value) }
    },
    encode: template => [encodePeriod(template[member] as number)]
  }
}

/** AD has a value once; a file that repeats one says nothing more by it. */
function list(attribute: string, member: Member): TemplateAttribute {
  return {
    attribute,
    members: [member],
    decode: values => ({ [member]: [...new Set(values.map(value => decodeText(attribute, value)))] }),
    encode: template => (template[member] as readonly string[]).map(value => Buffer.from(value))
  }
}

function single(attribute: string, values: Values): Uint8Array | undefined {
  if (values.length > 1) throw fault(attribute, 'has several values')
  return values[0]
}

function requireText(attribute: string, values: Values): string {
  const value = single(attribute, values)
  if (value === undefined) throw fault(attribute, 'is missing')
  return decodeText(attribute, value)
}

function decodeProvider(value: Uint8Array): CryptographicProvider {
  const match = /^(\d{1,10}),(.*)$/su.exec(decodeText('pKIDefaultCSPs', value))
  if (match === null) throw fault('pKIDefaultCSPs', 'has a value that is no "number,name"')
  return { preference: Number(match[1]), name: match[2] as string }
}

/** Which of its two syntaxes the attribute has (MS-CRTD 2.23). */
function hasTriplets(schemaVersion: unknown, privateKeyFlags: unknown): boolean {
  return (
    schemaVersion === 3 ||
    (schemaVersion === 4 && !isFlagSet(privateKeyFlags as number, PRIVATE_KEY_FLAG.USE_LEGACY_PROVIDER))
  )
}

const REGISTRATION = 'msPKI-RA-Application-Policies'

function decodeRegistration(values: Values, entry: LdifEntry): RegistrationTriplets {
  const version = single('', valuesOf(entry, 'msPKI-Template-Schema-Version'))
  const flags = single('', valuesOf(entry, 'msPKI-Private-Key-Flag'))
  const texts = values.map(value => decodeText(REGISTRATION, value))
  if (
    version !== undefined &&
    hasTriplets(decodeInteger('', version), flags === undefined ? 0 : decodeFlagWord('', flags))
  ) {
    const [text, ...others] = texts
    if (others.length > 0) throw fault(REGISTRATION, 'has several values, where triplets are one')
    return decodeTriplets(text ?? '')
  }
  return { raApplicationPolicies: [...new Set(texts)], algorithms: {} }
}

function encodeRegistration(template: CertificateTemplate): Values {
  if (!hasTriplets(template.schemaVersion, template.privateKeyFlags)) {
    return template.raApplicationPolicies.map(oid => Buffer.from(oid))
  }
  const text = encodeTriplets(template)
  return text === '' ? [] : [Buffer.from(text)]
}
