import { mkdir, readFile } from 'node:fs/promises'
import { CertRequest, Enrollment } from '@app/client'
import { encodePem } from '@app/der'
import { createLogger, loadConfig, type Config } from '@app/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addAgent } from '../../apps/cli/src/administration/agent-actions.js'
import { exportCaCertificate } from '../../apps/cli/src/administration/ca-actions.js'
import { addPrincipal, issueToken } from '../../apps/cli/src/administration/directory-actions.js'
import { startServer, type RunningServer } from '../../apps/cli/src/server.js'
import { administer } from '../helpers/administration.js'
import { makeRecoveryAgent } from '../helpers/recovery-agent.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { startDebianPostgres, type DebianPostgres } from './debian-postgres.js'
import { runOpenssl } from './programs.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

let directory: WorkDirectory

beforeAll(async () => {
  directory = await makeWorkDirectory()
})

afterAll(() => directory.remove())

describe('the HTTPS listener', () => {
  let server: TestServer
  let root: string

  beforeAll(async () => {
    server = await startTestServer()
    root = await directory.put('root.pem', server.root)
  })

  afterAll(() => server.stop())

  /** What `openssl s_client` prints of a session that it trusts; input goes to the server. */
  async function connect(options: readonly string[], input = ''): Promise<string> {
    const address = server.url.replace('https://', '')
    const client = ['s_client', '-connect', address, '-CAfile', root, '-verify_return_error', ...options]
    return (await runOpenssl(client, input)).toString()
  }

  it.each([
    ['-tls1_2', 'TLSv1.2'],
    ['-tls1_3', 'TLSv1.3']
  ])('speaks the version that a client asks for by %s', async (option, version) => {
    const session = await connect([option])
    expect(session).toContain(`New, ${version}, Cipher is `)
    expect(session).toContain('Verify return code: 0 (ok)')
  })

  // OpenSSL itself refuses these unless its security level is lowered; that it is the server's alert shows who refuses.
  it.each(['-tls1', '-tls1_1'])('refuses the version that a client asks for by %s', async option => {
    await expect(connect([option, '-cipher', 'ALL:@SECLEVEL=0'])).rejects.toThrow(/alert protocol version/)
  })

  it.each([
    ['-verify_hostname', 'localhost'],
    ['-verify_ip', '127.0.0.1'],
    ['-verify_ip', '::1']
  ])('has a certificate under the root for %s %s', async (option, name) => {
    expect(await connect([option, name, '-x509_strict'])).toContain('Verify return code: 0 (ok)')
  })

  it.each([
    ['-verify_hostname', 'ca.example.org', /hostname mismatch/i],
    ['-verify_ip', '127.0.0.2', /IP address mismatch/i]
  ])('has no certificate for %s %s', async (option, name, complaint) => {
    await expect(connect([option, name])).rejects.toThrow(complaint)
  })

  it('is not trusted by who trusts another root', async () => {
    const other = directory.at('other.pem')
    await runOpenssl([
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=Test CA', '-keyout', '/dev/null', '-out', other]
    ])
    const address = server.url.replace('https://', '')
    await expect(
      runOpenssl(['s_client', '-connect', address, '-CAfile', other, '-verify_return_error'])
    ).rejects.toThrow(/verify error|certificate verify failed/)
  })

  it('knows a client of OpenSSL by the certificate that this CA gave it', async () => {
    const requester = await server.addPrincipal()
    await using client = server.connect(requester)
    const enrollment = new Enrollment({ trust: server.root, key: { algorithm: 'p-256' } })
    await client.submit(await enrollment.createRequest({ type: 'cmc', template: { name: 'UserSignature' } }))
    const { certificate, privateKey } = await enrollment.acceptResponse(await client.getFullResponse())
    const identity = ['-cert', await directory.putCertificates('client.pem', certificate)]
    identity.push('-key', await directory.putKey('client.key', privateKey))
    const call = 'GET /api/v1/cas HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
    expect(await connect(['-quiet', '-ign_eof', ...identity], call)).toMatch(/^HTTP\/1\.1 200 [\s\S]*"Test CA"/)
    expect(await connect(['-quiet', '-ign_eof'], call)).toMatch(/^HTTP\/1\.1 401 /)
  })
})

describe('a PostgreSQL that takes nothing but TLS with a client certificate', () => {
  let postgres: DebianPostgres

  beforeAll(async () => {
    postgres = await startDebianPostgres(directory)
  })

  afterAll(() => postgres.stop())

  async function configFor(name: string, databaseUrl: string): Promise<Config> {
    const home = directory.at(name)
    await mkdir(home, { recursive: true })
    const listeners = { https: { port: 0 }, http: { port: 0 }, metrics: { port: 0 } }
    return loadConfig({}, { overrides: { home, databaseUrl, ...listeners, graceSeconds: 5 } })
  }

  const log = createLogger({ level: 'silent', format: 'json' })

  it('holds the rows of a whole server, whose every role connects so', async () => {
    const config = await configFor('home', postgres.url(postgres.parameters))
    const server = await startServer(config, log)
    try {
      await enrollAt(server, config)
      const sessions = await postgres.query(
        `SELECT DISTINCT usename, ssl, s.version, client_dn FROM pg_stat_activity JOIN pg_stat_ssl AS s USING (pid)
         WHERE datname = 'certkeep' AND usename LIKE 'certkeep%' ORDER BY usename`
      )
      expect(sessions).toEqual([
        'certkeep_archive|t|TLSv1.3|/CN=client',
        'certkeep_authority|t|TLSv1.3|/CN=client',
        'certkeep_console|t|TLSv1.3|/CN=client',
        'certkeep_front|t|TLSv1.3|/CN=client'
      ])
      const states = await postgres.query(
        `SELECT state FROM certkeep.request JOIN certkeep.sealed_key ON request_id = id`
      )
      expect(states).toEqual(['issued'])
    } finally {
      await server.shutdown.run('test')
    }
  })

  async function enrollAt(server: RunningServer, config: Config): Promise<void> {
    const caName = server.firstCa?.name ?? ''
    const token = directory.at('token')
    const trust = await administer({ config }, async () => {
      for (const name of ['one', 'two', 'three']) {
        const { certificate } = await makeRecoveryAgent(name)
        const file = await directory.put(`${name}.pem`, encodePem('CERTIFICATE', certificate.raw))
        await addAgent({ name, file })
      }
      const mail = 'alice@example.org'
      await addPrincipal({ accountName: 'alice', kind: 'user', domain: 'EXAMPLE', upn: mail, mail })
      await issueToken({ account: 'alice', days: 1, out: token })
      return exportCaCertificate(caName)
    })
    const url = `https://127.0.0.1:${server.ports?.https}`
    const credentials = { token: (await readFile(token, 'utf8')).trim() }
    await using client = new CertRequest({ url, trust, ca: caName, credentials })
    const exchange = await client.getCACertificate({ exchange: true })
    const enrollment = new Enrollment({ trust, privateKeyArchiveCertificate: exchange })
    await client.submit(await enrollment.createRequest({ type: 'cmc', template: { name: 'UserEncryption' } }))
    expect(client.dispositionMessage).toBe('Issued')
    await enrollment.acceptResponse(await client.getFullResponse())
  }

  it('is not used without TLS, without the certificate, under another root or another name', async () => {
    const { sslmode, sslrootcert } = postgres.parameters
    const other = directory.at('other-root.pem')
    await runOpenssl([
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=Database Root', '-keyout', '/dev/null'],
      ['-out', other]
    ])
    const refused: readonly (readonly [url: string, reason: RegExp])[] = [
      [postgres.url({}), /refuses the connection.*no encryption/],
      [postgres.url({ sslmode, sslrootcert }), /refuses the connection.*valid client certificate/],
      [postgres.url({ ...postgres.parameters, sslrootcert: other }), /not secure/],
      [postgres.url(postgres.parameters, '127.0.0.1'), /not secure.*127\.0\.0\.1/]
    ]
    for (const [url, reason] of refused) {
      const start = startServer(await configFor('refused', url), log)
      await expect(start).rejects.toMatchObject({
        code: 'database_incompatible',
        message: expect.stringMatching(reason)
      })
    }
  })
})
