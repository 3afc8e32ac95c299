import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CertRequest } from '@app/client'
import { decodeCertificate } from '@app/x509'
import { cmcRequest, wrapKey } from '../helpers/archival-requests.js'
import { messageOf, register, sampleClient, send } from '../helpers/registration-clients.js'
import { sampleRsaKey } from '../helpers/escrow-samples.js'
import { createCaller, type HttpCaller, type ToldProblem } from '../helpers/http-calls.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

const requestsPerMinute = 40
const failuresPerMinute = 4
const registrationsPerMinute = 3

let server: TestServer
let call: HttpCaller
let base: string

beforeAll(async () => {
  server = await startTestServer({
    settings: {
      limits: { requestsPerMinute, failuresPerMinute, registrationsPerMinute },
      registration: { enabled: true }
    }
  })
  call = createCaller(server)
  base = `/api/v1/cas/${encodeURIComponent(server.ca.name)}`
})

afterAll(async () => {
  await call.close()
  await server.stop()
})

/** The statuses of as many calls, one after the other. */
async function statusesOf(count: number, { token }: Pick<TestPrincipal, 'token'>): Promise<readonly number[]> {
  const statuses: number[] = []
  for (let made = 0; made < count; made++) statuses.push((await call({ path: base, token })).status)
  return statuses
}

describe('an account', () => {
  it('that calls more often than it may is told when to come again, and others are not held back', async () => {
    const busy = await server.addPrincipal()
    const statuses = await statusesOf(requestsPerMinute + 20, busy)
    expect(statuses.slice(0, requestsPerMinute)).toEqual(Array.from({ length: requestsPerMinute }, () => 200))
    expect(statuses.at(-1)).toBe(429)
    const answer = await call({ path: base, token: busy.token })
    expect(answer.json<ToldProblem>()).toMatchObject({ status: 429, code: 'rate_limited', retryable: true })
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    expect(await statusesOf(1, await server.addPrincipal())).toEqual([200])
  })

  it('whose archived keys do not open may not try on and on, and nobody else is held back', async () => {
    const prober = await server.addPrincipal()
    await using client: CertRequest = server.connect(prober)
    const exchange = decodeCertificate(await client.getCACertificate({ exchange: true }))
    const [own, another] = [sampleRsaKey(0), sampleRsaKey(1)]
    const wrong = () => {
      const envelope = wrapKey(another, 'standard', exchange)
      return cmcRequest({ dialect: 'standard', privateKey: own, template: 'UserEncryption', envelope })
    }
    for (let tried = 0; tried < failuresPerMinute; tried++) expect(await client.submit(await wrong())).toBe(1)
    await expect(client.submit(await wrong())).rejects.toMatchObject({ code: 'rate_limited' })

    await using other = server.connect(await server.addPrincipal())
    const envelope = wrapKey(own, 'standard', exchange)
    const parts = { dialect: 'standard', privateKey: own, template: 'UserEncryption', envelope } as const
    expect(await other.submit(await cmcRequest(parts))).toBe(3)
  })
})

describe('an address', () => {
  it('that registers more clients than it may is told when to come again, and nothing more is kept of it', async () => {
    for (let sent = 0; sent < registrationsPerMinute; sent++) {
      expect((await register(call, sampleClient(sent))).status).toBe(1)
    }
    const answer = await send(call, '', messageOf(sampleClient(0)))
    expect(answer.json<ToldProblem>()).toMatchObject({ status: 429, code: 'rate_limited', retryable: true })
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    const [row] = await server.sql<{ count: number }>(
      `SELECT count(*)::integer AS count FROM certkeep.audit_event WHERE action = 'registration.received'`
    )
    expect(row?.count).toBe(registrationsPerMinute)
  })

  it('from which wrong credentials come is told to wait, as are all who call from there', async () => {
    const good = await server.addPrincipal()
    expect(await statusesOf(failuresPerMinute + 1, { token: 'x'.repeat(43) })).toEqual([401, 401, 401, 401, 429])
    const answer = await call({ path: base, token: good.token })
    expect(answer.json<ToldProblem>()).toMatchObject({ status: 429, code: 'rate_limited' })
    expect((await call({ path: '/readyz' })).status).toBe(200)
  })
})
