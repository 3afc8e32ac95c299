import { assertSchemaCompatibility, LATEST_SCHEMA_VERSION, runMigrations, SchemaVersionMismatchError } from 'bullmq'
import { Client } from 'pg'
import { AppError } from '@app/core'
import { databaseUser, PROCESS_ROLES, type ConnectionSettings } from '@app/storage'
import { poolConfigOf, QUEUE_SCHEMA } from './connection.js'

/** Any fixed number; the same in every version of the program. */
const GRANTS_LOCK = 7_352_911_205

/**
 * Brings the queue's own tables up to date and lets the process roles use them. Has to have run before anything of
 * this library is started; repeating it changes nothing, several at once wait for each other. Needs a connection that
 * may create a schema. Throws `database_incompatible` when the tables are of a newer program or cannot be made.
 */
export async function migrateQueueSchema(owner: ConnectionSettings): Promise<void> {
  await withConnection(owner, async client => {
    await runMigrations(client, QUEUE_SCHEMA)
    await grantToRoles(client)
  })
}

/**
 * What the roles need to add and to run jobs, and no more: they may not create anything, and not touch the ledger of
 * migrations. Two transactions that grant on one object fail ("tuple concurrently updated"), hence the lock.
 */
async function grantToRoles(client: Client): Promise<void> {
  const names = PROCESS_ROLES.map(databaseUser)
  const { rows } = await client.query<{ role: string }>(
    'SELECT rolname AS role FROM pg_roles WHERE rolname = ANY($1)',
    [names]
  )
  if (rows.length === 0) return
  const roles = rows.map(({ role }) => client.escapeIdentifier(role)).join(', ')
  await client.query('BEGIN')
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [GRANTS_LOCK])
    await client.query(`REVOKE ALL ON SCHEMA ${QUEUE_SCHEMA} FROM PUBLIC`)
    await client.query(`GRANT USAGE ON SCHEMA ${QUEUE_SCHEMA} TO ${roles}`)
    await client.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${QUEUE_SCHEMA} TO ${roles}`)
    await client.query(`REVOKE INSERT, UPDATE, DELETE ON ${QUEUE_SCHEMA}.migration FROM ${roles}`)
    await client.query(`GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ${QUEUE_SCHEMA} TO ${roles}`)
    await client.query(`GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${QUEUE_SCHEMA} TO ${roles}`)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}

/** Throws `database_incompatible` when the queue's tables are missing, older or newer than this program needs. */
export async function assertQueueSchema(settings: ConnectionSettings): Promise<void> {
  const found = await withConnection(settings, client => assertSchemaCompatibility(client, QUEUE_SCHEMA))
  if (found >= LATEST_SCHEMA_VERSION) return
  const message =
    `The queue's tables are of version ${found} and this program needs version ${LATEST_SCHEMA_VERSION}. ` +
    'Start the program once with the owner of the database; that brings them up to date.'
  throw new AppError('database_incompatible', message, { found, needed: LATEST_SCHEMA_VERSION })
}

async function withConnection<T>(settings: ConnectionSettings, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(poolConfigOf(settings))
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await work(client)
  } catch (cause) {
    throw schemaError(cause)
  } finally {
    await client.end().catch(() => undefined)
  }
}

function schemaError(cause: unknown): AppError {
  if (cause instanceof SchemaVersionMismatchError) {
    const message = "The queue's tables were made by a newer program. Use that one, or restore an older backup."
    return new AppError('database_incompatible', message, {}, { cause })
  }
  if (cause instanceof Error && cause.name === 'SchemaMigrationRequiredError') {
    const message =
      'The database has no tables for the queue. Start the program once with the owner of the database; that makes them.'
    return new AppError('database_incompatible', message, {}, { cause })
  }
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new AppError('database_incompatible', `The queue's tables cannot be used: ${reason}.`, {}, { cause })
}
