import { createHash, randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CertificateDirectory, isAppError, PersonalStore } from '@app/client'
import { decodeUserSignCerts } from '@app/directory'
import { makeIdentity } from '../helpers/cms-messages.js'
import { during } from '../helpers/database-faults.js'
import { createCaller, type HttpCaller } from '../helpers/http-calls.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let call: HttpCaller
let home: string

beforeAll(async () => {
  server = await startTestServer()
  call = createCaller(server)
  home = mkdtempSync(join(tmpdir(), 'certkeep-stores-'))
})

afterAll(async () => {
  await call.close()
  await server.stop()
  rmSync(home, { recursive: true })
})

/** A client of the directory, on a machine of its own. */
async function machine(principal: TestPrincipal): Promise<CertificateDirectory & { readonly store: PersonalStore }> {
  const store = await PersonalStore.open(join(home, randomUUID()))
  const credentials = { token: principal.token }
  return Object.assign(new CertificateDirectory({ url: server.url, trust: server.root, credentials, store }), { store })
}

const path = '/api/v1/directory/users/me/certificates'
const headers = { 'content-type': 'application/json' }

/** What a registration by HTTP is answered: status, code and HRESULT. */
async function told(principal: TestPrincipal, body: object, more: Record<string, string> = {}): Promise<object> {
  const answer = await call({
    method: 'POST',
    path,
    token: principal.token,
    headers: { ...headers, ...more },
    body: JSON.stringify(body)
  })
  const { code, hresult } = JSON.parse(Buffer.from(answer.body).toString()) as { code: string; hresult: string }
  return { status: answer.status, code, hresult }
}

const invalid = { status: 400, code: 'MQ_ERROR_INVALID_PARAMETER', hresult: '0xc00e0006' }
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const external = (): Uint8Array => makeIdentity().certificate.raw
const versionOf = async (user: TestPrincipal): Promise<number> => {
  const [row] = await server.sql<{ version: string }>(
    'SELECT version FROM certkeep.certificate_list WHERE principal_id = $1',
    [user.row.id]
  )
  return Number(row?.version ?? 0)
}

describe('registering a certificate', () => {
  it('000-1 internal ALWAYS twice leaves one of the machine, another one than before, and all others', async () => {
    const user = await server.addPrincipal()
    await using here = await machine(user)
    await using there = await machine(user)
    const elsewhere = await there.registerCertificate()
    const foreign = await here.registerCertificate({ flags: 1, certificate: external() })
    const first = await here.registerCertificate({ flags: 'MQCERT_REGISTER_ALWAYS' })
    const second = await here.registerCertificate({ flags: 1 })
    expect(second).toMatchObject({ code: 'MQ_OK', hresult: '0x00000000' })
    expect(second.digest).not.toBe(first.digest)
    expect((await here.list()).map(({ digest }) => digest)).toEqual([elsewhere.digest, foreign.digest, second.digest])
    const stored = await here.store.findInternal()
    expect(base64(stored?.certificate ?? Buffer.alloc(0))).toBe(base64(second.certificate))
    expect(await here.fetch(elsewhere.digest, user.row.sid)).toEqual(new Uint8Array(elsewhere.certificate))
    const events = await server.sql<{ replaced: string | null }>(
      `SELECT detail ->> 'replaced' AS replaced FROM certkeep.audit_event
       WHERE action = 'principal.certificate_registered' AND object_id = $1 ORDER BY seq`,
      [user.row.id]
    )
    expect(events.map(({ replaced }) => replaced)).toEqual([null, null, null, first.digest])
  })

  it('000-2 internal IF_NOT_EXIST looks at the machine alone, and changes nothing the second time', async () => {
    const user = await server.addPrincipal()
    const machineId = randomUUID()
    const csr = base64(await pkcs10Request())
    const body = { flags: 'MQCERT_REGISTER_IF_NOT_EXIST', machineId, csr }
    expect(await told(user, body)).toEqual({ status: 201, code: 'MQ_OK', hresult: '0x00000000' })
    const before = await versionOf(user)
    const exists = { status: 200, code: 'MQ_INFORMATION_INTERNAL_USER_CERT_EXIST', hresult: '0x400e000a' }
    expect(await told(user, { ...body, csr: base64(await pkcs10Request()) })).toEqual(exists)
    expect(await versionOf(user)).toBe(before)
    await server.sql('DELETE FROM certkeep.registered_certificate WHERE principal_id = $1', [user.row.id])
    expect(await told(user, body)).toEqual(exists)
    expect(await told(user, { ...body, machineId: randomUUID(), csr: base64(await pkcs10Request()) })).toMatchObject({
      status: 201
    })

    await using client = await machine(user)
    const made = await client.registerCertificate({ flags: 2 })
    await client.deregister(made.digest)
    expect(await client.registerCertificate({ flags: 2 })).toMatchObject({
      code: 'MQ_INFORMATION_INTERNAL_USER_CERT_EXIST',
      hresult: '0x400e000a',
      digest: made.digest
    })
    expect((await client.registerCertificate({ flags: 1 })).code).toBe('MQ_OK')
  })

  it('000-3 external takes DER once, with ALWAYS alone, and nothing that is no certificate', async () => {
    const user = await server.addPrincipal()
    const certificate = base64(external())
    expect(await told(user, { flags: 1, certificate })).toEqual({ status: 201, code: 'MQ_OK', hresult: '0x00000000' })
    expect(await told(user, { flags: 1, certificate })).toEqual({
      status: 409,
      code: 'MQ_ERROR_INTERNAL_USER_CERT_EXIST',
      hresult: '0xc00e002e'
    })
    expect(await told(user, { flags: 2, certificate: base64(external()) })).toEqual(invalid)
    const pem = `-----BEGIN CERTIFICATE-----\n${certificate}\n-----END CERTIFICATE-----`
    for (const other of ['', pem, base64(Buffer.from(pem)), base64(Buffer.from('garbage'))]) {
      expect(await told(user, { flags: 1, certificate: other })).toEqual(invalid)
    }
    for (const flags of [0, 3, 'MQ_REGISTER_IF_NOT_EXIST']) expect(await told(user, { flags })).toEqual(invalid)
    expect(await told(user, { flags: 1 })).toEqual(invalid)
    // Another account may have the same certificate: what it proves is for the receiver to see.
    expect(await told(await server.addPrincipal(), { flags: 1, certificate })).toMatchObject({ status: 201 })
  })

  it('000-4 is for accounts of a domain, and fails by its name where a store cannot be used', async () => {
    const local = await server.addPrincipal({ sid: 'S-1-5-20' })
    const certificate = base64(external())
    expect(await told(local, { flags: 1, certificate })).toEqual({
      status: 403,
      code: 'MQ_ERROR_ILLEGAL_USER',
      hresult: '0xc00e0011'
    })
    const [closed, unreadable] = [join(home, 'closed'), join(home, 'unreadable')]
    mkdirSync(closed, { mode: 0o555 })
    await PersonalStore.open(unreadable)
    chmodSync(unreadable, 0o000)
    chmodSync(home, 0o755)
    expect(await openAsAnybody(join(closed, 'store'))).toBe('MQ_ERROR_CANNOT_CREATE_CERT_STORE')
    expect(await openAsAnybody(unreadable)).toBe('MQ_ERROR_CANNOT_OPEN_CERT_STORE')
    chmodSync(unreadable, 0o700)
  })

  it('000-5 keeps the public part alone, under the caller’s own SID whatever the body says', async () => {
    const [user, other] = [await server.addPrincipal(), await server.addPrincipal()]
    const body = { flags: 1, certificate: base64(external()), sid: other.row.sid, principalId: other.row.id }
    expect(await told(user, body)).toMatchObject({ status: 201 })
    await using client = await machine(user)
    await client.registerCertificate()
    expect(await client.list(other.row.sid)).toEqual([])
    expect(await client.list(user.row.upn ?? '')).toHaveLength(2)
    expect(await client.list(`EXAMPLE\\${user.row.accountName}`)).toHaveLength(2)
    await expect(client.list('nobody')).rejects.toMatchObject({ code: 'not_found' })
    const stored = await client.store.findInternal()
    const secret = Buffer.from(stored?.privateKey.export({ format: 'jwk' }).d ?? 'none', 'base64url')
    for (const table of ['registered_certificate', 'internal_certificate', 'request', 'certificate', 'audit_event']) {
      const rows = await server.sql<{ row: string }>(`SELECT t::text AS row FROM certkeep.${table} AS t`)
      expect(rows.some(({ row }) => row.includes(secret.toString('hex')))).toBe(false)
    }
  })

  it('000-6 is exported as MQUSERSIGNCERTS, with the digests in its order', async () => {
    const user = await server.addPrincipal()
    await using client = await machine(user)
    for (let index = 0; index < 3; index++) await client.registerCertificate({ certificate: external() })
    const listed = await client.list()
    const entries = decodeUserSignCerts(await client.exportUserSignCerts())
    expect(entries.map(({ identifier }) => identifier)).toEqual(listed.map(({ identifier }) => identifier))
    expect(entries.map(({ certificate }) => createHash('md5').update(certificate).digest('hex'))).toEqual(
      listed.map(({ digest }) => digest)
    )
  })

  it('000-7 leaves the old certificate and key when the write fails, and loses none of 20 at once', async () => {
    const user = await server.addPrincipal()
    await using client = await machine(user)
    const first = await client.registerCertificate()
    await during(server, { table: 'registered_certificate', on: 'INSERT' }, async () => {
      await expect(client.registerCertificate()).rejects.toMatchObject({ code: 'MQ_ERROR_NO_DS' })
    })
    // The write that is tried first fails before anything is made.
    const requests = async (): Promise<number> =>
      (await server.sql('SELECT 1 FROM certkeep.request WHERE requester_id = $1', [user.row.id])).length
    const before = await requests()
    await during(server, { table: 'certificate_list', on: 'UPDATE' }, async () => {
      await expect(client.registerCertificate()).rejects.toMatchObject({ code: 'MQ_ERROR_NO_DS' })
    })
    expect(await requests()).toBe(before)
    expect((await client.list()).map(({ digest }) => digest)).toEqual([first.digest])
    const stored = await client.store.findInternal()
    expect(base64(stored?.certificate ?? Buffer.alloc(0))).toBe(base64(first.certificate))
    await server.sql(`
      ALTER TABLE certkeep.registered_certificate ADD CONSTRAINT defect CHECK (subject <> 'CN=Broken')`)
    const broken = { certificate: base64(makeIdentity({ name: 'Broken' }).certificate.raw) }
    const error = { status: 500, code: 'MQ_ERROR_DS_ERROR', hresult: '0xc00e0043' }
    expect(await told(user, broken)).toEqual(error)
    const certificates = Array.from({ length: 20 }, () => external())
    await Promise.all(certificates.map(certificate => client.registerCertificate({ certificate })))
    expect(await client.list()).toHaveLength(21)
  })

  it('stops at the limit of an account and at a list that has changed', async () => {
    const user = await server.addPrincipal()
    await server.restart({ directory: { certificatesPerUser: 2 } })
    await told(user, { certificate: base64(external()) })
    const first = await call({ path, token: user.token })
    const changed = { status: 412, code: 'precondition_failed' }
    await told(user, { certificate: base64(external()) })
    const stale = { 'if-match': String(first.headers['etag']) }
    expect(await told(user, { certificate: base64(external()) }, stale)).toMatchObject(changed)
    expect(await told(user, { certificate: base64(external()) })).toEqual({
      status: 507,
      code: 'MQ_ERROR_DS_IS_FULL',
      hresult: '0xc00e0042'
    })
    // Nothing is issued that has no place in the list, or is for a list that is another by now.
    const requests = () => server.sql('SELECT id FROM certkeep.request WHERE requester_id = $1', [user.row.id])
    const internal = { machineId: randomUUID(), csr: base64(await pkcs10Request()) }
    expect(await told(user, internal)).toMatchObject({ code: 'MQ_ERROR_DS_IS_FULL' })
    expect(await told(user, internal, stale)).toMatchObject(changed)
    expect(await requests()).toEqual([])
  })

  it('in workgroup mode is not supported', async () => {
    const user = await server.addPrincipal({ sid: 'S-1-5-19' })
    await server.restart({ directory: { workgroup: true } })
    expect(await told(user, { flags: 3 })).toEqual(invalid)
    expect(await told(user, { certificate: base64(external()) })).toEqual({
      status: 501,
      code: 'MQ_ERROR_UNSUPPORTED_OPERATION',
      hresult: '0xc00e006a'
    })
    await server.restart({ directory: { requirePossession: true } })
  })

  it('of another’s certificate fails where possession must be proved', async () => {
    const user = await server.addPrincipal()
    await using client = await machine(user)
    const { certificate, privateKey } = makeIdentity()
    const missing = { code: 'proof_of_possession_missing' }
    await expect(client.registerCertificate({ certificate: certificate.raw })).rejects.toMatchObject(missing)
    await client.store.addExternal({ certificate: certificate.raw, privateKey })
    expect((await client.registerCertificate({ certificate: certificate.raw })).code).toBe('MQ_OK')
    const nonce = async (who: TestPrincipal): Promise<string> => {
      const answer = await call({
        method: 'POST',
        path: `${path.slice(0, -1)}-nonces`,
        token: who.token,
        headers,
        body: '{}'
      })
      return (JSON.parse(Buffer.from(answer.body).toString()) as { nonce: string }).nonce
    }
    const another = base64(external())
    const proof = { nonce: await nonce(user), signature: base64(Buffer.from('no signature')) }
    const refused = { status: 422, code: 'proof_of_possession_invalid' }
    expect(await told(user, { certificate: another, proof })).toMatchObject(refused)
    const foreign = { ...proof, nonce: await nonce(await server.addPrincipal()) }
    expect(await told(user, { certificate: another, proof: foreign })).toMatchObject(refused)
  })
})

/** The code that opening a store ends with, for somebody who is not root. */
async function openAsAnybody(directory: string): Promise<unknown> {
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  try {
    await PersonalStore.open(directory)
    return undefined
  } catch (error) {
    return isAppError(error) ? error.code : error
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}
