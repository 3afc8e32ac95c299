import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { X509Certificate, type KeyObject } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { programIn, type Ended, type ServerProcess } from '../helpers/program.js'
import { vectorPath } from '../helpers/vectors.js'

const directory = mkdtempSync(join(tmpdir(), 'certkeep-cli-'))
// As root, the database server runs as a user that must be able to pass through.
chmodSync(directory, 0o711)
const program = programIn(directory, {
  CERTKEEP_HOME: join(directory, 'home'),
  CERTKEEP_PROFILE: join(directory, 'profile.json'),
  CERTKEEP_HTTPS_PORT: '0',
  CERTKEEP_HTTP_PORT: '0',
  CERTKEEP_METRICS_PORT: '0'
})
const web = ['--token-file', 'web.token'] as const
let server: ServerProcess

function at(...names: readonly string[]): string {
  return join(directory, ...names)
}

function modeOf(...names: readonly string[]): string {
  return (statSync(at(...names)).mode & 0o777).toString(8)
}

/** Runs a command that has to succeed and returns its data. */
async function data(...argv: readonly string[]): Promise<string> {
  return (await program.succeed(...argv)).stdout
}

/** Runs a command that has to succeed, with nothing but talk. */
async function talk(...argv: readonly string[]): Promise<string> {
  const { stdout, stderr } = await program.succeed(...argv)
  if (stdout !== '') throw new Error(`certkeep ${argv.join(' ')} printed data: ${stdout}`)
  return stderr
}

function fingerprint(): string {
  return /--fingerprint ([0-9a-f]{64})/.exec(server.said())?.[1] ?? ''
}

function refusal({ code, stdout, stderr }: Ended): object {
  const [line = ''] = stderr.trimEnd().split('\n').slice(-1)
  return { code, stdout, error: /^certkeep: .* \((\w+)\)$/.exec(line)?.[1] ?? stderr }
}

beforeAll(async () => {
  server = await program.serve()
  // Two at a time: each starts Node.js, and the accounts and the password file are to be made one after the other.
  await Promise.all([
    talk('agent', 'new', 'First', '--out', 'agent1.p12', '--password-file', 'agents.password'),
    talk('directory', 'add', 'alice', '--domain', 'EXAMPLE', '--mail', 'alice@example.org')
  ])
  await Promise.all([
    talk('agent', 'new', 'Second', '--out', 'agent2.p12', '--password-file', 'agents.password'),
    talk('directory', 'add', 'web', '--kind', 'computer', '--domain', 'EXAMPLE', '--dns', 'web.example.org')
  ])
  await Promise.all([
    talk('directory', 'token', 'alice', '--out', 'alice.token'),
    talk('directory', 'token', 'EXAMPLE\\web', '--out', 'web.token'),
    talk('agent', 'new', 'Third', '--out', 'agent3.p12', '--password-file', 'agents.password')
  ])
})

afterAll(async () => {
  await program.clean()
  rmSync(directory, { recursive: true, force: true })
})

describe('the first start and what it names', () => {
  it('prints the address, the fingerprint and the commands that were just used, and no data', () => {
    const said = server.said()
    expect(said).toMatch(/^Certkeep serves https:\/\/127\.0\.0\.1:\d+$/m)
    expect(said).toMatch(/SHA-256 fingerprint {2}([0-9A-F]{2}:){31}[0-9A-F]{2}$/m)
    for (const command of ['agent new', 'directory add', 'directory token', 'bootstrap --url', 'enroll --template']) {
      expect(said).toContain(`npx certkeep ${command} `)
    }
  })

  it('leaves secrets in files for their owner only', () => {
    for (const file of ['agent1.p12', 'agent2.p12', 'agents.password', 'alice.token', 'web.token']) {
      expect([file, modeOf(file)]).toEqual([file, '600'])
    }
    expect(readFileSync(at('alice.token'), 'utf8')).toMatch(/^ckt_[\w-]{43}\n$/)
  })

  it('trusts the server by the right fingerprint only', async () => {
    const wrong = await program.run('bootstrap', '--url', server.url, '--fingerprint', 'ab'.repeat(32))
    expect(refusal(wrong)).toEqual({ code: 7, stdout: '', error: 'chain_invalid' })
    expect(existsSync(at('profile.json'))).toBe(false)
    const bootstrap = ['bootstrap', '--url', server.url, '--fingerprint', fingerprint(), '--token-file', 'alice.token']
    expect(await talk(...bootstrap)).toContain('CA "Certkeep Root CA"')
    expect(refusal(await program.run(...bootstrap))).toEqual({ code: 6, stdout: '', error: 'file_exists' })
  })
})

describe('a certificate in one command', () => {
  it('is installed beside its key, which nobody else may read, and is never overwritten', async () => {
    const enroll = ['enroll', '--template', 'UserEncryption', '--out', 'alice']
    const enrolled = await program.json(...enroll)
    expect([modeOf('alice', 'key.pem'), modeOf('alice', 'certificate.pem'), modeOf('alice', 'chain.pem')]).toEqual([
      '600',
      '644',
      '644'
    ])
    const certificate = new X509Certificate(readFileSync(at('alice', 'certificate.pem')))
    expect(enrolled).toMatchObject({
      serialNumber: certificate.serialNumber.toLowerCase(),
      issuer: 'CN=Certkeep Root CA'
    })
    const again = await program.run(...enroll)
    expect(refusal(again)).toEqual({ code: 6, stdout: '', error: 'file_exists' })
    expect(readFileSync(at('alice', 'certificate.pem'), 'utf8')).toBe(certificate.toString())
  })

  it('comes as one PKCS#12 file when that is wanted', async () => {
    const enroll = [
      'enroll',
      '--template',
      'UserEncryption',
      '--p12',
      'alice.p12',
      '--password-file',
      'agents.password'
    ]
    const ended = await program.run(...enroll, '-o', 'pem', '--quiet')
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(new X509Certificate(ended.stdout).issuer).toBe('CN=Certkeep Root CA')
    expect(modeOf('alice.p12')).toBe('600')
    expect(readFileSync(at('alice.p12'))[0]).toBe(0x30)
    expect(existsSync(at('alice.p12.pending'))).toBe(false)
  })
})

describe('a certificate that exists', () => {
  it('is renewed by the directory that it is installed in, with its key archived as before', async () => {
    const renewed = await program.json('enroll', '--renew', 'alice', '--out', 'alice-renewed')
    const [before, after] = ['alice', 'alice-renewed'].map(
      name => new X509Certificate(readFileSync(at(name, 'certificate.pem')))
    )
    expect(renewed).toMatchObject({ serialNumber: after?.serialNumber.toLowerCase() })
    expect(after?.subject).toBe(before?.subject)
    expect(after?.serialNumber).not.toBe(before?.serialNumber)
    expect(after?.publicKey.equals(before?.publicKey as KeyObject)).toBe(false)
  })

  it('signs requests to renew it and on behalf of another, which an inspection tells', async () => {
    const kept = ['--no-archive', '--agent-cert', 'alice', '--on-behalf-of', 'EXAMPLE\\bob', '--out', 'behalf']
    await Promise.all([
      program.succeed('request', 'new', '--renew', 'alice', '--keep-key', '--form', 'pkcs7', '--out', 'again'),
      program.succeed('request', 'new', '--template', 'UserSignature', ...kept)
    ])
    const [renewal, behalf] = await Promise.all([
      program.json('request', 'inspect', 'again/request.pem'),
      program.json('request', 'inspect', 'behalf/request.pem')
    ])
    const { serialNumber } = new X509Certificate(readFileSync(at('alice', 'certificate.pem')))
    expect(renewal).toMatchObject({
      format: 'pkcs7',
      signature: { valid: true },
      renewal: { serialNumber: serialNumber.toLowerCase() },
      onBehalfOf: null
    })
    expect(behalf).toMatchObject({
      format: 'cmc',
      otherSignatures: [{ valid: true }],
      renewal: null,
      onBehalfOf: 'EXAMPLE\\bob'
    })
  })

  it('needs both halves of what is asked for', async () => {
    const alone = await program.run('request', 'new', '--on-behalf-of', 'EXAMPLE\\bob', '--out', 'half')
    expect(refusal(alone)).toMatchObject({ error: 'invalid_argument' })
  })
})

describe('a certificate step by step', () => {
  it('is a request made, submitted, asked after, fetched and accepted', async () => {
    const made = await program.json('request', 'new', '--template', 'UserEncryption', '--out', 'steps')
    expect(Object.keys(made)).toEqual(['request', 'key', 'state'])
    expect(modeOf(...String(made['key']).split('/'))).toBe('600')
    const inspected = await program.json('request', 'inspect', String(made['request']))
    expect(inspected).toMatchObject({ format: 'cmc', archivedKey: { present: true, keyHash: { matches: true } } })

    const submitted = await program.json('request', 'submit', 'steps')
    expect(submitted).toMatchObject({ dispositionName: 'issued', archivedKey: true, template: 'UserEncryption' })
    const [status, waited, certificate, full] = await Promise.all([
      program.json('request', 'status', 'steps'),
      program.json('request', 'wait', String(submitted['requestId'])),
      data('request', 'fetch', 'steps'),
      program.run('request', 'fetch', 'steps', '--full-response', '--out', 'response.p7', '-o', 'der')
    ])
    expect(status).toEqual(submitted)
    expect(waited).toEqual(submitted)
    expect(full).toMatchObject({ code: 0, stdout: '' })
    const accepted = await data('request', 'accept', 'steps', '--response', 'response.p7', '-o', 'pem')
    expect(accepted.startsWith(certificate)).toBe(true)
    expect(await program.json('request', 'inspect', 'response.p7')).toMatchObject({
      format: 'full-response',
      status: { name: 'success' },
      issuedCertificateHash: { matches: true }
    })
  })

  it('may wait for an officer, and be withdrawn', async () => {
    const wishes = ['--template', 'WebServer', '--subject', 'CN=web', '--san', 'dns:web.example.org', '--no-archive']
    const enrolled = await program.run('enroll', ...wishes, '--out', 'web', '--wait', '5', '-o', 'json', ...web)
    expect(enrolled.code).toBe(3)
    expect(JSON.parse(enrolled.stdout)).toMatchObject({ dispositionName: 'under_submission' })
    expect(enrolled.stderr).toContain('certkeep request accept web')
    expect((await program.run('request', 'accept', 'web', ...web)).code).toBe(3)
    expect(await talk('request', 'cancel', 'web', ...web)).toMatch(/^Request \d+ is withdrawn\.\n$/)
    const after = await program.run('request', 'status', 'web', '-o', 'json', ...web)
    expect(after.code).toBe(4)
    expect(JSON.parse(after.stdout)).toMatchObject({ dispositionName: 'denied' })
    expect(refusal(await program.run('request', 'cancel', 'web', ...web))).toMatchObject({ code: 6, error: 'conflict' })
  })
})

describe('an exit code', () => {
  it('is 4 for a template that the account may not use', async () => {
    const wishes = ['--template', 'WebServer', '--subject', 'CN=x', '--no-archive']
    const denied = await program.run('enroll', ...wishes, '--out', 'denied', '-o', 'json')
    expect(denied.code).toBe(4)
    expect(JSON.parse(denied.stdout)).toMatchObject({ dispositionName: 'denied' })
  })

  it('tells who may not, what is not there and what was meant wrong apart', async () => {
    writeFileSync(at('wrong.token'), `ckt_${'a'.repeat(43)}\n`, { mode: 0o600 })
    chmodSync(at('wrong.token'), 0o600)
    const cases: readonly (readonly [readonly string[], number, string])[] = [
      [['request', 'status', '1', '--token-file', 'wrong.token'], 5, 'unauthenticated'],
      [['request', 'status', '999999'], 6, 'not_found'],
      [['request', 'status', 'nowhere'], 6, 'not_found'],
      [['request', 'inspect', 'nowhere.der'], 6, 'not_found'],
      [['template', 'lint', 'nowhere.json'], 6, 'not_found'],
      [['agent', 'add', 'nowhere.pem', '--name', 'X'], 6, 'not_found'],
      [['enroll', '--template', 'UserEncryption'], 2, 'invalid_argument']
    ]
    const ends = await Promise.all(cases.map(([argv]) => program.run(...argv)))
    expect(ends.map(refusal)).toEqual(cases.map(([, code, error]) => ({ code, stdout: '', error })))
  })

  it('is 2 for a wrong use, and 0 for a question about the use', async () => {
    const [unknown, missing, help] = await Promise.all([
      program.run('frobnicate'),
      program.run('request', 'submit'),
      program.run('request', 'new', '--help')
    ])
    expect([unknown.code, missing.code, help.code]).toEqual([2, 2, 0])
    expect([unknown.stdout, missing.stdout]).toEqual(['', ''])
    expect(help.stdout).toContain('--exchange-cert')
  })
})

describe('commands for the person at the machine', () => {
  it('tell of a request from elsewhere what is in it, without any server', async () => {
    expect(
      await program.json('request', 'inspect', vectorPath('adcs/windows-archival-rsa2048-user.der'))
    ).toMatchObject({ format: 'cmc', archivedKey: { present: true, keyHash: { matches: true } } })
  })

  it('print the CA, its certificate, its exchange certificate and publish its CRL', async () => {
    const [info, certificate] = await Promise.all([data('ca', 'info', '-o', 'json'), data('ca', 'certificate')])
    const [ca] = JSON.parse(info) as Record<string, unknown>[]
    const root = new X509Certificate(certificate)
    expect(ca).toMatchObject({ name: 'Certkeep Root CA', state: 'active', fingerprint: root.fingerprint256 })
    expect(root.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(fingerprint())
    const [exchange, crl] = await Promise.all([data('ca', 'exchange-cert'), talk('ca', 'crl')])
    expect(new X509Certificate(exchange).verify(root.publicKey)).toBe(true)
    // A delta CRL may have taken a number in between.
    const [, number = ''] = /CRL number (\d+) is published\./.exec(crl) ?? []
    expect(Number(number)).toBeGreaterThan(Number(ca?.['crlNumber']))
  })

  it('show, check, take in and give out templates', async () => {
    const [list, shown, exported] = await Promise.all([
      data('template', 'list', '-o', 'json'),
      data('template', 'show', 'UserEncryption'),
      data('template', 'export', 'UserEncryption')
    ])
    const names = (JSON.parse(list) as { readonly name: string }[]).map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['UserEncryption', 'WebServer', 'KeyRecoveryAgent']))
    expect(shown).toMatch(/REQUIRE_PRIVATE_KEY_ARCHIVAL\n +heededBy +ca\n +meaning +The private key is archived/)
    const template = {
      ...(JSON.parse(exported) as object),
      name: 'Team',
      oid: '1.3.6.1.4.1.311.21.8.1.2.3.4',
      displayName: 'Team'
    }
    writeFileSync(at('team.json'), JSON.stringify(template))
    writeFileSync(at('unsafe.json'), JSON.stringify({ ...template, extendedKeyUsages: [] }))
    const [findings, unsafe, imported] = await Promise.all([
      data('template', 'lint', '-o', 'json', 'team.json'),
      program.run('template', 'lint', '-o', 'json', 'unsafe.json', 'team.json'),
      talk('template', 'import', 'team.json')
    ])
    expect(JSON.parse(findings)).toMatchObject({ templates: 1, errors: 0, findings: [], notShown: [] })
    expect(unsafe.code).toBe(1)
    expect(JSON.parse(unsafe.stdout)).toMatchObject({ errors: 1, findings: [{ rule: 'ESC2', object: 'Team' }] })
    expect(imported).toMatch(/^Team 100\.2 is draft \d+\. An operator activates it/)
    const ldif = await data('template', 'export', '--format', 'ldif', '--base', 'DC=example,DC=org', 'WebServer')
    expect(ldif).toMatch(/^version: 1\n\ndn: CN=WebServer,CN=Certificate Templates,/)
    expect(refusal(await program.run('template', 'show', 'Nothing'))).toEqual({
      code: 6,
      stdout: '',
      error: 'not_found'
    })
  })

  it('list and retire agents', async () => {
    const retired = await talk('agent', 'retire', '2')
    expect(retired).toContain('Agent 2 gets no more keys')
    const agents = JSON.parse(await data('agent', 'list', '-o', 'json')) as object[]
    expect(agents).toMatchObject([
      { id: 1, name: 'First', state: 'active', usable: true },
      { id: 2, name: 'Second', state: 'retired', usable: false },
      { id: 3, name: 'Third', state: 'active', usable: true }
    ])
    expect(refusal(await program.run('agent', 'retire', '2'))).toEqual({ code: 6, stdout: '', error: 'conflict' })
    expect(await talk('agent', 'assign', '3', '--account', 'EXAMPLE\\alice')).toContain('Agent 3 is the key of')
    expect(refusal(await program.run('agent', 'assign', '3', '--account', 'EXAMPLE\\alice'))).toMatchObject({
      error: 'conflict'
    })
  })

  it('check and explain the configuration', async () => {
    const [check, reference] = await Promise.all([talk('config', 'check'), data('config', 'reference')])
    expect(check).toBe('The configuration is valid.\n')
    expect(reference).toContain('CERTKEEP_HTTPS_PORT')
  })
})
