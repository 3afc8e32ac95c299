import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { Pool } from 'undici'
import { signerOf } from '@app/keys'
import { buildManagementPointCertificate } from '@app/registration'
import { encodePem } from '@app/der'
import type { Reference } from './benchmark.js'
import { buildPlainRequest, type Subscriber } from './enrollment-requests.js'
import { runLoad } from './load.js'
import { clientConfig, type MeasuredDatabase } from './measured-database.js'
import { findFreePort } from './measured-server.js'
import { cpuOf } from './process-usage.js'
import { makeSubscriberKey } from './subscriber-keys.js'

const DATABASE = 'cfssl'
const WARM_UP = 100
const START_TRIES = 100

/** As its migrations for PostgreSQL make it, up to the last one. */
const TABLES = `
  CREATE TABLE certificates (
    serial_number bytea NOT NULL, authority_key_identifier bytea NOT NULL, ca_label bytea, status bytea NOT NULL,
    reason int, expiry timestamptz, revoked_at timestamptz, pem bytea NOT NULL, issued_at timestamptz,
    not_before timestamptz, metadata jsonb, sans jsonb, common_name text,
    PRIMARY KEY (serial_number, authority_key_identifier));
  CREATE TABLE ocsp_responses (
    serial_number bytea NOT NULL, authority_key_identifier bytea NOT NULL, body bytea NOT NULL, expiry timestamptz,
    PRIMARY KEY (serial_number, authority_key_identifier),
    FOREIGN KEY (serial_number, authority_key_identifier) REFERENCES certificates)`

const SIGNING = { signing: { default: { expiry: '8760h', usages: ['digital signature', 'client auth'] } } }

/** What cfssl is to do. */
interface CfsslLevel {
  readonly concurrency: number
  readonly seconds: number
  readonly subscribers: readonly Subscriber[]
}

/**
 * Measures cfssl, which signs PKCS#10 requests with an RSA-2048 CA and records the certificates: over TLS, on kept
 * connections, in a database of the same server.
 *
 * @param program where it is
 */
export async function measureCfssl(program: string, database: MeasuredDatabase, level: CfsslLevel): Promise<Reference> {
  const administration = new pg.Client(clientConfig(database.settings))
  await administration.connect()
  await administration.query(`DROP DATABASE IF EXISTS ${DATABASE}`)
  await administration.query(`CREATE DATABASE ${DATABASE}`)
  const owner = new pg.Client(clientConfig({ ...database.settings, database: DATABASE }))
  await owner.connect()
  await owner.query(TABLES)
  const home = mkdtempSync(join(tmpdir(), 'certkeep-cfssl-'))
  try {
    const reference = await serveAndMeasure(program, home, database, level)
    const recorded = await owner.query<{ count: string }>('SELECT count(*) FROM certificates')
    if (Number(recorded.rows[0]?.count) < WARM_UP) throw new Error('cfssl has recorded nothing.')
    return reference
  } finally {
    await owner.end()
    await administration.query(`DROP DATABASE ${DATABASE} WITH (FORCE)`)
    await administration.end()
    rmSync(home, { recursive: true, force: true })
  }
}

async function serveAndMeasure(
  program: string,
  home: string,
  database: MeasuredDatabase,
  { concurrency, seconds, subscribers }: CfsslLevel
): Promise<Reference> {
  const port = await prepareHome(home, database)
  const files = { ca: 'ca.pem', 'ca-key': 'ca-key.pem', config: 'config.json', 'db-config': 'db.json' }
  const tls = { 'tls-cert': 'ca.pem', 'tls-key': 'ca-key.pem' }
  const paths = Object.entries({ ...files, ...tls }).flatMap(([name, file]) => [`-${name}`, join(home, file)])
  const child = spawn(program, ['serve', '-address', '127.0.0.1', '-port', `${port}`, '-loglevel', '5', ...paths], {
    stdio: 'ignore'
  })
  // The certificate says nothing of what it is for; the cost of TLS is the same.
  const connect = { rejectUnauthorized: false }
  const pool = new Pool(`https://127.0.0.1:${port}`, { connections: concurrency, pipelining: 1, connect })
  try {
    const bodies = await Promise.all(subscribers.slice(0, 32).map(bodyOf))
    await untilServed(pool, bodies[0] as string)
    const enroll = (worker: number, done: number): Promise<void> =>
      sign(pool, bodies[(worker + done) % bodies.length] as string)
    const limits = { concurrency, seconds: Infinity, operationsOfWorker: Math.ceil(WARM_UP / concurrency) }
    await runLoad(limits, enroll)
    const used = (): number => {
      const { user, system } = process.cpuUsage()
      return cpuOf(child.pid ?? 0) + database.cpu() + (user + system) / 1000
    }
    const start = used()
    const { rate, operations } = await runLoad(
      { concurrency, seconds: Math.min(seconds, 10), operationsOfWorker: Number.MAX_SAFE_INTEGER },
      enroll
    )
    return {
      what: 'cfssl signs and records',
      rate,
      cpuMsPerOperation: (used() - start) / operations
    }
  } finally {
    await pool.destroy()
    if (child.exitCode === null) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
  }
}

async function prepareHome(home: string, { settings }: MeasuredDatabase): Promise<number> {
  const key = makeSubscriberKey('rsa-2048')
  // Any self-signed certificate will do for a CA of cfssl; it does not look at its extensions.
  const order = { name: 'Bench peer', serialNumber: Uint8Array.of(1), now: new Date() }
  const certificate = encodePem('CERTIFICATE', await buildManagementPointCertificate(signerOf(key), order))
  const source = [
    `host=${settings.host} port=${settings.port} user=${settings.user} password=${settings.password}`,
    `dbname=${DATABASE} sslmode=disable`
  ]
  writeFileSync(join(home, 'ca.pem'), certificate)
  writeFileSync(join(home, 'ca-key.pem'), key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  writeFileSync(join(home, 'config.json'), JSON.stringify(SIGNING))
  const database = { driver: 'postgres', data_source: source.join(' ') }
  writeFileSync(join(home, 'db.json'), JSON.stringify(database), { mode: 0o600 })
  return findFreePort()
}

async function bodyOf(subscriber: Subscriber): Promise<string> {
  const pem = encodePem('CERTIFICATE REQUEST', await buildPlainRequest(subscriber))
  return JSON.stringify({ certificate_request: pem, hosts: ['user@example.org'] })
}

async function sign(pool: Pool, body: string): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const response = await pool.request({ method: 'POST', path: '/api/v1/cfssl/sign', headers, body })
  const text = await response.body.text()
  if (response.statusCode !== 200 || !text.includes('BEGIN CERTIFICATE')) throw new Error(`cfssl: ${text}`)
}

async function untilServed(pool: Pool, body: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await sign(pool, body)
    } catch (error) {
      if (tries === START_TRIES) throw error
      await sleep(100)
    }
  }
}
