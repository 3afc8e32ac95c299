import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isAppError } from '@app/core'
import { migrate, verifySchema } from '@app/storage'
import { createTestDatabase, type TestDatabase } from '../helpers/database.js'

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

async function undoAll(database: TestDatabase): Promise<number> {
  const { dataSource } = await database.open('owner')
  const { migrations } = await import('../../migrations/index.js')
  const runner = dataSource.createQueryRunner()
  for (const Migration of migrations.toReversed()) await new Migration().down(runner)
  await runner.query('DELETE FROM certkeep.schema_migration')
  await runner.release()
  return migrations.length
}
