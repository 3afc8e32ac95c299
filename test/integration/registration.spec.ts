import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { encodePem } from '@app/der'
import { OID } from '@app/oid'
import { keyHashOf, signMessageText, type RegistrationReply } from '@app/registration'
import { ClientStore, RegistrationStore, SiteStore, type SiteRow } from '@app/storage'
import {
  decodeCertificate,
  encodeBasicConstraints,
  encodeCrl,
  encodeCrlDistributionPoints,
  encodeCrlNumber,
  encodeTbsCrl
} from '@app/x509'
import { during } from '../helpers/database-faults.js'
import { createCaller, type HttpCaller, type ToldProblem } from '../helpers/http-calls.js'
import {
  clientCertificate,
  confirm,
  messageOf,
  outcomeOf,
  refusalOf,
  register,
  sampleClient,
  send,
  verifyAnswer,
  type SampleClient
} from '../helpers/registration-clients.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { buildSampleCertificate, nameOf, sampleKey, signSample, type SampleKey } from '../helpers/x509-samples.js'

const because = { actor: 'test' }
const patience = { timeout: 15_000 }
let server: TestServer
let call: HttpCaller
let site: SiteStore
let clients: ClientStore
let registrations: RegistrationStore

beforeAll(async () => {
  server = await startTestServer({ settings: { registration: { enabled: true } } })
  call = createCaller(server)
  const { dataSource } = await server.database.open('owner')
  site = new SiteStore(dataSource)
  clients = new ClientStore(dataSource)
  registrations = new RegistrationStore(dataSource)
})

afterAll(async () => {
  await call.close()
  await server.stop()
})

async function changeSite(changes: Partial<SiteRow>): Promise<void> {
  expect(await site.change({ ...(await site.get()), ...changes }, because, new Date())).toBe(true)
}

/** Registers a client and waits until it is registered. */
async function registered(client: SampleClient, changes: Parameters<typeof register>[2] = {}): Promise<string> {
  const { smsid = '' } = await register(call, client, changes)
  const answer = await outcomeOf(call, client, smsid)
  expect(answer.status).toBe(0)
  return answer.smsid ?? ''
}

describe('a client in mixed mode', () => {
  it('is pending, then registered, under one identifier and key, however often it registers; unapproved, it has no account', async () => {
    const client = sampleClient(0)
    const body = messageOf(client)
    const first = await send(call, '', body)
    expect(first.status).toBe(200)
    expect(Number(first.headers['retry-after'])).toBeGreaterThanOrEqual(30)
    const [point] = await site.listManagementPoints()
    verifyAnswer(first, body, [point?.certificate ?? Buffer.alloc(0)])
    expect(() =>
      verifyAnswer({ ...first, body: Buffer.concat([first.body, Buffer.from(' ')]) }, body, [point!.certificate])
    ).toThrow(/not the signed one/)
    expect(() => verifyAnswer(first, `${body} `, [point!.certificate])).toThrow(/does not verify/)
    expect(() => verifyAnswer(first, body, [])).toThrow(/not known/)

    const [, smsid = ''] = /SMSID="([^"]+)"/.exec(first.body.toString('utf8')) ?? []
    expect(await outcomeOf(call, client, smsid)).toMatchObject({ status: 0, smsid, approval: 'not_approved' })
    expect(await register(call, client)).toMatchObject({ status: 1, smsid })
    const row = await registrations.find(smsid)
    expect(row).toMatchObject({ status: 'registered', principalId: null, netbiosName: 'PC0', fqdn: 'pc0.example.org' })
    expect(await refusalOf(call, enrollment(client, smsid), `/${smsid}/certificate`)).toMatchObject({
      code: 'registration_refused'
    })
  })

  it('is given another identifier than one that somebody has, and the one that it wants when nobody has it', async () => {
    const taken = await registered(sampleClient(0))
    const free = 'GUID:6B29FC40-CA47-1067-B31D-00DD010662DA'
    expect((await register(call, sampleClient(1), { smsid: taken })).smsid).not.toBe(taken)
    expect((await register(call, sampleClient(2), { smsid: free })).smsid).toBe(free)
  })

  it('is refused for another signature, time, key or message than its own, and is told so in JSON', async () => {
    const client = sampleClient(3)
    const message = messageOf(client)
    const [data = ''] = /<Data[^]*<\/Data>/.exec(message) ?? []
    const swap = (value: string): string => message.replace(/(<SignatureValue[^>]*>)[0-9A-F]*/, `$1${value}`)
    const other = signMessageText(data, sampleClient(4).key.privateKey)
    expect(await refusalOf(call, swap(other))).toMatchObject({ status: 3, reason: expect.stringContaining('UTF-16LE') })
    expect(await refusalOf(call, message.replace('AgentVersion', ' AgentVersion'))).toMatchObject({ status: 3 })
    expect(await refusalOf(call, messageOf(client, { hash: 'sha1' }))).toMatchObject({
      status: 3,
      reason: expect.stringContaining('SHA-1')
    })
    const old = messageOf(client, { timeStamp: new Date(Date.now() - 3_600_000) })
    expect(await refusalOf(call, old)).toMatchObject({ status: 3, reason: expect.stringContaining('time') })
    const { smsid = '', ...taken } = await refusalOf(call, message)
    expect(taken).toEqual({ status: 1 })
    expect(await refusalOf(call, message)).toMatchObject({ status: 3, reason: expect.stringContaining('before') })
    expect(await confirm(call, sampleClient(4), smsid)).toMatchObject({ status: 3 })
    expect(await confirm(call, client, 'GUID:00000000-0000-4000-8000-000000000000')).toMatchObject({ status: 2 })
    await changeSite({ isSha1Taken: true })
    expect(await refusalOf(call, messageOf(client, { hash: 'sha1' }))).toEqual({ status: 1, smsid })
    await changeSite({ isSha1Taken: false })
  })

  it('is approved by itself when it proves to be of a trusted domain or certified by a trusted CA, or when all are', async () => {
    const computer = await server.addPrincipal({ kind: 'computer', domain: 'TRUSTED', accountName: 'INT1$' })
    await changeSite({ trustedDomains: ['trusted'] })
    const integrated = sampleClient(5, 'INT1')
    const { smsid = '' } = await register(call, integrated, {}, computer.token)
    expect(await outcomeOf(call, integrated, smsid)).toMatchObject({ status: 0, approval: 'approved' })
    expect((await registrations.find(smsid))?.principalId).toBe(computer.row.id)
    // Whoever has an account of the domain is approved, and still not every name that it gives itself.
    const somebody = await server.addPrincipal({ domain: 'TRUSTED' })
    const claiming = { ...sampleClient(17, 'INTRANET') }
    const { smsid: claimed = '' } = await register(call, claiming, {}, somebody.token)
    expect(await outcomeOf(call, claiming, claimed)).toMatchObject({ status: 0, approval: 'approved' })
    const nameOfIts = `SELECT p.dns_name AS "dnsName" FROM certkeep.registration AS r
      JOIN certkeep.principal AS p ON p.id = r.principal_id WHERE r.smsid = $1`
    expect(await server.sql(nameOfIts, [claimed])).toEqual([{ dnsName: null }])

    const root = sampleKey('P-256')
    const authority = buildSampleCertificate(root, {
      notBefore: new Date(Date.now() - 3_600_000),
      notAfter: new Date(Date.now() + 86_400_000),
      extensions: [{ oid: OID.id_ce_basicConstraints, critical: true, value: encodeBasicConstraints({ isCa: true }) }]
    })
    await changeSite({ trustedAuthorities: [Buffer.from(authority)], isCrlChecked: false })
    const { key } = sampleClient(6)
    const certified = { key, name: 'PC6', certificate: clientCertificate(key, { subject: nameOf('CN=PC6') }, root) }
    const own = (await register(call, certified)).smsid ?? ''
    expect(await outcomeOf(call, certified, own)).toMatchObject({ status: 0, approval: 'approved' })

    // 2. In native mode approval is not used: the certificate is that of the connection.
    const identity = {
      certificate: encodePem('CERTIFICATE', certified.certificate),
      privateKey: key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    }
    const native = createCaller(server, identity)
    expect(await register(native, certified)).toMatchObject({ status: 1, smsid: own })
    const standing = () => confirm(native, certified, own)
    await expect.poll(standing, patience).toMatchObject({ status: 0, approval: 'not_applicable' })
    expect(await refusalOf(native, messageOf(sampleClient(7)))).toMatchObject({
      status: 3,
      reason: expect.stringContaining('TLS connection')
    })
    await changeSite({ isCrlChecked: true })
    await expectCrlToDecide(key, root)
    expect(await refusalOf(native, messageOf(certified))).toMatchObject({
      status: 3,
      reason: expect.stringContaining('revocation list')
    })
    await changeSite({ trustedAuthorities: [] })
    expect(await refusalOf(native, messageOf(certified))).toMatchObject({
      status: 3,
      reason: expect.stringContaining('chain')
    })
    await changeSite({ mode: 'mixed' })
    expect(await refusalOf(native, messageOf(certified))).toMatchObject({
      status: 3,
      reason: expect.stringContaining('mixed')
    })
    await changeSite({ mode: 'both', approvalMode: 'all' })
    await native.close()

    const anybody = sampleClient(7)
    const approved = await registered(anybody)
    expect((await registrations.find(approved))?.approval).toBe('approved')
    await changeSite({ approvalMode: 'trusted_domains' })
  })
})

/** With a real CRL: a certificate that it does not name is taken, one that it names or whose list is gone is not. */
async function expectCrlToDecide(key: SampleKey, root: SampleKey): Promise<void> {
  const revoked = new Set<string>()
  const list = createServer((_request, response) => {
    const tbs = encodeTbsCrl({
      scheme: root.scheme,
      issuer: nameOf('CN=Sample CA,O=Sample,C=DE'),
      thisUpdate: new Date(Date.now() - 60_000),
      nextUpdate: new Date(Date.now() + 3_600_000),
      entries: [...revoked].map(hex => ({ serialNumber: Buffer.from(hex, 'hex'), revokedAt: new Date() })),
      extensions: [{ oid: OID.id_ce_cRLNumber, critical: false, value: encodeCrlNumber(1n) }]
    })
    response.end(encodeCrl(tbs, root.scheme, signSample(root, tbs)))
  })
  await new Promise<void>(resolve => list.listen(0, '127.0.0.1', resolve))
  const { port } = list.address() as AddressInfo
  const certifiedAt = (path: string): SampleClient => {
    const url = `http://127.0.0.1:${port}/${path}`
    const points = { oid: OID.id_ce_cRLDistributionPoints, critical: false, value: encodeCrlDistributionPoints([url]) }
    return {
      key,
      name: 'PC6',
      certificate: clientCertificate(key, { subject: nameOf('CN=PC6'), extensions: [points] }, root)
    }
  }
  const answerTo = async (client: SampleClient): Promise<RegistrationReply> => {
    const privateKey = key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const native = createCaller(server, { certificate: encodePem('CERTIFICATE', client.certificate), privateKey })
    try {
      return await refusalOf(native, messageOf(client))
    } finally {
      await native.close()
    }
  }
  const [good, bad] = [certifiedAt('good'), certifiedAt('bad')]
  expect(await answerTo(good)).toMatchObject({ status: 1 })
  revoked.add(decodeCertificate(bad.certificate).serialHex)
  expect(await answerTo(bad)).toMatchObject({ status: 3, reason: expect.stringContaining('is revoked') })
  list.closeAllConnections()
  await new Promise(resolve => list.close(resolve))
  expect(await answerTo(certifiedAt('gone'))).toMatchObject({
    status: 3,
    reason: expect.stringContaining('cannot be had')
  })
}

function enrollment(client: SampleClient, smsid: string, request = Uint8Array.of(0x30, 0)): string {
  return messageOf(client, { type: 'Enrollment', smsid, order: { template: 'Computer', request } })
}

describe('clients with one hardware identifier', () => {
  it('wait for an operator', async () => {
    await registered(sampleClient(8), { properties: properties('HW1', '2:AA') })
    const { smsid = '' } = await register(call, sampleClient(9), { properties: properties('HW2', '2:aa') })
    const open = async () => (await clients.listConflicts({ isOpen: true }, 10)).rows
    await expect.poll(open, patience).toMatchObject([{ smsid, hardwareId: '2:aa' }])
    expect(await confirm(call, sampleClient(9), smsid)).toMatchObject({ status: 1 })
  })
})

function properties(name: string, hardware: string): Readonly<Record<string, string>> {
  return { 'NetBIOS Name': name, 'FQ Name': `${name}.example.org`, InternetFlag: '0', '.HardwareID1': hardware }
}

describe('a message that is no message', () => {
  it.each([
    [
      'a document type',
      (text: string) => `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>${text}`,
      'document type'
    ],
    ['a field that is missing', (text: string) => text.replace(/ TimeStamp="[^"]*"/, ''), 'Data@TimeStamp is missing'],
    [
      'no certificate',
      (text: string) => text.replace(/(<Signing [^>]*>)[0-9A-F]+/, '$130030201'),
      'Certificates/Signing'
    ],
    ['broken XML', (text: string) => text.slice(0, -4), 'not well-formed'],
    ['octets that are no text', () => Buffer.from([0x80, 0x81]).toString('latin1'), 'well-formed']
  ])('with %s is refused with the name of what is wrong', async (_what, change, told) => {
    const answer = await send(call, '', change(messageOf(sampleClient(0))))
    const problem = answer.json<ToldProblem>()
    expect(problem).toMatchObject({ status: 400, code: 'registration_schema_invalid', hresult: '0x80040605' })
    expect(problem.detail).toContain(told)
  })
})

describe('a server', () => {
  it('answers that the registration is to be sent again while the database takes nothing', async () => {
    const message = messageOf(sampleClient(10))
    const answer = await during(server, { table: 'registration_message', on: 'INSERT' }, () => refusalOf(call, message))
    expect(answer).toEqual({ status: 2 })
    expect((await registrations.listByKey(keyHashOf(decodeCertificate(sampleClient(10).certificate)))).length).toBe(0)
    expect(await refusalOf(call, message)).toMatchObject({ status: 1 })
  })
})
