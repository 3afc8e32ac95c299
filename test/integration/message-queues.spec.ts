import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ACKNOWLEDGE, CertificateDirectory, DELIVERY, JOURNAL, MESSAGE_CLASS, MessageQueues } from '@app/client'
import type { ErrorCode, MessageSigner, QueueOptions, SendOptions } from '@app/client'
import { MessageQueueStore } from '@app/storage'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { buildSampleCertificate, sampleKey } from '../helpers/x509-samples.js'

/** A principal with its queues and a certificate that is registered for it. */
interface Party {
  readonly principal: TestPrincipal
  readonly queues: MessageQueues
  readonly directory: CertificateDirectory
  readonly signer: MessageSigner
}

const SECRET = 'what nobody but the receiver may read'
const queueKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keys = [queueKey.privateKey]
const coded = (code: ErrorCode): Error => expect.objectContaining({ code }) as Error

let server: TestServer
let owner: Party
let sender: Party
let stranger: Party

beforeAll(async () => {
  server = await startTestServer({ agents: 0, settings: { messaging: { queuesPerAccount: 20, queueBytes: 100_000 } } })
  ;[owner, sender, stranger] = await Promise.all([party(1), party(2), party(3)])
})

afterAll(async () => {
  for (const { queues, directory } of [owner, sender, stranger]) {
    await queues[Symbol.asyncDispose]()
    await directory[Symbol.asyncDispose]()
  }
  await server.stop()
})

async function party(serial: number): Promise<Party> {
  const principal = await server.addPrincipal()
  const settings = { url: server.url, trust: server.root, credentials: { token: principal.token } }
  const directory = new CertificateDirectory(settings)
  const validity = { notBefore: new Date('2025-01-01T00:00:00Z'), notAfter: new Date('2049-01-01T00:00:00Z') }
  const certificate = buildSampleCertificate(sampleKey('P-256'), { ...validity, serialNumber: Uint8Array.of(serial) })
  await directory.registerCertificate({ certificate })
  const signer = { certificate, privateKey: sampleKey('P-256').privateKey, sid: principal.row.sid }
  return { principal, queues: new MessageQueues(settings), directory, signer }
}

/** A queue of the owner's that the sender may write to. */
async function newQueue(options: QueueOptions = {}): Promise<string> {
  const name = `q-${randomUUID()}`
  const access = [{ sid: sender.principal.row.sid, rights: ['write'] as const }]
  await owner.queues.create(name, { encryptionKey: queueKey.publicKey, access, ...options })
  return name
}

const send = (queue: string, text: string, options: SendOptions = {}, from = sender): Promise<string> =>
  from.queues.send(queue, Buffer.from(text), options.level === 'none' ? options : { signer: from.signer, ...options })

async function receive(queue: string) {
  const messages = await owner.queues.receive(queue, { most: 32, keys })
  await Promise.all(messages.map(message => message.complete()))
  return messages.map(({ body, level, sender: by }) => ({ text: Buffer.from(body).toString(), level, sid: by?.sid }))
}

/** What the sender's administration queue has of a message. */
async function acknowledgementsOf(admin: string): Promise<readonly string[]> {
  const messages = await sender.queues.receive(admin, { most: 32 })
  await Promise.all(messages.map(message => message.complete()))
  return messages.map(message => message.class)
}

const deadLetters = async (queue: string): Promise<readonly string[]> =>
  (await owner.queues.listKept(queue, 'dead-letter')).items.map(item => item.class)

describe('a queue', () => {
  it('gives messages of all levels to its receiver, with the sender that was verified', async () => {
    const queue = await newQueue()
    for (const level of ['none', 'integrity', 'privacy'] as const) await send(queue, level, { level })
    const { sid } = sender.principal.row
    expect(await receive(queue)).toEqual([
      { text: 'none', level: 'none', sid: undefined },
      { text: 'integrity', level: 'integrity', sid },
      { text: 'privacy', level: 'privacy', sid }
    ])
    expect(await receive(queue)).toEqual([])
  })

  it('004-2 stores nothing of a private message that could be read', async () => {
    const queue = await newQueue()
    await send(queue, SECRET, { level: 'privacy' })
    const [row] = await server.sql<{ dump: string }>(
      `SELECT string_agg(m::text, '') AS dump FROM certkeep.message AS m`
    )
    const forms = [SECRET, Buffer.from(SECRET).toString('hex'), Buffer.from(SECRET).toString('base64url').slice(0, 40)]
    for (const form of forms) expect(row?.dump).not.toContain(form)
    expect(await receive(queue)).toMatchObject([{ text: SECRET, level: 'privacy' }])
  })

  it('004-3 ignores messages below its level without an error, and keeps them as dead letters', async () => {
    const integrity = await newQueue({ authenticate: true })
    const privacy = await newQueue({ authenticate: true, privacy: 'body' })
    const admin = `admin-${randomUUID()}`
    await sender.queues.create(admin)
    const asking = { journal: JOURNAL.DEADLETTER, acknowledge: ACKNOWLEDGE.NEG_ARRIVAL, adminQueue: admin }
    for (const level of ['none', 'integrity', 'privacy'] as const) {
      await send(integrity, level, { level, ...asking })
      await send(privacy, level, { level, ...asking })
    }
    expect((await receive(integrity)).map(({ level }) => level)).toEqual(['integrity', 'privacy'])
    expect((await receive(privacy)).map(({ level }) => level)).toEqual(['privacy'])
    expect(await deadLetters(integrity)).toEqual(['NACK_BAD_SIGNATURE'])
    expect(await deadLetters(privacy)).toEqual(['NACK_BAD_ENCRYPTION', 'NACK_BAD_ENCRYPTION'])
    expect((await sender.queues.listDeadLetters()).items).toHaveLength(3)
    // Security is told to senders only where that is switched on.
    expect(await acknowledgementsOf(admin)).toEqual([])
    await server.restart({ messaging: { insecureNacks: true, queuesPerAccount: 20, queueBytes: 100_000 } })
    await reconnect()
    await send(integrity, 'none', { level: 'none', ...asking })
    expect(await acknowledgementsOf(admin)).toEqual(['NACK_BAD_SIGNATURE'])
  })

  it('004-5 holds a change of its level against later messages only', async () => {
    const queue = await newQueue()
    await send(queue, 'before', { level: 'none' })
    await owner.queues.change(queue, { authenticate: true })
    await send(queue, 'after', { level: 'none' })
    expect((await receive(queue)).map(({ text }) => text)).toEqual(['before'])
  })

  it('004-6 refuses a certificate of another account, and an account without the right, which leaves nothing', async () => {
    const queue = await newQueue()
    const foreign = { ...stranger.signer, sid: sender.principal.row.sid }
    const journal = JOURNAL.DEADLETTER
    for (const level of ['integrity', 'privacy'] as const) {
      await send(queue, 'forged', { level, signer: foreign, journal })
      await stranger.queues.sendEnvelope(
        queue,
        await owner.queues.seal(queue, Buffer.from('x'), { level, signer: stranger.signer, journal })
      )
    }
    await stranger.queues.send(queue, Buffer.from('x'), { journal })
    expect(await receive(queue)).toEqual([])
    expect(await deadLetters(queue)).toEqual(['NACK_BAD_SIGNATURE', 'NACK_BAD_SIGNATURE'])
  })

  it('004-7 drops a message that comes again, also at the same time', async () => {
    const queue = await newQueue()
    for (const level of ['none', 'integrity', 'privacy'] as const) {
      const options = level === 'none' ? { level } : { level, signer: sender.signer }
      const envelope = await sender.queues.seal(queue, Buffer.from(level), options)
      await Promise.all(Array.from({ length: 5 }, () => sender.queues.sendEnvelope(queue, envelope)))
      expect(await receive(queue)).toHaveLength(1)
      await sender.queues.sendEnvelope(queue, envelope)
      expect(await receive(queue)).toEqual([])
    }
  })

  it('001-7 no longer believes a certificate from the moment on that it is not registered', async () => {
    const queue = await newQueue()
    await send(queue, 'before', { level: 'privacy' })
    const [registered] = await sender.directory.list()
    await sender.directory.deregister(registered?.digest ?? '')
    await send(queue, 'after')
    expect(await receive(queue)).toEqual([])
    await sender.directory.registerCertificate({ certificate: sender.signer.certificate })
    await send(queue, 'again')
    expect(await receive(queue)).toMatchObject([{ text: 'again' }])
  })

  it('gives the highest priority first, and each message to one receiver at a time', async () => {
    const queue = await newQueue()
    for (const priority of [1, 7, 3]) await send(queue, String(priority), { priority, delivery: DELIVERY.RECOVERABLE })
    const [first] = await owner.queues.receive(queue, { keys, leaseSeconds: 5 })
    const rest = await owner.queues.receive(queue, { most: 32, keys })
    expect([first, ...rest].map(message => message?.fields.priority)).toEqual([7, 3, 1])
    await first?.release()
    await expect(first?.complete()).rejects.toThrow(coded('conflict'))
    const [again] = await owner.queues.receive(queue, { keys })
    expect(again?.fields.priority).toBe(7)
    await server.sql(`UPDATE certkeep.message SET leased_until = now() - interval '1 s' WHERE priority = 7`)
    await expect(again?.complete()).rejects.toThrow(coded('conflict'))
    await rest[0]?.complete()
    expect((await owner.queues.peek(queue, 32)).map(message => message.messageId)).toHaveLength(2)
  })

  it('acknowledges arrival and receipt where the sender asks, keeps its journal, and tells rejections', async () => {
    const queue = await newQueue({ journaling: true })
    const admin = `admin-${randomUUID()}`
    await sender.queues.create(admin)
    const messageId = randomUUID()
    await send(queue, 'one', { messageId, acknowledge: 3, adminQueue: admin, label: 'A label', level: 'privacy' })
    const [arrived] = await sender.queues.receive(admin)
    expect(arrived).toMatchObject({
      class: 'ACK_REACH_QUEUE',
      fields: { class: MESSAGE_CLASS.ACK_REACH_QUEUE, correlationId: messageId, responseQueue: queue, label: 'A label' }
    })
    await arrived?.complete()
    await receive(queue)
    expect(await acknowledgementsOf(admin)).toEqual(['ACK_RECEIVE'])
    const journal = await owner.queues.listKept(queue, 'journal')
    expect(journal.items).toMatchObject([{ messageId, class: 'NORMAL' }])
    await send(queue, 'two', { acknowledge: ACKNOWLEDGE.NEG_RECEIVE, adminQueue: admin })
    const [unwanted] = await owner.queues.receive(queue)
    await unwanted?.reject()
    const [rejection] = await sender.queues.receive(admin)
    expect(rejection?.class).toBe('NACK_RECEIVE_REJECTED')
    expect(Buffer.from(rejection?.body ?? []).toString()).toBe('two')
    await owner.queues.purge(queue, 'journal')
    expect((await owner.queues.listKept(queue, 'journal')).items).toEqual([])
    // Into the queue of somebody who did not let the sender in, the server writes nothing for him either.
    await send(queue, 'three', { acknowledge: 1, adminQueue: queue })
    const closed = `closed-${randomUUID()}`
    await stranger.queues.create(closed)
    await send(queue, 'four', { acknowledge: 1, adminQueue: closed })
    expect(await stranger.queues.peek(closed)).toEqual([])
  })

  it('gives up what is late, what has no room and what is purged, each with its class', async () => {
    const queue = await newQueue({ quota: 2000 })
    const admin = `admin-${randomUUID()}`
    await sender.queues.create(admin)
    const asking = { journal: JOURNAL.DEADLETTER, acknowledge: 12, adminQueue: admin }
    await send(queue, 'late', { ...asking, sentAt: '2026-01-01T00:00:00Z' })
    await send(queue, 'large', { ...asking, appSpecific: 1, level: 'none', label: 'x'.repeat(200) })
    await send(queue, 'x'.repeat(2000), { ...asking, level: 'none' })
    await send(queue, 'short', { ...asking, level: 'none', timeToBeReceived: 1 })
    await sleep(1100)
    await owner.queues.purge(queue)
    expect(await receive(queue)).toEqual([])
    const classes = ['NACK_REACH_QUEUE_TIMEOUT', 'NACK_Q_EXCEED_QUOTA', 'NACK_Q_PURGED', 'NACK_Q_PURGED']
    expect((await acknowledgementsOf(admin)).toSorted()).toEqual(classes.toSorted())
    expect((await deadLetters(queue)).toSorted()).toEqual(classes.toSorted())
    await send(queue, 'short', { ...asking, level: 'none', timeToBeReceived: 1 })
    await sleep(1100)
    expect(await receive(queue)).toEqual([])
    expect(await acknowledgementsOf(admin)).toEqual(['NACK_RECEIVE_TIMEOUT'])
    const emptied = (await owner.queues.list()).find(({ name }) => name === queue)
    expect(emptied?.owned?.waitingBytes).toBe(0)
    await send(queue, 'last', { ...asking, level: 'none' })
    await owner.queues.remove(queue)
    expect(await acknowledgementsOf(admin)).toEqual(['NACK_Q_DELETED'])
    await expect(owner.queues.get(queue)).rejects.toThrow(coded('MQ_ERROR_QUEUE_NOT_FOUND'))
  })

  it('is removed while a message of it is settled: neither waits for the other for ever', async () => {
    const queue = await newQueue()
    await send(queue, 'one', { level: 'none' })
    const front = await server.database.open('front')
    const { dataSource } = front
    const store = new MessageQueueStore(dataSource)
    const { id } = (await store.find(queue)) ?? { id: '' }
    // As a receiver does that settles: the message first, and then its queue.
    const settling = dataSource.createQueryRunner()
    await settling.startTransaction()
    await settling.query('SELECT FROM certkeep.message WHERE queue_id = $1 FOR UPDATE', [id])
    const removing = front.transaction(unit => store.remove(unit, id, { actor: 'test' }, new Date()))
    try {
      const blocked = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0`
      await expect.poll(() => server.sql(blocked), { timeout: 10_000 }).not.toEqual([])
      await settling.query('SELECT FROM certkeep.message_queue WHERE id = $1 FOR NO KEY UPDATE', [id])
      await settling.query('DELETE FROM certkeep.message WHERE queue_id = $1', [id])
      await settling.commitTransaction()
    } finally {
      await settling.release()
    }
    expect(await removing).toBe('removed')
  })

  it('takes what crosses other messages and their acknowledgements, however many come at once', async () => {
    const [one, two] = [await newQueue(), await newQueue()]
    const asking = { level: 'none', acknowledge: ACKNOWLEDGE.POS_ARRIVAL } as const
    const sends = Array.from({ length: 40 }, (_, at) =>
      at % 2 === 0 ? send(one, 'x', { ...asking, adminQueue: two }) : send(two, 'x', { ...asking, adminQueue: one })
    )
    expect((await Promise.allSettled(sends)).filter(({ status }) => status === 'rejected')).toEqual([])
    // As many of them end at once, whoever looks.
    await server.sql(`UPDATE certkeep.message SET receive_before = now() - interval '1 second' WHERE place = 'queue'`)
    const looks = Array.from({ length: 8 }, (_, at) => owner.queues.peek(at % 2 === 0 ? one : two))
    expect((await Promise.allSettled(looks)).filter(({ status }) => status === 'rejected')).toEqual([])
    await expect
      .poll(() =>
        server.sql(
          `SELECT id FROM certkeep.message WHERE place = 'queue' AND queue_id IN (
      SELECT id FROM certkeep.message_queue WHERE name = ANY ($1))`,
          [[one, two]]
        )
      )
      .toEqual([])
  })

  it('wakes who waits for a message', async () => {
    const queue = await newQueue()
    const waiting = owner.queues.receive(queue, { wait: 10, keys })
    await sleep(300)
    await send(queue, 'at last')
    expect(await waiting).toHaveLength(1)
  })

  it('is found, read and changed by those alone whom its owner lets', async () => {
    const queue = await newQueue()
    await expect(stranger.queues.get(queue)).rejects.toThrow(coded('MQ_ERROR_QUEUE_NOT_FOUND'))
    await expect(sender.queues.receive(queue)).rejects.toThrow(coded('MQ_ERROR_ACCESS_DENIED'))
    await expect(sender.queues.change(queue, { access: [] })).rejects.toThrow(coded('MQ_ERROR_ACCESS_DENIED'))
    await expect(sender.queues.remove(queue)).rejects.toThrow(coded('MQ_ERROR_ACCESS_DENIED'))
    await expect(sender.queues.listKept(queue, 'dead-letter')).rejects.toThrow(coded('MQ_ERROR_ACCESS_DENIED'))
    expect(await sender.queues.get(queue)).toMatchObject({ rights: ['write'], privacy: 'optional' })
    expect(await sender.queues.get(queue)).not.toHaveProperty('owned')
    await expect(owner.queues.create(queue.toUpperCase())).rejects.toThrow(coded('MQ_ERROR_QUEUE_EXISTS'))
    await owner.queues.change(queue, { access: [{ sid: 'S-1-1-0', rights: ['write'] }] })
    await send(queue, 'from anybody', {}, stranger)
    expect(await receive(queue)).toMatchObject([{ text: 'from anybody', sid: stranger.principal.row.sid }])
    const local = await server.addPrincipal({ sid: 'S-1-5-18-1-7' })
    const settings = { url: server.url, trust: server.root, credentials: { token: local.token } }
    await using queues = new MessageQueues(settings)
    await expect(queues.create('local')).rejects.toThrow(coded('MQ_ERROR_COULD_NOT_GET_USER_SID'))
  })

  it('is sent no message that nobody may send', async () => {
    const queue = await newQueue({ encryptionKey: null })
    const refusals = [
      [{ level: 'privacy', signer: sender.signer }, 'MQ_ERROR_PUBLIC_KEY_NOT_FOUND'],
      [{ level: 'integrity' }, 'MQ_ERROR_CERTIFICATE_NOT_PROVIDED'],
      [{ class: MESSAGE_CLASS.ACK_RECEIVE }, 'MQ_ERROR_MISSING_CONNECTOR_TYPE'],
      [{ sentAt: '2100-01-01T00:00:00Z' }, 'MQ_ERROR_INVALID_PARAMETER']
    ] as const
    for (const [options, code] of refusals) {
      await expect(sender.queues.send(queue, Buffer.from('x'), options)).rejects.toThrow(coded(code))
    }
    await expect(sender.queues.send('nowhere', Buffer.from('x'))).rejects.toThrow(coded('MQ_ERROR_QUEUE_NOT_FOUND'))
    await expect(sender.queues.sendEnvelope(queue, 'x.y.z')).rejects.toThrow(coded('MQ_ERROR_INVALID_PARAMETER'))
    for (let left = 21; left > 0; left--) {
      const made = await stranger.queues.create(`many-${randomUUID()}`).catch((error: unknown) => error)
      if (made instanceof Error) return expect(made).toEqual(coded('MQ_ERROR_INSUFFICIENT_RESOURCES'))
    }
    throw new Error('An account has more queues than it may have.')
  })
})

/** Clients of the server where it is after its restart. */
async function reconnect(): Promise<void> {
  const parties = [owner, sender, stranger].map(old => {
    const settings = { url: server.url, trust: server.root, credentials: { token: old.principal.token } }
    return { ...old, queues: new MessageQueues(settings), directory: new CertificateDirectory(settings) }
  })
  for (const { queues, directory } of [owner, sender, stranger]) {
    await queues[Symbol.asyncDispose]()
    await directory[Symbol.asyncDispose]()
  }
  ;[owner, sender, stranger] = parties as [Party, Party, Party]
}
