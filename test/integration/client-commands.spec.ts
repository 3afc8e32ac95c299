import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createProgram, run } from '../../apps/cli/src/program.js'
import { createCaller, type HttpCaller } from '../helpers/http-calls.js'
import { outcomeOf, register, sampleClient } from '../helpers/registration-clients.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

const home = mkdtempSync(join(tmpdir(), 'certkeep-clients-'))
let server: TestServer
let call: HttpCaller

beforeAll(async () => {
  server = await startTestServer({ agents: 0, settings: { registration: { enabled: true } } })
  call = createCaller(server)
  const { token } = await server.addOperator('operator')
  writeFileSync(join(home, 'token'), token, { mode: 0o600 })
  writeFileSync(join(home, 'root.pem'), server.root)
})

afterAll(async () => {
  await call.close()
  await server.stop()
  rmSync(home, { recursive: true })
})

/** Runs a command in this process, and gives its exit code and what it prints. */
async function certkeep(...argv: readonly string[]): Promise<{ readonly code: number; readonly out: string }> {
  const written: string[] = []
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation(chunk => {
    written.push(String(chunk))
    return true
  })
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const there = ['--url', server.url, '--trust', join(home, 'root.pem'), '--token-file', join(home, 'token')]
  try {
    const code = await run(createProgram(), ['node', 'certkeep', 'client', ...argv, ...there])
    return { code: code ?? Number(process.exitCode ?? 0), out: written.join('') }
  } finally {
    process.exitCode = 0
    stdout.mockRestore()
    stderr.mockRestore()
  }
}

const listed = async (...options: readonly string[]): Promise<readonly { smsid: string; approval: string }[]> =>
  JSON.parse((await certkeep('list', ...options, '-o', 'json')).out) as { smsid: string; approval: string }[]

it('certkeep client looks after clients: lists, shows, approves, blocks, and tells by its exit code what came of it', async () => {
  const client = sampleClient(1)
  const { smsid = '' } = await register(call, client)
  await expect.poll(async () => (await outcomeOf(call, client, smsid)).status, { timeout: 20_000 }).toBe(0)
  expect((await listed()).map(row => row.smsid)).toEqual([smsid])
  for (const [verb, approval] of [
    ['approve', 'approved'],
    ['unapprove', 'not_approved']
  ] as const) {
    expect((await certkeep(verb, smsid, '--comment', 'Seen.')).code).toBe(0)
    expect((await certkeep('show', smsid, '-o', 'json')).out).toContain(`"${approval}"`)
  }
  expect((await certkeep('block', smsid)).code).toBe(0)
  expect((await listed('--blocked')).map(row => row.smsid)).toEqual([smsid])
  expect((await certkeep('unblock', smsid)).code).toBe(0)
  expect(await listed('--blocked')).toEqual([])
  expect((await certkeep('conflicts')).code).toBe(0)
  expect((await certkeep('approve', 'GUID:00000000-0000-0000-0000-000000000000')).code).not.toBe(0)
})
