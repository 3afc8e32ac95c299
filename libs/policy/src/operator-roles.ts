import { AppError } from '@app/core'

/**
 * The roles that people hold at a CA (MS-CSRA 3.1.1.7, CA access rights), and that of recovery agents. A requester needs
 * none: every enabled principal is one.
 */
export const OPERATOR_ROLES = ['administrator', 'officer', 'auditor', 'operator', 'recovery_agent'] as const

/** The group of everybody who holds a role. Holding one is the only way into it. */
export const OPERATORS_GROUP = 'Certkeep Operators'

/** A member of {@link OPERATOR_ROLES}. */
export type OperatorRole = (typeof OPERATOR_ROLES)[number]

/** The roles of which a person may hold one only at a CA while roles are separated (MS-CSRA 3.1.1.7). */
export const EXCLUSIVE_ROLES: ReadonlySet<OperatorRole> = new Set<OperatorRole>([
  'administrator',
  'officer',
  'auditor',
  'operator'
])

/** What a person may be let do, and which roles let them. There is nothing else that lets anybody. */
export const PERMISSIONS = {
  'request.read': ['officer', 'administrator', 'auditor'],
  'request.decide': ['officer'],
  'request.edit': ['officer'],
  'request.resubmit': ['administrator'],
  'certificate.read': ['officer', 'administrator', 'auditor'],
  'certificate.revoke': ['officer'],
  'template.read': OPERATOR_ROLES,
  'template.write': ['administrator'],
  'template.activate': ['administrator'],
  'ca.read': OPERATOR_ROLES,
  'ca.write': ['administrator'],
  'agent.read': OPERATOR_ROLES,
  'agent.reseal': ['recovery_agent'],
  'operator.read': ['administrator', 'auditor'],
  'operator.write': ['administrator'],
  'directory.read': ['administrator', 'officer', 'auditor'],
  'directory.write': ['administrator'],
  'archive.read': ['officer', 'administrator', 'auditor', 'operator'],
  'archive.write': ['administrator'],
  'recovery.read': ['officer', 'recovery_agent', 'auditor'],
  'recovery.request': ['officer'],
  'recovery.approve': ['recovery_agent'],
  'recovery.release': ['officer'],
  'audit.read': ['auditor'],
  'client.read': ['administrator', 'officer', 'auditor', 'operator'],
  'client.write': ['administrator', 'operator'],
  'site.write': ['administrator'],
  'health.read': ['operator', 'administrator']
} as const satisfies Readonly<Record<string, readonly OperatorRole[]>>

/** A name of {@link PERMISSIONS}. */
export type Permission = keyof typeof PERMISSIONS

/**
 * What an officer's role is limited to: requests for one of the templates, by or for a member of one of the groups. An
 * empty list limits nothing. Names are compared without regard to case.
 */
export interface OfficerScope {
  readonly templates: readonly string[]
  readonly subjectGroups: readonly string[]
}

/** One role that a person holds. */
export interface HeldRole {
  readonly role: OperatorRole
  /** The CA that it is held at; null is every CA. */
  readonly caId: number | null
  /** Null is no limit. */
  readonly scope: OfficerScope | null
}

/** Whether a role gives a permission. */
export function isPermitted(role: OperatorRole, permission: Permission): boolean {
  return (PERMISSIONS[permission] as readonly OperatorRole[]).includes(role)
}

/**
 * The roles held that give a permission: at the CA of this id; for every CA when it is null; anywhere when it is
 * undefined.
 */
export function rolesPermitting(
  held: readonly HeldRole[],
  permission: Permission,
  caId: number | null | undefined
): readonly HeldRole[] {
  return held.filter(
    ({ role, caId: at }) => isPermitted(role, permission) && (at === null || caId === undefined || at === caId)
  )
}

/** Two roles held at one CA that exclude each other; undefined when there are none. */
export function findRoleConflict(held: readonly HeldRole[]): readonly [OperatorRole, OperatorRole] | undefined {
  const exclusive = held.filter(({ role }) => EXCLUSIVE_ROLES.has(role))
  for (const [index, first] of exclusive.entries()) {
    const second = exclusive
      .slice(index + 1)
      .find(({ role, caId }) => role !== first.role && (caId === null || first.caId === null || caId === first.caId))
    if (second !== undefined) return [first.role, second.role]
  }
  return undefined
}

/** Throws `role_conflict` when a person holds two roles at one CA that exclude each other (CERTSRV_E_ROLECONFLICT). */
export function requireNoRoleConflict(account: string, held: readonly HeldRole[]): void {
  const conflict = findRoleConflict(held)
  if (conflict === undefined) return
  const [first, second] = conflict
  throw new AppError(
    'role_conflict',
    `${account} holds the roles ${first} and ${second}, which exclude each other, and may do nothing until one of them is revoked.`,
    { account, first, second }
  )
}

/** A role that somebody wants to give to a person. */
export interface ProposedRole extends HeldRole {
  /** The account that gets it, and what it holds. */
  readonly account: string
  readonly held: readonly HeldRole[]
  /** Whether whoever gives it is the person. */
  readonly isForOneself: boolean
  readonly isSeparated: boolean
}

/**
 * Throws unless a role may be given: `access_denied` to oneself, `role_conflict` beside one that excludes it,
 * `invalid_argument` with a scope that the role cannot have.
 */
export function requireGrantable(proposed: ProposedRole): void {
  const { account, held, role, caId, scope } = proposed
  if (proposed.isForOneself) {
    throw new AppError('access_denied', 'Nobody gives a role to themselves; another administrator has to.', { role })
  }
  requireScopable(proposed)
  if (!proposed.isSeparated) return
  const conflict = findRoleConflict([...held, { role, caId, scope }])
  if (conflict === undefined) return
  const [first, second] = conflict
  throw new AppError(
    'role_conflict',
    `${account} cannot be ${first} and ${second} at one CA: the roles exclude each other. Revoke the one first.`,
    { account, first, second }
  )
}

/** Throws `invalid_argument` for a scope of a role that cannot have one. */
export function requireScopable({ role, scope }: Pick<HeldRole, 'role' | 'scope'>): void {
  if (scope === null || role === 'officer') return
  throw new AppError('invalid_argument', `Only an officer's role has a scope; ${role} has none.`, { role })
}

/** What an officer wants to act on. */
export interface ScopedSubject {
  /** The template's name; undefined while a request names none. */
  readonly template: string | undefined
  /** Names of the groups of the subject's account, nested ones resolved. */
  readonly groups: readonly string[]
}

/** Whether one of the scopes has the subject. Without scopes there is no limit. */
export function isInScope(scopes: readonly OfficerScope[] | undefined, subject: ScopedSubject): boolean {
  if (scopes === undefined) return true
  const template = subject.template?.toLowerCase()
  const groups = new Set(subject.groups.map(group => group.toLowerCase()))
  return scopes.some(
    ({ templates, subjectGroups }) =>
      (templates.length === 0 || templates.some(name => name.toLowerCase() === template)) &&
      (subjectGroups.length === 0 || subjectGroups.some(name => groups.has(name.toLowerCase())))
  )
}

/** Throws `restricted_officer` unless one of the scopes has the subject (CERTSRV_E_RESTRICTEDOFFICER). */
export function requireInScope(
  account: string,
  scopes: readonly OfficerScope[] | undefined,
  subject: ScopedSubject
): void {
  if (isInScope(scopes, subject)) return
  const { template = 'no template' } = subject
  throw new AppError(
    'restricted_officer',
    `${account} is an officer for other templates or other groups than those that this is about (${template}).`,
    { account, template }
  )
}

/**
 * What the role of an officer is limited to at a CA; undefined when nothing limits it. Roles that permit nothing here
 * count for nothing.
 */
export function scopesOf(
  held: readonly HeldRole[],
  permission: Permission,
  caId: number
): readonly OfficerScope[] | undefined {
  const permitting = rolesPermitting(held, permission, caId)
  const scopes = permitting.flatMap(({ scope }) => scope ?? [])
  return permitting.length > scopes.length ? undefined : scopes
}
