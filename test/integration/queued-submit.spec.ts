import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  CallBinding,
  CallServer,
  Enrollment,
  OutgoingQueue,
  receiveQueuedAnswer,
  SUBMIT_ENDPOINT,
  SUBMIT_INTERFACE,
  submitQueued,
  type ErrorCode,
  type QueuedAnswer
} from '@app/client'
import { decodeCertificate } from '@app/x509'
import { sendRequest, takeAnswer } from '../../examples/queued-submit.js'
import { during } from '../helpers/database-faults.js'
import { addMessageParty, type MessageParty } from '../helpers/message-parties.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { submitBytes } from '../helpers/submission.js'

const home = mkdtempSync(join(tmpdir(), 'certkeep-submit-'))
const coded = (code: ErrorCode): Error => expect.objectContaining({ code }) as Error
let server: TestServer
let caller: MessageParty

beforeAll(async () => {
  server = await startTestServer({ agents: 0 })
  caller = await addMessageParty(server)
  await caller.queues().create('answers')
})

afterAll(async () => {
  await caller.closeAll()
  await server.stop()
  rmSync(home, { recursive: true, force: true })
})

const newEnrollment = (): Enrollment => new Enrollment({ trust: server.root, key: { algorithm: 'p-256' } })
const requestCount = async (): Promise<number> => {
  const [row] = await server.sql<{ count: number }>('SELECT count(*)::integer AS count FROM certkeep.request')
  return row?.count ?? 0
}

/** A request by a queued call, and its answer. */
async function ask(party: MessageParty, der: Uint8Array, ca = server.ca.name): Promise<QueuedAnswer | undefined> {
  const queues = party.queues()
  const binding = new CallBinding({ endpoint: SUBMIT_ENDPOINT, queues })
  binding.setAuthInfo({ authnLevel: 0, identity: party.signer })
  const { callId, authnLevel } = await submitQueued(binding, der, { ca, responseQueue: 'answers' })
  expect(authnLevel).toBe(6)
  return receiveQueuedAnswer(queues, 'answers', { callId, wait: 20 })
}

describe('a request as a queued call', () => {
  it('is issued when the server starts that was stopped as it was sent, for the sender whom the message proves', async () => {
    const outgoing = await OutgoingQueue.open(join(home, 'outgoing'))
    const identity = caller.signer
    const first = { enrollment: newEnrollment(), queues: caller.queues(), responseQueue: 'answers' }
    // The first look at the endpoint makes its queue, and remembers its key for when the server is down.
    const early = await sendRequest(first, { outgoing, identity, ca: server.ca.name })
    expect(early).toMatchObject({ authnLevel: 6, state: 'sent' })
    await takeAnswer(first, early.callId)
    await server.running.shutdown.run('test')

    const enrollment = newEnrollment()
    const receipt = await sendRequest({ ...first, enrollment }, { outgoing, identity, ca: server.ca.name })
    expect(receipt.state).toBe('waiting')
    const folder = join(home, 'outgoing', 'waiting')
    const [file = ''] = readdirSync(folder)
    const envelope = readFileSync(join(folder, file), 'utf8')
    expect(envelope).not.toContain(Buffer.from('UserSignature').toString('base64url'))
    await server.restart()
    await caller.closeAll()
    const queues = caller.queues()
    expect(await outgoing.send(queues)).toMatchObject({ sent: [receipt.callId], waiting: 0 })
    const accepted = await takeAnswer({ enrollment, queues, responseQueue: 'answers' }, receipt.callId)
    expect(decodeCertificate(accepted?.certificate ?? new Uint8Array()).issuer.raw).toEqual(
      server.ca.certificate.subject.raw
    )
    const { accountName } = caller.principal.row
    const [row] = await server.sql<{ id: number; requester: string }>(
      'SELECT id::float8 AS id, requester_name AS requester FROM certkeep.request ORDER BY id DESC LIMIT 1'
    )
    expect(row?.requester).toBe(`EXAMPLE\\${accountName}`)
    const events = await server.sql<{ actor: string; action: string }>(
      `SELECT actor, action FROM certkeep.audit_event WHERE object_type = 'request' AND object_id = $1 ORDER BY seq`,
      [String(row?.id)]
    )
    expect(events[0]).toEqual({ actor: `EXAMPLE\\${accountName}`, action: 'request.submitted' })
    expect(events.map(({ action }) => action)).toContain('request.issued')

    // Handed in once more, it makes no second request; over HTTP its id is the key that finds the same one.
    const count = await requestCount()
    await queues.sendEnvelope(SUBMIT_ENDPOINT, (JSON.parse(envelope) as { envelope: string }).envelope)
    await sleep(300)
    expect(await requestCount()).toBe(count)
    expect(await queues.peek('answers')).toEqual([])
  })

  it('is recorded once and answered although its answer could not be stored at first', async () => {
    const count = await requestCount()
    const queues = caller.queues()
    const binding = caller.binding(SUBMIT_ENDPOINT)
    binding.setAuthInfo({ authnLevel: 6, identity: caller.signer })
    const der = await newEnrollment().createRequest({ type: 'pkcs10', template: { name: 'UserSignature' } })
    const fault = { table: 'message', on: 'INSERT', when: 'NEW.submitted_by IS NULL' } as const
    const { callId } = await during(server, fault, () =>
      submitQueued(binding, der, { ca: server.ca.name, responseQueue: 'answers' })
    )
    await server.sql(`UPDATE certkeep.message SET leased_until = now() WHERE leased_until IS NOT NULL`)
    const answer = await receiveQueuedAnswer(queues, 'answers', { callId, wait: 20 })
    expect(answer?.request.dispositionName).toBe('issued')
    expect(await requestCount()).toBe(count + 1)
    expect(await queues.peek('answers')).toEqual([])
    expect(await server.sql(`SELECT id FROM certkeep.message WHERE place = 'dead-letter'`)).toEqual([])
  })

  it('has the outcome that it has over HTTP, and is refused for the same reasons', async () => {
    const stranger = await addMessageParty(server, { groupNames: [] })
    await caller
      .queues()
      .change('answers', { access: [{ sid: stranger.principal.row.sid, rights: ['write', 'receive'] }] })
    for (const template of ['UserSignature', 'WebServer', 'NoSuchTemplate']) {
      const der = await newEnrollment().createRequest({ type: 'pkcs10', subject: 'CN=x', template: { name: template } })
      for (const party of [caller, stranger]) {
        const queued = await ask(party, der)
        const direct = await submitBytes(server, party.principal, der, 'application/pkcs10')
        const told = ({ dispositionName, dispositionMessage, lastStatus }: typeof direct) =>
          [dispositionName, dispositionMessage.replace(/\d+/g, '#'), lastStatus].join(' ')
        expect(told(queued?.request as typeof direct)).toBe(told(direct))
      }
    }
    const garbage = await ask(caller, Buffer.from('no request'))
    expect(garbage?.request.dispositionName).not.toBe('issued')
    await expect(ask(caller, Buffer.from('x'), 'No Such CA')).rejects.toThrow(coded('not_found'))
    await server.sql('UPDATE certkeep.principal SET disabled_at = now() WHERE sid = $1', [stranger.principal.row.sid])
    const binding = caller.binding(SUBMIT_ENDPOINT)
    const count = await requestCount()
    const der = await newEnrollment().createRequest({ type: 'pkcs10', template: { name: 'UserSignature' } })
    const identities = [
      // Of a disabled account; with the certificate of another account; below the level.
      [6, stranger.signer],
      [6, { ...caller.signer, sid: stranger.principal.row.sid }],
      [5, caller.signer]
    ] as const
    for (const [authnLevel, identity] of identities) {
      binding.setAuthInfo({ authnLevel, identity })
      await submitQueued(binding, der, { ca: server.ca.name })
    }
    const waiting = async (): Promise<void> => {
      const rows = await server.sql<{ class: number }>(
        `SELECT m.class FROM certkeep.message AS m JOIN certkeep.message_queue AS q ON q.id = m.queue_id
         WHERE q.name = $1 ORDER BY m.class`,
        [SUBMIT_ENDPOINT]
      )
      // A disabled account, the certificate of another, what is not encrypted, and the call of a CA that there is not.
      expect(rows.map(row => row.class)).toEqual([0x8006, 0x8006, 0x8007, 0xc004])
    }
    await vi.waitFor(waiting, { timeout: 10_000 })
    expect(await requestCount()).toBe(count)
    await stranger.closeAll()
  })

  it('comes to a queue that is the server’s alone, whose key is in no row', async () => {
    const queues = caller.queues()
    const queue = await queues.get(SUBMIT_ENDPOINT)
    expect(queue).toMatchObject({ authenticate: true, privacy: 'body', rights: ['write'] })
    const calls = new CallServer(caller.settings())
    calls.registerInterface(SUBMIT_INTERFACE, { submit: () => undefined })
    const taken = [
      () => queues.receive(SUBMIT_ENDPOINT),
      () => queues.change(SUBMIT_ENDPOINT, { authenticate: false }),
      () => queues.remove(SUBMIT_ENDPOINT),
      () => queues.create('certkeep.other'),
      () => calls.useProtseqEpEx('ncadg_mq', SUBMIT_ENDPOINT, { endpointFlags: 1 })
    ]
    for (const attempt of taken) await expect(attempt()).rejects.toThrow(coded('MQ_ERROR_ACCESS_DENIED'))
    await calls.stop()
    const [row] = await server.sql<{ dump: string }>(
      `SELECT string_agg(q::text, '') AS dump FROM certkeep.message_queue AS q WHERE q.owner_id IS NULL`
    )
    expect(row?.dump).not.toMatch(/PRIVATE|302e0201|30820[46]/)
    const answer = await ask(
      caller,
      await newEnrollment().createRequest({ type: 'pkcs10', template: { name: 'UserSignature' } })
    )
    expect(answer?.request.dispositionName).toBe('issued')
  })
})
