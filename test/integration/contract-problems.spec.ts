import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createCaller,
  type HttpAnswer,
  type HttpCall,
  type HttpCaller,
  type ToldProblem
} from '../helpers/http-calls.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let user: TestPrincipal
let call: HttpCaller
let base: string

beforeAll(async () => {
  server = await startTestServer({
    settings: { limits: { bodyBytes: 20_000, requestsPerMinute: 0, failuresPerMinute: 0 } }
  })
  user = await server.addPrincipal()
  call = createCaller(server)
  base = `/api/v1/cas/${encodeURIComponent(server.ca.name)}`
})

afterAll(async () => {
  await call.close()
  await server.stop()
})

const json = { 'content-type': 'application/json' }

function post(
  body: Uint8Array | string,
  headers: Readonly<Record<string, string>> = json,
  query = ''
): Promise<HttpAnswer> {
  return call({ method: 'POST', path: `${base}/requests${query}`, token: user.token, headers, body })
}

/** The problem that an answer is, once its form has been held against RFC 9457 and what this server adds. */
function problemIn(answer: HttpAnswer): ToldProblem {
  expect(answer.headers['content-type']).toBe('application/problem+json')
  expect(answer.headers['cache-control']).toBe('no-store')
  const problem = answer.json<ToldProblem>()
  expect(problem.status).toBe(answer.status)
  expect(problem.type).toBe(`urn:certkeep:problem:${problem.code}`)
  expect(problem.instance).toBe(`urn:certkeep:occurrence:${String(answer.headers['x-request-id'])}`)
  expect(problem.hresult).toMatch(/^0x[0-9a-f]{8}$/)
  expect(problem.title.length).toBeGreaterThan(5)
  expect(problem.detail).toMatch(/\.$/)
  expect(typeof problem.retryable).toBe('boolean')
  expect(answer.body.toString()).not.toMatch(/node_modules|\.[jt]s:\d/)
  return problem
}

const pointersIn = (answer: HttpAnswer) => problemIn(answer).errors?.map(({ pointer }) => pointer)

describe('a body that breaks its schema', () => {
  it.each([
    ['no members', {}, ['/request']],
    ['an empty request', { request: '' }, ['/request']],
    ['a number for a request', { request: 5 }, ['/request']],
    ['an unknown member', { request: 'MAA=', flag: 1 }, ['/flag']],
    ['flags out of range', { request: 'MAA=', flags: -1 }, ['/flags']],
    ['flags of another type', { request: 'MAA=', flags: 'CR_IN_CMC' }, ['/flags']],
    ['a flag of another type', { request: 'MAA=', flags: ['CR_IN_CMC', 4] }, ['/flags/1']],
    ['attributes that are too long', { request: 'MAA=', attributes: 'x'.repeat(1537) }, ['/attributes']],
    ['two wrong members', { request: 1, attributes: {} }, ['/request', '/attributes']],
    ['a list', [], ['']],
    ['nothing', null, ['']]
  ])('as one with %s does is a problem that points at it', async (_what, body, pointers) => {
    const answer = await post(JSON.stringify(body))
    expect(answer.status).toBe(400)
    expect(problemIn(answer)).toMatchObject({ code: 'invalid_argument', hresult: '0x80070057', retryable: false })
    expect(pointersIn(answer)).toEqual(pointers)
  })

  it('is not recorded as a request', async () => {
    expect(await server.sql('SELECT id FROM certkeep.request WHERE requester_id = $1', [user.row.id])).toEqual([])
  })
})

describe('a call', () => {
  it.each([
    ['a body that is no JSON', () => post('{"request":'), 400, 'invalid_argument'],
    ['an empty body', () => post(''), 400, 'invalid_argument'],
    ['text where base64 belongs', () => post('{"request":"not base64!"}'), 400, 'pem_invalid'],
    ['an unknown flag', () => post('{"request":"MAA=","flags":["CR_IN_NOTHING"]}'), 400, 'invalid_argument'],
    ['a format that does not exist', () => post('{"request":"MAA=","flags":3840}'), 400, 'invalid_argument'],
    ['a wait that is no number', () => post('{"request":"MAA="}', json, '?wait=long'), 400, 'invalid_argument'],
    ['a wait below zero', () => post('{"request":"MAA="}', json, '?wait=-1'), 400, 'invalid_argument'],
    [
      'an empty idempotency key',
      () => post('{"request":"MAA="}', { ...json, 'idempotency-key': '' }),
      400,
      'invalid_argument'
    ],
    [
      'an idempotency key that is too long',
      () => post('{"request":"MAA="}', { ...json, 'idempotency-key': 'x'.repeat(256) }),
      400,
      'invalid_argument'
    ],
    ['a body of text', () => post('MAA=', { 'content-type': 'text/plain' }), 415, 'media_type_unsupported'],
    [
      'a form',
      () => post('a=b', { 'content-type': 'application/x-www-form-urlencoded' }),
      415,
      'media_type_unsupported'
    ],
    ['a body of no type', () => post('MAA=', {}), 415, 'media_type_unsupported'],
    ['a body that is too large', () => post(JSON.stringify({ request: 'A'.repeat(20_000) })), 413, 'payload_too_large'],
    [
      'a message that is too large',
      () => post(Buffer.alloc(20_001), { 'content-type': 'application/pkcs7-mime' }),
      413,
      'payload_too_large'
    ],
    ['JSON for CMC', () => cmc('{}', 'application/json'), 415, 'media_type_unsupported'],
    ['an unknown address', () => get('/api/v1/nothing'), 404, 'not_found'],
    ['the address of nobody', () => get('/'), 404, 'not_found'],
    ['an unknown CA', () => get('/api/v1/cas/Nobody'), 404, 'not_found'],
    ['an unknown request', () => get(`${base}/requests/2147483647`), 404, 'not_found'],
    ['a request id beyond all', () => get(`${base}/requests/2147483648`), 400, 'invalid_argument'],
    ['a request id that is none', () => get(`${base}/requests/1x`), 400, 'invalid_argument'],
    ['the request id 0', () => get(`${base}/requests/0`), 400, 'invalid_argument'],
    [
      'an encoding that does not exist',
      () => get(`${base}/requests/1/certificate?format=xml`),
      400,
      'invalid_argument'
    ],
    ['an address that is no URL', () => get('/api/v1/cas/%E0%A4%A'), 400, 'invalid_argument'],
    ['a CA with a null character', () => get('/api/v1/cas/a%00b'), 400, 'invalid_argument'],
    ['a CA with a name beyond all', () => get(`/api/v1/cas/${'x'.repeat(4000)}`), 404, 'not_found'],
    ['an HRESULT that is none', () => get('/api/v1/errors/twelve'), 400, 'invalid_argument']
  ] as const)('with %s is a problem', async (_what, make, status, code) => {
    const answer = await make()
    const problem = problemIn(answer)
    expect([answer.status, problem.code]).toEqual([status, code])
  })

  it.each([
    ['PUT', '/requests', 'POST'],
    ['GET', '/requests', 'POST'],
    ['POST', '/requests/1', 'DELETE, GET, HEAD'],
    ['DELETE', '/requests/1/full-response', 'GET, HEAD'],
    ['PATCH', '', 'GET, HEAD']
  ] as const)('by %s on %s is answered 405 with what is allowed', async (method, path, allow) => {
    const answer = await call({ method, path: `${base}${path}`, token: user.token })
    expect(problemIn(answer)).toMatchObject({ status: 405, code: 'method_not_allowed' })
    expect(answer.headers['allow']).toBe(allow)
  })

  it('whose headers are too large gets an answer and its connection is closed', async () => {
    const { port } = new URL(server.url)
    const text = await new Promise<string>((resolve, reject) => {
      const socket = connect({ port: Number(port), host: '127.0.0.1', ca: server.root }, () => {
        socket.write(`GET /healthz HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)
      })
      let received = ''
      socket.on('data', data => (received += data.toString()))
      socket.on('close', () => resolve(received))
      socket.on('error', reject)
    })
    expect(text).toMatch(/^HTTP\/1\.1 400 [^]*application\/problem\+json[^]*the headers together are larger/)
  })

  it('is answered with the headers that keep browsers from guessing', async () => {
    for (const path of [base, '/api/v1/nothing', '/healthz']) {
      const { headers } = await call({ path, token: user.token })
      expect(headers['x-content-type-options']).toBe('nosniff')
      expect(headers['content-security-policy']).toContain("default-src 'none'")
      expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
      expect(headers['x-powered-by']).toBeUndefined()
    }
  })
})

describe('text that is meant for something else', () => {
  const payloads = [
    `'; DROP TABLE certkeep.request; --`,
    '%00%0d%0aX-Evil:1',
    '../../etc/passwd',
    '<script>',
    '\u202e\ud83d\ude00',
    '*)(uid=*'
  ]

  it.each(payloads)('is data and nothing but data: %j', async payload => {
    const name = payload.startsWith('%') ? payload : encodeURIComponent(payload)
    const paths = [`/api/v1/cas/${name}`, `${base}/properties/${name}`, `/api/v1/errors/${name}`]
    for (const path of paths) {
      const answer = await get(path)
      expect([400, 404]).toContain(answer.status)
      expect(answer.headers['x-evil']).toBeUndefined()
      problemIn(answer)
    }
    const request = await pkcs10Request({
      template: 'UserSignature',
      subject: `CN=${payload.replace(/[,+"\\<>;=#]/g, '\\$&')}`
    })
    const body = {
      request: Buffer.from(request).toString('base64'),
      attributes: `SAN:dns=${payload}\n${payload}:${payload}`
    }
    const answer = await post(JSON.stringify(body), { ...json, 'idempotency-key': encodeURIComponent(payload) })
    expect(answer.status).toBe(201)
    expect(answer.json()).toMatchObject({ disposition: 3 })
  })
})

function get(path: string): Promise<HttpAnswer> {
  return call({ path, token: user.token })
}

function cmc(body: string, type: string): Promise<HttpAnswer> {
  const message: HttpCall = { method: 'POST', path: `/cmc/${encodeURIComponent(server.ca.name)}`, body }
  return call({ ...message, token: user.token, headers: { 'content-type': type } })
}
