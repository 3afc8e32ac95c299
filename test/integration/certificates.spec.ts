import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CertRequest, Console } from '@app/client'
import { decodeSignedData } from '@app/cms'
import { decodePem } from '@app/der'
import { decodeCertificate, decodeCrl, serialHexOf } from '@app/x509'
import { callPlain, createCaller, type HttpCaller, type ToldProblem } from '../helpers/http-calls.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let alice: TestPrincipal
let officerPrincipal: TestPrincipal
let client: CertRequest
let officer: Console
let call: HttpCaller

beforeAll(async () => {
  server = await startTestServer({ settings: { crl: { revocationDelaySeconds: 0 } } })
  alice = await server.addPrincipal({ accountName: 'alice.smith' })
  officerPrincipal = await server.addOperator('officer')
  client = server.connect(alice)
  officer = server.operate(officerPrincipal)
  call = createCaller(server)
})

afterAll(async () => {
  await Promise.all([client[Symbol.asyncDispose](), officer[Symbol.asyncDispose](), call.close()])
  await server.stop()
})

async function enroll(): Promise<{ readonly serial: string; readonly der: Uint8Array; readonly requestId: number }> {
  expect(await client.submit(await pkcs10Request({ template: 'UserSignature' }))).toBe(3)
  const der = await client.getCertificate()
  return { serial: decodeCertificate(der).serialHex, der, requestId: client.requestId }
}

async function crlEntries(path = '/crl/1-0.crl'): Promise<readonly string[]> {
  const { body } = await callPlain(server.httpUrl, { path })
  return decodeCrl(body).entries.map(({ serialNumber }) => serialHexOf(serialNumber))
}

const code = (expected: string) => ({ code: expected })

describe('an issued certificate', () => {
  it('is found by all that is known of it', async () => {
    const { serial, der, requestId } = await enroll()
    const shown = await officer.certificates.show(serial)
    expect(shown).toMatchObject({ serialNumber: serial, ca: server.ca.name, requestId, state: 'valid' })
    expect(shown).toMatchObject({ account: 'EXAMPLE\\alice.smith', template: 'UserSignature', archivedKey: false })
    expect(shown.extensions.map(({ name }) => name)).toContain('id_ce_cRLDistributionPoints')
    expect(decodePem(shown.pem)[0]?.bytes).toEqual(Buffer.from(der))
    const filters = [
      { serial },
      { serial: serial.toUpperCase() },
      { request: requestId },
      { fingerprint: shown.sha1 },
      { fingerprint: shown.sha256.replace(/..(?=.)/g, '$&:') },
      { account: 'EXAMPLE\\alice.smith' },
      { template: 'usersignature', subject: 'smit ali' },
      { state: 'valid', ca: server.ca.name, subject: 'ALICE' },
      { expiringBefore: new Date(Date.now() + 366 * 86_400_000).toISOString() }
    ] as const
    for (const filter of filters) {
      const { items } = await officer.certificates.list({ ...filter, limit: 200 })
      expect([filter, items.map(({ serialNumber }) => serialNumber)]).toEqual([
        filter,
        expect.arrayContaining([serial])
      ])
    }
    for (const filter of [
      { subject: 'mith' },
      { state: 'held' },
      { template: 'WebServer', account: 'alice.smith' }
    ] as const) {
      const { items } = await officer.certificates.list(filter)
      expect(items.map(({ serialNumber }) => serialNumber)).not.toContain(serial)
    }
  })

  it('is listed page by page, each once, in every order', async () => {
    const made: string[] = []
    for (let more = 0; more < 4; more++) made.push((await enroll()).serial)
    const soon = new Date(Date.now() + 366 * 86_400_000).toISOString()
    for (const filter of [{}, { expiringBefore: soon }, { state: 'valid' }] as const) {
      const seen: string[] = []
      let cursor: string | undefined
      do {
        const page = await officer.certificates.list({ ...filter, limit: 2, ...(cursor && { cursor }) })
        seen.push(...page.items.map(({ serialNumber }) => serialNumber))
        cursor = page.next
      } while (cursor !== undefined)
      expect(new Set(seen).size).toBe(seen.length)
      expect(seen).toEqual(expect.arrayContaining(made))
    }
    await expect(officer.certificates.list({ cursor: 'x' })).rejects.toMatchObject(code('invalid_argument'))
    await expect(officer.certificates.list({ cursor: '5', expiringBefore: soon })).rejects.toMatchObject(
      code('invalid_argument')
    )
  })

  it('is exported alone, or with the CA', async () => {
    const { serial, der } = await enroll()
    expect(Buffer.from(await officer.certificates.export(serial, 'der')).equals(der)).toBe(true)
    const bundle = decodeSignedData(await officer.certificates.export(serial, 'p7b')).certificates
    expect(bundle.map(one => Buffer.from(one).toString('hex')).toSorted()).toEqual(
      [der, server.ca.certificate.raw].map(one => Buffer.from(one).toString('hex')).toSorted()
    )
    await expect(officer.certificates.show('01')).rejects.toMatchObject(code('not_found'))
  })
})

describe('an officer', () => {
  it('revokes a certificate: at once for everybody, with one event, and on the CRL that follows', async () => {
    const { serial, requestId } = await enroll()
    const invalidityDate = new Date(Date.now() - 86_400_000).toISOString()
    const revoked = await officer.certificates.revoke(serial, {
      reason: 'keyCompromise',
      invalidityDate,
      comment: 'Lost.'
    })
    expect(revoked).toMatchObject({ state: 'revoked', reason: 'keyCompromise', invalidityDate })
    expect(await client.retrievePending(requestId)).toBe(6)
    await expect.poll(() => crlEntries(), { timeout: 10_000 }).toContain(serial)
    const events = await server.sql<{ actor: string; detail: object }>(
      `SELECT actor, detail FROM certkeep.audit_event WHERE action = 'certificate.revoked' AND detail ->> 'requestId' = $1`,
      [String(requestId)]
    )
    expect(events).toEqual([
      {
        actor: `EXAMPLE\\${officerPrincipal.row.accountName}`,
        detail: { caId: server.ca.id, requestId, reason: 1, comment: 'Lost.' }
      }
    ])
    await expect(officer.certificates.unrevoke(serial)).rejects.toMatchObject(code('revocation_state'))
    await expect(officer.certificates.revoke(serial, { reason: 'certificateHold' })).rejects.toMatchObject(
      code('revocation_state')
    )
    expect(await officer.certificates.revoke(serial, { reason: 'superseded' })).toMatchObject({
      reason: 'superseded',
      revokedAt: revoked.revokedAt
    })
  })

  it('puts a certificate on hold and releases it', async () => {
    const { serial, requestId } = await enroll()
    expect(await officer.certificates.revoke(serial, { reason: 'certificateHold' })).toMatchObject({ state: 'held' })
    const held = await officer.certificates.list({ state: 'held' })
    expect(held.items.map(({ serialNumber }) => serialNumber)).toEqual([serial])
    await expect.poll(() => crlEntries(), { timeout: 10_000 }).toContain(serial)
    expect(await officer.certificates.unrevoke(serial, { comment: 'Found.' })).toMatchObject({ state: 'valid' })
    expect(await client.retrievePending(requestId)).toBe(3)
    await expect.poll(() => crlEntries(), { timeout: 10_000 }).not.toContain(serial)
  })

  it('who has looked at it too long ago is told so', async () => {
    const { serial } = await enroll()
    const { etag } = await officer.certificates.show(serial)
    await officer.certificates.revoke(serial, { reason: 'certificateHold', ifMatch: etag })
    const late = officer.certificates.revoke(serial, { reason: 'keyCompromise', ifMatch: etag })
    await expect(late).rejects.toMatchObject(code('precondition_failed'))
    const { token } = officerPrincipal
    const answer = await call({ path: `/api/v1/certificates/${serial}`, token })
    expect(answer.headers['etag']).toBe(answer.json<{ etag: string }>().etag)
    const told = await call({
      method: 'POST',
      path: `/api/v1/certificates/${serial}/revoke`,
      token,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'removeFromCRL' })
    })
    expect([told.status, told.json<ToldProblem>().code]).toEqual([400, 'invalid_argument'])
  })

  it('of another CA, template or group may not revoke it, nor may an auditor or its holder', async () => {
    const { serial } = await enroll()
    const other = await server.addCa('Other CA')
    const revokeAs = async (principal: TestPrincipal): Promise<void> => {
      await using console = server.operate(principal)
      await console.certificates.revoke(serial, { reason: 'superseded' })
    }
    const scoped = (templates: string[], subjectGroups: string[]) =>
      server.addOperator('officer', { scope: { templates, subjectGroups } })
    const cases: readonly [TestPrincipal, string][] = [
      [await server.addOperator('officer', { caId: other.id }), 'not_found'],
      [await scoped(['WebServer'], []), 'restricted_officer'],
      [await scoped([], ['Managers']), 'restricted_officer'],
      [await server.addOperator('auditor'), 'access_denied'],
      [await server.addPrincipal({}, { scopes: ['console'] }), 'access_denied']
    ]
    for (const [principal, expected] of cases) await expect(revokeAs(principal)).rejects.toMatchObject(code(expected))
    await revokeAs(await scoped(['usersignature'], ['Domain Users']))
  })

  it('of twenty at once revokes once', async () => {
    const { serial, requestId } = await enroll()
    const races = await Promise.allSettled(
      Array.from({ length: 20 }, () => officer.certificates.revoke(serial, { reason: 'keyCompromise' }))
    )
    expect(races.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const [{ count } = { count: 0 }] = await server.sql<{ count: number }>(
      `SELECT count(*)::integer FROM certkeep.audit_event
       WHERE action = 'certificate.revoked' AND detail ->> 'requestId' = $1`,
      [String(requestId)]
    )
    expect(count).toBe(1)
  })
})

describe('an administrator', () => {
  it('has CRLs published at once, and sees which were', async () => {
    await using admin = server.operate(await server.addOperator('administrator'))
    const newest = async () => (await admin.crls.list(server.ca.name, { limit: 200 })).items
    const before = (await newest()).find(({ kind }) => kind === 'base')
    await admin.crls.publish(server.ca.name)
    await expect
      .poll(async () => (await newest())[0]?.number ?? 0, { timeout: 10_000 })
      .toBeGreaterThan(before?.number ?? 0)
    const numbers = (await newest()).map(({ number }) => number)
    expect(numbers).toEqual(numbers.toSorted((a, b) => b - a))
    await expect(officer.crls.publish(server.ca.name)).rejects.toMatchObject(code('access_denied'))
  })
})
