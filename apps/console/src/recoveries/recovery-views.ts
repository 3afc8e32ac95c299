import { createHash } from 'node:crypto'
import { equalBytes } from '@app/core'
import type { AgentOfKeyRow, FoundRecovery, RecoveryApprovalRow } from '@app/storage'
import { decodeCertificate, formatName, serialHexOf } from '@app/x509'
import { accountOf, agentViewOf } from '../archived-keys/archived-keys.service.js'
import type { RecoveryDetail, RecoveryItem } from './recoveries.schemas.js'

/** A recovery as lists show it. */
export function itemOf(row: FoundRecovery, ca: string): RecoveryItem {
  const { closedAt, closedBy, closeReason, recipient } = row
  return {
    id: row.id,
    ca,
    state: row.state,
    mode: row.mode,
    approvals: { given: row.given, needed: row.quorum },
    requestId: row.requestId,
    serialNumber: serialHexOf(row.serialNumber),
    subject: row.subject,
    ...accountOf(row),
    requestedBy: row.requesterName,
    reason: row.reason,
    ticket: row.ticket,
    ...(recipient === null ? {} : { recipient: recipientView(recipient) }),
    requestedAt: row.requestedAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
    ...timeOf('approvedAt', row.approvedAt),
    ...timeOf('releaseUntil', row.releaseUntil),
    ...timeOf('releasedAt', row.releasedAt),
    ...(closedAt === null || closedBy === null
      ? {}
      : {
          closed: { at: closedAt.toISOString(), by: closedBy, ...(closeReason === null ? {} : { reason: closeReason }) }
        }),
    ...timeOf('ownerToldAt', row.notifiedAt),
    ...timeOf('ownerToldFrom', row.notifyAt)
  }
}

/** A recovery with its agents and their approvals. */
export function detailOf(
  item: RecoveryItem,
  known: {
    readonly agents: readonly AgentOfKeyRow[]
    readonly approvals: readonly RecoveryApprovalRow[]
    readonly counted: readonly number[]
  }
): RecoveryDetail {
  const agents = known.agents.map(agent => {
    const approval = known.approvals.find(({ agentId }) => agentId === agent.agentId)
    const counts = known.counted.includes(agent.agentId)
    if (approval === undefined) return { ...agentViewOf(agent), counts }
    return {
      ...agentViewOf(agent),
      approvedBy: approval.principalName,
      approvedAt: approval.at.toISOString(),
      counts
    }
  })
  return { ...item, agents }
}

function recipientView(der: Uint8Array): RecoveryItem['recipient'] {
  const certificate = decodeCertificate(der)
  return {
    subject: formatName(certificate.subject),
    sha256: createHash('sha256').update(der).digest('hex'),
    selfSigned: equalBytes(certificate.subject.raw, certificate.issuer.raw)
  }
}

function timeOf<Name extends string>(name: Name, time: Date | null): Partial<Record<Name, string>> {
  return time === null ? {} : ({ [name]: time.toISOString() } as Partial<Record<Name, string>>)
}
