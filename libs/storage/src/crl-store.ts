import { AppError, type CaId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import type { CrlIntentRow, CrlKind, CrlRow, CrlSummary } from './ca-row.js'
import { crlEntity } from './entities.js'
import { selectList } from './entity.js'
import { Conditions, type Page, pageOf } from './page.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction } from './unit.js'

/** A CRL that is about to be stored. */
export type NewCrl = Omit<CrlRow, 'crl'> & { readonly crl: Uint8Array }

/** What is about to be signed as a CRL. */
export type NewCrlIntent = Omit<CrlIntentRow, 'tbsDigest'> & { readonly tbsDigest: Uint8Array }

const SUMMARY_COLUMNS = [
  'caId',
  'number',
  'keyIndex',
  'kind',
  'baseNumber',
  'changes',
  'entries',
  'thisUpdate',
  'nextUpdate',
  'nextPublish'
] as const satisfies readonly (keyof CrlSummary)[]

const SUMMARY = `SELECT ${selectList(crlEntity, 'c', SUMMARY_COLUMNS)} FROM certkeep.crl AS c`

/**
 * The seconds since 1970, or one more than the last number where that is higher. A database that is brought back from a
 * backup has forgotten the numbers since; the time has not, so that clients that have seen them see higher ones.
 */
const NEXT: Statement = {
  text: `
    SELECT greatest(coalesce(max(number), 0) + 1, extract(epoch FROM clock_timestamp())::bigint) AS number
    FROM certkeep.crl_intent WHERE ca_id = $1`
}

const INTEND: Statement = {
  text: `
    WITH intended AS (
      INSERT INTO certkeep.crl_intent (ca_id, number, key_index, kind, tbs_digest, intended_at)
      SELECT $1, $2, $3, $4, $5, $6
      WHERE $2 > coalesce((SELECT max(number) FROM certkeep.crl_intent WHERE ca_id = $1), 0)
      RETURNING ca_id, number, key_index, kind, intended_at
    ), event AS (
      INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      SELECT intended_at, 'role:authority', 'crl.intended', 'crl', number::text, 'success',
             jsonb_build_object('caId', ca_id, 'keyIndex', key_index, 'kind', kind)
      FROM intended
    )
    SELECT number FROM intended`
}

const ADD: Statement = {
  text: `
    INSERT INTO certkeep.crl (
      ca_id, number, key_index, kind, base_number, changes, entries, crl, this_update, next_update, next_publish)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
    WHERE $2 > coalesce((SELECT max(number) FROM certkeep.crl WHERE ca_id = $1), 0)
    RETURNING number`
}

const FORGET: Statement = { text: `SELECT certkeep.forget_superseded_crls($1, $2, $3, $4)` }

const OF_KEY = `
  c.ca_id = $1 AND c.kind = $3 AND c.key_index = coalesce(
    $2::integer, (SELECT max(key_index) FROM certkeep.ca_certificate WHERE ca_id = $1 AND certificate IS NOT NULL))`

const FIND_LATEST: Statement = {
  name: 'crl_latest',
  text: `
    SELECT ${selectList(crlEntity, 'c')} FROM certkeep.crl AS c
    WHERE ${OF_KEY} AND c.crl IS NOT NULL ORDER BY c.number DESC LIMIT 1`
}

const FIND_LATEST_SUMMARY: Statement = {
  name: 'crl_latest_summary',
  text: `${SUMMARY} WHERE ${OF_KEY} ORDER BY c.number DESC LIMIT 1`
}

const FIND_OLDEST_IN_FORCE: Statement = {
  text: `${SUMMARY} WHERE c.ca_id = $1 AND c.key_index = $2 AND c.kind = 'base' AND c.next_update > $3
    ORDER BY c.number LIMIT 1`
}

/** CRLs as they were published, and what was about to be signed. Their numbers only rise. */
export class CrlStore {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * For the authority: the number for the next CRL. Take it before reading what goes on the CRL, so that a higher number
   * never has older entries. Two callers may get the same; {@link intend} takes only one.
   */
  async nextNumber(caId: CaId): Promise<number> {
    const row = await queryOne<{ readonly number: number }>(this.dataSource, undefined, NEXT, [caId])
    return row?.number ?? 1
  }

  /**
   * For the authority: records what will be signed, before it is. The number is spent whatever happens then. Throws
   * `conflict` unless it is higher than every earlier one of the CA.
   */
  async intend(intent: NewCrlIntent): Promise<void> {
    const { caId, number, keyIndex, kind, tbsDigest, intendedAt } = intent
    const values = [caId, number, keyIndex, kind, tbsDigest, intendedAt]
    if ((await query(this.dataSource, undefined, INTEND, values)).length === 0) throw notHigher(number)
  }

  /**
   * For the authority: stores a CRL that was intended, and lets go of the bytes of those that it supersedes. Throws
   * `conflict` unless its number is higher than that of every CRL of the CA.
   */
  async add(crl: NewCrl, because: Because): Promise<void> {
    const { caId, number, keyIndex, kind, thisUpdate } = crl
    await inTransaction(this.dataSource, async unit => {
      const counted = [crl.baseNumber, crl.changes, crl.entries, crl.crl]
      const values = [caId, number, keyIndex, kind, ...counted, thisUpdate, crl.nextUpdate, crl.nextPublish]
      if ((await query(this.dataSource, unit, ADD, values)).length === 0) throw notHigher(number)
      await query(this.dataSource, unit, FORGET, [caId, keyIndex, kind, number])
      const base = crl.baseNumber === null ? {} : { base: crl.baseNumber }
      const detail = { caId, keyIndex, kind, entries: crl.entries, ...base }
      const change = { object: 'crl', id: number, verb: 'published', at: thisUpdate, detail } as const
      await appendChange(this.dataSource, unit, change, because)
    })
  }

  /** The newest of a kind, of the CA's newest key unless another is named. */
  findLatest(caId: CaId, keyIndex?: number, kind: CrlKind = 'base'): Promise<CrlRow | undefined> {
    return queryOne<CrlRow>(this.dataSource, undefined, FIND_LATEST, [caId, keyIndex, kind])
  }

  /** As {@link findLatest}, without the bytes. */
  findLatestSummary(caId: CaId, keyIndex?: number, kind: CrlKind = 'base'): Promise<CrlSummary | undefined> {
    return queryOne<CrlSummary>(this.dataSource, undefined, FIND_LATEST_SUMMARY, [caId, keyIndex, kind])
  }

  /** The oldest base of a key that has not run out: who keeps CRLs may still have it. */
  findOldestBase(caId: CaId, keyIndex: number, now: Date): Promise<CrlSummary | undefined> {
    return queryOne<CrlSummary>(this.dataSource, undefined, FIND_OLDEST_IN_FORCE, [caId, keyIndex, now])
  }

  /** Newest first; the cursor is the number of the last one seen. */
  async list(caId: CaId, limit: number, cursor?: number): Promise<Page<CrlSummary, number>> {
    const conditions = new Conditions().add('c.ca_id = ?', caId).add('c.number < ?', cursor)
    const text = `${SUMMARY} ${conditions.where()} ORDER BY c.number DESC ${conditions.limit(limit)}`
    const rows = await query<CrlSummary>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ number }) => number)
  }
}

function notHigher(number: number): AppError {
  return new AppError('conflict', `CRL number ${number} is not higher than those before it.`, { number })
}
