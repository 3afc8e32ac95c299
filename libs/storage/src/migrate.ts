import { AppError, isAppError } from '@app/core'
import type { DataSource } from 'typeorm'
import { migrations } from '../../../migrations/index.js'
import type { ConnectionSettings } from './connection.js'
import { withOwner } from './owner.js'
import { MIGRATION_TABLE, SCHEMA } from './schema.js'
import { query } from './sql.js'
import { translated } from './unit.js'

/** What the program expects to find in {@link MIGRATION_TABLE}: the names of its migrations, in order. */
const EXPECTED: readonly string[] = migrations.map(migration => migration.name)

/** SQLSTATEs of a table or schema that does not exist. */
const MISSING = new Set(['42P01', '3F000'])

/**
 * Brings the schema to the program's version: every migration that is missing, all in one transaction, while other
 * processes that do the same wait. Gives the names of those applied; none when there was nothing to do. Needs the roles
 * of {@link ensureRoles}. Throws `database_incompatible`, and changes nothing, when the database is newer than the program.
 */
export async function migrate(owner: ConnectionSettings): Promise<{ readonly applied: readonly string[] }> {
  const options = { migrations: [...migrations], migrationsTableName: MIGRATION_TABLE }
  return withOwner(
    owner,
    async (run, dataSource) => {
      await run(`CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`)
      verifyNotNewer(await listApplied(dataSource))
      const applied = await translated(dataSource.runMigrations({ transaction: 'all' }))
      return { applied: applied.map(({ name }) => name) }
    },
    options
  )
}

/**
 * Throws `database_incompatible` unless the schema is exactly the program's: neither older, which {@link migrate} heals,
 * nor newer, which only a newer program does. Every role may ask.
 */
export async function verifySchema(dataSource: DataSource): Promise<void> {
  const applied = await listApplied(dataSource)
  verifyNotNewer(applied)
  const missing = EXPECTED.filter(name => !applied.includes(name))
  if (missing.length === 0) return
  throw new AppError(
    'database_incompatible',
    'The database is older than the program: migrate it, as the owner of its schema, before starting.',
    { missing: missing.length, first: missing[0] }
  )
}

/** The names of the migrations that the database has; none when it has no schema yet. */
async function listApplied(dataSource: DataSource): Promise<readonly string[]> {
  const text = `SELECT name FROM ${SCHEMA}.${MIGRATION_TABLE} ORDER BY timestamp, id`
  try {
    const rows = await query<{ readonly name: string }>(dataSource, undefined, { text }, [])
    return rows.map(({ name }) => name)
  } catch (error) {
    if (isAppError(error) && MISSING.has(String(error.evidence['sqlstate']))) return []
    throw error
  }
}

function verifyNotNewer(applied: readonly string[]): void {
  const unknown = applied.filter(name => !EXPECTED.includes(name))
  if (unknown.length === 0) return
  throw new AppError(
    'database_incompatible',
    `The database is newer than the program: it has the migration ${unknown[0]}. Start the version that made it, or a later one.`,
    { unknown: unknown.length, first: unknown[0] }
  )
}
