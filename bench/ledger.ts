import pg from 'pg'
import { clientConfig, type MeasuredDatabase } from './measured-database.js'

/** The certificates that a benchmark has in the database without having them signed. */
export interface Ledger {
  /** Content octets of the INTEGER, each other than the next. */
  serialNumber(index: number): Uint8Array
}

/**
 * Puts certificates of the first CA into the ledger, each with its request, all of them revoked for one of six reasons
 * or none. Their bytes are not those of a certificate: nothing that is measured reads them.
 */
export async function fillLedger(database: MeasuredDatabase, count: number, revoked: boolean): Promise<Ledger> {
  const client = new pg.Client(clientConfig(database.settings))
  await client.connect()
  try {
    // A request cannot begin as what these are.
    await client.query('ALTER TABLE certkeep.request DISABLE TRIGGER USER')
    await client.query(
      `
      INSERT INTO certkeep.request (
        ca_id, state, format, dialect, raw_request, request_digest, request_attributes, flags, row_flags, requester_name,
        template_id, template_name, archival, carries_key, body_part_id, submitted_at, resolved_at, disposition_message)
      SELECT 1, $2::certkeep.request_state, 'pkcs10', 'microsoft', '\\x'::bytea, sha256(n::text::bytea), '', 0, 0, 'ledger',
             t.id, t.name, false, false, 1, now(), now(), ''
      FROM generate_series(1, $1::integer) AS n
      CROSS JOIN (SELECT id, name FROM certkeep.template WHERE name = 'UserSignature' AND state = 'active') AS t`,
      [count, revoked ? 'revoked' : 'issued']
    )
    await client.query('ALTER TABLE certkeep.request ENABLE TRIGGER USER')
    await client.query(
      `
      INSERT INTO certkeep.certificate (
        ca_id, serial_number, cert_index, request_id, state, archival, tbs, certificate, subject, not_before, not_after,
        sha1, sha256, key_id, reserved_at, issued_at, revoked_at, revocation_reason, template_name)
      SELECT 1, '\\x40'::bytea || substring(sha256(int8send(n)) for 15), 0, id, 'issued', false, '\\x00', '\\x00', 'CN=Ledger',
             now(), now() + interval '1 year', substring(sha256(int8send(-n)) for 20), sha256(int8send(-n)),
             substring(sha256(int8send(n)) for 20), now(), now(),
             CASE WHEN $1 THEN now() - make_interval(secs => n) END, CASE WHEN $1 THEN n % 6 END, 'UserSignature'
      FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n
            FROM certkeep.request WHERE requester_name = 'ledger') AS r`,
      [revoked]
    )
    const { rows } = await client.query<{ serial: Buffer }>(
      `SELECT serial_number AS serial FROM certkeep.certificate WHERE subject = 'CN=Ledger'`
    )
    if (rows.length !== count) throw new Error(`${rows.length} of ${count} certificates are in the ledger.`)
    await client.query('ANALYZE certkeep.certificate')
    return { serialNumber: index => rows[index % count]?.serial ?? new Uint8Array() }
  } finally {
    await client.end()
  }
}
