import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CR_DISP_DENIED, openArchivedKeyBlob, verifyRecoveryPackage, type Console } from '@app/client'
import { toHex } from '@app/core'
import { transferPart } from '@app/escrow'
import { decrypterOf } from '@app/keys'
import { RecoveryPackageStore, RoleStore } from '@app/storage'
import { decodeCertificate } from '@app/x509'
import { sealToAnyAgent } from '../helpers/administration.js'
import { during } from '../helpers/database-faults.js'
import { freshEntropy } from '../helpers/escrow-samples.js'
import { createCaller, type HttpCaller } from '../helpers/http-calls.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { makeRecoveryAgent, type RecoveryAgent } from '../helpers/recovery-agent.js'
import {
  approveAs,
  archiveKey,
  brokenRecoveries,
  holdAgents,
  openPackage,
  type AgentHolder,
  type ArchivedTestKey
} from '../helpers/recoveries.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let holders: readonly AgentHolder[]
let officer: TestPrincipal
let console: Console
let key: ArchivedTestKey
let recipient: RecoveryAgent
let call: HttpCaller

beforeAll(async () => {
  server = await startTestServer()
  holders = await holdAgents(server)
  officer = await server.addOperator('officer')
  console = server.operate(officer)
  key = await archiveKey(server)
  recipient = await makeRecoveryAgent('Recipient')
  call = createCaller(server)
})

afterAll(async () => {
  await call.close()
  await console[Symbol.asyncDispose]()
  await server.stop()
})

const agent = (index: number): AgentHolder => holders[index] as AgentHolder
const wanted = () => ({
  key: { request: key.requestId },
  reason: 'The card is lost.',
  ticket: 'T-1',
  recipient: recipient.certificate.raw
})
const pkcs8 = (): string => toHex(key.accepted.privateKey.export({ format: 'der', type: 'pkcs8' }))

/** A recovery that two agents have approved. */
async function approved(first = agent(0), second = agent(1)): Promise<number> {
  const { id } = await console.recoveries.request(wanted())
  await approveAs(server, id, first)
  await approveAs(server, id, second)
  return id
}

/** Works as a process does that has only the rights of its role, past every check of the program. */
async function asRole(role: 'console' | 'archive', text: string, values: readonly unknown[] = []): Promise<string> {
  const { dataSource } = await server.database.open(role)
  try {
    await dataSource.query(text, [...values])
    return 'done'
  } catch (error) {
    const { constraint, code } = (error as { driverError: { constraint?: string; code: string } }).driverError
    return constraint ?? code
  }
}

describe('the recovery of a key that several agents open together', () => {
  it('gives the recipient the key, once two agents have handed over their shares, and tells its owner', async () => {
    const { id, state, approvals } = await console.recoveries.request(wanted())
    expect({ state, approvals }).toEqual({ state: 'requested', approvals: { given: 0, needed: 2 } })
    expect((await approveAs(server, id, agent(0))).state).toBe('requested')
    // One share fewer than must: nothing is released, by the program or by the database.
    await expect(console.recoveries.release(id)).rejects.toMatchObject({ code: 'recovery_approvals_missing' })
    const skip = `UPDATE certkeep.recovery SET state = 'approved', approved_at = now(), release_until = now() + interval '1 h' WHERE id = $1`
    expect(await asRole('console', skip, [id])).toBe('recovery_is_approved_by_enough')
    expect((await approveAs(server, id, agent(1))).state).toBe('approved')
    await expect(console.recoveries.package(id)).rejects.toMatchObject({ code: 'conflict' })
    expect((await console.recoveries.release(id)).state).toBe('released')
    const delivered = await console.recoveries.package(id)
    expect(await openPackage(delivered, recipient)).toBe(pkcs8())
    await verifyRecoveryPackage(delivered, server.root, new Date())
    // A broken connection: the same bytes again, to the same caller and nobody else, each time in the log.
    expect(await console.recoveries.package(id)).toEqual(delivered)
    const other = await server.addOperator('officer')
    await using second = server.operate(other)
    await expect(second.recoveries.package(id)).rejects.toMatchObject({ code: 'access_denied' })
    const told = `SELECT count(*)::integer AS count FROM certkeep.audit_event WHERE action = 'recovery.delivered' AND object_id = $1`
    expect(await server.sql(told, [String(id)])).toEqual([{ count: 2 }])
    await expect(console.recoveries.release(id)).rejects.toMatchObject({ code: 'conflict' })
    const again = `UPDATE certkeep.recovery SET state = 'released', released_at = now(), notify_at = now() WHERE id = $1`
    expect(await asRole('console', again, [id])).toBe('recovery_is_final')
    const notices = await call({ path: '/api/v1/recovery-notices', token: key.owner.token })
    expect(notices.json()).toMatchObject({ items: [{ recoveryId: id, requestId: key.requestId, ticket: 'T-1' }] })
    expect((await call({ path: '/api/v1/recovery-notices', token: other.token })).json()).toEqual({ items: [] })
    const metrics = await (await fetch(`${server.metricsUrl}/metrics`)).text()
    expect(metrics).toContain('certkeep_recoveries{state="released"} 1')
    expect(await brokenRecoveries(server)).toEqual({})
  })

  it('finds the key by whatever is known of its certificate, and names the requests when several fit', async () => {
    const { accepted, owner, requestId } = key
    const { serialHex } = decodeCertificate(accepted.certificate)
    const account = `${owner.row.domain}\\${owner.row.accountName}`
    const fingerprint = createHash('sha256').update(accepted.certificate).digest('hex')
    for (const criteria of [
      { serial: serialHex },
      { upn: owner.row.upn ?? '' },
      { account },
      { fingerprint },
      { request: requestId }
    ]) {
      const { id, serialNumber } = await console.recoveries.request({ ...wanted(), key: criteria })
      expect(serialNumber).toBe(serialHex)
      expect((await console.recoveries.withdraw(id)).state).toBe('withdrawn')
    }
    const twin = await archiveKey(server, owner)
    await expect(console.recoveries.request({ ...wanted(), key: { account } })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining(`${twin.requestId}, ${requestId}`) as string
    })
    const scoped = await server.addOperator('officer', { scope: { templates: ['UserSignature'], subjectGroups: [] } })
    await using narrow = server.operate(scoped)
    await expect(narrow.recoveries.request(wanted())).rejects.toMatchObject({ code: 'restricted_officer' })
    expect(await console.archivedKeys.get(requestId)).toMatchObject({
      mode: 'threshold',
      quorum: 2,
      serialNumber: serialHex
    })
  })

  it('counts no approval of who asked, none of an agent of somebody else, and one of a person', async () => {
    await grant(agent(0).person, 'officer')
    await using asker = server.operate(agent(0).person)
    const { id } = await asker.recoveries.request(wanted())
    await expect(approveAs(server, id, agent(0))).rejects.toMatchObject({ code: 'approver_excluded' })
    const insert = `INSERT INTO certkeep.recovery_approval (recovery_id, agent_id, principal_id, principal_name, at, transferred)
      VALUES ($1, $2, $3, 'x', now(), '\\x30')`
    expect(await asRole('console', insert, [id, agent(0).agentId, agent(0).person.row.id])).toBe(
      'recovery_approver_is_another'
    )
    expect(await asRole('console', insert, [id, agent(0).agentId, agent(1).person.row.id])).toBe(
      'recovery_approver_is_agent'
    )
    const stranger = await server.addOperator('recovery_agent')
    await using strange = server.operate(stranger)
    await expect(strange.recoveries.approve(id)).rejects.toMatchObject({ code: 'access_denied' })
    // Fifty at once by one person are one.
    await using console1 = server.operate(agent(1).person)
    const share = await transferred(id, agent(1))
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, () => console1.recoveries.approve(id, { share }))
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const codes = outcomes.flatMap(one => (one.status === 'rejected' ? [(one.reason as { code: string }).code] : []))
    expect(new Set(codes)).toEqual(new Set(['approver_excluded']))
    expect((await asker.recoveries.get(id)).approvals).toEqual({ given: 1, needed: 2 })
    expect(await asRole('console', insert, [id, agent(2).agentId, agent(1).person.row.id])).toBe(
      'recovery_approver_is_agent'
    )
    expect(await asRole('console', insert, [id, agent(1).agentId, agent(1).person.row.id])).toMatch(
      /^recovery_approval/
    )
    await server.sql(
      `UPDATE certkeep.role_assignment SET revoked_by = 'x', revoked_at = now() WHERE role = 'officer' AND principal_id = $1`,
      [agent(0).person.row.id]
    )
    expect(await brokenRecoveries(server)).toEqual({})
  })

  it('takes no share that is not encrypted to the recipient alone, and a tampered one opens nothing', async () => {
    const { id } = await console.recoveries.request(wanted())
    await using console0 = server.operate(agent(0).person)
    const other = await makeRecoveryAgent('Other')
    const foreign = await transferred(id, agent(0), other.certificate)
    await expect(console0.recoveries.approve(id, { share: foreign })).rejects.toMatchObject({
      code: 'recovery_share_invalid'
    })
    await expect(console0.recoveries.approve(id, { share: Buffer.from('3000', 'hex') })).rejects.toMatchObject({
      code: 'recovery_share_invalid'
    })
    const tampered = Buffer.from(await transferred(id, agent(0)))
    // Within the ciphertext, of which the server cannot tell.
    const place = tampered.length - 40
    tampered[place] = (tampered[place] ?? 0) ^ 1
    await console0.recoveries.approve(id, { share: tampered })
    await approveAs(server, id, agent(1))
    await console.recoveries.release(id)
    const delivered = await console.recoveries.package(id)
    await expect(openPackage(delivered, recipient)).rejects.toMatchObject({ code: 'cms_decrypt_failed' })
  })
})

describe('between the approval and the release', () => {
  const rights: readonly (readonly [what: string, take: string, giveBack: string])[] = [
    [
      'an agent is retired',
      `UPDATE certkeep.recovery_agent SET state = 'retired', retired_at = now() WHERE principal_id = $1`,
      `UPDATE certkeep.recovery_agent SET state = 'active', retired_at = NULL WHERE principal_id = $1`
    ],
    [
      'an agent loses the role',
      `UPDATE certkeep.role_assignment SET revoked_by = 'x', revoked_at = now() WHERE principal_id = $1 AND role = 'recovery_agent'`,
      `UPDATE certkeep.role_assignment SET revoked_by = NULL, revoked_at = NULL WHERE principal_id = $1 AND role = 'recovery_agent'`
    ],
    [
      'the person of an agent is disabled',
      `UPDATE certkeep.principal SET disabled_at = now() WHERE id = $1`,
      `UPDATE certkeep.principal SET disabled_at = NULL WHERE id = $1`
    ],
    [
      'the certificate of an agent is revoked',
      `UPDATE certkeep.recovery_agent AS g SET sha256 = c.sha256 FROM certkeep.certificate AS c
       WHERE g.principal_id = $1 AND c.revoked_at IS NOT NULL`,
      `UPDATE certkeep.recovery_agent SET sha256 = sha256(certificate) WHERE principal_id = $1`
    ]
  ]

  beforeAll(async () => {
    // Stands for an agent that this installation has issued the certificate of.
    const { requestId } = await archiveKey(server)
    await server.sql(
      `UPDATE certkeep.certificate SET revoked_at = now(), revocation_reason = 1 WHERE request_id = $1`,
      [requestId]
    )
  })

  it.each(rights)('%s: the approval counts no more, and a third agent makes up for it', async (_, take, giveBack) => {
    const id = await approved()
    await server.sql(take, [agent(0).person.row.id])
    try {
      await expect(console.recoveries.release(id)).rejects.toMatchObject({ code: 'recovery_approvals_missing' })
      const release = `UPDATE certkeep.recovery SET state = 'released', released_at = now(), notify_at = now() WHERE id = $1`
      expect(await asRole('console', release, [id])).toBe('recovery_is_released_by_enough')
      expect((await console.recoveries.get(id)).approvals).toEqual({ given: 1, needed: 2 })
      await approveAs(server, id, agent(2))
      expect((await console.recoveries.release(id)).state).toBe('released')
      const delivered = await console.recoveries.package(id)
      expect(delivered.shares.map(({ agentId }) => agentId)).toEqual([agent(1).agentId, agent(2).agentId])
      expect(await openPackage(delivered, recipient)).toBe(pkcs8())
    } finally {
      await server.sql(giveBack, [agent(0).person.row.id])
    }
  })

  it('an approval counts again: the recovery is released without a further agent', async () => {
    const [, take, giveBack] = rights[1] as (typeof rights)[number]
    const { id } = await console.recoveries.request(wanted())
    await approveAs(server, id, agent(0))
    await server.sql(take, [agent(0).person.row.id])
    try {
      expect((await approveAs(server, id, agent(1))).state).toBe('requested')
      await expect(console.recoveries.release(id)).rejects.toMatchObject({ code: 'recovery_approvals_missing' })
    } finally {
      await server.sql(giveBack, [agent(0).person.row.id])
    }
    expect((await console.recoveries.release(id)).state).toBe('released')
    expect(await openPackage(await console.recoveries.package(id), recipient)).toBe(pkcs8())
    const moves = `SELECT action FROM certkeep.audit_event WHERE object_type = 'recovery' AND object_id = $1 ORDER BY seq`
    const actions = (await server.sql<{ readonly action: string }>(moves, [String(id)])).map(({ action }) => action)
    expect(actions.filter(action => /approved|released/.test(action))).toEqual([
      'recovery.approved',
      'recovery.released'
    ])
  })

  it('an agent that is retired while its approval waits for another is told so', async () => {
    const { id } = await console.recoveries.request(wanted())
    const owner = (await server.database.open('owner')).dataSource.createQueryRunner()
    await owner.startTransaction()
    await owner.query('SELECT FROM certkeep.recovery WHERE id = $1 FOR UPDATE', [id])
    const approving = approveAs(server, id, agent(0)).then(
      () => undefined,
      (error: unknown) => error
    )
    const blocked = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0`
    try {
      await expect.poll(() => server.sql(blocked), { timeout: 10_000 }).not.toEqual([])
      const retired = `UPDATE certkeep.recovery_agent SET state = 'retired', retired_at = now() WHERE id = $1`
      await owner.query(retired, [agent(0).agentId])
      await owner.commitTransaction()
      expect(await approving).toMatchObject({ code: 'access_denied' })
    } finally {
      await owner.release()
      const active = `UPDATE certkeep.recovery_agent SET state = 'active', retired_at = NULL WHERE id = $1`
      await server.sql(active, [agent(0).agentId])
    }
  })

  it('whoever asked is an officer no more: nothing is released', async () => {
    const former = await server.addOperator('officer')
    await using asker = server.operate(former)
    const { id } = await asker.recoveries.request(wanted())
    await approveAs(server, id, agent(0))
    await approveAs(server, id, agent(1))
    await server.sql(
      `UPDATE certkeep.role_assignment SET revoked_by = 'x', revoked_at = now() WHERE principal_id = $1`,
      [former.row.id]
    )
    await expect(asker.recoveries.release(id)).rejects.toMatchObject({ code: 'access_denied' })
    const release = `UPDATE certkeep.recovery SET state = 'released', released_at = now(), notify_at = now() WHERE id = $1`
    expect(await asRole('console', release, [id])).toBe('recovery_requester_is_officer')
  })

  it('the window passes: the recovery expires, and stays so', async () => {
    const id = await approved()
    await letPass(id, `approved_at = now() - interval '2 h', release_until = now() - interval '1 h'`)
    await expect(console.recoveries.release(id)).rejects.toMatchObject({ code: 'recovery_expired' })
    const release = `UPDATE certkeep.recovery SET state = 'released', released_at = now(), notify_at = now() WHERE id = $1`
    expect(await asRole('console', release, [id])).toBe('recovery_is_released_in_time')
    server.running.runtime.wakeups.nudge('recoveries')
    await expect.poll(async () => (await console.recoveries.get(id)).state, { timeout: 20_000 }).toBe('expired')
    await expect(approveAs(server, id, agent(2))).rejects.toMatchObject({ code: 'conflict' })
    const { id: refused } = await console.recoveries.request(wanted())
    await using console0 = server.operate(agent(0).person)
    expect((await console0.recoveries.refuse(refused, 'Not without the form.')).state).toBe('refused')
    await expect(approveAs(server, refused, agent(1))).rejects.toMatchObject({ code: 'conflict' })
    for (const state of ['requested', 'approved', 'released']) {
      const revive = `UPDATE certkeep.recovery SET state = '${state}' WHERE id = $1`
      expect(await asRole('console', revive, [refused])).toBe('recovery_moves_legally')
    }
  })

  it.each(['recovery', 'audit_event', 'recovery_package'] as const)(
    'a fault of the database at the table %s releases nothing by half, and the recovery goes on after it',
    async table => {
      const id = await approved()
      const on = table === 'recovery' ? 'UPDATE' : 'INSERT'
      const when = {
        recovery: `NEW.state = 'released'`,
        audit_event: `NEW.action = 'recovery.released'`,
        recovery_package: 'true'
      }[table]
      await during(server, { table, on, when }, () => console.recoveries.release(id).catch(() => undefined))
      const { state } = await console.recoveries.get(id)
      expect(state).toBe(table === 'recovery_package' ? 'released' : 'approved')
      if (state === 'approved') await console.recoveries.release(id)
      expect(await openPackage(await console.recoveries.package(id), recipient)).toBe(pkcs8())
      expect(await brokenRecoveries(server)).toEqual({})
    }
  )

  it('what was released is fetched in its time or not at all, and the key can be asked for anew', async () => {
    const id = await approved()
    await console.recoveries.release(id)
    await letPass(id, 'release_until = released_at')
    await expect(console.recoveries.package(id)).rejects.toThrow(/Ask for the key anew/)
    await expect(console.recoveries.package(id)).rejects.toMatchObject({ code: 'recovery_expired' })
    const again = await approved()
    await console.recoveries.release(again)
    expect(await openPackage(await console.recoveries.package(again), recipient)).toBe(pkcs8())
  })

  it('the scope of whoever asked is narrowed: nothing is released, and nothing handed out', async () => {
    const person = await server.addOperator('officer')
    await using asker = server.operate(person)
    const ids: number[] = []
    for (let made = 0; made < 2; made++) {
      const { id } = await asker.recoveries.request(wanted())
      await approveAs(server, id, agent(0))
      await approveAs(server, id, agent(1))
      ids.push(id)
    }
    const [open = 0, fetched = 0] = ids
    await asker.recoveries.release(fetched)
    await server.sql(
      `UPDATE certkeep.role_assignment SET scope_templates = '{UserSignature}', scope_groups = '{}' WHERE principal_id = $1`,
      [person.row.id]
    )
    await expect(asker.recoveries.release(open)).rejects.toMatchObject({ code: 'restricted_officer' })
    await expect(asker.recoveries.package(fetched)).rejects.toMatchObject({ code: 'restricted_officer' })
  })

  it('nothing is handed out that the audit log cannot be told of', async () => {
    const id = await approved()
    await console.recoveries.release(id)
    const fault = { table: 'audit_event', on: 'INSERT', when: `NEW.action = 'recovery.delivered'` } as const
    await during(server, fault, () =>
      expect(console.recoveries.package(id)).rejects.toMatchObject({ code: 'unavailable' })
    )
    expect((await console.recoveries.package(id)).shares).toHaveLength(2)
  })
})

describe('the recovery of a key that each agent opens alone', () => {
  it('delivers what certutil -getkey does, signed once as it was meant, over a restart too', async () => {
    await sealToAnyAgent(server)
    const alone = await archiveKey(server)
    const { id, mode } = await console.recoveries.request({ ...wanted(), key: { request: alone.requestId } })
    expect(mode).toBe('any-agent')
    expect((await approveAs(server, id, agent(0))).state).toBe('approved')
    // The server dies when what it will sign is written down and nothing is signed.
    const fault = { table: 'recovery_package', on: 'UPDATE', when: 'NEW.signed IS NOT NULL' } as const
    await during(server, fault, () => console.recoveries.release(id))
    const intent = () =>
      server.sql<{ readonly meant: Buffer }>(
        'SELECT to_sign AS meant FROM certkeep.recovery_package WHERE recovery_id = $1',
        [id]
      )
    const [before] = await intent()
    await console[Symbol.asyncDispose]()
    await server.restart()
    console = server.operate(officer)
    const delivered = await console.recoveries.package(id)
    expect((await intent())[0]?.meant).toEqual(before?.meant)
    await verifyRecoveryPackage(delivered, server.root, new Date())
    const { privateKey } = await openArchivedKeyBlob(delivered.package, { privateKey: agent(2).privateKey })
    expect(toHex(privateKey.export({ format: 'der', type: 'pkcs8' }))).toBe(
      toHex(alone.accepted.privateKey.export({ format: 'der', type: 'pkcs8' }))
    )
    expect(await brokenRecoveries(server)).toEqual({})
  })

  it('is signed however many others before it cannot be, and nobody signs what can be fetched no more', async () => {
    const packages = new RecoveryPackageStore((await server.database.open('authority')).dataSource)
    const ids = async () => (await packages.listUnsigned(100, new Date())).map(({ recoveryId }) => recoveryId)
    // Thirty-four that fail whenever they are tried: their requests have no certificate of this CA.
    const owner = await server.addPrincipal()
    await using denied = server.connect(owner)
    expect(await denied.submit(await pkcs10Request({ template: 'UserEncryption' }))).toBe(CR_DISP_DENIED)
    const stuck = await unsignable(34, denied.requestId)
    const alone = await archiveKey(server)
    const { id } = await console.recoveries.request({ ...wanted(), key: { request: alone.requestId } })
    await approveAs(server, id, agent(0))
    await console.recoveries.release(id)
    const isSigned = () =>
      console.recoveries.package(id).then(
        () => true,
        () => false
      )
    await expect.poll(isSigned, { timeout: 20_000 }).toBe(true)
    expect(await ids()).toEqual(stuck)
    for (const one of stuck) {
      await letPass(
        one,
        `approved_at = now() - interval '2 h', released_at = now() - interval '2 h',
        release_until = now() - interval '1 h'`
      )
    }
    expect(await ids()).toEqual([])
  })
})

/** Released recoveries whose packages cannot be signed; their numbers. */
async function unsignable(count: number, requestId: number): Promise<readonly number[]> {
  const tables = ['recovery', 'recovery_package']
  for (const table of tables) await server.sql(`ALTER TABLE certkeep.${table} DISABLE TRIGGER USER`)
  const rows = await server.sql<{ readonly id: number }>(
    `WITH template AS (
       SELECT * FROM certkeep.recovery WHERE mode = 'any-agent' AND state = 'released' ORDER BY id LIMIT 1
     ), copies AS (
       INSERT INTO certkeep.recovery (ca_id, request_id, serial_number, owner_id, mode, quorum, state, requester_id,
         requester_name, reason, ticket, requested_at, expires_at, approved_at, release_until, released_at,
         counted_agents, notify_at)
       SELECT ca_id, $2::integer, serial_number, owner_id, mode,
         quorum, state, requester_id, requester_name, reason, ticket, requested_at, expires_at, approved_at,
         release_until, released_at, counted_agents, notify_at
       FROM template, generate_series(1, $1) RETURNING id
     )
     INSERT INTO certkeep.recovery_package (recovery_id, sealed, prepared_at, to_be_signed)
     SELECT id, '\\x00', now(), true FROM copies RETURNING recovery_id AS id`,
    [count, requestId]
  )
  for (const table of tables) await server.sql(`ALTER TABLE certkeep.${table} ENABLE TRIGGER USER`)
  return rows.map(({ id }) => id).toSorted((a, b) => a - b)
}

async function transferred(id: number, holder: AgentHolder, to = recipient.certificate): Promise<Uint8Array> {
  await using theirs = server.operate(holder.person)
  const { held } = await theirs.recoveries.share(id)
  if (held === undefined) throw new Error('There is no share.')
  return transferPart({ held, decrypter: decrypterOf(holder.privateKey), successor: to, entropy: freshEntropy })
}

async function grant(person: TestPrincipal, role: 'officer'): Promise<void> {
  const roles = new RoleStore((await server.database.open('owner')).dataSource)
  await roles.grant(person.row.id, { role, caId: null, scope: null }, { actor: 'test' }, new Date())
}

/** Changes times that nobody may change, as passing time would. */
async function letPass(id: number, times: string): Promise<void> {
  await server.sql('ALTER TABLE certkeep.recovery DISABLE TRIGGER recovery_is_guarded')
  await server.sql(`UPDATE certkeep.recovery SET ${times} WHERE id = $1`, [id])
  await server.sql('ALTER TABLE certkeep.recovery ENABLE TRIGGER recovery_is_guarded')
}
