import type { CaId, PrincipalId } from '@app/core'
import type { HeldRole, OperatorRole } from '@app/policy'

/** A role, where it is held and what it is limited to. */
export interface RoleColumns {
  readonly role: OperatorRole
  /** Null is every CA. */
  readonly caId: CaId | null
  /** Both null when nothing limits the role. */
  readonly scopeTemplates: readonly string[] | null
  readonly scopeGroups: readonly string[] | null
}

/** A role that a principal holds, or held. */
export interface RoleAssignmentRow extends RoleColumns {
  readonly id: string
  readonly principalId: PrincipalId
  readonly grantedBy: string
  readonly grantedAt: Date
  readonly revokedBy: string | null
  readonly revokedAt: Date | null
}

/** An invitation: whoever has its secret gets the role, once. The secret itself is nowhere stored. */
export interface InvitationRow extends RoleColumns {
  readonly id: string
  /** SHA-256 of the secret. */
  readonly secretHash: Buffer
  readonly invitedBy: string
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly redeemedBy: PrincipalId | null
  readonly redeemedAt: Date | null
  readonly revokedAt: Date | null
}

/** A browser in which an operator is signed in. The secret of its cookie is nowhere stored. */
export interface SessionRow {
  readonly id: string
  readonly principalId: PrincipalId
  /** SHA-256 of the cookie's secret. */
  readonly secretHash: Buffer
  readonly method: 'oidc'
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly lastSeenAt: Date
  readonly revokedBy: string | null
  readonly revokedAt: Date | null
}

/** A sign-in that is under way at an identity provider. */
export interface SignInRow {
  /** SHA-256 of the secret in the browser that began it. */
  readonly browserHash: Buffer
  readonly state: string
  readonly nonce: string
  readonly codeVerifier: string
  readonly expiresAt: Date
}

/** For whom an enrollment agent may ask: members of one group, for certificates of one template. */
export interface AgentScopeRow {
  readonly id: string
  readonly agentId: PrincipalId
  /** Null is every CA. */
  readonly caId: CaId | null
  readonly templateName: string
  readonly subjectGroup: string
  readonly grantedBy: string
  readonly grantedAt: Date
  readonly revokedBy: string | null
  readonly revokedAt: Date | null
}

/** A role's columns as the rules know a role. */
export function heldRoleOf({ role, caId, scopeTemplates, scopeGroups }: RoleColumns): HeldRole {
  const scope =
    scopeTemplates === null || scopeGroups === null ? null : { templates: scopeTemplates, subjectGroups: scopeGroups }
  return { role, caId, scope }
}

/** A role of the rules as columns. */
export function roleColumnsOf({ role, caId, scope }: HeldRole): RoleColumns {
  const scopeTemplates = scope === null ? null : [...scope.templates]
  return {
    role,
    caId: caId as CaId | null,
    scopeTemplates,
    scopeGroups: scope === null ? null : [...scope.subjectGroups]
  }
}
