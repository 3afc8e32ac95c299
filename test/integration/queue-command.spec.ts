import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CertRequest } from '@app/client'
import { offerTemplate } from '../helpers/administration.js'
import { heldTemplate, reaching, submitPending } from '../helpers/pending-requests.js'
import { programIn, type Ended } from '../helpers/program.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

const directory = mkdtempSync(join(tmpdir(), 'certkeep-queue-'))
const program = programIn(directory, { CERTKEEP_HOME: directory })
let server: TestServer
let client: CertRequest

beforeAll(async () => {
  server = await startTestServer()
  await offerTemplate(server, heldTemplate('TwoOfficers', { approvals: 2 }))
  client = server.connect(await server.addPrincipal({ kind: 'computer' }))
  writeFileSync(join(directory, 'root.pem'), server.root)
  for (const [name, role] of [
    ['one', 'officer'],
    ['two', 'officer'],
    ['three', 'officer'],
    ['admin', 'administrator']
  ] as const) {
    writeToken(name, await server.addOperator(role))
  }
})

afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

function writeToken(name: string, { token }: TestPrincipal): void {
  writeFileSync(join(directory, name), token, { mode: 0o600 })
}

/** A command of the queue by one of the people, with what it printed as JSON where it printed any. */
async function as(person: string, ...argv: readonly string[]): Promise<Ended & { readonly json: unknown }> {
  const connection = ['--url', server.url, '--trust', 'root.pem', '--token-file', person]
  const ended = await program.run('queue', ...argv, ...connection, '-o', 'json')
  return { ...ended, json: ended.stdout === '' ? undefined : (JSON.parse(ended.stdout) as unknown) }
}

describe('certkeep queue', () => {
  it('lists, shows, previews and decides, and tells by its exit code what came of it', async () => {
    const id = await submitPending(client, 'TwoOfficers', 'cli.example.org')
    const listed = await as('one', 'list', '--template', 'TwoOfficers', '--subject', 'cli')
    expect(listed).toMatchObject({ code: 0, json: [{ requestId: id, state: 'pending' }] })
    const set = await as('three', 'set-extension', String(id), '--san', 'dns:better.example.org', '--critical')
    expect(set).toMatchObject({ code: 0, json: { requestId: id } })
    const noted = await as('three', 'set-attribute', String(id), 'Ticket:CHG-1', '--reason', 'As they asked.')
    expect(noted.code).toBe(0)

    const preview = await as('one', 'approve', String(id), '--dry-run')
    expect(preview).toMatchObject({ code: 0, json: { verdict: 'issue', requestId: id } })
    expect(preview.stdout).toContain('better.example.org')
    expect(await as('three', 'approve', String(id))).toMatchObject({ code: 5 })
    expect(await as('one', 'approve', String(id))).toMatchObject({ code: 3 })
    expect(await as('one', 'approve', String(id))).toMatchObject({ code: 6 })
    expect(await as('two', 'approve', String(id), '--if-match', '"1.1.1.pending"')).toMatchObject({ code: 6 })
    const { etag } = (await as('two', 'show', String(id))).json as { readonly etag: string }
    expect(await as('two', 'approve', String(id), '--if-match', etag)).toMatchObject({ code: 0 })
    await reaching(server, id, 'issued')
  })

  it('denies with a reason, several at a time, and has an administrator resubmit', async () => {
    const ids = [await submitPending(client), await submitPending(client)]
    expect((await as('one', 'deny', ...ids.map(String))).code).toBe(2)
    const denied = await as('one', 'deny', ...ids.map(String), '--reason', 'Not ours.')
    expect(denied).toMatchObject({ code: 0, json: ids.map(requestId => ({ requestId, outcome: 'done' })) })
    expect(await as('two', 'deny', String(ids[0]), '--reason', 'Nor ours.')).toMatchObject({ code: 6 })
    expect(await as('one', 'resubmit', String(ids[0]))).toMatchObject({ code: 5 })
    expect(await as('admin', 'resubmit', String(ids[0]))).toMatchObject({ code: 0 })
    await reaching(server, ids[0]!, 'pending')
    expect(await as('one', 'show', '2000000')).toMatchObject({ code: 6 })
  })
})
