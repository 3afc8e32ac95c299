import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CertRequest } from '@app/client'
import { encodePem } from '@app/der'
import { PrincipalStore } from '@app/storage'
import { decidePending, revokeCertificateOf } from '../helpers/decisions.js'
import { pemOf } from '../helpers/enrollment-ca.js'
import { makeIdentity } from '../helpers/cms-messages.js'
import {
  createCaller,
  type ClientIdentity,
  type HttpAnswer,
  type HttpCall,
  type HttpCaller,
  type ToldProblem
} from '../helpers/http-calls.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestCa, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let otherCa: TestCa
let alice: TestPrincipal
let call: HttpCaller
let base: string

beforeAll(async () => {
  server = await startTestServer()
  otherCa = await server.addCa('Other CA')
  alice = await server.addPrincipal()
  call = createCaller(server)
  base = `/api/v1/cas/${encodeURIComponent(server.ca.name)}`
})

afterAll(async () => {
  await call.close()
  await server.stop()
})

/** A problem without what differs from one occurrence to the next. */
function shapeOf(answer: HttpAnswer): Omit<ToldProblem, 'instance'> {
  expect(answer.headers['content-type']).toBe('application/problem+json')
  const { instance, ...rest } = answer.json<ToldProblem>()
  expect(instance).toMatch(/^urn:certkeep:occurrence:[0-9a-f-]{36}$/)
  return rest
}

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>
}

interface OpenApiOperation {
  readonly requestBody?: { readonly content: Readonly<Record<string, object>> }
}

const parameters: Readonly<Record<string, string>> = {
  ca: 'Test CA',
  hresult: '0x0',
  user: 'me',
  digest: '00'.repeat(16)
}

/** A call of every operation of the API document, with values for its parameters and a body that its route takes. */
async function everyOperation(): Promise<readonly HttpCall[]> {
  const { paths } = (await call({ path: '/api/openapi.json' })).json<OpenApi>()
  return Object.entries(paths).flatMap(([pattern, operations]) =>
    Object.entries(operations)
      // The operators' side has a test of its own, of every route and every role.
      .filter(([, operation]) => !('x-certkeep-permission' in operation))
      .map(([method, { requestBody }]) => ({
        method: method.toUpperCase() as Required<HttpCall>['method'],
        path: pattern.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parameters[name] ?? '1')),
        ...bodyFor(Object.keys(requestBody?.content ?? {}))
      }))
  )
}

function bodyFor(types: readonly string[]): Pick<HttpCall, 'headers' | 'body'> {
  const [type] = types
  if (type === undefined) return {}
  const body = types.includes('application/json') ? '{}' : Buffer.from('3000', 'hex')
  return { headers: { 'content-type': types.includes('application/json') ? 'application/json' : type }, body }
}

describe('a call without a credential', () => {
  it('is refused by every operation of the API, save the texts of errors', async () => {
    const operations = await everyOperation()
    expect(operations.length).toBeGreaterThanOrEqual(12)
    const open: string[] = []
    for (const operation of operations) {
      const answer = await call(operation)
      if (answer.status !== 401) {
        open.push(`${operation.method ?? 'GET'} ${operation.path} ${answer.status}`)
        continue
      }
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="certkeep"')
      expect(shapeOf(answer)).toMatchObject({ code: 'unauthenticated', hresult: '0x80070005', retryable: false })
    }
    expect(open).toEqual(['GET /api/v1/errors/0x0 200'])
  })
})

describe('a token', () => {
  it('that is good opens its own account', async () => {
    expect((await call({ path: base, token: alice.token })).status).toBe(200)
  })

  it('is refused in the same words whatever is wrong with it', async () => {
    const principals = new PrincipalStore((await server.database.open('owner')).dataSource)
    const expired = await server.addPrincipal({}, { expiresAt: new Date(Date.now() - 1000) })
    const revoked = await server.addPrincipal()
    await principals.revokeCredential(revoked.credentialId, { actor: 'test' }, new Date())
    const disabled = await server.addPrincipal()
    expect((await call({ path: base, token: disabled.token })).status).toBe(200)
    await principals.disable(disabled.row.id, { actor: 'test' }, new Date())

    const tokens = [`${alice.token.slice(0, -1)}_`, 'short', '', expired.token, revoked.token, disabled.token]
    const shapes = []
    for (const token of tokens) {
      const answer = await call({ path: base, token })
      expect(answer.status).toBe(401)
      shapes.push(shapeOf(answer))
    }
    for (const authorization of [`Basic ${btoa('a:b')}`, alice.token, `Bearer  ${alice.token}`]) {
      shapes.push(shapeOf(await call({ path: base, headers: { authorization } })))
    }
    expect(new Set(shapes.map(shape => JSON.stringify(shape))).size).toBe(1)
  })

  it('ends its requests when the account is disabled while they wait', async () => {
    const computer = await server.addPrincipal({ kind: 'computer' })
    await using client = server.connect(computer)
    await client.submit(await pkcs10Request({ template: 'WebServer', dnsNames: ['a.example.org'] }))
    const principals = new PrincipalStore((await server.database.open('owner')).dataSource)
    await principals.disable(computer.row.id, { actor: 'test' }, new Date())
    await decidePending(server, client.requestId, 'approved')
    const row = () => server.sql(`SELECT state, failure_code FROM certkeep.request WHERE id = $1`, [client.requestId])
    await expect.poll(row, { timeout: 10_000 }).toEqual([{ state: 'failed', failure_code: 'enroll_denied' }])
  })

  it('that is bound to a CA sees that one only', async () => {
    const bound = await server.addPrincipal({}, { caId: otherCa.id })
    const { token } = bound
    const list = (await call({ path: '/api/v1/cas', token })).json<{ items: { name: string }[] }>()
    expect(list.items.map(({ name }) => name)).toEqual(['Other CA'])
    expect((await call({ path: '/api/v1/cas/other%20ca/properties/CANAME', token })).status).toBe(200)

    for (const spelling of ['Test CA', 'test ca', 'TEST CA']) {
      const missing = spelling.replace(/ca$/i, 'xx')
      const path = (name: string) => `/api/v1/cas/${encodeURIComponent(name)}`
      for (const rest of ['', '/certificate', '/properties/1', '/requests/1']) {
        const bodies = []
        for (const name of [spelling, missing]) {
          const answer = await call({ path: `${path(name)}${rest}`, token })
          expect(answer.status).toBe(404)
          bodies.push(JSON.stringify(shapeOf(answer)).replaceAll(name, '…'))
        }
        expect(bodies[0]).toBe(bodies[1])
      }
    }
    const message = { method: 'POST', token, headers: { 'content-type': 'application/pkcs10' }, body: 'x' } as const
    for (const path of [`${base}/requests`, `/cmc/${encodeURIComponent(server.ca.name)}`]) {
      expect((await call({ ...message, path })).status).toBe(404)
    }
  })

  it('without the scope "enroll" reads and does not write', async () => {
    const reader = await server.addPrincipal({ kind: 'computer' }, { scopes: ['other'] })
    const { token } = reader
    expect((await call({ path: base, token })).status).toBe(200)
    const before = await server.sql('SELECT count(*) FROM certkeep.request')
    const body = await pkcs10Request({ template: 'WebServer', dnsNames: ['a.example.org'] })
    const message = { method: 'POST', token, headers: { 'content-type': 'application/pkcs10' }, body } as const
    for (const path of [`${base}/requests`, `/cmc/${encodeURIComponent(server.ca.name)}`]) {
      const answer = await call({ ...message, path })
      expect(answer.status).toBe(403)
      expect(shapeOf(answer)).toMatchObject({ code: 'access_denied', hresult: '0x80070005' })
    }
    expect(await server.sql('SELECT count(*) FROM certkeep.request')).toEqual(before)
  })
})

interface Enrolled {
  readonly principal: TestPrincipal
  readonly requestId: number
  readonly identity: ClientIdentity
}

/** A certificate that was issued to a principal, with its key. */
async function enrolled(principal: TestPrincipal, template: string): Promise<Enrolled> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await using client = server.connect(principal)
  await client.submit(await pkcs10Request({ template, privateKey, dnsNames: ['a.example.org'] }))
  const { requestId } = client
  if (template === 'WebServer') {
    await decidePending(server, requestId, 'approved')
    await client.retrievePending(requestId, { wait: 10 })
  }
  const certificate = encodePem('CERTIFICATE', await client.getCertificate())
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { principal, requestId, identity: { certificate, privateKey: pem } }
}

async function statusWith(identity: ClientIdentity, changes: Partial<HttpCall> = {}): Promise<number> {
  const caller = createCaller(server, identity)
  try {
    return (await caller({ path: base, ...changes })).status
  } finally {
    await caller.close()
  }
}

describe('a client certificate', () => {
  it('for client authentication opens the account that it was issued to', async () => {
    const { identity, principal, requestId } = await enrolled(await server.addPrincipal(), 'UserSignature')
    const caller = createCaller(server, identity)
    const first = await caller({ path: `${base}/requests/${requestId}` })
    expect(first.json()).toMatchObject({ requestId, dispositionName: 'issued' })
    const submitted = await caller({
      method: 'POST',
      path: `${base}/requests`,
      headers: { 'content-type': 'application/pkcs10' },
      body: await pkcs10Request({ template: 'UserSignature' })
    })
    await caller.close()
    const second = submitted.json<{ requestId: number; disposition: number }>()
    expect(second.disposition).toBe(3)
    await using client = server.connect(principal)
    expect(await client.retrievePending(second.requestId)).toBe(3)
  })

  it('opens a new session as it opened the first', async () => {
    const { identity } = await enrolled(await server.addPrincipal(), 'UserSignature')
    for (let session = 0; session < 3; session++) expect(await statusWith(identity)).toBe(200)
  })

  it('does not stand in for a token that is wrong', async () => {
    const { identity } = await enrolled(await server.addPrincipal(), 'UserSignature')
    expect(await statusWith(identity, { token: `${alice.token.slice(0, -1)}_` })).toBe(401)
    expect(await statusWith(identity, { token: alice.token })).toBe(200)
  })

  it('that is revoked opens nothing, on connections that are open already too', async () => {
    const { identity, requestId } = await enrolled(await server.addPrincipal(), 'UserSignature')
    const caller = createCaller(server, identity)
    expect((await caller({ path: base })).status).toBe(200)
    await revokeCertificateOf(server, requestId)
    expect((await caller({ path: base })).status).toBe(401)
    await caller.close()
    expect(await statusWith(identity)).toBe(401)
  })

  it('that has ended opens nothing', async () => {
    const { identity, requestId } = await enrolled(await server.addPrincipal(), 'UserSignature')
    await server.sql(`UPDATE certkeep.certificate SET not_after = now() - interval '1 second' WHERE request_id = $1`, [
      requestId
    ])
    expect(await statusWith(identity)).toBe(401)
  })

  it('of a disabled account opens nothing', async () => {
    const { identity, principal } = await enrolled(await server.addPrincipal(), 'UserSignature')
    const principals = new PrincipalStore((await server.database.open('owner')).dataSource)
    await principals.disable(principal.row.id, { actor: 'test' }, new Date())
    expect(await statusWith(identity)).toBe(401)
  })

  it('for servers only opens nothing', async () => {
    const { identity } = await enrolled(await server.addPrincipal({ kind: 'computer' }), 'WebServer')
    expect(await statusWith(identity)).toBe(401)
  })

  it('of somebody else is no credential', async () => {
    const foreign = makeIdentity({ name: alice.row.accountName })
    const privateKey = foreign.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    expect(await statusWith({ certificate: pemOf(foreign.certificate), privateKey })).toBe(401)
  })
})

describe("another's request", () => {
  it('is answered for as one that does not exist, by every route', async () => {
    const bob = await server.addPrincipal({ kind: 'computer' })
    await using client: CertRequest = server.connect(bob)
    await client.submit(await pkcs10Request({ template: 'WebServer', dnsNames: ['a.example.org'] }))
    const theirs = client.requestId
    const missing = 2_000_000_000
    for (const [method, rest] of [
      ['GET', ''],
      ['GET', '?wait=1'],
      ['DELETE', ''],
      ['GET', '/full-response'],
      ['GET', '/full-response/properties/4'],
      ['GET', '/certificate']
    ] as const) {
      const shapes = []
      for (const id of [theirs, missing]) {
        const answer = await call({ method, path: `${base}/requests/${id}${rest}`, token: alice.token })
        expect([method, rest, answer.status]).toEqual([method, rest, 404])
        shapes.push(JSON.stringify(shapeOf(answer)).replaceAll(String(id), '…'))
      }
      expect(shapes[0]).toBe(shapes[1])
    }
    expect(await client.retrievePending(theirs)).toBe(5)
  })

  it('is not found at another CA than the one that took it either', async () => {
    await using client = server.connect(alice)
    await client.submit(await pkcs10Request({ template: 'UserSignature' }))
    await using elsewhere = server.connect(alice, otherCa.name)
    await expect(elsewhere.retrievePending(client.requestId)).rejects.toMatchObject({ code: 'not_found' })
  })
})
