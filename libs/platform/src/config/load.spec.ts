import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isAppError } from '@app/core'
import { loadConfig, type ConfigSources } from './load.js'
import { configReference, SETTINGS } from './reference.js'

let home: string

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'certkeep-config-'))
})

afterEach(() => {
  rmSync(home, { recursive: true })
})

function problemOf(env: NodeJS.ProcessEnv, sources?: ConfigSources): string {
  try {
    loadConfig(env, sources)
  } catch (error) {
    if (isAppError(error, 'config_invalid')) return error.message
    throw error
  }
  throw new Error('the configuration was accepted')
}

describe('the configuration', () => {
  it('has a default for everything and listens on the loopback interface only', () => {
    const config = loadConfig({ PATH: '/bin' })
    expect(config).toMatchObject({
      home: resolve('.certkeep'),
      roles: ['front', 'console', 'authority', 'archive'],
      https: { host: '127.0.0.1', port: 8443 },
      http: { host: '127.0.0.1', port: 8080 },
      metrics: { host: '127.0.0.1', port: 9464 },
      publicUrl: 'https://localhost:8443',
      httpBaseUrl: 'http://localhost:8080',
      limits: { bodyBytes: 262144, submitWaitSeconds: 30 },
      file: undefined
    })
    expect(config.databaseUrl).toBeUndefined()
  })

  it('takes the command line over the environment over the file over the defaults', () => {
    const file = join(home, 'certkeep.yaml')
    writeFileSync(file, 'https: { host: 0.0.0.0, port: 1 }\nhttp: { port: 2 }\nmetrics: { port: 3 }\n')
    const config = loadConfig(
      { CERTKEEP_HOME: home, CERTKEEP_HTTP_PORT: '22', CERTKEEP_METRICS_PORT: '33' },
      { overrides: { metrics: { port: 333 } } }
    )
    expect(config.https).toEqual({ host: '0.0.0.0', port: 1 })
    expect(config.http).toEqual({ host: '127.0.0.1', port: 22 })
    expect(config.metrics.port).toBe(333)
    expect(config.file).toBe(file)
  })

  it('reads the file that CERTKEEP_CONFIG names, and paths in it relative to it', () => {
    const file = join(home, 'other.yaml')
    writeFileSync(file, 'home: data\nca: { passphraseFile: secret/passphrase }\n')
    expect(loadConfig({ CERTKEEP_CONFIG: file })).toMatchObject({
      home: join(home, 'data'),
      ca: { passphraseFile: join(home, 'secret/passphrase') }
    })
  })

  it('reads lists, numbers and booleans from variables and takes empty ones for unset', () => {
    const config = loadConfig({
      CERTKEEP_ROLES: 'front, authority',
      CERTKEEP_GRACE_SECONDS: '5',
      CERTKEEP_DATABASE_URL: '',
      CERTKEEP_VECTORS: '/anywhere'
    })
    expect(config).toMatchObject({ roles: ['front', 'authority'], graceSeconds: 5 })
    expect(config.databaseUrl).toBeUndefined()
  })

  it('reads the database URL from a file and does not name the file again', () => {
    const file = join(home, 'url')
    writeFileSync(file, 'postgresql://a:b@db/certkeep\n')
    const config = loadConfig({ CERTKEEP_DATABASE_URL_FILE: file })
    expect(config.databaseUrl).toBe('postgresql://a:b@db/certkeep')
    expect(config).not.toHaveProperty('databaseUrlFile')
  })

  it.each([
    ['an unknown variable', { CERTKEEP_HTPS_PORT: '1' }, /CERTKEEP_HTPS_PORT is no setting/],
    ['a port out of range', { CERTKEEP_HTTPS_PORT: '70000' }, /CERTKEEP_HTTPS_PORT: .*65535/],
    ['a port that is no number', { CERTKEEP_HTTPS_PORT: 'x' }, /CERTKEEP_HTTPS_PORT: .*number/],
    ['an unknown role', { CERTKEEP_ROLES: 'front,back' }, /CERTKEEP_ROLES: .*"archive"/],
    ['a role named twice', { CERTKEEP_ROLES: 'front,front' }, /CERTKEEP_ROLES: names a role twice/],
    [
      'a file that is not there',
      { CERTKEEP_CONFIG: '/nowhere/c.yaml' },
      /\/nowhere\/c.yaml \(CERTKEEP_CONFIG\).*ENOENT/
    ],
    ['a database of another kind', { CERTKEEP_DATABASE_URL: 'mysql://a@b/c' }, /CERTKEEP_DATABASE_URL: /],
    ['two listeners at one address', { CERTKEEP_HTTP_PORT: '8443' }, /same address and port/],
    [
      'a CRL that overlaps more than it lasts',
      { CERTKEEP_CRL_VALIDITY_HOURS: '2', CERTKEEP_CRL_OVERLAP_HOURS: '3' },
      /crl.overlapHours/
    ],
    [
      'two database URLs',
      { CERTKEEP_DATABASE_URL: 'postgres://a@b/c', CERTKEEP_DATABASE_URL_FILE: '/x' },
      /databaseUrl and databaseUrlFile/
    ]
  ])('refuses %s in one line', (_, env: NodeJS.ProcessEnv, expected) => {
    const message = problemOf(env)
    expect(message).toMatch(expected)
    expect(message).not.toContain('\n')
  })

  it.each([
    [
      'unknown keys, each by its path',
      'htps: 1\nlog: { colour: red }\n',
      /log.colour in .*certkeep.yaml is no setting; htps in/
    ],
    ['a home that the file was found in', 'home: /elsewhere\n', /cannot move/],
    ['a key that stands twice', 'graceSeconds: 1\ngraceSeconds: 2\n', /certkeep.yaml: .*unique/],
    ['content that is no settings', '- 1\n', /does not hold settings/],
    ['secrets as values', 'ca: { passphrase: hunter2 }\n', /ca.passphrase in .* is no setting/]
  ])('refuses in a file %s', (_, content, expected) => {
    writeFileSync(join(home, 'certkeep.yaml'), content)
    const message = problemOf({ CERTKEEP_HOME: home })
    expect(message).toMatch(expected)
    expect(message).not.toContain('hunter2')
    expect(message).not.toContain('\n')
  })

  it('knows the variables of its caller', () => {
    expect(loadConfig({ CERTKEEP_URL: 'https://ca' }, { otherVariables: ['CERTKEEP_URL'] }).home).toBe(
      resolve('.certkeep')
    )
  })

  it('never takes a directory for its file', () => {
    mkdirSync(join(home, 'certkeep.yaml'))
    expect(problemOf({ CERTKEEP_HOME: home })).toMatch(/EISDIR/)
  })
})

describe('webhooks', () => {
  const write = (url: string, more = ''): NodeJS.ProcessEnv => {
    writeFileSync(
      join(home, 'certkeep.yaml'),
      `webhooks:\n  - { name: tickets, url: "${url}", secretFile: hook.secret${more} }\n`
    )
    return { CERTKEEP_HOME: home }
  }

  it('tell of everything unless events are named, and their files lie beside the configuration', () => {
    const [webhook] = loadConfig(write('https://tickets.example.org/hook?x=1')).webhooks
    expect(webhook).toEqual({
      name: 'tickets',
      url: 'https://tickets.example.org/hook?x=1',
      secretFile: join(home, 'hook.secret'),
      events: ['pending', 'issued', 'denied', 'failed', 'revoked', 'recovered', 'drill_failed'],
      timeoutSeconds: 10
    })
  })

  it.each(['http://127.0.0.1:9000/', 'http://localhost/', 'http://[::1]:1/'])('may go to %s on this machine', url => {
    expect(loadConfig(write(url)).webhooks).toHaveLength(1)
  })

  it.each([
    'http://tickets.example.org/',
    'http://10.0.0.1/',
    'http://127.0.0.1.example.org/',
    'http://localhost.example.org/',
    'https://user:password@tickets.example.org/',
    'file:///etc/passwd',
    'tickets.example.org'
  ])('may not go to %s', url => {
    expect(problemOf(write(url))).toMatch(/webhooks\.url/)
  })

  it('have names that differ and members that are known', () => {
    expect(problemOf(write('https://a.example/', ', secret: x'))).toMatch(/webhooks\.0\.secret.*is no setting/)
  })
})

describe('the reference of the configuration', () => {
  it('describes every setting with its variable, values and default', () => {
    expect(SETTINGS.filter(({ description }) => description === '')).toEqual([])
    const reference = configReference()
    expect(reference).toContain('limits.bodyBytes  (CERTKEEP_LIMITS_BODY_BYTES)')
    expect(reference).toContain('Values: 1024 to 16777216. Default: 262144.')
    expect(reference).toContain('ca.passphraseFile  (CERTKEEP_CA_PASSPHRASE_FILE)')
    expect(reference).toContain(
      'Values: list of front | console | authority | archive. Default: front,console,authority,archive.'
    )
  })

  it('has one variable for each setting that is no list of groups', () => {
    const settings = SETTINGS.filter(({ path }) => path[0] !== 'webhooks')
    expect(new Set(settings.map(({ variable }) => variable)).size).toBe(settings.length)
    expect(settings.every(({ variable }) => variable !== undefined)).toBe(true)
  })
})
