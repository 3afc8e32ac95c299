import pg from 'pg'
import type { ConnectionSettings } from '@app/storage'
import { clientConfig } from './measured-database.js'

/** Events that are linked in one transaction. */
const LINKED_AT_ONCE = 50_000

/** Accounts that the requests are spread over; the first has a twentieth of all. */
const ACCOUNTS = 10_000

/** The first account of the filling, and an officer who has decided. */
export const FILLED_ACCOUNT = 'filled0'

/**
 * Fills a database with requests as a year would leave them, and with everything that belongs to them: certificates,
 * decisions, full responses, entries of the audit log and its chain. 90 of 100 are issued, 2 revoked, 4 denied, 2 have
 * failed and 2 wait. Contents that lists do not read are a few bytes, so that a million fits on any disk. Triggers are
 * off while it is done; every constraint holds.
 */
export async function fillDatabase(
  settings: ConnectionSettings,
  requests: number,
  say: (line: string) => void
): Promise<void> {
  const client = new pg.Client(clientConfig(settings))
  await client.connect()
  try {
    // For the owner of the embedded database, which is a superuser: no trigger and no look-up of foreign keys.
    await client.query(`SET session_replication_role = replica; SET statement_timeout = 0; SET work_mem = '256MB';
      SET maintenance_work_mem = '512MB'; SET synchronous_commit = off; SET jit = off`)
    const indexes = await dropIndexes(client)
    for (const [what, sql] of STEPS) {
      const start = Date.now()
      const { rowCount } = await client.query(sql.replaceAll(':requests', String(requests)))
      say(`${what}: ${rowCount ?? 0} rows in ${((Date.now() - start) / 1000).toFixed(0)} s`)
    }
    const start = Date.now()
    for (const definition of indexes) await client.query(definition)
    say(`indexes: ${indexes.length} in ${((Date.now() - start) / 1000).toFixed(0)} s`)
    await link(client, say)
    for (const table of [
      'principal',
      'request',
      'request_decision',
      'certificate',
      'response',
      'audit_event',
      'audit_link'
    ]) {
      await client.query(`VACUUM (ANALYZE) certkeep.${table}`)
    }
  } finally {
    await client.end()
  }
}

/** Takes away what only makes looking up fast, and gives the statements that bring it back. */
async function dropIndexes(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string; definition: string }>(`
    SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
    FROM pg_index AS i JOIN pg_class AS t ON t.oid = i.indrelid
    WHERE t.relnamespace = 'certkeep'::regnamespace AND NOT i.indisunique
      AND t.relname IN ('request', 'certificate', 'audit_event', 'request_decision')`)
  for (const { name } of rows) await client.query(`DROP INDEX ${name}`)
  return rows.map(({ definition }) => definition)
}

async function link(client: pg.Client, say: (line: string) => void): Promise<void> {
  const start = Date.now()
  let above = 0
  let total = 0
  for (;;) {
    const { rows } = await client.query<{ linked: number; last_seq: string }>(
      'SELECT linked, last_seq FROM certkeep.link_audit_events($1, $2)',
      [above, LINKED_AT_ONCE]
    )
    const [batch] = rows
    if (batch === undefined) throw new Error('Somebody else links the audit log.')
    total += batch.linked
    above = Number(batch.last_seq)
    if (batch.linked < LINKED_AT_ONCE) break
  }
  say(`links of the audit log: ${total} rows in ${((Date.now() - start) / 1000).toFixed(0)} s`)
}

const STATE = `
  CASE WHEN i % 100 < 90 THEN 'issued' WHEN i % 100 < 92 THEN 'revoked' WHEN i % 100 < 96 THEN 'denied'
       WHEN i % 100 < 98 THEN 'failed' ELSE 'pending' END`

/** Not those that the installation has made for itself. */
const FILLED = `raw_request = '\\x30'`

/** 20 octets for a number, like a hash. */
const octets = (text: string, length: number): string => `substr(sha256((${text})::text::bytea), 1, ${length})`

/** A UUID for a text, of version 4 as far as anybody can see. */
const uuid = (text: string): string => `overlay(overlay(md5(${text}) placing '4' from 13) placing '8' from 17)::uuid`

const STEPS: readonly (readonly [what: string, sql: string])[] = [
  [
    'accounts',
    `
    INSERT INTO certkeep.principal (id, kind, sid, account_name, domain, display_name, upn, mail, group_names, created_at)
    SELECT ${uuid("'account' || i")}, 'user', 'S-1-5-21-7-7-7-' || (1000 + i), 'filled' || i, 'EXAMPLE', 'Filled ' || i,
           'filled' || i || '@example.org', 'filled' || i || '@example.org', '{Domain Users}', now()
    FROM generate_series(0, ${ACCOUNTS - 1}) AS i`
  ],
  [
    'requests',
    `
    INSERT INTO certkeep.request (
      ca_id, state, format, dialect, raw_request, request_digest, request_attributes, flags, row_flags, requester_id,
      requester_name, subject, public_key, key_id, template_id, template_name, archival, carries_key, proof_digest,
      body_part_id, submitted_at, resolved_at, failure_code, failure_message, disposition_message, responded_state,
      pending_until)
    SELECT (SELECT min(id) FROM certkeep.ca), s.state, 'pkcs10', 'microsoft', '\\x30', ${octets('i', 32)}, '', 0, 0,
      ${uuid("'account' || a.account")}, 'EXAMPLE\\filled' || a.account,
      'CN=Filled ' || a.account || ',OU=Unit ' || (i % 50) || ',O=Example', '\\x30', ${octets("'key' || i", 20)},
      t.id, t.name, t.archival, false, 'sha256', 1, s.submitted_at,
      CASE WHEN s.state <> 'pending' THEN s.submitted_at + interval '1 second' END,
      CASE s.state WHEN 'denied' THEN 'denied_by_officer' WHEN 'failed' THEN 'archived_key_mismatch' END,
      CASE s.state WHEN 'denied' THEN 'No.' WHEN 'failed' THEN 'The key does not match.' END,
      CASE s.state WHEN 'issued' THEN 'Issued' ELSE 'Taken Under Submission' END, s.state,
      CASE s.state WHEN 'pending' THEN now() + interval '30 days' END
    FROM generate_series(1, :requests) AS i
    CROSS JOIN LATERAL (SELECT (${STATE})::certkeep.request_state AS state,
                               now() - (:requests - i) * interval '30 seconds' AS submitted_at) AS s
    CROSS JOIN LATERAL (SELECT CASE WHEN i % 20 = 0 THEN 0 ELSE i % ${ACCOUNTS} END AS account) AS a
    JOIN (SELECT id, name, archival, row_number() OVER (ORDER BY name) - 1 AS number, count(*) OVER () AS all
          FROM certkeep.template WHERE NOT archival AND state = 'active') AS t ON t.number = i / 7 % t.all
    ORDER BY i`
  ],
  [
    'decisions',
    `
    INSERT INTO certkeep.request_decision (request_id, round, kind, principal_id, principal_name, at, reason)
    SELECT id, round, CASE state WHEN 'denied' THEN 'deny' ELSE 'approve' END, ${uuid("'account1'")}, 'EXAMPLE\\filled1',
           resolved_at, CASE state WHEN 'denied' THEN 'No.' END
    FROM certkeep.request WHERE (state = 'denied' OR (state = 'issued' AND id % 10 = 0)) AND ${FILLED} ORDER BY id`
  ],
  [
    'certificates',
    `
    INSERT INTO certkeep.certificate (
      ca_id, serial_number, cert_index, request_id, state, archival, tbs, certificate, subject, not_before, not_after,
      sha1, sha256, key_id, principal_id, reserved_at, issued_at, revoked_at, revocation_reason, status_change,
      template_name)
    SELECT ca_id, ${octets("'serial' || id", 19)}, 0, id, 'issued', false, '\\x30', '\\x30', subject, submitted_at,
      submitted_at + interval '1 year', ${octets("'sha1' || id", 20)}, ${octets("'sha256' || id", 32)}, key_id,
      requester_id, resolved_at, resolved_at, CASE state WHEN 'revoked' THEN resolved_at + interval '1 hour' END,
      CASE state WHEN 'revoked' THEN 1 END,
      CASE state WHEN 'revoked' THEN row_number() OVER (PARTITION BY state ORDER BY id) END, template_name
    FROM certkeep.request WHERE state IN ('issued', 'revoked') AND ${FILLED} ORDER BY id`
  ],
  [
    'status changes',
    `
    INSERT INTO certkeep.status_change (ca_id, last)
    SELECT ca_id, max(status_change) FROM certkeep.certificate WHERE status_change IS NOT NULL GROUP BY ca_id
    ON CONFLICT (ca_id) DO UPDATE SET last = excluded.last`
  ],
  [
    'full responses',
    `
    INSERT INTO certkeep.response (request_id, state, full_response, created_at)
    SELECT id, CASE state WHEN 'revoked' THEN 'issued' ELSE state END, '\\x30', coalesce(resolved_at, submitted_at)
    FROM certkeep.request WHERE ${FILLED} ORDER BY id`
  ],
  [
    'entries of the audit log',
    `
    INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
    SELECT r.submitted_at + e.after * interval '100 milliseconds',
      CASE WHEN e.own THEN r.requester_name WHEN e.action = 'request.denied' THEN 'EXAMPLE\\filled1' ELSE 'role:authority' END,
      e.action, split_part(e.action, '.', 1),
      CASE WHEN e.action = 'certificate.revoked' THEN encode(${octets("'serial' || r.id", 19)}, 'hex') ELSE r.id::text END,
      e.outcome, jsonb_build_object('to', r.state)
    FROM certkeep.request AS r CROSS JOIN LATERAL (
      VALUES (0, 'request.submitted', 'success', true, true),
             (1, 'request.pending', 'success', false, r.state IN ('pending', 'denied')),
             (1, 'request.approved', 'success', false, r.state IN ('issued', 'revoked')),
             (2, 'request.issued', 'success', false, r.state IN ('issued', 'revoked')),
             (2, 'request.denied', 'denied', false, r.state = 'denied'),
             (2, 'request.failed', 'failed', false, r.state = 'failed'),
             (9, 'certificate.revoked', 'success', false, r.state = 'revoked')
    ) AS e (after, action, outcome, own, happened)
    WHERE e.happened AND ${FILLED} ORDER BY r.id, e.after`
  ]
]
