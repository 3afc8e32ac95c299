import { SYSTEM_PRINCIPAL } from '@app/core'
import type { TestServer } from './server.js'

/**
 * What must hold of every request in the database, whoever decided what at once; each query gives those that break it.
 * A certificate without a decision is the policy's own, which it makes only where no approval is demanded.
 */
const INVARIANTS = {
  'a request has at most one certificate': `
    SELECT request_id FROM certkeep.certificate WHERE state = 'issued' GROUP BY request_id HAVING count(*) > 1`,
  'an idempotency key has at most one request': `
    SELECT idempotency_key FROM certkeep.request WHERE idempotency_key IS NOT NULL
    GROUP BY ca_id, requester_id, idempotency_key HAVING count(*) > 1`,
  "a certificate has the approvals that its template's version demands, of people without another part in it": `
    SELECT c.request_id FROM certkeep.certificate AS c
    JOIN certkeep.request AS r ON r.id = c.request_id
    LEFT JOIN certkeep.template AS t ON t.id = r.template_id
    WHERE c.state = 'issued' AND r.requester_id <> '${SYSTEM_PRINCIPAL}'
      AND (t.id IS NULL OR ((t.always_pends OR r.pending_until IS NOT NULL) AND t.approvals > (
        SELECT count(DISTINCT d.principal_id) FROM certkeep.request_decision AS d
        WHERE d.request_id = r.id AND d.round = r.round AND d.kind = 'approve'
          AND d.principal_id IS DISTINCT FROM r.requester_id AND d.principal_id IS DISTINCT FROM r.caller_id
          AND NOT EXISTS (SELECT FROM certkeep.request_decision AS e WHERE e.request_id = r.id
            AND e.round = r.round AND e.kind = 'edit' AND e.principal_id = d.principal_id))))`,
  'a person approves a round once': `
    SELECT request_id FROM certkeep.request_decision WHERE kind = 'approve'
    GROUP BY request_id, round, principal_id HAVING count(*) > 1`,
  'what was refused or withdrawn has no certificate': `
    SELECT r.id FROM certkeep.request AS r JOIN certkeep.certificate AS c ON c.request_id = r.id
    WHERE r.state IN ('denied', 'failed') AND c.state = 'issued'`,
  'a round that was denied is not approved': `
    SELECT d.request_id FROM certkeep.request_decision AS d JOIN certkeep.request AS r ON r.id = d.request_id
    WHERE d.kind = 'deny' AND d.round = r.round AND r.state NOT IN ('denied', 'received')`,
  'every decision has exactly one event, and no event is without one': `
    SELECT coalesce(d.request_id::text, e.object_id) FROM (
      SELECT request_id, kind, count(*) AS made FROM certkeep.request_decision GROUP BY request_id, kind
    ) AS d FULL JOIN (
      SELECT object_id, kind, count(*) AS told FROM (
        SELECT object_id, CASE
          WHEN action IN ('request.approval_given', 'request.approved') AND detail ->> 'from' IS DISTINCT FROM 'received'
            THEN 'approve'
          WHEN action = 'request.denied' AND detail ->> 'failure' = 'denied_by_officer' THEN 'deny'
          WHEN action = 'request.resubmitted' THEN 'resubmit'
          WHEN action IN ('request.attributes_set', 'request.extensions_set') THEN 'edit'
        END AS kind FROM certkeep.audit_event WHERE object_type = 'request'
      ) AS named WHERE kind IS NOT NULL GROUP BY object_id, kind
    ) AS e ON e.object_id = d.request_id::text AND e.kind = d.kind
    WHERE d.made IS DISTINCT FROM e.told`
} as const

/** The invariants that something in the database breaks, each with what does; nothing when all hold. */
export async function brokenInvariants(
  server: Pick<TestServer, 'sql'>
): Promise<Readonly<Record<string, readonly unknown[]>>> {
  const broken: Record<string, readonly unknown[]> = {}
  for (const [name, sql] of Object.entries(INVARIANTS)) {
    const rows = await server.sql<object>(sql)
    if (rows.length > 0) broken[name] = rows
  }
  return broken
}
