import { createHash, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CertificateDirectory, MessageQueues, PersonalStore, SecurityContexts, type ErrorCode } from '@app/client'
import { parseEnvelope, verifyEnvelope } from '@app/messaging'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { buildSampleCertificate, toSampleKey } from '../helpers/x509-samples.js'

/** An account on a machine of its own: its store, its contexts, its queues and its certificates. */
interface Party {
  readonly principal: TestPrincipal
  readonly home: string
  readonly store: PersonalStore
  readonly directory: CertificateDirectory
  readonly contexts: SecurityContexts
  readonly queues: MessageQueues
}

const BODY = Buffer.from('sixty-five barrels')
const VALIDITY = { notBefore: new Date('2025-01-01T00:00:00Z'), notAfter: new Date('2049-01-01T00:00:00Z') }
const coded = (code: ErrorCode): Error => expect.objectContaining({ code }) as Error

let server: TestServer
let homes: string
let sender: Party
let stranger: Party

beforeAll(async () => {
  homes = mkdtempSync(join(tmpdir(), 'certkeep-contexts-'))
  server = await startTestServer({ agents: 0, settings: { messaging: { queueBytes: 8_388_608 } } })
  ;[sender, stranger] = await Promise.all([party(), party()])
})

afterAll(async () => {
  for (const one of [sender, stranger]) await close(one)
  await server.stop()
  rmSync(homes, { recursive: true })
})

async function party(changes: Parameters<TestServer['addPrincipal']>[0] = {}, most = 64): Promise<Party> {
  const principal = await server.addPrincipal(changes)
  const home = join(homes, randomUUID())
  const store = await PersonalStore.open(home)
  const settings = { url: server.url, trust: server.root, credentials: { token: principal.token }, store }
  const contexts = new SecurityContexts({ ...settings, most })
  const queues = new MessageQueues({ ...settings, contexts })
  return { principal, home, store, directory: new CertificateDirectory(settings), contexts, queues }
}

async function close({ directory, contexts, queues }: Party): Promise<void> {
  await Promise.all([directory, contexts, queues].map(client => client[Symbol.asyncDispose]()))
}

/** An external certificate in the store with its key, and registered. */
async function addExternal({ store, directory }: Party, validity = VALIDITY): Promise<Uint8Array> {
  const certificate = await keep(store, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, validity)
  await directory.registerCertificate({ certificate })
  return certificate
}

async function keep(store: PersonalStore, privateKey: KeyObject, validity = VALIDITY): Promise<Uint8Array> {
  const certificate = buildSampleCertificate(toSampleKey(privateKey), validity)
  await store.addExternal({ certificate, privateKey })
  return certificate
}

const seal = ({ queues }: Party, securityContext: Awaited<ReturnType<SecurityContexts['getSecurityContextEx']>>) =>
  queues.seal('orders', BODY, { securityContext })

async function shownBy(envelope: string) {
  const { certificate, senderSid, body } = await verifyEnvelope(parseEnvelope(envelope), 'integrity')
  expect(Buffer.from(body)).toEqual(BODY)
  return { certificate: Buffer.from(certificate), sid: senderSid }
}

/** How many calls of a route the server has answered. */
async function callsOf(route: RegExp): Promise<number> {
  const text = await (await fetch(`${server.metricsUrl}/metrics`)).text()
  const lines = text.split('\n').filter(line => line.includes('request_seconds_count') && route.test(line))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

describe('a security context', () => {
  it(
    '001-1 signs 100,000 messages with one load of its key and one look into the directory',
    { timeout: 240_000 },
    async () => {
      const one = await party()
      const { certificate } = await one.directory.registerCertificate()
      const before = await callsOf(/./)
      using context = await one.contexts.getSecurityContextEx()
      // There is nothing to load the key from again, and every call of the server is counted.
      rmSync(one.home, { recursive: true })
      const bodies = new Set<string>()
      for (let count = 0; count < 100_000; count++) {
        const envelope = await seal(one, context)
        if (count % 1000 === 0) bodies.add(envelope)
        // Whoever signs only never lets the server have its turn.
        if (count % 1000 === 0) await setImmediate()
      }
      expect(await callsOf(/directory\/users/)).toBeGreaterThan(0)
      expect((await callsOf(/./)) - before).toBe(1)
      expect(bodies.size).toBe(100)
      for (const envelope of bodies) {
        expect(await shownBy(envelope)).toEqual({ certificate: Buffer.from(certificate), sid: one.principal.row.sid })
      }
      await close(one)
    }
  )

  it('001-2 shows the certificate that it was made for, and an explicit one wins', async () => {
    const [first, second] = [await addExternal(sender), await addExternal(sender)]
    const { certificate: internal } = await sender.directory.registerCertificate()
    using one = await sender.contexts.getSecurityContextEx({ certificate: first })
    using two = await sender.contexts.getSecurityContextEx({ certificate: second })
    using three = await sender.contexts.getSecurityContextEx()
    const { sid } = sender.principal.row
    const envelopes = [await seal(sender, one), await seal(sender, two), await seal(sender, three)]
    const shown = await Promise.all(envelopes.map(shownBy))
    expect(shown).toEqual([first, second, internal].map(bytes => ({ certificate: Buffer.from(bytes), sid })))
    expect([one.kind, two.kind, three.kind]).toEqual(['external', 'external', 'internal'])
    const explicit = await sender.store.find(second)
    if (explicit === undefined) throw new Error('The store has lost a certificate.')
    const signer = { ...explicit, sid: 'S-1-5-21-1-2-3-500' }
    const envelope = await sender.queues.seal('orders', BODY, { securityContext: one, signer })
    expect(await shownBy(envelope)).toEqual({ certificate: Buffer.from(second), sid })
  })

  it('001-3 is good for nobody else, nor once it is freed or its time is over, and is freed twice in silence', async () => {
    await sender.directory.registerCertificate()
    const context = await sender.contexts.getSecurityContextEx()
    await expect(seal(stranger, context)).rejects.toThrow(coded('MQ_ERROR_BAD_SECURITY_CONTEXT'))
    stranger.contexts.freeSecurityContext(context)
    await seal(sender, context)
    sender.contexts.freeSecurityContext(context)
    sender.contexts.freeSecurityContext(context)
    await expect(seal(sender, context)).rejects.toThrow(coded('MQ_ERROR_BAD_SECURITY_CONTEXT'))
    let now = new Date()
    const { principal, store } = sender
    const settings = { url: server.url, trust: server.root, credentials: { token: principal.token }, store }
    await using contexts = new SecurityContexts({ ...settings, lifetimeSeconds: 60, clock: { now: () => now } })
    await using queues = new MessageQueues({ ...settings, contexts })
    const short = await contexts.getSecurityContextEx()
    await seal({ ...sender, queues }, short)
    now = new Date(now.getTime() + 60_001)
    await expect(seal({ ...sender, queues }, short)).rejects.toThrow(coded('MQ_ERROR_BAD_SECURITY_CONTEXT'))
  })

  it('001-5 is refused with the code of the cause', async () => {
    const refused = async ({ contexts }: Party, code: ErrorCode, certificate?: Uint8Array): Promise<void> => {
      const options = certificate === undefined ? {} : { certificate }
      await expect(contexts.getSecurityContextEx(options)).rejects.toThrow(coded(code))
    }
    const one = await party({}, 1)
    for (const wrong of ['', 'garbage', server.root]) {
      await refused(one, 'MQ_ERROR_INVALID_PARAMETER', Buffer.from(wrong))
    }
    const local = await party({ sid: `S-1-5-18-1-${process.hrtime()[1]}` })
    await refused(local, 'MQ_ERROR_COULD_NOT_GET_USER_SID')
    // Of certificates that are not in the store, or not now.
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const absent = buildSampleCertificate(toSampleKey(key), VALIDITY)
    await one.directory.registerCertificate({ certificate: absent })
    await refused(one, 'MQ_ERROR_INVALID_CERTIFICATE', absent)
    const ended = await addExternal(one, { ...VALIDITY, notAfter: new Date('2026-01-01T00:00:00Z') })
    await refused(one, 'MQ_ERROR_INVALID_CERTIFICATE', ended)
    await refused(one, 'MQ_ERROR_NO_INTERNAL_USER_CERT')
    const registered = await one.directory.registerCertificate()
    const held = await one.contexts.getSecurityContextEx()
    await refused(one, 'MQ_ERROR_INSUFFICIENT_RESOURCES')
    held[Symbol.dispose]()
    // What its files have become.
    const file = join(one.home, 'internal.pem')
    const sound = readFileSync(file, 'latin1')
    const damagedBlock = (label: string, content = sound): string =>
      content.replace(new RegExp(`(BEGIN ${label}-----\n)[^-]{40}`), `$1${'A'.repeat(40)}`)
    writeFileSync(file, damagedBlock('PRIVATE KEY'))
    await refused(one, 'MQ_ERROR_CORRUPTED_SECURITY_DATA')
    writeFileSync(file, damagedBlock('CERTIFICATE'))
    await refused(one, 'MQ_ERROR_NO_INTERNAL_USER_CERT')
    writeFileSync(file, sound.slice(0, sound.indexOf('-----BEGIN PRIVATE')))
    await refused(one, 'MQ_ERROR_NO_INTERNAL_USER_CERT')
    writeFileSync(file, sound)
    await one.directory.deregister(registered.digest)
    await refused(one, 'MQ_ERROR_NO_INTERNAL_USER_CERT')
    const external = await addExternal(one)
    const externalFile = join(one.home, `external-${createHash('sha256').update(external).digest('hex')}.pem`)
    writeFileSync(externalFile, damagedBlock('PRIVATE KEY', readFileSync(externalFile, 'latin1')))
    await refused(one, 'MQ_ERROR_CORRUPTED_SECURITY_DATA', external)
    for (const client of [one, local]) await close(client)
  })
})
