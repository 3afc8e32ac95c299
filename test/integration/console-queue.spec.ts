import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CertRequest, Console } from '@app/client'
import { toBase64 } from '@app/core'
import { OID } from '@app/oid'
import { encodeExtendedKeyUsage, encodeKeyUsage, encodeSubjectAltName, type GeneralName } from '@app/x509'
import { offerTemplate } from '../helpers/administration.js'
import { createCaller, type HttpCaller } from '../helpers/http-calls.js'
import { heldTemplate, reaching, submitPending } from '../helpers/pending-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let computer: TestPrincipal
let client: CertRequest
let officers: readonly { readonly principal: TestPrincipal; readonly console: Console; readonly name: string }[]
let admin: Console
let call: HttpCaller

beforeAll(async () => {
  server = await startTestServer()
  await offerTemplate(server, heldTemplate('TwoOfficers', { approvals: 2 }))
  computer = await server.addPrincipal({ kind: 'computer' })
  client = server.connect(computer)
  officers = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const principal = await server.addOperator('officer')
      const name = `${principal.row.domain}\\${principal.row.accountName}`
      return { principal, name, console: server.operate(principal) }
    })
  )
  admin = server.operate(await server.addOperator('administrator'))
  call = createCaller(server)
})

afterAll(async () => {
  for (const { console } of officers) await console[Symbol.asyncDispose]()
  await admin[Symbol.asyncDispose]()
  await client[Symbol.asyncDispose]()
  await call.close()
  await server.stop()
})

const officer = (index: number) => officers[index]!
const queue = (index: number) => officer(index).console.queue
const san = (...names: readonly GeneralName[]): string => toBase64(encodeSubjectAltName(names))

async function actionsOf(requestId: number): Promise<readonly string[]> {
  const rows = await server.sql<{ action: string }>(
    `SELECT action FROM certkeep.audit_event WHERE object_type = 'request' AND object_id = $1 ORDER BY seq`,
    [String(requestId)]
  )
  return rows.map(({ action }) => action)
}

describe('an approval', () => {
  it('by one officer issues what needs one, wakes who waits, and is told in the words of Windows', async () => {
    const id = await submitPending(client)
    await using waiter = server.connect(computer)
    const waiting = waiter.retrievePending(id, { wait: 20 })
    const item = await queue(0).approve(id)
    expect(item).toMatchObject({ requestId: id, approvals: { given: 1, needed: 1 }, round: 1 })
    expect(await waiting).toBe(3)
    expect((await actionsOf(id)).slice(0, 4)).toEqual([
      'request.submitted',
      'request.pending',
      'request.approved',
      'request.issued'
    ])
  })

  it('by fewer than the template demands leaves the request pending, each counted once', async () => {
    const id = await submitPending(client, 'TwoOfficers')
    const fifty = await Promise.allSettled(Array.from({ length: 50 }, () => queue(0).approve(id)))
    expect(fifty.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const [refused] = fifty.flatMap(result => (result.status === 'rejected' ? [result.reason as Error] : []))
    expect(refused).toMatchObject({ code: 'conflict', message: expect.stringContaining('already') as string })
    const rows = await server.sql('SELECT kind FROM certkeep.request_decision WHERE request_id = $1', [id])
    expect(rows).toEqual([{ kind: 'approve' }])
    expect(await queue(1).get(id)).toMatchObject({ state: 'pending', approvals: { given: 1, needed: 2 } })

    await queue(1).approve(id)
    await reaching(server, id, 'issued')
    expect((await actionsOf(id)).slice(1, 4)).toEqual(['request.pending', 'request.approval_given', 'request.approved'])
  })

  it('is refused to the requester, whatever its role', async () => {
    const both = await server.addOperator('officer', {
      changes: { kind: 'computer', groupNames: ['Domain Computers'] }
    })
    await using own = server.connect(both)
    await using console = server.operate(both)
    const id = await submitPending(own)
    await expect(console.queue.approve(id)).rejects.toMatchObject({ code: 'approver_excluded' })
    expect((await queue(0).approve(id)).requestId).toBe(id)
  })

  it('is of what was looked at: another decision in between answers 412', async () => {
    const id = await submitPending(client, 'TwoOfficers')
    const seen = await queue(0).get(id)
    await queue(1).approve(id, { etag: seen.etag })
    await expect(queue(0).approve(id, { etag: seen.etag })).rejects.toMatchObject({ code: 'precondition_failed' })
    const answer = await call({
      method: 'POST',
      path: `/api/v1/queue/${id}/approve`,
      token: officer(0).principal.token,
      headers: { 'content-type': 'application/json', 'if-match': seen.etag },
      body: Buffer.from('{}')
    })
    expect(answer.status).toBe(412)
    const { etag } = await queue(0).get(id)
    expect((await queue(0).approve(id, { etag })).etag).not.toBe(etag)
  })
})

describe('a decision that is sent once more for want of an answer', () => {
  it('is answered as the first was when both say so, and is made once', async () => {
    const id = await submitPending(client, 'TwoOfficers')
    const send = (headers: Readonly<Record<string, string>>) =>
      call({
        method: 'POST',
        path: `/api/v1/queue/${id}/approve`,
        token: officer(0).principal.token,
        headers: { 'content-type': 'application/json', ...headers },
        body: Buffer.from('{}')
      })
    const { etag } = await queue(0).get(id)
    const once = { 'idempotency-key': 'one', 'if-match': etag }
    expect([(await send(once)).status, (await send(once)).status, (await send({})).status]).toEqual([200, 200, 409])
    expect((await queue(0).get(id)).approvals.given).toBe(1)
  })
})

describe('a denial', () => {
  it('has a reason, is for good, and tells the requester who', async () => {
    const id = await submitPending(client)
    await expect(queue(0).deny(id, '  ')).rejects.toMatchObject({ code: 'invalid_argument' })
    const item = await queue(0).deny(id, 'Not our host.')
    const { name } = officer(0)
    expect(item).toMatchObject({ state: 'denied', dispositionMessage: `Denied by ${name}` })
    expect(await client.retrievePending(id)).toBe(2)
    expect(client.dispositionMessage).toBe(`Denied by ${name}`)
    expect(client.lastStatus).toBe('0x80094014')
    const late = await queue(1)
      .approve(id)
      .catch((error: unknown) => error as Error)
    expect(late).toMatchObject({ code: 'conflict' })
    const [decision] = (await queue(1).get(id)).decisions
    expect((late as Error).message).toContain(`denied by ${name} at ${decision!.at}`)
    expect((await actionsOf(id)).filter(action => action === 'request.denied')).toHaveLength(1)
    const [result] = await queue(1).decide([{ requestId: id, decision: 'approve' }])
    expect(result?.problem).toMatchObject({ status: 409, hresult: '0x80094003' })
  })
})

describe('a resubmission', () => {
  it('by an administrator has a denied request evaluated anew and needs its approvals again', async () => {
    const id = await submitPending(client)
    await queue(0).deny(id, 'Not yet.')
    await expect(queue(0).resubmit(id)).rejects.toMatchObject({ code: 'access_denied' })
    await admin.queue.resubmit(id, { reason: 'The host is ours by now.' })
    await reaching(server, id, 'pending')
    const detail = await queue(1).get(id)
    expect(detail).toMatchObject({ round: 2, approvals: { given: 0, needed: 1 } })
    expect(detail.dispositionMessage).toMatch(/^Resubmitted by EXAMPLE\\/)
    expect(detail.decisions.map(({ round, kind }) => [round, kind])).toEqual([
      [1, 'deny'],
      [1, 'resubmit']
    ])
    await queue(1).approve(id)
    await reaching(server, id, 'issued')
    await expect(admin.queue.resubmit(id)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('is none of what was withdrawn, could not be read, or is there twice', async () => {
    const withdrawn = await submitPending(client)
    await client.withdraw(withdrawn)
    await expect(admin.queue.resubmit(withdrawn)).rejects.toThrow(/took it back/)
    const unreadable = await call({
      method: 'POST',
      path: `/api/v1/cas/${encodeURIComponent(server.ca.name)}/requests`,
      token: computer.token,
      headers: { 'content-type': 'application/pkcs7-mime' },
      body: Buffer.from('3003020101', 'hex')
    })
    const { requestId } = JSON.parse(Buffer.from(unreadable.body).toString()) as { requestId: number }
    await expect(admin.queue.resubmit(requestId)).rejects.toThrow(/not kept any more/)
  })
})

describe('an edit', () => {
  it('reaches the preview and the certificate, and its author cannot approve it', async () => {
    const id = await submitPending(client, 'WebServer', 'old.example.org')
    const value = san({ kind: 'dNSName', value: 'new.example.org' })
    const purposes = toBase64(encodeExtendedKeyUsage([OID.id_kp_serverAuth]))
    await queue(0).setExtensions(id, [
      { oid: OID.id_ce_subjectAltName, value, critical: true },
      { oid: OID.id_ce_extKeyUsage, value: purposes }
    ])
    await queue(0).setExtensions(id, [
      { oid: OID.id_ce_keyUsage, value: toBase64(encodeKeyUsage(['digitalSignature'])), critical: true }
    ])
    await queue(0).setAttributes(id, [
      { name: 'ValidityPeriod', value: 'Days' },
      { name: 'ValidityPeriodUnits', value: '30' },
      { name: 'Ticket', value: 'CHG-4711' }
    ])
    await expect(queue(0).approve(id)).rejects.toMatchObject({ code: 'approver_excluded' })

    const preview = await queue(1).preview(id)
    expect(preview.verdict).toBe('issue')
    const names = preview.fields.filter(({ field }) => field === 'subjectAltName')
    expect(names).toMatchObject([{ name: 'dNSName', issued: 'new.example.org' }])
    expect(preview.fields.find(({ name }) => name === 'Ticket')).toMatchObject({
      edited: 'CHG-4711',
      change: 'dropped'
    })

    await queue(1).approve(id)
    await reaching(server, id, 'issued')
    await client.retrievePending(id)
    const certificate = new X509Certificate(await client.getCertificate())
    expect(certificate.subjectAltName).toBe('DNS:new.example.org')
    const days = (certificate.validToDate.getTime() - certificate.validFromDate.getTime()) / 86_400_000
    expect(days).toBeCloseTo(30, 1)
    expect((await actionsOf(id)).filter(action => action.endsWith('_set'))).toEqual([
      'request.extensions_set',
      'request.extensions_set',
      'request.attributes_set'
    ])
  })

  it.each<[string, (id: number) => Promise<unknown>]>([
    [
      "an extension that is the template's to say",
      id => queue(0).setExtensions(id, [{ oid: OID.id_ce_basicConstraints, value: 'MAMBAf8=', critical: true }])
    ],
    [
      'a purpose that the template does not grant',
      id =>
        queue(0).setExtensions(id, [
          { oid: OID.id_ce_extKeyUsage, value: toBase64(encodeExtendedKeyUsage([OID.id_kp_clientAuth])) }
        ])
    ],
    ['no purposes at all', id => queue(0).setExtensions(id, [{ oid: OID.id_ce_extKeyUsage, disabled: true }])],
    [
      'a name of another kind',
      id =>
        queue(0).setExtensions(id, [
          { oid: OID.id_ce_subjectAltName, value: san({ kind: 'registeredID', oid: '1.2.3' }) }
        ])
    ],
    ['another template', id => queue(0).setAttributes(id, [{ name: 'Certificate-Template', value: 'Computer' }])],
    ['another requester', id => queue(0).setAttributes(id, [{ name: 'RequesterName', value: 'EXAMPLE\\root' }])],
    [
      'a validity that is over',
      id => queue(0).setAttributes(id, [{ name: 'ExpirationDate', value: 'Thu, 01 Jan 2015 00:00:00 GMT' }])
    ],
    ['a line break', id => queue(0).setAttributes(id, [{ name: 'Note', value: 'a\nCertificateTemplate:Computer' }])]
  ])('that sets %s is refused', async (_what, edit) => {
    const id = await submitPending(client)
    await expect(edit(id)).rejects.toMatchObject({ code: 'invalid_argument' })
    expect((await queue(0).get(id)).decisions).toEqual([])
  })

  it('that is sent once more for want of an answer is made once', async () => {
    const id = await submitPending(client)
    const { etag } = await queue(0).get(id)
    const send = (value: string) =>
      call({
        method: 'POST',
        path: `/api/v1/queue/${id}/attributes`,
        token: officer(0).principal.token,
        headers: { 'content-type': 'application/json', 'idempotency-key': 'one', 'if-match': etag },
        body: Buffer.from(JSON.stringify({ attributes: [{ name: 'Note', value }] }))
      })
    expect([(await send('x')).status, (await send('x')).status, (await send('y')).status]).toEqual([200, 200, 412])
    expect((await queue(0).get(id)).decisions).toHaveLength(1)
  })

  it('comes before the first approval', async () => {
    const id = await submitPending(client, 'TwoOfficers')
    await queue(0).approve(id)
    const late = queue(1).setAttributes(id, [{ name: 'Note', value: 'x' }])
    await expect(late).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('approved by') as string
    })
  })
})

describe('an officer', () => {
  it('of another CA sees nothing, and one with a scope decides only within it', async () => {
    const other = await server.addCa('Other CA')
    await using foreign = server.operate(await server.addOperator('officer', { caId: other.id }))
    const scope = { templates: ['TwoOfficers'], subjectGroups: ['Domain Computers'] }
    await using scoped = server.operate(await server.addOperator('officer', { scope }))
    const elsewhere = { templates: [], subjectGroups: ['Servers of others'] }
    await using restricted = server.operate(await server.addOperator('officer', { scope: elsewhere }))
    const plain = await submitPending(client)
    const double = await submitPending(client, 'TwoOfficers')

    await expect(foreign.queue.get(plain)).rejects.toMatchObject({ code: 'not_found' })
    await expect(foreign.queue.approve(plain)).rejects.toMatchObject({ code: 'not_found' })
    expect((await foreign.queue.list()).items).toEqual([])
    await expect(foreign.queue.list({ ca: server.ca.name })).rejects.toMatchObject({ code: 'not_found' })
    // Nor does a request at its own CA tell what the requester has from others.
    await using there = server.connect(computer, other.name)
    const own = await submitPending(there)
    expect((await queue(0).get(own)).earlierCertificates.length).toBeGreaterThan(0)
    expect((await foreign.queue.get(own)).earlierCertificates).toEqual([])
    await expect(scoped.queue.approve(plain)).rejects.toMatchObject({ code: 'restricted_officer' })
    await expect(scoped.queue.deny(plain, 'No.')).rejects.toMatchObject({ code: 'restricted_officer' })
    await expect(restricted.queue.approve(double)).rejects.toMatchObject({ code: 'restricted_officer' })
    expect((await scoped.queue.approve(double)).approvals.given).toBe(1)
    // What an administrator or an auditor may read, it may not decide.
    await expect(admin.queue.approve(plain)).rejects.toMatchObject({ code: 'access_denied' })
    expect((await admin.queue.get(plain)).requestId).toBe(plain)
  })
})

describe('many decisions at once', () => {
  it('are answered one by one', async () => {
    const [first, second, third] = [
      await submitPending(client),
      await submitPending(client),
      await submitPending(client)
    ]
    await queue(1).deny(second, 'No.')
    const results = await queue(0).decide([
      { requestId: first, decision: 'approve' },
      { requestId: second, decision: 'approve' },
      { requestId: third, decision: 'deny', reason: 'Not this one.' },
      { requestId: 2_000_000, decision: 'approve' },
      { requestId: first, decision: 'resubmit' }
    ])
    expect(results.map(({ outcome, problem }) => problem?.code ?? outcome)).toEqual([
      'done',
      'conflict',
      'done',
      'not_found',
      'access_denied'
    ])
    await reaching(server, first, 'issued')
    await reaching(server, third, 'denied')
  })
})

describe('the queue', () => {
  it('is narrowed by every filter, in both orders, page after page', async () => {
    const machine = await server.addPrincipal({ kind: 'computer' })
    await using own = server.connect(machine)
    const ids: number[] = []
    for (const name of ['alpha.example.net', 'beta.example.net', 'gamma.example.net']) {
      ids.push(await submitPending(own, 'TwoOfficers', name))
    }
    const requester = `${machine.row.domain}\\${machine.row.accountName}`
    const found = async (query: Parameters<Console['queue']['list']>[0]): Promise<readonly number[]> =>
      (await queue(0).list({ requester, ...query })).items.map(({ requestId }) => requestId)
    expect(await found({})).toEqual(ids.toReversed())
    expect(await found({ order: 'oldest' })).toEqual(ids)
    const page = await queue(0).list({ requester, order: 'oldest', limit: 2 })
    expect(page.items.map(({ requestId }) => requestId)).toEqual(ids.slice(0, 2))
    expect(await found({ order: 'oldest', cursor: page.next! })).toEqual(ids.slice(2))
    expect(await found({ subject: 'beta exam' })).toEqual([ids[1]])
    expect(await found({ subject: 'delta' })).toEqual([])
    const { keyId } = (await queue(0).list({ requester })).items[0]!
    expect(await found({ keyId: keyId! })).toEqual([ids[2]])
    expect(await found({ template: 'twoofficers', ca: server.ca.name })).toHaveLength(3)
    expect(await found({ template: 'WebServer' })).toEqual([])
    expect(await found({ state: 'denied,failed' })).toEqual([])
    expect(await found({ olderThan: '1h' })).toEqual([])
    await server.sql(`UPDATE certkeep.request SET submitted_at = submitted_at - interval '2 hours' WHERE id <= $1`, [
      ids[0]
    ])
    expect(await found({ olderThan: '1h' })).toEqual([ids[0]])
    const hourAgo = new Date(Date.now() - 3_600_000).toISOString()
    expect(await found({ submittedFrom: hourAgo })).toEqual([ids[2], ids[1]])
    expect(await found({ submittedUntil: hourAgo })).toEqual([ids[0]])
    await expect(found({ subject: 'beta', state: 'issued' })).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('shows a request with all that a decision rests on, and no key', async () => {
    const id = await submitPending(client, 'WebServer', 'shown.example.org')
    const detail = await queue(0).get(id)
    expect(detail).toMatchObject({
      format: 'pkcs10',
      requester: `${computer.row.domain}\\${computer.row.accountName}`,
      subject: 'CN=shown.example.org',
      subjectAltNames: [{ kind: 'dNSName', value: 'shown.example.org' }],
      request: { proofOfPossession: { valid: true }, publicKey: { algorithm: 'ec' } }
    })
    expect(detail.events.map(({ action }) => action)).toEqual(['request.submitted', 'request.pending'])
    expect(detail.earlierCertificates.length).toBeGreaterThan(0)
    const answer = await call({ path: `/api/v1/queue/${id}`, token: officer(0).principal.token })
    expect(answer.headers['etag']).toBe(detail.etag)
  })
})

describe('a request that nobody decides', () => {
  it('is denied when its time is over, with a reason of its own and one event', async () => {
    await offerTemplate(server, heldTemplate('SoonOver', { pendingSeconds: 3600 }))
    const id = await submitPending(client, 'SoonOver')
    const [row] = await server.sql<{ seconds: number }>(
      `SELECT extract(epoch FROM pending_until - submitted_at)::float AS seconds FROM certkeep.request WHERE id = $1`,
      [id]
    )
    expect(row!.seconds).toBeGreaterThanOrEqual(3600)
    expect(row!.seconds).toBeLessThan(3660)
    const nudge = () => server.running.runtime.wakeups.nudge('expire')
    nudge()
    await server.running.runtime.steps.idle()
    expect((await queue(0).get(id)).state).toBe('pending')
    await server.sql(`UPDATE certkeep.request SET pending_until = now() - interval '1 second' WHERE id = $1`, [id])
    nudge()
    await reaching(server, id, 'denied')
    expect(await queue(0).get(id)).toMatchObject({ failure: { code: 'pending_expired' } })
    expect(await client.retrievePending(id)).toBe(2)
    expect((await actionsOf(id)).filter(action => action === 'request.denied')).toHaveLength(1)
  })
})
