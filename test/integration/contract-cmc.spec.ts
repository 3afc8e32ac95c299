import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Enrollment } from '@app/client'
import {
  buildPendingQuery,
  CMC_FAIL_INFO,
  CMC_STATUS,
  decodeFullResponse,
  findIssuedCertificate,
  verifyFullResponse,
  type FullResponse
} from '@app/cmc'
import type { RequestRow } from '@app/storage'
import { cmcRequest, freshTransactionId } from '../helpers/archival-requests.js'
import { decidePending } from '../helpers/decisions.js'
import { freshKey } from '../helpers/enrollment-ca.js'
import { createCaller, type HttpAnswer, type HttpCaller, type ToldProblem } from '../helpers/http-calls.js'
import { pkcs10Request, webServerRequest } from '../helpers/plain-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { signSample, type SampleKey } from '../helpers/x509-samples.js'

let server: TestServer
let user: TestPrincipal
let computer: TestPrincipal
let call: HttpCaller
let path: string

beforeAll(async () => {
  server = await startTestServer()
  user = await server.addPrincipal()
  computer = await server.addPrincipal({ kind: 'computer' })
  call = createCaller(server)
  path = `/cmc/${encodeURIComponent(server.ca.name)}`
})

afterAll(async () => {
  await call.close()
  await server.stop()
})

const requestType = 'application/pkcs7-mime; smime-type=CMC-Request'

function send(
  body: Uint8Array,
  principal: TestPrincipal,
  headers: Readonly<Record<string, string>> = {}
): Promise<HttpAnswer> {
  const message = { method: 'POST', path, token: principal.token, body } as const
  return call({ ...message, headers: { 'content-type': requestType, ...headers } })
}

/** The response in an answer; its signature has been verified. */
function responseIn(answer: HttpAnswer): FullResponse {
  expect(answer.status).toBe(200)
  expect(answer.headers['content-type']).toBe('application/pkcs7-mime; smime-type=CMC-Response')
  const response = decodeFullResponse(answer.body)
  verifyFullResponse(response, { caCertificate: server.ca.certificate })
  return response
}

async function exchange(body: Uint8Array, principal = user): Promise<FullResponse> {
  return responseIn(await send(body, principal))
}

async function latestRow(
  principal: TestPrincipal
): Promise<Pick<RequestRow, 'id' | 'state' | 'failureCode'> | undefined> {
  const [row] = await server.sql<Pick<RequestRow, 'id' | 'state' | 'failureCode'>>(
    `SELECT id, state, failure_code AS "failureCode" FROM certkeep.request WHERE requester_id = $1 ORDER BY id DESC LIMIT 1`,
    [principal.row.id]
  )
  return row
}

const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex')
const statusOf = ({ statusInfos }: FullResponse) => {
  expect(statusInfos).toHaveLength(1)
  const [info] = statusInfos
  return { status: info?.status, failInfo: info?.otherInfo?.kind === 'failInfo' ? info.otherInfo.failInfo : undefined }
}

describe('CMC over HTTP', () => {
  it.each(['cmc', 'crmf'] as const)('answers a %s request with what its client accepts', async type => {
    const enrollment = new Enrollment({ trust: server.root, key: { algorithm: 'p-256' } })
    const request = await enrollment.createRequest({ type, template: { name: 'UserSignature' } })
    const answer = await send(request, user)
    expect(statusOf(responseIn(answer))).toEqual({ status: CMC_STATUS.success })
    const { certificate } = await enrollment.acceptResponse(answer.body)
    expect(hex(findIssuedCertificate(responseIn(answer))?.raw)).toBe(hex(certificate))
  })

  it('archives a key', async () => {
    await using client = server.connect(user)
    const exchangeCertificate = await client.getCACertificate({ exchange: true })
    const enrollment = new Enrollment({ trust: server.root, privateKeyArchiveCertificate: exchangeCertificate })
    const request = await enrollment.createRequest({ type: 'crmf', template: { name: 'UserEncryption' } })
    const answer = await send(request, user)
    expect(responseIn(answer).encryptedKeyHash?.value.length).toBe(32)
    await enrollment.acceptResponse(answer.body)
  })

  it('takes a PKCS#10 as a simple request', async () => {
    const request = await pkcs10Request({ template: 'UserSignature' })
    const answer = await call({
      method: 'POST',
      path,
      token: user.token,
      headers: { 'content-type': 'application/pkcs10' },
      body: request
    })
    expect(statusOf(responseIn(answer))).toEqual({ status: CMC_STATUS.success })
  })

  it('answers a request that is denied with the reason', async () => {
    const key = freshKey()
    const response = await exchange(
      await cmcRequest({ dialect: 'standard', privateKey: key.privateKey, template: 'UserEncryption' })
    )
    expect(statusOf(response)).toEqual({ status: CMC_STATUS.failed, failInfo: CMC_FAIL_INFO.mustArchiveKeys })
    expect(findIssuedCertificate(response)).toBeUndefined()
    expect(response.transactionId?.length).toBe(16)
  })

  it('answers the same message in the same way', async () => {
    const { privateKey } = freshKey()
    const message = await cmcRequest({ dialect: 'standard', privateKey, template: 'UserSignature' })
    const first = await send(message, user)
    expect((await send(message, user)).body).toEqual(first.body)
    const withKey = await send(message, user, { 'idempotency-key': 'cmc' })
    expect(withKey.body).toEqual(first.body)
  })

  it('does not need the name of the CA as it is written', async () => {
    const message = await pkcs10Request({ template: 'UserSignature' })
    const answer = await call({
      method: 'POST',
      path: '/cmc/TEST%20ca/',
      token: user.token,
      headers: { 'content-type': requestType },
      body: message
    })
    expect(statusOf(responseIn(answer)).status).toBe(CMC_STATUS.success)
  })
})

describe('CMC over HTTP answers with a signed refusal, and records it,', () => {
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('no message')],
    ['an ASN.1 structure that is none of a message', Buffer.from('300302010730', 'hex')],
    ['a length beyond all', Buffer.from('3084ffffffff02', 'hex')]
  ])('to %s', async (_what, body) => {
    const before = await latestRow(user)
    const answer = await send(body, user)
    expect(statusOf(responseIn(answer)).status).toBe(CMC_STATUS.failed)
    const row = await latestRow(user)
    expect(row?.id).toBeGreaterThan(before?.id ?? 0)
    expect(row?.state).toBe('failed')
    await using client = server.connect(user)
    await client.retrievePending(row?.id ?? 0)
    expect(hex(await client.getFullResponse())).toBe(hex(answer.body))
  })

  it('to a message that was changed on its way', async () => {
    const { privateKey } = freshKey()
    const message = Buffer.from(await cmcRequest({ dialect: 'standard', privateKey, template: 'UserSignature' }))
    message.writeUInt8(message.readUInt8(message.length - 1) ^ 1, message.length - 1)
    const response = await exchange(message)
    expect(statusOf(response)).toEqual({ status: CMC_STATUS.failed, failInfo: CMC_FAIL_INFO.badMessageCheck })
    expect(response.transactionId?.length).toBe(16)
    expect(await latestRow(user)).toMatchObject({ state: 'failed', failureCode: 'cms_signature_invalid' })
  })

  it('to a transaction id that was used for another message', async () => {
    const transactionId = freshTransactionId()
    const make = () =>
      cmcRequest({ dialect: 'standard', privateKey: freshKey().privateKey, template: 'UserSignature', transactionId })
    expect(statusOf(await exchange(await make())).status).toBe(CMC_STATUS.success)
    expect(statusOf(await exchange(await make()))).toEqual({
      status: CMC_STATUS.failed,
      failInfo: CMC_FAIL_INFO.badRequest
    })
    expect(await latestRow(user)).toMatchObject({ state: 'failed', failureCode: 'replayed_transaction' })
  })
})

interface Waiting {
  readonly key: SampleKey
  readonly requestId: number
  readonly token: Uint8Array
}

/** A request that waits for an officer, made over CMC. */
async function waiting(): Promise<Waiting> {
  const key = freshKey()
  const parts = {
    dialect: 'standard',
    privateKey: key.privateKey,
    template: 'WebServer',
    subject: 'CN=a.example.org',
    dnsNames: ['a.example.org']
  } as const
  const { statusInfos } = await exchange(await cmcRequest(parts), computer)
  const [info] = statusInfos
  expect(info?.status).toBe(CMC_STATUS.pending)
  if (info?.otherInfo?.kind !== 'pendInfo') throw new Error('There is no pendInfo.')
  const { token } = info.otherInfo.pendInfo
  return { key, token, requestId: Number(Buffer.from(token).toString()) }
}

const question = (key: SampleKey, pendToken: Uint8Array) =>
  buildPendingQuery({
    pendToken,
    keyId: key.publicKey.keyId,
    transactionId: freshTransactionId(),
    senderNonce: Buffer.from('a nonce of 16 o.'),
    scheme: key.scheme,
    sign: data => Promise.resolve(signSample(key, data))
  })

describe('a question after a pending request', () => {
  it('by the holder of its key is answered as things stand', async () => {
    const { key, token, requestId } = await waiting()
    expect(statusOf(await exchange(await question(key, token), computer)).status).toBe(CMC_STATUS.pending)
    await decidePending(server, requestId, 'approved')
    await using client = server.connect(computer)
    expect(await client.retrievePending(requestId, { wait: 20 })).toBe(3)
    const response = await exchange(await question(key, token), computer)
    expect(statusOf(response).status).toBe(CMC_STATUS.success)
    expect(hex(findIssuedCertificate(response)?.publicKey.raw)).toBe(hex(key.publicKey.raw))
  })

  it('is answered with a denial once there is one', async () => {
    const { key, token, requestId } = await waiting()
    await decidePending(server, requestId, 'denied')
    await using client = server.connect(computer)
    expect(await client.retrievePending(requestId, { wait: 20 })).toBe(2)
    expect(statusOf(await exchange(await question(key, token), computer)).status).toBe(CMC_STATUS.failed)
  })

  it.each([
    ['signed with another key', async ({ token }: Waiting) => question(freshKey(), token), 'cms_signature_invalid'],
    ['with a token of nobody', async ({ key }: Waiting) => question(key, Buffer.from('x')), 'not_found'],
    ['with the token of no request', async ({ key }: Waiting) => question(key, Buffer.from('2000000000')), 'not_found']
  ] as const)('%s is refused', async (_what, make, code) => {
    const response = await exchange(await make(await waiting()), computer)
    expect(statusOf(response).status).toBe(CMC_STATUS.failed)
    expect(response.certificates).toHaveLength(1)
    expect(hex(response.recipientNonce)).toBe(hex(Buffer.from('a nonce of 16 o.')))
    expect(await latestRow(computer)).toMatchObject({ state: 'failed', failureCode: code })
  })

  it('by another account is refused, with the right key too', async () => {
    const { key, token } = await waiting()
    const stranger = await server.addPrincipal({ kind: 'computer' })
    expect(statusOf(await exchange(await question(key, token), stranger)).status).toBe(CMC_STATUS.failed)
    expect(await latestRow(stranger)).toMatchObject({ failureCode: 'not_found' })
  })

  it('is one of the call when the CA does not exist', async () => {
    const body = await webServerRequest()
    const answer = await call({
      method: 'POST',
      path: '/cmc/Nobody',
      token: computer.token,
      headers: { 'content-type': requestType },
      body
    })
    expect(answer.json<ToldProblem>()).toMatchObject({ status: 404, code: 'not_found' })
  })
})
