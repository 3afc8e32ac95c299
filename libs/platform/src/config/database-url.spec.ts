import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parseDatabaseUrl } from './database-url.js'

const directory = mkdtempSync(join(tmpdir(), 'certkeep-url-'))
const root = join(directory, 'root.pem')
writeFileSync(root, 'ROOT')

afterAll(() => {
  rmSync(directory, { recursive: true })
})

describe('a database URL', () => {
  it('gives the settings of a connection, decoded', () => {
    expect(parseDatabaseUrl('postgres://me:p%40ss%2F@db.example:6432/cert%20keep')).toEqual({
      host: 'db.example',
      port: 6432,
      user: 'me',
      password: 'p@ss/',
      database: 'cert keep'
    })
  })

  it.each([
    ['postgres://u:p@[::1]/d', '::1'],
    ['postgres://u:p@/d?host=/run/postgresql', '/run/postgresql'],
    ['postgres://u:p@%2Frun%2Fpg/d', '/run/pg']
  ])('names the host of %s', (url, host) => {
    expect(parseDatabaseUrl(url)).toMatchObject({ host, port: 5432 })
  })

  it.each([
    ['require', false, false],
    [`require&sslrootcert=${root}`, true, false],
    [`verify-ca&sslrootcert=${root}`, true, false],
    [`verify-full&sslrootcert=${root}`, true, true]
  ])('with sslmode=%s checks the chain: %s, the name: %s', (mode, chain, name) => {
    const { ssl } = parseDatabaseUrl(`postgres://u:p@db/d?sslmode=${mode}`)
    expect(ssl?.rejectUnauthorized).toBe(chain)
    expect(ssl?.checkServerIdentity === undefined).toBe(name)
    expect(ssl?.ca).toBe(chain ? 'ROOT' : undefined)
  })

  it('uses no TLS unless it is asked to', () => {
    expect(parseDatabaseUrl('postgres://u:p@db/d')).not.toHaveProperty('ssl')
    expect(parseDatabaseUrl('postgres://u:p@db/d?sslmode=disable')).not.toHaveProperty('ssl')
  })

  it.each([
    ['mysql://u:secret@db/d', /is no postgres/],
    ['postgres://u:secret@db/d?sslmode=prefer', /sslmode "prefer"/],
    ['postgres://u:secret@db/d?ssl=true', /unknown parameter "ssl"/],
    ['postgres://u:secret@db', /must name/],
    ['postgres://db/d', /must name/],
    ['postgres://u:secret@/d', /must name/],
    [`postgres://u:secret@db/d?sslrootcert=${root}`, /no sslmode/],
    ['postgres://u:secret@db/d?sslmode=verify-full&sslrootcert=/nowhere', /\/nowhere \(sslrootcert/]
  ])('is refused without a word of its password: %s', (url, expected) => {
    expect(() => parseDatabaseUrl(url)).toThrow(expected)
    expect(() => parseDatabaseUrl(url)).not.toThrow(/secret/)
  })
})
