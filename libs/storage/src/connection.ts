import type { ConnectionOptions, TlsOptions } from 'node:tls'
import type { DataSourceOptions, Logger } from 'typeorm'
import { entities } from './entities.js'
import { SCHEMA } from './schema.js'
import { typeParsers } from './type-parsers.js'

/** Where the database is and who connects. Either `url`, or `host`, `port` and `database`. */
export interface ConnectionSettings {
  /** `postgresql://host:port/database?…`; credentials in it are overridden by `user` and `password`. */
  readonly url?: string
  /** A name, an address, or the directory of a Unix socket. */
  readonly host?: string
  readonly port?: number
  readonly database?: string
  readonly user: string
  readonly password?: string
  /** How to use TLS; absent means a connection in the clear. */
  readonly ssl?: ConnectionOptions
  /** What the database shows the connections as. */
  readonly applicationName: string
  /** The most connections held at once. */
  readonly poolSize: number
  /**
   * For a role whose statements each concern a few rows: whatever the statistics were when a statement was planned, it goes
   * by an index. A plan is kept for as long as the connection, or until the table is analyzed again; one that was made
   * for a small table reads a large one from end to end.
   */
  readonly readsByIndex?: boolean
}

/** How long a connection may take to be made or to come free, in milliseconds. */
const CONNECT_TIMEOUT = 10_000

/** How long an unused connection is kept, in milliseconds. Its prepared statements go with it. */
const IDLE_TIMEOUT = 600_000

/**
 * Bounds on what one statement or one transaction may take, in milliseconds: a process that hangs must not hold rows
 * for ever. They are the session's start-up parameters.
 */
const SESSION_TIMEOUTS = {
  statement_timeout: 60_000,
  lock_timeout: 30_000,
  idle_in_transaction_session_timeout: 120_000
} as const

const ignore = (): void => undefined

/** What goes wrong is thrown; TypeORM would write it to the standard output as well, statements and values included. */
const SILENT: Logger = {
  logQuery: ignore,
  logQueryError: ignore,
  logQuerySlow: ignore,
  logSchemaBuild: ignore,
  logMigration: ignore,
  log: ignore
}

/** What TypeORM needs to connect: explicit entities, no migrations, never a change of the schema. */
export function dataSourceOptions(settings: ConnectionSettings): DataSourceOptions {
  return {
    type: 'postgres',
    ...endpointOf(settings),
    // TypeORM hands it to pg, which is a client, yet declares a server's type.
    ...(settings.ssl === undefined ? {} : { ssl: settings.ssl as TlsOptions }),
    applicationName: settings.applicationName,
    poolSize: settings.poolSize,
    connectTimeoutMS: CONNECT_TIMEOUT,
    schema: SCHEMA,
    entities: [...entities],
    synchronize: false,
    migrationsRun: false,
    installExtensions: false,
    logging: false,
    logger: SILENT,
    poolErrorHandler: ignore,
    extra: {
      ...SESSION_TIMEOUTS,
      ...(settings.readsByIndex === true ? { options: '-c enable_seqscan=off' } : {}),
      keepAlive: true,
      idleTimeoutMillis: IDLE_TIMEOUT,
      types: typeParsers
    }
  }
}

type Endpoint =
  | { readonly url: string }
  | {
      readonly host?: string
      readonly port?: number
      readonly database?: string
      readonly username: string
      readonly password?: string
    }

/** In a URL, pg takes query parameters before the part in front of the host, so they carry the credentials. */
function endpointOf({ url, host, port, database, user, password }: ConnectionSettings): Endpoint {
  if (url === undefined) {
    return {
      username: user,
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port }),
      ...(database === undefined ? {} : { database }),
      ...(password === undefined ? {} : { password })
    }
  }
  const parameters = new URLSearchParams({ user, ...(password === undefined ? {} : { password }) })
  return { url: `${url}${url.includes('?') ? '&' : '?'}${parameters.toString()}` }
}
