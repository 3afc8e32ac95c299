import { column, entity, key } from './entity.js'
import type { AgentScopeRow, InvitationRow, RoleAssignmentRow, SessionRow, SignInRow } from './operator-row.js'

const { integer, text, texts, bytes, time, uuid } = column

export const roleAssignmentEntity = entity<RoleAssignmentRow>('role_assignment', {
  id: key(uuid),
  principalId: uuid,
  role: text,
  caId: integer,
  scopeTemplates: texts,
  scopeGroups: texts,
  grantedBy: text,
  grantedAt: time,
  revokedBy: text,
  revokedAt: time
})

export const invitationEntity = entity<InvitationRow>('operator_invitation', {
  id: key(uuid),
  secretHash: bytes,
  role: text,
  caId: integer,
  scopeTemplates: texts,
  scopeGroups: texts,
  invitedBy: text,
  createdAt: time,
  expiresAt: time,
  redeemedBy: uuid,
  redeemedAt: time,
  revokedAt: time
})

export const sessionEntity = entity<SessionRow>('operator_session', {
  id: key(uuid),
  principalId: uuid,
  secretHash: bytes,
  method: text,
  createdAt: time,
  expiresAt: time,
  lastSeenAt: time,
  revokedBy: text,
  revokedAt: time
})

export const signInEntity = entity<SignInRow>('operator_sign_in', {
  browserHash: key(bytes),
  state: text,
  nonce: text,
  codeVerifier: text,
  expiresAt: time
})

export const agentScopeEntity = entity<AgentScopeRow>('enrollment_agent_scope', {
  id: key(uuid),
  agentId: uuid,
  caId: integer,
  templateName: text,
  subjectGroup: text,
  grantedBy: text,
  grantedAt: time,
  revokedBy: text,
  revokedAt: time
})

/** The row mappers of who operates the CAs. */
export const operatorEntities = [
  roleAssignmentEntity,
  invitationEntity,
  sessionEntity,
  signInEntity,
  agentScopeEntity
] as const
