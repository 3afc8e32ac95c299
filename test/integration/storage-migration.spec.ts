import { isAppError, type RequestId } from '@app/core'
import {
  type ConnectionSettings,
  databaseUser,
  ensureRoles,
  migrate,
  openDatabase,
  PROCESS_ROLES,
  RequestStore,
  verifySchema
} from '@app/storage'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { GuardTemplates1795230200000 } from '../../migrations/1795230200000-guard-templates.js'
import { migrations } from '../../migrations/index.js'
import { fillDatabase } from '../../bench/filled-database.js'
import { createTestDatabase, type TestDatabase } from '../helpers/database.js'
import { BECAUSE, NOW, prepareSetting, requestsIn } from '../helpers/storage-samples.js'

const incompatible = (pattern: RegExp) =>
  expect.toSatisfy(error => isAppError(error, 'database_incompatible') && pattern.test(error.message))

describe('an empty database', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase('nothing')
  })
  afterAll(() => database.drop())

  it('is refused as older than the program', async () => {
    const { dataSource } = await database.open('owner')
    await expect(verifySchema(dataSource)).rejects.toThrow(incompatible(/older than the program/))
  })

  it('is migrated once, however many processes start at once', async () => {
    const results = await Promise.all([1, 2, 3].map(() => migrate(database.settings.owner)))
    const lengths = results.map(({ applied }) => applied.length)
    expect(lengths.filter(length => length > 0)).toHaveLength(1)
  })

  it('has nothing left to migrate then, and satisfies every role', async () => {
    expect(await migrate(database.settings.owner)).toEqual({ applied: [] })
    for (const user of ['owner', 'front', 'console', 'authority', 'archive'] as const) {
      const { dataSource } = await database.open(user)
      await expect(verifySchema(dataSource)).resolves.toBeUndefined()
    }
  })
})

describe('a database that a newer program has migrated', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase()
    const { dataSource } = await database.open('owner')
    await dataSource.query(
      `INSERT INTO certkeep.schema_migration (timestamp, name) VALUES (9e12, 'AddFuture9000000000000')`
    )
  })
  afterAll(() => database.drop())

  it('is refused with one clear line', async () => {
    const { dataSource } = await database.open('front')
    await expect(verifySchema(dataSource)).rejects.toThrow(
      incompatible(
        /^The database is newer than the program: it has the migration AddFuture9000000000000\. Start [^\n]*$/
      )
    )
  })

  it('is not migrated', async () => {
    await expect(migrate(database.settings.owner)).rejects.toThrow(incompatible(/newer/))
  })
})

describe('an owner that is no superuser', () => {
  let database: TestDatabase
  let owner: ConnectionSettings
  const passwords = inject('postgres').rolePasswords
  beforeAll(async () => {
    database = await createTestDatabase('nothing')
    owner = { ...database.settings.owner, user: `${database.name}_owner`, password: 'test' }
    const { dataSource } = await database.open('owner')
    await dataSource.query(`CREATE ROLE ${owner.user} LOGIN PASSWORD 'test'`)
    await dataSource.query(`ALTER DATABASE ${database.name} OWNER TO ${owner.user}`)
  })
  afterAll(async () => {
    const { dataSource } = await database.open('owner')
    await dataSource.query(`ALTER DATABASE ${database.name} OWNER TO CURRENT_USER; DROP OWNED BY ${owner.user} CASCADE`)
    await dataSource.query(`DROP ROLE ${owner.user}`)
    await database.drop()
  })

  it('is told what it lacks when it may not manage roles', async () => {
    const refused = expect.toSatisfy(error => isAppError(error, 'config_invalid') && /CREATEROLE/.test(error.message))
    await expect(ensureRoles(owner, passwords)).rejects.toThrow(refused)
  })

  it('makes roles and schema when it may, and the roles work', async () => {
    const { dataSource } = await database.open('owner')
    const roles = PROCESS_ROLES.map(databaseUser).join(', ')
    await dataSource.query(`ALTER ROLE ${owner.user} CREATEROLE; GRANT ${roles} TO ${owner.user} WITH ADMIN OPTION`)
    await ensureRoles(owner, passwords)
    await migrate(owner)
    const setting = await prepareSetting(database)
    const [id] = await requestsIn(database, setting, 'sealed')
    const front = new RequestStore((await database.open('front')).dataSource)
    const [pending] = await requestsIn(database, setting, 'pending')
    expect(await front.withdraw(pending as RequestId, setting.alice, BECAUSE, NOW)).toBe(true)
    expect((await front.get(id as RequestId)).state).toBe('sealed')
  })
})

describe('a connection', () => {
  it('by URL goes to the same place, with the credentials of the role', async () => {
    const database = await createTestDatabase()
    const { host, port, database: name, ...rest } = database.settings.front
    const place = `?host=${encodeURIComponent(host ?? '')}&port=${port}`
    for (const url of [`postgresql:///${name}${place}`, `postgres://somebody:secret@/${name}${place}`]) {
      const opened = await openDatabase({ ...rest, url })
      const [row] = await opened.dataSource.query<{ readonly name: string }[]>('SELECT current_user::text AS name')
      expect(row).toEqual({ name: 'certkeep_front' })
      await opened.close()
    }
    await database.drop()
  })

  it('with another password or to no database is refused with one clear line, without the password', async () => {
    const { owner } = inject('postgres')
    const { host, port } = inject('postgres')
    const settings = { host, port, database: 'postgres', applicationName: 'test', poolSize: 1 }
    const refusal = expect.toSatisfy(
      error => isAppError(error, 'database_incompatible') && !error.message.includes('wrong')
    )
    await expect(openDatabase({ ...settings, user: owner.user, password: 'wrong' })).rejects.toThrow(refusal)
    await expect(openDatabase({ ...settings, ...owner, database: 'nowhere' })).rejects.toThrow(refusal)
  })

  it('to a server that is not there is unavailable', async () => {
    const settings = { host: '/nonexistent', database: 'x', user: 'x', applicationName: 'test', poolSize: 1 }
    const unavailable = expect.toSatisfy(error => isAppError(error, 'unavailable'))
    await expect(openDatabase(settings)).rejects.toThrow(unavailable)
  })
})

describe('the migrations', () => {
  it('go down and up again', async () => {
    const database = await createTestDatabase()
    try {
      const { dataSource } = await database.open('owner')
      const down = await undoAll(database)
      const tables = `SELECT count(*) AS count FROM pg_tables WHERE schemaname = 'certkeep' AND tablename <> 'schema_migration'`
      expect(await dataSource.query(tables)).toEqual([{ count: 0 }])
      expect((await migrate(database.settings.owner)).applied).toHaveLength(down)
    } finally {
      await database.drop()
    }
  })
})

describe('a filled database', () => {
  it('goes down to the first release and up again, and loses no request, certificate or account', async () => {
    const database = await createTestDatabase()
    try {
      await prepareSetting(database)
      await fillDatabase(database.settings.owner, 500, () => undefined)
      const { dataSource } = await database.open('owner')
      const facts = () =>
        dataSource.query(`
          SELECT (SELECT json_agg(r) FROM (
                    SELECT state, count(*) FROM certkeep.request GROUP BY state ORDER BY state) AS r) AS requests,
                 (SELECT json_agg(c) FROM (
                    SELECT serial_number, state, revoked_at, revocation_reason
                    FROM certkeep.certificate ORDER BY serial_number) AS c) AS certificates,
                 (SELECT count(*) FROM certkeep.principal WHERE kind <> 'group') AS accounts,
                 (SELECT json_agg(p) FROM (
                    SELECT account_name, group_names FROM certkeep.principal WHERE kind <> 'group'
                    ORDER BY account_name LIMIT 20) AS p) AS groups`)
      const before = await facts()
      // The first seven are those of the first release.
      const added = migrations.slice(7)
      const runner = dataSource.createQueryRunner()
      for (const Migration of added.toReversed()) await new Migration().down(runner)
      await runner.query('DELETE FROM certkeep.schema_migration WHERE name = ANY ($1)', [added.map(({ name }) => name)])
      await runner.release()
      expect(await facts()).toEqual(before)
      expect((await migrate(database.settings.owner)).applied).toHaveLength(added.length)
      expect(await facts()).toEqual(before)
      const missing = `SELECT FROM certkeep.certificate WHERE template_name IS NULL OR (revoked_at IS NOT NULL AND status_change IS NULL)`
      expect(await dataSource.query(missing)).toEqual([])
    } finally {
      await database.drop()
    }
  })
})

describe('a database of the first release', () => {
  /** Rows as that release wrote them: a CA, its templates, accounts of several domains, requests in every state. */
  const FIRST_RELEASE = `
    INSERT INTO certkeep.ca (name, sanitized_name, short_name, kind, state, created_at)
    VALUES ('Old CA', 'Old CA', 'Old CA', 'root', 'active', '2026-01-05');
    INSERT INTO certkeep.ca_certificate (ca_id, cert_index, key_index, certificate, chain, key_reference, subject,
      not_before, not_after, sha1)
    VALUES (1, 0, 0, '\\x3000', '{}', 'ca-1', 'CN=Old CA', '2026-01-05', '2036-01-05', decode(repeat('01', 20), 'hex'));
    INSERT INTO certkeep.crl VALUES (1, 7, 0, '\\x3000', '2026-02-01', '2026-02-09');
    INSERT INTO certkeep.template (name, oid, major, minor, schema_version, definition, state, created_at) VALUES
      ('UserSignature', '1.2.3.1', 100, 0, 4, '{"privateKeyFlags": 0, "enrollmentFlags": 0}', 'active', '2026-01-05'),
      ('UserEncryption', '1.2.3.2', 100, 0, 4, '{"privateKeyFlags": 1, "enrollmentFlags": 0}', 'active', '2026-01-05');
    INSERT INTO certkeep.ca_template VALUES (1, 'UserSignature'), (1, 'UserEncryption');
    INSERT INTO certkeep.principal (id, kind, sid, account_name, domain, upn, group_names, created_at)
    SELECT md5(account)::uuid, kind, sid, account, domain, account || '@example.org', groups::text[], '2026-01-06'
    FROM (VALUES
      ('user', 'S-1-5-21-1-2-3-1104', 'alice', 'EXAMPLE', '{Domain Users,Sales}'),
      ('user', 'S-1-5-21-1-2-3-1105', 'bob', 'Example', '{Domain Users,sales}'),
      ('computer', 'S-1-5-21-1-2-3-1106', 'web1$', 'EXAMPLE', '{Domain Computers}'),
      ('user', 'S-1-5-21-9-9-9-1200', 'Sales', 'CERTKEEP', '{Domain Users}'),
      ('user', 'S-1-5-21-9-9-9-1201', 'Domain Users', 'certkeep', '{}'),
      ('user', 'S-1-12-1-5', 'cloud', 'CLOUD', '{}')) AS a (kind, sid, account, domain, groups);
    INSERT INTO certkeep.credential (id, principal_id, label, token_hash, scopes, created_at)
    VALUES (gen_random_uuid(), md5('alice')::uuid, 'laptop', decode(repeat('02', 32), 'hex'), '{enroll}', '2026-01-06');
    INSERT INTO certkeep.request (ca_id, state, format, dialect, raw_request, request_digest, request_attributes, flags,
      row_flags, requester_id, requester_name, subject, key_id, template_id, template_name, archival, carries_key,
      body_part_id, submitted_at, resolved_at, failure_code, disposition_message)
    SELECT 1, state::certkeep.request_state, 'pkcs10', 'microsoft', '\\x3000', sha256(state::bytea), '', 0, 0,
      md5('alice')::uuid, 'EXAMPLE\\alice', 'CN=Alice ' || state, substr(sha256(state::bytea), 1, 20), template, name,
      template = 2, false, 1, '2026-01-07', CASE WHEN state IN ('issued', 'revoked', 'denied', 'failed') THEN now() END,
      CASE WHEN state IN ('denied', 'failed') THEN 'template_denied' END, ''
    FROM (VALUES ('pending', 1, 'UserSignature'), ('issued', 2, 'UserEncryption'), ('revoked', 1, 'UserSignature'),
      ('denied', 1, 'UserSignature'), ('failed', NULL, NULL)) AS r (state, template, name);
    INSERT INTO certkeep.recovery_agent (ca_id, name, certificate, sha256, subject, issuer, serial_number, not_before,
      not_after, state, added_at)
    SELECT 1, 'Agent ' || i, '\\x3000', sha256(i::text::bytea), 'CN=Agent ' || i, '\\x3000', sha256(i::text::bytea),
      '2026-01-05', '2031-01-05', 'active', '2026-01-06' FROM generate_series(1, 2) AS i;
    INSERT INTO certkeep.sealed_key
    VALUES (2, 'single', '\\x30', 'capi', 'rsa', 2048, 'aes-256-cbc', '2026-01-07');
    INSERT INTO certkeep.sealed_key_agent VALUES (2, 2), (2, 1);
    INSERT INTO certkeep.certificate (ca_id, serial_number, cert_index, request_id, state, archival,
      sealed_key_request_id, tbs, certificate, subject, not_before, not_after, sha1, sha256, key_id, principal_id,
      reserved_at, issued_at, revoked_at, revocation_reason)
    SELECT 1, key_id, 0, id, 'issued', archival, CASE WHEN archival THEN id END, '\\x30', '\\x3000', subject, now(),
      now() + interval '1 year', key_id, request_digest, key_id, requester_id, now(), now(),
      CASE state WHEN 'revoked' THEN now() END, CASE state WHEN 'revoked' THEN 1 END
    FROM certkeep.request WHERE state IN ('issued', 'revoked');
    INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
    SELECT now(), 'EXAMPLE\\alice', 'request.received', 'request', id::text, 'success', '{}' FROM certkeep.request`

  it('is brought up to date with all that it holds, also where an account has the name of a group', async () => {
    const database = await createTestDatabase('nothing')
    try {
      const { dataSource } = await database.open('owner')
      await dataSource.query('CREATE SCHEMA certkeep')
      const runner = dataSource.createQueryRunner()
      const table = 'CREATE TABLE certkeep.schema_migration (id serial PRIMARY KEY, timestamp bigint, name text)'
      await runner.query(table)
      for (const Migration of migrations.slice(0, 7)) {
        await new Migration().up(runner)
        const name = Migration.name
        await runner.query('INSERT INTO certkeep.schema_migration (timestamp, name) VALUES ($1, $2)', [
          Number(/\d+$/.exec(name)?.[0]),
          name
        ])
      }
      // Requests were moved to their states step by step; what is looked at here is what is left of them.
      await runner.query(`SET session_replication_role = replica; ${FIRST_RELEASE}; RESET session_replication_role`)
      await runner.release()
      expect((await migrate(database.settings.owner)).applied).toHaveLength(migrations.length - 7)
      const members = `
        SELECT g.domain || '\\' || g.account_name AS "group", array_agg(m.account_name ORDER BY m.account_name) AS members
        FROM certkeep.group_member AS o JOIN certkeep.principal AS g ON g.id = o.group_id
        JOIN certkeep.principal AS m ON m.id = o.member_id GROUP BY 1 ORDER BY 1`
      expect(await dataSource.query(members)).toEqual([
        { group: 'CERTKEEP GROUPS\\Domain Users', members: ['Sales', 'alice', 'bob'] },
        { group: 'CERTKEEP GROUPS\\Sales', members: ['alice', 'bob'] },
        { group: 'CERTKEEP\\Domain Computers', members: ['web1$'] }
      ])
      const left = `
        SELECT (SELECT count(*) FROM certkeep.principal WHERE kind IN ('user', 'computer')) AS accounts,
          (SELECT count(*) FROM certkeep.request) AS requests, (SELECT count(*) FROM certkeep.certificate) AS certificates,
          (SELECT agent_ids::text FROM certkeep.sealed_key) AS agents, (SELECT max(number) FROM certkeep.crl) AS crl,
          (SELECT count(*) FROM certkeep.audit_event WHERE action = 'request.received') AS events`
      expect(await dataSource.query(left)).toEqual([
        { accounts: 6, requests: 5, certificates: 2, agents: '{1,2}', crl: 7, events: 5 }
      ])
      const front = new RequestStore((await database.open('front')).dataSource)
      expect((await front.get(1 as RequestId)).state).toBe('pending')
    } finally {
      await database.drop()
    }
  })
})

describe('templates from before two people had to agree', () => {
  it('keep the author that the audit log names, and what is active is taken over as the installation’s', async () => {
    const database = await createTestDatabase()
    try {
      const { dataSource } = await database.open('owner')
      const runner = dataSource.createQueryRunner()
      const migration = new GuardTemplates1795230200000()
      await migration.down(runner)
      const ids = []
      for (const [name, state] of [
        ['Own', 'active'],
        ['Draft', 'draft']
      ]) {
        const [row] = await dataSource.query<{ readonly id: number }[]>(
          `INSERT INTO certkeep.template (name, oid, major, minor, schema_version, definition, state, created_at)
           VALUES ($1, '1.2.3', 1, 0, 4, '{"privateKeyFlags": 0, "enrollmentFlags": 0}', $2, now()) RETURNING id`,
          [name, state]
        )
        ids.push(row?.id)
        await dataSource.query(
          `INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
           VALUES (now(), 'local:root', 'template.added', 'template', $1, 'success', '{}')`,
          [String(row?.id)]
        )
      }
      await migration.up(runner)
      await runner.release()
      expect(
        await dataSource.query('SELECT name, state, author, activated_by FROM certkeep.template ORDER BY id')
      ).toEqual([
        { name: 'Own', state: 'active', author: 'local:root', activated_by: 'installation' },
        { name: 'Draft', state: 'draft', author: 'local:root', activated_by: null }
      ])
      await dataSource.query(`UPDATE certkeep.template SET state = 'retired' WHERE id = $1`, [ids[0]])
    } finally {
      await database.drop()
    }
  })
})

async function undoAll(database: TestDatabase): Promise<number> {
  const { dataSource } = await database.open('owner')
  const runner = dataSource.createQueryRunner()
  for (const Migration of migrations.toReversed()) await new Migration().down(runner)
  await runner.query('DELETE FROM certkeep.schema_migration')
  await runner.release()
  return migrations.length
}
