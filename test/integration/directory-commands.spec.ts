import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { programIn, type Ended } from '../helpers/program.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

const directory = mkdtempSync(join(tmpdir(), 'certkeep-directory-'))
const program = programIn(directory, { CERTKEEP_HOME: directory })
let server: TestServer
let owner = ''

beforeAll(async () => {
  server = await startTestServer({ agents: 0 })
  writeFileSync(join(directory, 'root.pem'), server.root)
  const person = await server.addPrincipal()
  owner = `EXAMPLE\\${person.row.accountName}`
  writeFileSync(join(directory, 'own'), person.token, { mode: 0o600 })
  writeFileSync(join(directory, 'admin'), (await server.addOperator('administrator')).token, { mode: 0o600 })
})

afterAll(async () => {
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

const run = (token: string, ...argv: readonly string[]): Promise<Ended> =>
  program.run('directory', ...argv, '--url', server.url, '--trust', 'root.pem', '--token-file', token)
const json = async <T>(token: string, ...argv: readonly string[]): Promise<T> => {
  const { code, stdout, stderr } = await run(token, ...argv, '-o', 'json')
  expect([code, stderr]).toEqual([0, ''])
  return JSON.parse(stdout) as T
}

it('Certificates are registered, listed and taken away, and accounts go out and in, at the command line.', async () => {
  const [registered] = [
    await json<{ code: string; digest: string }>('own', 'certificate', 'register', '--store', 'store')
  ]
  expect(registered.code).toBe('MQ_OK')
  const again = await json<{ code: string }>('own', 'certificate', 'register', '--store', 'store', '--if-not-exist')
  expect(again.code).toBe('MQ_INFORMATION_INTERNAL_USER_CERT_EXIST')
  const { digest } = registered
  expect(await json('own', 'certificate', 'list')).toMatchObject([{ digest, kind: 'internal' }])
  expect((await run('own', 'certificate', 'fetch', digest)).code).toBe(0)

  expect((await run('admin', 'export', 'all.ldif')).code).toBe(0)
  expect(readFileSync(join(directory, 'all.ldif'), 'utf8')).toContain('mSMQSignCertificates::')
  const taken = await json<{ added: number; findings: object[] }>('admin', 'import', 'all.ldif')
  expect(taken).toMatchObject({ added: 0, findings: [] })

  expect((await run('own', 'certificate', 'deregister', digest, '--account', owner)).code).toBe(5)
  expect((await run('admin', 'certificate', 'deregister', digest, '--account', owner)).code).toBe(0)
  expect(await json('own', 'certificate', 'list')).toEqual([])
  expect(await json('admin', 'publications')).toEqual([])
  const refused = await run('admin', 'ldap', 'sync')
  expect([refused.code, refused.stderr]).toEqual([6, expect.stringContaining('directory.ldap.read.enabled')])
})
