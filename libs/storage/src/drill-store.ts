import type { ErrorCode, RequestId } from '@app/core'
import type { DataSource } from 'typeorm'
import type { NewSealedKey } from './archive-store.js'
import { ArchiveStore } from './archive-store.js'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { Conditions, type Page, pageOf } from './page.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableText } from './text.js'
import { inTransaction } from './unit.js'

/** A drill: that keys can be archived and recovered is tried with canaries. */
export interface DrillRow {
  readonly id: number
  readonly state: 'due' | 'succeeded' | 'failed'
  readonly requestedBy: string
  readonly dueAt: Date
  readonly endedAt: Date | null
  /** How many canaries were archived and recovered. */
  readonly canaries: number | null
  readonly failureCode: string | null
  readonly failureMessage: string | null
}

/** A test agent, whose key is in the key store of the archive. */
export interface DrillAgentRow {
  readonly id: number
  readonly keyReference: string
  /** DER */
  readonly certificate: Buffer
  readonly notAfter: Date
}

/** How a drill ended. */
export type DrillEnd =
  | { readonly state: 'succeeded'; readonly canaries: number }
  | { readonly state: 'failed'; readonly code: ErrorCode; readonly message: string }

const COLUMNS = `
  d.id, d.state, d.requested_by AS "requestedBy", d.due_at AS "dueAt", d.ended_at AS "endedAt", d.canaries,
  d.failure_code AS "failureCode", d.failure_message AS "failureMessage"`

const ORDER: Statement = {
  text: `
    INSERT INTO certkeep.key_drill (state, requested_by, due_at) VALUES ('due', $1, $2)
    ON CONFLICT ((true)) WHERE state = 'due' DO NOTHING RETURNING id`
}

/** Since when nothing has been tried: the last drill, else the first CA. */
const SCHEDULE: Statement = {
  name: 'key_drill_schedule',
  text: `
    SELECT (SELECT max(coalesce(ended_at, due_at)) FROM certkeep.key_drill) AS "last",
           (SELECT min(created_at) FROM certkeep.ca) AS "since",
           EXISTS (SELECT FROM certkeep.key_drill WHERE state = 'due') AS "isDue"`
}

const CLAIM: Statement = {
  name: 'key_drill_claim',
  text: `
    UPDATE certkeep.key_drill SET lease_until = $2 WHERE id IN (
      SELECT id FROM certkeep.key_drill WHERE state = 'due' AND (lease_until IS NULL OR lease_until <= $1)
      FOR UPDATE SKIP LOCKED)
    RETURNING id`
}

const END: Statement = {
  text: `
    UPDATE certkeep.key_drill SET state = $2, ended_at = $3, canaries = $4, failure_code = $5, failure_message = $6
    WHERE id = $1 AND state = 'due' RETURNING id`
}

const LAST_SUCCESS: Statement = {
  name: 'key_drill_last_success',
  text: `SELECT max(ended_at) AS at FROM certkeep.key_drill WHERE state = 'succeeded'`
}

/** Drills, for the archive; for the console what became of them. */
export class DrillStore {
  private readonly archive: ArchiveStore

  constructor(private readonly dataSource: DataSource) {
    this.archive = new ArchiveStore(dataSource)
  }

  /** Orders a drill. Whether none was due already. */
  order(because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const row = await queryOne<{ readonly id: number }>(this.dataSource, unit, ORDER, [because.actor, now])
      if (row === undefined) return false
      await appendChange(this.dataSource, unit, { object: 'key_drill', id: row.id, verb: 'ordered', at: now }, because)
      return true
    })
  }

  /** When the last drill ended, since when there is a CA, and whether a drill is due. */
  async findSchedule(): Promise<{ readonly last: Date | null; readonly since: Date | null; readonly isDue: boolean }> {
    const row = await queryOne<{ last: Date | null; since: Date | null; isDue: boolean }>(
      this.dataSource,
      undefined,
      SCHEDULE,
      []
    )
    return row ?? { last: null, since: null, isDue: false }
  }

  /** Takes the drill that is due; nobody else does until then. Undefined when none is. */
  async lease(now: Date, until: Date): Promise<number | undefined> {
    return (await queryOne<{ readonly id: number }>(this.dataSource, undefined, CLAIM, [now, until]))?.id
  }

  /** Stores a canary as any sealed key is stored, under a number that is no request's, and gives that. */
  putCanary(key: Omit<NewSealedKey, 'requestId' | 'agentIds'>): Promise<RequestId> {
    return inTransaction(this.dataSource, async unit => {
      const text = `SELECT -nextval('certkeep.canary_number')::integer AS id`
      const row = await queryOne<{ readonly id: RequestId }>(this.dataSource, unit, { text }, [])
      const requestId = row?.id as RequestId
      await this.archive.seal(unit, [{ ...key, requestId, agentIds: [] }])
      return requestId
    })
  }

  /** Forgets every canary, those of a drill that was broken off among them. */
  async clearCanaries(): Promise<void> {
    await query(this.dataSource, undefined, { text: 'DELETE FROM certkeep.sealed_key WHERE canary' }, [])
  }

  /** Whether it was due still. */
  end(id: number, end: DrillEnd, because: Because, now: Date): Promise<boolean> {
    const [canaries, code, message] =
      end.state === 'succeeded' ? [end.canaries, null, null] : [null, end.code, storableText(end.message)]
    return inTransaction(this.dataSource, async unit => {
      const ended = await query(this.dataSource, unit, END, [id, end.state, now, canaries, code, message])
      if (ended.length !== 1) return false
      const detail = end.state === 'succeeded' ? { canaries: end.canaries } : { code: end.code }
      const outcome = end.state === 'failed' ? 'failed' : 'success'
      const change = { object: 'key_drill', id, verb: end.state, at: now, detail, outcome } as const
      await appendChange(this.dataSource, unit, change, because)
      return true
    })
  }

  /** When a drill last succeeded; undefined when none has. */
  async findLastSuccess(): Promise<Date | undefined> {
    return (await queryOne<{ readonly at: Date | null }>(this.dataSource, undefined, LAST_SUCCESS, []))?.at ?? undefined
  }

  /** The newest first; the cursor is a number. */
  async list(limit: number, cursor?: number): Promise<Page<DrillRow, number>> {
    const conditions = new Conditions().add('d.id < ?', cursor)
    const text = `SELECT ${COLUMNS} FROM certkeep.key_drill AS d ${conditions.where()}
      ORDER BY d.id DESC ${conditions.limit(limit)}`
    const rows = await query<DrillRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }

  /** Those whose certificates last beyond the time. */
  listAgents(until: Date): Promise<readonly DrillAgentRow[]> {
    const text = `SELECT id, key_reference AS "keyReference", certificate, not_after AS "notAfter"
      FROM certkeep.drill_agent WHERE not_after > $1 ORDER BY id`
    return query<DrillAgentRow>(this.dataSource, undefined, { text }, [until])
  }

  /** Adds a test agent. */
  async addAgent(
    agent: Omit<DrillAgentRow, 'id' | 'certificate'> & { readonly certificate: Uint8Array }
  ): Promise<void> {
    const text = 'INSERT INTO certkeep.drill_agent (key_reference, certificate, not_after) VALUES ($1, $2, $3)'
    const values = [agent.keyReference, Buffer.from(agent.certificate), agent.notAfter]
    await query(this.dataSource, undefined, { text }, values)
  }

  /** Forgets a test agent whose key is gone. */
  async removeAgent(id: number): Promise<void> {
    await query(this.dataSource, undefined, { text: 'DELETE FROM certkeep.drill_agent WHERE id = $1' }, [id])
  }
}
