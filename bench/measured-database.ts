import pg from 'pg'
import type { ConnectionSettings } from '@app/storage'
import { cpuOfFamily, parentOf } from './process-usage.js'

/** A look at the database server from outside of the program. */
export interface MeasuredDatabase {
  readonly settings: ConnectionSettings
  /** `fsync` and the like, as they are in force. */
  setting(name: string): Promise<string>
  /** Milliseconds of CPU that all of its processes have used so far. */
  cpu(): number
  /** Writes out what is in memory, so that sizes can be compared. */
  checkpoint(): Promise<void>
  /** Bytes of the program's database: tables, indexes, and what they hold ready. */
  size(): Promise<number>
  /** The number that a query gives. */
  number(query: string): Promise<number>
  /** How many bytes a column of one of the program's tables has on average; 0 for an empty table. */
  averageBytes(column: string, table: string): Promise<number>
  close(): Promise<void>
}

/** @param settings how the owner of the schema connects */
export async function openMeasuredDatabase(settings: ConnectionSettings): Promise<MeasuredDatabase> {
  const client = new pg.Client(clientConfig(settings))
  await client.connect()
  const value = async (query: string): Promise<unknown> => {
    const { rows } = await client.query<{ value: unknown }>(query)
    return rows[0]?.value
  }
  const postmaster = parentOf(Number(await value('SELECT pg_backend_pid() AS value')))
  return {
    settings,
    setting: async name => String(await value(`SELECT current_setting('${name}') AS value`)),
    cpu: () => cpuOfFamily(postmaster),
    checkpoint: async () => void (await client.query('CHECKPOINT')),
    size: async () => Number(await value('SELECT pg_database_size(current_database()) AS value')),
    number: async query => Number(await value(query)),
    averageBytes: async (column, table) =>
      Math.round(
        Number(await value(`SELECT coalesce(avg(octet_length(${column})), 0) AS value FROM certkeep.${table}`))
      ),
    close: () => client.end()
  }
}

/** The settings as `pg` takes them. */
export function clientConfig({ host, port, database, user, password }: ConnectionSettings): pg.ClientConfig {
  return {
    user,
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(database === undefined ? {} : { database }),
    ...(password === undefined ? {} : { password })
  }
}
