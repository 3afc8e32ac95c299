import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import type { ConnectionSettings } from '@app/storage'
import { clientConfig, type MeasuredDatabase } from './measured-database.js'

/**
 * Has a database server that is about to be restarted count what it executes, statements within functions and triggers
 * included. The counting itself costs about a tenth.
 */
export async function countStatements(owner: ConnectionSettings): Promise<void> {
  const client = new pg.Client(clientConfig(owner))
  await client.connect()
  try {
    await client.query(`ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'`)
    await client.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public')
  } finally {
    await client.end()
  }
}

interface CountedStatement {
  readonly calls: number
  readonly ms: number
  readonly rows: number
  readonly wal: number
  readonly buffers: number
  readonly query: string
}

const COUNTED = `
  SELECT sum(calls)::float AS calls, sum(total_exec_time)::float AS ms, sum(rows)::float AS rows,
         sum(wal_bytes)::float AS wal, sum(shared_blks_hit + shared_blks_read)::float AS buffers,
         regexp_replace(left(query, 400), '\\s+', ' ', 'g') AS query
  FROM public.pg_stat_statements
  GROUP BY 6 ORDER BY 2 DESC LIMIT 60`

/** Forgets what was counted so far. */
export async function resetStatements({ settings }: MeasuredDatabase): Promise<void> {
  await withClient(settings, client => client.query('SELECT public.pg_stat_statements_reset()'))
}

/** Writes what was executed since, for each operation, the dearest statement first, as Markdown. */
export async function writeStatements(
  { settings }: MeasuredDatabase,
  { directory, name, operations }: { readonly directory: string; readonly name: string; readonly operations: number }
): Promise<void> {
  const { rows } = await withClient(settings, client => client.query<CountedStatement>(COUNTED))
  const lines = rows.map(({ calls, ms, rows: found, wal, buffers, query }) => {
    const cells = [calls / operations, ms / operations].map(value => value.toFixed(4))
    const call = [(1000 * ms) / calls, found / operations, wal / operations, buffers / operations]
    return `| ${[...cells, ...call.map(value => value.toFixed(1))].join(' | ')} | ${query.replaceAll('|', '\\|').slice(0, 160)} |`
  })
  const head =
    '| calls | ms | µs a call | rows | WAL bytes | pages | statement |\n| --: | --: | --: | --: | --: | --: | --- |'
  const text = `What the database executed for each of ${operations} operations of ${name}.\n\n${[head, ...lines].join('\n')}\n`
  writeFileSync(join(directory, `${name}-statements.md`), text)
}

async function withClient<T>(settings: ConnectionSettings, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(clientConfig(settings))
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
