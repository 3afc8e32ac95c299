import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '@app/core'
import type { PostgresBinaries } from './binaries.js'
import { writeOnce, type ServerLocation } from './location.js'
import { isAlive } from './postmaster.js'
import { identityOf } from './server-user.js'

/** The role that owns the embedded cluster; processes of Certkeep use roles of their own where they can. */
export const SUPERUSER = 'certkeep_owner'

/** The environment of the server's programs: nothing of this process, so that no PG* variable and no secret gets in. */
export const SERVER_ENVIRONMENT = {
  PATH: process.env['PATH'] ?? '/usr/bin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
  ...(process.platform === 'win32' ? { SystemRoot: process.env['SystemRoot'] ?? 'C:\\Windows' } : {})
}

/** The superuser's password, generated at first use into a file of the home that only this user can read. */
export function getSuperuserPassword(home: string, location: ServerLocation): string {
  const path = join(home, 'postgres-password')
  if (!existsSync(path)) {
    if (existsSync(location.data)) {
      const message = `${path}, the password of the database in ${location.directory}, is missing. Restore it.`
      throw new AppError('config_invalid', message, { directory: location.directory })
    }
    writeOnce(path, `${randomBytes(24).toString('base64url')}\n`, 0o600)
  }
  return readFileSync(path, 'utf8').trim()
}

/**
 * Makes the data directory when there is none, at once under its final name: of two processes that try, one wins
 * and the other uses its result. Throws `database_incompatible` when it was made by another major version.
 */
export async function prepareCluster(
  location: ServerLocation,
  binaries: PostgresBinaries,
  password: string
): Promise<void> {
  const versionFile = join(location.data, 'PG_VERSION')
  if (existsSync(versionFile)) {
    assertSameMajor(location, binaries, readFileSync(versionFile, 'utf8').trim())
    return
  }
  removeUnfinished(location)
  const unfinished = join(location.directory, `data.${process.pid}-${randomBytes(4).toString('hex')}`)
  const passwordFile = `${unfinished}.password`
  try {
    writeFileSync(passwordFile, password, { mode: 0o600, flag: 'wx' })
    if (location.user) chownSync(passwordFile, location.user.uid, location.user.gid)
    await initialize(location, binaries, unfinished, passwordFile)
    renameSync(unfinished, location.data)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
  } finally {
    rmSync(passwordFile, { force: true })
    rmSync(unfinished, { recursive: true, force: true })
  }
}

function removeUnfinished(location: ServerLocation): void {
  for (const name of readdirSync(location.directory)) {
    const pid = Number(/^data\.(\d+)-/.exec(name)?.[1])
    if (pid > 0 && !isAlive(pid)) rmSync(join(location.directory, name), { recursive: true, force: true })
  }
}

function assertSameMajor(location: ServerLocation, binaries: PostgresBinaries, found: string): void {
  const expected = binaries.packageVersion.split('.')[0]
  if (found === expected) return
  const message =
    `The database in ${location.data} was made by PostgreSQL ${found}; this program brings PostgreSQL ${expected}. ` +
    `Run PostgreSQL ${found} on it and set CERTKEEP_DATABASE_URL, or move its content over with pg_dump and pg_restore.`
  throw new AppError('database_incompatible', message, { found, expected })
}

async function initialize(
  location: ServerLocation,
  binaries: PostgresBinaries,
  data: string,
  passwordFile: string
): Promise<void> {
  const options = [
    `--pgdata=${data}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--data-checksums',
    '--no-instructions'
  ]
  const child = spawn(binaries.initdb, options, {
    ...identityOf(location.user),
    cwd: location.directory,
    env: SERVER_ENVIRONMENT,
    stdio: ['ignore', 'ignore', 'pipe']
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => {
      resolve(code)
    })
  })
  if (status !== 0) throw initializationError(location, errors.trim())
}

function initializationError(location: ServerLocation, errors: string): AppError {
  if (/could not look up effective user ID/.test(errors)) {
    const uid = location.user?.uid ?? process.getuid?.()
    const message =
      `The user that the database runs as (uid ${uid}) has no entry in the password database, which PostgreSQL needs ` +
      'to make a database. Add one to /etc/passwd, start Certkeep as another user, or set CERTKEEP_DATABASE_URL.'
    return new AppError('config_invalid', message, { uid })
  }
  const reason = errors.split('\n').find(line => line.includes('error:')) ?? errors.split('\n').at(-1)
  const message = `No database could be made in ${location.directory}: ${reason || 'initdb gave no reason'}.`
  return new AppError('config_invalid', message, { directory: location.directory })
}

/** The server's settings, as arguments. What protects data stands here beside what makes it fast on two cores. */
export function serverArguments(location: ServerLocation, socketDirectory: string | undefined, port: number): string[] {
  const settings: Record<string, string> = {
    // Reached by nobody but this user.
    listen_addresses: socketDirectory === undefined ? '127.0.0.1' : '',
    port: String(port),
    ...(socketDirectory === undefined
      ? {}
      : { unix_socket_directories: socketDirectory, unix_socket_permissions: '0700' }),
    password_encryption: 'scram-sha-256',
    ssl: 'off',
    max_connections: '100',
    // An acknowledged commit survives a power failure.
    fsync: 'on',
    synchronous_commit: 'on',
    full_page_writes: 'on',
    wal_compression: 'pglz',
    max_wal_size: '2GB',
    min_wal_size: '128MB',
    checkpoint_timeout: '15min',
    shared_buffers: '256MB',
    effective_cache_size: '1GB',
    work_mem: '8MB',
    maintenance_work_mem: '64MB',
    random_page_cost: '1.1',
    max_parallel_workers_per_gather: '0',
    jit: 'off',
    autovacuum_naptime: '20s',
    timezone: 'UTC',
    // Statements, their parameters and row contents may hold secrets and stay out of the log.
    log_timezone: 'UTC',
    log_statement: 'none',
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    log_parameter_max_length: '0',
    log_parameter_max_length_on_error: '0',
    log_checkpoints: 'off',
    log_line_prefix: '%m [%p] %q%u@%d ',
    // One file for each day of the week, so that the log never fills the disk.
    logging_collector: 'on',
    log_directory: join(location.directory, 'log'),
    log_filename: 'postgres-%a.log',
    log_truncate_on_rotation: 'on',
    log_rotation_age: '1d',
    log_rotation_size: '0',
    event_source: 'Certkeep'
  }
  return ['-D', location.data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
}

/** Ends the server at once for its clients and cleanly for its data ("fast shutdown"). */
export function requestFastShutdown(pid: number, location: ServerLocation, binaries: PostgresBinaries): void {
  if (process.platform === 'win32') {
    spawnSync(binaries.pgCtl, ['stop', '-D', location.data, '-m', 'fast', '-W'], { env: SERVER_ENVIRONMENT })
    return
  }
  try {
    process.kill(pid, 'SIGINT')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
