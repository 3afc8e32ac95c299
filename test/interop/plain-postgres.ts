import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { shutDown, untilReady } from './postgres-process.js'
import { missing } from './programs.js'

const execute = promisify(execFile)
const packages = '/usr/lib/postgresql'
const oldest = 14
/** Part of the name of the socket; each cluster has a directory of its own. */
const PORT = 5432

/** A cluster of Debian's PostgreSQL, with the programs for backups that come with it, on a socket. */
export interface PlainPostgres {
  /** The directory of its socket. */
  readonly host: string
  readonly port: number
  readonly superuser: { readonly user: string; readonly password: string }
  /** Runs one of PostgreSQL's programs as the superuser, connected to this cluster. */
  run(
    program: 'pg_dump' | 'pg_restore' | 'pg_basebackup' | 'createdb' | 'createuser',
    ...args: readonly string[]
  ): Promise<void>
  stop(): Promise<void>
}

/** Makes a cluster in a directory that is not there yet, and starts it. */
export async function makePlainPostgres(directory: string): Promise<PlainPostgres> {
  const binaries = await findBinaries()
  const password = randomBytes(12).toString('hex')
  await mkdir(directory, { mode: 0o711 })
  await writeFile(join(directory, 'password'), password, { mode: 0o600 })
  const user = await serverUser()
  await own(directory, user)
  await own(join(directory, 'password'), user)
  const init = ['-D', join(directory, 'data'), '-U', 'postgres', '-A', 'scram-sha-256']
  const options = ['--pwfile', join(directory, 'password'), '-E', 'UTF8', '--locale', 'C', '--no-sync']
  await execute(join(binaries, 'initdb'), [...init, ...options], { ...user, cwd: directory })
  return start(binaries, directory, password)
}

/** Starts a cluster from the base backup that is in `data` of the directory, with the passwords that it had. */
export async function startFromBackup(directory: string, from: PlainPostgres): Promise<PlainPostgres> {
  const user = await serverUser()
  const { uid, gid } = user
  if (uid !== undefined) await execute('chown', ['-R', `${uid}:${gid}`, directory])
  await chmod(directory, 0o711)
  return start(await findBinaries(), directory, from.superuser.password)
}

async function start(binaries: string, directory: string, password: string): Promise<PlainPostgres> {
  const user = await serverUser()
  const settings = { listen_addresses: '', port: PORT, unix_socket_directories: directory, fsync: 'off' }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const server = spawn(join(binaries, 'postgres'), ['-D', join(directory, 'data'), ...options], {
    ...user,
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe']
  })
  await untilReady(server, { binaries, host: directory, port: PORT })
  const env = { ...process.env, PGHOST: directory, PGPORT: String(PORT), PGUSER: 'postgres', PGPASSWORD: password }
  return {
    host: directory,
    port: PORT,
    superuser: { user: 'postgres', password },
    run: async (program, ...args) => void (await execute(join(binaries, program), args, { env })),
    stop: () => shutDown(server)
  }
}

async function findBinaries(): Promise<string> {
  const names = existsSync(packages) ? await readdir(packages) : []
  const versions = names.map(Number).filter(version => existsSync(join(packages, String(version), 'bin', 'postgres')))
  const newest = Math.max(0, ...versions)
  if (newest >= oldest) return join(packages, String(newest), 'bin')
  throw missing(`There is no PostgreSQL of version ${oldest} or later in ${packages}`, 'postgres')
}

interface ServerUser {
  readonly uid?: number
  readonly gid?: number
}

/** PostgreSQL does not run as root; then it runs as nobody, who is a user everywhere. */
async function serverUser(): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return {}
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async option => (await execute('id', [option, 'nobody'])).stdout)
  )
  return { uid: Number(uid), gid: Number(gid) }
}

async function own(path: string, { uid, gid }: ServerUser): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid)
}
