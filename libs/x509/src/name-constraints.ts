import { AppError } from '@app/core'
import { contextTag, primitiveContextTag, type DerReader } from '@app/der'
import { OID } from '@app/oid'
import type { Certificate } from './certificate.js'
import { decodeExtensionValue, findExtension } from './extension.js'
import { decodeGeneralName, type GeneralName } from './general-name.js'
import { decodeSubjectAltName } from './identifier-extension.js'
import { decodeName, isEmptyName, type Name } from './name.js'
import {
  isAddressWithin,
  isHostWithin,
  isMailboxWithin,
  isNameWithin,
  mayHostBeWithin,
  requireDnsConstraint,
  requireMask,
  uriHost
} from './name-subtree.js'

/** The base of a subtree: a GeneralName, or for addresses the address and the mask. */
type Subtree =
  | Exclude<GeneralName, { readonly kind: 'iPAddress' }>
  | { readonly kind: 'iPAddress'; readonly address: Uint8Array; readonly mask: Uint8Array }

/** Which names certificates below a CA may have (RFC 5280, 4.2.1.10). */
export interface NameConstraints {
  readonly permitted: readonly Subtree[]
  readonly excluded: readonly Subtree[]
}

/** Names of one path that are compared with subtrees, at most: each CA in it may constrain each name. */
export const MAX_NAME_COMPARISONS = 50_000

/**
 * Reads the value of a nameConstraints extension. Throws `x509_structure` for an empty list, a minimum or maximum, a mask
 * that is no prefix, or a host name with a wildcard or a leading period; a `der_…` code for broken syntax.
 *
 * ```asn1
 * NameConstraints  ::= SEQUENCE {
 *   permittedSubtrees  [0] IMPLICIT GeneralSubtrees OPTIONAL,
 *   excludedSubtrees   [1] IMPLICIT GeneralSubtrees OPTIONAL }
 * GeneralSubtrees  ::= SEQUENCE SIZE (1..MAX) OF GeneralSubtree
 * GeneralSubtree   ::= SEQUENCE { base GeneralName, minimum [0] DEFAULT 0, maximum [1] OPTIONAL }
 * ```
 * RFC 5280, 4.2.1.10.
 */
export function decodeNameConstraints(value: Uint8Array): NameConstraints {
  return decodeExtensionValue(value, 'nameConstraints', reader => {
    const body = reader.sequence('nameConstraints')
    const permitted = decodeSubtrees(body, 0)
    const excluded = decodeSubtrees(body, 1)
    body.end('nameConstraints')
    if (permitted.length + excluded.length === 0) throw broken('say nothing')
    return { permitted, excluded }
  })
}

function decodeSubtrees(body: DerReader, number: number): readonly Subtree[] {
  const tag = contextTag(number)
  if (body.nextTag !== tag) return []
  const subtrees = body.enter(tag, 'subtrees').each(decodeSubtree)
  if (subtrees.length === 0) throw broken('have an empty list')
  return subtrees
}

function decodeSubtree(list: DerReader): Subtree {
  const body = list.sequence('subtree')
  const base = decodeBase(body)
  if (!body.isEnd) throw broken('have a minimum or a maximum, which RFC 5280 does not use')
  return base
}

/** In a subtree an address is followed by its mask, and texts may be empty. */
function decodeBase(body: DerReader): Subtree {
  switch (body.nextTag) {
    case primitiveContextTag(1):
    case primitiveContextTag(2):
    case primitiveContextTag(6):
      return decodeText(body)
    case primitiveContextTag(7): {
      const { content } = body.any('address of a subtree')
      if (content.length !== 8 && content.length !== 32) throw broken('have an address of a wrong size')
      const half = content.length / 2
      const mask = content.subarray(half)
      requireMask(mask)
      return { kind: 'iPAddress', address: content.subarray(0, half), mask }
    }
    case contextTag(4): {
      const field = body.explicit(4, 'directoryName of a subtree')
      const name = decodeName(field, 'directoryName of a subtree')
      field.end('directoryName of a subtree')
      return { kind: 'directoryName', name }
    }
    default:
      return decodeGeneralName(body, 'subtree') as Subtree
  }
}

function decodeText(body: DerReader): Subtree {
  const { tag, content } = body.any('name of a subtree')
  const value = Buffer.from(content).toString('latin1')
  if (!/^[\x20-\x7e]*$/.test(value)) throw broken('have a character outside of ASCII')
  if (tag === primitiveContextTag(1)) return { kind: 'rfc822Name', value }
  if (tag === primitiveContextTag(6)) return { kind: 'uri', value }
  requireDnsConstraint(value)
  return { kind: 'dNSName', value }
}

/**
 * Holds a certificate’s names, those of its subject included, against the constraints of a CA above it. Throws
 * `chain_invalid` for a name that is excluded, not among what is permitted of its kind, or of a constrained kind that
 * cannot be compared. `spend` is called with the number of comparisons before they are made.
 */
export function verifyNamesWithin(
  certificate: Pick<Certificate, 'subject' | 'extensions'>,
  constraints: NameConstraints,
  spend: (comparisons: number) => void
): void {
  const names = namesOf(certificate)
  spend(names.length * (constraints.permitted.length + constraints.excluded.length))
  for (const name of names) {
    const permitted = constraints.permitted.filter(({ kind }) => kind === name.kind)
    if (permitted.length > 0 && !permitted.some(subtree => isWithin(name, subtree, 'permitted'))) {
      throw outside(name, 'is not among the names that a CA above may vouch for')
    }
    if (constraints.excluded.some(subtree => isWithin(name, subtree, 'excluded'))) {
      throw outside(name, 'is among the names that a CA above must not vouch for')
    }
  }
}

function namesOf({ subject, extensions }: Pick<Certificate, 'subject' | 'extensions'>): readonly GeneralName[] {
  const extension = findExtension({ extensions }, OID.id_ce_subjectAltName)
  const altNames = extension === undefined ? [] : decodeSubjectAltName(extension.value)
  const mailboxes = subject.rdns
    .flat()
    .filter(({ type }) => type === OID.id_emailAddress)
    .map(({ value }): GeneralName => ({ kind: 'rfc822Name', value }))
  const directoryName: readonly GeneralName[] = isEmptyName(subject) ? [] : [{ kind: 'directoryName', name: subject }]
  return [...altNames, ...mailboxes, ...directoryName]
}

/** A name that cannot be compared counts as excluded and as not permitted. */
function isWithin(name: GeneralName, subtree: Subtree, list: 'permitted' | 'excluded'): boolean {
  if (name.kind !== subtree.kind) return false
  switch (name.kind) {
    case 'dNSName':
      return (list === 'permitted' ? isHostWithin : mayHostBeWithin)(name.value, textOf(subtree))
    case 'rfc822Name':
      return isMailboxWithin(name.value, textOf(subtree))
    case 'uri': {
      const host = uriHost(name.value)
      return host === undefined ? list === 'excluded' : isHostOf(host, textOf(subtree))
    }
    case 'directoryName':
      return isNameWithin(name.name, nameOf(subtree))
    case 'iPAddress':
      return subtree.kind === 'iPAddress' && isAddressWithin(name.address, subtree.address, subtree.mask)
    default:
      return list === 'excluded'
  }
}

/** Of URIs a constraint with a leading period is for the hosts below, one without for the host alone. */
function isHostOf(host: string, constraint: string): boolean {
  if (constraint === '') return true
  return constraint.startsWith('.') ? host.endsWith(constraint.toLowerCase()) : host === constraint.toLowerCase()
}

function textOf(subtree: Subtree): string {
  return 'value' in subtree && typeof subtree.value === 'string' ? subtree.value : ''
}

function nameOf(subtree: Subtree): Pick<Name, 'rdns'> {
  return subtree.kind === 'directoryName' ? subtree.name : { rdns: [] }
}

function outside(name: GeneralName, why: string): AppError {
  const text = 'value' in name && typeof name.value === 'string' ? ` "${name.value}"` : ''
  return new AppError('chain_invalid', `A ${name.kind}${text} ${why}.`, { kind: name.kind })
}

function broken(why: string): AppError {
  return new AppError('x509_structure', `The name constraints ${why}.`)
}
