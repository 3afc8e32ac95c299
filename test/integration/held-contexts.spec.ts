import { generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto'
import { Configuration, customFetch, genericGrantRequest } from 'openid-client'
import { Agent, fetch } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  CertificateDirectory,
  HeldSecurityContexts,
  JOURNAL,
  MessageQueues,
  type ErrorCode,
  type HeldSecurityContext
} from '@app/client'
import { parseEnvelope } from '@app/messaging'
import { decodePublicKey } from '@app/x509'
import { createCaller, type HttpCaller } from '../helpers/http-calls.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { buildSampleCertificate, sampleKey } from '../helpers/x509-samples.js'

/** An account with its clients. */
interface Party {
  readonly principal: TestPrincipal
  readonly contexts: HeldSecurityContexts
  readonly queues: MessageQueues
  readonly directory: CertificateDirectory
}

const SECRET = 'what only the receiver and who signs may read'
const VALIDITY = { notBefore: new Date('2025-01-01T00:00:00Z'), notAfter: new Date('2049-01-01T00:00:00Z') }
const coded = (code: ErrorCode): Error => expect.objectContaining({ code }) as Error
const queueKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keys: readonly KeyObject[] = [queueKey.privateKey]
const tomorrow = (): Date => new Date(Date.now() + 86_400_000)

let server: TestServer
let call: HttpCaller
let receiver: Party
let sender: Party
let admin: Party
let queue: string

beforeAll(async () => {
  const messaging = { contextsPerAccount: 3, keysPerAccount: 4 }
  server = await startTestServer({ agents: 0, settings: { messaging } })
  call = createCaller(server)
  ;[receiver, sender, admin] = await Promise.all([party(), party(), party()])
  await sender.contexts.registerInternal()
})

afterAll(async () => {
  for (const one of [receiver, sender, admin]) await close(one)
  await call.close()
  await server.stop()
})

async function party(changes: Parameters<TestServer['addPrincipal']>[0] = {}): Promise<Party> {
  const principal = await server.addPrincipal(changes)
  return { principal, ...clientsOf(principal) }
}

function clientsOf(principal: TestPrincipal): Omit<Party, 'principal'> {
  const settings = { url: server.url, trust: server.root, credentials: { token: principal.token } }
  return {
    contexts: new HeldSecurityContexts(settings),
    queues: new MessageQueues(settings),
    directory: new CertificateDirectory(settings)
  }
}

async function close({ contexts, queues, directory }: Party): Promise<void> {
  await Promise.all([contexts, queues, directory].map(client => client[Symbol.asyncDispose]()))
}

/** A queue of the receiver's that everybody may write to. */
async function newQueue(): Promise<string> {
  queue = `q-${randomUUID()}`
  const access = [{ sid: 'S-1-1-0', rights: ['write'] as const }]
  await receiver.queues.create(queue, { encryptionKey: queueKey.publicKey, access })
  return queue
}

/** An external certificate of a key that the server holds: its PKCS#10 went to a CA elsewhere. */
async function addExternal({ contexts, directory }: Party, validity = VALIDITY) {
  const { id, publicKey: text } = await contexts.makeKey('external')
  const publicKey = decodePublicKey(Buffer.from(text, 'base64'))
  const issuer = sampleKey('P-256')
  const certificate = buildSampleCertificate({ ...issuer, publicKey }, validity, issuer)
  await directory.registerCertificate({ certificate })
  return { id, certificate }
}

async function receive() {
  const messages = await receiver.queues.receive(queue, {
    most: 32,
    keys,
    properties: [20, 'PROPID_M_SECURITY_CONTEXT']
  })
  await Promise.all(messages.map(message => message.complete()))
  return messages
}

const eventsOf = (action: string) =>
  server.sql<{ actor: string; detail: Record<string, string> }>(
    'SELECT actor, detail FROM certkeep.audit_event WHERE action = $1 ORDER BY seq',
    [action]
  )

const send = ({ queues }: Party, securityContext: HeldSecurityContext, level: 'integrity' | 'privacy' = 'integrity') =>
  queues.send(queue, Buffer.from(SECRET), { securityContext, level })

describe('a security context whose key the server holds', () => {
  it('001-1 signs 1,000 messages with one load of its key, and all verify by the same certificate', async () => {
    await newQueue()
    await using context = await sender.contexts.getSecurityContextEx()
    await send(sender, context)
    // Whoever opened the key a second time would find it damaged.
    const damage = () =>
      server.sql(
        `UPDATE certkeep.message_key SET sealed_key = set_byte(sealed_key, 99, get_byte(sealed_key, 99) # 1)
         WHERE principal_id = $1`,
        [sender.principal.row.id]
      )
    await damage()
    const messages = Array.from({ length: 999 }, (_, index) => ({ body: Buffer.from(String(index)) }))
    expect(new Set(await sender.queues.sendAll(queue, messages, { securityContext: context })).size).toBe(999)
    const seen = new Set<string>()
    for (let left = 1000; left > 0;) {
      const taken = await receiver.queues.receive(queue, { most: 32 })
      for (const { sender: by } of taken)
        seen.add(`${by?.sid ?? ''} ${Buffer.from(by?.certificate ?? []).toString('hex')}`)
      if (taken.length === 0) throw new Error(`${left} messages are missing.`)
      left -= taken.length
    }
    expect(seen.size).toBe(1)
    await expect(sender.contexts.getSecurityContextEx()).rejects.toThrow(coded('MQ_ERROR_CORRUPTED_SECURITY_DATA'))
    await damage()
  })

  it('001-2 shows the certificate that it was obtained for', async () => {
    await newQueue()
    const { certificate } = await addExternal(sender)
    await using internal = await sender.contexts.getSecurityContextEx()
    await using external = await sender.contexts.getSecurityContextEx({ certificate })
    await send(sender, internal)
    await send(sender, external, 'privacy')
    const [first, second] = await receive()
    expect([internal.kind, external.kind]).toEqual(['internal', 'external'])
    expect(Buffer.from(second?.sender?.certificate ?? [])).toEqual(Buffer.from(certificate))
    expect(first?.sender?.certificate).not.toEqual(second?.sender?.certificate)
    expect([first, second].map(message => message?.sender?.sid)).toEqual([internal.sid, sender.principal.row.sid])
    expect(Buffer.from(second?.body ?? []).toString()).toBe(SECRET)
  })

  it('001-3 is good for nobody else, nor once it is freed or its time is over, and is freed twice in silence', async () => {
    await newQueue()
    const context = await sender.contexts.getSecurityContextEx()
    await expect(send(admin, context)).rejects.toThrow(coded('MQ_ERROR_BAD_SECURITY_CONTEXT'))
    await send(sender, context)
    await expect(send(admin, context)).rejects.toThrow(coded('MQ_ERROR_BAD_SECURITY_CONTEXT'))
    await admin.contexts.freeSecurityContext(context)
    await send(sender, context)
    await sender.contexts.freeSecurityContext(context)
    await sender.contexts.freeSecurityContext(context)
    await expect(send(sender, context)).rejects.toThrow(coded('MQ_ERROR_BAD_SECURITY_CONTEXT'))
    const late = await sender.contexts.getSecurityContextEx()
    await send(sender, late)
    await server.sql(`UPDATE certkeep.security_context SET expires_at = now() WHERE owner_id = $1`, [
      sender.principal.row.id
    ])
    await expect(send(sender, late)).rejects.toThrow(coded('MQ_ERROR_BAD_SECURITY_CONTEXT'))
    const other = await sender.contexts.getSecurityContextEx()
    const registered = (await sender.directory.list()).find(({ kind }) => kind === 'internal')
    await sender.directory.deregister(registered?.digest ?? '')
    await expect(send(sender, other)).rejects.toThrow(coded('MQ_ERROR_BAD_SECURITY_CONTEXT'))
    await sender.contexts.registerInternal()
    expect(await receive()).toHaveLength(3)
  })

  it('001-4 of another account is obtained by who may act for it, and stays usable; the log has both', async () => {
    await newQueue()
    const { sid } = sender.principal.row
    const delegation = await sender.contexts.delegate(admin.principal.row.sid, tomorrow())
    const context = await admin.contexts.withImpersonation(delegation.subjectToken, as => as.getSecurityContextEx())
    expect(context.sid).toBe(sid)
    await send(admin, context)
    await admin.queues.sendMessage(
      queue,
      { body: Buffer.from(SECRET), journal: JOURNAL.DEADLETTER },
      {
        securityContext: context,
        level: 'privacy'
      }
    )
    expect((await receive()).map(({ sender: by, level }) => [by?.sid, level])).toEqual([
      [sid, 'integrity'],
      [sid, 'privacy']
    ])
    const actor = nameOf(admin)
    const subject = { subject: nameOf(sender), subjectSid: sid }
    expect((await eventsOf('security_context.obtained')).at(-1)).toMatchObject({ actor, detail: subject })
    expect((await eventsOf('delegation.exchanged')).at(-1)).toMatchObject({ actor, detail: { subjectSid: sid } })
    expect((await eventsOf('delegation.granted')).at(-1)).toMatchObject({ actor: nameOf(sender) })
    // Neither the subject nor anybody else can use it, and it ends with the delegation.
    await expect(send(sender, context)).rejects.toThrow(coded('MQ_ERROR_BAD_SECURITY_CONTEXT'))
    const stolen = receiver.contexts.withImpersonation(delegation.subjectToken, as => as.getSecurityContextEx())
    await expect(stolen).rejects.toThrow(coded('MQ_ERROR_CANNOT_IMPERSONATE_CLIENT'))
    for (const token of [sender.principal.token, 'x'.repeat(43)]) {
      const wrong = admin.contexts.withImpersonation(token, as => as.getSecurityContextEx())
      await expect(wrong).rejects.toThrow(coded('MQ_ERROR_CANNOT_IMPERSONATE_CLIENT'))
    }
    expect(await admin.contexts.listDelegations()).toMatchObject([{ id: delegation.id, subject: sid }])
    await expect(receiver.contexts.revokeDelegation(delegation.id)).rejects.toThrow(coded('not_found'))
    await sender.contexts.revokeDelegation(delegation.id)
    await expect(send(admin, context)).rejects.toThrow(coded('MQ_ERROR_BAD_SECURITY_CONTEXT'))
    const over = admin.contexts.withImpersonation(delegation.subjectToken, as => as.getSecurityContextEx())
    await expect(over).rejects.toThrow(coded('MQ_ERROR_CANNOT_IMPERSONATE_CLIENT'))
  })

  it('001-4 is all that an exchanged token is good for, for a short time, and in the form of RFC 8693', async () => {
    const { subjectToken } = await sender.contexts.delegate(admin.principal.row.sid, tomorrow())
    const form = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: subjectToken,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token'
    }
    const exchange = (changes: object) =>
      call({
        method: 'POST',
        path: '/api/v1/mq/token',
        token: admin.principal.token,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ ...form, ...changes }).toString()
      })
    const answer = await exchange({})
    expect(answer.status).toBe(200)
    expect(answer.headers['cache-control']).toBe('no-store')
    const issued = answer.json<{ access_token: string }>()
    expect(issued).toMatchObject({ token_type: 'Bearer', expires_in: 300, issued_token_type: form.subject_token_type })
    const wrong = [
      { grant_type: 'client_credentials' },
      { subject_token_type: 'urn:x' },
      { subject_token: '' },
      { actor_token: 'x' }
    ]
    for (const changes of wrong) {
      const refused = await exchange(changes)
      expect(refused.status).toBe(400)
      const error = 'grant_type' in changes ? 'unsupported_grant_type' : 'invalid_request'
      expect(refused.json()).toMatchObject({ code: 'MQ_ERROR_INVALID_PARAMETER', error })
    }
    const token = issued.access_token
    const headers = { 'content-type': 'application/json' }
    const elsewhere = ['/api/v1/mq/keys', '/api/v1/mq/queues', '/api/v1/mq/delegations', '/api/v1/cas']
    for (const path of elsewhere) expect((await call({ path, token })).status).toBe(401)
    const obtain = { method: 'POST', path: '/api/v1/mq/security-contexts', headers, body: '{}' } as const
    const made = await call({ ...obtain, token })
    expect(made.status).toBe(201)
    const { handle } = made.json<{ handle: string }>()
    const path = `/api/v1/mq/security-contexts/${handle}`
    expect((await call({ path, token: admin.principal.token })).json()).toMatchObject({ sid: sender.principal.row.sid })
    expect((await call({ path, token: sender.principal.token })).status).toBe(410)
    expect((await call({ method: 'DELETE', path, token: admin.principal.token })).status).toBe(204)
    expect((await call({ method: 'DELETE', path, token: admin.principal.token })).status).toBe(204)
    await server.sql('UPDATE certkeep.impersonation_token SET expires_at = now()')
    expect((await call({ ...obtain, token })).status).toBe(401)
  })

  it('001-4 is exchanged for by a client of OAuth 2.0 of others, which understands a refusal', async () => {
    const { subjectToken, id } = await sender.contexts.delegate(admin.principal.row.sid, tomorrow())
    const metadata = { issuer: server.url, token_endpoint: `${server.url}/api/v1/mq/token` }
    const client = new Configuration(metadata, 'a', {}, (_server, _client, _body, headers) =>
      headers.set('authorization', `Bearer ${admin.principal.token}`)
    )
    const dispatcher = new Agent({ connect: { ca: server.root } })
    client[customFetch] = (url, options) => fetch(url, { ...(options as object), dispatcher })
    const exchange = () =>
      genericGrantRequest(client, 'urn:ietf:params:oauth:grant-type:token-exchange', {
        subject_token: subjectToken,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token'
      })
    expect(await exchange()).toMatchObject({ token_type: 'bearer', expires_in: 300 })
    await sender.contexts.revokeDelegation(id)
    await expect(exchange()).rejects.toMatchObject({
      code: 'OAUTH_RESPONSE_BODY_ERROR',
      error: 'invalid_request',
      error_description: expect.stringContaining('may not act for whom the token names') as string
    })
    await dispatcher.close()
  })

  it('001-5 is refused with the code of the cause', async () => {
    await newQueue()
    const one = await party()
    const refused = async (code: ErrorCode, certificate?: Uint8Array, { contexts } = one): Promise<void> => {
      const obtaining = contexts.getSecurityContextEx(certificate === undefined ? {} : { certificate })
      await expect(obtaining).rejects.toThrow(coded(code))
    }
    for (const wrong of ['', 'garbage', server.root]) await refused('MQ_ERROR_INVALID_PARAMETER', Buffer.from(wrong))
    const local = await party({ sid: `S-1-5-18-1-${process.hrtime()[1]}` })
    await refused('MQ_ERROR_COULD_NOT_GET_USER_SID', undefined, local)
    await expect(local.contexts.makeKey()).rejects.toThrow(coded('MQ_ERROR_COULD_NOT_GET_USER_SID'))
    await refused('MQ_ERROR_NO_INTERNAL_USER_CERT')
    // A certificate whose key the server has not, and one that is over.
    const foreign = buildSampleCertificate(sampleKey('P-256'), { ...VALIDITY, serialNumber: Uint8Array.of(9) })
    await one.directory.registerCertificate({ certificate: foreign })
    await refused('MQ_ERROR_INVALID_CERTIFICATE', foreign)
    const ended = await addExternal(one, { ...VALIDITY, notAfter: new Date('2026-01-01T00:00:00Z') })
    await refused('MQ_ERROR_INVALID_CERTIFICATE', ended.certificate)
    await one.contexts.destroyKey(ended.id)
    const internal = await one.contexts.registerInternal()
    const held = await Promise.all([1, 2, 3].map(() => one.contexts.getSecurityContextEx()))
    await refused('MQ_ERROR_INSUFFICIENT_RESOURCES')
    for (const context of held) await context[Symbol.asyncDispose]()
    // What is stored of it gets damaged.
    const damage = (table: string, column: string) =>
      server.sql(
        `UPDATE certkeep.${table} SET ${column} = set_byte(${column}, 99, get_byte(${column}, 99) # 1) WHERE principal_id = $1`,
        [one.principal.row.id]
      )
    await damage('message_key', 'sealed_key')
    await refused('MQ_ERROR_CORRUPTED_SECURITY_DATA')
    await damage('message_key', 'sealed_key')
    await (await one.contexts.getSecurityContextEx())[Symbol.asyncDispose]()
    await server.sql(
      `UPDATE certkeep.registered_certificate SET certificate = 'x' WHERE principal_id = $1 AND kind = 'internal'`,
      [one.principal.row.id]
    )
    await refused('MQ_ERROR_NO_INTERNAL_USER_CERT')
    await server.sql(
      `UPDATE certkeep.registered_certificate SET certificate = $2 WHERE principal_id = $1 AND kind = 'internal'`,
      [one.principal.row.id, internal]
    )
    const [own] = await one.contexts.listKeys()
    await one.contexts.destroyKey(own?.id ?? '')
    await refused('MQ_ERROR_NO_INTERNAL_USER_CERT')
    await expect(one.contexts.destroyKey(own?.id ?? '')).rejects.toThrow(coded('not_found'))
    for (let made = 0; made < 4; made++) await one.contexts.makeKey()
    await expect(one.contexts.makeKey()).rejects.toThrow(coded('MQ_ERROR_INSUFFICIENT_RESOURCES'))
    // And at the sending.
    const post = async (body: object): Promise<unknown> => {
      const headers = { 'content-type': 'application/json' }
      const path = `/api/v1/mq/queues/${queue}/messages`
      return (
        await call({ method: 'POST', path, headers, token: one.principal.token, body: JSON.stringify(body) })
      ).json<{ code: string }>().code
    }
    expect(await post({ body: 'eA==', level: 'integrity' })).toBe('MQ_ERROR_CERTIFICATE_NOT_PROVIDED')
    expect(await post({ body: 'eA==', securityContext: 'A'.repeat(22) })).toBe('MQ_ERROR_BAD_SECURITY_CONTEXT')
    expect(await post({ body: 'eA==', fields: { senderSid: 'S-1-5-21-1-2-3-500' } })).toBe(
      'MQ_ERROR_MISSING_CONNECTOR_TYPE'
    )
    await expect(one.contexts.delegate(admin.principal.row.sid, new Date(0))).rejects.toThrow(
      coded('MQ_ERROR_INVALID_PARAMETER')
    )
    await expect(one.contexts.delegate('S-1-5-21-1-2-3-4', tomorrow())).rejects.toThrow(coded('not_found'))
    for (const client of [one, local]) await close(client)
  })

  it('001-6 is in no message and in no answer to a receiver, who is told so', async () => {
    await newQueue()
    await using context = await sender.contexts.getSecurityContextEx()
    await send(sender, context)
    await send(sender, context, 'privacy')
    const [row] = await server.sql<{ handle: string }>(
      'SELECT handle FROM certkeep.security_context WHERE owner_id = $1',
      [sender.principal.row.id]
    )
    const handle = row?.handle ?? ''
    expect(handle).toMatch(/^[\w-]{22}$/)
    const stored = await receiver.queues.peek(queue, 32)
    const messages = await receive()
    for (const shown of [stored, messages, context, stored.map(({ envelope }) => parseEnvelope(envelope))]) {
      expect(JSON.stringify(shown)).not.toContain(handle)
    }
    const status = {
      code: 'MQ_INFORMATION_PROPERTY',
      hresult: '0x400e0001',
      properties: [
        { property: 'PROPID_M_SENDERID', code: 'MQ_OK', hresult: '0x00000000' },
        { property: 'PROPID_M_SECURITY_CONTEXT', code: 'MQ_INFORMATION_PROPERTY_IGNORED', hresult: '0x400e0003' }
      ]
    }
    expect(messages.map(({ propertyStatus }) => propertyStatus)).toEqual([status, status])
    await expect(receiver.queues.receive(queue, { properties: [999] })).rejects.toThrow(
      coded('MQ_ERROR_INVALID_PARAMETER')
    )
  })

  it('leaves its key sealed in the database, with a server that starts again opening it', async () => {
    await newQueue()
    const context = await sender.contexts.getSecurityContextEx()
    const [key] = await server.sql<{ sealed: string }>(
      `SELECT encode(sealed_key, 'hex') AS sealed FROM certkeep.message_key WHERE principal_id = $1`,
      [sender.principal.row.id]
    )
    // The version and curve of a PrivateKeyInfo that is not encrypted, and of the ECPrivateKey in it.
    for (const plain of ['020100301306072a8648ce3d0201', '0201010420']) expect(key?.sealed).not.toContain(plain)
    for (const one of [receiver, sender, admin]) await close(one)
    await server.restart()
    ;[receiver, sender, admin] = [receiver, sender, admin].map(({ principal }) => ({
      principal,
      ...clientsOf(principal)
    })) as [Party, Party, Party]
    await send(sender, context)
    expect(await receive()).toMatchObject([{ sender: { sid: sender.principal.row.sid } }])
    await sender.contexts.freeSecurityContext(context)
  })
})

describe('a batch', () => {
  it('is taken message by message as each alone, in one transaction, and not at all with one that is no message', async () => {
    await newQueue()
    const access = [{ sid: 'S-1-1-0', rights: ['write'] as const }]
    const { name: small } = await receiver.queues.create(`q-${randomUUID()}`, { quota: 2000, access })
    await using context = await sender.contexts.getSecurityContextEx()
    const messageId = randomUUID()
    const twice = [1, 2].map(() => ({ messageId, body: Buffer.from('same') }))
    const late = { body: Buffer.from('late'), sentAt: '2026-01-01T00:00:00Z', journal: JOURNAL.DEADLETTER }
    await sender.queues.sendAll(queue, [...twice, late, { body: Buffer.from('last') }], { securityContext: context })
    expect((await receive()).map(({ body }) => Buffer.from(body).toString())).toEqual(['same', 'last'])
    expect((await receiver.queues.listKept(queue, 'dead-letter')).items.map(item => item.class)).toEqual([
      'NACK_REACH_QUEUE_TIMEOUT'
    ])
    // The room is counted from message to message.
    const large = [900, 900, 100, 2000].map(size => ({ body: Buffer.alloc(size / 3), journal: JOURNAL.DEADLETTER }))
    await sender.queues.sendAll(small, large)
    const { items } = await receiver.queues.listKept(small, 'dead-letter')
    expect(items.map(item => item.class)).toContain('NACK_Q_EXCEED_QUOTA')
    const information = await receiver.queues.get(small)
    const bytes = await server.sql<{ place: string; size: string }>(
      `SELECT CASE place WHEN 'queue' THEN 'waiting' ELSE 'kept' END AS place, sum(size) AS size FROM certkeep.message AS m
       JOIN certkeep.message_queue AS q ON q.id = m.queue_id WHERE q.name = $1 GROUP BY 1`,
      [small]
    )
    const counted = Object.fromEntries(bytes.map(({ place, size }) => [place, Number(size)]))
    expect({ waiting: information.owned?.waitingBytes, kept: information.owned?.keptBytes }).toEqual(counted)
    await receiver.queues.purge(small)
    expect((await receiver.queues.get(small)).owned?.waitingBytes).toBe(0)
    // Its sender keeps copies of what arrived, where it asks for them.
    const copied = await sender.queues.sendAll(
      queue,
      [1, 2, 3].map(journal => ({ body: Buffer.from(`copy ${journal}`), journal }))
    )
    const page = await sender.queues.listSent({ limit: 1 })
    expect(page).toMatchObject({ items: [{ queue, messageId: copied[2] }] })
    const next = await sender.queues.listSent({ limit: 1, cursor: page.next ?? 0 })
    expect(next).toMatchObject({ items: [{ messageId: copied[1], level: 'none' }] })
    expect(next).not.toHaveProperty('next')
    expect((await admin.queues.listSent()).items).toEqual([])
    await sender.queues.purgeSent()
    expect((await sender.queues.listSent()).items).toEqual([])
    expect(await receive()).toHaveLength(3)
    // None of a batch with one that is no message.
    const envelope = await sender.queues.seal(queue, Buffer.from('x'))
    const post = await call({
      method: 'POST',
      path: `/api/v1/mq/queues/${queue}/messages:batch`,
      token: sender.principal.token,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ envelopes: [envelope, 'x.y.z'] })
    })
    expect(post.json()).toMatchObject({
      code: 'MQ_ERROR_INVALID_PARAMETER',
      detail: expect.stringMatching(/^Message 1: /) as string
    })
    expect(await receive()).toEqual([])
  })
})

function nameOf({ principal: { row } }: Party): string {
  return `${row.domain}\\${row.accountName}`
}
