import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectClient } from '../helpers/database.js'
import { holdAgents } from '../helpers/recoveries.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { Clients } from './clients.js'
import { History, type Entry } from './history.js'
import { findBreaches, INVARIANTS } from './invariants/index.js'
import type { Evidence } from './invariants/invariant.js'
import { secrecyInvariant } from './invariants/secrecy.js'
import { SeededRandom } from './random.js'
import type { World } from './world.js'

let server: TestServer
let clients: Clients
let evidence: Evidence
let client: Client
const directory = mkdtempSync(join(tmpdir(), 'certkeep-checker-'))

/** An installation in which everything that there is to check has been, and nothing has gone wrong. */
beforeAll(async () => {
  server = await startTestServer({ settings: { crl: { revocationDelaySeconds: 0 }, audit: { checkpointSeconds: 1 } } })
  const people = {
    users: [await server.addPrincipal(), await server.addPrincipal()],
    computers: [await server.addPrincipal({ kind: 'computer', dnsName: 'www.example.org' })],
    officers: [await server.addOperator('officer'), await server.addOperator('officer')],
    holders: await holdAgents(server)
  }
  const history = new History()
  const world: Pick<World, 'server' | 'people' | 'history' | 'connect' | 'operate' | 'fronts'> = {
    server,
    people,
    history,
    fronts: () => [{ url: server.url, http: server.httpUrl }],
    connect: principal => server.connect(principal),
    operate: principal => server.operate(principal)
  }
  clients = new Clients(world, new SeededRandom(5))
  clients.endBy(performance.now() + 60_000)
  const isEnough = (): boolean => {
    const dispositions = history.of('retrieve').map(({ disposition }) => disposition)
    const [archived, packages] = [history.of('submit').filter(({ archival }) => archival), history.of('package')]
    const isEverythingThere = archived.length > 3 && packages.length > 0 && history.of('revoke').length > 1
    return (isEverythingThere && dispositions.includes(2)) || history.of('stuck').length > 0
  }
  await clients.run(3, isEnough)
  await sleep(1500)
  await server.running.runtime.steps.idle()
  await server.running.shutdown.run('test')
  client = await connectClient(server.database.settings.owner)
  const { database, ca, agents, config } = server
  const sql = async <Row>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> =>
    (await client.query(text, [...values])).rows as readonly Row[]
  evidence = { database, history, ca: ca.certificate, agents, directory, home: config.home, sql }
})

afterAll(async () => {
  await client.end()
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

/** Takes away from two tables what keeps breaches out of them: the database holds most of the promises by itself. */
const UNGUARD = `
  DO $$ DECLARE each record; BEGIN
    FOR each IN SELECT conrelid::regclass AS owner, conname FROM pg_constraint
      WHERE conrelid IN ('certkeep.request'::regclass, 'certkeep.certificate'::regclass) AND contype <> 'n'
    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', each.owner, each.conname); END LOOP;
    FOR each IN SELECT indexrelid::regclass AS owner FROM pg_index
      WHERE indrelid IN ('certkeep.request'::regclass, 'certkeep.certificate'::regclass) AND indisunique
    LOOP EXECUTE format('DROP INDEX IF EXISTS %s', each.owner); END LOOP;
  END $$`

const anIssued = `SELECT c.request_id FROM certkeep.certificate AS c JOIN certkeep.request AS r ON r.id = c.request_id
  WHERE c.state = 'issued' AND c.revoked_at IS NULL`
const copyOfCertificate = (changes: string): string => `
  CREATE TEMPORARY TABLE twin ON COMMIT DROP AS SELECT * FROM certkeep.certificate WHERE state = 'issued' LIMIT 1;
  UPDATE twin SET ${changes};
  INSERT INTO certkeep.certificate SELECT * FROM twin`

/** Each breach with what makes it: statements, or what clients tell. */
const planted: readonly (readonly [id: string, name: RegExp, plant: string | readonly Entry[]])[] = [
  ['I1', /told of is there/, [{ op: 'submit', requestId: 999_999, key: 'lost', disposition: 5, archival: false }]],
  ['I2', /at most one certificate/, copyOfCertificate(`serial_number = '\\x01'`)],
  ['I2', /at most one request/, `UPDATE certkeep.request SET idempotency_key = 'twice', requester_id = NULL`],
  [
    'I2',
    /answered with one/,
    [
      { op: 'submit', requestId: 1, key: 'two', disposition: 5, archival: false },
      { op: 'submit', requestId: 2, key: 'two', disposition: 5, archival: false }
    ]
  ],
  ['I3', /given once/, copyOfCertificate('request_id = request_id')],
  ['I3', /certificate is the one/, `UPDATE certkeep.certificate SET tbs = tbs || '\\x00' WHERE state = 'issued'`],
  ['I3', /CRL is the one/, `UPDATE certkeep.crl_intent SET tbs_digest = sha256('another')`],
  ['I3', /in the ledger/, [{ op: 'accept', requestId: 999_999, serial: '01', sha256: '00', publicKey: '00' }]],
  ['I4', /such a request has one/, `UPDATE certkeep.request SET state = 'issued' WHERE state = 'denied'`],
  ['I4', /for the key of its request/, `UPDATE certkeep.certificate SET key_id = sha256('another')::bytea`],
  ['I4', /approvals that it needs/, `DELETE FROM certkeep.request_decision WHERE kind = 'approve'`],
  ['I5', /has a sealed key/, `UPDATE certkeep.certificate SET sealed_key_request_id = NULL`],
  [
    'I5',
    /agents open/,
    `UPDATE certkeep.sealed_key AS k SET sealed = o.sealed FROM certkeep.sealed_key AS o, certkeep.request AS r,
       certkeep.request AS s WHERE r.id = k.request_id AND s.id = o.request_id AND r.public_key <> s.public_key`
  ],
  ['I6', /in flight or one that failed/, `UPDATE certkeep.certificate SET state = 'abandoned' WHERE archival`],
  [
    'I6',
    /what a client sent/,
    `INSERT INTO certkeep.archived_key_envelope (request_id, envelope, placement)
     SELECT request_id, '\\x00', 'unsigned-attribute' FROM (${anIssued} LIMIT 1) AS one`
  ],
  ['I7', /withdrawn or failed/, `UPDATE certkeep.request SET state = 'denied' WHERE id IN (${anIssued} LIMIT 1)`],
  [
    'I7',
    /told of a denial/,
    [
      { op: 'retrieve', requestId: 1, disposition: 2 },
      { op: 'retrieve', requestId: 1, disposition: 3 }
    ]
  ],
  [
    'I7',
    /exclude each other/,
    [
      { op: 'decide', requestId: 1, verdict: 'approve', outcome: 'done' },
      { op: 'decide', requestId: 1, verdict: 'withdraw', outcome: 'done' }
    ]
  ],
  ['I8', /after enough approvals/, `DELETE FROM certkeep.recovery_approval`],
  [
    'I8',
    /after enough approvals/,
    [{ op: 'package', recoveryId: 999_999, requestId: 1, digest: 'of a recovery that nobody released' }]
  ],
  ['I8', /the same and opens/, [{ op: 'recovered', recoveryId: 1, requestId: 1, isSame: false }]],
  [
    'I9',
    /everything that it says/,
    `UPDATE certkeep.certificate SET revoked_at = now(), revocation_reason = 1, status_change = 1
     WHERE request_id IN (${anIssued} LIMIT 1)`
  ],
  ['I9', /that was answered/, [{ op: 'revoke', serial: '0badc0de', outcome: 'done' }]],
  [
    'I9',
    /on every later one/,
    [
      { op: 'crl', front: 'one', number: 1_000_000, serials: ['01'] },
      { op: 'crl', front: 'one', number: 1_000_001, serials: [] }
    ]
  ],
  [
    'I9',
    /numbers of the CRLs/,
    [
      { op: 'crl', front: 'one', number: 9, serials: [] },
      { op: 'crl', front: 'one', number: 8, serials: [] }
    ]
  ],
  [
    'I9',
    /knows of no less/,
    `UPDATE certkeep.crl SET changes = 1000 WHERE number = (SELECT min(number) FROM certkeep.crl)`
  ],
  [
    'I10',
    /lead from its submission/,
    `DELETE FROM certkeep.audit_event WHERE seq = (
       SELECT max(seq) FROM certkeep.audit_event WHERE action = 'request.issued')`
  ],
  ['I10', /lead from its submission/, `UPDATE certkeep.request SET state = 'failed' WHERE state = 'denied'`],
  [
    'I10',
    /submitted once/,
    `INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
     SELECT at, actor, action, object_type, object_id, outcome, detail FROM certkeep.audit_event
     WHERE action = 'request.submitted' LIMIT 1`
  ],
  [
    'I10',
    /no event is of a request/,
    `UPDATE certkeep.audit_event SET object_id = '999999' WHERE action = 'request.submitted'`
  ],
  [
    'I10',
    /reservation, abandonment and revocation/,
    `DELETE FROM certkeep.audit_event WHERE action = 'certificate.revoked'`
  ],
  ['I10', /every CRL has/, `DELETE FROM certkeep.audit_event WHERE action = 'crl.published'`],
  [
    'I11',
    /same response is given again/,
    [
      { op: 'response', requestId: 1, disposition: 3, digest: 'one' },
      { op: 'response', requestId: 1, disposition: 3, digest: 'another' }
    ]
  ],
  ['I11', /one that is stored/, `UPDATE certkeep.response SET full_response = '\\x00'`],
  [
    'I11',
    /stays resolved/,
    [
      { op: 'retrieve', requestId: 1, disposition: 3 },
      { op: 'retrieve', requestId: 1, disposition: 1 }
    ]
  ],
  ['I12', /waits for a step/, `UPDATE certkeep.request SET state = 'approved' WHERE state = 'issued'`],
  ['I12', /response of its state/, `UPDATE certkeep.request SET responded_state = NULL`],
  ['I12', /serial number is reserved/, `UPDATE certkeep.certificate SET state = 'reserved' WHERE state = 'issued'`],
  ['I12', /every recovery is prepared/, `DELETE FROM certkeep.recovery_package`],
  ['I12', /every client comes to the end/, [{ op: 'stuck', what: 'enrollment', why: 'No answer came.' }]]
]

describe('the checker', () => {
  it('finds nothing where nothing went wrong', async () => {
    expect(evidence.history.of('stuck')).toEqual([])
    expect(await findBreaches(evidence)).toEqual([])
    expect(await findBreaches(evidence, [secrecyInvariant(clients.keys.slice(0, 2))])).toEqual([])
  })

  it.each(planted)('finds a breach of %s where %s', async (id, name, plant) => {
    const invariants = INVARIANTS.filter(invariant => invariant.id === id && name.test(invariant.name))
    expect(invariants.length).toBe(1)
    const history = new History()
    history.entries.push(...evidence.history.entries)
    await client.query('BEGIN')
    try {
      // As somebody who gets around every guard of the database.
      await client.query('SET LOCAL session_replication_role = replica')
      if (typeof plant === 'string') {
        await client.query(UNGUARD)
        await client.query(plant)
      } else {
        for (const entry of plant) history.add(entry)
      }
      const breaches = await findBreaches({ ...evidence, history }, invariants)
      expect(breaches.map(breach => breach.id)).toEqual([id])
    } finally {
      await client.query('ROLLBACK')
    }
  })

  it('finds an event that was altered, since its chain is broken then', async () => {
    const alter = async (actor: string): Promise<void> => {
      await client.query('BEGIN; SET LOCAL session_replication_role = replica')
      await client.query('UPDATE certkeep.audit_event SET actor = $1 WHERE seq = 1', [actor])
      await client.query('COMMIT')
    }
    const { rows } = await client.query<{ actor: string }>('SELECT actor FROM certkeep.audit_event WHERE seq = 1')
    await alter('somebody else')
    const chain = INVARIANTS.filter(({ name }) => name.startsWith('the chain'))
    expect(await findBreaches(evidence, chain)).toMatchObject([{ id: 'I10' }])
    await alter(rows[0]?.actor ?? '')
    expect(await findBreaches(evidence, chain)).toEqual([])
  })

  it('finds a number of a private key in a file', async () => {
    const [key] = clients.keys
    if (key === undefined) throw new Error('There is no key.')
    writeFileSync(
      join(directory, 'error.log'),
      `could not parse ${key.export({ format: 'der', type: 'pkcs8' }).toString('hex')}`
    )
    expect(await findBreaches(evidence, [secrecyInvariant([key])])).toMatchObject([{ id: 'I13' }])
  })

  it('is tested for each of the thirteen', () => {
    const ids = new Set([...planted.map(([id]) => id), 'I13'])
    expect(ids.size).toBe(13)
    expect(
      INVARIANTS.filter(({ id, name }) => !planted.some(([of, like]) => of === id && like.test(name))).map(
        ({ name }) => name
      )
    ).toEqual(['the chain of the audit log is unbroken'])
  })
})
