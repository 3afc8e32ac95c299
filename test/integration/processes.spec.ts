import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodePem } from '@app/der'
import { OID } from '@app/oid'
import { encodeSubjectAltName } from '@app/x509'
import { PROCESS_ROLES, type ProcessRole } from '@app/storage'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { createTestDatabase, type TestDatabase, type TestUser } from '../helpers/database.js'
import { programIn, type Program, type ServerProcess } from '../helpers/program.js'
import { makeRecoveryAgent } from '../helpers/recovery-agent.js'
import { buildSampleCertificate, nameOf, sampleKey } from '../helpers/x509-samples.js'

type Served = ProcessRole

const served: readonly Served[] = PROCESS_ROLES
const directory = mkdtempSync(join(tmpdir(), 'certkeep-processes-'))
const programs = {} as Record<Served | 'owner' | 'client', Program>
const servers = {} as Record<Served, ServerProcess>
let database: TestDatabase
let root: string

function home(role: Served): string {
  return join(directory, role)
}

function databaseUrl(user: TestUser): string {
  const { user: name, password = '', host = '', port, database: path } = database.settings[user]
  const where = new URLSearchParams({ host })
  return `postgres://${name}:${encodeURIComponent(password)}@localhost:${port}/${path}?${where.toString()}`
}

/** The program as it is set up at the machine of one role: a home of its own and the password of that role alone. */
function programOf(role: Served, user: ProcessRole | 'owner'): Program {
  return programIn(directory, {
    CERTKEEP_HOME: home(role),
    CERTKEEP_ROLES: role,
    CERTKEEP_DATABASE_URL: databaseUrl(user),
    CERTKEEP_HTTPS_PORT: '0',
    CERTKEEP_HTTP_PORT: '0',
    CERTKEEP_METRICS_PORT: '0',
    ...(role === 'console' ? listenerFiles() : {})
  })
}

/** The console gets the certificate of its listener from elsewhere; here it is one of its own. */
function listenerFiles(): Readonly<Record<string, string>> {
  return {
    CERTKEEP_HTTPS_CERTIFICATE_FILE: join(directory, 'console.pem'),
    CERTKEEP_HTTPS_KEY_FILE: join(directory, 'console.key')
  }
}

function makeListenerFiles(): void {
  const key = sampleKey('P-256')
  const names = encodeSubjectAltName([
    { kind: 'dNSName', value: 'localhost' },
    { kind: 'iPAddress', address: Uint8Array.of(127, 0, 0, 1) }
  ])
  const certificate = buildSampleCertificate(key, {
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3_600_000),
    subject: nameOf('CN=console'),
    issuer: nameOf('CN=console'),
    extensions: [{ oid: OID.id_ce_subjectAltName, critical: false, value: names }]
  })
  writeFileSync(join(directory, 'console.pem'), encodePem('CERTIFICATE', certificate))
  writeFileSync(join(directory, 'console.key'), key.privateKey.export({ type: 'pkcs8', format: 'pem' }), {
    mode: 0o600
  })
}

/** What the owner does once, at the machine that is to hold the CA key; no other machine gets the owner's password. */
async function setUp(owner: Program): Promise<void> {
  root = join(directory, 'root.pem')
  writeFileSync(root, (await owner.succeed('ca', 'init', '--name', 'Split CA', '--key', 'p-256')).stdout)
  const agent = await makeRecoveryAgent('Agent')
  writeFileSync(join(directory, 'agent.pem'), encodePem('CERTIFICATE', agent.certificate.raw))
  await Promise.all([
    owner.succeed('agent', 'add', 'agent.pem', '--name', 'First'),
    owner.succeed('directory', 'add', 'alice', '--domain', 'EXAMPLE', '--mail', 'alice@example.org')
  ])
  const second = await makeRecoveryAgent('Agent')
  writeFileSync(join(directory, 'second.pem'), encodePem('CERTIFICATE', second.certificate.raw))
  await Promise.all([
    owner.succeed('agent', 'add', 'second.pem', '--name', 'Second'),
    owner.succeed('directory', 'token', 'alice', '--out', 'alice.token')
  ])
  const third = await makeRecoveryAgent('Agent')
  writeFileSync(join(directory, 'third.pem'), encodePem('CERTIFICATE', third.certificate.raw))
  await owner.succeed('agent', 'add', 'third.pem', '--name', 'Third')
}

function enroll(name: string, ...more: readonly string[]): readonly string[] {
  const place = ['--url', servers.front.url, '--trust', root, '--token-file', 'alice.token']
  return ['enroll', '--template', 'UserEncryption', '--archive', '--out', name, ...place, ...more]
}

beforeAll(async () => {
  database = await createTestDatabase()
  makeListenerFiles()
  programs.owner = programOf('authority', 'owner')
  programs.client = programIn(directory, {})
  // The roles are the whole cluster's, so the owner must not give them passwords of its own making.
  mkdirSync(join(home('authority'), 'secrets'), { recursive: true, mode: 0o700 })
  const { rolePasswords } = inject('postgres')
  for (const role of PROCESS_ROLES) {
    writeFileSync(join(home('authority'), 'secrets', `database-${role}`), rolePasswords[role], { mode: 0o600 })
  }
  await setUp(programs.owner)
  for (const role of served) programs[role] = programOf(role, role)
  const workers = [programs.authority.serve(), programs.archive.serve()] as const
  const [authority, archive] = await Promise.all(workers)
  const [front, console] = await Promise.all([programs.front.serve(), programs.console.serve()])
  Object.assign(servers, { authority, archive, front, console })
})

afterAll(async () => {
  await Promise.all(Object.values(programs).map(program => program.clean()))
  await database.drop()
  rmSync(directory, { recursive: true, force: true })
})

describe('a process for each role, each with a home and a database password of its own', () => {
  it('issues an archived key end to end, sooner than any sweep would find it', async () => {
    const begun = performance.now()
    await programs.client.succeed(...enroll('first'))
    // Every process sweeps each ten seconds at the same moment, and two of them have to hand the request on.
    expect(performance.now() - begun).toBeLessThan(10_000)
    expect(readdirSync(join(directory, 'first')).toSorted()).toEqual(['certificate.pem', 'chain.pem', 'key.pem'])
    const { dataSource } = await database.open('owner')
    const [row] = await dataSource.query<{ keys: number }[]>('SELECT count(*)::int AS keys FROM certkeep.sealed_key')
    expect(row).toEqual({ keys: 1 })
  })

  it('keeps every private key where its role is and nowhere else', () => {
    const keys = Object.fromEntries(
      served.map(role => [role, existsSync(join(home(role), 'keys')) ? readdirSync(join(home(role), 'keys')) : []])
    )
    expect(keys).toEqual({ front: ['front'], console: [], authority: ['authority'], archive: ['archive'] })
    const held = readdirSync(join(home('authority'), 'keys', 'authority'))
    expect(held.map(name => String(name.split('-')[0])).toSorted()).toEqual(['audit', 'ca'])
    expect(existsSync(join(home('front'), 'secrets'))).toBe(false)
    expect(readdirSync(join(home('archive'), 'secrets'))).toEqual(['passphrase'])
  })

  it('lets requests wait while the authority is down and issues them when it is back', async () => {
    expect((await servers.authority.end()).code).toBe(0)
    const waiting = await programs.client.run(...enroll('second', '--wait', '1', '-o', 'json'))
    expect(waiting.code).toBe(3)
    expect(JSON.parse(waiting.stdout)).toMatchObject({ disposition: 5, archivedKey: false })
    expect(waiting.stderr).toContain('certkeep request accept second')
    servers.authority = await programs.authority.serve()
    const who = ['--trust', root, '--token-file', 'alice.token']
    const decided = await programs.client.json('request', 'wait', 'second', ...who)
    expect(decided).toMatchObject({ dispositionName: 'issued', archivedKey: true })
    await programs.client.succeed('request', 'accept', 'second', ...who)
    expect(existsSync(join(directory, 'second', 'certificate.pem'))).toBe(true)
  })

  it('refuses in one line what needs the credentials of others', async () => {
    const [otherRole, administration] = await Promise.all([
      programs.front.run('serve', '--role', 'authority'),
      programs.front.run('directory', 'list')
    ])
    expect(otherRole.code).toBe(1)
    expect(otherRole.stderr).toMatch(
      /^certkeep: .*certkeep_front, which can serve the role front only.*config_invalid/m
    )
    expect(administration.code).toBe(1)
    expect(administration.stderr).toMatch(/^certkeep: .*certkeep_front.*owner.*\(config_invalid\)\n$/)
  })

  it('makes an operator at the console, who has a certificate of the front and signs in with it', async () => {
    const { stdout } = await programs.owner.succeed('operator', 'invite')
    const link = `${servers.console.url}/enrol${new URL(stdout.trim()).hash}`
    const trust = join(directory, 'both.pem')
    writeFileSync(trust, [root, join(directory, 'console.pem')].map(file => readFileSync(file, 'utf8')).join(''))
    const files = ['--p12', 'admin.p12', '--password-file', 'admin.password'] as const
    const names = ['--account', 'admin', '--display-name', 'Admin'] as const
    const place = ['--trust', trust, '--enrollment-url', servers.front.url] as const
    await programs.client.succeed('operator', 'enroll', link, ...files, ...names, ...place)
    const who = ['--cert-p12', 'admin.p12', '--cert-password-file', 'admin.password', '--trust', trust] as const
    const shown = await programs.client.succeed('operator', 'who', '--url', servers.console.url, ...who, '-o', 'json')
    expect(JSON.parse(shown.stdout)).toMatchObject({ account: 'CERTKEEP\\admin', roles: [{ role: 'administrator' }] })
    const elsewhere = await programs.client.run('operator', 'who', '--url', servers.front.url, ...who)
    expect(elsewhere.code).toBe(6)
  })

  it('refuses a console without a certificate for its listener, in one line', async () => {
    const program = programIn(directory, {
      CERTKEEP_HOME: home('console'),
      CERTKEEP_DATABASE_URL: databaseUrl('console')
    })
    const refused = await program.run('serve', '--role', 'console')
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/^certkeep: .*https\.certificateFile and https\.keyFile.*\(config_invalid\)\n$/)
  })

  it('ends each process at SIGTERM', async () => {
    const ends = await Promise.all(served.map(role => servers[role].end()))
    expect(ends.map(({ code, stdout }) => ({ code, stdout }))).toEqual(served.map(() => ({ code: 0, stdout: '' })))
  })
})
