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
