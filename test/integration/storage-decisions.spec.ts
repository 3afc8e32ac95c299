import { SYSTEM_PRINCIPAL, type PrincipalId, type RequestId } from '@app/core'
import { PrincipalStore, RequestStore, TemplateStore, type Database, type TemplateRow } from '@app/storage'
import { builtInTemplates } from '@app/templates'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../helpers/database.js'
import {
  BECAUSE,
  NOW,
  prepareSetting,
  principalSample,
  recordDecision,
  requestsIn,
  requestSample,
  reservationSample,
  type Setting
} from '../helpers/storage-samples.js'

let database: TestDatabase
let setting: Setting
let console: Database
let owner: Database
let officers: readonly PrincipalId[]
/** Held, and approved by two. */
let held: TemplateRow

beforeAll(async () => {
  database = await createTestDatabase()
  setting = await prepareSetting(database)
  console = await database.open('console')
  owner = await database.open('owner')
  officers = await Promise.all(
    ['one', 'two', 'three'].map(async name => {
      const sample = principalSample(`officer-${name}`)
      await new PrincipalStore(console.dataSource).add(sample, BECAUSE)
      return sample.id
    })
  )
  const builtIn = builtInTemplates().find(({ name }) => name === 'WebServer')
  const templates = new TemplateStore(owner.dataSource)
  const id = await templates.add({ ...builtIn!, name: 'Held', approvals: 2 }, BECAUSE, NOW)
  held = (await templates.find(id))!
})
afterAll(() => database.drop())

const refusal = (constraint: string) => ({ evidence: { constraint } })

/** A request that waits for two officers. */
async function waiting(changes: { readonly requesterId?: PrincipalId; readonly callerId?: PrincipalId } = {}) {
  const front = new RequestStore((await database.open('front')).dataSource)
  const { id } = await front.submit(requestSample(setting, { templateName: held.name, ...changes }), undefined, BECAUSE)
  const authority = new RequestStore((await database.open('authority')).dataSource)
  await authority.move({ id, from: 'received', to: 'pending', because: BECAUSE, template: held }, NOW)
  return id
}

function approve(id: RequestId): Promise<boolean> {
  return new RequestStore(console.dataSource).move({ id, from: 'pending', to: 'approved', because: BECAUSE }, NOW)
}

const decide = (id: RequestId, kind: Parameters<typeof recordDecision>[2], officer: number, round = 1) =>
  recordDecision(database, id, kind, officers[officer]!, round)

describe('the database lets a request be approved', () => {
  it('only by as many people as the version of its template demands', async () => {
    const id = await waiting()
    await expect(approve(id)).rejects.toMatchObject(refusal('request_is_approved_by_enough'))
    await decide(id, 'approve', 0)
    await expect(approve(id)).rejects.toMatchObject(refusal('request_is_approved_by_enough'))
    await expect(decide(id, 'approve', 0)).rejects.toThrow(/request_decision_of_person/)
    await decide(id, 'approve', 1)
    expect(await approve(id)).toBe(true)
  })

  it('by neither who made it, nor who sent it for another, nor who edited it', async () => {
    const id = await waiting({ requesterId: officers[0]!, callerId: officers[1]! })
    await expect(decide(id, 'approve', 0)).rejects.toThrow(/request_approver_is_another/)
    await expect(decide(id, 'approve', 1)).rejects.toThrow(/request_approver_is_another/)
    await decide(id, 'edit', 2)
    await expect(decide(id, 'approve', 2)).rejects.toThrow(/request_approver_is_no_editor/)
  })

  it('as it was when the first approved it: it is edited before or not at all', async () => {
    const id = await waiting()
    await decide(id, 'approve', 0)
    await expect(decide(id, 'edit', 1)).rejects.toThrow(/request_is_edited_before_approval/)
    // Nor does an edit slip in under an earlier decision.
    const other = await waiting()
    await decide(other, 'edit', 2)
    await decide(other, 'approve', 0)
    const late = owner.dataSource.query(
      `INSERT INTO certkeep.request_edit (decision_id, kind, name, attribute_value)
       SELECT id, 'attribute', 'Note', 'x' FROM certkeep.request_decision WHERE request_id = $1 AND kind = 'edit'`,
      [other]
    )
    await expect(late).rejects.toThrow(/belongs to the decision/)
  })

  it('in its present round alone', async () => {
    const id = await waiting()
    await decide(id, 'approve', 0)
    await decide(id, 'approve', 1)
    await decide(id, 'deny', 2)
    const requests = new RequestStore(console.dataSource)
    const failure = { code: 'denied_by_officer', message: 'No.' }
    await requests.move({ id, from: 'pending', to: 'denied', because: BECAUSE, failure }, NOW)
    const again = { id, from: 'denied', to: 'received', because: BECAUSE } as const
    await expect(requests.move(again, NOW)).rejects.toMatchObject(refusal('request_resubmission_is_recorded'))
    await decide(id, 'resubmit', 2)
    expect(await requests.move(again, NOW)).toBe(true)
    const authority = new RequestStore((await database.open('authority')).dataSource)
    await authority.move({ id, from: 'received', to: 'pending', because: BECAUSE, template: held }, NOW)
    await expect(decide(id, 'approve', 0, 1)).rejects.toThrow(/request_decision_is_of_its_round/)
    await expect(approve(id)).rejects.toMatchObject(refusal('request_is_approved_by_enough'))
    await decide(id, 'approve', 0, 2)
    await decide(id, 'approve', 1, 2)
    expect(await approve(id)).toBe(true)
  })

  it('never past its wait, whatever the authority says', async () => {
    const front = new RequestStore((await database.open('front')).dataSource)
    const { id } = await front.submit(requestSample(setting), undefined, BECAUSE)
    const authority = new RequestStore((await database.open('authority')).dataSource)
    const past = { id, from: 'received', to: 'approved', because: BECAUSE, template: held } as const
    await expect(authority.move(past, NOW)).rejects.toMatchObject(refusal('request_waits_for_approval'))
  })

  it('of the installation only by the person at the machine', async () => {
    const id = await waiting({ requesterId: SYSTEM_PRINCIPAL })
    await expect(decide(id, 'approve', 0)).rejects.toThrow(/request_of_installation_is_approved_locally/)
    await expect(approve(id)).rejects.toMatchObject(refusal('request_of_installation_is_approved_locally'))
    const locally = { id, from: 'pending', to: 'approved', because: BECAUSE } as const
    expect(await new RequestStore(owner.dataSource).move(locally, NOW)).toBe(true)
  })
})

describe('the database', () => {
  it('keeps decisions and edits as they are, from the owner too', async () => {
    const id = await waiting()
    await decide(id, 'approve', 0)
    const change = owner.dataSource.query(`UPDATE certkeep.request_decision SET kind = 'deny'`)
    await expect(change).rejects.toThrow(/never changed or removed/)
    await expect(owner.dataSource.query('DELETE FROM certkeep.request_edit')).rejects.toThrow(/never changed/)
  })

  it('denies nothing without a reason, and for the console nothing that nobody decided', async () => {
    const id = await waiting()
    const requests = new RequestStore(console.dataSource)
    const denial = (message: string) =>
      requests.move(
        { id, from: 'pending', to: 'denied', because: BECAUSE, failure: { code: 'denied_by_officer', message } },
        NOW
      )
    await expect(denial(' ')).rejects.toMatchObject(refusal('request_denial_has_reason'))
    await expect(denial('No.')).rejects.toMatchObject(refusal('request_denial_is_recorded'))
    const silent = console.dataSource.query(
      `INSERT INTO certkeep.request_decision (request_id, round, kind, principal_id, principal_name, at, reason)
       VALUES ($1, 1, 'deny', $2, 'x', $3, ' ')`,
      [id, officers[0], NOW]
    )
    await expect(silent).rejects.toThrow(/request_denial_has_reason/)
  })

  it('takes up no request that was withdrawn, has no bytes, or whose archived key is gone', async () => {
    const requests = new RequestStore(console.dataSource)
    const withdrawn = await waiting()
    await new RequestStore((await database.open('front')).dataSource).withdraw(withdrawn, setting.alice, BECAUSE, NOW)
    const [archived] = await requestsIn(database, setting, 'denied', { archival: true })
    await owner.dataSource.query('DELETE FROM certkeep.archived_key_envelope WHERE request_id = $1', [archived])
    const front = new RequestStore((await database.open('front')).dataSource)
    const failed = { state: 'failed', failureCode: 'cmc_structure', rawRequest: new Uint8Array() } as const
    const { id: unread } = await front.submit(requestSample(setting, failed), undefined, BECAUSE)
    const refusals = []
    for (const [id, from] of [
      [withdrawn, 'denied'],
      [archived!, 'denied'],
      [unread, 'failed']
    ] as const) {
      await decide(id, 'resubmit', 0)
      const taken = requests.move({ id, from, to: 'received', because: BECAUSE }, NOW)
      refusals.push(await taken.catch((error: unknown) => (error as { evidence: object }).evidence))
    }
    expect(refusals).toMatchObject([
      { constraint: 'request_withdrawn_is_final' },
      { constraint: 'request_taken_up_is_whole' },
      { constraint: 'request_taken_up_is_whole' }
    ])
  })

  it('records no certificate for a request that is not approved', async () => {
    const [denied] = await requestsIn(database, setting, 'denied', { archival: false })
    const { serialNumber } = reservationSample(setting, denied!, { archival: false })
    await owner.dataSource.query(
      `INSERT INTO certkeep.certificate (ca_id, serial_number, cert_index, request_id, state, archival, tbs, subject,
         not_before, not_after, key_id, reserved_at)
       VALUES ($1, $2, 0, $3, 'reserved', false, '\\x00', 'CN=x', $4, $4, $5, $4)`,
      [setting.caId, serialNumber, denied, NOW, Buffer.alloc(20)]
    )
    const issue = owner.dataSource.query(
      `UPDATE certkeep.certificate SET state = 'issued', certificate = '\\x00', sha1 = $2, sha256 = $3, issued_at = $4
       WHERE request_id = $1`,
      [denied, Buffer.alloc(20), Buffer.alloc(32), NOW]
    )
    await expect(issue).rejects.toThrow(/gets no certificate/)
  })
})
