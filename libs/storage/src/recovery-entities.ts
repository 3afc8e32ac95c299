import { column, entity, key } from './entity.js'
import type { RecoveryApprovalRow, RecoveryPackageRow, RecoveryRow, RecoveryShareRow } from './recovery-row.js'

const { boolean, integer, text, bytes, time, uuid, serial } = column

export const recoveryEntity = entity<RecoveryRow>('recovery', {
  id: serial,
  caId: integer,
  requestId: integer,
  serialNumber: bytes,
  ownerId: uuid,
  mode: text,
  quorum: integer,
  state: text,
  requesterId: uuid,
  requesterName: text,
  reason: text,
  ticket: text,
  recipient: bytes,
  requestedAt: time,
  expiresAt: time,
  preparedAt: time,
  approvedAt: time,
  releaseUntil: time,
  releasedAt: time,
  countedAgents: { type: 'integer', array: true },
  closedAt: time,
  closedBy: text,
  closeReason: text,
  notifyAt: time,
  notifiedAt: time
})

export const recoveryShareEntity = entity<RecoveryShareRow>('recovery_share', {
  recoveryId: key(integer),
  agentId: key(integer),
  share: bytes,
  binding: bytes,
  preparedAt: time
})

export const recoveryApprovalEntity = entity<RecoveryApprovalRow>('recovery_approval', {
  recoveryId: key(integer),
  agentId: key(integer),
  principalId: uuid,
  principalName: text,
  at: time,
  transferred: bytes
})

export const recoveryPackageEntity = entity<RecoveryPackageRow>('recovery_package', {
  recoveryId: key(integer),
  sealed: bytes,
  preparedAt: time,
  toBeSigned: boolean,
  signerIndex: integer,
  toSign: bytes,
  intendedAt: time,
  signed: bytes,
  signedAt: time
})

/** Every row mapper of recoveries. */
export const recoveryEntities = [
  recoveryEntity,
  recoveryShareEntity,
  recoveryApprovalEntity,
  recoveryPackageEntity
] as const
