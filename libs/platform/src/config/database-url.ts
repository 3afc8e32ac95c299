import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { AppError } from '@app/core'
import type { PostgresSettings } from '../embedded-postgres/launcher.js'

/** How to connect to a PostgreSQL database, with TLS where it is wanted. */
export interface DatabaseSettings extends PostgresSettings {
  /** Options of node:tls; absent means a connection in the clear. */
  readonly ssl?: ConnectionOptions
}

const PARAMETERS: ReadonlySet<string> = new Set(['host', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey'])

/**
 * Reads a `postgres://user:password@host:port/database?…` URL. The TLS parameters mean what they mean to libpq
 * (PostgreSQL manual, section 32.19): `disable`; `require` (encrypts, and checks the chain only when `sslrootcert`
 * is given); `verify-ca`; `verify-full`. Without `sslmode` there is no TLS. `allow` and `prefer` are refused, because
 * they would go on in the clear. Throws `config_invalid`; the message never has the password.
 */
export function parseDatabaseUrl(url: string): DatabaseSettings {
  // libpq allows an empty host before a `host` parameter, as sockets need it; the URL standard does not.
  const complete = url.replace(/^(postgres(?:ql)?:\/\/[^/?#]*@)(?=\/)/, '$1socket')
  const parsed = URL.canParse(complete) ? new URL(complete) : undefined
  if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol)) throw invalid('is no postgres:// URL')
  for (const name of parsed.searchParams.keys()) {
    if (!PARAMETERS.has(name)) throw invalid(`has the unknown parameter "${name}"`)
  }
  const host =
    parsed.searchParams.get('host') ??
    (complete === url ? decodeURIComponent(parsed.hostname) : '').replace(/^\[(.*)\]$/, '$1')
  const database = decodeURIComponent(parsed.pathname.slice(1))
  const user = decodeURIComponent(parsed.username)
  if (!host || !database || !user) throw invalid('must name a user, a host and a database')
  const settings = {
    host,
    port: parsed.port ? Number(parsed.port) : 5432,
    user,
    password: decodeURIComponent(parsed.password),
    database
  }
  const ssl = readTls(parsed.searchParams)
  return ssl ? { ...settings, ssl } : settings
}

function readTls(parameters: URLSearchParams): ConnectionOptions | undefined {
  const mode = parameters.get('sslmode')
  const root = parameters.get('sslrootcert')
  if (mode === null || mode === 'disable') {
    if (root ?? parameters.get('sslcert')) throw invalid('has TLS parameters and no sslmode that uses them')
    return undefined
  }
  if (mode !== 'require' && mode !== 'verify-ca' && mode !== 'verify-full') {
    throw invalid(`has sslmode "${mode}"; use disable, require, verify-ca or verify-full`)
  }
  const cert = readFileOf('sslcert', parameters)
  const key = readFileOf('sslkey', parameters)
  const ca = root === null ? undefined : readFileOf('sslrootcert', parameters)
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    rejectUnauthorized: mode !== 'require' || ca !== undefined,
    // The server's name, which pg knows, counts in the strictest mode only.
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined })
  }
}

function readFileOf(parameter: string, parameters: URLSearchParams): string | undefined {
  const path = parameters.get(parameter)
  if (path === null) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new AppError(
      'config_invalid',
      `${path} (${parameter} of the database URL) cannot be read.`,
      { path },
      { cause }
    )
  }
}

function invalid(what: string): AppError {
  return new AppError('config_invalid', `The database URL ${what}.`)
}
