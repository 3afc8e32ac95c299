import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { everyItem, type AuditEntryView, type Console } from '@app/client'
import { createLogger } from '@app/platform'
import { createProgram, run } from '../../apps/cli/src/program.js'
import { startRoles } from '../../apps/cli/src/roles.js'
import { verifyRemoteAudit } from '../../apps/cli/src/client/audit-actions.js'
import { administer } from '../helpers/administration.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let auditor: TestPrincipal
let console: Console
let requestId: number
let home: string

beforeAll(async () => {
  server = await startTestServer()
  auditor = await server.addOperator('auditor')
  console = server.operate(auditor)
  const client = server.connect(await server.addPrincipal())
  await client.submit(await pkcs10Request({ template: 'UserSignature' }), { wait: 10 })
  requestId = client.requestId
  await client[Symbol.asyncDispose]()
  const log = createLogger({ level: 'silent', format: 'json' })
  await (await startRoles(server.running.installation, ['authority'], log)).stop()
  home = mkdtempSync(join(tmpdir(), 'certkeep-auditor-'))
  writeFileSync(join(home, 'token'), auditor.token, { mode: 0o600 })
  writeFileSync(join(home, 'root.pem'), server.root)
})

afterAll(async () => {
  rmSync(home, { recursive: true })
  await console[Symbol.asyncDispose]()
  await server.stop()
})

async function collect<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const collected: Item[] = []
  for await (const item of items) collected.push(item)
  return collected
}

const all = async (query: Parameters<Console['audit']['list']>[0]): Promise<readonly AuditEntryView[]> =>
  collect(everyItem(cursor => console.audit.list({ ...query, limit: 2, ...(cursor && { cursor }) })))

async function exported(format: 'jsonl' | 'csv', query: object = {}): Promise<readonly string[]> {
  const pieces = await collect(console.audit.export({ ...query, format }))
  return Buffer.concat(pieces).toString('utf8').trimEnd().split(/\r?\n/)
}

/** Runs a command in this process, and gives its exit code and what it prints. */
async function certkeep(...argv: readonly string[]): Promise<{ readonly code: number; readonly out: string }> {
  const written: string[] = []
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation(chunk => {
    written.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'))
    return true
  })
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  try {
    const code = await administer(server, () => run(createProgram(), ['node', 'certkeep', ...argv]))
    return { code: code ?? Number(process.exitCode ?? 0), out: written.join('') }
  } finally {
    process.exitCode = 0
    stdout.mockRestore()
    stderr.mockRestore()
  }
}

describe('the audit log at the console', () => {
  it('tells the life of a request, newest first, with the Windows event of each step', async () => {
    const life = await all({ objectType: 'request', objectId: String(requestId) })
    expect(life.map(({ action, windowsEvent }) => [action, windowsEvent])).toEqual([
      ['request.issued', 4887],
      ['request.approved', undefined],
      ['request.submitted', 4886]
    ])
  })

  it('is narrowed by actor, action, type of object, outcome and time, page by page', async () => {
    const everything = await all({})
    const matching = (test: (entry: AuditEntryView) => boolean) => everything.filter(test).map(({ seq }) => seq)
    const seqs = async (query: Parameters<typeof all>[0]) => (await all(query)).map(({ seq }) => seq)
    expect(everything.length).toBeGreaterThan(20)
    expect(await seqs({ actor: 'role:authority' })).toEqual(matching(({ actor }) => actor === 'role:authority'))
    expect(await seqs({ action: 'template.added' })).toEqual(matching(({ action }) => action === 'template.added'))
    expect(await seqs({ objectType: 'template' })).toEqual(matching(({ objectType }) => objectType === 'template'))
    expect(await seqs({ outcome: 'failed' })).toEqual(matching(({ outcome }) => outcome === 'failed'))
    const middle = everything[10]?.at ?? ''
    expect(await seqs({ from: middle, outcome: 'success' })).toEqual(matching(({ at }) => at >= middle))
    expect(await seqs({ until: middle, action: 'request.issued' })).toEqual(
      matching(({ at, action }) => at < middle && action === 'request.issued')
    )
  })

  it('is exported whole and in order, as JSON lines and as CSV', async () => {
    const lines = (await exported('jsonl')).map(line => JSON.parse(line) as AuditEntryView & { position: number })
    const everything = await all({})
    const inOrder = everything.toSorted((a, b) => a.seq - b.seq)
    expect(lines.map(({ seq }) => seq)).toEqual(inOrder.map(({ seq }) => seq))
    expect(lines.map(({ detail }) => detail)).toEqual(inOrder.map(({ detail }) => detail))
    expect(lines.filter(({ position }) => position !== null).length).toBeGreaterThan(20)
    const [heading, ...rows] = await exported('csv', { objectType: 'ca' })
    expect(heading).toMatch(/^seq,at,actor,/)
    expect(rows).toHaveLength(everything.filter(({ objectType }) => objectType === 'ca').length)
  })

  it('is read and verified from the command line, here and at the console', async () => {
    const there = ['--url', server.url, '--trust', join(home, 'root.pem'), '--token-file', join(home, 'token')]
    const ours = ['--object-type', 'request', '--object', String(requestId)]
    const tail = await certkeep('audit', 'tail', ...there, '-n', '3', ...ours, '-o', 'json')
    const actions = tail.out
      .trimEnd()
      .split('\n')
      .map(line => (JSON.parse(line) as AuditEntryView).action)
    expect(actions).toEqual(['request.submitted', 'request.approved', 'request.issued'])
    const table = await certkeep('audit', 'tail', ...there, '-n', '1', '--action', 'request.issued')
    expect(table.out).toMatch(/^windowsEvent +4887$/m)
    const csv = await certkeep('audit', 'export', ...there, '--format', 'csv', '--outcome', 'success')
    expect(csv.out).toMatch(/^seq,at,actor/)
    for (const where of [['--local'], there]) {
      const verified = await certkeep('audit', 'verify', ...where, '-o', 'json')
      expect(verified.code).toBe(0)
      expect(JSON.parse(verified.out)).toMatchObject({ intact: true })
    }
  })

  it('is verified where the auditor sits, who pins the key', async () => {
    const { keys, checkpointSigned, linked } = await console.audit.status()
    expect(checkpointSigned).toBe(true)
    const connection = { url: server.url, trust: join(home, 'root.pem'), tokenFile: join(home, 'token') }
    const verify = (key: string) => verifyRemoteAudit(connection, { keys: [key], onProgress: () => undefined })
    const pin = keys[0]?.key ?? ''
    const report = await verify(pin)
    expect(report).toMatchObject({ intact: true, keys: [pin], keysPinned: true })
    expect(report.verified).toBeGreaterThanOrEqual(linked)
    await expect(verify('00'.repeat(32))).rejects.toMatchObject({ code: 'not_found' })
    await server.sql(`SET session_replication_role = replica;
      UPDATE certkeep.audit_event SET actor = 'mallory' WHERE seq = 3; RESET session_replication_role`)
    expect(await verify(pin)).toMatchObject({ intact: false, fault: { kind: 'event_altered', seq: 3 } })
    const { code, out } = await certkeep('audit', 'verify', '--local')
    expect(code).toBe(7)
    expect(out).toMatch(/^ +kind +event_altered$/m)
  })

  it('is open to auditors of every CA alone', async () => {
    for (const role of ['officer', 'operator', 'recovery_agent'] as const) {
      await using other = server.operate(await server.addOperator(role))
      await expect(other.audit.list()).rejects.toMatchObject({ code: 'access_denied' })
    }
    await using ofOneCa = server.operate(await server.addOperator('auditor', { caId: server.ca.id }))
    await expect(ofOneCa.audit.list()).rejects.toMatchObject({ code: 'access_denied' })
  })
})
