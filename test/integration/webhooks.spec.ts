import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebhookStore, type DeliveryRow } from '@app/storage'
import type { CertRequest } from '@app/client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { decidePending } from '../helpers/decisions.js'
import { createCaller } from '../helpers/http-calls.js'
import { pkcs10Request, webServerRequest } from '../helpers/plain-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { startWebhookReceiver, type WebhookReceiver } from '../helpers/webhook-receiver.js'

let server: TestServer
let receiver: WebhookReceiver
let slow: WebhookReceiver
let user: CertRequest
let computer: CertRequest
let store: WebhookStore
let alice: TestPrincipal

const webhooksOf = (timeoutSeconds = 1, ...more: object[]) => ({
  webhooks: [
    { name: 'tickets', url: receiver.url, secretFile: receiver.secretFile, timeoutSeconds },
    { name: 'slow', url: slow.url, secretFile: slow.secretFile, template: 'None', timeoutSeconds: 60 },
    ...more
  ]
})

beforeAll(async () => {
  receiver = await startWebhookReceiver()
  slow = await startWebhookReceiver()
  server = await startTestServer({ settings: webhooksOf() as never })
  alice = await server.addPrincipal()
  user = server.connect(alice)
  computer = server.connect(await server.addPrincipal({ kind: 'computer' }))
  store = new WebhookStore((await server.database.open('front')).dataSource)
})

afterEach(() => {
  receiver.answer(response => void response.writeHead(204).end())
})

afterAll(async () => {
  await user[Symbol.asyncDispose]()
  await computer[Symbol.asyncDispose]()
  await server.stop()
  await receiver.close()
  await slow.close()
})

async function issue(): Promise<number> {
  expect(await user.submit(await pkcs10Request({ template: 'UserSignature' }))).toBe(3)
  return user.requestId
}

/** The delivery on a request once it is in this state. */
async function deliveryOf(requestId: number, state: DeliveryRow['state']): Promise<DeliveryRow> {
  for (let round = 0; round < 400; round++) {
    const { rows } = await store.list({ requestId: requestId as never, state }, 1)
    if (rows[0] !== undefined) return rows[0]
    await sleep(50)
  }
  throw new Error(`No delivery on request ${requestId} became ${state}.`)
}

describe('a webhook', () => {
  it('is told of an issued certificate what the requester is told, signed as its own library verifies it', async () => {
    const id = await issue()
    const [notice] = await receiver.noticesOf(id, 1)
    const view = await fetchView(alice.token, id)
    const { links, ...told } = notice!.data as unknown as { readonly links: Record<string, string> } & Record<
      string,
      unknown
    >
    const { links: own, ...known } = view
    expect(notice).toMatchObject({ type: 'request.issued', timestamp: view['resolvedAt'] })
    expect(told).toEqual(known)
    expect(links).toEqual(
      Object.fromEntries(Object.entries(own).map(([name, path]) => [name, `${server.config.publicUrl}${path}`]))
    )
    expect(await deliveryOf(id, 'delivered')).toMatchObject({ attempts: 1, status: 204, error: null })
  })

  it('is told of a request that waits and of its denial, each as it was then', async () => {
    expect(await computer.submit(await webServerRequest())).toBe(5)
    const id = computer.requestId
    await receiver.noticesOf(id, 1)
    await decidePending(server, id, 'denied')
    const [pending, denied] = await receiver.noticesOf(id, 2)
    expect(pending).toMatchObject({ type: 'request.pending', data: { disposition: 5, lastStatus: '0x00000000' } })
    expect(pending?.data).not.toHaveProperty('resolvedAt')
    expect(denied).toMatchObject({
      type: 'request.denied',
      data: {
        disposition: 2,
        dispositionMessage: 'Denied by EXAMPLE\\officer',
        statusSymbol: 'CERTSRV_E_ADMIN_DENIED_REQUEST'
      }
    })
  })

  it('is not believed by a receiver when a byte of it has changed', async () => {
    const id = await issue()
    await receiver.noticesOf(id, 1)
    const call = receiver.calls.at(-1)!
    expect(() => receiver.verify({ ...call, body: call.body.replace('"requestId":', '"requestId":1') })).toThrow(
      /signature/i
    )
  })

  it('is tried again with the same id until its receiver is back, however it failed', async () => {
    await receiver.down()
    const id = await issue()
    const failed = await attempted(id, 1)
    expect(failed.error).toMatch(/ECONNREFUSED/)
    const answers = [302]
    receiver.answer(response => {
      const status = answers.shift() ?? 200
      response.writeHead(status, status === 302 ? { location: slow.url } : {}).end('x'.repeat(100_000))
    })
    await receiver.up()
    await receiver.noticesOf(id, 2)
    const ids = receiver.calls.filter(call => receiver.verify(call).data.requestId === id)
    expect(new Set(ids.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([failed.id]))
    expect(await deliveryOf(id, 'delivered')).toMatchObject({ attempts: 3, status: 200 })
    // The redirection led nowhere.
    expect(slow.calls).toEqual([])
  }, 30_000)

  it('is told of a recovery drill that failed, where it is for every CA and template', async () => {
    const ordered = await server.sql<{ readonly id: number }>(
      `INSERT INTO certkeep.key_drill (state, requested_by, due_at) VALUES ('due', 'x', now()) RETURNING id`
    )
    await server.sql(
      `UPDATE certkeep.key_drill SET state = 'failed', ended_at = now(), failure_code = 'cms_decrypt_failed',
         failure_message = 'It does not open.' WHERE id = $1`,
      [ordered[0]?.id]
    )
    server.running.runtime.wakeups.nudge('webhooks')
    const told = () => receiver.calls.map(call => receiver.verify(call)).filter(({ type }) => type === 'drill.failed')
    await expect.poll(told, { timeout: 20_000 }).toHaveLength(1)
    expect(told()[0]?.data).toEqual({
      drillId: ordered[0]?.id,
      code: 'cms_decrypt_failed',
      message: 'It does not open.'
    })
    const deliveries = `SELECT webhook, state FROM certkeep.webhook_delivery WHERE event = 'drill_failed'`
    await expect.poll(() => server.sql(deliveries)).toEqual([{ webhook: 'tickets', state: 'delivered' }])
  })

  it('is looked after over the console, by those who may see how the installation is', async () => {
    const id = await issue()
    await deliveryOf(id, 'delivered')
    const call = createCaller(server)
    const path = `/api/v1/webhooks/deliveries?requestId=${id}&state=delivered`
    const [operator, officer] = [await server.addOperator('operator'), await server.addOperator('officer')]
    const seen = await call({ path, token: operator.token })
    expect(seen.json()).toMatchObject({ items: [{ webhook: 'tickets', event: 'issued', attempts: 1, status: 204 }] })
    expect((await call({ path, token: officer.token })).status).toBe(403)
    await call.close()
  })

  it('that does not answer in time is told again', async () => {
    const held: (() => void)[] = []
    receiver.answer(response => held.push(() => void response.end()))
    const id = await issue()
    expect(await attempted(id, 1)).toMatchObject({ error: 'no answer in 1 seconds', status: null })
    receiver.answer(response => void response.writeHead(200).end())
    expect(await deliveryOf(id, 'delivered')).toMatchObject({ attempts: 2 })
    held.forEach(release => release())
  }, 20_000)

  it('hears of a request once, however often the request is repeated and its delivery attempted at once', async () => {
    const request = await pkcs10Request({ template: 'UserSignature' })
    await Promise.all(Array.from({ length: 5 }, () => user.submit(request)))
    const { id } = await deliveryOf(user.requestId, 'delivered')
    expect((await store.list({ requestId: user.requestId as never }, 10)).rows).toHaveLength(1)
    await server.sql(
      `UPDATE certkeep.webhook_delivery SET state = 'due', ended_at = NULL, queue_at = now() + interval '1 hour' WHERE id = $1`,
      [id]
    )
    const [now, until] = [new Date(), new Date(Date.now() + 60_000)]
    const leases = await Promise.all(Array.from({ length: 20 }, () => store.lease(id, now, until)))
    expect(leases.filter(lease => lease !== undefined)).toHaveLength(1)
  })

  it('that does not answer keeps no server from ending, and is told the rest by the next', async () => {
    await server.restart(webhooksOf(10) as never)
    await reconnect()
    const held: (() => void)[] = []
    receiver.answer(response => held.push(() => void response.end()))
    const ids = [await issue(), await issue(), await issue(), await issue(), await issue(), await issue()]
    await sleep(200)
    const begun = performance.now()
    await server.running.shutdown.run('test')
    expect(performance.now() - begun).toBeLessThan(2500)
    receiver.answer(response => void response.end())
    await server.restart(webhooksOf() as never)
    for (const id of ids) await deliveryOf(id, 'delivered')
    await reconnect()
    held.forEach(release => release())
  }, 30_000)

  it('gets what was due when the server ended, also what it had queued and lost the job of', async () => {
    await receiver.down()
    const id = await issue()
    await attempted(id, 1)
    await server.running.shutdown.run('test')
    // As after a crash of the database that the queue's tables did not outlive.
    await server.sql('TRUNCATE bullmq.job CASCADE')
    await server.sql(`UPDATE certkeep.webhook_delivery SET queue_at = now() WHERE state = 'due'`)
    await receiver.up()
    // Patient, so that no notice is tried twice where the machine is busy.
    await server.restart(webhooksOf(30) as never)
    await receiver.noticesOf(id, 1)
    expect(await deliveryOf(id, 'delivered')).toMatchObject({ requestId: id })
    await reconnect()
  }, 30_000)

  it('is held up by no other, and told in the order of time', async () => {
    const id = await issue()
    await receiver.noticesOf(id, 1)
    const before = receiver.calls.length
    const open: (() => void)[] = []
    slow.answer(response => open.push(() => void response.end()))
    const at = Date.now() - 200_000
    for (const webhook of ['slow', 'tickets']) {
      await server.sql(
        `INSERT INTO certkeep.webhook_delivery (webhook, request_id, event, disposition_message, occurred_at, queue_at)
         SELECT $1, $2, 'issued', n::text, to_timestamp($3::float8 / 1000) + n * interval '1 second', now()
         FROM generate_series(1, 200) AS n ORDER BY random()`,
        [webhook, id, at]
      )
    }
    server.running.runtime.wakeups.nudge('webhooks')
    await receiver.noticesOf(id, 201)
    const order = receiver.calls.slice(before).map(call => Number(receiver.verify(call).data['dispositionMessage']))
    expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
    // Four are under way at once, so that some overtake others by a little.
    expect(Math.max(...order.map((number, place) => Math.abs(number - 1 - place)))).toBeLessThan(25)
    expect(slow.calls).toHaveLength(4)
    slow.answer(response => void response.end())
    open.forEach(release => release())
    await slow.noticesOf(id, 200)
  }, 150_000)

  it('that says it is gone is told nothing more, until somebody resumes it', async () => {
    receiver.answer(response => void response.writeHead(410).end())
    const gone = await issue()
    expect(await deliveryOf(gone, 'stopped')).toMatchObject({ status: 410 })
    expect(await store.listStopped()).toEqual(['tickets'])
    const silent = await issue()
    expect((await store.list({ requestId: silent as never }, 1)).rows).toEqual([])
    const metrics = await fetch(`${server.metricsUrl}/metrics`).then(answer => answer.text())
    expect(metrics).toContain('certkeep_webhook_deliveries{webhook="tickets",state="stopped"} 1')
    expect(await store.resume('tickets', { actor: 'test' }, new Date())).toBe(true)
    receiver.answer(response => void response.writeHead(204).end())
    expect(await store.retry((await deliveryOf(gone, 'stopped')).id, { actor: 'test' }, new Date())).toBe(true)
    server.running.runtime.wakeups.nudge('webhooks')
    await deliveryOf(gone, 'delivered')
    await receiver.noticesOf(await issue(), 1)
  }, 30_000)

  it('of another CA, template or event is not told', async () => {
    const other = { url: slow.url, secretFile: slow.secretFile }
    await server.restart(
      webhooksOf(
        1,
        { ...other, name: 'ca', ca: 'Another CA' },
        { ...other, name: 'event', events: ['denied'] },
        { ...other, name: 'template', template: 'usersignature', ca: 'test ca' }
      ) as never
    )
    await reconnect()
    const id = await issue()
    await receiver.noticesOf(id, 1)
    const { rows } = await store.list({ requestId: id as never }, 10)
    expect(rows.map(({ webhook }) => webhook).toSorted()).toEqual(['template', 'tickets'])
  }, 30_000)

  it('costs nothing where there is none: no row, and no trigger that runs', async () => {
    await server.restart({ webhooks: [] })
    await reconnect()
    const id = await issue()
    expect((await store.list({ requestId: id as never }, 1)).rows).toEqual([])
    const triggers = await server.sql<{ readonly tgenabled: string }>(
      `SELECT tgenabled FROM pg_trigger WHERE tgname IN ('request_move_is_told', 'request_refusal_is_told')`
    )
    expect(triggers.map(({ tgenabled }) => tgenabled)).toEqual(['D', 'D'])
  }, 30_000)

  it('with a secret that is none keeps the server from starting', async () => {
    writeFileSync(receiver.secretFile, 'password\n', { mode: 0o600 })
    await expect(server.restart(webhooksOf() as never)).rejects.toMatchObject({ code: 'config_invalid' })
    await server.restart({ webhooks: [] })
  }, 30_000)
})

/** The delivery on a request after so many attempts in vain. */
async function attempted(requestId: number, attempts: number): Promise<DeliveryRow> {
  for (let round = 0; round < 200; round++) {
    const [row] = (await store.list({ requestId: requestId as never }, 1)).rows
    if (row !== undefined && row.attempts >= attempts && row.leasedUntil === null) return row
    await sleep(20)
  }
  throw new Error(`No attempt at telling of request ${requestId}.`)
}

async function reconnect(): Promise<void> {
  user = server.connect(await server.addPrincipal())
  computer = server.connect(await server.addPrincipal({ kind: 'computer' }))
}

/** What RetrievePending answers to the requester. */
async function fetchView(
  token: string,
  id: number
): Promise<Record<string, unknown> & { readonly links: Record<string, string> }> {
  const call = createCaller(server)
  const answer = await call({ path: `/api/v1/cas/Test%20CA/requests/${id}`, token })
  await call.close()
  return answer.json()
}
