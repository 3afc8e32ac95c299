import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

const program = '/usr/bin/testssl'
/** All that testssl.sh knows, for a run by hand; it takes some minutes. */
const isWhole = process.env['CERTKEEP_TLS_SCAN'] === 'whole'
/** Protocols, kinds of ciphers, the certificate. */
const FAST = ['--protocols', '--std', '--server-defaults']

interface Told {
  readonly id: string
  readonly severity: string
  readonly finding: string
}

let server: TestServer
let directory: WorkDirectory

beforeAll(async () => {
  directory = await makeWorkDirectory()
  const native = { enabled: true, port: 0 }
  server = await startTestServer({ settings: { registration: { enabled: true, native } } })
})

afterAll(async () => {
  await server.stop()
  await directory.remove()
})

/** What testssl.sh tells of a listener, of every severity. */
async function scan(port: number, checks: readonly string[]): Promise<readonly Told[]> {
  if (!existsSync(program)) throw new Error(`There is no ${program}. On Debian: apt-get install testssl.sh`)
  const report = `scan-${port}.json`
  const root = await directory.put('root.pem', server.root)
  const options = [
    '--quiet',
    '--color',
    '0',
    '--warnings',
    'off',
    '--ip',
    '127.0.0.1',
    '--nodns',
    'min',
    '--add-ca',
    root
  ]
  const args = [...options, ...checks, '--jsonfile', directory.at(report), `localhost:${port}`]
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, TERM: 'dumb' } })
  await once(child, 'close')
  return JSON.parse((await directory.read(report)).toString()) as readonly Told[]
}

/** What testssl.sh finds fault with, and why it stays. */
const ACCEPTED: Readonly<Record<string, string>> = {
  HSTS: 'Browsers are told of it for every name but localhost, which other programs share; this server is localhost.',
  OCSP_stapling: 'Clients of a CA that few machines know ask its responder, which is beside the listener.',
  BREACH: 'Nothing is compressed with a secret in it: answers are not compressed at all, and tokens are in headers.',
  DNS_CAArecord: 'A record of the DNS is for the public CAs that look it up.'
}

/** What it weighs as more than a remark, or as a vulnerability. */
const FAULTS: ReadonlySet<string> = new Set(['LOW', 'MEDIUM', 'HIGH', 'CRITICAL', 'FATAL'])

function faultsOf(found: readonly Told[]): readonly string[] {
  return found
    .filter(({ id, severity }) => FAULTS.has(severity) && ACCEPTED[id] === undefined)
    .map(({ id, severity, finding }) => `${severity} ${id}: ${finding}`)
}

describe('the TLS listeners, looked at by testssl.sh', () => {
  it('the one of the API has no fault but those that are known here', { timeout: 900_000 }, async () => {
    const found = await scan(server.running.ports?.https ?? 0, isWhole ? [] : FAST)
    expect(found.length).toBeGreaterThan(30)
    expect(faultsOf(found)).toEqual([])
  })

  it('nor has the one of clients that register', { timeout: 900_000 }, async () => {
    const found = await scan(server.running.ports?.native ?? 0, isWhole ? [] : ['--protocols'])
    expect(found.length).toBeGreaterThan(5)
    expect(faultsOf(found)).toEqual([])
  })
})
