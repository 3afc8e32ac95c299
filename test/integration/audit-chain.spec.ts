import { encodeDetail, hashOfLink, type ChainFault, type ChainLink, ChainVerifier } from '@app/audit'
import { AuditChainStore, AuditLog, type AuditEvent, type Linked } from '@app/storage'
import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeAuditKey, verifyLinks } from '../helpers/audit-chain.js'
import { connectClient, createTestDatabase, type TestDatabase, type TestUser } from '../helpers/database.js'

let database: TestDatabase
beforeEach(async () => {
  database = await createTestDatabase()
})
afterEach(() => database.drop())

const chain = async (user: TestUser = 'authority') => new AuditChainStore((await database.open(user)).dataSource)

async function append(count: number, changes: Partial<AuditEvent> = {}): Promise<void> {
  const event = {
    at: new Date('2026-11-21T12:00:00.123Z'),
    actor: 'EXAMPLE\\alice',
    action: 'ca.created',
    objectType: 'ca',
    objectId: '1',
    outcome: 'success',
    detail: { name: 'Größe "1"', tries: 2, clean: true, none: null, list: ['x', '\u0001'] },
    ...changes
  } as const
  const log = new AuditLog((await database.open('front')).dataSource)
  for (let left = count; left > 0; left -= 1000)
    await log.append(Array.from({ length: Math.min(left, 1000) }, () => event))
}

/** The first fault of the chain as the console reads it, a few links at a time. */
async function findFault(): Promise<ChainFault | undefined> {
  const store = await chain('console')
  const verifier = new ChainVerifier({ keys: await store.listKeys() })
  for (;;) {
    const links = await store.listLinks(verifier.position, 7)
    if (links.length === 0) return verifier.end((await store.findLastCheckpoint())?.position ?? 0)
    const fault = await verifier.add(links)
    if (fault !== undefined) return fault
  }
}

/** What an owner can do who takes the triggers away. */
async function tamper(sql: string): Promise<void> {
  const { dataSource } = await database.open('owner')
  await dataSource.query(`SET session_replication_role = replica; ${sql}; RESET session_replication_role`)
}

describe('linking', () => {
  it('takes each event once, in order, however many do it at once, with the hash that the verification computes', async () => {
    await append(40)
    const stores = await Promise.all([chain(), chain(), chain()])
    const results: (Linked | undefined)[] = []
    for (let round = 0; round < 20; round++) results.push(...(await Promise.all(stores.map(store => store.link(0, 3)))))
    const linked = results.reduce((sum, result) => sum + (result?.linked ?? 0), 0)
    expect(linked).toBe(40)
    const links = await (await chain('console')).listLinks(0, 100)
    expect(links.map(({ position }) => position)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1))
    expect(links.map(({ seq }) => seq)).toEqual(links.map(({ seq }) => seq).toSorted((a, b) => a - b))
    expect(await findFault()).toBeUndefined()
    const [first] = links
    expect(encodeDetail(JSON.parse(first?.event?.detail ?? ''))).toBe(first?.event?.detail)
    expect(first?.hash).toEqual(hashOfLink(new Uint8Array(32), { ...first?.event } as never))
  })

  it('takes an event that is committed late after those that came before it, and knows until when it may come', async () => {
    const store = await chain()
    const late = await connectClient(database.settings.front)
    try {
      await late.query('BEGIN')
      await late.query(`INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
                        VALUES (now(), 'late', 'ca.created', 'ca', '1', 'success', '{}')`)
      await append(3)
      const before = (await store.link(0, 100)) as Linked
      expect(before).toMatchObject({ linked: 3, position: 3 })
      expect(before.writers).toHaveLength(1)
      expect((await store.link(0, 100))?.writers).toEqual(before.writers)
      await late.query('COMMIT')
      expect(await store.link(0, 100)).toMatchObject({ linked: 1, position: 4, writers: [] })
      const links = await (await chain('console')).listLinks(0, 10)
      expect(links.map(({ event }) => event?.actor).at(-1)).toBe('late')
      expect(links[3]?.seq).toBeLessThan(links[0]?.seq ?? 0)
      expect(await verifyLinks(links, { keys: [] })).toBeUndefined()
    } finally {
      await late.end()
    }
  })
})

describe('a log that was tampered with', () => {
  beforeEach(async () => {
    await append(20)
    await (await chain()).link(0, 100)
  })

  it.each([
    ['changed', `UPDATE certkeep.audit_event SET actor = 'mallory' WHERE seq = 9`, { kind: 'event_altered', seq: 9 }],
    ['removed', 'DELETE FROM certkeep.audit_event WHERE seq = 9', { kind: 'event_removed', seq: 9 }],
    [
      'removed with its link',
      'DELETE FROM certkeep.audit_event WHERE seq = 9; DELETE FROM certkeep.audit_link WHERE seq = 9',
      { kind: 'link_missing', position: 9 }
    ],
    [
      'put in the place of another',
      `UPDATE certkeep.audit_link SET seq = 99 WHERE seq = 5; UPDATE certkeep.audit_link SET seq = 5 WHERE seq = 9;
       UPDATE certkeep.audit_link SET seq = 9 WHERE seq = 99`,
      { kind: 'event_altered', position: 5, seq: 9 }
    ]
  ])('names the first event that was %s', async (_, sql, fault) => {
    await tamper(sql)
    expect(await findFault()).toMatchObject(fault)
  })

  it('has an event too many when one was put among those that are linked', async () => {
    await tamper('DELETE FROM certkeep.audit_event WHERE seq = 9; DELETE FROM certkeep.audit_link WHERE seq = 9')
    const store = await chain('console')
    expect(await store.findUnlinked(20)).toBeUndefined()
    await tamper(`INSERT INTO certkeep.audit_event (seq, at, actor, action, object_type, object_id, outcome, detail)
                  OVERRIDING SYSTEM VALUE VALUES (9, now(), 'mallory', 'ca.created', 'ca', '1', 'success', '{}')`)
    expect(await store.findUnlinked(20)).toBe(9)
  })

  it('ends before a checkpoint when its end was cut off', async () => {
    const authority = await chain()
    const key = makeAuditKey()
    const keyId = await authority.addKey({ ...key, keyReference: 'x' }, { actor: 'role:authority' })
    const [last] = await (await chain('console')).listLinks(19, 1)
    const { position, hash } = last as ChainLink
    await authority.addCheckpoint(key.sign({ position, hash, settled: 20, at: new Date() }), keyId)
    expect(await findFault()).toBeUndefined()
    await tamper('DELETE FROM certkeep.audit_link WHERE position > 15; DELETE FROM certkeep.audit_event WHERE seq > 15')
    expect(await findFault()).toMatchObject({ kind: 'chain_cut_off', position: 16 })
  })
})

describe('the chain', () => {
  it('is closed to changes by the owner of the schema too, and to links of anybody', async () => {
    await append(1)
    await (await chain()).link(0, 10)
    const refused = [
      'UPDATE certkeep.audit_link SET seq = seq',
      'DELETE FROM certkeep.audit_link',
      'TRUNCATE certkeep.audit_checkpoint'
    ]
    const sqlState = async (user: TestUser, sql: string): Promise<string | undefined> => {
      const client = await connectClient(database.settings[user])
      try {
        await client.query(sql)
        return undefined
      } catch (error) {
        return (error as pg.DatabaseError).code
      } finally {
        await client.end()
      }
    }
    for (const sql of refused) {
      expect(await sqlState('owner', sql)).toBe('23000')
      expect(await sqlState('authority', sql)).toBe('42501')
    }
    const insert = `INSERT INTO certkeep.audit_link VALUES (2, 2, decode(repeat('00', 32), 'hex'))`
    for (const role of ['front', 'console', 'authority', 'archive'] as const) {
      expect(await sqlState(role, insert)).toBe('42501')
    }
  })
})
