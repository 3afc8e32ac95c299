import { isAppError, type ErrorCode } from '@app/core'
import { describe, expect, it } from 'vitest'
import { isInAgentScope } from './agent-rules.js'
import {
  EXCLUSIVE_ROLES,
  findRoleConflict,
  isInScope,
  OPERATOR_ROLES,
  PERMISSIONS,
  requireGrantable,
  requireInScope,
  requireNoRoleConflict,
  rolesPermitting,
  scopesOf,
  type HeldRole,
  type OperatorRole,
  type ProposedRole
} from './operator-roles.js'

function held(role: OperatorRole, caId: number | null = null, scope: HeldRole['scope'] = null): HeldRole {
  return { role, caId, scope }
}

function codeOf(work: () => void): ErrorCode | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    if (isAppError(error)) return error.code
    throw error
  }
}

describe('roles', () => {
  it('exclude each other at one CA, whichever two they are, and not the recovery agent', () => {
    for (const first of OPERATOR_ROLES) {
      for (const second of OPERATOR_ROLES) {
        const conflicts = first !== second && EXCLUSIVE_ROLES.has(first) && EXCLUSIVE_ROLES.has(second)
        const found = findRoleConflict([held(first, 1), held(second, 1)])
        expect([first, second, found !== undefined]).toEqual([first, second, conflicts])
      }
    }
  })

  it('conflict where one is for every CA, and not where they are held at two', () => {
    expect(findRoleConflict([held('administrator'), held('officer', 2)])).toEqual(['administrator', 'officer'])
    expect(findRoleConflict([held('administrator', 1), held('officer', 2)])).toBeUndefined()
    expect(findRoleConflict([held('officer', 1), held('officer')])).toBeUndefined()
  })

  it('that conflict leave nothing', () => {
    const roles = [held('officer'), held('recovery_agent'), held('auditor')]
    expect(codeOf(() => requireNoRoleConflict('EXAMPLE\\eve', roles))).toBe('role_conflict')
  })

  it('permit at their CA and where they are for every CA', () => {
    const roles = [held('officer', 1), held('auditor')]
    expect(rolesPermitting(roles, 'request.decide', 1)).toHaveLength(1)
    expect(rolesPermitting(roles, 'request.decide', 2)).toHaveLength(0)
    expect(rolesPermitting(roles, 'request.decide', null)).toHaveLength(0)
    expect(rolesPermitting(roles, 'request.decide', undefined)).toHaveLength(1)
    expect(rolesPermitting(roles, 'audit.read', null)).toHaveLength(1)
  })

  it('never let one who decides write templates or read the audit log too', () => {
    const deciders = PERMISSIONS['request.decide'] as readonly OperatorRole[]
    for (const permission of ['template.write', 'template.activate', 'operator.write', 'audit.read'] as const) {
      expect((PERMISSIONS[permission] as readonly OperatorRole[]).filter(role => deciders.includes(role))).toEqual([])
    }
  })
})

describe('a role', () => {
  const proposed: ProposedRole = {
    ...held('officer'),
    account: 'EXAMPLE\\bob',
    held: [],
    isForOneself: false,
    isSeparated: true
  }

  it('is given by another person only', () => {
    expect(codeOf(() => requireGrantable(proposed))).toBeUndefined()
    expect(codeOf(() => requireGrantable({ ...proposed, isForOneself: true }))).toBe('access_denied')
  })

  it('is refused beside one that excludes it while roles are separated', () => {
    const second = { ...proposed, held: [held('auditor', 3)] }
    expect(codeOf(() => requireGrantable(second))).toBe('role_conflict')
    expect(codeOf(() => requireGrantable({ ...second, isSeparated: false }))).toBeUndefined()
  })

  it('has a scope only when it is an officer’s', () => {
    const scope = { templates: ['UserSignature'], subjectGroups: [] }
    expect(codeOf(() => requireGrantable({ ...proposed, scope }))).toBeUndefined()
    expect(codeOf(() => requireGrantable({ ...proposed, role: 'auditor', scope }))).toBe('invalid_argument')
  })
})

describe('the scope of an officer', () => {
  const scope = { templates: ['UserSignature'], subjectGroups: ['Sales', 'Support'] }

  it('demands a template and a group of it, whatever their case', () => {
    expect(isInScope([scope], { template: 'usersignature', groups: ['Domain Users', 'SALES'] })).toBe(true)
    expect(isInScope([scope], { template: 'usersignature', groups: ['Domain Users'] })).toBe(false)
    expect(isInScope([scope], { template: 'WebServer', groups: ['Sales'] })).toBe(false)
    expect(isInScope([scope], { template: undefined, groups: ['Sales'] })).toBe(false)
    expect(isInScope([], { template: 'UserSignature', groups: ['Sales'] })).toBe(false)
  })

  it('limits nothing by an empty list', () => {
    expect(isInScope([{ templates: [], subjectGroups: ['Sales'] }], { template: undefined, groups: ['sales'] })).toBe(
      true
    )
  })

  it('refuses with its own code', () => {
    expect(codeOf(() => requireInScope('EXAMPLE\\bob', [scope], { template: 'WebServer', groups: [] }))).toBe(
      'restricted_officer'
    )
  })

  it('is lifted at a CA by a role without one', () => {
    const roles = [held('officer', 1, scope), held('officer', 2), held('auditor')]
    expect(scopesOf(roles, 'request.decide', 1)).toEqual([scope])
    expect(scopesOf(roles, 'request.decide', 2)).toBeUndefined()
    expect(scopesOf([...roles, held('officer')], 'request.decide', 1)).toBeUndefined()
    expect(scopesOf(roles, 'request.decide', 3)).toEqual([])
  })
})

describe('the scope of an enrollment agent', () => {
  it('is a list that names everybody it lets', () => {
    const scopes = [{ templateName: 'SmartcardUser', subjectGroup: 'Sales' }]
    expect(isInAgentScope(scopes, { template: 'smartcarduser', groups: ['sales'] })).toBe(true)
    expect(isInAgentScope(scopes, { template: 'SmartcardUser', groups: ['Support'] })).toBe(false)
    expect(isInAgentScope([], { template: 'SmartcardUser', groups: ['Sales'] })).toBe(false)
  })
})
