import { CR_DISP_ISSUED, CR_IN_CMC, Enrollment, type Console } from '@app/client'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createProgram } from '../../apps/cli/src/program.js'
import { during } from '../helpers/database-faults.js'
import { rejectionOf } from '../helpers/escrow-samples.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let first: Console
let second: Console
let proposer: TestPrincipal

beforeAll(async () => {
  server = await startTestServer({ agents: 3 })
  proposer = await server.addOperator('administrator')
  first = server.operate(proposer)
  second = server.operate(await server.addOperator('administrator'))
})

afterAll(async () => {
  await first[Symbol.asyncDispose]()
  await second[Symbol.asyncDispose]()
  await server.stop()
})

/** Who waits for a lock. */
const BLOCKED = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0`

describe('a purge of archived keys', () => {
  it('has no key to propose without a policy, and only those whose time is over with one', async () => {
    const [over] = await archiveKeys(2)
    await endCertificates([over ?? 0], 31)
    const dryRun = { ca: server.ca.name, reason: 'Retention', dryRun: true }
    expect(await first.keyPurges.propose(dryRun)).toEqual({ eligible: 0, requestIds: [] })
    await first.keyRetention.setPolicy({ ca: server.ca.name, days: 30 })
    expect(await first.keyPurges.propose(dryRun)).toEqual({ eligible: 1, requestIds: [over] })
    // A policy of the template comes before that of the CA.
    await first.keyRetention.setPolicy({ ca: server.ca.name, template: 'userencryption', days: 40 })
    expect(await first.keyPurges.propose(dryRun)).toMatchObject({ eligible: 0 })
    await first.keyRetention.removePolicy({ ca: server.ca.name, template: 'UserEncryption' })
    expect(await first.keyPurges.list()).toEqual({ items: [] })
    expect(await first.keyPurges.propose({ ...dryRun, dryRun: false })).toMatchObject({
      purge: { state: 'proposed', keys: 1, proposedBy: nameOf(proposer) }
    })
  })

  it('takes two administrators, whoever writes to the database', async () => {
    const { purge, id } = await proposed()
    expect(purge.state).toBe('proposed')
    expect(await rejectionOf(() => first.keyPurges.approve(id))).toBe('approver_excluded')
    await expect(
      server.sql(
        `UPDATE certkeep.key_purge SET state = 'approved', approved_by = proposed_by, approved_by_name = 'x',
         approved_at = now() WHERE id = $1`,
        [id]
      )
    ).rejects.toThrow(/key_purge_takes_two_people/)
    const officer = await server.addOperator('officer')
    await expect(
      server.sql(
        `UPDATE certkeep.key_purge SET state = 'approved', approved_by = $2, approved_by_name = 'x', approved_at = now()
         WHERE id = $1`,
        [id, officer.row.id]
      )
    ).rejects.toThrow(/key_purge_is_administrators/)
    expect(await second.keyPurges.cancel(id)).toMatchObject({ state: 'cancelled' })
    expect(await rejectionOf(() => second.keyPurges.approve(id))).toBe('conflict')
  })

  it('erases the sealed form and what recoveries and reseals had of it, and keeps who, when, why and the hash of the key', async () => {
    const [key = 0] = await archiveKeys(1)
    await endCertificates([key], 31)
    const recovery = await recordRecovery(key, 'released')
    await recordReseal(key)
    const { id } = await proposed()
    await second.keyPurges.approve(id)
    await done(id)
    const [row] = await server.sql<object>(
      `SELECT s.sealed, s.agent_ids AS agents, i.state, i.key_hash = sha256(r.public_key) AS "sameHash", p.reason,
              p.approved_by_name <> p.proposed_by_name AS "twoPeople",
              (SELECT octet_length(sealed) FROM certkeep.recovery_package WHERE recovery_id = $3) AS "left",
              (SELECT count(share)::int FROM certkeep.recovery_share WHERE recovery_id = $3) AS shares,
              (SELECT count(*)::int FROM certkeep.resealed_key WHERE request_id = $1) AS resealed,
              (SELECT num_nonnulls(held, binding, part) FROM certkeep.reseal_key WHERE request_id = $1) AS parts
       FROM certkeep.sealed_key AS s JOIN certkeep.request AS r ON r.id = s.request_id
       JOIN certkeep.key_purge_item AS i ON i.request_id = s.request_id AND i.purge_id = $2
       JOIN certkeep.key_purge AS p ON p.id = i.purge_id WHERE s.request_id = $1`,
      [key, id, recovery]
    )
    expect(row).toEqual({
      sealed: null,
      agents: [],
      state: 'purged',
      sameHash: true,
      reason: 'Retention',
      twoPeople: true,
      left: 1,
      shares: 0,
      resealed: 0,
      parts: 0
    })
    expect(await server.sql('SELECT * FROM certkeep.archived_keys(ARRAY[$1]::integer[])', [key])).toEqual([])
    await expect(recordRecovery(key, 'requested')).rejects.toThrow(/not in the archive/)
  })

  it('is of what was proposed, and whoever holds a key while it is erased is told that it is gone', async () => {
    const [key = 0, other = 0] = await archiveKeys(2)
    await endCertificates([key], 31)
    const { id } = await proposed()
    const add = `INSERT INTO certkeep.key_purge_item (purge_id, request_id, state) VALUES ($1, $2, 'due')`
    const owner = (await server.database.open('owner')).dataSource.createQueryRunner()
    await owner.startTransaction()
    const approver = await server.addOperator('administrator')
    await owner.query(
      `UPDATE certkeep.key_purge SET state = 'approved', approved_by = $2, approved_by_name = 'x', approved_at = now()
       WHERE id = $1`,
      [id, approver.row.id]
    )
    await owner.query('SELECT certkeep.run_key_purge(10, now())')
    const holding = rejectionOf(() => first.keyRetention.hold(key, 'Litigation'))
    await expect.poll(async () => server.sql(BLOCKED), { timeout: 10_000 }).toHaveLength(1)
    await owner.commitTransaction()
    await owner.release()
    expect(await holding).toBe('conflict')
    await expect(server.sql(add, [id, other])).rejects.toThrow(/keys that were proposed/)
    await endCertificates([other], 31)
    const { id: next } = await proposed()
    await expect(server.sql(add, [next, key])).rejects.toThrow(/keys that were proposed/)
    await first.keyPurges.cancel(next)
    await endCertificates([other], -31)
  })

  it('waits for recoveries, keeps what is held, and goes on after a fault where it stopped', async () => {
    const [wanted = 0, held = 0, ...others] = await archiveKeys(4)
    await endCertificates([wanted, held, ...others], 31)
    const { id } = await proposed()
    await first.keyRetention.hold(held, 'Litigation')
    expect(await rejectionOf(() => second.keyRetention.hold(held, 'Again'))).toBe('conflict')
    const recovery = await recordRecovery(wanted, 'requested')
    // The last of the keys cannot be erased: its batch is rolled back whole, and done again.
    await during(server, { table: 'sealed_key', on: 'UPDATE', when: `NEW.request_id = ${others.at(-1)}` }, () =>
      second.keyPurges.approve(id)
    )
    server.running.runtime.wakeups.nudge('purge')
    await expect.poll(async () => (await first.keyPurges.show(id)).purged, { timeout: 20_000 }).toBe(2)
    expect(await first.keyPurges.show(id)).toMatchObject({ state: 'approved', keys: 4, kept: 1 })
    const { items } = await first.keyPurges.keys(id)
    expect(items.map(({ requestId, state, why }) => ({ requestId, state, why }))).toEqual([
      { requestId: wanted, state: 'due', why: 'a recovery of the key is in flight' },
      { requestId: held, state: 'kept', why: 'the key is held' },
      ...others.map(requestId => ({ requestId, state: 'purged', why: undefined }))
    ])
    await server.sql(
      `UPDATE certkeep.recovery SET state = 'withdrawn', closed_at = now(), closed_by = 'x' WHERE id = $1`,
      [recovery]
    )
    await server.sql('UPDATE certkeep.key_purge_item SET retry_at = NULL WHERE retry_at IS NOT NULL')
    await done(id)
    expect(await first.keyPurges.show(id)).toMatchObject({ state: 'done', purged: 3, kept: 1 })
    const purged = `SELECT count(*)::int AS events FROM certkeep.audit_event WHERE action = 'sealed_key.purged'
      AND object_id::integer = ANY ($1)`
    expect(await server.sql(purged, [[wanted, ...others]])).toEqual([{ events: 3 }])
    await first.keyRetention.lift(held)
    expect((await first.keyPurges.propose({ ca: server.ca.name, reason: 'x', dryRun: true })).requestIds).toEqual([
      held
    ])
  })
})

describe('the commands of administrators', () => {
  const directory = mkdtempSync(join(tmpdir(), 'certkeep-keeping-'))
  const file = (name: string, content: string): string => {
    writeFileSync(join(directory, name), content, { mode: 0o600 })
    return join(directory, name)
  }
  let other: TestPrincipal

  beforeAll(async () => {
    vi.stubEnv('CERTKEEP_PROFILE', join(directory, 'profile.json'))
    other = await server.addOperator('administrator')
  })

  afterAll(() => {
    vi.unstubAllEnvs()
    rmSync(directory, { recursive: true })
  })

  /** What a command prints, as JSON where it is. */
  async function run<T>(person: TestPrincipal, ...argv: readonly string[]): Promise<T> {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    try {
      const trust = ['--trust', file('root.pem', server.root), '--token-file', file('token', person.token)]
      await createProgram().parseAsync(['node', 'certkeep', 'key', ...argv, '--url', server.url, ...trust])
      const text = write.mock.calls.map(([chunk]) => String(chunk)).join('')
      return (text === '' ? undefined : JSON.parse(text)) as T
    } finally {
      write.mockRestore()
      told.mockRestore()
    }
  }

  it('set how long keys are kept, hold keys, and purge them with another', async () => {
    const [over = 0, held = 0] = await archiveKeys(2)
    await endCertificates([over, held], 400)
    const ca = ['--ca', server.ca.name]
    const json = ['-o', 'json']
    await run(proposer, 'retention', 'set', '365', '--template', 'UserEncryption', ...ca)
    expect(await run(proposer, 'retention', 'list', ...json)).toContainEqual(
      expect.objectContaining({ template: 'UserEncryption', days: 365 })
    )
    await run(proposer, 'hold', 'place', String(held), '--reason', 'Litigation')
    expect(await run(proposer, 'hold', 'list', ...json)).toMatchObject([{ requestId: held, reason: 'Litigation' }])

    const propose = ['purge', 'propose', '--reason', 'Retention', ...ca, ...json]
    expect(await run(proposer, ...propose, '--dry-run')).toMatchObject({ eligible: 1, requestIds: [over] })
    const { id } = await run<{ readonly id: number }>(proposer, ...propose)
    await expect(run(proposer, 'purge', 'approve', String(id), ...json)).rejects.toMatchObject({
      code: 'approver_excluded'
    })
    expect(await run(other, 'purge', 'approve', String(id), ...json)).toMatchObject({ approvedBy: nameOf(other) })
    await done(id)
    expect(await run(other, 'purge', 'show', String(id), ...json)).toMatchObject({
      state: 'done',
      items: [{ requestId: over, state: 'purged' }]
    })

    await run(proposer, 'hold', 'lift', String(held))
    expect(await run(proposer, 'hold', 'list', ...json)).toEqual([])
    expect(await run(proposer, 'hold', 'list', '--lifted', ...json)).toContainEqual(
      expect.objectContaining({ requestId: held, liftedBy: nameOf(proposer) })
    )
    const { id: next } = await run<{ readonly id: number }>(proposer, ...propose)
    expect(await run(other, 'purge', 'cancel', String(next), ...json)).toMatchObject({ state: 'cancelled' })
    expect(await run(other, 'purge', 'list', '--state', 'cancelled', ...json)).toContainEqual(
      expect.objectContaining({ id: next })
    )
    await run(proposer, 'retention', 'remove', '--template', 'UserEncryption', ...ca)
    await expect(run(proposer, 'retention', 'remove', '--template', 'UserEncryption', ...ca)).rejects.toMatchObject({
      code: 'not_found'
    })
  })

  it('tell how drills went, after one is run', async () => {
    const drill = await run<{ readonly overdue: boolean; readonly items: readonly object[] }>(
      proposer,
      'drill',
      '--now',
      '-o',
      'json'
    )
    expect(drill).toMatchObject({ overdue: false, items: [{ state: 'succeeded' }] })
  })
})

async function proposed(): Promise<{ readonly id: number; readonly purge: { readonly state: string } }> {
  const { purge } = await first.keyPurges.propose({ ca: server.ca.name, reason: 'Retention' })
  if (purge === undefined) throw new Error('No key may go.')
  return { id: purge.id, purge }
}

async function done(id: number): Promise<void> {
  const look = async (): Promise<string> => {
    server.running.runtime.wakeups.nudge('purge')
    return (await first.keyPurges.show(id)).state
  }
  await expect.poll(look, { timeout: 20_000 }).toBe('done')
}

/** Issues certificates whose keys are archived; gives the numbers of their requests. */
async function archiveKeys(count: number): Promise<readonly number[]> {
  const ids: number[] = []
  for (let made = 0; made < count; made++) {
    await using request = server.connect(await server.addPrincipal())
    const exchange = await request.getCACertificate({ exchange: true })
    const key = { algorithm: 'p-256' } as const
    const enrollment = new Enrollment({ privateKeyArchiveCertificate: exchange, trust: server.root, key })
    const cmc = await enrollment.createRequest({ type: 'cmc', template: { name: 'UserEncryption' } })
    expect(await request.submit(cmc, { flags: CR_IN_CMC })).toBe(CR_DISP_ISSUED)
    ids.push(request.requestId)
  }
  return ids
}

/** Lets the certificates have ended so many days ago. */
async function endCertificates(ids: readonly number[], days: number): Promise<void> {
  await server.sql(
    `UPDATE certkeep.certificate SET not_after = now() - $2 * interval '1 day' WHERE request_id = ANY ($1)`,
    [ids, days]
  )
}

/** A recovery as the database has it; what it takes to get there is for others to prove. */
async function recordRecovery(requestId: number, state: 'requested' | 'released'): Promise<number> {
  const officer = await server.addOperator('officer')
  const [row] = await server.sql<{ readonly id: number }>(
    `INSERT INTO certkeep.recovery (ca_id, request_id, serial_number, state, requester_id, requester_name, reason, ticket,
       recipient, requested_at, expires_at)
     VALUES ($1, $2, '\\x01', 'requested', $3, 'x', 'x', 'x', '\\x01', now() - interval '2 days', now() + interval '1 day')
     RETURNING id`,
    [server.ca.id, requestId, officer.row.id]
  )
  const id = row?.id ?? 0
  await server.sql(
    `INSERT INTO certkeep.recovery_share (recovery_id, agent_id, share, binding, prepared_at)
     SELECT r.id, a.agent_id, CASE r.mode WHEN 'threshold' THEN '\\x01'::bytea END,
       CASE r.mode WHEN 'threshold' THEN '\\x01'::bytea END, now()
     FROM certkeep.recovery AS r JOIN certkeep.sealed_key_agent AS a ON a.request_id = r.request_id WHERE r.id = $1`,
    [id]
  )
  if (state === 'requested') return id
  await server.sql('ALTER TABLE certkeep.recovery DISABLE TRIGGER recovery_is_guarded')
  await server.sql(
    `UPDATE certkeep.recovery SET state = 'released', approved_at = requested_at, released_at = requested_at,
       release_until = now() - interval '1 day', counted_agents = '{}', notify_at = now() WHERE id = $1`,
    [id]
  )
  await server.sql('ALTER TABLE certkeep.recovery ENABLE TRIGGER recovery_is_guarded')
  await server.sql(
    `INSERT INTO certkeep.recovery_package (recovery_id, sealed, prepared_at) VALUES ($1, '\\x0102', now())`,
    [id]
  )
  return id
}

/** A reseal in which the agent has handed its part of the key on, as the database has it. */
async function recordReseal(requestId: number): Promise<void> {
  const people = await Promise.all([1, 2, 3].map(() => server.addPrincipal()))
  const [from, to, starter] = people.map(({ row }) => row.id)
  await server.sql(
    `WITH agents AS (SELECT min(id) AS first, max(id) AS last FROM certkeep.recovery_agent), run AS (
       INSERT INTO certkeep.reseal (id, ca_id, from_agent_id, to_agent_id, from_principal_id, to_principal_id, state,
         started_by, started_by_name, reason, started_at)
       SELECT gen_random_uuid(), $1, first, last, $2, $3, 'open', $4, 'x', 'x', now() FROM agents RETURNING id
     ), key AS (
       INSERT INTO certkeep.reseal_key (reseal_id, request_id, state, mode, held, binding, part, moved_at)
       SELECT id, $5, 'stored', 'threshold', '\\x01', '\\x01', '\\x01', now() FROM run RETURNING reseal_id
     )
     SELECT reseal_id FROM key`,
    [server.ca.id, from, to, starter, requestId]
  )
  await server.sql(
    `INSERT INTO certkeep.resealed_key (reseal_id, request_id, sealed, made_of)
     SELECT reseal_id, request_id, '\\x01', sha256('') FROM certkeep.reseal_key WHERE request_id = $1`,
    [requestId]
  )
}

function nameOf({ row }: TestPrincipal): string {
  return `${row.domain}\\${row.accountName}`
}
