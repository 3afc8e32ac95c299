import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { AppError } from '@app/core'
import { SUPERUSER } from './cluster.js'
import type { ServerEndpoint } from './server.js'

/**
 * A process's hold on the server: a connection that has a shared advisory lock in the database `postgres`. PostgreSQL
 * releases it when the process dies, however it dies, so holders are counted without any files.
 */
export interface Attachment {
  readonly pid: number
  /** Settles when the connection is gone: after `detach`, or when the server ended or was killed. */
  readonly closed: Promise<void>
  /** Gives up the hold. True when nobody else has one; then no other can get one until the server has ended. */
  detach(): Promise<boolean>
  /** Closes the connection. */
  close(): Promise<void>
}

/** Any fixed number; the same in every version of the program. */
const HOLD = 7_352_911_204

/** What a server says, or what the system says for it, while it starts, ends, or is just gone. */
const PASSING = new Set(['57P01', '57P02', '57P03', '08006', 'ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE'])

/** Whether an error of a connection means that the server is starting or ending, rather than refusing. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = (error as Error & { readonly code?: string }).code
  return (code !== undefined && PASSING.has(code)) || /terminated unexpectedly|timeout expired/.test(error.message)
}

/**
 * Takes a hold on a server that is ready. Undefined when it ended meanwhile, which is no error: look for it again.
 * Throws `config_invalid` when it refuses the password.
 */
export async function attach(endpoint: ServerEndpoint, password: string): Promise<Attachment | undefined> {
  const client = connectionTo(endpoint, password, 'postgres')
  const closed = new Promise<void>(resolve => {
    client.once('end', resolve)
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT pg_advisory_lock_shared($1)', [HOLD])
  } catch (error) {
    await client.end().catch(() => undefined)
    if (isPassing(error)) {
      await sleep(50)
      return undefined
    }
    const reason = error instanceof Error ? error.message : String(error)
    const message = `The embedded PostgreSQL refuses this process: ${reason}. The file postgres-password is not its own.`
    throw new AppError('config_invalid', message, {}, { cause: error })
  }
  return {
    pid: endpoint.pid,
    closed,
    detach: async () => {
      await client.query('SELECT pg_advisory_unlock_shared($1)', [HOLD])
      const { rows } = await client.query<{ last: boolean }>('SELECT pg_try_advisory_lock($1) AS last', [HOLD])
      return rows[0]?.last === true
    },
    close: () => client.end().catch(() => undefined)
  }
}

/** Makes the program's database when there is none. Needs a server that is ready. */
export async function ensureDatabase(endpoint: ServerEndpoint, password: string, name: string): Promise<void> {
  const client = connectionTo(endpoint, password, 'postgres')
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`)
  } catch (error) {
    // 42P04: another process made it; 23505: at this very moment.
    const code = (error as { readonly code?: string }).code
    if (code !== '42P04' && code !== '23505') throw error
  } finally {
    await client.end().catch(() => undefined)
  }
}

function connectionTo(endpoint: ServerEndpoint, password: string, database: string): Client {
  return new Client({
    host: endpoint.host,
    port: endpoint.port,
    user: SUPERUSER,
    password,
    database,
    ssl: false,
    application_name: 'certkeep installation',
    connectionTimeoutMillis: 10_000
  })
}
