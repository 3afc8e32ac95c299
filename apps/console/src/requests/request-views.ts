import { describeGeneralName } from '@app/cmc'
import { isAppError, toBase64, toHex } from '@app/core'
import { OID } from '@app/oid'
import { versionOf } from '@app/policy'
import type { AuditRow, CertificateSummary, DecisionRow, EditRow, QueueRow } from '@app/storage'
import { decodeSubjectAltName, findExtension, type Extension } from '@app/x509'
import { entityTagOf } from '../access/entity-tag.js'
import type { DecisionView, QueueDetail, QueueItem } from '../queue/queue.schemas.js'

/** A request as the queue lists it. */
export function itemOf(row: QueueRow, caName: (id: number) => string | undefined): QueueItem {
  const { failureCode, failureMessage } = row
  return {
    requestId: row.id,
    ca: caName(row.caId) ?? String(row.caId),
    state: row.state,
    ...present('template', row.templateName),
    requester: row.requesterName,
    ...present('caller', row.callerName),
    ...present('subject', row.subject),
    ...present('keyId', row.keyId && toHex(row.keyId)),
    archivedKey: row.carriesKey,
    submittedAt: row.submittedAt.toISOString(),
    ...present('pendingUntil', row.state === 'pending' ? (row.pendingUntil?.toISOString() ?? null) : null),
    ...present('resolvedAt', row.resolvedAt?.toISOString() ?? null),
    round: row.round,
    approvals: { given: row.given, needed: row.needed ?? 1 },
    dispositionMessage: row.dispositionMessage,
    ...(failureCode === null ? {} : { failure: { code: failureCode, message: failureMessage ?? '' } }),
    etag: entityTagOf(versionOf(row, row.decisions))
  }
}

/** What was decided, each edit with what it set. */
export function decisionsOf(decisions: readonly DecisionRow[], edits: readonly EditRow[]): DecisionView[] {
  return decisions.map(({ id, round, kind, principalName, at, reason }) => ({
    round,
    kind,
    by: principalName,
    at: at.toISOString(),
    ...present('reason', reason),
    ...(kind === 'edit' ? { edits: edits.filter(({ decisionId }) => decisionId === id).map(editOf) } : {})
  }))
}

function editOf({ kind, name, attributeValue, extensionValue, critical, disabled }: EditRow) {
  return {
    kind,
    name,
    ...present('value', attributeValue ?? (extensionValue && toBase64(extensionValue))),
    ...present('critical', critical),
    ...present('disabled', disabled)
  }
}

/** Entries of the audit log, the oldest first. */
export function eventsOf(rows: readonly AuditRow[]): QueueDetail['events'] {
  return rows
    .toReversed()
    .map(({ at, actor, action, outcome, detail }) => ({ at: at.toISOString(), actor, action, outcome, detail }))
}

/** A certificate in short. */
export function certificateOf(row: CertificateSummary): QueueDetail['earlierCertificates'][number] {
  return {
    requestId: row.requestId,
    serialNumber: toHex(row.serialNumber),
    subject: row.subject,
    notBefore: row.notBefore.toISOString(),
    notAfter: row.notAfter.toISOString(),
    ...present('revokedAt', row.revokedAt?.toISOString() ?? null)
  }
}

/** Every alternative name in a request, whether it would be in a certificate or not; none when they cannot be read. */
export function altNamesOf(request: { readonly extensions: readonly Extension[] }): QueueDetail['subjectAltNames'] {
  const extension = findExtension(request, OID.id_ce_subjectAltName)
  if (extension === undefined) return []
  try {
    return decodeSubjectAltName(extension.value).map(name => {
      const { kind, type, value } = describeGeneralName(name)
      return { kind: type === undefined ? kind : `${kind} ${type}`, value }
    })
  } catch (error) {
    if (isAppError(error)) return []
    throw error
  }
}

function present<Name extends string, Value>(name: Name, value: Value | null): { readonly [Key in Name]?: Value } {
  return (value === null ? {} : { [name]: value }) as { readonly [Key in Name]?: Value }
}
