import { randomBytes } from 'node:crypto'
import { startEmbeddedPostgres } from '@app/platform'
import {
  type ConnectionSettings,
  type Database,
  databaseUser,
  ensureRoles,
  migrate,
  openDatabase,
  PROCESS_ROLES,
  type ProcessRole
} from '@app/storage'
import { Client } from 'pg'
import { inject } from 'vitest'
import type { ProvidedPostgres } from './global-setup.js'

/** Whom a test connects as: the owner of the schema, or a process. */
export type TestUser = 'owner' | ProcessRole

/** A database of its own for one test file. */
export interface TestDatabase {
  readonly name: string
  /** How each user connects to it. */
  readonly settings: Readonly<Record<TestUser, ConnectionSettings>>
  /** A pool as the user, made at the first call, closed by `drop`. */
  open(user: TestUser): Promise<Database>
  /** Closes every pool and removes the database. */
  drop(): Promise<void>
}

/** A copy of the migrated template, or an empty database. Takes about 50 ms. Use it in `beforeAll`. */
export async function createTestDatabase(from: 'template' | 'nothing' = 'template'): Promise<TestDatabase> {
  const postgres = inject('postgres')
  const name = `test_${randomBytes(8).toString('hex')}`
  const template = from === 'template' ? postgres.template : 'template0'
  await administer(postgres, `CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY wal_log`)
  // A test does not need its commits to survive a power failure.
  await administer(postgres, `ALTER DATABASE ${name} SET synchronous_commit = off`)

  const { open, close } = poolsOf(settingsFor(postgres, name))
  return {
    name,
    settings: settingsFor(postgres, name),
    open,
    async drop() {
      await close()
      await administer(postgres, `DROP DATABASE ${name} WITH (FORCE)`)
    }
  }
}

/** A database in a PostgreSQL of its own, whose files are below `directory` and kept when it is dropped. */
export async function createOwnDatabase(directory: string): Promise<TestDatabase> {
  const { rolePasswords } = inject('postgres')
  const server = await startEmbeddedPostgres({ home: directory })
  const { host, user, password, database } = server.settings
  const login = { ...server.settings, applicationName: 'test', poolSize: 2 }
  await ensureRoles(login, rolePasswords)
  await migrate(login)
  const own = databaseAt({ ...login, host, user, password, database }, rolePasswords)
  return {
    ...own,
    async drop() {
      await own.drop()
      await server.stop()
    }
  }
}

/** A database that is there already, by its owner's connection; `drop` only closes what was opened. */
export function databaseAt(
  { host = '', port = 5432, user, password = '', database = '' }: ConnectionSettings,
  rolePasswords: ProvidedPostgres['rolePasswords']
): TestDatabase {
  const settings = settingsFor({ host, port, owner: { user, password }, rolePasswords, template: '' }, database)
  const { open, close } = poolsOf(settings)
  return { name: database, settings, open, drop: close }
}

/** A pool for each user, made at the first call. */
interface Pools {
  readonly open: (user: TestUser) => Promise<Database>
  readonly close: () => Promise<void>
}

function poolsOf(settings: Readonly<Record<TestUser, ConnectionSettings>>): Pools {
  const opened = new Map<TestUser, Promise<Database>>()
  return {
    open(user: TestUser): Promise<Database> {
      const database = opened.get(user) ?? openDatabase(settings[user])
      opened.set(user, database)
      return database
    },
    async close(): Promise<void> {
      for (const database of opened.values()) await (await database).close()
    }
  }
}

/** A pg client that is connected; end it after use. For what the stores do not do. */
export async function connectClient(settings: ConnectionSettings): Promise<Client> {
  const { host, port, database, user, password } = settings
  const client = new Client({ host, port, database, user, password })
  await client.connect()
  return client
}

function settingsFor(postgres: ProvidedPostgres, database: string): Record<TestUser, ConnectionSettings> {
  const { host, port, owner, rolePasswords } = postgres
  const common = { host, port, database, poolSize: 4 }
  const roles = PROCESS_ROLES.map(role => [
    role,
    { ...common, user: databaseUser(role), password: rolePasswords[role], applicationName: `test ${role}` }
  ])
  return { owner: { ...common, ...owner, applicationName: 'test owner' }, ...Object.fromEntries(roles) } as Record<
    TestUser,
    ConnectionSettings
  >
}

async function administer(postgres: ProvidedPostgres, sql: string): Promise<void> {
  const { host, port, owner } = postgres
  const client = new Client({ host, port, database: 'postgres', ...owner })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
