import { join } from 'node:path'
import { verifyChain } from '@app/audit'
import { openCheckpointFile } from '@app/platform'
import { AuditChainStore } from '@app/storage'
import { sqlInvariant, type Evidence, type Invariant } from './invariant.js'

/** I10: the audit log is whole, and tells of every change and of nothing else. */
export const AUDIT_INVARIANTS: readonly Invariant[] = [
  { id: 'I10', name: 'the chain of the audit log is unbroken', find: findBrokenChain },
  sqlInvariant(
    'I10',
    'the events of a request lead from its submission to its state, each from where the one before had led',
    `WITH moves AS (
       SELECT object_id, seq, action, detail ->> 'from' AS "from", coalesce(detail ->> 'to', CASE action
                WHEN 'request.withdrawn' THEN 'denied' END) AS "to",
              lag(coalesce(detail ->> 'to', CASE action WHEN 'request.withdrawn' THEN 'denied' END))
                OVER (PARTITION BY object_id ORDER BY seq) AS before,
              row_number() OVER (PARTITION BY object_id ORDER BY seq DESC) AS nth_last
       FROM certkeep.audit_event WHERE object_type = 'request' AND (detail ? 'to' OR action = 'request.withdrawn')
     )
     SELECT r.id, r.state, m.action, m."from", m.before, m."to" FROM certkeep.request AS r
     LEFT JOIN moves AS m ON m.object_id = r.id::text
     WHERE m.object_id IS NULL OR (m."from" IS NOT NULL AND m."from" IS DISTINCT FROM m.before)
       OR (m.nth_last = 1 AND m."to" IS DISTINCT FROM CASE r.state WHEN 'revoked' THEN 'issued' ELSE r.state::text END)`
  ),
  sqlInvariant(
    'I10',
    'a request is submitted once, and issued as often as it has a certificate',
    `SELECT r.id FROM certkeep.request AS r
     CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE action = 'request.submitted') AS submitted,
              count(*) FILTER (WHERE action = 'request.issued') AS issued
       FROM certkeep.audit_event WHERE object_type = 'request' AND object_id = r.id::text) AS told
     WHERE told.submitted <> 1 OR told.issued <> (
       SELECT count(*) FROM certkeep.certificate AS c WHERE c.request_id = r.id AND c.state = 'issued')`
  ),
  sqlInvariant(
    'I10',
    'no event is of a request that is not there',
    `SELECT e.object_id, e.action FROM certkeep.audit_event AS e WHERE e.object_type = 'request'
       AND NOT EXISTS (SELECT FROM certkeep.request AS r WHERE r.id::text = e.object_id)`
  ),
  sqlInvariant(
    'I10',
    'every reservation, abandonment and revocation of a serial number has one event, and no event is without one',
    `SELECT c.serial, c.reserved, c.abandoned, c.revoked, told.reserved AS told_reserved,
            told.abandoned AS told_abandoned, told.revoked AS told_revoked
     FROM (SELECT encode(serial_number, 'hex') AS serial, 1 AS reserved, (state = 'abandoned')::integer AS abandoned,
                  (revoked_at IS NOT NULL)::integer AS revoked FROM certkeep.certificate) AS c
     FULL JOIN (
       SELECT object_id, count(*) FILTER (WHERE action = 'certificate.reserved') AS reserved,
              count(*) FILTER (WHERE action = 'certificate.abandoned') AS abandoned,
              count(*) FILTER (WHERE action = 'certificate.revoked') AS revoked
       FROM certkeep.audit_event WHERE action IN ('certificate.reserved', 'certificate.abandoned', 'certificate.revoked')
       GROUP BY object_id) AS told ON told.object_id = c.serial
     WHERE c.reserved IS DISTINCT FROM told.reserved OR c.abandoned IS DISTINCT FROM told.abandoned
       OR c.revoked IS DISTINCT FROM told.revoked`
  ),
  sqlInvariant(
    'I10',
    'every CRL has its events',
    `SELECT i.number FROM certkeep.crl_intent AS i LEFT JOIN certkeep.crl AS c ON c.ca_id = i.ca_id AND c.number = i.number
     CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE action = 'crl.intended') AS intended,
              count(*) FILTER (WHERE action = 'crl.published') AS published
       FROM certkeep.audit_event WHERE object_type = 'crl' AND object_id = i.number::text) AS told
     WHERE told.intended <> 1 OR told.published <> (c.number IS NOT NULL)::integer`
  )
]

async function findBrokenChain({ database, home }: Evidence): Promise<readonly string[]> {
  const { dataSource } = await database.open('owner')
  const chain = new AuditChainStore(dataSource)
  const file = await openCheckpointFile(join(home, 'audit', 'checkpoints.jsonl'))
  try {
    const keys = await chain.listKeys()
    const report = await verifyChain(chain, { keys, ...(file && { file }) })
    const { unlinked } = await chain.status()
    return [
      ...(report.fault === undefined ? [] : [report.fault.message]),
      ...(unlinked === 0 ? [] : [`${unlinked} events are not linked although nothing is going on.`]),
      ...(report.checkpoints > 0 ? [] : ['No checkpoint vouches for the log.'])
    ]
  } finally {
    file?.close()
  }
}
