import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CertRequest } from '@app/client'
import { completionsOf } from '../../apps/cli/src/completion.js'
import { createProgram } from '../../apps/cli/src/program.js'
import { submitPending } from '../helpers/pending-requests.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { programIn, type Ended } from '../helpers/program.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

const directory = mkdtempSync(join(tmpdir(), 'certkeep-nouns-'))
const program = programIn(directory, { CERTKEEP_HOME: directory })
let server: TestServer
let user: CertRequest
let serial: string
let pending: number

beforeAll(async () => {
  server = await startTestServer()
  writeFileSync(join(directory, 'root.pem'), server.root)
  const principal = await server.addPrincipal({}, { scopes: ['enroll', 'console'] })
  const people = { requester: principal, ...(await operators()) }
  for (const [name, { token }] of Object.entries(people)) {
    writeFileSync(join(directory, name), token, { mode: 0o600 })
  }
  user = server.connect(principal)
  await user.submit(await pkcs10Request({ template: 'UserSignature' }))
  serial = user.status.serialNumber ?? ''
  await using computer = server.connect(await server.addPrincipal({ kind: 'computer' }))
  pending = await submitPending(computer)
})

afterAll(async () => {
  await user[Symbol.asyncDispose]()
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

async function operators() {
  return {
    administrator: await server.addOperator('administrator'),
    officer: await server.addOperator('officer'),
    auditor: await server.addOperator('auditor')
  }
}

/** A command by somebody, over the network. */
function as(person: string, ...argv: readonly string[]): Promise<Ended> {
  return program.run(...argv, '--url', server.url, '--trust', 'root.pem', '--token-file', person)
}

/** Every command that does something, with its names. */
function leavesOf(command: Command, path: readonly string[] = []): readonly (readonly [string, Command])[] {
  return command.commands.flatMap(child => {
    const names = [...path, child.name()]
    return child.commands.length > 0 ? leavesOf(child, names) : [[names.join(' '), child] as const]
  })
}

const NOUNS = [
  'ca',
  'agent',
  'directory',
  'template',
  'request',
  'queue',
  'cert',
  'key',
  'operator',
  'audit',
  'message',
  'webhook'
]

describe('every command', () => {
  const root = createProgram()
  const leaves = leavesOf(root)

  it('is told of with all of its options, and is completed', () => {
    const completed = new Map(completionsOf(root).map(({ path, words }) => [path, words]))
    for (const [path, command] of leaves) {
      expect([path, command.description()]).not.toEqual([path, ''])
      const undescribed = command.options.filter(({ description }) => description === '').map(({ flags }) => flags)
      expect([path, undescribed]).toEqual([path, []])
      const words = completed.get(`certkeep ${path}`)
      expect([path, words]).toEqual([path, expect.arrayContaining(command.options.map(({ long }) => long))])
    }
  })

  it('that prints rows or facts does so for people unless JSON is asked for', () => {
    const choosing = leaves.flatMap(([path, { options }]) => {
      const output = options.find(({ long }) => long === '--output')
      const isData = output?.argChoices?.includes('json') === true
      return isData ? [[path, output.defaultValue, output.argChoices?.includes('table')]] : []
    })
    expect(choosing.length).toBeGreaterThan(35)
    expect(choosing.filter(([, first, hasTable]) => first !== 'table' || hasTable !== true)).toEqual([])
  })

  it.each(NOUNS)('of "certkeep %s" is listed by --help of the built program', async noun => {
    const { code, stdout } = await program.run(noun, '--help')
    expect(code).toBe(0)
    const verbs = leaves.filter(([path]) => path.startsWith(`${noun} `)).map(([path]) => path.split(' ')[1] ?? '')
    expect(verbs.length).toBeGreaterThan(0)
    for (const verb of verbs) expect(stdout).toContain(`  ${verb}`)
  })
})

describe('an operator at the command line', () => {
  it.each<[string, string, () => readonly string[], object]>([
    ['auditor', 'operator who', () => [], { credential: 'token', roles: [{ role: 'auditor' }] }],
    ['administrator', 'operator list', () => ['--role', 'officer'], [{ role: 'officer' }]],
    ['administrator', 'directory search', () => ['--kind', 'computer'], [{ kind: 'computer' }]],
    ['auditor', 'template list', () => ['--console', '--name', 'WebServer'], [{ name: 'WebServer' }]],
    ['officer', 'queue list', () => [], [{ state: 'pending' }]],
    ['officer', 'queue show', () => [String(pending)], { state: 'pending' }],
    ['officer', 'cert list', () => ['--template', 'UserSignature'], [{ template: 'UserSignature' }]],
    ['auditor', 'cert show', () => [serial], { state: 'valid' }],
    ['auditor', 'agent coverage', () => [], { keys: { unrecoverable: 0 } }]
  ])('as %s runs "%s", for programs and for people', async (person, command, rest, expected) => {
    const argv = [...command.split(' '), ...rest()]
    const [json, table] = await Promise.all([as(person, ...argv, '-o', 'json'), as(person, ...argv)])
    expect([json.code, json.stderr]).toEqual([0, ''])
    expect(JSON.parse(json.stdout)).toMatchObject(expected)
    expect([table.code, table.stderr]).toEqual([0, ''])
    expect(table.stdout.split('\n').length).toBeGreaterThan(1)
    expect(() => JSON.parse(table.stdout) as unknown).toThrow(SyntaxError)
  })

  it('sees the newest entries of the audit log as lines of JSON', async () => {
    const { code, stdout } = await as('auditor', 'audit', 'tail', '-n', '3', '-o', 'json')
    expect(code).toBe(0)
    const entries = stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as { readonly seq: number })
    expect(entries).toHaveLength(3)
  })

  it.each<[string, number, string, () => readonly string[]]>([
    ['who has no role', 5, 'requester', () => ['queue', 'list']],
    ['whose role does not permit it', 5, 'auditor', () => ['queue', 'deny', String(pending), '--reason', 'no']],
    ['who names a certificate that is not there', 6, 'officer', () => ['cert', 'show', 'ff']],
    ['who names a request that is not there', 6, 'officer', () => ['queue', 'show', '999999']],
    ['who leaves out what is needed', 2, 'officer', () => ['queue', 'deny', String(pending)]],
    ['who asks for a form that is not offered', 2, 'officer', () => ['queue', 'list', '-o', 'xml']],
    ['who invents an option', 2, 'officer', () => ['cert', 'list', '--colour', 'red']]
  ])('%s gets the exit code %i and one line', async (_who, expected, person, argv) => {
    const { code, stdout, stderr } = await as(person, ...argv())
    expect([code, stdout]).toEqual([expected, ''])
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  })

  it('whose server is not there gets the exit code 8', async () => {
    const argv = ['queue', 'list', '--url', 'https://127.0.0.1:9', '--trust', 'root.pem', '--token-file', 'officer']
    expect((await program.run(...argv)).code).toBe(8)
  })

  it.each(['--cert-p12', '--cert', '--token-file'])('means a server for templates too with %s', async credential => {
    const { code, stderr } = await program.run('template', 'list', credential, 'officer')
    expect(code).toBe(2)
    expect(stderr).toContain('No server is named.')
  })
})
