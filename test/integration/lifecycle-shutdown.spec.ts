import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Enrollment, type CertRequest } from '@app/client'
import { isAppError } from '@app/core'
import { createCaller } from '../helpers/http-calls.js'
import { pkcs10Request, webServerRequest } from '../helpers/plain-requests.js'
import { tracesOf, verifiedResponse } from '../helpers/request-outcomes.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let user: TestPrincipal

beforeAll(async () => {
  server = await startTestServer()
  user = await server.addPrincipal()
})

afterAll(() => server.stop())

async function withClient<T>(work: (client: CertRequest) => Promise<T>, principal = user): Promise<T> {
  await using client = server.connect(principal)
  return await work(client)
}

/** Asks after every request until it is decided; gives their dispositions. */
function outcomesOf(ids: readonly number[]): Promise<readonly number[]> {
  return withClient(async client => {
    const dispositions: number[] = []
    for (const id of ids) {
      dispositions.push(await client.retrievePending(id, { wait: 30 }))
      await verifiedResponse(server, client)
    }
    return dispositions
  })
}

describe('a server that ends', () => {
  it('loses nothing that it has taken, and does nothing twice', async () => {
    const exchange = await withClient(client => client.getCACertificate({ exchange: true }))
    const privateKeys = Array.from(
      { length: 4 },
      () => new Enrollment({ privateKeyArchiveCertificate: exchange, trust: server.root })
    )
    const archival = await Promise.all(
      privateKeys.map(enrollment => enrollment.createRequest({ type: 'cmc', template: { name: 'UserEncryption' } }))
    )
    const plain = await Promise.all(Array.from({ length: 60 }, () => pkcs10Request({ template: 'UserSignature' })))
    const ids = await withClient(async client => {
      const taken: number[] = []
      for (const message of [...archival, ...plain]) {
        expect([0, 3, 5]).toContain(await client.submit(message, { wait: 0 }))
        taken.push(client.requestId)
      }
      return taken
    })
    await server.restart()
    expect(new Set(ids).size).toBe(64)
    expect(new Set(await outcomesOf(ids))).toEqual(new Set([3]))
    for (const [index, id] of ids.entries()) {
      const sealedKeys = index < archival.length ? 1 : 0
      expect(await tracesOf(server, id)).toMatchObject({ state: 'issued', certificates: 1, sealedKeys, envelopes: 0 })
    }
  })

  it('answers or refuses every call that it interrupts, and has recorded what it answered', async () => {
    const messages = await Promise.all(Array.from({ length: 40 }, () => pkcs10Request({ template: 'UserSignature' })))
    const calls = messages.map(message =>
      withClient(async client => {
        try {
          await client.submit(message, { wait: 20 })
          return client.requestId
        } catch (error) {
          if (isAppError(error, 'server_unreachable') || isAppError(error, 'unavailable')) return undefined
          throw error
        }
      })
    )
    const restarted = server.restart()
    const answered = (await Promise.all(calls)).filter(id => id !== undefined)
    await restarted
    if (answered.length > 0) expect(new Set(await outcomesOf(answered))).toEqual(new Set([3]))
    // Whoever got no answer sends the same again, and there is one certificate for each message.
    await withClient(async client => {
      for (const message of messages) expect(await client.submit(message)).toBe(3)
    })
    const rows = await server.sql<{ requests: number; certificates: number }>(
      `SELECT count(DISTINCT r.id)::int AS requests, count(c.*)::int AS certificates FROM certkeep.request AS r
       JOIN certkeep.certificate AS c ON c.request_id = r.id AND c.state = 'issued' WHERE r.requester_id = $1`,
      [user.row.id]
    )
    expect(rows).toEqual([{ requests: 104, certificates: 104 }])
  })

  it('does not wait for those who wait for an officer', async () => {
    const computer = await server.addPrincipal({ kind: 'computer' })
    await using client = server.connect(computer)
    expect(await client.submit(await webServerRequest())).toBe(5)
    const waiting = client.retrievePending(client.requestId, { wait: 30 })
    expect(await Promise.race([waiting, sleep(500, 'still waiting')])).toBe('still waiting')
    const started = Date.now()
    await server.restart()
    expect(await waiting).toBe(5)
    expect(Date.now() - started).toBeLessThan(15_000)
  })

  it('refuses nothing afterwards that was good before', async () => {
    const call = createCaller(server)
    expect((await call({ path: '/readyz' })).json()).toMatchObject({ status: 'ready' })
    await call.close()
    await withClient(async client => {
      expect(await client.submit(await pkcs10Request({ template: 'UserSignature' }))).toBe(3)
    })
  })
})
