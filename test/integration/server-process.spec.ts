import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { shellWords } from '../helpers/markdown.js'
import { programIn, type Program, type ServerProcess } from '../helpers/program.js'
import { startWebhookReceiver, type WebhookReceiver } from '../helpers/webhook-receiver.js'

const graceSeconds = 5
const wishes = ['--template', 'UserSignature', '--no-archive'] as const
const directory = mkdtempSync(join(tmpdir(), 'certkeep-server-process-'))
// As root, the database server runs as a user that must be able to pass through.
chmodSync(directory, 0o711)
const settings = {
  CERTKEEP_HOME: join(directory, 'home'),
  CERTKEEP_PROFILE: join(directory, 'profile.json'),
  CERTKEEP_HTTPS_PORT: '0',
  CERTKEEP_HTTP_PORT: '0',
  CERTKEEP_METRICS_PORT: '0',
  CERTKEEP_GRACE_SECONDS: String(graceSeconds)
}
let server: ServerProcess
let receiver: WebhookReceiver
let certificate: string
const first = programIn(directory, settings)
/** As the first, with the port that the first start took, so that clients find the server where it was. */
let program: Program

/** Asks for the CA that the client trusts since the first start, and for its only account's request. */
function ask(): Promise<{ readonly code: number | null; readonly stderr: string }> {
  return program.run('request', 'status', '1', '--token-file', 'alice.token')
}

beforeAll(async () => {
  receiver = await startWebhookReceiver()
  mkdirSync(settings.CERTKEEP_HOME)
  writeFileSync(
    join(settings.CERTKEEP_HOME, 'certkeep.yaml'),
    `webhooks:\n  - { name: tickets, url: "${receiver.url}", secretFile: "${receiver.secretFile}", timeoutSeconds: 2 }\n`
  )
  server = await first.serve()
  program = programIn(directory, { ...settings, CERTKEEP_HTTPS_PORT: new URL(server.url).port })
  const [, fingerprint = ''] = /--fingerprint ([0-9a-f]{64})/.exec(server.said()) ?? []
  await program.succeed('directory', 'add', 'alice', '--domain', 'EXAMPLE', '--mail', 'alice@example.org')
  await program.succeed('directory', 'token', 'alice', '--out', 'alice.token')
  await program.succeed('bootstrap', '--url', server.url, '--fingerprint', fingerprint, '--token-file', 'alice.token')
  const enrolled = await program.succeed('enroll', ...wishes, '--out', 'alice', '-o', 'pem')
  certificate = enrolled.stdout
})

afterAll(async () => {
  await Promise.all([first.clean(), program.clean()])
  await receiver.close()
  rmSync(directory, { recursive: true, force: true })
})

describe('a server in a process of its own', () => {
  it('prints the command by which its first administrator enrolls, which works as it is written, once', async () => {
    const [, link = ''] = /^ +npx certkeep operator enroll "(\S+)" /m.exec(server.said()) ?? []
    const logged = server
      .said()
      .split('\n')
      .filter(line => line.includes('"level":'))
    expect(logged.some(line => line.includes(new URL(link).hash.slice(1)))).toBe(false)
    const written = /^ +npx certkeep (operator enroll .*)$/m.exec(server.said())?.[1] ?? ''
    await program.succeed(...shellWords(written))
    const who = ['--cert-p12', 'admin.p12', '--cert-password-file', 'admin.password'] as const
    expect(await program.json('operator', 'who', ...who)).toMatchObject({
      account: 'CERTKEEP\\admin',
      displayName: 'First Administrator',
      roles: [{ role: 'administrator' }]
    })
    const again = await program.run(...shellWords(written.replaceAll('admin.p12', 'again.p12')))
    expect(again.code).toBe(5)
  })

  it('lets no other start at its home and address, and tells why in one line', async () => {
    const { code, stdout, stderr } = await program.run('serve')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    const lines = stderr.trimEnd().split('\n')
    const forPeople = lines.filter(line => !line.includes('"level":'))
    expect(forPeople).toHaveLength(1)
    expect(forPeople[0]).toMatch(/certkeep: 127\.0\.0\.1:\d+ is in use .*\(config_invalid\)$/)
    expect(lines.filter(line => line.includes('"level":"error"'))).toEqual([])
    // The first one is not disturbed, though both hold one database.
    expect(await ask()).toMatchObject({ code: 6 })
  })

  it('ends at SIGTERM within its grace time and leaves clients a plain answer', async () => {
    const { code, stdout, milliseconds } = await server.end('SIGTERM')
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(milliseconds).toBeLessThan(1000 * graceSeconds)
    const unanswered = await ask()
    expect(unanswered.code).toBe(8)
    expect(unanswered.stderr).toMatch(/^certkeep: .* \(server_unreachable\)\n$/)
  })

  it('starts again with what it had, and does so after a sudden death too', async () => {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      server = await program.serve()
      expect(server.said()).not.toContain('A root CA was made')
      const renewed = await program.succeed('enroll', ...wishes, '--out', signal, '-o', 'pem')
      // The same CA issued it: what follows the first certificate is the chain.
      const [chain, before] = [renewed.stdout, certificate].map(pem => pem.split('-----BEGIN').slice(2))
      expect(chain).toEqual(before)
      await server.end(signal)
    }
  })

  it('tells after a sudden death what it was about to tell', async () => {
    server = await program.serve()
    const held: (() => void)[] = []
    receiver.answer(response => held.push(() => void response.end()))
    const before = receiver.calls.length
    await program.succeed('enroll', ...wishes, '--out', 'untold', '-o', 'pem')
    while (receiver.calls.length === before) await sleep(20)
    await server.end('SIGKILL')
    const { requestId } = receiver.verify(receiver.calls.at(-1)!).data
    receiver.answer(response => void response.writeHead(204).end())
    server = await program.serve()
    const notices = await receiver.noticesOf(requestId, 2)
    expect(notices.map(({ type }) => type)).toEqual(['request.issued', 'request.issued'])
    const ids = receiver.calls.slice(-2).map(({ headers }) => headers['webhook-id'])
    expect(ids[0]).toBe(ids[1])
    held.forEach(release => release())
    await server.end('SIGTERM')
    const told = await program.run('webhook', 'list', '-o', 'json', '--request', String(requestId))
    expect(JSON.parse(told.stdout)).toMatchObject([
      { webhook: 'tickets', state: 'delivered', attempts: 2, status: 204 }
    ])
  }, 60_000)
})
