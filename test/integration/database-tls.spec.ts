import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { encodePem } from '@app/der'
import { OID } from '@app/oid'
import { parseDatabaseUrl } from '@app/platform'
import { migrateQueueSchema, Wakeups } from '@app/queue'
import { openDatabase, type ConnectionSettings } from '@app/storage'
import { encodeSubjectAltName } from '@app/x509'
import { createTestDatabase, type TestDatabase } from '../helpers/database.js'
import { buildSampleCertificate, nameOf, sampleKey } from '../helpers/x509-samples.js'

const directory = mkdtempSync(join(tmpdir(), 'certkeep-tls-'))
const validity = { notBefore: new Date(Date.now() - 3_600_000), notAfter: new Date(Date.now() + 3_600_000) }
const caKey = sampleKey('P-256')
const serverKey = sampleKey('P-384')
const rootFile = pemFile('root.pem', buildSampleCertificate(caKey, validity))
const otherRootFile = pemFile('other.pem', buildSampleCertificate(sampleKey('P-521'), validity))
const certificate = buildSampleCertificate(
  serverKey,
  {
    ...validity,
    scheme: caKey.scheme,
    serialNumber: Uint8Array.of(2),
    subject: nameOf('CN=database'),
    extensions: [
      {
        oid: OID.id_ce_subjectAltName,
        critical: false,
        value: encodeSubjectAltName([{ kind: 'dNSName', value: 'localhost' }])
      }
    ]
  },
  caKey
)

function pemFile(name: string, bytes: Uint8Array): string {
  const path = join(directory, name)
  writeFileSync(path, encodePem('CERTIFICATE', bytes))
  return path
}

let database: TestDatabase
let server: Server
/** What clients have done at the server since the test began. */
const seen = { encrypted: 0, clear: 0 }
const sockets = new Set<Socket>()

/**
 * A PostgreSQL that takes TLS: answers the request for it (PostgreSQL manual, section 54.2.12), and hands what comes
 * out of it to the server of this test run.
 */
function takeConnection(client: Socket, directoryOfSocket: string): void {
  sockets.add(client)
  client.on('error', () => undefined)
  client.once('data', (first: Buffer) => {
    const isTlsRequest = first.length === 8 && first.readInt32BE(4) === 80_877_103
    const upstream = connect(join(directoryOfSocket, '.s.PGSQL.5432'))
    sockets.add(upstream)
    upstream.on('error', () => client.destroy())
    if (!isTlsRequest) {
      seen.clear++
      upstream.write(first)
      client.pipe(upstream).pipe(client)
      return
    }
    client.write('S')
    const secure = new TLSSocket(client, {
      isServer: true,
      cert: encodePem('CERTIFICATE', certificate),
      key: serverKey.privateKey.export({ type: 'pkcs8', format: 'pem' })
    })
    secure.on('error', () => upstream.destroy())
    secure.once('secure', () => seen.encrypted++)
    secure.pipe(upstream).pipe(secure)
  })
}

function settingsFor(host: string, parameters: string): ConnectionSettings {
  const { user, password = '', database: name = '' } = database.settings.owner
  const { port } = server.address() as AddressInfo
  const url = `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${name}?${parameters}`
  return { ...parseDatabaseUrl(url), applicationName: 'test tls', poolSize: 2 }
}

async function connectBy(host: string, parameters: string): Promise<void> {
  const opened = await openDatabase(settingsFor(host, parameters))
  await opened.close()
}

beforeAll(async () => {
  database = await createTestDatabase()
  const { host = '' } = database.settings.owner
  server = createServer(client => {
    takeConnection(client, host)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})

beforeEach(() => {
  seen.encrypted = 0
  seen.clear = 0
})

afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  await new Promise(resolve => server.close(resolve))
  await database.drop()
  rmSync(directory, { recursive: true })
})

describe('a database URL with TLS', () => {
  it.each([
    ['localhost', 'sslmode=require'],
    ['127.0.0.1', `sslmode=verify-ca&sslrootcert=${rootFile}`],
    ['localhost', `sslmode=verify-full&sslrootcert=${rootFile}`]
  ])('connects to %s by %s, encrypted', async (host, parameters) => {
    await connectBy(host, parameters)
    expect(seen.encrypted).toBeGreaterThan(0)
    expect(seen.clear).toBe(0)
  })

  it.each([
    ['another host', '127.0.0.1', `sslmode=verify-full&sslrootcert=${rootFile}`],
    ['a root that is not trusted', 'localhost', 'sslmode=verify-full'],
    ['another root, by name', 'localhost', `sslmode=verify-full&sslrootcert=${otherRootFile}`],
    ['another root', 'localhost', `sslmode=verify-ca&sslrootcert=${otherRootFile}`],
    ['another root, when one is given', 'localhost', `sslmode=require&sslrootcert=${otherRootFile}`]
  ])('refuses a certificate of %s and never goes on in the clear', async (_, host, parameters) => {
    await expect(connectBy(host, parameters)).rejects.toMatchObject({
      code: 'database_incompatible',
      message: expect.stringMatching(/not secure.*sslrootcert/) as string
    })
    expect(seen.clear).toBe(0)
  })

  it('refuses a server without TLS', async () => {
    const bare = createServer(client => client.once('data', () => client.write('N')).on('error', () => undefined))
    await new Promise<void>(resolve => bare.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = bare.address() as AddressInfo
      const settings = parseDatabaseUrl(`postgres://u:p@localhost:${port}/d?sslmode=require`)
      const opened = openDatabase({ ...settings, applicationName: 'test tls', poolSize: 2 })
      await expect(opened).rejects.toMatchObject({ code: 'database_incompatible' })
    } finally {
      bare.close()
    }
  })

  it('encrypts what the queue sends, too', async () => {
    const connection = settingsFor('localhost', `sslmode=verify-full&sslrootcert=${rootFile}`)
    await migrateQueueSchema(connection)
    const log = { warn: () => undefined, error: () => undefined }
    const wakeups = new Wakeups({ connection, log })
    wakeups.onWake('issue', () => undefined)
    await wakeups.start()
    await wakeups.stop()
    expect(seen.encrypted).toBeGreaterThan(2)
    expect(seen.clear).toBe(0)
  })
})
