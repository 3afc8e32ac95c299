import { generateKeyPairSync } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CertRequest, Console } from '@app/client'
import { encodePem } from '@app/der'
import { OID } from '@app/oid'
import { databaseUser, type ProcessRole } from '@app/storage'
import { encodeSubjectAltName } from '@app/x509'
import { Client } from 'pg'
import { connectClient, createOwnDatabase, type TestDatabase } from '../helpers/database.js'
import { findFreePort } from '../helpers/free-port.js'
import { keepPlain } from '../helpers/plain-storage.js'
import { holdAgents, type AgentHolder } from '../helpers/recoveries.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { buildSampleCertificate, nameOf, toSampleKey } from '../helpers/x509-samples.js'
import { History } from './history.js'
import type { Word } from './preload.js'
import { RoleProcess } from './role-process.js'

/** How many processes of each role there are. */
export type Shape = Readonly<Record<ProcessRole, number>>

/** People and machines that take part. */
interface People {
  readonly users: readonly TestPrincipal[]
  readonly computers: readonly TestPrincipal[]
  readonly officers: readonly TestPrincipal[]
  readonly holders: readonly AgentHolder[]
}

/** An installation whose roles are processes of their own, on a PostgreSQL and a disk of its own. */
export interface World {
  readonly server: TestServer
  readonly database: TestDatabase
  readonly processes: readonly RoleProcess[]
  readonly history: History
  readonly people: People
  /** Everything that the installation and its database write is below it. */
  readonly directory: string
  /** The disk of the installation, when it is a small one that can be filled. */
  readonly disk: string | undefined
  readonly grace: number
  /** Points that struck, how often each. */
  readonly struck: Map<string, number>
  /** How often each point was passed, as far as the processes have told. */
  readonly passed: Map<string, number>
  fronts(): readonly { readonly url: string; readonly http: string }[]
  connect(principal: TestPrincipal, front: number): CertRequest
  operate(principal: TestPrincipal): Console
  /** A connection as the owner of the database, made anew when the last one broke. */
  readonly sql: <Row>(text: string, values?: readonly unknown[]) => Promise<readonly Row[]>
  /** The process id of the database server. Throws while there is none. */
  postmaster(): number
  untilReady(): Promise<void>
  stop(): Promise<void>
}

/** What a world is made of. */
export interface WorldPlan {
  readonly shape: Shape
  readonly history: History
  /** Of the disk; it holds the database and the home. Without it the disk is the machine's. */
  readonly diskMiB?: number
}

const GRACE_SECONDS = 5

/** Makes the installation, people and keys, then starts its processes. */
export async function startWorld({ shape, history, diskMiB }: WorldPlan): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), 'certkeep-fault-'))
  // As root, the database server runs as a user that must be able to pass through.
  chmodSync(directory, 0o711)
  const disk = mountDisk(join(directory, 'disk'), diskMiB)
  const temporary = process.env['TMPDIR']
  process.env['TMPDIR'] = join(directory, 'disk')
  try {
    const database = await createOwnDatabase(join(directory, 'disk', 'database'))
    await keepPlain(database)
    const server = await startTestServer({ database, settings: { graceSeconds: GRACE_SECONDS } })
    const people = await invitePeople(server)
    await server.running.shutdown.run('test')
    const struck = new Map<string, number>()
    const passed = new Map<string, number>()
    const parts = { directory, disk, server, database, people, history, struck, passed }
    const made = await startProcesses(parts, shape)
    return { ...parts, ...made, grace: GRACE_SECONDS * 1000, stop: () => stopWorld(parts, made.processes, made.close) }
  } finally {
    if (temporary === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = temporary
  }
}

interface Parts {
  readonly directory: string
  readonly disk: string | undefined
  readonly server: TestServer
  readonly database: TestDatabase
  readonly people: People
  readonly history: History
  readonly struck: Map<string, number>
  readonly passed: Map<string, number>
}

/** A file system in memory of its own size, which root may make; undefined where that is not allowed. */
function mountDisk(path: string, size: number | undefined): string | undefined {
  mkdirSync(path, { mode: 0o711 })
  if (size === undefined || process.getuid?.() !== 0) return undefined
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}m,mode=0711`, 'certkeep-fault', path])
  return status === 0 ? path : undefined
}

async function invitePeople(server: TestServer): Promise<People> {
  const people = {
    users: await Promise.all(Array.from({ length: 6 }, () => server.addPrincipal())),
    computers: await Promise.all(
      Array.from({ length: 4 }, (_, index) =>
        server.addPrincipal({ kind: 'computer', dnsName: `www${index}.example.org` })
      )
    ),
    officers: await Promise.all(Array.from({ length: 3 }, () => server.addOperator('officer'))),
    holders: await holdAgents(server)
  }
  await server.sql(`UPDATE certkeep.credential SET expires_at = now() + interval '30 days'`)
  return people
}

type Made = Pick<World, 'processes' | 'fronts' | 'connect' | 'operate' | 'sql' | 'postmaster' | 'untilReady'> & {
  readonly close: () => Promise<void>
}

async function startProcesses(parts: Parts, shape: Shape): Promise<Made> {
  const { server, directory, database } = parts
  const consoleTrust = makeConsoleIdentity(directory)
  const names = (Object.keys(shape) as ProcessRole[]).flatMap(role =>
    Array.from({ length: shape[role] }, (_, index) => ({ role, name: `${role}${index + 1}` }))
  )
  const ports = new Map<string, { readonly https: number; readonly http: number; readonly metrics: number }>()
  for (const { name } of names) {
    ports.set(name, { https: await findFreePort(), http: await findFreePort(), metrics: await findFreePort() })
  }
  const processes = names.map(({ role, name }) =>
    makeProcess(parts, role, name, ports.get(name) ?? { https: 0, http: 0, metrics: 0 })
  )
  for (const process of processes) process.start()
  await Promise.all(processes.map(process => process.untilReady()))
  const fronts = names
    .filter(({ role }) => role === 'front')
    .map(({ name }) => ({
      url: `https://127.0.0.1:${ports.get(name)?.https}`,
      http: `http://127.0.0.1:${ports.get(name)?.http}`
    }))
  const owner = ownerOf(database)
  return {
    processes,
    fronts: () => fronts,
    connect: ({ token }, front) =>
      new CertRequest({
        url: fronts[front % fronts.length]?.url ?? '',
        trust: server.root,
        ca: server.ca.name,
        credentials: { token },
        timeout: 15_000
      }),
    operate: ({ token }) =>
      new Console({
        url: `https://127.0.0.1:${ports.get('console1')?.https}`,
        trust: consoleTrust,
        credentials: { token },
        timeout: 15_000
      }),
    sql: owner.sql,
    close: owner.close,
    postmaster: () =>
      Number(
        readFileSync(join(server.database.settings.owner.host ?? '', '.s.PGSQL.5432.lock'), 'utf8').split('\n')[0]
      ),
    untilReady: async () => {
      await Promise.all(processes.map(process => process.untilReady()))
    }
  }
}

function makeProcess(
  { server, directory, history, struck, passed }: Parts,
  role: ProcessRole,
  name: string,
  ports: { readonly https: number; readonly http: number; readonly metrics: number }
): RoleProcess {
  const made: RoleProcess = new RoleProcess({
    name,
    role,
    directory,
    settings: {
      CERTKEEP_HOME: server.config.home,
      CERTKEEP_ROLES: role,
      CERTKEEP_DATABASE_URL: databaseUrl(server.database, role),
      CERTKEEP_HTTPS_PORT: String(ports.https),
      CERTKEEP_HTTP_PORT: String(ports.http),
      CERTKEEP_METRICS_PORT: String(ports.metrics),
      CERTKEEP_GRACE_SECONDS: String(GRACE_SECONDS),
      CERTKEEP_LIMITS_REQUESTS_PER_MINUTE: '0',
      CERTKEEP_LIMITS_FAILURES_PER_MINUTE: '0',
      CERTKEEP_CRL_REVOCATION_DELAY_SECONDS: '1',
      CERTKEEP_AUDIT_CHECKPOINT_SECONDS: '2',
      ...(role === 'console'
        ? {
            CERTKEEP_HTTPS_CERTIFICATE_FILE: join(directory, 'console.pem'),
            CERTKEEP_HTTPS_KEY_FILE: join(directory, 'console.key')
          }
        : {})
    },
    onWord: (word: Word) => {
      if (word.kind === 'counts')
        for (const [point, count] of Object.entries(word.counts))
          passed.set(point, Math.max(passed.get(point) ?? 0, count))
      if (word.kind !== 'struck') return
      if (word.fate === 'kill') made.expectDeath()
      struck.set(word.point, (struck.get(word.point) ?? 0) + 1)
    },
    onEnd: ({ code, signal, isUnasked, lastWords }) => {
      if (!isUnasked) return
      history.add({
        op: 'breach',
        invariant: 'process',
        what: `${name} ended by itself (${code ?? signal}): ${lastWords}`
      })
    }
  })
  return made
}

/** The console gets the certificate of its listener from elsewhere; here it is one of its own. PEM. */
function makeConsoleIdentity(directory: string): string {
  const key = toSampleKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
  const address = encodeSubjectAltName([{ kind: 'iPAddress', address: Uint8Array.of(127, 0, 0, 1) }])
  const certificate = buildSampleCertificate(key, {
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() + 30 * 86_400_000),
    subject: nameOf('CN=console'),
    issuer: nameOf('CN=console'),
    extensions: [{ oid: OID.id_ce_subjectAltName, critical: false, value: address }]
  })
  const pem = encodePem('CERTIFICATE', certificate)
  writeFileSync(join(directory, 'console.pem'), pem)
  writeFileSync(join(directory, 'console.key'), key.privateKey.export({ type: 'pkcs8', format: 'pem' }), {
    mode: 0o600
  })
  return pem
}

function databaseUrl({ settings }: TestDatabase, role: ProcessRole): string {
  const { password = '', host = '', port, database } = settings[role]
  const where = new URLSearchParams({ host })
  return `postgres://${databaseUser(role)}:${encodeURIComponent(password)}@localhost:${port}/${database}?${where.toString()}`
}

/** Statements of the owner over one connection, made anew when it broke; tried for half a minute. */
function ownerOf(database: TestDatabase): Pick<World, 'sql'> & { readonly close: () => Promise<void> } {
  let current: Promise<Client> | undefined
  const connect = async (): Promise<Client> => {
    const client = await connectClient(database.settings.owner)
    client.on('error', () => undefined)
    return client
  }
  return {
    sql: async <Row>(text: string, values: readonly unknown[] = []) => {
      for (let attempt = 1; ; attempt++) {
        try {
          const client = await (current ??= connect())
          return (await client.query(text, [...values])).rows as readonly Row[]
        } catch (error) {
          const code = (error as { readonly code?: string }).code ?? ''
          const isPassing = /^(08|57P|53|E[A-Z]+$|$)/.test(code)
          if (isPassing) current = undefined
          if (!isPassing || attempt === 60) throw error
          await sleep(500)
        }
      }
    },
    close: async () => {
      await (await current?.catch(() => undefined))?.end().catch(() => undefined)
    }
  }
}

async function stopWorld(
  { directory, disk, server }: Parts,
  processes: readonly RoleProcess[],
  close: () => Promise<void>
): Promise<void> {
  await Promise.all(processes.map(process => process.stop()))
  await close()
  await server.stop()
  if (disk !== undefined) spawnSync('umount', ['-l', disk])
  rmSync(directory, { recursive: true, force: true })
}
