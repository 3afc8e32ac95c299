import { chmod, cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CertRequest, Console, Enrollment } from '@app/client'
import { toHex } from '@app/core'
import { OID } from '@app/oid'
import { createLogger, loadConfig, type Config } from '@app/platform'
import { ensureRoles, migrate, PROCESS_ROLES } from '@app/storage'
import { decodeCertificate, decodeCrl } from '@app/x509'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { verifyLocalAudit } from '../../apps/cli/src/administration/audit-actions.js'
import { startServer, type RunningServer } from '../../apps/cli/src/server.js'
import { History } from '../fault/history.js'
import { findBreaches } from '../fault/invariants/index.js'
import { DUE } from '../fault/invariants/progress.js'
import { administer } from '../helpers/administration.js'
import { databaseAt, type TestDatabase } from '../helpers/database.js'
import { callPlain } from '../helpers/http-calls.js'
import { makeRecoveryAgent, type RecoveryAgent } from '../helpers/recovery-agent.js'
import {
  approveAs,
  archiveKey,
  brokenRecoveries,
  holdAgents,
  openPackage,
  type AgentHolder,
  type ArchivedTestKey
} from '../helpers/recoveries.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { makePlainPostgres, startFromBackup, type PlainPostgres } from './plain-postgres.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

const patience = { timeout: 120_000, interval: 100 }

/** A way in which the database was saved, and what brings it back. */
type Backup = 'base' | 'dump'

let directory: WorkDirectory
let postgres: PlainPostgres
let server: TestServer
let holders: readonly AgentHolder[]
let officer: TestPrincipal
let administrator: TestPrincipal
let key: ArchivedTestKey
/** The serial numbers of certificates that clients were given, the later the higher. */
const given: string[] = []
/** How many there were when the first and the last backup was done. */
let savedFrom = 0
let lastCrl = 0n

beforeAll(async () => {
  directory = await makeWorkDirectory()
  await chmod(directory.at('.'), 0o711)
  postgres = await makePlainPostgres(directory.at('postgres'))
  await postgres.run('createdb', 'certkeep')
  const { rolePasswords } = inject('postgres')
  const { host, port, superuser } = postgres
  const owner = { host, port, ...superuser, database: 'certkeep', applicationName: 'test', poolSize: 2 }
  await ensureRoles(owner, rolePasswords)
  await migrate(owner)
  server = await startTestServer({ database: databaseAt(owner, rolePasswords) })
  holders = await holdAgents(server)
  officer = await server.addOperator('officer')
  administrator = await server.addOperator('administrator')
  key = await archiveKey(server)
  await saveUnderLoad()
}, 400_000)

afterAll(async () => {
  await server.stop()
  await postgres.stop()
  await directory.remove()
})

/** Saves everything while clients enroll: the database first, then the home, so that no row lacks its key file. */
async function saveUnderLoad(): Promise<void> {
  const over = new AbortController()
  const clients = [1, 2].map(async () => {
    const who = await server.addPrincipal()
    while (!over.signal.aborted) {
      given.push((await enroll(server, who)).serialHex)
      await sleep(250)
    }
  })
  await vi.waitUntil(() => given.length > 3, patience)
  await postgres.run('pg_dump', '--format=custom', `--file=${directory.at('certkeep.dump')}`, 'certkeep')
  await copyHome('dump')
  await mkdir(directory.at('base'))
  await postgres.run(
    'pg_basebackup',
    '--pgdata',
    join(directory.at('base'), 'data'),
    '--wal-method=stream',
    '--checkpoint=fast'
  )
  await copyHome('base')
  savedFrom = given.length
  await vi.waitUntil(() => given.length > savedFrom + 3, patience)
  over.abort()
  await Promise.all(clients)
  // What the backups do not have: more CRLs.
  await using console = server.operate(administrator)
  const before = await crlNumber(server.httpUrl)
  await console.crls.publish(server.ca.name)
  await vi.waitUntil(async () => (await crlNumber(server.httpUrl)) > before, patience)
  lastCrl = await crlNumber(server.httpUrl)
}

async function copyHome(backup: Backup): Promise<void> {
  await cp(server.config.home, directory.at(`home-${backup}`), { recursive: true })
}

async function enroll({ url, root, ca }: Place, { token }: TestPrincipal) {
  await using request = new CertRequest({ url, trust: root, ca: ca.name, credentials: { token } })
  const enrollment = new Enrollment({ trust: root, key: { algorithm: 'p-256' } })
  await request.submit(await enrollment.createRequest({ type: 'cmc', template: { name: 'UserSignature' } }))
  return decodeCertificate((await enrollment.acceptResponse(await request.getFullResponse())).certificate)
}

/** Where clients enroll. */
type Place = Pick<TestServer, 'url' | 'root' | 'ca'>

async function crlNumber(httpUrl: string): Promise<bigint> {
  const { body } = await callPlain(httpUrl, { path: `/crl/${server.ca.id}` })
  const value = decodeCrl(body).extensions.find(({ oid }) => oid === OID.id_ce_cRLNumber)?.value
  return BigInt(`0x${toHex(value?.subarray(2) ?? new Uint8Array())}`)
}

interface Restored extends Place {
  readonly config: Config
  readonly running: RunningServer
  readonly httpUrl: string
  operate(principal: TestPrincipal): Console
  readonly database: TestDatabase
  sql: TestServer['sql']
  stop(): Promise<void>
}

/** Brings a backup back in another cluster and starts a server on it, as docs/operations.md tells. */
async function restore(backup: Backup): Promise<Restored> {
  const place = directory.at(backup)
  const cluster = backup === 'base' ? await startFromBackup(place, postgres) : await makePlainPostgres(place)
  const { host, port, superuser } = cluster
  const owner = { host, port, ...superuser, database: 'certkeep', applicationName: 'test', poolSize: 2 }
  if (backup === 'dump') {
    await cluster.run('createdb', 'certkeep')
    for (const role of PROCESS_ROLES) await cluster.run('createuser', `certkeep_${role}`)
    await cluster.run('pg_restore', '--exit-on-error', '--no-owner', '--dbname=certkeep', directory.at('certkeep.dump'))
  }
  const where = new URLSearchParams({ host })
  const databaseUrl = `postgres://${superuser.user}:${superuser.password}@localhost:${port}/certkeep?${where.toString()}`
  const listeners = { https: { port: 0 }, http: { port: 0 }, metrics: { port: 0 } }
  const settings = {
    home: directory.at(`home-${backup}`),
    databaseUrl,
    ...listeners,
    audit: { checkpointSeconds: 1 },
    graceSeconds: 5
  }
  const config = loadConfig({}, { overrides: settings })
  const running = await startServer(config, createLogger({ level: 'silent', format: 'json' }))
  const database = databaseAt(owner, inject('postgres').rolePasswords)
  const url = `https://127.0.0.1:${running.ports?.https}`
  const { root, ca } = server
  return {
    config,
    running,
    url,
    root,
    ca,
    httpUrl: `http://127.0.0.1:${running.ports?.http}`,
    database,
    operate: ({ token }) => new Console({ url, trust: root, credentials: { token } }),
    sql: async <Row>(text: string, values: readonly unknown[] = []) =>
      (await database.open('owner')).dataSource.query<readonly Row[]>(text, [...values]),
    stop: async () => {
      await running.shutdown.run('test')
      await database.drop()
      await cluster.stop()
    }
  }
}

async function recover(restored: Restored, recipient: RecoveryAgent): Promise<string> {
  await using console = restored.operate(officer)
  const wanted = {
    key: { request: key.requestId },
    reason: 'Drill.',
    ticket: 'T-1',
    recipient: recipient.certificate.raw
  }
  const { id } = await console.recoveries.request(wanted)
  for (const holder of holders.slice(0, 2)) await approveAs(restored, id, holder)
  await console.recoveries.release(id)
  return openPackage(await console.recoveries.package(id), recipient)
}

describe.each(['base', 'dump'] as const)('a %s backup of a server at work', backup => {
  let restored: Restored

  beforeAll(async () => {
    restored = await restore(backup)
  }, 120_000)

  afterAll(() => restored.stop())

  it('has the whole audit log, whose chain verifies', async () => {
    const report = await administer(restored, () => verifyLocalAudit({}))
    expect(report.fault).toBeUndefined()
    expect(report.intact).toBe(true)
    expect(report.verified).toBeGreaterThan(10)
  })

  it('gives back an archived key', async () => {
    const recipient = await makeRecoveryAgent('Recipient')
    const expected = toHex(key.accepted.privateKey.export({ format: 'der', type: 'pkcs8' }))
    expect(await recover(restored, recipient)).toBe(expected)
    expect(await brokenRecoveries(restored)).toEqual({})
  })

  it('goes on issuing, with no serial number and no CRL number that was given before, whatever it has forgotten', async () => {
    const known = await restored.sql<{ readonly serial: string }>(
      `SELECT encode(serial_number, 'hex') AS serial FROM certkeep.certificate WHERE state = 'issued'`
    )
    const serials = new Set(known.map(({ serial }) => serial))
    expect(given.slice(0, 3).filter(serial => !serials.has(serial))).toEqual([])
    expect(given.some(serial => !serials.has(serial))).toBe(true)
    const { serialHex } = await enroll(restored, key.owner)
    expect(given).not.toContain(serialHex)
    await using console = restored.operate(administrator)
    await console.crls.publish(server.ca.name)
    await expect.poll(() => crlNumber(restored.httpUrl), { timeout: 20_000 }).toBeGreaterThan(lastCrl)
  })

  // What a step of the lost process had taken is its own for a minute.
  it('finishes what was under way, and breaks no invariant', { timeout: 240_000 }, async () => {
    const { sql, database, config } = restored
    const due = async (): Promise<readonly unknown[]> =>
      (await findBreaches(evidence, DUE)).flatMap(({ name, found }) => [name, ...found])
    const { agents } = server
    const { certificate: ca } = server.ca
    const places = { directory: config.home, home: config.home }
    const evidence = { database, history: new History(), ca, agents, sql, ...places }
    await expect.poll(due, { timeout: 120_000, interval: 500 }).toEqual([])
    // The last events are linked with the next checkpoint.
    await expect.poll(() => findBreaches(evidence), { timeout: 60_000, interval: 2000 }).toEqual([])
  })
})
