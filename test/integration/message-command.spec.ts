import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { CertificateDirectory, PersonalStore } from '@app/client'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { programIn, type Ended } from '../helpers/program.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

const directory = mkdtempSync(join(tmpdir(), 'certkeep-message-'))
const program = programIn(directory, { CERTKEEP_HOME: directory })
let server: TestServer

beforeAll(async () => {
  server = await startTestServer({ agents: 0 })
  writeFileSync(join(directory, 'root.pem'), server.root)
  const { token } = await server.addPrincipal()
  writeFileSync(join(directory, 'token'), token, { mode: 0o600 })
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(join(directory, 'queue.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  writeFileSync(join(directory, 'queue.pem'), publicKey.export({ type: 'spki', format: 'pem' }))
  writeFileSync(join(directory, 'order.txt'), 'two reams')
  writeFileSync(join(directory, 'request.der'), await pkcs10Request({ template: 'UserSignature' }))
  const store = await PersonalStore.open(join(directory, 'store'))
  const settings = { url: server.url, trust: server.root, credentials: { token }, store }
  await using certificates = new CertificateDirectory(settings)
  await certificates.registerCertificate()
})

afterAll(async () => {
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

const signing = ['--store', 'store', '--outgoing', 'outgoing']
const connected = (url: string, tokenFile: string): readonly string[] => [
  '--url',
  url,
  '--trust',
  'root.pem',
  '--token-file',
  tokenFile
]
const message = (url: string, ...argv: readonly string[]): Promise<Ended> =>
  program.run('message', ...argv, '-o', 'json', ...connected(url, 'token'))
const printed = ({ code, stdout, stderr }: Ended): unknown => {
  expect([code, stderr]).toEqual([0, ''])
  return JSON.parse(stdout)
}

it('Messages are sent and received at the command line, and a request waits there while the server is down.', async () => {
  const { url } = server
  const made = await message(url, 'create', 'orders', '--key', 'queue.pem', '--authenticate', '--privacy', 'body')
  expect(printed(made)).toMatchObject({ name: 'orders', privacy: 'body' })
  const sent = await message(url, 'send', 'orders', 'order.txt', '--level', 'privacy', ...signing)
  expect(printed(sent)).toMatchObject({ state: 'sent' })
  expect(printed(await message(url, 'receive', 'orders', '--key', 'queue.key'))).toMatchObject([
    { level: 'privacy', body: 'two reams', senderName: expect.stringMatching(/^EXAMPLE\\/) as string }
  ])
  const submit = [
    'submit',
    'request.der',
    '--ca',
    server.ca.name,
    '--response-queue',
    'orders',
    '--wait',
    '20',
    ...signing
  ]
  const issued = await message(url, ...submit)
  expect([issued.code, JSON.parse(issued.stdout)]).toMatchObject([0, { dispositionName: 'issued' }])
  await server.running.shutdown.run('test')
  const waiting = await message(url, ...submit)
  expect([waiting.code, JSON.parse(waiting.stdout)]).toMatchObject([3, { state: 'waiting', authnLevel: 6 }])
  await server.restart()
  expect(printed(await message(server.url, 'flush', '--outgoing', 'outgoing'))).toEqual({
    sent: 1,
    failed: 0,
    waiting: 0
  })
})

it('Messages are signed at the command line with a key that the server holds, for another account too.', async () => {
  const [subject, actor] = [await server.addPrincipal(), await server.addPrincipal()]
  for (const [file, { token }] of [['subject', subject] as const, ['actor', actor] as const]) {
    writeFileSync(join(directory, file), token, { mode: 0o600 })
  }
  const context = (as: string, ...argv: readonly string[]): Promise<Ended> =>
    program.run('context', ...argv, ...connected(server.url, as))
  const json = ['-o', 'json'] as const
  printed(await message(server.url, 'create', 'signed', '--authenticate', '--access', `${subject.row.sid}=write`))
  expect(printed(await context('subject', 'register', ...json))).toMatchObject({ serial: expect.any(String) as string })
  expect(printed(await context('subject', 'keys', ...json))).toMatchObject([{ kind: 'internal' }])

  const { sid } = actor.row
  const given = await context('subject', 'delegate', sid, '--token-out', 'act.token', ...json)
  const delegation = printed(given) as { id: string }
  expect(delegation).toMatchObject({ actor: sid, subject: subject.row.sid })
  expect(given.stdout).not.toContain(readFileSync(join(directory, 'act.token'), 'utf8'))
  const sending = ['send', 'signed', 'order.txt', 'order.txt', '--on-behalf-of', 'act.token', ...json]
  expect(printed(await context('actor', ...sending))).toMatchObject({ sender: subject.row.sid })
  expect(printed(await message(server.url, 'receive', 'signed', '--most', '5'))).toMatchObject(
    [1, 2].map(() => ({ level: 'integrity', body: 'two reams', senderName: `EXAMPLE\\${subject.row.accountName}` }))
  )
  expect((await context('subject', 'revoke', delegation.id)).code).toBe(0)
  expect((await context('actor', ...sending)).code).toBe(5)
})
