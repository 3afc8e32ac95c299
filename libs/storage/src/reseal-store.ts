import { createHash } from 'node:crypto'
import type { PrincipalId, RequestId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { encodeByteaArray } from './bytea-array.js'
import { resealEntity } from './reseal-entity.js'
import { selectList } from './entity.js'
import { Conditions, type Page, pageOf } from './page.js'
import type { NewReseal, ResealCounts, ResealKeyState, ResealPart, ResealRow } from './reseal-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction, managerOf, translated, within, type Unit } from './unit.js'

/** What a list of reseals is narrowed by. */
export interface ResealFilter {
  readonly state?: ResealRow['state']
  readonly fromAgentId?: number
}

/** Who acts on a reseal. */
export interface ResealActor extends Because {
  readonly principalId: PrincipalId
}

/** What a successor says of one key. */
export interface PartVerdict {
  readonly requestId: RequestId
  /** SHA-256 of the part that was looked at. */
  readonly sha256: Uint8Array
  readonly isRight: boolean
}

const COUNT: Statement = {
  text: `SELECT state, count(*)::integer AS keys FROM certkeep.reseal_key WHERE reseal_id = $1 GROUP BY state`
}

const LIST_HELD: Statement = {
  name: 'reseal_list_held',
  text: `
    SELECT k.request_id AS "requestId", k.mode, k.held AS part, k.binding, k.failure FROM certkeep.reseal_key AS k
    WHERE k.reseal_id = $1 AND k.state = 'prepared' AND k.request_id > $2 ORDER BY k.request_id LIMIT $3`
}

const LIST_STORED: Statement = {
  name: 'reseal_list_stored',
  text: `
    SELECT k.request_id AS "requestId", k.mode, k.part, k.binding, k.failure FROM certkeep.reseal_key AS k
    WHERE k.reseal_id = $1 AND k.state = 'stored' AND k.request_id > $2 ORDER BY k.request_id LIMIT $3`
}

const HAND_ON: Statement = {
  name: 'reseal_hand_on',
  text: `
    UPDATE certkeep.reseal_key AS k
    SET state = 'handed_on', part = n.part, handed_on_by = $2, failure = NULL, moved_at = $3
    FROM unnest($4::integer[], $5::bytea[]) AS n (request_id, part)
    WHERE k.reseal_id = $1 AND k.request_id = n.request_id AND k.state = 'prepared'
    RETURNING k.request_id AS "requestId"`
}

const VERIFY: Statement = {
  name: 'reseal_verify',
  text: `
    UPDATE certkeep.reseal_key AS k
    SET state = CASE WHEN v.is_right THEN 'verified' ELSE 'prepared' END,
        verified_by = CASE WHEN v.is_right THEN $2::uuid END,
        part = CASE WHEN v.is_right THEN k.part END,
        failure = CASE WHEN v.is_right THEN NULL ELSE 'The successor could not open it, or it was not the right one.' END,
        moved_at = $3
    FROM unnest($4::integer[], $5::bytea[], $6::boolean[]) AS v (request_id, digest, is_right)
    WHERE k.reseal_id = $1 AND k.request_id = v.request_id AND k.state = 'stored' AND sha256(k.part) = v.digest
    RETURNING k.request_id AS "requestId", v.is_right AS "isRight"`
}

/** Reseals, for the console: started, handed on, verified. What the archive does to them is in `ResealWorkStore`. */
export class ResealStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Throws `conflict` while another reseal of the agent is open. */
  async start(reseal: NewReseal, because: Because): Promise<void> {
    await inTransaction(this.dataSource, async unit => {
      const row = { ...reseal, state: 'open' as const }
      await translated(managerOf(this.dataSource, unit).insert(resealEntity, row))
      const { id, startedAt: at, fromAgentId: from, toAgentId: to, reason } = reseal
      const change = { object: 'reseal', id, verb: 'started', at, detail: { from, to, reason } } as const
      await appendChange(this.dataSource, unit, change, because)
    })
  }

  /** Whether it was open. Keys that are resealed already stay so; of the others the old form stays. */
  cancel(id: string, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const manager = managerOf(this.dataSource, unit)
      const patch = { state: 'cancelled', endedAt: now } as const
      const updated = await translated(manager.update(resealEntity, { id, state: 'open' }, patch))
      if (updated.affected !== 1) return false
      await appendChange(this.dataSource, unit, { object: 'reseal', id, verb: 'cancelled', at: now }, because)
      return true
    })
  }

  find(id: string, unit?: Unit): Promise<ResealRow | undefined> {
    const text = `SELECT ${selectList(resealEntity, 'r')} FROM certkeep.reseal AS r WHERE r.id = $1`
    return queryOne<ResealRow>(this.dataSource, unit, { text }, [id])
  }

  /** Newest first; the cursor is the id of the last one seen. */
  async list(filter: ResealFilter, limit: number, cursor?: string): Promise<Page<ResealRow, string>> {
    const conditions = new Conditions()
      .add('r.state = ?', filter.state)
      .add('r.from_agent_id = ?', filter.fromAgentId)
      .add('(r.started_at, r.id) < ((SELECT c.started_at FROM certkeep.reseal AS c WHERE c.id = ?), ?::uuid)', cursor)
    const text = `SELECT ${selectList(resealEntity, 'r')} FROM certkeep.reseal AS r ${conditions.where()}
      ORDER BY r.started_at DESC, r.id DESC ${conditions.limit(limit)}`
    const rows = await query<ResealRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }

  /** How many of its keys are how far. */
  async countKeys(id: string): Promise<ResealCounts> {
    const rows = await query<{ readonly state: ResealKeyState; readonly keys: number }>(
      this.dataSource,
      undefined,
      COUNT,
      [id]
    )
    const none = { prepared: 0, handed_on: 0, stored: 0, verified: 0, done: 0, skipped: 0 }
    return { ...none, ...Object.fromEntries(rows.map(({ state, keys }) => [state, keys])) }
  }

  /** The agent's parts that wait to be handed on, after a key's number. That they are given out is recorded first. */
  giveHeld(id: string, after: number, limit: number, because: Because, now: Date): Promise<readonly ResealPart[]> {
    return this.give(LIST_HELD, { id, after, limit, of: 'held' }, because, now)
  }

  /** The successor's parts that wait to be verified, after a key's number. That they are given out is recorded first. */
  giveStored(id: string, after: number, limit: number, because: Because, now: Date): Promise<readonly ResealPart[]> {
    return this.give(LIST_STORED, { id, after, limit, of: 'stored' }, because, now)
  }

  /** Takes parts as the agent has encrypted them to the successor. Those that do not wait for one are passed over. */
  handOn(
    id: string,
    parts: readonly { readonly requestId: RequestId; readonly part: Uint8Array }[],
    by: ResealActor,
    now: Date,
    unit?: Unit
  ): Promise<number> {
    return within(this.dataSource, unit, async open => {
      const values = [parts.map(({ requestId }) => requestId), encodeByteaArray(parts.map(({ part }) => part))]
      const rows = await query(this.dataSource, open, HAND_ON, [id, by.principalId, now, ...values])
      if (rows.length === 0) return 0
      const change = { object: 'reseal', id, verb: 'handed_on', at: now, detail: { keys: rows.length } } as const
      await appendChange(this.dataSource, open, change, { actor: by.actor })
      return rows.length
    })
  }

  /** Takes the successor's word on stored parts. Those that are others by now, or wait for none, are passed over. */
  verify(
    id: string,
    verdicts: readonly PartVerdict[],
    by: ResealActor,
    now: Date,
    unit?: Unit
  ): Promise<{ readonly right: number; readonly wrong: number }> {
    return within(this.dataSource, unit, async open => {
      const values = [
        verdicts.map(({ requestId }) => requestId),
        encodeByteaArray(verdicts.map(({ sha256 }) => sha256)),
        verdicts.map(({ isRight }) => isRight)
      ]
      const rows = await query<{ readonly isRight: boolean }>(this.dataSource, open, VERIFY, [
        id,
        by.principalId,
        now,
        ...values
      ])
      const right = rows.filter(({ isRight }) => isRight).length
      const detail = { right, wrong: rows.length - right }
      if (rows.length === 0) return detail
      const change = { object: 'reseal', id, verb: 'verified', at: now, detail } as const
      await appendChange(this.dataSource, open, change, { actor: by.actor })
      return detail
    })
  }

  private give(
    statement: Statement,
    {
      id,
      after,
      limit,
      of
    }: { readonly id: string; readonly after: number; readonly limit: number; readonly of: string },
    because: Because,
    now: Date
  ): Promise<readonly ResealPart[]> {
    return inTransaction(this.dataSource, async unit => {
      const rows = await query<ResealPart>(this.dataSource, unit, statement, [id, after, limit])
      if (rows.length === 0) return rows
      const detail = { of, keys: rows.length, first: rows[0]?.requestId ?? 0, last: rows.at(-1)?.requestId ?? 0 }
      await appendChange(this.dataSource, unit, { object: 'reseal', id, verb: 'parts_given', at: now, detail }, because)
      return rows
    })
  }
}

/** SHA-256 of a part, as {@link PartVerdict} has it. */
export function partDigest(part: Uint8Array): Buffer {
  return createHash('sha256').update(part).digest()
}
