import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Enrollment, type CertRequest } from '@app/client'
import { parseSubmitFlags } from '@app/cmc'
import { createLogger } from '@app/platform'
import { RequestStore } from '@app/storage'
import { decodeCrl, verifyCrlSignature, type CertificateList } from '@app/x509'
import { CrlService } from '../../apps/authority/src/crl/crl.service.js'
import { newRequest, readSubmission } from '../../apps/front/src/submission/new-request.js'
import { startRoles } from '../../apps/cli/src/roles.js'
import { during, endLeases, type Fault } from '../helpers/database-faults.js'
import { revokeCertificateOf } from '../helpers/decisions.js'
import { callPlain } from '../helpers/http-calls.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { tracesOf, verifiedResponse } from '../helpers/request-outcomes.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let user: TestPrincipal
let client: CertRequest

beforeAll(async () => {
  server = await startTestServer()
  user = await server.addPrincipal()
  client = server.connect(user)
})

afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await server.stop()
})

/** Has the authority sign a CRL now, as `certkeep ca crl` does, and fetches it as anybody does. */
async function nextCrl(): Promise<CertificateList> {
  const { installation } = server.running
  const roles = await startRoles(installation, ['authority'], createLogger({ level: 'silent', format: 'json' }))
  try {
    await roles.context.get(CrlService, { strict: false }).publish(server.ca.id, 'local:test')
  } finally {
    await roles.stop()
  }
  return publishedCrl()
}

async function publishedCrl(): Promise<CertificateList> {
  const crl = decodeCrl((await callPlain(server.httpUrl, { path: '/crl/1' })).body)
  verifyCrlSignature(crl, server.ca.certificate.publicKey)
  return crl
}

const serialsOn = ({ entries }: CertificateList) =>
  entries.map(({ serialNumber }) => Buffer.from(serialNumber).toString('hex'))

interface LedgerRow {
  readonly serial: string
  readonly state: string
}

function ledgerOf(requestId: number): Promise<readonly LedgerRow[]> {
  return server.sql<LedgerRow>(
    `SELECT encode(serial_number, 'hex') AS serial, state FROM certkeep.certificate WHERE request_id = $1
     ORDER BY reserved_at`,
    [requestId]
  )
}

/** A request whose key is archived, with what its client needs to accept the certificate. */
async function archival(): Promise<{ readonly message: Uint8Array; readonly enrollment: Enrollment }> {
  const exchange = await client.getCACertificate({ exchange: true })
  const enrollment = new Enrollment({ privateKeyArchiveCertificate: exchange, trust: server.root })
  return { message: await enrollment.createRequest({ type: 'cmc', template: { name: 'UserEncryption' } }), enrollment }
}

describe('a serial number that was reserved and perhaps signed', () => {
  it('is never used again: the request gets another, and the old one goes on the next CRL', async () => {
    const refuseRecord = { table: 'certificate', on: 'UPDATE', when: `NEW.state = 'issued'` } as const
    const message = await pkcs10Request({ template: 'UserSignature' })
    const before = await during(server, refuseRecord, async () => {
      await client.submit(message, { wait: 0 })
      await expect.poll(() => ledgerOf(client.requestId), { timeout: 20_000 }).toMatchObject([{ state: 'reserved' }])
      expect(await client.retrievePending(client.requestId)).toBe(0)
      const [reserved] = await ledgerOf(client.requestId)
      return reserved?.serial ?? ''
    })
    await endLeases(server)
    expect(await client.retrievePending(client.requestId, { wait: 20 })).toBe(3)
    expect(client.status.serialNumber).not.toBe(before)
    expect(await ledgerOf(client.requestId)).toEqual([
      { serial: before, state: 'abandoned' },
      { serial: client.status.serialNumber, state: 'issued' }
    ])
    const serials = serialsOn(await nextCrl())
    expect(serials).toContain(before)
    expect(serials).not.toContain(client.status.serialNumber)
    const events = await server.sql(
      `SELECT actor FROM certkeep.audit_event WHERE action = 'certificate.abandoned' AND object_id = $1`,
      [before]
    )
    expect(events).toEqual([{ actor: 'role:authority' }])
  })

  it('stays reserved while its lease lasts, also over a restart', async () => {
    const refuseRecord = { table: 'certificate', on: 'UPDATE', when: `NEW.state = 'issued'` } as const
    await during(server, refuseRecord, async () => {
      await client.submit(await pkcs10Request({ template: 'UserSignature' }), { wait: 0 })
    })
    const { requestId } = client
    await client[Symbol.asyncDispose]()
    await server.restart()
    client = server.connect(user)
    expect((await ledgerOf(requestId)).map(({ state }) => state)).toEqual(['reserved'])
    await endLeases(server)
    expect(await client.retrievePending(requestId, { wait: 20 })).toBe(3)
    expect((await ledgerOf(requestId)).map(({ state }) => state)).toEqual(['abandoned', 'issued'])
  })
})

describe('a fault of the database between two steps', () => {
  const faults: readonly (Fault & { readonly what: string; readonly state: string })[] = [
    {
      what: 'the decision is recorded',
      table: 'request',
      on: 'UPDATE',
      when: `NEW.state = 'approved'`,
      state: 'received'
    },
    {
      what: 'the audit log takes the decision',
      table: 'audit_event',
      on: 'INSERT',
      when: `NEW.action = 'request.approved'`,
      state: 'received'
    },
    { what: 'the key is sealed', table: 'sealed_key', on: 'INSERT', state: 'approved' },
    {
      what: 'the audit log takes the sealing',
      table: 'audit_event',
      on: 'INSERT',
      when: `NEW.action = 'request.sealed'`,
      state: 'approved'
    },
    { what: 'the serial number is reserved', table: 'certificate', on: 'INSERT', state: 'sealed' },
    { what: 'the certificate is recorded', table: 'certificate', on: 'UPDATE', state: 'sealed' },
    {
      what: 'the audit log takes the issuance',
      table: 'audit_event',
      on: 'INSERT',
      when: `NEW.action = 'request.issued'`,
      state: 'sealed'
    },
    { what: 'the response is recorded', table: 'response', on: 'INSERT', state: 'sealed' }
  ]

  it.each(faults)('before $what loses nothing and doubles nothing', async ({ state, ...fault }) => {
    const { message, enrollment } = await archival()
    await during(server, fault, async () => {
      expect([0, 5]).toContain(await client.submit(message, { wait: 0 }))
      const traces = () => tracesOf(server, client.requestId)
      await expect.poll(traces, { timeout: 20_000 }).toMatchObject({ state })
    })
    await endLeases(server)
    expect(await client.retrievePending(client.requestId, { wait: 20 })).toBe(3)
    const response = await verifiedResponse(server, client)
    expect(response.encryptedKeyHash).toBeDefined()
    await enrollment.acceptResponse(await client.getFullResponse())
    expect(await tracesOf(server, client.requestId)).toMatchObject({ state: 'issued', sealedKeys: 1, envelopes: 0 })
    const issued = (await ledgerOf(client.requestId)).filter(row => row.state === 'issued')
    expect(issued).toHaveLength(1)
    const actions = await server.sql<{ action: string }>(
      `SELECT action FROM certkeep.audit_event WHERE object_type = 'request' AND object_id = $1 ORDER BY seq`,
      [String(client.requestId)]
    )
    expect(actions.map(({ action }) => action)).toEqual([
      'request.submitted',
      'request.approved',
      'request.sealed',
      'request.issued'
    ])
  })

  it.each([
    { table: 'request', on: 'INSERT' },
    { table: 'archived_key_envelope', on: 'INSERT' },
    { table: 'audit_event', on: 'INSERT' }
  ] as const)('while a request is taken ($table) lets nothing be taken, and says to try again', async fault => {
    const { message } = await archival()
    const count = () => server.sql('SELECT count(*) FROM certkeep.request')
    const before = await count()
    await during(server, fault, async () => {
      await expect(client.submit(message)).rejects.toMatchObject({ code: 'unavailable' })
    })
    expect(await count()).toEqual(before)
    expect(await client.submit(message)).toBe(3)
  })
})

describe('a wake-up that is lost', () => {
  it('is made good for by the sweep', async () => {
    const submission = {
      caId: server.ca.id,
      requester: { id: user.row.id, name: `EXAMPLE\\${user.row.accountName}` },
      bytes: await pkcs10Request({ template: 'UserSignature' }),
      flags: parseSubmitFlags(0),
      attributes: ''
    }
    const requests = new RequestStore((await server.database.open('front')).dataSource)
    const request = newRequest(submission, readSubmission(submission), new Date())
    const { id } = await requests.submit(request, undefined, { actor: submission.requester.name })
    expect(await client.retrievePending(id)).toBe(5)
    expect(await client.retrievePending(id, { wait: 20 })).toBe(3)
  })
})

describe('the CRL', () => {
  it('is there from the start, verifies, and a restart makes no other', async () => {
    const before = await publishedCrl()
    expect(before.nextUpdate?.getTime()).toBeGreaterThan(Date.now() + 7 * 86_400_000)
    await client[Symbol.asyncDispose]()
    await server.restart()
    client = server.connect(user)
    expect((await publishedCrl()).raw).toEqual(before.raw)
  })

  it('is replaced by itself in its overlap, with a higher number', async () => {
    const numbers = () => server.sql<{ number: number }>('SELECT number FROM certkeep.crl ORDER BY number DESC LIMIT 1')
    const [before] = await numbers()
    await server.sql(
      `UPDATE certkeep.crl SET this_update = now() - interval '8 days', next_update = now() + interval '1 hour',
        next_publish = now()`
    )
    server.running.runtime.wakeups.nudge('crl')
    await expect
      .poll(async () => (await numbers())[0]?.number, { timeout: 10_000 })
      .toBeGreaterThan(before?.number ?? 0)
    expect((await publishedCrl()).nextUpdate?.getTime()).toBeGreaterThan(Date.now() + 86_400_000)
  })

  it('lists what was revoked, with its reason and time', async () => {
    expect(await client.submit(await pkcs10Request({ template: 'UserSignature' }))).toBe(3)
    const { serialNumber } = client.status
    await revokeCertificateOf(server, client.requestId, 1)
    const crl = await nextCrl()
    const entry = crl.entries.find(({ serialNumber: found }) => Buffer.from(found).toString('hex') === serialNumber)
    expect(entry?.reason).toBe('keyCompromise')
    expect(Math.abs((entry?.revokedAt.getTime() ?? 0) - Date.now())).toBeLessThan(60_000)
  })
})
