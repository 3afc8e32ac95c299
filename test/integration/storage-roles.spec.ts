import { ensureRoles, PROCESS_ROLES } from '@app/storage'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { connectClient, createTestDatabase, type TestDatabase, type TestUser } from '../helpers/database.js'

/** PostgreSQL's SQLSTATE for a privilege that is missing. */
const DENIED = '42501'

let database: TestDatabase
const clients = new Map<TestUser, pg.Client>()
beforeAll(async () => {
  database = await createTestDatabase()
  for (const user of ['owner', ...PROCESS_ROLES] as const) {
    clients.set(user, await connectClient(database.settings[user]))
  }
})
afterAll(async () => {
  for (const client of clients.values()) await client.end()
  await database.drop()
})

/** The SQLSTATE that a statement ends in, undone; undefined when it is accepted. */
async function attempt(user: TestUser, sql: string): Promise<string | undefined> {
  const client = clients.get(user) as pg.Client
  await client.query('BEGIN')
  try {
    await client.query(sql)
    return undefined
  } catch (error) {
    return (error as pg.DatabaseError).code
  } finally {
    await client.query('ROLLBACK')
  }
}

const EVENT = `INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
               VALUES (now(), 'x', 'ca.x', 'ca', '1', 'success', '{}')`
const REQUEST = `
  INSERT INTO certkeep.request (ca_id, state, format, dialect, raw_request, request_digest, request_attributes, flags,
    row_flags, requester_name, carries_key, body_part_id, submitted_at, disposition_message)
  SELECT 1, 'received', 'cmc', 'microsoft', '', decode(repeat('00', 32), 'hex'), '', 0, 0, 'x', false, 1, now(), ''
  WHERE false`

/** What each role must be able to do, since its process does it. */
const ALLOWED: Readonly<Record<(typeof PROCESS_ROLES)[number], readonly string[]>> = {
  front: [
    EVENT,
    REQUEST,
    'SELECT * FROM certkeep.request',
    'SELECT * FROM certkeep.certificate',
    'SELECT * FROM certkeep.response',
    'SELECT * FROM certkeep.crl',
    'SELECT * FROM certkeep.credential',
    `INSERT INTO certkeep.archived_key_envelope SELECT 1, '', 'crmf-control' WHERE false`,
    'UPDATE certkeep.enrollment_secret SET used_at = now()',
    `SELECT certkeep.set_webhooks('[]')`,
    `UPDATE certkeep.webhook_delivery SET state = 'delivered', ended_at = now(), leased_until = NULL`,
    'DELETE FROM certkeep.webhook_delivery'
  ],
  console: [
    EVENT,
    'SELECT * FROM certkeep.audit_event',
    `UPDATE certkeep.request SET state = 'approved', resolved_at = NULL WHERE false`,
    'SELECT certkeep.is_request_whole(1)',
    'INSERT INTO certkeep.request_edit SELECT * FROM certkeep.request_edit WHERE false',
    `UPDATE certkeep.template SET state = 'active'`,
    `UPDATE certkeep.recovery_agent SET state = 'retired', retired_at = now()`,
    'UPDATE certkeep.credential SET revoked_at = now()',
    'UPDATE certkeep.principal SET disabled_at = now(), group_names = group_names, upn = upn',
    `UPDATE certkeep.role_assignment SET revoked_by = 'x', revoked_at = now()`,
    'UPDATE certkeep.operator_session SET last_seen_at = now()',
    'DELETE FROM certkeep.operator_sign_in',
    'DELETE FROM certkeep.group_member',
    'UPDATE certkeep.ca SET enroll_groups = NULL',
    'DELETE FROM certkeep.ca_template',
    `UPDATE certkeep.webhook_delivery SET state = 'due', ended_at = NULL, attempts = 0`,
    'UPDATE certkeep.webhook SET stopped_at = NULL'
  ],
  authority: [
    EVENT,
    REQUEST,
    'SELECT * FROM certkeep.request',
    'SELECT request_id FROM certkeep.sealed_key',
    `UPDATE certkeep.request SET state = 'approved', template_id = 1, archival = true WHERE false`,
    `UPDATE certkeep.certificate SET state = 'issued'`,
    `UPDATE certkeep.exchange_key SET state = 'certified', certificate = ''`,
    'UPDATE certkeep.response SET full_response = NULL WHERE false'
  ],
  archive: [
    EVENT,
    'SELECT id, state, public_key FROM certkeep.request',
    `UPDATE certkeep.request SET state = 'sealed' WHERE false`,
    'SELECT * FROM certkeep.archived_key_envelope',
    'DELETE FROM certkeep.archived_key_envelope',
    'SELECT * FROM certkeep.sealed_key',
    `INSERT INTO certkeep.sealed_key SELECT 1, '', '', '', '', 1, '', now() WHERE false`,
    'DELETE FROM certkeep.sealed_key'
  ]
}

/** What nobody may do. */
const NOBODY = [
  'UPDATE certkeep.audit_event SET actor = actor',
  'DELETE FROM certkeep.audit_event',
  'TRUNCATE certkeep.audit_event',
  'INSERT INTO certkeep.audit_link DEFAULT VALUES',
  'UPDATE certkeep.audit_checkpoint SET hash = hash',
  'DELETE FROM certkeep.audit_key',
  'DELETE FROM certkeep.request',
  'DELETE FROM certkeep.certificate',
  'DELETE FROM certkeep.crl',
  'UPDATE certkeep.crl SET crl = crl',
  'UPDATE certkeep.crl_intent SET tbs_digest = tbs_digest',
  'DELETE FROM certkeep.crl_intent',
  'UPDATE certkeep.certificate SET revoked_at = now()',
  'UPDATE certkeep.certificate SET revocation_reason = 0',
  'UPDATE certkeep.status_change SET last = 0',
  'UPDATE certkeep.sealed_key SET sealed = sealed',
  'UPDATE certkeep.archived_key_envelope SET envelope = envelope',
  'UPDATE certkeep.certificate SET tbs = tbs',
  'UPDATE certkeep.certificate SET serial_number = serial_number',
  'UPDATE certkeep.request SET raw_request = raw_request',
  'UPDATE certkeep.request SET requester_id = requester_id',
  'UPDATE certkeep.request SET public_key = public_key',
  'UPDATE certkeep.template SET definition = definition',
  'UPDATE certkeep.principal SET sid = sid',
  'UPDATE certkeep.credential SET token_hash = token_hash',
  'DELETE FROM certkeep.role_assignment',
  'UPDATE certkeep.role_assignment SET role = role',
  'UPDATE certkeep.role_assignment SET granted_by = granted_by',
  'UPDATE certkeep.operator_session SET secret_hash = secret_hash',
  'UPDATE certkeep.operator_session SET expires_at = expires_at',
  'UPDATE certkeep.operator_invitation SET secret_hash = secret_hash',
  'UPDATE certkeep.operator_invitation SET role = role',
  'DELETE FROM certkeep.operator_invitation',
  'UPDATE certkeep.directory_domain SET sid = sid',
  'UPDATE certkeep.recovery_agent SET certificate = certificate',
  'UPDATE certkeep.recovery_agent SET principal_id = principal_id',
  'UPDATE certkeep.recovery SET requester_id = requester_id',
  'UPDATE certkeep.recovery SET recipient = recipient',
  'UPDATE certkeep.recovery SET quorum = 1',
  'UPDATE certkeep.recovery SET counted_agents = counted_agents',
  'DELETE FROM certkeep.recovery',
  'UPDATE certkeep.recovery_share SET share = share',
  'DELETE FROM certkeep.recovery_share',
  'UPDATE certkeep.recovery_approval SET transferred = transferred',
  'DELETE FROM certkeep.recovery_approval',
  'UPDATE certkeep.recovery_package SET sealed = sealed',
  'DELETE FROM certkeep.recovery_package',
  `INSERT INTO certkeep.schema_migration (timestamp, name) VALUES (1, 'x')`,
  'CREATE TABLE certkeep.mine (id integer)',
  'DROP TABLE certkeep.request',
  'ALTER TABLE certkeep.request DISABLE TRIGGER USER',
  'CREATE ROLE certkeep_other',
  'SELECT rolpassword FROM pg_catalog.pg_authid'
] as const

/** What some may do and the named ones may not. */
const REFUSED: Readonly<Record<(typeof PROCESS_ROLES)[number], readonly string[]>> = {
  front: [
    'SELECT envelope FROM certkeep.archived_key_envelope',
    'SELECT request_id FROM certkeep.archived_key_envelope',
    'DELETE FROM certkeep.archived_key_envelope',
    'SELECT request_id FROM certkeep.sealed_key',
    'SELECT sealed FROM certkeep.sealed_key',
    `UPDATE certkeep.request SET state = 'approved'`,
    'UPDATE certkeep.request SET lease_until = NULL',
    `INSERT INTO certkeep.request (template_id) VALUES (1)`,
    'INSERT INTO certkeep.certificate DEFAULT VALUES',
    'INSERT INTO certkeep.response DEFAULT VALUES',
    'INSERT INTO certkeep.principal DEFAULT VALUES',
    'UPDATE certkeep.principal SET group_names = group_names',
    'SELECT * FROM certkeep.role_assignment',
    'SELECT secret_hash FROM certkeep.operator_session',
    'INSERT INTO certkeep.group_member DEFAULT VALUES',
    'INSERT INTO certkeep.credential DEFAULT VALUES',
    'UPDATE certkeep.enrollment_secret SET witness_key = witness_key',
    'SELECT recipient FROM certkeep.recovery',
    'SELECT share FROM certkeep.recovery_share',
    'SELECT transferred FROM certkeep.recovery_approval',
    'SELECT sealed FROM certkeep.recovery_package',
    'SELECT * FROM certkeep.audit_event',
    `SELECT certkeep.revoke_certificate(1, decode('01', 'hex'), NULL, NULL, 1, NULL, 'x', '{}', now())`
  ],
  console: [
    `UPDATE certkeep.request_decision SET kind = 'approve'`,
    'UPDATE certkeep.request SET pending_until = now()',
    'UPDATE certkeep.request SET round = 2',
    'SELECT request_id FROM certkeep.archived_key_envelope',
    'SELECT request_id FROM certkeep.sealed_key',
    'SELECT sealed FROM certkeep.sealed_key',
    'SELECT * FROM certkeep.sealed_key_agent',
    'SELECT witness_key FROM certkeep.enrollment_secret',
    `INSERT INTO certkeep.recovery_share SELECT 1, 1, '', '', now() WHERE false`,
    `INSERT INTO certkeep.recovery_package (recovery_id, sealed, prepared_at) SELECT 1, '', now() WHERE false`,
    'UPDATE certkeep.recovery_package SET signed = signed',
    REQUEST,
    'UPDATE certkeep.request SET template_id = template_id',
    'INSERT INTO certkeep.certificate DEFAULT VALUES',
    'INSERT INTO certkeep.crl DEFAULT VALUES',
    'INSERT INTO certkeep.exchange_key DEFAULT VALUES',
    'INSERT INTO certkeep.ca DEFAULT VALUES',
    'UPDATE certkeep.ca SET name = name'
  ],
  authority: [
    `INSERT INTO certkeep.request_decision (request_id, round, kind) VALUES (1, 1, 'approve')`,
    'SELECT request_id FROM certkeep.archived_key_envelope',
    'SELECT sealed FROM certkeep.sealed_key',
    'SELECT * FROM certkeep.sealed_key_agent',
    'SELECT share FROM certkeep.recovery_share',
    'SELECT transferred FROM certkeep.recovery_approval',
    `UPDATE certkeep.recovery SET state = 'released'`,
    'INSERT INTO certkeep.sealed_key DEFAULT VALUES',
    'DELETE FROM certkeep.sealed_key',
    'INSERT INTO certkeep.exchange_key DEFAULT VALUES',
    `INSERT INTO certkeep.certificate (state, certificate) VALUES ('issued', '')`,
    'SELECT * FROM certkeep.credential',
    'SELECT * FROM certkeep.enrollment_secret',
    'INSERT INTO certkeep.principal DEFAULT VALUES',
    'INSERT INTO certkeep.recovery_agent DEFAULT VALUES',
    `UPDATE certkeep.template SET state = 'active'`,
    'DELETE FROM certkeep.ca_template',
    'SELECT * FROM certkeep.audit_event'
  ],
  archive: [
    'SELECT raw_request FROM certkeep.request',
    'SELECT transferred FROM certkeep.recovery_approval',
    'UPDATE certkeep.recovery_package SET signed = signed',
    'UPDATE certkeep.recovery SET released_at = now()',
    'SELECT tbs FROM certkeep.certificate',
    'INSERT INTO certkeep.certificate DEFAULT VALUES',
    REQUEST,
    'INSERT INTO certkeep.archived_key_envelope DEFAULT VALUES',
    'UPDATE certkeep.exchange_key SET certificate = certificate',
    'INSERT INTO certkeep.recovery_agent DEFAULT VALUES',
    'SELECT * FROM certkeep.principal',
    'SELECT * FROM certkeep.credential',
    'SELECT * FROM certkeep.response',
    'SELECT * FROM certkeep.audit_event'
  ]
}

describe.each(PROCESS_ROLES)('the role %s', role => {
  it.each(ALLOWED[role])('may %s', async sql => {
    expect(await attempt(role, sql)).toBeUndefined()
  })

  it.each(REFUSED[role])('may not %s', async sql => {
    expect(await attempt(role, sql)).toBe(DENIED)
  })

  it.each(NOBODY)('may not %s', async sql => {
    expect(await attempt(role, sql)).toBe(DENIED)
  })

  it('is no other role and has no attribute of power', async () => {
    const client = clients.get('owner') as pg.Client
    const text = `SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = $1`
    const { rows } = await client.query(text, [database.settings[role].user])
    expect(Object.values(rows[0] as object)).toEqual([false, false, false, false, false])
    const memberships = `SELECT 1 FROM pg_auth_members WHERE member = $1::regrole`
    expect((await client.query(memberships, [database.settings[role].user])).rows).toEqual([])
  })
})

describe('a table', () => {
  it('is granted to somebody or to nobody on purpose, so that a new one is thought of', async () => {
    const client = clients.get('owner') as pg.Client
    const { rows } = await client.query<{ table: string; readers: string }>(`
      SELECT t.tablename AS table, string_agg(substr(r.rolname, 10), ' ' ORDER BY r.rolname) AS readers
      FROM pg_tables AS t
      JOIN pg_roles AS r ON r.rolname LIKE 'certkeep\\_%' AND NOT r.rolsuper
        AND has_table_privilege(r.oid, format('certkeep.%I', t.tablename), 'SELECT')
      WHERE t.schemaname = 'certkeep' GROUP BY t.tablename ORDER BY t.tablename`)
    expect(Object.fromEntries(rows.map(({ table, readers }) => [table, readers]))).toEqual({
      archived_key_envelope: 'archive',
      audit_checkpoint: 'authority console',
      audit_event: 'console',
      audit_key: 'authority console',
      audit_link: 'authority console',
      ca: 'archive authority console front',
      ca_certificate: 'archive authority console front',
      ca_template: 'authority console front',
      certificate: 'authority console front',
      certificate_list: 'console front',
      configmgr_site: 'console front',
      credential: 'console front',
      crl: 'authority console front',
      crl_intent: 'authority',
      directory_domain: 'console',
      delegation: 'front',
      drill_agent: 'archive',
      enrollment_agent_scope: 'authority console front',
      enrollment_secret: 'front',
      exchange_key: 'archive authority console front',
      foreign_certificate: 'console front',
      group_member: 'console',
      imported_certificate: 'console',
      key_drill: 'archive console',
      key_hold: 'console',
      key_import: 'archive',
      key_import_envelope: 'archive',
      impersonation_token: 'front',
      internal_certificate: 'front',
      key_purge: 'console',
      key_purge_item: 'console',
      ldap_entry: 'console',
      ldap_run: 'console',
      management_point: 'console front',
      message: 'front',
      message_key: 'front',
      message_queue: 'front',
      message_seen: 'front',
      operator_invitation: 'console',
      operator_session: 'console',
      operator_sign_in: 'console',
      principal: 'authority console front',
      published_certificate: 'console front',
      recovery: 'archive console',
      recovery_agent: 'archive authority console front',
      recovery_approval: 'console',
      recovery_package: 'archive authority console',
      recovery_share: 'archive console',
      registered_certificate: 'console front',
      registration: 'console front',
      registration_conflict: 'console front',
      registration_message: 'console front',
      registration_nonce: 'front',
      registration_proxy: 'console front',
      request: 'authority console front',
      request_decision: 'authority console',
      request_edit: 'authority console',
      reseal: 'archive console',
      reseal_key: 'archive console',
      resealed_key: 'archive',
      response: 'authority console front',
      retention_policy: 'console',
      revocation_answer: 'authority front',
      role_assignment: 'authority console',
      schema_migration: 'archive authority console front',
      sealed_key: 'archive',
      sealed_key_agent: 'archive',
      security_context: 'front',
      self_issued_certificate: 'authority front',
      sent_message: 'front',
      status_change: 'authority',
      template: 'archive authority console front',
      webhook: 'console front',
      webhook_delivery: 'console front'
    })
  })
})

describe('the audit log', () => {
  it('is closed to changes by the owner of the schema too', async () => {
    for (const sql of ['UPDATE certkeep.audit_event SET actor = actor', 'DELETE FROM certkeep.audit_event']) {
      expect(await attempt('owner', sql)).toBe('23000')
    }
    expect(await attempt('owner', 'TRUNCATE certkeep.audit_event')).toBe('23000')
  })
})

it('roles are made by many servers of a cluster that start at once', async () => {
  const { host, port, owner, rolePasswords } = inject('postgres')
  const settings = { host, port, ...owner, database: 'postgres', applicationName: 'test', poolSize: 1 }
  const servers = Array.from({ length: 12 }, () => ensureRoles(settings, rolePasswords))
  await expect(Promise.all(servers)).resolves.toHaveLength(12)
})
