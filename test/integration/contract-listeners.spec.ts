import { X509Certificate } from 'node:crypto'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fetchTrustedRoot } from '@app/client'
import { decodePem } from '@app/der'
import { decodeCertificate, decodeCrl, verifyCrlSignature } from '@app/x509'
import { callPlain, createCaller, type HttpCaller, type ToldProblem } from '../helpers/http-calls.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

let server: TestServer
let call: HttpCaller

beforeAll(async () => {
  server = await startTestServer()
  call = createCaller(server)
})

afterAll(async () => {
  await call.close()
  await server.stop()
})

describe('the plain HTTP listener', () => {
  const get = (path: string, method: 'GET' | 'POST' | 'PUT' | 'DELETE' = 'GET') =>
    callPlain(server.httpUrl, { path, method, ...(method === 'GET' ? {} : { body: 'x' }) })

  it.each(['/crl/1', '/crl/1-0', '/crl/1-0.crl', '/crl/1.crl'])('serves the CRL at %s', async path => {
    await expect.poll(async () => (await get(path)).status, { timeout: 20_000 }).toBe(200)
    const answer = await get(path)
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/pkix-crl'])
    expect(answer.headers['cache-control']).toMatch(/^public, max-age=\d+$/)
    verifyCrlSignature(decodeCrl(answer.body), server.ca.certificate.publicKey)
  })

  it.each(['/ca/1', '/ca/1-0', '/ca/1-0.cer'])('serves the CA certificate at %s', async path => {
    const answer = await get(path)
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/pkix-cert'])
    expect(decodeCertificate(answer.body).serialHex).toBe(server.ca.certificate.serialHex)
  })

  it('serves both as PEM', async () => {
    expect((await get('/ca/1-0.pem')).body.toString()).toBe(server.root)
    const [crl] = decodePem((await get('/crl/1-0.pem')).body.toString())
    expect(crl?.label).toBe('X509 CRL')
    verifyCrlSignature(decodeCrl(crl?.bytes ?? new Uint8Array()), server.ca.certificate.publicKey)
  })

  it('tells that the process lives', async () => {
    const answer = await get('/healthz')
    expect([answer.status, answer.json()]).toEqual([200, { status: 'ok' }])
  })

  it.each([
    '/',
    '/crl',
    '/crl/2',
    '/crl/1-1.crl',
    '/ca/0',
    '/ca/1-7.cer',
    '/crl/1.exe',
    '/ca/../crl/1',
    '/ca/%2e%2e/crl/1',
    '/api/v1/cas',
    '/api/openapi.json',
    '/cmc/Test%20CA',
    '/readyz',
    '/metrics',
    '/%E0%A4%A',
    '//crl/1',
    '/CRL/1'
  ])('knows nothing of %s', async path => {
    const answer = await get(path)
    expect([answer.status, answer.body.toString()]).toEqual([404, 'Not found\n'])
  })

  it.each(['POST', 'PUT', 'DELETE'] as const)('knows no %s', async method => {
    expect((await get('/crl/1', method)).status).toBe(404)
  })
})

describe('the metrics listener', () => {
  it('counts calls by route and status, never by what a caller wrote', async () => {
    const user = await server.addPrincipal()
    await using client = server.connect(user)
    await client.submit(await pkcs10Request({ template: 'UserSignature' }))
    await call({ path: '/api/v1/cas/somebody-s-secret', token: user.token })
    const answer = await callPlain(server.metricsUrl, { path: '/metrics' })
    expect(answer.headers['content-type']).toContain('text/plain')
    const text = answer.body.toString()
    expect(text).toMatch(
      /certkeep_http_request_seconds_count\{method="POST",route="\/api\/v1\/cas\/:ca\/requests",status="201"\} 1\n/
    )
    expect(text).toMatch(/route="\/api\/v1\/cas\/:ca",status="404"/)
    expect(text).not.toContain('secret')
    expect(text).toMatch(/^process_resident_memory_bytes \d/m)
  })

  it('serves nothing else', async () => {
    for (const path of ['/', '/healthz', '/crl/1']) {
      expect((await callPlain(server.metricsUrl, { path })).status).toBe(404)
    }
  })
})

describe('the HTTPS listener', () => {
  it('tells whether the process lives and can do its work', async () => {
    expect((await call({ path: '/healthz' })).json()).toEqual({ status: 'ok' })
    const ready = await call({ path: '/readyz' })
    expect([ready.status, ready.json()]).toEqual([200, { status: 'ready', checks: { database: 'ok', drill: 'ok' } }])
  })

  it('presents a certificate of its own CA for all of its names, with the root behind it', async () => {
    const { port } = new URL(server.url)
    const peer = await new Promise<X509Certificate | undefined>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: Number(port), ca: server.root }, () => {
        resolve(socket.getPeerX509Certificate())
        socket.end()
      })
      socket.on('error', reject)
    })
    expect(peer?.checkHost('localhost')).toBe('localhost')
    expect(peer?.checkIP('127.0.0.1')).toBe('127.0.0.1')
    const fingerprint = new X509Certificate(server.root).fingerprint256
    expect(await fetchTrustedRoot(server.url, fingerprint)).toBe(server.root)
    await expect(fetchTrustedRoot(server.url, fingerprint.replace(/^../, '00'))).rejects.toMatchObject({
      code: 'chain_invalid'
    })
  })

  it('speaks TLS 1.2 and 1.3 and nothing older', async () => {
    const { port } = new URL(server.url)
    const tried = (version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3') =>
      new Promise<string>(resolve => {
        const where = { host: '127.0.0.1', port: Number(port), ca: server.root }
        // The client's own security level would refuse the old version before the server could.
        const socket = connect(
          { ...where, minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' },
          () => {
            resolve(socket.getProtocol() ?? 'none')
            socket.end()
          }
        )
        socket.on('error', () => resolve('refused'))
      })
    expect([await tried('TLSv1.1'), await tried('TLSv1.2'), await tried('TLSv1.3')]).toEqual([
      'refused',
      'TLSv1.2',
      'TLSv1.3'
    ])
  })
})

interface Operation {
  readonly summary: string
  readonly tags: readonly string[]
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, object>> }
  readonly responses: Readonly<Record<string, object>>
}

interface OpenApi {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

describe('the API document', () => {
  const document = async () => (await call({ path: '/api/openapi.json' })).json<OpenApi>()

  it('is OpenAPI 3.1 and lists every route of the interface for clients', async () => {
    const { openapi, paths } = await document()
    expect(openapi).toMatch(/^3\.1\./)
    const routes = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations)
        .filter(([, operation]) => !('x-certkeep-permission' in operation))
        .map(([method]) => `${method.toUpperCase()} ${path}`)
    )
    const ca = '/api/v1/cas/{ca}'
    const users = '/api/v1/directory/users'
    const mq = '/api/v1/mq'
    expect(routes.toSorted()).toEqual(
      [
        'GET /api/v1/cas',
        `GET ${ca}`,
        `GET ${ca}/certificate`,
        `GET ${ca}/properties/{property}`,
        `POST ${ca}/requests`,
        `GET ${ca}/requests/{id}`,
        `DELETE ${ca}/requests/{id}`,
        `GET ${ca}/requests/{id}/full-response`,
        `GET ${ca}/requests/{id}/full-response/properties/{property}`,
        `GET ${ca}/requests/{id}/certificate`,
        'GET /api/v1/errors/{hresult}',
        'POST /cmc/{ca}',
        'GET /api/v1/recovery-notices',
        'GET /api/v1/directory/encryption-certificates',
        `POST ${users}/me/certificates`,
        `POST ${users}/me/certificate-nonces`,
        `GET ${users}/{user}/certificates`,
        `GET ${users}/{user}/certificates/{digest}`,
        `DELETE ${users}/{user}/certificates/{digest}`,
        `GET ${users}/{user}/mqusersigncerts`,
        `DELETE ${mq}/queues/{queue}`,
        `DELETE ${mq}/queues/{queue}/{place}`,
        `DELETE ${mq}/delegations/{id}`,
        `DELETE ${mq}/keys/{id}`,
        `DELETE ${mq}/security-contexts/{handle}`,
        `GET ${mq}/delegations`,
        `GET ${mq}/keys`,
        `GET ${mq}/security-contexts/{handle}`,
        `POST ${mq}/delegations`,
        `POST ${mq}/keys`,
        `POST ${mq}/queues/{queue}/messages:batch`,
        `POST ${mq}/security-contexts`,
        `POST ${mq}/token`,
        `GET ${mq}/journal`,
        `DELETE ${mq}/journal`,
        `GET ${mq}/dead-letter`,
        `GET ${mq}/queues`,
        `GET ${mq}/queues/{queue}`,
        `GET ${mq}/queues/{queue}/messages`,
        `GET ${mq}/queues/{queue}/{kept}`,
        `PATCH ${mq}/queues/{queue}`,
        `POST ${mq}/queues`,
        `POST ${mq}/queues/{queue}/messages`,
        `POST ${mq}/queues/{queue}/messages/{id}/settle`,
        `POST ${mq}/queues/{queue}/receive`,
        `POST ${mq}/queues/{queue}/sender-checks`,
        `PUT ${mq}/endpoints/{endpoint}`
      ].toSorted()
    )
  })

  it('describes every operation, its parameters and its answers', async () => {
    const { paths } = await document()
    for (const [path, operations] of Object.entries(paths)) {
      for (const operation of Object.values(operations)) {
        expect(operation.summary.length).toBeGreaterThan(5)
        expect(operation.tags).toHaveLength(1)
        expect(Object.keys(operation.responses).length).toBeGreaterThan(0)
        const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
        const described = (operation.parameters ?? []).filter(({ in: place }) => place === 'path')
        expect(described.map(({ name }) => name)).toEqual(named)
      }
    }
  })

  it('says which media types and headers a submission takes', async () => {
    const { paths } = await document()
    const submit = paths['/api/v1/cas/{ca}/requests']?.['post']
    const cmc = paths['/cmc/{ca}']?.['post']
    expect(Object.keys(submit?.requestBody?.content ?? {})).toEqual([
      'application/json',
      'application/pkcs7-mime',
      'application/pkcs10'
    ])
    expect(Object.keys(cmc?.requestBody?.content ?? {})).toEqual(['application/pkcs7-mime', 'application/pkcs10'])
    for (const operation of [submit, cmc]) {
      expect(operation?.parameters?.map(({ name, in: place }) => `${place} ${name}`)).toContain(
        'header Idempotency-Key'
      )
    }
  })

  it('is there for people too', async () => {
    const page = await call({ path: '/api' })
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html'])
    expect((await call({ path: '/api/nothing' })).json<ToldProblem>()).toMatchObject({ status: 404, code: 'not_found' })
  })
})
