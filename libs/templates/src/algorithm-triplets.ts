import type { AlgorithmChoices } from './certificate-template.js'
import { fault } from './directory-value.js'

const ATTRIBUTE = 'msPKI-RA-Application-Policies'

/** What one value of the attribute says in the syntax of MS-CRTD 2.23.2. */
export interface RegistrationTriplets {
  readonly raApplicationPolicies: readonly string[]
  readonly algorithms: AlgorithmChoices
}

const TEXT = {
  'msPKI-Asymmetric-Algorithm': 'asymmetricAlgorithm',
  'msPKI-Symmetric-Algorithm': 'symmetricAlgorithm',
  'msPKI-Hash-Algorithm': 'hashAlgorithm',
  'msPKI-Key-Security-Descriptor': 'keySecurityDescriptor'
} as const

const NUMBER = {
  'msPKI-Symmetric-Key-Length': 'symmetricKeyLength',
  'msPKI-Key-Usage': 'keyUsage'
} as const

/**
 * Reads triplets of name, type and value, each ended by a grave accent. Throws `invalid_argument` for another name,
 * another type or one thing twice.
 */
export function decodeTriplets(text: string): RegistrationTriplets {
  const parts = text.split('`')
  if (parts.pop() !== '' || parts.length % 3 !== 0) throw fault(ATTRIBUTE, 'is not made of triplets')
  let raApplicationPolicies: readonly string[] = []
  const algorithms: Record<string, string | number> = {}
  const seen = new Set<string>()
  for (let at = 0; at < parts.length; at += 3) {
    const [name, type, value] = parts.slice(at, at + 3) as [string, string, string]
    if (seen.has(name)) throw fault(ATTRIBUTE, `says ${JSON.stringify(name)} twice`)
    seen.add(name)
    if (name === ATTRIBUTE) raApplicationPolicies = policiesOf(type, value)
    else algorithms[memberOf(name)] = valueOf(name, type, value)
  }
  return { raApplicationPolicies, algorithms }
}

/** The triplets in alphabetical order, as Windows writes them. A text with a grave accent has no place in them. */
export function encodeTriplets({ raApplicationPolicies, algorithms }: RegistrationTriplets): string {
  const triplets = [
    ...Object.entries(TEXT).map(([name, member]) => triplet(name, 'PZPWSTR', algorithms[member])),
    ...Object.entries(NUMBER).map(([name, member]) => triplet(name, 'DWORD', algorithms[member])),
    raApplicationPolicies.length === 0 ? '' : triplet(ATTRIBUTE, 'PZPWSTR', raApplicationPolicies.join(','))
  ]
  return triplets.toSorted().join('')
}

function triplet(name: string, type: string, value: string | number | undefined): string {
  return value === undefined || String(value).includes('`') ? '' : `${name}\`${type}\`${value}\``
}

function policiesOf(type: string, value: string): readonly string[] {
  if (type !== 'PZPWSTR') throw fault(ATTRIBUTE, `has policies of the type ${JSON.stringify(type)}`)
  return value === '' ? [] : value.split(',')
}

function memberOf(name: string): string {
  const member = { ...TEXT, ...NUMBER }[name as keyof typeof TEXT | keyof typeof NUMBER]
  if (member === undefined) throw fault(ATTRIBUTE, `has a property ${JSON.stringify(name)} that is not known`)
  return member
}

function valueOf(name: string, type: string, value: string): string | number {
  if (type !== (name in NUMBER ? 'DWORD' : 'PZPWSTR')) {
    throw fault(ATTRIBUTE, `has ${name} of the type ${JSON.stringify(type)}`)
  }
  if (type === 'PZPWSTR') return value
  if (!/^\d{1,10}$/.test(value)) throw fault(ATTRIBUTE, `has ${name} with a value that is no number`)
  return Number(value)
}
