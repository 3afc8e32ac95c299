import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BulkDecision, BulkResult, CertRequest, Console } from '@app/client'
import { offerTemplate } from '../helpers/administration.js'
import { during } from '../helpers/database-faults.js'
import { brokenInvariants } from '../helpers/decision-invariants.js'
import { heldTemplate, reaching, submitPending } from '../helpers/pending-requests.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

let server: TestServer
let client: CertRequest
let officers: readonly Console[]
let admin: Console

beforeAll(async () => {
  server = await startTestServer()
  await offerTemplate(server, heldTemplate('TwoOfficers', { approvals: 2 }))
  client = server.connect(await server.addPrincipal({ kind: 'computer' }))
  officers = await Promise.all(
    Array.from({ length: 50 }, async () => server.operate(await server.addOperator('officer')))
  )
  admin = server.operate(await server.addOperator('administrator'))
})

afterAll(async () => {
  await Promise.all([...officers, admin].map(console => console[Symbol.asyncDispose]()))
  await client[Symbol.asyncDispose]()
  await server.stop()
})

const queue = (index: number) => officers[index]!.queue

/** What each of many decisions came to, by the request that they were about. */
function byRequest(results: readonly (readonly BulkResult[])[]): ReadonlyMap<number, readonly BulkResult[]> {
  return Map.groupBy(results.flat(), ({ requestId }) => requestId)
}

describe('50 officers who approve and deny the same 200 requests at once', () => {
  it('come to one decision for each, which all others hear of, and nothing that must hold is broken', async () => {
    const ids: number[] = []
    for (let index = 0; index < 200; index++) {
      ids.push(await submitPending(client, index % 2 === 0 ? 'WebServer' : 'TwoOfficers'))
    }
    const results = await Promise.all(
      officers.map(({ queue: own }, officer) => {
        const decisions = ids.map((requestId, index): BulkDecision => {
          // Of every request as many would approve as deny; who comes first differs.
          const isApproval = (officer + index + Math.floor(index / 2)) % 2 === 0
          return isApproval ? { requestId, decision: 'approve' } : { requestId, decision: 'deny', reason: 'No.' }
        })
        const parts = Array.from({ length: 10 }, (_, part) => decisions.slice(part * 20, (part + 1) * 20))
        return parts.reduce<Promise<readonly BulkResult[]>>(
          async (before, part) => [...(await before), ...(await own.decide(part))],
          Promise.resolve([])
        )
      })
    )

    const rows = await server.sql<{ id: number; state: string; given: number; denied: number }>(
      `SELECT r.id, r.state, count(d.*) FILTER (WHERE d.kind = 'approve')::int AS given,
              count(d.*) FILTER (WHERE d.kind = 'deny')::int AS denied
       FROM certkeep.request AS r LEFT JOIN certkeep.request_decision AS d ON d.request_id = r.id
       WHERE r.id = ANY ($1) GROUP BY r.id ORDER BY r.id`,
      [ids]
    )
    const outcomes = byRequest(results)
    for (const { id, state, given, denied } of rows) {
      const needed = ids.indexOf(id) % 2 === 0 ? 1 : 2
      const told = outcomes.get(id)!
      expect(told).toHaveLength(50)
      expect(told.filter(({ outcome }) => outcome === 'done')).toHaveLength(given + denied)
      if (state === 'denied') expect([denied, given < needed]).toEqual([1, true])
      else expect([denied, given]).toEqual([0, needed])
      const refused = told.flatMap(({ problem }) => problem ?? [])
      expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['conflict']))
      for (const { detail } of refused) expect(detail).toMatch(/(approved|denied|already).* at \d{4}-/)
    }
    const approved = rows.filter(({ state }) => state !== 'denied').map(({ id }) => id)
    expect(approved.length).toBeGreaterThan(0)
    expect(approved.length).toBeLessThan(200)
    for (const id of approved) await reaching(server, id, 'issued')
    expect(await brokenInvariants(server)).toEqual({})
  }, 180_000)
})

describe('an edit, an approval and a withdrawal at the same time', () => {
  it('never end in a certificate that its editor approved, or that nobody saw so', async () => {
    const ids: number[] = []
    for (let index = 0; index < 12; index++) ids.push(await submitPending(client))
    await Promise.all(
      ids.map(async (id, index) => {
        const rivals = [
          () => queue(0).setAttributes(id, [{ name: 'Note', value: 'x' }]),
          () => queue(0).approve(id),
          () => queue(1).approve(id),
          () => client.withdraw(id)
        ]
        const turned = [...rivals.slice(index % 4), ...rivals.slice(0, index % 4)]
        await Promise.allSettled(turned.map(rival => rival()))
      })
    )
    for (const id of ids) {
      const { state } = await queue(2).get(id)
      await reaching(server, id, state === 'denied' ? 'denied' : 'issued')
    }
    expect(await brokenInvariants(server)).toEqual({})
  })

  it('of resubmissions, one takes the request up', async () => {
    const id = await submitPending(client)
    await queue(0).deny(id, 'No.')
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => admin.queue.resubmit(id)))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await reaching(server, id, 'pending')
    expect((await queue(0).get(id)).round).toBe(2)
  })
})

describe('a decision that the database cannot take', () => {
  it('leaves no trace when its event cannot be written, and may be made again', async () => {
    const id = await submitPending(client, 'TwoOfficers')
    await queue(0).approve(id)
    const fault = { table: 'audit_event', on: 'INSERT', when: "NEW.action = 'request.approved'" } as const
    const failed = await during(server, fault, () =>
      queue(1)
        .approve(id)
        .catch((error: unknown) => error)
    )
    expect(failed).toMatchObject({ code: 'unavailable' })
    expect(await queue(1).get(id)).toMatchObject({ state: 'pending', approvals: { given: 1, needed: 2 } })
    await queue(1).approve(id)
    await reaching(server, id, 'issued')
    expect(await brokenInvariants(server)).toEqual({})
  })

  it('is kept when the server ends before the certificate is made', async () => {
    const [first, second] = [await submitPending(client), await submitPending(client, 'TwoOfficers')]
    const fault = { table: 'certificate', on: 'INSERT' } as const
    await during(server, fault, async () => {
      await queue(0).approve(first)
      await queue(0).approve(second)
      await queue(1).approve(second)
    })
    await server.restart()
    await reaching(server, first, 'issued')
    await reaching(server, second, 'issued')
    expect(await brokenInvariants(server)).toEqual({})
  })
})
