import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { removeEmbeddedPostgres, startEmbeddedPostgres, type RunningPostgres } from '@app/platform'

const isRoot = process.getuid?.() === 0
/** A clone that only root can enter hides the sources from the processes of other users. */
const canActAsOthers = isRoot && spawnSync(process.execPath, ['--version'], { uid: 1, gid: 1, cwd: '/' }).status === 0
const here = (name: string) => fileURLToPath(new URL(`embedded-postgres/${name}`, import.meta.url))

interface Line {
  readonly report?: string
  readonly started?: boolean
  readonly settings?: RunningPostgres['settings']
  readonly directory?: string
  readonly stopped?: boolean
  readonly code?: string
  readonly message?: string
}

/** Another process that holds the server. */
interface Holder {
  readonly child: ChildProcessByStdio<Writable, Readable, null>
  readonly lines: Line[]
  /** The line that has a member of this name. */
  line(member: keyof Line): Promise<Line>
  release(): Promise<void>
}

const homes: string[] = []
/** Making a database takes a second, so tests that do not need a new one share it. */
let sharedHome: string
const servers: RunningPostgres[] = []
const holders: Holder[] = []

/** A directory that everybody can pass through, for the home in it. */
function newHome(name = 'home'): string {
  const parent = mkdtempSync(join(tmpdir(), 'certkeep-it-'))
  chmodSync(parent, 0o755)
  const home = join(parent, name)
  homes.push(home)
  return home
}

async function start(home: string, report?: (message: string) => void): Promise<RunningPostgres> {
  const server = await startEmbeddedPostgres({ home, ...(report ? { report } : {}) })
  servers.push(server)
  return server
}

function hold(home: string, identity: { readonly uid?: number; readonly gid?: number } = {}): Holder {
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      '--experimental-transform-types',
      '--import',
      here('run-sources.mjs'),
      here('hold-server.ts'),
      home
    ],
    { ...identity, cwd: '/', stdio: ['pipe', 'pipe', 'inherit'], env: { PATH: process.env['PATH'] } }
  )
  const lines: Line[] = []
  createInterface({ input: child.stdout }).on('line', text => lines.push(JSON.parse(text) as Line))
  const holder: Holder = {
    child,
    lines,
    line: async member => {
      const deadline = Date.now() + 30_000
      for (;;) {
        const found = lines.find(line => line[member] !== undefined || line.code !== undefined)
        if (found) return found
        if (Date.now() > deadline) throw new Error(`no "${member}" from the other process`)
        await sleep(10)
      }
    },
    release: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = new Promise(resolve => child.once('exit', resolve))
      child.stdin.end()
      await ended
    }
  }
  holders.push(holder)
  return holder
}

async function query<T extends object>(server: Pick<RunningPostgres, 'settings'>, sql: string): Promise<readonly T[]> {
  const client = new Client({ ...server.settings })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<T>(sql)).rows
  } finally {
    await client.end()
  }
}

const pidFile = (server: RunningPostgres) => join(server.directory, 'data', 'postmaster.pid')
const pidOf = (server: RunningPostgres) => Number(readFileSync(pidFile(server), 'utf8').split('\n')[0])

async function ended(pid: number): Promise<void> {
  for (let i = 0; i < 500; i++) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await sleep(20)
  }
  throw new Error(`process ${pid} still runs`)
}

beforeAll(() => {
  sharedHome = newHome()
  homes.length = 0
})

afterAll(() => {
  remove(sharedHome)
})

function remove(home: string): void {
  removeEmbeddedPostgres(home)
  rmSync(join(home, '..'), { recursive: true, force: true })
}

afterEach(async () => {
  await Promise.all(holders.splice(0).map(holder => holder.release()))
  await Promise.all(servers.splice(0).map(server => server.stop()))
  for (const home of homes.splice(0)) remove(home)
})

describe('the embedded PostgreSQL', () => {
  it('is made at first use, durable, closed to everybody else, and unprivileged', async () => {
    const home = sharedHome
    const server = await start(home)
    expect(server).toMatchObject({ started: true, directory: join(home, 'postgres') })
    expect(server.settings).toMatchObject({ database: 'certkeep', host: join(home, 'postgres', 'run') })
    const names = [
      'fsync',
      'synchronous_commit',
      'full_page_writes',
      'data_checksums',
      'listen_addresses',
      'unix_socket_permissions',
      'password_encryption',
      'log_parameter_max_length_on_error',
      'TimeZone'
    ]
    const rows = await query<{ name: string; setting: string }>(
      server,
      `SELECT name, setting FROM pg_settings WHERE name IN (${names.map(name => `'${name}'`).join(',')})`
    )
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      data_checksums: 'on',
      listen_addresses: '',
      unix_socket_permissions: '0700',
      password_encryption: 'scram-sha-256',
      log_parameter_max_length_on_error: '0',
      TimeZone: 'UTC'
    })
    const [database] = await query<{ encoding: string; locale: string; provider: string }>(
      server,
      `SELECT pg_encoding_to_char(encoding) AS encoding, datlocale AS locale, datlocprovider AS provider
       FROM pg_database WHERE datname = 'certkeep'`
    )
    expect(database).toEqual({ encoding: 'UTF8', locale: 'C.UTF-8', provider: 'b' })
    const rules = await query<{ method: string }>(
      server,
      'SELECT DISTINCT auth_method AS method FROM pg_hba_file_rules'
    )
    expect(rules).toEqual([{ method: 'scram-sha-256' }])

    expect(statSync(join(home, 'postgres-password')).mode & 0o777).toBe(0o600)
    expect(statSync(server.directory).mode & 0o777).toBe(0o700)
    expect(statSync(server.settings.host).mode & 0o777).toBe(0o700)
    const owner = statSync(`/proc/${pidOf(server)}`, { throwIfNoEntry: false })?.uid
    expect(owner === undefined || owner !== 0).toBe(true)
    await expect(query({ settings: { ...server.settings, password: 'wrong' } }, 'SELECT 1')).rejects.toMatchObject({
      code: '28P01'
    })
  })

  it('keeps its data over a stop and a start', async () => {
    const home = sharedHome
    const first = await start(home)
    await query(first, 'CREATE TABLE kept_over_stop AS SELECT 42 AS answer')
    const pid = pidOf(first)
    await first.stop()
    await ended(pid)
    expect(existsSync(pidFile(first))).toBe(false)

    const second = await start(home)
    expect(second.started).toBe(true)
    expect(second.settings).toEqual(first.settings)
    expect(await query(second, 'SELECT answer FROM kept_over_stop')).toEqual([{ answer: 42 }])
  })

  it('is shared by the processes of an installation, and ends with the last of them', async () => {
    const home = sharedHome
    const serve = hold(home)
    expect(await serve.line('settings')).toMatchObject({ started: true })
    const command = await start(home)
    expect(command.started).toBe(false)
    const pid = pidOf(command)

    await serve.release()
    expect(serve.lines.at(-1)).toEqual({ stopped: true })
    expect(await query(command, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    await command.stop()
    await ended(pid)
  })

  it('is started by one of several that come at the same time, the first time and later', async () => {
    const home = newHome()
    for (let round = 0; round < 2; round++) {
      const all = [hold(home), hold(home), hold(home)]
      const lines = await Promise.all(all.map(holder => holder.line('settings')))
      expect(lines.map(({ message }) => message)).toEqual([undefined, undefined, undefined])
      expect(lines.filter(({ started }) => started)).toHaveLength(1)
      expect(new Set(lines.map(({ settings }) => JSON.stringify(settings))).size).toBe(1)
      await Promise.all(all.map(holder => holder.release()))
    }
    expect(existsSync(join(home, 'postgres', 'data', 'postmaster.pid'))).toBe(false)
  })

  it('outlives a killed process, and is taken over and ended by the next', async () => {
    const home = sharedHome
    const killed = hold(home)
    const { settings } = await killed.line('settings')
    if (!settings) throw new Error('the other process did not start the server')
    await query({ settings }, 'CREATE TABLE kept_over_kill AS SELECT 1 AS one')
    killed.child.kill('SIGKILL')
    await ended(killed.child.pid ?? 0)

    const next = await start(home)
    expect(next).toMatchObject({ started: false, settings })
    expect(await query(next, 'SELECT one FROM kept_over_kill')).toEqual([{ one: 1 }])
    const pid = pidOf(next)
    await next.stop()
    await ended(pid)
  })

  it('is started again when it is killed while it is held, with the same settings', async () => {
    const home = sharedHome
    const reports: string[] = []
    const server = await start(home, message => reports.push(message))
    await query(server, 'CREATE TABLE kept_over_crash AS SELECT 1 AS one')
    const pid = pidOf(server)
    process.kill(pid, 'SIGKILL')
    const deadline = Date.now() + 30_000
    while (!reports.includes('The database server is back.') && Date.now() < deadline) await sleep(20)
    expect(reports).toEqual([
      'The database server ended unexpectedly and is started again.',
      'The database server is back.'
    ])
    expect(await query(server, 'SELECT one FROM kept_over_crash')).toEqual([{ one: 1 }])
    expect(pidOf(server)).not.toBe(pid)
  })

  it('starts after server and process were killed together', async () => {
    const home = sharedHome
    const killed = hold(home)
    const { directory = '' } = await killed.line('settings')
    const pid = Number(readFileSync(join(directory, 'data', 'postmaster.pid'), 'utf8').split('\n')[0])
    killed.child.kill('SIGKILL')
    process.kill(pid, 'SIGKILL')
    expect((await start(home)).started).toBe(true)
  })

  it.runIf(process.platform === 'linux')(
    'starts though the id of its dead server belongs to another process now',
    async () => {
      const home = sharedHome
      const first = await start(home)
      const lines = readFileSync(pidFile(first), 'utf8').split('\n')
      await first.stop()
      const { uid, gid } = statSync(join(first.directory, 'data'))
      const other = spawn('sleep', ['60'], isRoot ? { uid, gid } : {})
      try {
        writeFileSync(pidFile(first), [String(other.pid), ...lines.slice(1)].join('\n'))
        const second = await start(home)
        expect(second.started).toBe(true)
        expect(pidOf(second)).not.toBe(other.pid)
      } finally {
        other.kill()
      }
    }
  )

  it('has its socket elsewhere when the home has a long path, and is removed with it, but not while it runs', async () => {
    const home = newHome('h'.repeat(120))
    const first = await start(home)
    expect(first.settings.host.length).toBeLessThan(90)
    expect(statSync(first.settings.host).mode & 0o777).toBe(0o700)
    expect(first.directory).toBe(join(home, 'postgres'))
    const { host } = first.settings
    await first.stop()
    rmSync(host, { recursive: true })
    const second = await start(home)
    expect(second.settings.host).toBe(host)

    writeFileSync(join(home, 'mine'), '')
    expect(() => {
      removeEmbeddedPostgres(home)
    }).toThrow(expect.objectContaining({ code: 'installation_busy' }) as Error)
    await second.stop()
    removeEmbeddedPostgres(home)
    expect(existsSync(host)).toBe(false)
    expect(existsSync(second.directory)).toBe(false)
    expect(existsSync(join(home, 'postgres-password'))).toBe(false)
    expect(existsSync(join(home, 'mine'))).toBe(true)
  })

  it('of another major version is left alone', async () => {
    const home = sharedHome
    const first = await start(home)
    await first.stop()
    const version = join(first.directory, 'data', 'PG_VERSION')
    const own = readFileSync(version)
    writeFileSync(version, '12\n')
    try {
      await expect(start(home)).rejects.toMatchObject({
        code: 'database_incompatible',
        message: expect.stringContaining('PostgreSQL 12') as string
      })
    } finally {
      writeFileSync(version, own)
    }
  })

  it('whose password is lost is not replaced by an empty one', async () => {
    const home = sharedHome
    const first = await start(home)
    await first.stop()
    const file = join(home, 'postgres-password')
    const password = readFileSync(file)
    rmSync(file)
    try {
      await expect(start(home)).rejects.toMatchObject({
        code: 'config_invalid',
        message: expect.stringMatching(/Restore/) as string
      })
      expect(existsSync(file)).toBe(false)
    } finally {
      writeFileSync(file, password, { mode: 0o600 })
    }
  })
})

describe.runIf(isRoot)('the embedded PostgreSQL of root', () => {
  it('moves where its unprivileged user can go when the home is closed to it, says so once, and stays there', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'certkeep-it-'))
    const home = join(parent, 'home')
    homes.push(home)
    const reports: string[] = []
    const first = await start(home, message => reports.push(message))
    expect(first.directory.startsWith(home)).toBe(false)
    expect(reports).toEqual([expect.stringContaining(first.directory)])
    await query(first, 'CREATE TABLE kept AS SELECT 1 AS one')
    await first.stop()

    chmodSync(parent, 0o755)
    const second = await start(home, message => reports.push(message))
    expect(second.directory).toBe(first.directory)
    expect(reports).toHaveLength(1)
    expect(await query(second, 'SELECT one FROM kept')).toEqual([{ one: 1 }])
    await second.stop()

    rmSync(first.directory, { recursive: true })
    await expect(start(home)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/is gone/) as string
    })
    rmSync(join(home, 'postgres-directory'))
  })
})

describe.runIf(canActAsOthers)('the embedded PostgreSQL of an ordinary user', () => {
  it('runs as that user, ends with its process, serves root as the same user, and nobody else', async () => {
    const home = newHome()
    mkdirSync(home)
    // The users "daemon" and "bin", who have an entry in the password database of every system.
    chownSync(home, 1, 1)
    const ordinary = hold(home, { uid: 1, gid: 1 })
    const { directory = '' } = await ordinary.line('settings')
    expect(directory).toBe(join(home, 'postgres'))
    const pid = Number(readFileSync(join(directory, 'data', 'postmaster.pid'), 'utf8').split('\n')[0])
    expect(statSync(`/proc/${pid}`).uid).toBe(1)

    const other = hold(home, { uid: 2, gid: 2 })
    expect(await other.line('settings')).toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/belongs to uid 1 and this process runs as uid 2/) as string
    })
    await ordinary.release()
    expect(ordinary.lines.at(-1)).toEqual({ stopped: true })
    await ended(pid)

    const server = await start(home)
    expect(statSync(`/proc/${pidOf(server)}`).uid).toBe(1)
  })

  it('who has no entry in the password database is told so', async () => {
    const home = newHome()
    mkdirSync(home)
    chownSync(home, 54_321, 54_321)
    const ordinary = hold(home, { uid: 54_321, gid: 54_321 })
    expect(await ordinary.line('settings')).toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/uid 54321.*no entry in the password database.*\/etc\/passwd/) as string
    })
  })
})
