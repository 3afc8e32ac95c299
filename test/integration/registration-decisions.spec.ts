import { setTimeout as sleep } from 'node:timers/promises'
import { randomUUID } from 'node:crypto'
import { systemClock } from '@app/core'
import { encodePem } from '@app/der'
import { OID } from '@app/oid'
import { buildRegistrationHint, decodeRegistrationResponse, keyHashOf } from '@app/registration'
import {
  CertificateStore,
  ClientStore,
  Database,
  GroupStore,
  PrincipalStore,
  RegistrationDecisionStore,
  RegistrationStore,
  SiteStore,
  type RegistrationRow
} from '@app/storage'
import { decodeCertificate, encodeBasicConstraints } from '@app/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ClientAccounts } from '../../apps/console/src/registration/client-accounts.js'
import { ConflictResolution } from '../../apps/console/src/registration/conflict-resolution.js'
import { RegistrationDecisions } from '../../apps/console/src/registration/registration-decisions.js'
import { createCaller, type HttpCaller } from '../helpers/http-calls.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import {
  clientCertificate,
  confirm,
  messageOf,
  outcomeOf,
  refusalOf,
  register,
  sampleClient,
  send,
  type SampleClient
} from '../helpers/registration-clients.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { buildSampleCertificate, buildSampleRequest, nameOf, sampleKey } from '../helpers/x509-samples.js'

const because = { actor: 'EXAMPLE\\operator' }
const patience = { timeout: 15_000 }
let server: TestServer
let call: HttpCaller
let site: SiteStore
let clients: ClientStore
let rows: RegistrationStore
let accounts: ClientAccounts
let conflicts: ConflictResolution
let decided: RegistrationDecisionStore
let console: Database

beforeAll(async () => {
  server = await startTestServer({ agents: 0, settings: { registration: { enabled: true } } })
  call = createCaller(server)
  // As the console has them, with the rights of its role.
  console = await server.database.open('console')
  const { dataSource } = console
  site = new SiteStore(dataSource)
  clients = new ClientStore(dataSource)
  rows = new RegistrationStore(dataSource)
  decided = new RegistrationDecisionStore(dataSource)
  const principals = new PrincipalStore(dataSource)
  const [groups, certificates] = [new GroupStore(dataSource), new CertificateStore(dataSource)]
  accounts = new ClientAccounts(principals, groups, certificates, decided, clients, systemClock)
  const decisions = new RegistrationDecisions(decided, site, principals, accounts, systemClock)
  conflicts = new ConflictResolution(console, clients, decided, site, decisions, systemClock)
  await site.change({ ...(await site.get()), approvalMode: 'manual', isCrlChecked: false }, because, new Date())
})

afterAll(async () => {
  await call.close()
  await server.stop()
})

async function registered(client: SampleClient, changes: Parameters<typeof register>[2] = {}): Promise<string> {
  const { smsid = '' } = await register(call, client, changes)
  expect(await outcomeOf(call, client, smsid)).toMatchObject({ status: 0 })
  return smsid
}

const get = async (smsid: string): Promise<RegistrationRow> => {
  const row = await rows.find(smsid)
  if (row === undefined) throw new Error(`There is no ${smsid}.`)
  return row
}

async function approve(smsid: string): Promise<void> {
  await console.transaction(async unit => {
    expect(await clients.setApproval(smsid, true, because, new Date(), unit)).toBe(true)
    await accounts.provide({ ...(await get(smsid)), approval: 'approved' }, 'site', because, unit)
  })
}

/** What of a client everybody sees. */
const pick = ({ certificate, name }: SampleClient) => ({ certificate, name })

function order(client: SampleClient, smsid: string, request: Uint8Array): string {
  return messageOf(client, { type: 'Enrollment', smsid, order: { template: 'Computer', request } })
}

describe('a registered client', () => {
  it('is enrolled once it is approved, with the names of its account, until it is blocked', async () => {
    const client = sampleClient(0, 'ENROL1')
    const smsid = await registered(client)
    const path = `/${smsid}/certificate`
    const request = await buildSampleRequest(sampleKey('rsa'), { subject: nameOf('CN=somebody else') })
    const asked = await send(call, path, order(client, smsid, request))
    expect(asked.json()).toMatchObject({ status: 403, code: 'registration_refused' })

    await approve(smsid)
    const message = order(client, smsid, request)
    const answer = (await send(call, path, message)).json<{
      request: { dispositionName: string }
      certificates: string[]
    }>()
    expect(answer.request.dispositionName).toBe('issued')
    expect(answer.certificates[0]).toContain('BEGIN CERTIFICATE')
    const [issued] = await server.sql<{ certificate: Buffer; name: string }>(
      `SELECT c.certificate, r.requester_name AS name FROM certkeep.certificate AS c
       JOIN certkeep.request AS r ON r.id = c.request_id WHERE r.template_name = 'Computer'`
    )
    expect(issued?.name).toBe('CONFIGMGR\\ENROL1$')
    const dnsNames = decodeCertificate(issued!.certificate).extensions.map(({ value }) =>
      Buffer.from(value).toString('latin1')
    )
    expect(dnsNames.join()).toContain('enrol1.example.org')
    expect((await send(call, path, message)).json()).toMatchObject({ code: 'registration_refused' })
    const other = sampleClient(1, 'ENROL1')
    expect((await send(call, path, order(other, smsid, request))).json()).toMatchObject({
      code: 'registration_refused'
    })

    await console.transaction(async unit => {
      await clients.setBlocked(smsid, true, because, new Date(), unit)
      await accounts.withdraw(await get(smsid), because, unit)
    })
    expect(await confirm(call, client, smsid)).toMatchObject({ status: 3 })
    expect(await refusalOf(call, messageOf(client))).toMatchObject({
      status: 3,
      reason: expect.stringContaining('blocked')
    })
    expect((await send(call, path, order(client, smsid, request))).json()).toMatchObject({
      code: 'registration_refused'
    })
    const [account] = await server.sql<{ disabled: boolean }>(
      `SELECT disabled_at IS NOT NULL AS disabled FROM certkeep.principal WHERE account_name = 'ENROL1$'`
    )
    expect(account?.disabled).toBe(true)

    await console.transaction(async unit => {
      await clients.setBlocked(smsid, false, because, new Date(), unit)
      await accounts.provide({ ...(await get(smsid)), blockedAt: null }, 'nobody', because, unit)
    })
    expect(await confirm(call, client, smsid)).toMatchObject({ status: 0, approval: 'approved' })
    // The name is taken: another client of it gets an account of another name, and no DNS name.
    const second = await registered(other)
    await approve(second)
    const [twin] = await server.sql<{ account_name: string; dns_name: string | null }>(
      `SELECT p.account_name, p.dns_name FROM certkeep.principal AS p JOIN certkeep.registration AS r ON r.principal_id = p.id
       WHERE r.smsid = $1`,
      [second]
    )
    expect(twin?.account_name).toMatch(/^ENROL1-[0-9A-F]{12}\$$/)
    expect(twin?.dns_name).toBeNull()
  })

  it('is not enrolled with the key of whoever hides what it signed in a message', async () => {
    const client = sampleClient(11, 'WRAP')
    const smsid = await registered(client)
    await approve(smsid)
    const request = await buildSampleRequest(sampleKey('rsa'), { subject: nameOf('CN=thief') })
    const signed = messageOf(client, { type: 'Confirmation', smsid })
    const [data = ''] = /<Data[^]*<\/Data>/.exec(signed) ?? []
    const [thief = ''] = /<Data[^]*<\/Data>/.exec(order({ ...sampleClient(12), ...pick(client) }, smsid, request)) ?? []
    const answer = await send(call, `/${smsid}/certificate`, signed.replace(data, `<Extra>${data}</Extra>${thief}`))
    expect(answer.json()).toMatchObject({ code: 'registration_schema_invalid' })
  })

  it('never has an account while it is not approved, whoever writes', async () => {
    const smsid = await registered(sampleClient(2))
    const statement = `UPDATE certkeep.registration SET principal_id = (SELECT id FROM certkeep.principal LIMIT 1) WHERE smsid = $1`
    await expect(server.sql(statement, [smsid])).rejects.toThrow(/not approved has no account/)
    await expect(
      server.sql(`UPDATE certkeep.registration SET status = 'pending' WHERE smsid = $1`, [smsid])
    ).rejects.toThrow(/does not become pending/)
    const front = (await server.database.open('front')).dataSource
    await expect(front.query(`UPDATE certkeep.registration SET approval = 'approved'`)).rejects.toThrow(
      /permission denied/
    )
  })

  it('goes on under its identifier with another key when the registered one vouches for it, in native mode', async () => {
    const root = sampleKey('P-256')
    const year = { notBefore: new Date(Date.now() - 3_600_000), notAfter: new Date(Date.now() + 86_400_000) }
    const ca = { oid: OID.id_ce_basicConstraints, critical: true, value: encodeBasicConstraints({ isCa: true }) }
    const authority = Buffer.from(buildSampleCertificate(root, { ...year, extensions: [ca] }))
    await site.change({ ...(await site.get()), trustedAuthorities: [authority] }, because, new Date())
    const certified = (index: number): SampleClient => {
      const { key } = sampleClient(index)
      return { key, name: 'ROLL', certificate: clientCertificate(key, { subject: nameOf('CN=ROLL') }, root) }
    }
    const connect = ({ key, certificate }: SampleClient): HttpCaller =>
      createCaller(server, {
        certificate: encodePem('CERTIFICATE', certificate),
        privateKey: key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
      })
    const [old, next, stranger] = [certified(3), certified(4), certified(5)]
    const [oldCall, nextCall, strangerCall] = [connect(old), connect(next), connect(stranger)]
    const { smsid = '' } = await register(oldCall, old)
    expect(await outcomeOf(oldCall, old, smsid)).toMatchObject({ status: 0, approval: 'not_applicable' })
    const hint = (client: SampleClient) => ({
      smsid,
      registrationHint: buildRegistrationHint(smsid, client.key.privateKey)
    })
    expect((await register(strangerCall, stranger, hint(stranger))).smsid).not.toBe(smsid)
    expect((await register(nextCall, next, hint(old))).smsid).toBe(smsid)
    await expect.poll(() => confirm(nextCall, next, smsid), patience).toMatchObject({ status: 0, smsid })
    expect(await confirm(oldCall, old, smsid)).toMatchObject({ status: 3 })

    // Somebody registers with the next key while that waits to be decided: nobody else waits for it.
    const last = certified(13)
    const lastCall = connect(last)
    await console.transaction(async unit => {
      await decided.lock(smsid, unit)
      expect((await register(lastCall, last, hint(next))).smsid).toBe(smsid)
      const twin = await register(call, last)
      expect(twin.smsid).not.toBe(smsid)
      await expect.poll(async () => (await get(twin.smsid ?? '')).status, patience).toBe('registered')
    })
    const [due] = await server.sql<{ id: string }>(`SELECT id FROM certkeep.registration_message WHERE state = 'due'`)
    await registered(sampleClient(14))
    expect(await get(smsid)).toMatchObject({ keyHash: keyHashOf(decodeCertificate(next.certificate)) })
    const settled = 'SELECT state FROM certkeep.registration_message WHERE id = $1'
    expect(await server.sql(settled, [due?.id])).toEqual([{ state: 'done' }])
    await lastCall.close()
    await Promise.all([oldCall, nextCall, strangerCall].map(one => one.close()))
  })
})

describe('a registration that cannot be stored', () => {
  it('is refused by itself, and holds up nobody', async () => {
    const hardware = Array.from({ length: 1000 }, (_, at) => String.fromCodePoint(0x4e00 + ((at * 7919) % 20_000)))
    const client = sampleClient(15, 'LONG')
    const properties = {
      'NetBIOS Name': 'LONG',
      'FQ Name': 'long.example.org',
      InternetFlag: '0',
      '.HardwareID1': hardware.join('')
    }
    const answer = await send(call, '', messageOf(client, { properties }))
    expect(answer.json()).toMatchObject({ code: 'registration_schema_invalid' })
    // Whatever the database has against one of them: the others are registered, and it is told.
    const fault = `ALTER TABLE certkeep.registration ADD CONSTRAINT fault CHECK (netbios_name <> 'BAD' OR status <> 'registered')`
    await server.sql(fault)
    try {
      const { smsid = '' } = await register(call, { ...sampleClient(15), name: 'BAD' })
      await registered(sampleClient(16))
      expect(await outcomeOf(call, sampleClient(15), smsid)).toMatchObject({ status: 3 })
    } finally {
      await server.sql('ALTER TABLE certkeep.registration DROP CONSTRAINT fault')
    }
  })
})

describe('a proxy', () => {
  it('registers its clients under identifiers of their own, as long as it is known', async () => {
    const proxy = sampleClient(6, 'PROXY')
    const id = `GUID:${randomUUID().toUpperCase()}`
    const message = (smsid = ''): string =>
      messageOf({ ...proxy, name: 'LENT' }, { smsid, agent: { type: 8 } }).replace(
        '<Signature>',
        `<Signature SMSID="${id}">`
      )
    const answerTo = async (text: string) =>
      decodeRegistrationResponse((await send(call, '', text)).body.toString('utf8'))
    expect(await answerTo(message())).toMatchObject({ status: 3 })
    const keyHash = keyHashOf(decodeCertificate(proxy.certificate))
    const row = {
      smsid: id,
      name: 'Proxy',
      certificate: Buffer.from(proxy.certificate),
      keyHash,
      importedAt: new Date()
    }
    await site.addProxy(row, because)
    const [first, second] = [await answerTo(message()), await answerTo(message())]
    expect([first.status, second.status]).toEqual([1, 1])
    expect(first.smsid).not.toBe(second.smsid)
    expect((await answerTo(message(first.smsid))).smsid).toBe(first.smsid)
    await expect.poll(async () => (await get(first.smsid ?? '')).status, patience).toBe('registered')
    expect(await get(first.smsid ?? '')).toMatchObject({ proxySmsid: id, agentType: 8 })
    // The proxy proves nothing of the certificate that it names: what it registers is none of the computers that are there.
    const computer = await server.addPrincipal({ kind: 'computer' })
    await using enrolling = server.connect(computer)
    await enrolling.submit(await pkcs10Request({ template: 'Computer' }))
    const certificate = await enrolling.getCertificate()
    const { smsid: lent = '' } = await answerTo(
      messageOf({ ...proxy, name: 'LENT', certificate }, { agent: { type: 8 } }).replace(
        '<Signature>',
        `<Signature SMSID="${id}">`
      )
    )
    await expect.poll(async () => (await get(lent)).status, patience).toBe('registered')
    await approve(lent)
    expect((await get(lent)).principalId).not.toBe(computer.row.id)
    await site.removeProxy(id, because, new Date())
    expect(await answerTo(message())).toMatchObject({ status: 3 })
  })
})

describe('a conflict of hardware identifiers', () => {
  const hardware = (name: string) => ({
    properties: { 'NetBIOS Name': name, 'FQ Name': `${name}.example.org`, InternetFlag: '0', '.HardwareID1': '2:CAFE' }
  })
  const next = async (client: SampleClient, name: string): Promise<{ readonly id: string; readonly smsid: string }> => {
    const { smsid = '' } = await register(call, client, hardware(name))
    const open = async () =>
      (await clients.listConflicts({ isOpen: true }, 10)).rows.find(row => row.smsid === smsid)?.id
    await expect.poll(open, patience).toBeDefined()
    return { id: (await open()) ?? '', smsid }
  }

  it('is resolved by keeping the old client, by a new one beside it, or by one that goes on as the other', async () => {
    const original = await registered(sampleClient(7), hardware('HW0'))
    const kept = await next(sampleClient(8), 'HW1')
    await conflicts.resolve(kept.id, 'keep', because)
    expect(await confirm(call, sampleClient(8), kept.smsid)).toMatchObject({ status: 3 })
    await expect(conflicts.resolve(kept.id, 'new', because)).rejects.toMatchObject({ code: 'conflict' })
    await expect(conflicts.resolve(randomUUID(), 'new', because)).rejects.toMatchObject({ code: 'not_found' })

    const merged = await next(sampleClient(9), 'HW2')
    await conflicts.resolve(merged.id, 'merge', because)
    expect(await confirm(call, sampleClient(9), merged.smsid)).toMatchObject({ status: 0, smsid: original })
    expect(await confirm(call, sampleClient(7), original)).toMatchObject({ status: 3 })
    expect(await get(original)).toMatchObject({ netbiosName: 'HW2', status: 'registered' })

    const blocked = await next(sampleClient(18), 'HW4')
    await console.transaction(unit => clients.setBlocked(blocked.smsid, true, because, new Date(), unit))
    await expect(conflicts.resolve(blocked.id, 'new', because)).rejects.toMatchObject({ code: 'conflict' })
    expect(await get(blocked.smsid)).toMatchObject({ status: 'pending' })
    await conflicts.resolve(blocked.id, 'keep', because)

    // What was signed verifies no more: whoever sent it is told so, and does not wait for ever.
    const changed = await next(sampleClient(19), 'HW5')
    await server.sql(`UPDATE certkeep.registration_message SET signature = '00' WHERE state = 'held' AND smsid = $1`, [
      changed.smsid
    ])
    await conflicts.resolve(changed.id, 'new', because)
    expect(await get(changed.smsid)).toMatchObject({ status: 'rejected' })

    const beside = await next(sampleClient(10), 'HW3')
    await conflicts.resolve(beside.id, 'new', because)
    expect(await confirm(call, sampleClient(10), beside.smsid)).toMatchObject({ status: 0, smsid: beside.smsid })
  })
})

describe('the wait of a pending client', () => {
  it('grows with the queue up to its bound', async () => {
    const waitOf = async (index: number): Promise<number> =>
      Number((await send(call, '', messageOf(sampleClient(index)))).headers['retry-after'])
    expect(await waitOf(11)).toBeLessThan(35)
    await server.sql(`
      INSERT INTO certkeep.registration_message
        (smsid, kind, signature_hash, data, signature, mode, received_at, state)
      SELECT (SELECT smsid FROM certkeep.registration LIMIT 1), 'Registration', sha256(n::text::bytea), 'x', 'x', 'mixed',
        now() + interval '1 day', 'due' FROM generate_series(1, 5000) AS n`)
    // What was counted is told for a second.
    await sleep(1100)
    expect(await waitOf(12)).toBeGreaterThan(100)
  })
})
