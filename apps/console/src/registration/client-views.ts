import { createHash } from 'node:crypto'
import { encodePem } from '@app/der'
import type { RegistrationConflictRow, RegistrationRow } from '@app/storage'
import type { ClientDetailView, ClientView, ConflictView } from './clients.schemas.js'

/** A client as a list shows it. */
export function viewOfClient(row: RegistrationRow): ClientView {
  const { smsid, status, approval, mode, netbiosName, fqdn, hardwareId, agentType, agentIdentity } = row
  return {
    smsid,
    status,
    approval: row.blockedAt === null ? approval : 'blocked',
    mode,
    netbiosName,
    fqdn,
    agentType,
    agentIdentity,
    integrated: row.isIntegrated,
    thumbprint: thumbprintOf(row.signingCertificate),
    requestedAt: row.requestedAt.toISOString(),
    ...given({
      hardwareId,
      proxySmsid: row.proxySmsid,
      accountId: row.principalId,
      refusal: row.refusal,
      mergedInto: row.mergedInto
    }),
    ...given({
      decidedAt: row.decidedAt?.toISOString() ?? null,
      confirmedAt: row.confirmedAt?.toISOString() ?? null,
      blockedAt: row.blockedAt?.toISOString() ?? null
    })
  }
}

/** A client with what it said of itself. */
export function detailOfClient(row: RegistrationRow): ClientDetailView {
  const { agentVersion, properties, signingCertificate } = row
  return {
    ...viewOfClient(row),
    agentVersion,
    properties: { ...properties },
    certificate: encodePem('CERTIFICATE', signingCertificate)
  }
}

/** A conflict as a list shows it. */
export function viewOfConflict(row: RegistrationConflictRow): ConflictView {
  const { id, smsid, conflictSmsid, hardwareId, foundAt, resolution, resolvedAt } = row
  return {
    id,
    smsid,
    conflictSmsid,
    hardwareId,
    foundAt: foundAt.toISOString(),
    ...(resolution === null || resolvedAt === null ? {} : { resolution, resolvedAt: resolvedAt.toISOString() })
  }
}

/** The SHA-1 by which Windows names a certificate. */
export function thumbprintOf(certificate: Uint8Array): string {
  return createHash('sha1').update(certificate).digest('hex')
}

/** The members that are not null. */
function given<Name extends string>(members: Readonly<Record<Name, string | null>>): Partial<Record<Name, string>> {
  const present = Object.entries(members).filter(([, value]) => value !== null)
  return Object.fromEntries(present) as Partial<Record<Name, string>>
}
