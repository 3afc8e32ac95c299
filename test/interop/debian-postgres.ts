import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findFreePort } from '../helpers/free-port.js'
import { shutDown, untilReady } from './postgres-process.js'
import { missing, runOpenssl } from './programs.js'
import type { WorkDirectory } from './work-directory.js'

/** A PostgreSQL of Debian's package that takes TLS with a client certificate and nothing else, on localhost. */
export interface DebianPostgres {
  /** The database URL of an owner who is no superuser, with these parameters at its end. */
  url(parameters: Readonly<Record<string, string>>, host?: string): string
  /** The parameters with which it lets a client in. */
  readonly parameters: Readonly<Record<'sslmode' | 'sslrootcert' | 'sslcert' | 'sslkey', string>>
  /** What psql answers the superuser: rows of fields with `|` between them. */
  query(sql: string): Promise<readonly string[]>
  stop(): Promise<void>
}

const packages = '/usr/lib/postgresql'
const oldest = 14
const execute = promisify(execFile)

interface Cluster {
  readonly binaries: string
  readonly home: string
  readonly user: { readonly uid?: number; readonly gid?: number }
  readonly port: number
}

/** Starts one in a directory of the test; certificate and key of its clients are there too. Takes some seconds. */
export async function startDebianPostgres(directory: WorkDirectory): Promise<DebianPostgres> {
  const home = directory.at('postgres')
  const user = await serverUser()
  const cluster = {
    binaries: join(packages, String(await findVersion()), 'bin'),
    home,
    user,
    port: await findFreePort()
  }
  await makeCertificates(directory)
  await makeCluster(cluster, directory)
  const server = await start(cluster)
  const parameters = {
    sslmode: 'verify-full',
    sslrootcert: directory.at('pg-root.pem'),
    sslcert: directory.at('pg-client.pem'),
    sslkey: directory.at('pg-client.key')
  }
  const superuser = await readFile(join(home, 'password'), 'utf8')
  const query = (sql: string, database = 'certkeep'): Promise<readonly string[]> =>
    runPsql(cluster, { ...parameters, user: 'postgres', password: superuser, dbname: database }, sql)
  const owner = { user: 'keeper', password: randomBytes(12).toString('hex') }
  await query(`CREATE ROLE ${owner.user} LOGIN CREATEROLE PASSWORD '${owner.password}'`, 'postgres')
  await query(`CREATE DATABASE certkeep OWNER ${owner.user}`, 'postgres')
  return {
    parameters,
    url: (given, host = 'localhost') =>
      `postgres://${owner.user}:${owner.password}@${host}:${cluster.port}/certkeep?${new URLSearchParams(given).toString()}`,
    query: sql => query(sql),
    stop: () => shutDown(server)
  }
}

async function findVersion(): Promise<number> {
  const names = existsSync(packages) ? await readdir(packages) : []
  const versions = names.map(Number).filter(version => existsSync(join(packages, String(version), 'bin', 'postgres')))
  const newest = Math.max(0, ...versions)
  if (newest >= oldest) return newest
  throw missing(`There is no PostgreSQL of version ${oldest} or later in ${packages}`, 'postgres')
}

/** PostgreSQL does not run as root; then it runs as nobody, who is a user everywhere. */
async function serverUser(): Promise<Cluster['user']> {
  if (process.getuid?.() !== 0) return {}
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async option => (await execute('id', [option, 'nobody'])).stdout)
  )
  return { uid: Number(uid), gid: Number(gid) }
}

/** A root, and below it a server that is `localhost` and nothing else, and a client. */
async function makeCertificates(directory: WorkDirectory): Promise<void> {
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  await runOpenssl([
    ['req', '-x509', ...newKey, '-days', '7', '-subj', '/CN=Database Root', '-keyout', directory.at('pg-root.key')],
    ['-out', directory.at('pg-root.pem'), '-addext', 'keyUsage=critical,keyCertSign']
  ])
  const names = { server: 'subjectAltName=DNS:localhost', client: 'extendedKeyUsage=clientAuth' }
  for (const [name, extension] of Object.entries(names)) {
    await runOpenssl([
      ['req', ...newKey, '-subj', `/CN=${name}`, '-keyout', directory.at(`pg-${name}.key`)],
      ['-out', directory.at(`pg-${name}.csr`)]
    ])
    await runOpenssl([
      ['x509', '-req', '-in', directory.at(`pg-${name}.csr`), '-days', '7', '-out', directory.at(`pg-${name}.pem`)],
      ['-CA', directory.at('pg-root.pem'), '-CAkey', directory.at('pg-root.key')],
      ['-extfile', await directory.put(`pg-${name}.ext`, extension)]
    ])
  }
}

async function makeCluster({ binaries, home, user, port }: Cluster, directory: WorkDirectory): Promise<void> {
  const data = join(home, 'data')
  await mkdir(home, { mode: 0o700 })
  // Its user has to pass through.
  await chmod(directory.at('.'), 0o711)
  await writeFile(join(home, 'password'), randomBytes(12).toString('hex'), { mode: 0o600 })
  for (const name of ['root.pem', 'server.pem', 'server.key']) {
    await copyFile(directory.at(`pg-${name}`), join(home, name))
    await chmod(join(home, name), 0o600)
  }
  for (const name of ['.', 'password', 'root.pem', 'server.pem', 'server.key']) {
    if (user.uid !== undefined && user.gid !== undefined) await chown(join(home, name), user.uid, user.gid)
  }
  const init = ['-D', data, '-U', 'postgres', '-A', 'scram-sha-256', '--pwfile', join(home, 'password')]
  await execute(join(binaries, 'initdb'), [...init, '-E', 'UTF8', '--locale', 'C', '--no-sync'], { ...user, cwd: home })
  await writeFile(join(data, 'pg_hba.conf'), 'hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n')
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    fsync: 'off',
    ssl: 'on',
    ssl_cert_file: join(home, 'server.pem'),
    ssl_key_file: join(home, 'server.key'),
    ssl_ca_file: join(home, 'root.pem')
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`)
  await writeFile(join(data, 'postgresql.auto.conf'), lines.join(''))
}

async function start({ binaries, home, user, port }: Cluster): Promise<ChildProcess> {
  const server = spawn(join(binaries, 'postgres'), ['-D', join(home, 'data')], { ...user, cwd: home, stdio: 'pipe' })
  await untilReady(server, { binaries, host: '127.0.0.1', port })
  return server
}

async function runPsql(
  { binaries, port }: Cluster,
  parameters: Readonly<Record<string, string>>,
  sql: string
): Promise<readonly string[]> {
  const { password = '', ...rest } = parameters
  const pairs = Object.entries({ ...rest, host: 'localhost', port: String(port) })
  const connection = pairs.map(([name, value]) => `${name}='${value}'`).join(' ')
  const options = { env: { ...process.env, PGPASSWORD: password } }
  const psql = ['-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', connection, '-c', sql]
  const { stdout } = await execute(join(binaries, 'psql'), psql, options)
  return stdout.split('\n').filter(line => line !== '')
}
