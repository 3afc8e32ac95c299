import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLogger } from '@app/platform'
import { RoleStore } from '@app/storage'
import { CrlService } from '../../apps/authority/src/crl/crl.service.js'
import { startRoles } from '../../apps/cli/src/roles.js'
import { createCaller, callPlain, type HttpCaller } from '../helpers/http-calls.js'
import { during } from '../helpers/database-faults.js'
import { webServerRequest } from '../helpers/plain-requests.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

let server: TestServer
let call: HttpCaller

beforeAll(async () => {
  server = await startTestServer()
  call = createCaller(server)
})

afterAll(async () => {
  await call.close()
  await server.stop()
})

interface Entry {
  readonly actor: string
  readonly object: string
  readonly outcome: string
  readonly detail: { readonly code: string; readonly address: string; readonly unrecorded?: number }
}

const entries = (action: string) =>
  server.sql<Entry>(
    'SELECT actor, object_id AS object, outcome, detail FROM certkeep.audit_event WHERE action = $1 ORDER BY seq',
    [action]
  )

describe('the audit log', () => {
  it('tells who was not let in where, and why', async () => {
    const officer = await server.addOperator('officer')
    await using console = server.operate(officer)
    await expect(console.operators.list()).rejects.toMatchObject({ code: 'access_denied' })
    const both = await server.addOperator('officer')
    const roles = new RoleStore((await server.database.open('owner')).dataSource)
    await roles.grant(both.row.id, { role: 'auditor', caId: null, scope: null }, { actor: 'test' }, new Date())
    await using torn = server.operate(both)
    await expect(torn.audit.list()).rejects.toMatchObject({ code: 'role_conflict' })
    await expect.poll(() => entries('access.denied')).toHaveLength(2)
    expect(await entries('access.denied')).toMatchObject([
      {
        actor: `EXAMPLE\\${officer.row.accountName}`,
        object: 'GET /api/v1/operators',
        outcome: 'denied',
        detail: { code: 'access_denied', address: '127.0.0.1' }
      },
      { actor: `EXAMPLE\\${both.row.accountName}`, object: 'GET /api/v1/audit', detail: { code: 'role_conflict' } }
    ])
  })

  it('tells of a decision that was refused among many, which end no call', async () => {
    const web = await server.addPrincipal({ kind: 'computer', dnsName: 'bulk.example.org' })
    await using client = server.connect(web)
    expect(await client.submit(await webServerRequest(), { wait: 10 })).toBe(5)
    const administrator = await server.addOperator('administrator')
    await using console = server.operate(administrator)
    const [result] = await console.queue.decide([{ requestId: client.requestId, decision: 'approve' }])
    expect(result?.problem?.code).toBe('access_denied')
    const actor = `EXAMPLE\\${administrator.row.accountName}`
    await expect
      .poll(async () => (await entries('access.denied')).filter(entry => entry.actor === actor))
      .toMatchObject([{ object: 'POST /api/v1/queue/decisions', detail: { code: 'access_denied' } }])
  })

  it('tells who has tried to approve a request of their own', async () => {
    const officer = await server.addOperator('officer', { changes: { kind: 'computer', dnsName: 'own.example.org' } })
    await using client = server.connect(officer)
    expect(await client.submit(await webServerRequest(), { wait: 10 })).toBe(5)
    await using console = server.operate(officer)
    await expect(console.queue.approve(client.requestId)).rejects.toMatchObject({ code: 'approver_excluded' })
    const actor = `EXAMPLE\\${officer.row.accountName}`
    await expect
      .poll(async () => (await entries('access.denied')).filter(entry => entry.actor === actor))
      .toMatchObject([{ object: 'POST /api/v1/queue/:id/approve', detail: { code: 'approver_excluded' } }])
  })

  it('is not filled by a flood of refusals, and tells how many there were', async () => {
    const refused = (): Promise<unknown> =>
      call({ path: '/api/v1/cas/Test%20CA/requests/1', headers: { authorization: `Bearer ${'x'.repeat(43)}` } })
    await Promise.all(Array.from({ length: 90 }, refused))
    await expect.poll(async () => (await entries('access.unauthenticated')).length).toBeGreaterThan(10)
    const recorded = await entries('access.unauthenticated')
    expect(recorded.length).toBeLessThanOrEqual(21)
    expect(recorded[0]).toMatchObject({
      actor: 'anonymous',
      object: 'GET /api/v1/cas/:ca/requests/:id',
      outcome: 'failed'
    })
    expect(JSON.stringify(recorded)).not.toContain('xxxx')
    // A few seconds later there is room for another entry of this address.
    await expect
      .poll(
        async () => {
          await refused()
          return (await entries('access.unauthenticated')).at(-1)?.detail.unrecorded
        },
        { timeout: 10_000, interval: 500 }
      )
      .toBeGreaterThan(50)
  })

  it('refuses still when a refusal cannot be recorded', async () => {
    await using console = server.operate(await server.addOperator('operator'))
    await during(server, { table: 'audit_event', on: 'INSERT' }, () =>
      expect(console.audit.list()).rejects.toMatchObject({ code: 'access_denied' })
    )
  })

  it('that cannot be written keeps anything from being signed', async () => {
    await using officer = server.operate(await server.addOperator('officer'))
    const web = await server.addPrincipal({ kind: 'computer', dnsName: 'www.example.org' })
    await using client = server.connect(web)
    expect(await client.submit(await webServerRequest(), { wait: 10 })).toBe(5)
    const { requestId } = client
    const signed = () =>
      server.sql('SELECT (SELECT count(*) FROM certkeep.certificate), (SELECT max(number) FROM certkeep.crl_intent)')
    const before = await signed()
    const log = createLogger({ level: 'silent', format: 'json' })
    await during(server, { table: 'audit_event', on: 'INSERT' }, async () => {
      await expect(officer.queue.approve(requestId)).rejects.toMatchObject({ code: 'unavailable' })
      const roles = await startRoles(server.running.installation, ['authority'], log)
      const publication = roles.context.get(CrlService, { strict: false }).publish(server.ca.id)
      await expect(publication).rejects.toMatchObject({ code: 'unavailable' })
      await roles.stop()
    })
    expect(await signed()).toEqual(before)
    // As if it had been approved just before: whoever issues it records that first.
    await during(
      server,
      { table: 'audit_event', on: 'INSERT', when: `NEW.action = 'certificate.reserved'` },
      async () => void (await officer.queue.approve(requestId))
    )
    expect(await client.retrievePending(requestId, { wait: 20 })).toBe(3)
    const attempts = `SELECT state FROM certkeep.certificate WHERE request_id = ${requestId}`
    expect(await server.sql(attempts)).toEqual([{ state: 'issued' }])
  })

  it('tells when the role that signs began, and the metrics how far the chain is behind', async () => {
    expect(await entries('installation.started')).toMatchObject([{ actor: 'role:authority', outcome: 'success' }])
    const { body } = await callPlain(server.metricsUrl, { path: '/metrics' })
    expect(Buffer.from(body).toString()).toMatch(/^certkeep_audit_unlinked_events \d+$/m)
    expect(Buffer.from(body).toString()).toMatch(/^certkeep_audit_checkpoint_age_seconds [\d.]+$/m)
    await server.restart()
    expect(await entries('installation.stopped')).toHaveLength(1)
    expect(await entries('installation.started')).toHaveLength(2)
  })
})
