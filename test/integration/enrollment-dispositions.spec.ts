import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Enrollment, FR_PROP_FULLRESPONSE, type CertRequest, type RequestStatus } from '@app/client'
import { CMC_STATUS, decodeFullResponse, findIssuedCertificate, verifyFullResponse, type HresultSymbol } from '@app/cmc'
import { asId, dispositionOf, type RequestId } from '@app/core'
import { generateKeyPairOf } from '@app/keys'
import { internalRequest, RequestStore } from '@app/storage'
import { decidePending, revokeCertificateOf } from '../helpers/decisions.js'
import { createCaller, type HttpCaller } from '../helpers/http-calls.js'
import { pkcs10Request, webServerRequest } from '../helpers/plain-requests.js'
import { tracesOf, verifiedResponse } from '../helpers/request-outcomes.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { buildSampleRequest, nameOf, toSampleKey } from '../helpers/x509-samples.js'

let server: TestServer
let user: TestPrincipal
let computer: TestPrincipal
let byUser: CertRequest
let byComputer: CertRequest
let call: HttpCaller

beforeAll(async () => {
  server = await startTestServer()
  user = await server.addPrincipal()
  computer = await server.addPrincipal({ kind: 'computer' })
  connect()
})

afterAll(async () => {
  await disconnect()
  await server.stop()
})

function connect(): void {
  byUser = server.connect(user)
  byComputer = server.connect(computer)
  call = createCaller(server)
}

async function disconnect(): Promise<void> {
  await Promise.all([byUser[Symbol.asyncDispose](), byComputer[Symbol.asyncDispose](), call.close()])
}

/** What a client that only has the number of a request is told. */
async function retrieved(principal: TestPrincipal, requestId: number): Promise<CertRequest> {
  const request = server.connect(principal)
  await request.retrievePending(requestId)
  return request
}

const success = { lastStatus: '0x00000000', statusSymbol: 'S_OK' }
const id = (request: CertRequest) => asId<RequestId>(request.requestId)

describe('a request that satisfies its template', () => {
  it('is issued: disposition 3', async () => {
    const disposition = await byUser.submit(await pkcs10Request({ template: 'UserSignature' }))
    expect(disposition).toBe(3)
    expect(byUser.status).toMatchObject({
      ...success,
      dispositionName: 'issued',
      dispositionMessage: 'Issued',
      ca: server.ca.name,
      template: 'UserSignature',
      archivedKey: false
    })
    expect(byUser.status.serialNumber).toMatch(/^[0-9a-f]{16,40}$/)
    const { submittedAt, resolvedAt = '' } = byUser.status
    expect(Date.parse(resolvedAt)).toBeGreaterThanOrEqual(Date.parse(submittedAt))
    expect(await byUser.getErrorMessageText(byUser.lastStatus)).toMatch(/succeeded/)

    const response = await verifiedResponse(server, byUser)
    expect(response.statusInfos).toMatchObject([{ status: CMC_STATUS.success, statusString: 'Issued' }])
    expect(Buffer.from(findIssuedCertificate(response)?.raw ?? [])).toEqual(Buffer.from(await byUser.getCertificate()))
  })

  it('is revoked later: disposition 6, and its response stays', async () => {
    await byUser.submit(await pkcs10Request({ template: 'UserSignature' }))
    const before = await byUser.getFullResponse()
    await revokeCertificateOf(server, byUser.requestId)
    expect(await byUser.retrievePending(byUser.requestId, { wait: 10 })).toBe(6)
    const told = { ...success, dispositionName: 'revoked', dispositionMessage: 'Revoked by EXAMPLE\\officer' }
    expect(byUser.status).toMatchObject(told)
    expect(await byUser.getFullResponse()).toEqual(before)
  })
})

describe('a request whose template has an officer decide', () => {
  const submit = async (): Promise<RequestStatus> => {
    expect(await byComputer.submit(await webServerRequest())).toBe(5)
    return byComputer.status
  }

  it('is taken under submission: disposition 5, with a token and a time in its response', async () => {
    expect(await submit()).toMatchObject({
      ...success,
      dispositionName: 'under_submission',
      dispositionMessage: 'Taken Under Submission',
      archivedKey: false
    })
    const { statusInfos, certificates } = await verifiedResponse(server, byComputer)
    const { submittedAt, requestId } = byComputer.status
    expect(statusInfos).toMatchObject([{ status: CMC_STATUS.pending, statusString: 'Taken Under Submission' }])
    const [info] = statusInfos
    if (info?.otherInfo?.kind !== 'pendInfo') throw new Error('There is no pendInfo.')
    const { token, time } = info.otherInfo.pendInfo
    expect(Buffer.from(token).toString()).toBe(String(requestId))
    expect(Math.abs(time.getTime() - Date.parse(submittedAt))).toBeLessThan(1000)
    expect(certificates).toHaveLength(1)
    await expect(byComputer.getCertificate()).rejects.toMatchObject({ code: 'not_found' })
    expect(await tracesOf(server, requestId)).toMatchObject({ state: 'pending', certificates: 0 })
  })

  it('is issued once it is approved, and whoever waits is told at once', async () => {
    const { requestId } = await submit()
    const waiting = byComputer.retrievePending(requestId, { wait: 20 })
    expect(await Promise.race([waiting, sleep(700, 'still waiting')])).toBe('still waiting')
    const approved = Date.now()
    await decidePending(server, requestId, 'approved')
    expect(await waiting).toBe(3)
    expect(Date.now() - approved).toBeLessThan(5000)
    const response = await verifiedResponse(server, byComputer)
    expect(
      findIssuedCertificate(response)
        ?.subject.rdns.flat()
        .map(({ value }) => value)
    ).toEqual(['www.example.org'])
  })

  it('is denied by the officer: disposition 2 with CERTSRV_E_ADMIN_DENIED_REQUEST', async () => {
    const { requestId } = await submit()
    await decidePending(server, requestId, 'denied')
    expect(await byComputer.retrievePending(requestId, { wait: 20 })).toBe(2)
    expect(byComputer.status).toMatchObject({
      lastStatus: '0x80094014',
      statusSymbol: 'CERTSRV_E_ADMIN_DENIED_REQUEST',
      dispositionMessage: 'Denied by EXAMPLE\\officer'
    })
    const { statusInfos } = await verifiedResponse(server, byComputer)
    expect(statusInfos).toMatchObject([{ status: CMC_STATUS.failed, statusString: 'Denied by EXAMPLE\\officer' }])
  })

  it('is withdrawn by its requester, once, and then denied', async () => {
    const { requestId } = await submit()
    await byComputer.withdraw(requestId)
    expect(await byComputer.retrievePending(requestId, { wait: 20 })).toBe(2)
    expect(await verifiedResponse(server, byComputer)).toMatchObject({ statusInfos: [{ status: CMC_STATUS.failed }] })
    await expect(byComputer.withdraw(requestId)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('is issued out of band: disposition 4', async () => {
    const { requestId } = await submit()
    await decidePending(server, requestId, 'approved', { outOfBand: true })
    expect(await byComputer.retrievePending(requestId, { wait: 20 })).toBe(4)
    expect(byComputer.status).toMatchObject({ ...success, dispositionName: 'issued_out_of_band' })
    expect(findIssuedCertificate(await verifiedResponse(server, byComputer))).toBeDefined()
  })
})

describe("the installation's own request for a recovery agent", () => {
  it('waits for the administrator and is issued out of band: disposition 4', async () => {
    const { privateKey } = await generateKeyPairOf('rsa-2048')
    const { publicKey } = toSampleKey(privateKey)
    const rawRequest = await buildSampleRequest(toSampleKey(privateKey), { subject: nameOf('CN=Agent') })
    const requests = new RequestStore((await server.database.open('owner')).dataSource)
    const { raw, keyId } = publicKey
    const common = { caId: server.ca.id, templateName: 'KeyRecoveryAgent', rowFlags: 0, submittedAt: new Date() }
    const submitted = await requests.submit(
      internalRequest({ ...common, publicKey: raw, keyId, rawRequest, subject: 'CN=Agent' }),
      undefined,
      { actor: 'local:test' }
    )
    server.running.runtime.wakeups.nudge('evaluate')
    await expect
      .poll(() => requests.get(submitted.id), { timeout: 10_000 })
      .toMatchObject({ respondedState: 'pending' })
    await decidePending(server, submitted.id, 'approved', { outOfBand: true })
    await expect.poll(() => requests.get(submitted.id), { timeout: 10_000 }).toMatchObject({ respondedState: 'issued' })
    const { state, outOfBand } = await requests.get(submitted.id)
    expect(dispositionOf(state, outOfBand)).toBe('issued_out_of_band')
  })
})

interface Refusal {
  readonly what: string
  readonly by: 'user' | 'computer'
  readonly make: () => Promise<Uint8Array>
  readonly hresult: string
  readonly symbol: HresultSymbol
}

const denials: readonly Refusal[] = [
  {
    what: 'by a user for a template of computers',
    by: 'user',
    make: () => webServerRequest(),
    hresult: '0x80094012',
    symbol: 'CERTSRV_E_TEMPLATE_DENIED'
  },
  {
    what: 'by a computer for a template of users',
    by: 'computer',
    make: () => pkcs10Request({ template: 'UserSignature' }),
    hresult: '0x80094012',
    symbol: 'CERTSRV_E_TEMPLATE_DENIED'
  },
  {
    what: 'for a template that the CA does not offer',
    by: 'user',
    make: () => pkcs10Request({ template: 'CAExchange' }),
    hresult: '0x80094800',
    symbol: 'CERTSRV_E_UNSUPPORTED_CERT_TYPE'
  },
  {
    what: 'for no template',
    by: 'user',
    make: () => pkcs10Request(),
    hresult: '0x80094801',
    symbol: 'CERTSRV_E_NO_CERT_TYPE'
  },
  {
    what: 'without a name where the requester gives it',
    by: 'computer',
    make: () => pkcs10Request({ template: 'WebServer', subject: '' }),
    hresult: '0x80094001',
    symbol: 'CERTSRV_E_BAD_REQUESTSUBJECT'
  }
]

const failures: readonly Refusal[] = [
  {
    what: 'whose signature does not verify',
    by: 'user',
    make: async () => {
      const request = Buffer.from(await pkcs10Request({ template: 'UserSignature' }))
      request.writeUInt8(request.readUInt8(request.length - 1) ^ 1, request.length - 1)
      return request
    },
    hresult: '0x80090006',
    symbol: 'NTE_BAD_SIGNATURE'
  },
  {
    what: 'that ends too early',
    by: 'user',
    make: async () => (await pkcs10Request()).subarray(0, -1),
    hresult: '0x80092002',
    symbol: 'CRYPT_E_BAD_ENCODE'
  },
  {
    what: 'that is something else',
    by: 'user',
    make: async () => server.ca.certificate.raw,
    hresult: '0x80091004',
    symbol: 'CRYPT_E_INVALID_MSG_TYPE'
  }
]

describe('a request', () => {
  it.each([
    ...denials.map(refusal => ({ ...refusal, disposition: 2, name: 'denied', state: 'denied' })),
    ...failures.map(refusal => ({ ...refusal, disposition: 1, name: 'error', state: 'failed' }))
  ])('$what is $state: disposition $disposition, $symbol', async ({ by, make, disposition, name, state, ...told }) => {
    const client = by === 'user' ? byUser : byComputer
    expect(await client.submit(await make())).toBe(disposition)
    const { requestId, dispositionMessage } = client
    expect(client.status).toMatchObject({
      dispositionName: name,
      lastStatus: told.hresult,
      statusSymbol: told.symbol,
      archivedKey: false
    })
    expect(dispositionMessage).toMatch(state === 'denied' ? /^Denied by Policy Module/ : /^Error parsing request/)
    const text = await client.getErrorMessageText(client.lastStatus, 1)
    expect(text).toContain(`${told.hresult} (${told.symbol})`)
    expect(await tracesOf(server, requestId)).toMatchObject({ state, certificates: 0, sealedKeys: 0, envelopes: 0 })

    await using later = await retrieved(by === 'user' ? user : computer, requestId)
    expect(later.status).toEqual(client.status)
    const { statusInfos } = await verifiedResponse(server, later)
    expect(statusInfos).toMatchObject([{ status: CMC_STATUS.failed, statusString: dispositionMessage }])
  })
})

describe('a request that is not waited for', () => {
  it('is answered 202 with a time to ask again, and 201 with its place once it is resolved', async () => {
    const path = `/api/v1/cas/${encodeURIComponent(server.ca.name)}/requests`
    const headers = { 'content-type': 'application/pkcs10' }
    const message = { method: 'POST', token: user.token, headers } as const
    const quick = await call({
      ...message,
      path: `${path}?wait=0`,
      body: await pkcs10Request({ template: 'UserSignature' })
    })
    expect(quick.status).toBe(202)
    expect(Number(quick.headers['retry-after'])).toBeGreaterThan(0)
    const { requestId, disposition } = quick.json<RequestStatus>()
    expect([0, 3, 5]).toContain(disposition)
    expect(await byUser.retrievePending(requestId, { wait: 20 })).toBe(3)

    for (const template of ['UserSignature', 'WebServer']) {
      const resolved = await call({ ...message, path, body: await pkcs10Request({ template }) })
      expect(resolved.status).toBe(201)
      expect(resolved.headers['location']).toBe(`${path}/${resolved.json<RequestStatus>().requestId}`)
    }
  })
})

describe('a request whose key is not archived yet', () => {
  it('is incomplete: disposition 0, until the archive works again', async () => {
    const exchange = await byUser.getCACertificate({ exchange: true })
    await disconnect()
    await server.restart({ roles: ['front', 'authority'] })
    connect()
    const enrollment = new Enrollment({ privateKeyArchiveCertificate: exchange, trust: server.root })
    const request = await enrollment.createRequest({ type: 'cmc', template: { name: 'UserEncryption' } })
    expect(await byUser.submit(request, { wait: 5 })).toBe(0)
    expect(byUser.status).toMatchObject({ ...success, dispositionName: 'incomplete', archivedKey: false })
    expect(await byUser.retrievePending(byUser.requestId, { wait: 1 })).toBe(0)
    await expect(byUser.getFullResponse()).rejects.toMatchObject({ code: 'not_found' })
    expect(await tracesOf(server, id(byUser))).toMatchObject({ state: 'approved', certificates: 0, envelopes: 1 })
    const { requestId } = byUser

    await disconnect()
    await server.restart()
    connect()
    expect(await byUser.retrievePending(requestId, { wait: 20 })).toBe(3)
    expect(byUser.status.archivedKey).toBe(true)
    const accepted = await enrollment.acceptResponse(await byUser.getFullResponseProperty(FR_PROP_FULLRESPONSE))
    expect(accepted.certificate.length).toBeGreaterThan(500)
    expect(await tracesOf(server, requestId)).toMatchObject({ certificates: 1, sealedKeys: 1, envelopes: 0 })
  })
})

describe('the full responses', () => {
  it('are there for every request of the installation, signed by the CA', async () => {
    const rows = await server.sql<{ id: number; state: string; full: Buffer }>(
      `SELECT r.id, r.state, p.full_response AS full FROM certkeep.request AS r
       LEFT JOIN certkeep.response AS p ON p.request_id = r.id ORDER BY r.id`
    )
    expect(new Set(rows.map(({ state }) => state))).toEqual(
      new Set(['issued', 'revoked', 'pending', 'denied', 'failed'])
    )
    const statuses = { issued: 0, revoked: 0, pending: 3, denied: 2, failed: 2 } as const
    for (const { state, full } of rows) {
      const response = decodeFullResponse(full)
      verifyFullResponse(response, { caCertificate: server.ca.certificate })
      const told = response.statusInfos.map(({ status }) => status)
      expect([state, ...told]).toEqual([state, statuses[state as keyof typeof statuses]])
    }
  })
})
