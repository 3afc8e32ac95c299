import { createLogger } from '@app/platform'
import { OPERATOR_ROLES, type OperatorRole } from '@app/policy'
import { RoleStore } from '@app/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCaller, type HttpCaller } from '../helpers/http-calls.js'
import { submitPending } from '../helpers/pending-requests.js'
import { archiveKey } from '../helpers/recoveries.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { fuzzApi, type FuzzReport } from './api-fuzzer.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

/** How many seconds each caller is let try, for long runs by hand; 0 for the systematic calls only. */
const seconds = Number(process.env['CERTKEEP_FUZZ_SECONDS'] ?? 0)
const seed = Number(process.env['CERTKEEP_FUZZ_SEED'] ?? (seconds > 0 ? Date.now() % 1_000_000 : 20_261))
/** The tags of routes that ask for an account and no role; a long run has it try all. */
const ACCOUNT_TAGS = ['requests', 'cmc', 'messages']

let server: TestServer
let directory: WorkDirectory
let call: HttpCaller
let everyRole: TestPrincipal
let subscriber: TestPrincipal
const logged: string[] = []

beforeAll(async () => {
  directory = await makeWorkDirectory()
  const log = createLogger({ level: 'error', format: 'json', destination: { write: line => void logged.push(line) } })
  // Whoever holds every role gets past every guard; a short wait keeps calls short; and a body that is too large would be
  // refused while it is sent, which the fuzzer takes for a broken connection.
  const settings = {
    registration: { enabled: true },
    operators: { roleSeparation: false },
    limits: {
      requestsPerMinute: 0,
      failuresPerMinute: 0,
      registrationsPerMinute: 0,
      submitWaitSeconds: 1,
      bodyBytes: 16_000_000
    }
  }
  server = await startTestServer({ log, settings })
  call = createCaller(server)
  everyRole = await server.addOperator('administrator')
  for (const role of OPERATOR_ROLES) await grant(everyRole, role)
  // Something to find: an archived key and a request that waits.
  subscriber = (await archiveKey(server)).owner
  await using client = server.connect(await server.addPrincipal({ kind: 'computer' }))
  await submitPending(client)
})

afterAll(async () => {
  await call.close()
  await server.stop()
  await directory.remove()
})

async function grant({ row }: TestPrincipal, role: OperatorRole): Promise<void> {
  if (role === 'administrator') return
  const roles = new RoleStore((await server.database.open('owner')).dataSource)
  await roles.grant(row.id, { role, caId: null, scope: null }, { actor: 'test' }, new Date())
}

/**
 * Addresses that two routes have, one by a word and one by a parameter, are the router's under either, so that the
 * methods of both are allowed there; the fuzzer holds each route against its own methods alone.
 */
async function sharedAddresses(): Promise<(operation: string) => boolean> {
  const { paths } = (await call({ path: '/api/openapi.json' })).json<{ readonly paths: object }>()
  const patterns = Object.keys(paths).map(path => ({ path, parts: path.split('/') }))
  const shared = new Set<string>()
  for (const one of patterns) {
    for (const other of patterns) {
      if (one === other || one.parts.length !== other.parts.length) continue
      const isSame = one.parts.every((part, at) => part === other.parts[at] || /^\{|\}$/.test(part + other.parts[at]))
      if (isSame) shared.add(one.path)
    }
  }
  return operation => shared.has(operation.split(' ')[1] ?? '')
}

async function expectSound({ breaches, errors, log, ...size }: FuzzReport): Promise<void> {
  const isShared = await sharedAddresses()
  const ofMethods = new Set(['Allow header mismatch', 'Wrong response to undeclared method'])
  const found = breaches.flatMap(({ title, operations }) =>
    operations.filter(name => !ofMethods.has(title) || !isShared(name)).map(name => `${title}: ${name}`)
  )
  process.stderr.write(`seed ${seed}: ${size.operations} operations, ${size.cases} calls\n`)
  if (found.length + errors.length > 0) process.stderr.write(log)
  expect([...found, ...errors]).toEqual([])
}

describe('the API, tried by its own description', () => {
  it('answers whoever holds every role as it is described, whatever is sent', { timeout: 1_000_000 }, async () => {
    const { url, root } = server
    const report = await fuzzApi({ url, root, token: everyRole.token, seed, seconds }, directory)
    expect(report.operations).toBeGreaterThan(120)
    await expectSound(report)
  })

  it('answers a subscriber as it is described, whatever is sent', { timeout: 1_000_000 }, async () => {
    const { url, root } = server
    const who = { token: subscriber.token, tags: seconds > 0 ? [] : ACCOUNT_TAGS }
    await expectSound(await fuzzApi({ url, root, ...who, seed: seed + 1, seconds }, directory))
  })

  it('is ready afterwards, and has logged no defect', async () => {
    expect((await call({ path: '/readyz' })).status).toBe(200)
    expect(logged).toEqual([])
  })
})
