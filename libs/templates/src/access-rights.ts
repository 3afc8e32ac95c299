import type { AccessEntry, SecurityDescriptor } from './security-descriptor.js'

/** Bits of an access mask on a directory object (MS-ADTS 5.1.3.2). */
export const ACCESS = {
  CREATE_CHILD: 0x1,
  SELF: 0x8,
  WRITE_PROPERTY: 0x20,
  CONTROL_ACCESS: 0x100,
  WRITE_DACL: 0x40000,
  WRITE_OWNER: 0x80000,
  GENERIC_ALL: 0x10000000,
  GENERIC_WRITE: 0x40000000
} as const

/** Extended rights on a template (MS-CRTD 2.5.1). */
export const EXTENDED_RIGHT = {
  ENROLL: '0e10c968-78fb-11d2-90d4-00c04f79dc55',
  AUTO_ENROLL: 'a05b8cc2-17bc-4802-a710-e7c15ab866a2'
} as const

/** Who may enroll after a template's security descriptor. */
export interface EnrollmentRights {
  /** Security identifiers, none twice. */
  readonly enroll: readonly string[]
  readonly autoEnroll: readonly string[]
  /** Those whom an entry denies one of the two. */
  readonly denied: readonly string[]
}

/**
 * Who has the rights Enroll and AutoEnroll (MS-WCCE 3.2.2.6.2.1.4.3): by an entry for the right, or by one for all
 * extended rights. Whom an entry denies a right does not have it. A conditional entry gives nothing.
 */
export function enrollmentRightsOf({ access = [] }: SecurityDescriptor): EnrollmentRights {
  const holders = (right: string, effect: AccessEntry['effect']): string[] => [
    ...new Set(
      access.filter(entry => entry.effect === effect && gives(entry, right) && isCertain(entry)).map(({ sid }) => sid)
    )
  ]
  const rights = [EXTENDED_RIGHT.ENROLL, EXTENDED_RIGHT.AUTO_ENROLL].map(right => {
    const denied = holders(right, 'deny')
    return { denied, allowed: holders(right, 'allow').filter(sid => !denied.includes(sid)) }
  })
  return {
    enroll: rights[0]?.allowed ?? [],
    autoEnroll: rights[1]?.allowed ?? [],
    denied: [...new Set(rights.flatMap(({ denied }) => denied))]
  }
}

function isCertain({ effect, isConditional }: AccessEntry): boolean {
  return effect === 'deny' || !isConditional
}

function gives({ mask, objectType, isInheritOnly }: AccessEntry, right: string): boolean {
  if (isInheritOnly) return false
  if ((mask & ACCESS.GENERIC_ALL) !== 0) return objectType === undefined
  return (mask & ACCESS.CONTROL_ACCESS) !== 0 && (objectType === undefined || objectType === right)
}

/** Somebody who can change an object, and by what. */
export interface ObjectController {
  readonly sid: string
  readonly rights: readonly string[]
}

const CONTROLLING = [
  'GENERIC_ALL',
  'GENERIC_WRITE',
  'WRITE_DACL',
  'WRITE_OWNER',
  'WRITE_PROPERTY',
  'CREATE_CHILD'
] as const

/**
 * Everybody who can change an object or who may, its owner among them. Denials are not weighed: what one entry denies
 * another may give. A descriptor without a list lets everybody.
 */
export function controllersOf({ owner, access }: SecurityDescriptor): ObjectController[] {
  const controllers = new Map<string, Set<string>>()
  const add = (sid: string, right: string): void => {
    const rights = controllers.get(sid) ?? new Set()
    controllers.set(sid, rights.add(right))
  }
  if (owner !== undefined) add(owner, 'OWNER')
  if (access === undefined) add('S-1-1-0', 'NO_ACCESS_LIST')
  for (const { effect, mask, sid, isInheritOnly, objectType } of access ?? []) {
    if (effect === 'deny' || isInheritOnly) continue
    for (const right of CONTROLLING.filter(name => (mask & ACCESS[name]) !== 0)) {
      add(sid, right === 'WRITE_PROPERTY' && objectType !== undefined ? `${right} ${objectType}` : right)
    }
  }
  return [...controllers].map(([sid, rights]) => ({ sid, rights: [...rights] }))
}

/** How much a security identifier stands for. */
export type Standing = 'administrative' | 'low' | 'unknown'

// MS-DTYP 2.4.2.4: identifiers that are the same everywhere, and those relative to a domain.
const ADMINISTRATIVE = new Set(['S-1-5-18', 'S-1-5-9', 'S-1-5-32-544', 'S-1-3-0', 'S-1-5-10'])
const ADMINISTRATIVE_IN_DOMAIN = new Set([498, 500, 512, 516, 517, 518, 519, 526, 527])
const LOW = new Set([
  'S-1-1-0',
  'S-1-5-7',
  'S-1-5-11',
  'S-1-5-4',
  'S-1-5-2',
  'S-1-5-32-545',
  'S-1-5-32-546',
  'S-1-5-32-554'
])
const LOW_IN_DOMAIN = new Set([501, 513, 514, 515])

/** Whether a security identifier is that of administrators, of everybody, or of whom one cannot tell from it. */
export function standingOf(sid: string): Standing {
  if (ADMINISTRATIVE.has(sid)) return 'administrative'
  if (LOW.has(sid)) return 'low'
  const relative = relativeIdOf(sid)
  if (relative === undefined) return 'unknown'
  if (ADMINISTRATIVE_IN_DOMAIN.has(relative)) return 'administrative'
  return LOW_IN_DOMAIN.has(relative) ? 'low' : 'unknown'
}

const NAMES: Readonly<Record<string, string>> = {
  'S-1-1-0': 'Everyone',
  'S-1-5-7': 'Anonymous',
  'S-1-5-9': 'Enterprise Domain Controllers',
  'S-1-5-11': 'Authenticated Users',
  'S-1-5-18': 'Local System',
  'S-1-5-32-544': 'Administrators',
  'S-1-5-32-545': 'Users',
  'S-1-5-32-546': 'Guests'
}

const NAMES_IN_DOMAIN: Readonly<Record<number, string>> = {
  500: 'Administrator',
  501: 'Guest',
  512: 'Domain Admins',
  513: 'Domain Users',
  514: 'Domain Guests',
  515: 'Domain Computers',
  516: 'Domain Controllers',
  517: 'Cert Publishers',
  518: 'Schema Admins',
  519: 'Enterprise Admins'
}

/** The name of a security identifier that is known by itself; undefined for any other. */
export function wellKnownName(sid: string): string | undefined {
  const relative = relativeIdOf(sid)
  return NAMES[sid] ?? (relative === undefined ? undefined : NAMES_IN_DOMAIN[relative])
}

/** The domain's part of an identifier relative to a domain; undefined for any other. */
export function domainOf(sid: string): string | undefined {
  return /^(S-1-5-21-\d+-\d+-\d+)-\d+$/.exec(sid)?.[1]
}

function relativeIdOf(sid: string): number | undefined {
  const match = /^S-1-5-21-\d+-\d+-\d+-(\d+)$/.exec(sid)
  return match === null ? undefined : Number(match[1])
}
