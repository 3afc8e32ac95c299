import { createPrivateKey } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { encodePem } from '@app/der'
import { SiteStore } from '@app/storage'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { rsaNumbersFrom, rsaPkcs8, somePrime } from '../helpers/escrow-samples.js'
import { createCaller, type HttpCaller } from '../helpers/http-calls.js'
import { programIn, type Program } from '../helpers/program.js'
import { clientCertificate, messageOf, outcomeOf, send, type SampleClient } from '../helpers/registration-clients.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { buildSampleCertificate, nameOf, sampleKey, toSampleKey } from '../helpers/x509-samples.js'

const CLIENTS = 200
let server: TestServer
let call: HttpCaller
let worker: Program
const directory = mkdtempSync(join(tmpdir(), 'certkeep-registrations-'))

beforeAll(async () => {
  const roles = ['front', 'authority', 'archive'] as const
  server = await startTestServer({ agents: 0, settings: { roles: [...roles], registration: { enabled: true } } })
  call = createCaller(server)
  const site = new SiteStore((await server.database.open('owner')).dataSource)
  await site.change({ ...(await site.get()), approvalMode: 'all' }, { actor: 'test' }, new Date())
  worker = programIn(directory, consoleSettings())
})

afterAll(async () => {
  await worker.clean()
  await call.close()
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

/** A process of the console alone, with the password of its role alone and a certificate of its own. */
function consoleSettings(): Readonly<Record<string, string>> {
  const key = sampleKey('P-256')
  const names = { subject: nameOf('CN=console'), issuer: nameOf('CN=console') }
  const certificate = buildSampleCertificate(key, { ...names, notAfter: new Date(Date.now() + 3_600_000) })
  writeFileSync(join(directory, 'console.pem'), encodePem('CERTIFICATE', certificate))
  writeFileSync(join(directory, 'console.key'), key.privateKey.export({ type: 'pkcs8', format: 'pem' }), {
    mode: 0o600
  })
  const { user, password = '', host = '', port, database } = server.database.settings.console
  const where = new URLSearchParams({ host })
  return {
    CERTKEEP_HOME: join(directory, 'home'),
    CERTKEEP_ROLES: 'console',
    CERTKEEP_REGISTRATION_ENABLED: 'true',
    CERTKEEP_DATABASE_URL: `postgres://${user}:${encodeURIComponent(password)}@localhost:${port}/${database}?${where.toString()}`,
    CERTKEEP_HTTPS_PORT: '0',
    CERTKEEP_METRICS_PORT: '0',
    CERTKEEP_HTTPS_CERTIFICATE_FILE: join(directory, 'console.pem'),
    CERTKEEP_HTTPS_KEY_FILE: join(directory, 'console.key')
  }
}

/** Clients with a key each; two primes of a few make a key, which costs less than two of its own. */
function manyClients(): readonly SampleClient[] {
  const primes = Array.from({ length: 21 }, () => somePrime(1024))
  const pairs = primes.flatMap((p, index) => primes.slice(index + 1).map(q => [p, q] as const))
  return pairs.slice(0, CLIENTS).map(([p, q], index) => {
    const pkcs8 = Buffer.from(rsaPkcs8(rsaNumbersFrom(p, q)))
    const key = toSampleKey(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
    const name = `MANY${index}`
    return {
      key,
      name,
      certificate: clientCertificate(key, { subject: nameOf(`CN=${name}`), issuer: nameOf(`CN=${name}`) })
    }
  })
}

async function smsidOf(client: SampleClient): Promise<string> {
  const answer = await send(call, '', messageOf(client))
  return /Status="1" SMSID="([^"]+)"/.exec(answer.body.toString('utf8'))?.[1] ?? ''
}

const countRegistered = async (): Promise<number> => {
  const rows = await server.sql<{ count: string }>(
    `SELECT count(*) FROM certkeep.registration WHERE status = 'registered'`
  )
  return Number(rows[0]?.count)
}

it('two hundred clients that register at once, each twice, are each registered once, although the worker is killed', async () => {
  const clients = manyClients()
  const first = await worker.serve()
  const registering = Promise.all(
    clients.map(async client => {
      // Who has heard nothing sends again; it is the same client.
      const [once, again] = await Promise.all([smsidOf(client), smsidOf(client)])
      expect(again).toBe(once)
      return once
    })
  )
  while ((await countRegistered()) < 20) await sleep(5)
  await first.end('SIGKILL')
  const smsids = await registering
  const before = await countRegistered()
  expect(before).toBeLessThan(CLIENTS)
  await worker.serve()
  await expect.poll(countRegistered, { timeout: 30_000, interval: 200 }).toBe(CLIENTS)
  const outcomes = await Promise.all(clients.map((client, index) => outcomeOf(call, client, smsids[index] ?? '')))
  expect(outcomes.map(({ status, smsid }) => [status, smsid])).toEqual(smsids.map(smsid => [0, smsid]))
  expect(new Set(smsids).size).toBe(CLIENTS)

  const counted = await server.sql<Record<string, string>>(`
    SELECT (SELECT count(*) FROM certkeep.registration) AS clients,
           (SELECT count(*) FROM certkeep.principal WHERE domain = 'CONFIGMGR') AS accounts,
           (SELECT count(DISTINCT principal_id) FROM certkeep.registration) AS linked,
           (SELECT count(*) FROM certkeep.audit_event WHERE action = 'registration.registered') AS events,
           (SELECT count(*) FROM certkeep.registration_message WHERE state <> 'done') AS waiting`)
  const numbers = Object.fromEntries(Object.entries(counted[0] ?? {}).map(([name, text]) => [name, Number(text)]))
  const each = CLIENTS
  expect(numbers).toEqual({ clients: each, accounts: each, linked: each, events: each, waiting: 0 })
})
