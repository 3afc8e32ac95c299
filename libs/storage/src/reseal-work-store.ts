import type { AgentId, RequestId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import { encodeByteaArray } from './bytea-array.js'
import { resealEntity } from './reseal-entity.js'
import { selectList } from './entity.js'
import type { ResealRow } from './reseal-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction, managerOf, translated, type Unit } from './unit.js'

const because = { actor: 'role:archive' }

/** A sealed key that an agent has a part of. */
export interface KeyToReseal {
  readonly requestId: RequestId
  readonly mode: 'any-agent' | 'threshold'
  readonly sealed: Buffer
  readonly agentIds: readonly AgentId[]
}

/** A key as a reseal begins with it: the agent's part of it, or why the successor may not have it. */
export interface PreparedKey {
  readonly requestId: RequestId
  readonly mode: KeyToReseal['mode']
  readonly held: Uint8Array | null
  readonly binding: Uint8Array | null
  readonly skipped: string | null
}

/** A part that an agent has handed on, with the sealed key that it belongs to. */
export interface HandedOn {
  readonly requestId: RequestId
  readonly part: Buffer
  /** What the agent was told that its part is right by. */
  readonly binding: Buffer
  /** As it is kept now; null when it has been purged. */
  readonly sealed: Buffer | null
  /** Whom it is sealed to now. */
  readonly agentIds: readonly AgentId[]
}

/**
 * What has become of a part: the new sealed form; or why there is none, so that the agent has to hand it on again, what it
 * holds now; or why it is left out from now on.
 */
export type Resealed =
  | { readonly requestId: RequestId; readonly sealed: Uint8Array; readonly madeOf: Uint8Array }
  | { readonly requestId: RequestId; readonly failure: string; readonly held: Uint8Array; readonly binding: Uint8Array }
  | { readonly requestId: RequestId; readonly skipped: string }

const LIST_OPEN: Statement = {
  name: 'reseal_list_open',
  text: `SELECT ${selectList(resealEntity, 'r')} FROM certkeep.reseal AS r WHERE r.state = 'open' ORDER BY r.started_at`
}

const LOCK_OPEN: Statement = {
  text: `SELECT ${selectList(resealEntity, 'r')} FROM certkeep.reseal AS r WHERE r.id = $1 AND r.state = 'open'
         FOR NO KEY UPDATE SKIP LOCKED`
}

const COUNT_KEYS: Statement = {
  text: `SELECT count(*)::integer AS keys FROM certkeep.sealed_key_agent WHERE agent_id = $1`
}

const COUNT_PREPARED: Statement = {
  text: `SELECT count(*)::integer AS keys FROM certkeep.reseal_key WHERE reseal_id = $1 AND state = 'prepared'`
}

const NEXT: Statement = {
  name: 'reseal_next_keys',
  text: `
    SELECT s.request_id AS "requestId", s.mode, s.sealed, s.agent_ids AS "agentIds"
    FROM certkeep.sealed_key_agent AS a JOIN certkeep.sealed_key AS s ON s.request_id = a.request_id
    WHERE a.agent_id = $2 AND a.request_id > $3
      AND NOT EXISTS (SELECT FROM certkeep.reseal_key AS k WHERE k.reseal_id = $1 AND k.request_id = a.request_id)
    ORDER BY a.request_id LIMIT $4`
}

const PREPARE: Statement = {
  name: 'reseal_prepare',
  text: `
    INSERT INTO certkeep.reseal_key (reseal_id, request_id, state, mode, held, binding, failure, moved_at)
    SELECT $1, k.id, CASE WHEN k.skipped IS NULL THEN 'prepared' ELSE 'skipped' END, k.mode, k.held, k.binding, k.skipped, $2
    FROM unnest($3::integer[], $4::text[], $5::bytea[], $6::bytea[], $7::text[]) AS k (id, mode, held, binding, skipped)`
}

const TAKE: Statement = {
  name: 'reseal_take',
  text: `
    SELECT k.request_id AS "requestId", k.part, k.binding, s.sealed, s.agent_ids AS "agentIds"
    FROM certkeep.reseal_key AS k JOIN certkeep.sealed_key AS s ON s.request_id = k.request_id
    WHERE k.reseal_id = $1 AND k.state = 'handed_on' ORDER BY k.request_id LIMIT $2 FOR NO KEY UPDATE OF k SKIP LOCKED`
}

/** The forms come first: a key goes to stored only when there is one. */
const FORGET: Statement = {
  name: 'reseal_forget',
  text: `DELETE FROM certkeep.resealed_key WHERE reseal_id = $1 AND request_id = ANY ($2::integer[])`
}

const KEEP: Statement = {
  name: 'reseal_keep',
  text: `
    INSERT INTO certkeep.resealed_key (reseal_id, request_id, sealed, made_of)
    SELECT $1, n.id, n.sealed, n.made_of FROM unnest($2::integer[], $3::bytea[], $4::bytea[]) AS n (id, sealed, made_of)`
}

const STORE: Statement = {
  name: 'reseal_store',
  text: `
    UPDATE certkeep.reseal_key AS k
    SET state = n.state, part = CASE WHEN n.state = 'stored' THEN k.part END, failure = n.failure, moved_at = $2,
        held = CASE WHEN n.state = 'prepared' THEN n.held ELSE k.held END,
        binding = CASE WHEN n.state = 'prepared' THEN n.binding ELSE k.binding END
    FROM unnest($3::integer[], $4::text[], $5::text[], $6::bytea[], $7::bytea[]) AS n (id, state, failure, held, binding)
    WHERE k.reseal_id = $1 AND k.request_id = n.id AND k.state = 'handed_on'`
}

const PUT: Statement = {
  name: 'reseal_put',
  text: `SELECT put, again FROM certkeep.put_resealed($1, $2, $3)`
}

const IS_LEFT: Statement = {
  text: `
    SELECT EXISTS (SELECT FROM certkeep.reseal_key WHERE reseal_id = $1
                   AND state IN ('prepared', 'handed_on', 'stored', 'verified')) AS found`
}

const SWEEP: Statement = {
  text: `
    DELETE FROM certkeep.resealed_key WHERE (reseal_id, request_id) IN (
      SELECT n.reseal_id, n.request_id FROM certkeep.resealed_key AS n JOIN certkeep.reseal AS r ON r.id = n.reseal_id
      WHERE r.state = 'cancelled' LIMIT $1)`
}

/** What the archive does for reseals. Each call is one step of one batch. */
export class ResealWorkStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Reseals that are open, the oldest first. */
  listOpen(): Promise<readonly ResealRow[]> {
    return query<ResealRow>(this.dataSource, undefined, LIST_OPEN, [])
  }

  /**
   * Prepares the next keys of an open reseal, up to `limit` and not beyond `ahead` that wait for the agent; `work` makes
   * of each sealed key what the reseal begins with. Gives how many; 0 too while another process does it.
   */
  async prepare(
    id: string,
    { limit, ahead, now }: { readonly limit: number; readonly ahead: number; readonly now: Date },
    work: (keys: readonly KeyToReseal[], reseal: ResealRow) => Promise<readonly PreparedKey[]>
  ): Promise<number> {
    return inTransaction(this.dataSource, async unit => {
      const reseal = await queryOne<ResealRow>(this.dataSource, unit, LOCK_OPEN, [id])
      if (reseal === undefined) return 0
      const waiting = await this.number(COUNT_PREPARED, [id], unit)
      const most = Math.min(limit, ahead - waiting)
      if (most <= 0) return 0
      const { fromAgentId: from, preparedUpTo } = reseal
      const keys = await query<KeyToReseal>(this.dataSource, unit, NEXT, [id, from, preparedUpTo, most])
      const total = reseal.total ?? (await this.number(COUNT_KEYS, [from], unit))
      if (keys.length === 0 && reseal.total !== null) return 0
      const prepared = await work(keys, reseal)
      await this.insert(unit, id, prepared, now)
      const upTo = keys.at(-1)?.requestId ?? preparedUpTo
      const manager = managerOf(this.dataSource, unit)
      await translated(manager.update(resealEntity, { id }, { total, preparedUpTo: upTo }))
      const detail = { keys: keys.length, skipped: prepared.filter(({ skipped }) => skipped !== null).length, total }
      await appendChange(this.dataSource, unit, { object: 'reseal', id, verb: 'prepared', at: now, detail }, because)
      return keys.length
    })
  }

  /** Makes the new sealed forms of up to `limit` parts that were handed on, by `work`. Gives how many parts there were. */
  async store(
    id: string,
    limit: number,
    now: Date,
    work: (parts: readonly HandedOn[]) => Promise<readonly Resealed[]>
  ): Promise<number> {
    return inTransaction(this.dataSource, async unit => {
      const taken = await query<HandedOn>(this.dataSource, unit, TAKE, [id, limit])
      if (taken.length === 0) return 0
      const results = await work(taken)
      const made = results.filter(result => 'sealed' in result)
      const ids = results.map(({ requestId }) => requestId)
      await query(this.dataSource, unit, FORGET, [id, ids])
      await query(this.dataSource, unit, KEEP, [
        id,
        made.map(({ requestId }) => requestId),
        encodeByteaArray(made.map(({ sealed }) => sealed)),
        encodeByteaArray(made.map(({ madeOf }) => madeOf))
      ])
      await query(this.dataSource, unit, STORE, [id, now, ids, ...outcomesOf(results)])
      const detail = { stored: made.length, refused: results.length - made.length }
      await appendChange(this.dataSource, unit, { object: 'reseal', id, verb: 'stored', at: now, detail }, because)
      return taken.length
    })
  }

  /**
   * Puts up to `limit` verified forms in the place of the old ones, which end with it, each with its event; keys of a
   * recovery that is under way wait. Gives how many, and how many must be made anew since the old form has changed.
   */
  async put(id: string, limit: number, now: Date): Promise<{ readonly put: number; readonly again: number }> {
    const row = await queryOne<{ readonly put: number; readonly again: number }>(this.dataSource, undefined, PUT, [
      id,
      limit,
      now
    ])
    return row ?? { put: 0, again: 0 }
  }

  /**
   * Completes an open reseal when nothing is left of it. Where keys were sealed to the agent meanwhile, or are to be looked
   * at again, it is `more` instead, and `waiting` while some are on their way.
   */
  complete(id: string, now: Date): Promise<'completed' | 'more' | 'waiting'> {
    return inTransaction(this.dataSource, async unit => {
      const reseal = await queryOne<ResealRow>(this.dataSource, unit, LOCK_OPEN, [id])
      if (reseal?.total == null) return 'waiting'
      const left = await queryOne<{ readonly found: boolean }>(this.dataSource, unit, IS_LEFT, [id])
      if (left?.found !== false) return 'waiting'
      const manager = managerOf(this.dataSource, unit)
      const missed = await query(this.dataSource, unit, NEXT, [id, reseal.fromAgentId, 0, 1])
      if (missed.length > 0) {
        await translated(manager.update(resealEntity, { id }, { preparedUpTo: 0 }))
        return 'more'
      }
      await translated(manager.update(resealEntity, { id }, { state: 'completed', endedAt: now }))
      await appendChange(this.dataSource, unit, { object: 'reseal', id, verb: 'completed', at: now }, because)
      return 'completed'
    })
  }

  /** Deletes up to `limit` new forms of cancelled reseals, which nobody will put in place. Gives how many. */
  async sweepCancelled(limit: number): Promise<number> {
    const rows = await query(this.dataSource, undefined, { text: `${SWEEP.text} RETURNING request_id` }, [limit])
    return rows.length
  }

  private async insert(unit: Unit, id: string, keys: readonly PreparedKey[], now: Date): Promise<void> {
    if (keys.length === 0) return
    const nothing = new Uint8Array()
    const bytes = (of: 'held' | 'binding'): Buffer => encodeByteaArray(keys.map(key => key[of] ?? nothing))
    await query(this.dataSource, unit, PREPARE, [
      id,
      now,
      keys.map(({ requestId }) => requestId),
      keys.map(({ mode }) => mode),
      bytes('held'),
      bytes('binding'),
      keys.map(({ skipped }) => skipped)
    ])
  }

  private async number(statement: Statement, values: readonly unknown[], unit: Unit): Promise<number> {
    const row = await queryOne<{ readonly keys: number }>(this.dataSource, unit, statement, values)
    return row?.keys ?? 0
  }
}

/** State, reason, part and binding of each, as {@link STORE} takes them. */
function outcomesOf(results: readonly Resealed[]): readonly unknown[] {
  const nothing = new Uint8Array()
  return [
    results.map(result => ('sealed' in result ? 'stored' : 'failure' in result ? 'prepared' : 'skipped')),
    results.map(result => ('failure' in result ? result.failure : 'skipped' in result ? result.skipped : null)),
    encodeByteaArray(results.map(result => ('failure' in result ? result.held : nothing))),
    encodeByteaArray(results.map(result => ('failure' in result ? result.binding : nothing)))
  ]
}
