import { AppError } from '@app/core'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { type ConnectionSettings, dataSourceOptions } from './connection.js'
import { translated } from './unit.js'

/** Serialises everything that changes the schema or the roles. Arbitrary, and the same in every version. */
const LOCK = 4_812_366_205

/** The oldest version of PostgreSQL that is supported, as `server_version_num` has it. */
const OLDEST_SERVER = 140_000

/** Runs SQL without parameters. Throws as {@link toAppError} says. */
export type Run = (sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>

/**
 * Connects as the owner of the schema, alone: another process that does the same in this database waits. Throws
 * `database_incompatible` for a server that is too old, `unavailable` for one that does not answer or when the other
 * process takes too long.
 */
export async function withOwner<T>(
  owner: ConnectionSettings,
  work: (run: Run, dataSource: DataSource) => Promise<T>,
  options: Partial<DataSourceOptions> = {}
): Promise<T> {
  // One connection for the lock, one for the work. A migration may take its time.
  const settings = dataSourceOptions({ ...owner, poolSize: 2 })
  const extra = { ...(settings.extra as object), statement_timeout: 0 }
  const dataSource = new DataSource({ ...settings, ...options, extra, entities: [] } as DataSourceOptions)
  await translated(dataSource.initialize())
  const runner = dataSource.createQueryRunner()
  const run: Run = sql => translated(runner.query(sql) as Promise<Readonly<Record<string, unknown>>[]>)
  try {
    await verifyServer(run)
    await run(`SELECT pg_advisory_lock(${LOCK})`)
    return await work(run, dataSource)
  } finally {
    // The lock is the session's, so it goes with the connection.
    await runner.release()
    await dataSource.destroy()
  }
}

async function verifyServer(run: Run): Promise<void> {
  const [row] = await run(`SELECT current_setting('server_version_num')::integer AS version`)
  const version = Number(row?.['version'])
  if (version >= OLDEST_SERVER) return
  throw new AppError('database_incompatible', 'PostgreSQL is older than version 14, the oldest supported.', { version })
}
