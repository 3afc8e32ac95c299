import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CR_IN, type CertRequest, type RequestStatus } from '@app/client'
import { encodePem } from '@app/der'
import { cmcRequest, freshTransactionId } from '../helpers/archival-requests.js'
import { createCaller, type HttpAnswer, type HttpCaller, type ToldProblem } from '../helpers/http-calls.js'
import { freshKey } from '../helpers/enrollment-ca.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { tracesOf } from '../helpers/request-outcomes.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let user: TestPrincipal
let client: CertRequest
let call: HttpCaller
let requests: string

beforeAll(async () => {
  server = await startTestServer()
  call = createCaller(server)
  requests = `/api/v1/cas/${encodeURIComponent(server.ca.name)}/requests`
})

beforeEach(async () => {
  user = await server.addPrincipal()
  client = server.connect(user)
})

afterEach(() => client[Symbol.asyncDispose]())

afterAll(async () => {
  await call.close()
  await server.stop()
})

function post(
  body: Uint8Array | string,
  type: string,
  headers: Readonly<Record<string, string>> = {}
): Promise<HttpAnswer> {
  const message = { method: 'POST', path: requests, token: user.token, body } as const
  return call({ ...message, headers: { 'content-type': type, ...headers } })
}

const postJson = (body: object, headers?: Readonly<Record<string, string>>) =>
  post(JSON.stringify(body), 'application/json', headers)

const signature = () => pkcs10Request({ template: 'UserSignature' })

/** A CMC request for a fresh key. */
const cmc = (transactionId?: Uint8Array) =>
  cmcRequest({
    dialect: 'standard',
    privateKey: freshKey().privateKey,
    template: 'UserSignature',
    ...(transactionId === undefined ? {} : { transactionId })
  })

async function countRequests(): Promise<number> {
  const [row] = await server.sql<{ count: number }>(
    'SELECT count(*)::int AS count FROM certkeep.request WHERE requester_id = $1',
    [user.row.id]
  )
  return row?.count ?? 0
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
const lines = (text: string) => text.replace(/.{64}/g, '$&\r\n')

describe('a request', () => {
  it.each([
    ['application/pkcs10', signature],
    ['application/pkcs10; charset=binary', signature],
    ['APPLICATION/PKCS10', signature],
    ['application/pkcs7-mime', cmc],
    ['application/pkcs7-mime; smime-type=CMC-Request', cmc]
  ] as const)('is taken as it is as %s', async (type, make) => {
    const answer = await post(await make(), type)
    expect([answer.status, answer.json<RequestStatus>().disposition]).toEqual([201, 3])
  })

  it.each([
    ['PEM', (der: Uint8Array) => encodePem('CERTIFICATE REQUEST', der)],
    [
      'PEM as certreq writes it',
      (der: Uint8Array) => encodePem('NEW CERTIFICATE REQUEST', der).replaceAll('\n', '\r\n')
    ],
    ['base64', base64],
    ['base64 in lines', (der: Uint8Array) => lines(base64(der))]
  ])('is taken as %s, in JSON and by itself', async (_what, encode) => {
    const inJson = await postJson({ request: encode(await signature()) })
    expect([inJson.status, inJson.json<RequestStatus>().disposition]).toEqual([201, 3])
    const alone = await post(encode(await signature()), 'application/pkcs10')
    expect([alone.status, alone.json<RequestStatus>().disposition]).toEqual([201, 3])
  })

  it.each([
    ['a word', CR_IN.CR_IN_PKCS10 | CR_IN.CR_IN_BINARY | CR_IN.CR_IN_FULLRESPONSE],
    ['names', ['CR_IN_PKCS10', 'CR_IN_BASE64', 'CR_IN_FULLRESPONSE']],
    ['short names', ['pkcs10', 'base64header']],
    ['nothing', undefined]
  ])('may announce its form by %s', async (_what, flags) => {
    const answer = await postJson({ request: base64(await signature()), flags })
    expect(answer.json<RequestStatus>().disposition).toBe(3)
  })

  it.each([
    ['CMC', ['CR_IN_CMC']],
    ['PKCS#7', ['CR_IN_PKCS7']],
    ['KEYGEN', CR_IN.CR_IN_KEYGEN]
  ])('that announces %s and is not fails with CRYPT_E_INVALID_MSG_TYPE', async (_what, flags) => {
    const answer = await postJson({ request: base64(await signature()), flags })
    expect(answer.status).toBe(201)
    expect(answer.json()).toMatchObject({ disposition: 1, lastStatus: '0x80091004' })
  })

  it('may name its template beside it', async () => {
    const attributes = ' Certificate-Template : UserSignature\r\nnonsense\r\nrmd:host.example.org'
    const answer = await postJson({ request: base64(await pkcs10Request()), attributes })
    expect(answer.json()).toMatchObject({ disposition: 3, template: 'UserSignature' })
  })

  it('that names two templates is denied', async () => {
    const answer = await postJson({ request: base64(await signature()), attributes: 'CertificateTemplate:Computer' })
    expect(answer.json()).toMatchObject({ disposition: 2, lastStatus: '0x80094802' })
  })

  it('that nobody can read is recorded all the same', async () => {
    const answer = await post(Buffer.from('no request'), 'application/pkcs10')
    expect(answer.status).toBe(201)
    const { requestId, ...status } = answer.json<RequestStatus>()
    expect(status).toMatchObject({ disposition: 1, lastStatus: '0x80092002' })
    expect(await tracesOf(server, requestId)).toMatchObject({ state: 'failed', failureCode: 'der_tag_unexpected' })
  })
})

describe('an idempotency key', () => {
  it('gives the same request the same answer, whatever form it comes in', async () => {
    const request = await signature()
    const key = { 'idempotency-key': 'first' }
    const first = await postJson({ request: base64(request) }, key)
    const second = await post(request, 'application/pkcs10', key)
    expect([first.status, second.status]).toEqual([201, 201])
    expect(second.json()).toEqual(first.json())
    expect(second.headers['location']).toBe(first.headers['location'])
    expect(await countRequests()).toBe(1)
  })

  it('that was used for another request is refused', async () => {
    const key = { 'idempotency-key': 'taken' }
    await postJson({ request: base64(await signature()) }, key)
    const answer = await postJson({ request: base64(await signature()) }, key)
    expect(answer.json<ToldProblem>()).toMatchObject({ status: 422, code: 'idempotency_mismatch', retryable: false })
    expect(await countRequests()).toBe(1)
  })

  it('holds for a request that was refused too', async () => {
    const request = base64(await pkcs10Request({ template: 'WebServer' }))
    const garbage = base64(Buffer.from('no request'))
    for (const [key, body] of [
      ['denied', request],
      ['failed', garbage]
    ] as const) {
      const answers = []
      for (let time = 0; time < 2; time++) {
        answers.push((await postJson({ request: body }, { 'idempotency-key': key })).json())
      }
      expect(answers[1]).toEqual(answers[0])
    }
    expect(await countRequests()).toBe(2)
  })

  it('is each requester’s own', async () => {
    const key = { 'idempotency-key': 'ours' }
    const first = (await postJson({ request: base64(await signature()) }, key)).json<RequestStatus>()
    user = await server.addPrincipal()
    const second = (await postJson({ request: base64(await signature()) }, key)).json<RequestStatus>()
    expect(second.disposition).toBe(3)
    expect(second.requestId).not.toBe(first.requestId)
  })

  it('makes one request of many at the same time', async () => {
    const request = base64(await signature())
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => postJson({ request }, { 'idempotency-key': 'parallel' }))
    )
    const told = answers.map(answer => answer.json<RequestStatus>())
    expect(
      new Set(told.map(({ requestId, disposition, serialNumber }) => `${requestId} ${disposition} ${serialNumber}`))
        .size
    ).toBe(1)
    expect(await tracesOf(server, told[0]?.requestId ?? 0)).toMatchObject({ state: 'issued', certificates: 1 })
    expect(await countRequests()).toBe(1)
  })
})

describe('a message that is sent again', () => {
  it('gets the answer that it got, not another certificate', async () => {
    for (const make of [signature, cmc]) {
      const message = await make()
      await client.submit(message)
      const [first, response] = [client.status, await client.getFullResponse()]
      await client.submit(message)
      expect(client.status).toEqual(first)
      expect(await client.getFullResponse()).toEqual(response)
      expect(await tracesOf(server, first.requestId)).toMatchObject({ certificates: 1 })
    }
    expect(await countRequests()).toBe(2)
  })

  it('many times at once is one request', async () => {
    const message = await cmc()
    const told = await Promise.all(
      Array.from({ length: 12 }, async () => (await post(message, 'application/pkcs7-mime')).json<RequestStatus>())
    )
    expect(new Set(told.map(({ requestId }) => requestId)).size).toBe(1)
    expect(told.every(({ disposition }) => disposition === 3)).toBe(true)
    expect(await tracesOf(server, told[0]?.requestId ?? 0)).toMatchObject({ certificates: 1 })
  })

  it('by somebody else is a request of theirs, for a key that is taken', async () => {
    const message = await cmc()
    expect(await client.submit(message)).toBe(3)
    await using other = server.connect(await server.addPrincipal())
    expect(await other.submit(message)).toBe(2)
    expect(other.requestId).not.toBe(client.requestId)
    expect(other.lastStatus).toBe('0x80090010')
  })
})

describe('a transaction id', () => {
  it('that the requester used for another message is refused, and nothing is recorded', async () => {
    const transactionId = freshTransactionId()
    expect(await client.submit(await cmc(transactionId))).toBe(3)
    const answer = await post(await cmc(transactionId), 'application/pkcs7-mime')
    expect(answer.json<ToldProblem>()).toMatchObject({ status: 409, code: 'replayed_transaction', retryable: false })
    expect(await countRequests()).toBe(1)
  })

  it('of another requester may be used', async () => {
    const transactionId = freshTransactionId()
    expect(await client.submit(await cmc(transactionId))).toBe(3)
    await using other = server.connect(await server.addPrincipal())
    expect(await other.submit(await cmc(transactionId))).toBe(3)
  })
})
