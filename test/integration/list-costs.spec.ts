import { asId, type PrincipalId, type RequestId } from '@app/core'
import {
  AuditLog,
  CertificateSearch,
  ClientStore,
  openDatabase,
  QueueStore,
  RevocationStore,
  type Database,
  type DataSource
} from '@app/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fillDatabase } from '../../bench/filled-database.js'
import { createTestDatabase, type TestDatabase } from '../helpers/database.js'
import { prepareSetting, type Setting } from '../helpers/storage-samples.js'

const REQUESTS = 20_000
const PAGE = 50

/**
 * Rows that a page may read of the large tables: several for each that it shows, as of the rows of another table beside
 * it, and never as many as there are.
 */
const MOST = 20 * PAGE

let database: TestDatabase
let console: Database
let setting: Setting
let account: PrincipalId

beforeAll(async () => {
  database = await createTestDatabase()
  setting = await prepareSetting(database)
  await fillDatabase(database.settings.owner, REQUESTS, () => undefined)
  await (
    await database.open('owner')
  ).dataSource.query(
    `INSERT INTO certkeep.registration
       (smsid, mode, key_hash, signing_certificate, netbios_name, fqdn, requested_at)
     SELECT 'GUID:' || upper(gen_random_uuid()::text), 'mixed', sha256(n::text::bytea), '', 'Client-' || n,
       'client-' || n || '.example.org', now() - n * interval '1 minute'
     FROM generate_series(1, ${REQUESTS}) AS n;
     ANALYZE certkeep.registration`
  )
  console = await openDatabase({ ...database.settings.console, poolSize: 1 })
  const [row] = await console.dataSource.query<{ id: PrincipalId }[]>(
    `SELECT id FROM certkeep.principal WHERE account_name = 'filled0'`
  )
  account = row?.id as PrincipalId
})

afterAll(async () => {
  await console.close()
  await database.drop()
})

/** Rows of the large tables that this connection has read, by whatever way. */
async function rowsRead({ dataSource } = console): Promise<number> {
  // On its one connection the role's counts are written out at once.
  await dataSource.query('SELECT pg_stat_force_next_flush()')
  const [row] = await dataSource.query<{ rows: string }[]>(`
    SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) AS rows FROM pg_stat_user_tables
    WHERE schemaname = 'certkeep' AND relname IN ('request', 'certificate', 'audit_event', 'request_decision', 'registration')`)
  return Number(row?.rows)
}

const of = <T>(Store: new (dataSource: DataSource) => T): T => new Store(console.dataSource)
const queue = (filter: Parameters<QueueStore['list']>[0], order: 'newest' | 'oldest' = 'newest') => ({
  first: () => of(QueueStore).list(filter, { order, limit: PAGE }),
  later: () => of(QueueStore).list(filter, { order, limit: PAGE, cursor: asId<RequestId>(REQUESTS / 2) })
})
const audit = (filter: Parameters<AuditLog['list']>[0]) => ({
  first: () => of(AuditLog).list(filter, PAGE),
  later: () => of(AuditLog).list(filter, PAGE, REQUESTS)
})
const certificates = (filter: Omit<Parameters<CertificateSearch['find']>[0], 'caIds'>) => ({
  first: () => of(CertificateSearch).find({ caIds: [setting.caId], ...filter }, new Date(), PAGE),
  later: async () => {
    const { next } = await of(CertificateSearch).find({ caIds: [setting.caId], ...filter }, new Date(), PAGE)
    return of(CertificateSearch).find({ caIds: [setting.caId], ...filter }, new Date(), PAGE, next)
  }
})

const clients = (name: string) => ({
  first: () => of(ClientStore).list({ name }, PAGE),
  later: async () => of(ClientStore).list({ name }, PAGE, (await of(ClientStore).list({ name }, PAGE)).next)
})

const daysAgo = (days: number): Date => new Date(Date.now() - days * 86_400_000)

const LISTS = {
  'the queue': () => queue({ states: ['pending'] }),
  'the queue, the oldest first': () => queue({ states: ['pending'] }, 'oldest'),
  'all requests': () => queue({}),
  'what was refused': () => queue({ states: ['denied', 'failed'] }),
  'what was revoked': () => queue({ states: ['revoked'] }),
  'requests of a CA': () => queue({ caIds: [setting.caId] }),
  'requests of a template': () => queue({ templateName: setting.plain.name }),
  'requests of a template in days that have none': () =>
    queue({ templateName: 'Rare', submittedFrom: daysAgo(300), submittedUntil: daysAgo(0) }),
  'requests of an account': () => queue({ caIds: [setting.caId], requesterId: account }),
  'requests for a key': () => queue({ keyId: Buffer.alloc(20) }),
  'requests of some days': () => queue({ submittedFrom: daysAgo(5), submittedUntil: daysAgo(4) }),
  'pending requests by words of their subject': () => queue({ states: ['pending'], subject: 'filled 7 unit' }),
  'requests by a word that every subject has': () =>
    queue({ states: ['pending', 'denied', 'failed'], subject: 'filled' }),
  certificates: () => certificates({}),
  'certificates of an account': () => certificates({ principalId: account }),
  'certificates of a template': () => certificates({ templateName: setting.plain.name }),
  'certificates that are revoked': () => certificates({ state: 'revoked' }),
  'certificates that end soon': () => certificates({ expiringBefore: daysAgo(-364) }),
  'clients by a name that few have': () => clients('CLIENT-777'),
  'clients by a name that all have': () => clients('client'),
  'the audit log': () => audit({}),
  'what an account did': () => audit({ actor: 'EXAMPLE\\filled0' }),
  'what was done so': () => audit({ action: 'request.denied' }),
  'what was done to one': () => audit({ objectType: 'request', objectId: '4711' }),
  'what was done to a kind': () => audit({ objectType: 'certificate' }),
  'what failed': () => audit({ outcome: 'failed' }),
  'what was done in some days': () => audit({ from: daysAgo(5), until: daysAgo(4) })
}

describe('a page of a list', () => {
  it.each(Object.entries(LISTS))(`of %s reads little more than it shows`, async (_, list) => {
    const { first, later } = list()
    for (const page of [first, later]) {
      const before = await rowsRead()
      const { rows } = await page()
      const read = (await rowsRead()) - before
      expect(rows.length).toBeLessThanOrEqual(PAGE)
      expect(read).toBeLessThanOrEqual(MOST)
    }
  })

  it('reads everything where the index is gone that it needs', async () => {
    const owner = (await database.open('owner')).dataSource
    await owner.query('DROP INDEX certkeep.audit_event_unsuccessful')
    const before = await rowsRead()
    await audit({ outcome: 'failed', actor: 'nobody' }).first()
    await audit({ outcome: 'failed', until: daysAgo(3) }).first()
    expect((await rowsRead()) - before).toBeGreaterThan(MOST)
  })
})

it('a CRL of what has changed reads no other certificate', async () => {
  const authority = await openDatabase({ ...database.settings.authority, poolSize: 1 })
  try {
    const revocations = new RevocationStore(authority.dataSource)
    const before = await rowsRead(authority)
    const { ofKey } = await revocations.changesOf(setting.caId, 0)
    const changed = []
    for await (const page of revocations.listChanges(setting.caId, 0, ofKey - PAGE)) changed.push(...page)
    expect(changed).toHaveLength(PAGE)
    expect((await rowsRead(authority)) - before).toBeLessThanOrEqual(MOST)
  } finally {
    await authority.close()
  }
})
