import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createProgram, run } from '../../apps/cli/src/program.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let admin: TestPrincipal
const directory = mkdtempSync(join(tmpdir(), 'certkeep-commands-'))

beforeAll(async () => {
  server = await startTestServer()
  admin = await server.addOperator('administrator')
  writeFileSync(join(directory, 'root.pem'), server.root)
  writeFileSync(join(directory, 'admin.token'), admin.token, { mode: 0o600 })
  const profile = { url: server.url, trust: 'root.pem', tokenFile: 'admin.token' }
  writeFileSync(join(directory, 'profile.json'), JSON.stringify(profile))
  vi.stubEnv('CERTKEEP_PROFILE', join(directory, 'profile.json'))
})

afterAll(async () => {
  vi.unstubAllEnvs()
  await server.stop()
  rmSync(directory, { recursive: true })
})

interface Ended {
  readonly code: number | undefined
  readonly out: string
}

/** A command, as the program runs it. */
async function command(...argv: readonly string[]): Promise<Ended> {
  let out = ''
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation(data => {
    out += String(data)
    return true
  })
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  try {
    return { code: await run(createProgram(), ['node', 'certkeep', ...argv]), out }
  } finally {
    stdout.mockRestore()
    stderr.mockRestore()
  }
}

async function told<T>(...argv: readonly string[]): Promise<T> {
  const { code, out } = await command(...argv, '-o', 'json')
  expect([argv.join(' '), code]).toEqual([argv.join(' '), undefined])
  return JSON.parse(out) as T
}

const nameOf = ({ row }: TestPrincipal): string => `${row.domain}\\${row.accountName}`

describe('the commands of administrators', () => {
  it('give a role with a scope, tell of it and take it away', async () => {
    const bob = await server.addPrincipal()
    const scope = ['--scope-template', 'UserSignature', '--scope-group', 'Sales', '--scope-group', 'Support']
    const held = await told<{ id: string }>(
      'operator',
      'grant',
      nameOf(bob),
      'officer',
      '--ca',
      server.ca.name,
      ...scope
    )
    expect(held).toMatchObject({
      role: 'officer',
      ca: server.ca.name,
      scope: { templates: ['UserSignature'], subjectGroups: ['Sales', 'Support'] }
    })
    expect(await told('operator', 'list', '--account', nameOf(bob))).toEqual([held])
    expect((await command('operator', 'revoke', held.id)).code).toBeUndefined()
    expect(await told('operator', 'list', '--account', nameOf(bob))).toEqual([])
    expect(await told('operator', 'list', '--account', nameOf(bob), '--revoked')).toMatchObject([{ id: held.id }])
    expect((await command('operator', 'revoke', held.id)).code).toBe(6)
    expect((await command('operator', 'grant', nameOf(admin), 'officer')).code).toBe(5)
  })

  it('invite, and tell who one is', async () => {
    const { out } = await command('operator', 'invite', '--role', 'auditor', '--hours', '2')
    expect(out).toMatch(/^https:\/\/\S+\/enrol#[A-Za-z0-9_-]{43}\n$/)
    expect(await told('operator', 'who')).toMatchObject({ account: nameOf(admin), credential: 'token' })
    expect(await told('operator', 'sessions', nameOf(admin))).toEqual([])
  })

  it('keep the directory', async () => {
    const alice = await server.addPrincipal({ accountName: 'alice' })
    await told('directory', 'group', 'add', 'Sales')
    await told('directory', 'group', 'add', 'Sales North')
    expect((await command('directory', 'member', 'add', 'Sales', 'Sales North')).code).toBeUndefined()
    expect((await command('directory', 'member', 'add', 'Sales North', 'alice')).code).toBeUndefined()
    expect(await told('directory', 'show', nameOf(alice))).toMatchObject({
      groups: ['Domain Users', 'Sales', 'Sales North'],
      memberOf: ['Domain Users', 'Sales North']
    })
    expect(await told('directory', 'search', '--group', 'Sales', '--kind', 'user')).toMatchObject([
      { id: alice.row.id }
    ])
    expect(await told('directory', 'group', 'members', 'Sales')).toMatchObject([{ account: 'CERTKEEP\\Sales North' }])
    expect((await command('directory', 'member', 'remove', 'Sales', 'Sales North')).code).toBeUndefined()
    const changed = await told<object>('directory', 'change', 'alice', '--display-name', 'Alice A.', '--mail', '')
    expect(changed).toMatchObject({ displayName: 'Alice A.', groups: ['Domain Users', 'Sales North'] })
    expect(changed).not.toHaveProperty('mail')
    const tokens = await told<object[]>('directory', 'tokens', 'alice', '--revoke', alice.credentialId)
    expect(tokens).toMatchObject([{ id: alice.credentialId, revokedAt: expect.any(String) as string }])
    expect((await command('directory', 'disable', 'alice')).code).toBeUndefined()
    expect(await told('directory', 'search', '--disabled')).toMatchObject([{ id: alice.row.id }])
    expect((await command('directory', 'enable', 'alice')).code).toBeUndefined()
    expect((await command('directory', 'show', 'nobody')).code).toBe(6)
  })

  it('say who may enroll, and for whom agents may', async () => {
    const desk = await server.addPrincipal()
    const at = ['directory', 'enrollment', server.ca.name]
    expect(await told(...at)).toBeNull()
    expect(await told(...at, '--group', 'Domain Users', '--group', 'Domain Computers')).toEqual([
      'Domain Users',
      'Domain Computers'
    ])
    expect(await told(...at, '--anybody')).toBeNull()
    const wish = ['--template', 'UserSignature', '--subject-group', 'Domain Users']
    const scope = await told<{ id: string }>('operator', 'scope', 'grant', nameOf(desk), ...wish)
    expect(await told('operator', 'scope', 'list', '--account', nameOf(desk))).toEqual([scope])
    expect((await command('operator', 'scope', 'revoke', scope.id)).code).toBeUndefined()
    expect(await told('operator', 'scope', 'list', '--account', nameOf(desk))).toEqual([])
  })
})
