import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { createHash, randomUUID, sign } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  CertificateStores,
  Console,
  MPAPI_CERT_STORE_LOCATION,
  MPAPI_SECURITY_FLAG,
  RegistrationClient,
  SmsMessaging,
  type RegistrationClientSettings,
  type SmsMessage,
  type StoredIdentity
} from '@app/client'
import { toHex } from '@app/core'
import { encodePem } from '@app/der'
import {
  buildRegistrationData,
  buildRegistrationRequest,
  decodeLegacyReply,
  decodeRegistrationResponse,
  encodeLegacyRequest,
  legacyHeader,
  signMessageText,
  verifyReply,
  contentDigestOf,
  type RegistrationRequestInput
} from '@app/registration'
import { confirm, register as registerComputer, statusOf } from '../../apps/cli/src/client/registration-actions.js'
import { sendConfirmation, sendRegistration, type ExampleClient } from '../../examples/register-client.js'
import { sampleRsaKey } from '../helpers/escrow-samples.js'
import { callPlain, createCaller, type HttpCaller, type ToldProblem } from '../helpers/http-calls.js'
import { outcomeOf, register, sampleClient, send } from '../helpers/registration-clients.js'
import { startRevocationAuthority, type RevocationAuthority } from '../helpers/revocation-authority.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { buildSampleRequest, sampleKey, toSampleKey } from '../helpers/x509-samples.js'

const { LOCAL_MACHINE } = MPAPI_CERT_STORE_LOCATION
const { MIXED_MODE, NATIVE_MODE, ENABLE_CRL_CHECKING } = MPAPI_SECURITY_FLAG

let server: TestServer
let authority: RevocationAuthority
let mpCertificate: Uint8Array
let directory: string
let stores: CertificateStores
let messaging: SmsMessaging
let operator: Console
let administrator: Console
let call: HttpCaller

const ports = () => server.running.ports ?? { mixed: 0, native: 0 }

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'certkeep-registration-'))
  authority = await startRevocationAuthority(sampleKey('P-256'))
  const tlsKey = sampleKey('P-384')
  mpCertificate = authority.issue(tlsKey, 'localhost')
  const files = { certificateFile: join(directory, 'tls.crt'), keyFile: join(directory, 'tls.key') }
  writeFileSync(files.certificateFile, encodePem('CERTIFICATE', mpCertificate))
  writeFileSync(files.keyFile, tlsKey.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  const listener = { enabled: true, port: 0 }
  server = await startTestServer({
    settings: {
      https: { port: 0, ...files },
      registration: { enabled: true, mixed: listener, native: listener, legacyWire: true }
    }
  })
  const trust = encodePem('CERTIFICATE', authority.certificate)
  const console = async (role: 'operator' | 'administrator') => {
    const { token } = await server.addOperator(role)
    return new Console({ url: server.url, trust, credentials: { token } })
  }
  operator = await console('operator')
  administrator = await console('administrator')
  call = createCaller({ url: server.url, root: trust })
  await administrator.site.change({ trustedAuthorities: [trust], approvalMode: 'manual' })
  stores = new CertificateStores(join(directory, 'stores'))
  for (const { pem } of await administrator.site.signingCertificates()) {
    const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
    await stores.add(LOCAL_MACHINE, 'mpsigningcerts', { certificate: der })
  }
  messaging = new SmsMessaging({ stores, trust })
})

afterAll(async () => {
  await operator[Symbol.asyncDispose]()
  await administrator[Symbol.asyncDispose]()
  await call.close()
  await server.stop()
  await authority.stop()
  rmSync(directory, { recursive: true, force: true })
})

/** A computer with a certificate of the authority in its store, or a self-signed one. */
async function computer(
  index: number,
  isCertified = true
): Promise<ExampleClient & { readonly identity: StoredIdentity }> {
  const name = `EV${index}`
  const key = toSampleKey(sampleRsaKey(index))
  const certificate = isCertified
    ? authority.issue(key, `${name.toLowerCase()}.example.org`)
    : sampleClient(index, name).certificate
  const identity = { certificate, chain: [], privateKey: key.privateKey }
  return { messaging, stores, name, identity, thumbprint: await stores.add(LOCAL_MACHINE, 'my', identity) }
}

/** The client of the SDK for a computer. */
function clientOf(
  { thumbprint, name }: ExampleClient,
  changes: Partial<RegistrationClientSettings> = {}
): RegistrationClient {
  const mode = changes.mode ?? 'mixed'
  return new RegistrationClient({
    messaging,
    host: null,
    port: ports()[mode],
    mode,
    signing: { location: LOCAL_MACHINE, store: 'MY', thumbprint },
    properties: { 'NetBIOS Name': name, 'FQ Name': `${name.toLowerCase()}.example.org`, InternetFlag: '0' },
    wait: () => new Promise(resolve => setTimeout(resolve, 20)),
    ...changes
  })
}

/** Sends any body in mixed mode and gives the reply, which is not verified yet. */
function sendBody(body: string, port = ports().mixed): Promise<SmsMessage> {
  const message = messaging.createMessage()
  message.setTargetEndpoint('MP_ClientRegistration')
  message.setSecurityFlags(MIXED_MODE)
  message.setPort(port)
  message.setBodyFromString(body)
  return messaging.invoke(null, message)
}

async function statusOfBody(body: string): Promise<number> {
  const reply = await sendBody(body)
  await reply.verifyServerSignature(LOCAL_MACHINE, 'mpsigningcerts')
  return decodeRegistrationResponse(reply.getBodyToString()).status
}

function inputOf(
  { name, identity }: { readonly name: string; readonly identity: StoredIdentity },
  changes: Partial<RegistrationRequestInput> = {}
): RegistrationRequestInput {
  return {
    type: 'Registration',
    timeStamp: new Date(),
    messageId: randomUUID(),
    signingCertificate: identity.certificate,
    properties: { 'NetBIOS Name': name, 'FQ Name': `${name}.example.org`, InternetFlag: '0' },
    ...changes
  }
}

/** Asks for a certificate as a registered client does. */
async function enroll(client: Awaited<ReturnType<typeof computer>>, smsid: string) {
  const key = sampleKey('P-256')
  const order = { template: 'Computer', request: await buildSampleRequest(key) }
  const { properties: _, ...input } = inputOf(client, { type: 'Enrollment', smsid, order })
  const body = buildRegistrationRequest(input, { privateKey: client.identity.privateKey })
  return send(call, `/${smsid}/certificate`, body)
}

const wrapped = (data: string, signature: string): string =>
  `<ClientRegistrationRequest>${data}<Signature><SignatureValue Encoding="HexBinary">${signature}</SignatureValue></Signature></ClientRegistrationRequest>`

describe('the evidence for client registration', () => {
  it('002-1: registers in mixed mode, waits, and confirms in native mode with a client certificate and CRL checking', async () => {
    const client = await computer(0)
    const pending = decodeRegistrationResponse(await sendRegistration(client, ports().mixed))
    expect(pending).toMatchObject({
      type: 'Registration',
      status: 1,
      smsid: expect.stringMatching(/^GUID:[0-9A-F-]{36}$/)
    })
    const confirmed = async () => {
      const response = decodeRegistrationResponse(await sendConfirmation(client, pending.smsid ?? '', ports().native))
      return [response.type, response.status, response.smsid]
    }
    await expect.poll(confirmed).toEqual(['Confirmation', 0, pending.smsid])
    // Without a client certificate nobody gets as far as a message.
    await expect(fetch(`https://127.0.0.1:${ports().native}/api/v1/configmgr/registrations`)).rejects.toThrow(
      /fetch failed/
    )
    // The listeners of clients serve nothing else.
    expect((await callPlain(`http://127.0.0.1:${ports().mixed}`, { path: '/api/v1/cas' })).status).toBe(404)
  })

  it('002-2: hands no body out of a reply that was altered, is unsigned, answers another message or is signed by an unknown key', async () => {
    const client = await computer(1)
    const body = () => buildRegistrationRequest(inputOf(client), { privateKey: client.identity.privateKey })
    const altered = await interceptor((headers, text) => ({ headers, text: text.replace('Status="1"', 'Status="0"') }))
    const unsigned = await interceptor((headers, text) => ({
      headers: { ...headers, signature: undefined, 'signature-input': undefined },
      text
    }))
    let earlier: { headers: Headers; text: string } | undefined
    const replayed = await interceptor((headers, text) => (earlier ??= { headers, text }))
    await sendBody(body(), replayed.port)
    for (const { port, told } of [
      { port: altered.port, told: /not the signed one/ },
      { port: unsigned.port, told: /not signed/ },
      { port: replayed.port, told: /does not verify/ }
    ]) {
      const reply = await sendBody(body(), port)
      expect(() => reply.getBodyToString()).toThrow(/has not been verified/)
      await expect(reply.verifyServerSignature(LOCAL_MACHINE, 'mpsigningcerts')).rejects.toMatchObject({
        code: 'reply_signature_invalid',
        message: expect.stringMatching(told)
      })
      expect(() => reply.getBodyToBuffer()).toThrow(expect.objectContaining({ code: 'reply_signature_invalid' }))
    }
    const honest = await sendBody(body())
    await expect(honest.verifyServerSignature(LOCAL_MACHINE, 'my')).rejects.toThrow(/not known/)
    expect(() => honest.getBodyToString()).toThrow(/has not been verified/)
    await honest.verifyServerSignature(LOCAL_MACHINE, 'mpsigningcerts')
    expect(honest.getBodyToString()).toContain('Status="1"')
    await Promise.all([altered, unsigned, replayed].map(between => between.close()))
  })

  it('002-3: fails on a revoked management point, fails closed without its CRL, and passes without the flag', async () => {
    const client = await computer(2)
    const native = (checksRevocation: boolean) => clientOf(client, { mode: 'native', checksRevocation }).register()
    expect((await native(true)).status).toBe(1)
    authority.revoke(mpCertificate)
    await expect(native(true)).rejects.toMatchObject({
      code: 'server_certificate_revoked',
      evidence: { winHttp: 12170 }
    })
    await authority.stop()
    await expect(native(true)).rejects.toMatchObject({
      code: 'revocation_offline',
      evidence: { hresult: '0x80072f19' }
    })
    expect((await native(false)).status).toBe(1)
    authority.forgive()
    await authority.start()
    expect((await native(true)).status).toBe(1)
  })

  it('002-4: takes the reversed signature over the UTF-16LE text with the announced digest, and no other', async () => {
    const client = await computer(3, false)
    const { privateKey } = client.identity
    const data = () => buildRegistrationData(inputOf(client))
    const reversed = (bytes: Buffer): string => toHex(bytes.toReversed())
    const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le')
    const first = data()
    expect(await statusOfBody(wrapped(first, reversed(sign('sha256', utf16(first), privateKey)).toUpperCase()))).toBe(1)
    const cases: ((text: string) => string)[] = [
      text => wrapped(text, toHex(sign('sha256', utf16(text), privateKey))),
      text => wrapped(text, reversed(sign('sha1', utf16(text), privateKey))),
      text => wrapped(text.replace('<AgentInformation', ' <AgentInformation'), signMessageText(text, privateKey)),
      text => wrapped(text, reversed(sign('sha256', Buffer.from(text, 'utf8'), privateKey)))
    ]
    for (const make of cases) expect(await statusOfBody(make(data()))).toBe(3)
  })

  it('002-5: answers 0, 1, 2 and 3 from real causes, with an SMSID for 0 and 1 only, and another than one in use', async () => {
    const [client, other] = [await computer(4, false), await computer(5, false)]
    const sdk = clientOf(client)
    const pending = await sdk.register()
    expect(pending).toMatchObject({ status: 1, smsid: expect.any(String) })
    const { smsid, ...registered } = await sdk.registerAndWait()
    expect({ smsid, status: registered.status }).toEqual({ smsid: pending.smsid, status: 0 })
    const unknown = await sdk.confirm(`GUID:${randomUUID().toUpperCase()}`)
    expect([unknown.status, unknown.smsid]).toEqual([2, undefined])
    const stranger = await clientOf(other).confirm(smsid)
    expect([stranger.status, stranger.smsid]).toEqual([3, undefined])
    const taken = await clientOf(other).register({ smsid })
    expect(taken.status).toBe(1)
    expect(taken.smsid).not.toBe(smsid)
    // A message of another time is refused, whoever signs it.
    const late = new SmsMessaging({ stores, clock: { now: () => new Date(Date.now() + 3_600_000) } })
    await expect(clientOf(client, { messaging: late }).register()).rejects.toMatchObject({
      code: 'reply_signature_invalid'
    })
    const old = inputOf(client, { timeStamp: new Date(Date.now() - 3_600_000) })
    expect(await statusOfBody(buildRegistrationRequest(old, { privateKey: client.identity.privateKey }))).toBe(3)
  })

  it('002-6: keeps secrets from a client that is pending, unapproved or blocked, and takes back what a blocked one had', async () => {
    const client = await computer(6, false)
    const sdk = clientOf(client)
    const { smsid } = await sdk.registerAndWait()
    const refused = { status: 403, code: 'registration_refused' }
    expect((await enroll(client, smsid)).json<ToldProblem>()).toMatchObject(refused)
    expect(await operator.clients.approve(smsid)).toMatchObject({ approval: 'approved', accountId: expect.any(String) })
    const { certificates = [] } = (await enroll(client, smsid)).json<{ readonly certificates?: readonly string[] }>()
    expect(certificates.length).toBeGreaterThan(1)
    await expect(operator.clients.approve(smsid)).rejects.toMatchObject({ code: 'conflict' })
    const blocked = await operator.clients.block(smsid, { comment: 'stolen' })
    expect(blocked).toMatchObject({ approval: 'blocked', revoked: [expect.stringMatching(/^[0-9a-f]+$/)] })
    expect((await administrator.certificates.show(blocked.revoked?.[0] ?? '')).reason).toBe('privilegeWithdrawn')
    await expect(sdk.registerAndWait()).rejects.toMatchObject({ code: 'registration_refused' })
    expect((await enroll(client, smsid)).json<ToldProblem>()).toMatchObject({ status: 403 })
    expect((await operator.clients.unblock(smsid)).approval).toBe('approved')
    expect((await sdk.registerAndWait()).smsid).toBe(smsid)
    expect(await operator.clients.unapprove(smsid)).toMatchObject({ approval: 'not_approved' })
    expect((await enroll(client, smsid)).json<ToldProblem>()).toMatchObject(refused)
  })

  it('002-7: approves by hand, by a trusted domain or certificate, or everybody; and resolves hardware conflicts', async () => {
    const [byHand, certified, integrated, anybody] = [
      await computer(7, false),
      await computer(8),
      sampleClient(9, 'EV9'),
      await computer(10, false)
    ]
    expect((await clientOf(byHand).registerAndWait()).approval).toBe('not_approved')
    await administrator.site.change({ approvalMode: 'trusted_domains', trustedDomains: ['EXAMPLE'] })
    expect((await clientOf(certified).registerAndWait()).approval).toBe('approved')
    const { token } = await server.addPrincipal({ kind: 'computer', accountName: 'EV9$' })
    const { smsid = '' } = await register(call, integrated, {}, token)
    expect(await outcomeOf(call, integrated, smsid)).toMatchObject({ status: 0, approval: 'approved' })
    await administrator.site.change({ approvalMode: 'all' })
    expect((await clientOf(anybody).registerAndWait()).approval).toBe('approved')
    await expect(operator.site.change({ approvalMode: 'manual' })).rejects.toMatchObject({ code: 'access_denied' })
    await administrator.site.change({ approvalMode: 'manual', trustedDomains: [] })

    const properties = (name: string) => ({ 'NetBIOS Name': name, 'FQ Name': `${name}.example.org`, InternetFlag: '0' })
    const twin = (client: ExampleClient) =>
      clientOf(client, { properties: { ...properties(client.name), '.HardwareID1': '2:EVIDENCE' } })
    const [first, second, third] = [await computer(11, false), await computer(12, false), await computer(13, false)]
    const existing = await twin(first).registerAndWait()
    for (const [newcomer, resolution] of [
      [second, 'keep'],
      [third, 'merge']
    ] as const) {
      const { smsid: held = '' } = await twin(newcomer).register()
      const open = async () => (await operator.clients.conflicts({ open: true })).items.map(item => item.smsid)
      await expect.poll(open).toEqual([held])
      const { items } = await operator.clients.conflicts({ open: true })
      expect(items[0]?.conflictSmsid).toBe(existing.smsid)
      await operator.clients.resolve(items[0]?.id ?? '', resolution)
      const answer = await twin(newcomer).confirm(held)
      expect([answer.status, answer.smsid]).toEqual(resolution === 'keep' ? [3, undefined] : [0, existing.smsid])
    }
    const list = await operator.clients.list({ name: 'EV1', limit: 200 })
    expect(list.items.find(item => item.smsid === existing.smsid)?.hardwareId).toBe('2:EVIDENCE')
  })

  it('002-8: tells a time to wait of 30 seconds to 5 minutes that grows with the queue, which the client keeps to until it is told to stop', async () => {
    const client = await computer(14, false)
    const waits: number[] = []
    const stop = new AbortController()
    const sdk = clientOf(client, { wait: async ms => void waits.push(ms) })
    const calm = (await sdk.register()).retryAfterMs ?? 0
    expect(calm).toBeGreaterThanOrEqual(30_000)
    const { smsid } = await clientOf(client).registerAndWait()
    await queueMessages(smsid, 400)
    // Those that wait are counted once a second.
    await new Promise(resolve => void setTimeout(resolve, 1100))
    const { retryAfterMs: busy = 0 } = await sdk.register()
    expect(busy).toBeGreaterThan(calm + 20_000)
    expect(busy).toBeLessThanOrEqual(300_000)
    await sdk.registerAndWait({ onAnswer: (_answer, ms) => expect(ms).toBeGreaterThanOrEqual(30_000) })
    expect(waits.every(ms => ms >= 30_000 && ms <= 300_000)).toBe(true)
    // A real timer of half a minute ends when it is told to.
    const { wait: _, ...settings } = { ...clientSettings(client) }
    const waiting = new RegistrationClient(settings).registerAndWait({
      signal: stop.signal,
      onAnswer: () => setTimeout(() => stop.abort(), 20)
    })
    await expect(waiting).rejects.toMatchObject({ code: 'withdrawn' })
  })

  it('002-9: names what is missing, and refuses external entities, entity expansion, a body too large and one cut short', async () => {
    const client = await computer(15, false)
    const good = buildRegistrationRequest(inputOf(client), { privateKey: client.identity.privateKey })
    const cases: readonly (readonly [string, RegExp])[] = [
      [good.replace(/<Property Name="FQ Name"[^>]*>/, ''), /Property\[FQ Name\] is missing/],
      [good.replace(' SMSID=""', ''), /Data@SMSID is missing/],
      [good.replace(/<Signature>.*<\/Signature>/, ''), /Signature is missing/],
      [`<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>${good}`, /document type/],
      [`<!DOCTYPE a [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>${good.replace('Certkeep', '&b;')}`, /document type/],
      [good.replace('Certkeep', 'x'.repeat(200_000)), /at most/],
      [good.slice(0, -10), /not well-formed/]
    ]
    for (const [body, told] of cases) {
      await expect(sendBody(body)).rejects.toMatchObject({
        code: 'registration_schema_invalid',
        message: expect.stringMatching(told)
      })
    }
    await expect(sendBody(good.replace('Certkeep', 'x'.repeat(3_000_000)))).rejects.toMatchObject({
      code: 'payload_too_large'
    })
  })
})

describe('the wire of other management points', () => {
  it('takes a CCM_POST in multipart, UTF-16 and zlib on the listener of mixed mode, and answers in the same', async () => {
    const client = await computer(16, false)
    const xml = buildRegistrationRequest(inputOf(client), { privateKey: client.identity.privateKey })
    const names = {
      id: randomUUID(),
      sourceId: `GUID:${randomUUID()}`,
      host: 'EV16',
      sentTime: new Date().toISOString()
    }
    const message = encodeLegacyRequest(xml, legacyHeader(xml, names))
    const digest = contentDigestOf(message.body)
    const reply = await new Promise<IncomingMessage>((resolve, reject) => {
      httpRequest({
        port: ports().mixed,
        method: 'CCM_POST',
        path: '/ccm_system/request',
        headers: {
          'content-type': message.contentType,
          'content-digest': digest,
          'content-length': message.body.length
        }
      })
        .once('response', resolve)
        .once('error', reject)
        .end(message.body)
    })
    const body = await buffer(reply)
    const contentType = reply.headers['content-type'] ?? ''
    expect(decodeRegistrationResponse(decodeLegacyReply({ contentType, body })).status).toBe(1)
    const headers = reply.headers as Readonly<Record<string, string | undefined>>
    const known = await stores.list(LOCAL_MACHINE, 'mpsigningcerts')
    const signer = verifyReply({ status: 200, contentType, body, requestDigest: digest, headers }, known, new Date())
    expect(createHash('sha256').update(signer).digest('hex')).toMatch(/^[0-9a-f]{64}$/)
  })
})

describe('the command line of a client', () => {
  it('registers a computer with a key that it makes, keeps where it stands, and enrolls it once it is approved', async () => {
    const folder = join(directory, 'computer')
    const [point] = await administrator.site.signingCertificates()
    const pointFile = join(directory, 'mp.pem')
    writeFileSync(pointFile, point?.pem ?? '')
    const options = {
      stores: folder,
      port: ports().mixed,
      mode: 'mixed',
      crl: true,
      name: 'CLI1',
      fqdn: 'cli1.example.org'
    } as const
    const talk = { say: () => undefined, progress: () => undefined }
    await expect(confirm(options, false, talk)).rejects.toMatchObject({ code: 'not_found' })
    const pending = await registerComputer({ ...options, managementPoint: [pointFile] }, talk)
    expect(pending).toMatchObject({ status: 1, state: 'pending', smsid: expect.stringMatching(/^GUID:/) })
    expect(process.exitCode).toBe(3)
    await expect.poll(() => confirm(options, false, talk)).toMatchObject({ status: 0, approval: 'not_approved' })
    process.exitCode = undefined
    const { smsid } = pending as { readonly smsid: string }
    expect(await statusOf(options)).toMatchObject({ smsid, status: 0, name: 'CLI1' })
    const enrolling = () => registerComputer({ ...options, enroll: 'Computer' }, talk)
    await expect(enrolling()).rejects.toMatchObject({ code: 'registration_refused' })
    await operator.clients.approve(smsid)
    const { certificate = '' } = (await enrolling()) as { readonly certificate?: string }
    const { chain } = await new CertificateStores(folder).findIdentity(LOCAL_MACHINE, 'my', certificate)
    expect(chain.length).toBeGreaterThan(0)
  })
})

describe('a message', () => {
  it('is not sent with flags that do not go together, and its failures have the numbers of WinHTTP', async () => {
    const send = (flags: number, change: (message: SmsMessage) => void = () => undefined) => {
      const message = messaging.createMessage()
      message.setTargetEndpoint('MP_ClientRegistration')
      message.setSecurityFlags(flags)
      message.setPort(1)
      change(message)
      return messaging.invoke(null, message)
    }
    for (const flags of [ENABLE_CRL_CHECKING, NATIVE_MODE, MPAPI_SECURITY_FLAG.SIGN_MESSAGE, NATIVE_MODE | 4]) {
      await expect(send(flags)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
    await expect(send(MIXED_MODE, message => message.setTargetEndpoint('MP_PolicyManager'))).rejects.toMatchObject({
      code: 'reply_missing'
    })
    await expect(send(MIXED_MODE)).rejects.toMatchObject({
      code: 'server_unreachable',
      evidence: { hresult: '0x80072efd' }
    })
    const silent = createServer(() => undefined)
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as AddressInfo
    const late = send(MIXED_MODE, message => {
      message.setPort(port)
      message.setTimeout(1)
    })
    await expect(late).rejects.toMatchObject({ code: 'server_unreachable', evidence: { winHttp: 12002 } })
    silent.closeAllConnections()
    silent.close()
    const client = await computer(17)
    const foreign = new SmsMessaging({ stores, trust: server.root })
    await expect(clientOf(client, { mode: 'native', messaging: foreign }).register()).rejects.toMatchObject({
      code: 'chain_invalid',
      evidence: { winHttp: 12045 }
    })
  })
})

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Stands between a client and the listener of mixed mode, and changes replies. */
async function interceptor(
  change: (headers: Headers, text: string) => { readonly headers: Headers; readonly text: string }
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const forward = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { url: path, method, headers } = request
    const body = await buffer(request)
    const reply = await new Promise<IncomingMessage>((resolve, reject) => {
      httpRequest({ port: ports().mixed, path, method, headers })
        .once('response', resolve)
        .once('error', reject)
        .end(body)
    })
    const changed = change(reply.headers, (await buffer(reply)).toString('utf8'))
    const kept = Object.entries(changed.headers).filter(
      ([name, value]) => name !== 'content-length' && value !== undefined
    )
    response.writeHead(reply.statusCode ?? 500, Object.fromEntries(kept))
    response.end(changed.text)
  }
  const between = createServer((request, response) => void forward(request, response))
  await new Promise<void>(resolve => between.listen(0, '127.0.0.1', resolve))
  return {
    port: (between.address() as AddressInfo).port,
    close: () => new Promise(resolve => void between.close(() => resolve()))
  }
}

function clientSettings({ thumbprint, name }: ExampleClient): RegistrationClientSettings {
  return {
    messaging,
    host: null,
    port: ports().mixed,
    mode: 'mixed',
    signing: { location: LOCAL_MACHINE, store: 'MY', thumbprint },
    properties: { 'NetBIOS Name': name, 'FQ Name': `${name}.example.org`, InternetFlag: '0' }
  }
}

/** Puts messages into the queue that nobody has worked on yet. */
async function queueMessages(smsid: string, count: number): Promise<void> {
  await server.sql(
    `INSERT INTO certkeep.registration_message (smsid, kind, signature_hash, data, signature, mode, received_at, state)
     SELECT $1, 'Registration', sha256(convert_to(n || $1, 'UTF8')), '<Data/>', '00', 'mixed', now(), 'due'
     FROM generate_series(1, $2) AS n`,
    [smsid, count]
  )
}
