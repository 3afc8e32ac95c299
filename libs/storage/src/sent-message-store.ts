import type { PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import { Conditions, type Page, pageOf } from './page.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableJson } from './text.js'
import type { Unit } from './unit.js'

/** A copy that a sender keeps of a message. */
export interface SentMessageRow {
  /** Rises with arrival. */
  readonly id: number
  readonly queueName: string
  readonly messageId: string
  readonly level: 'none' | 'integrity' | 'privacy'
  readonly envelope: string
  readonly sentAt: Date
}

/** Those of one account follow each other, so that they are never more than it may keep. */
const LOCK: Statement = {
  name: 'sent_message_lock',
  text: `SELECT pg_advisory_xact_lock(hashtextextended('sent_message' || $1, 0))`
}

/** As many of the first as have room together with what is kept. */
const KEEP: Statement = {
  name: 'sent_message_keep',
  text: `
    WITH kept AS (SELECT coalesce(sum(size), 0) AS size FROM certkeep.sent_message WHERE principal_id = $1),
    added AS (
      SELECT m.*, sum(octet_length(m.envelope)) OVER (ORDER BY m.place) AS total
      FROM json_to_recordset($2::json) AS m (
        place integer, "queueName" text, "messageId" uuid, level text, envelope text, "sentAt" timestamptz)
    )
    INSERT INTO certkeep.sent_message (principal_id, queue_name, message_id, level, envelope, sent_at)
    SELECT $1, "queueName", "messageId", level, envelope, "sentAt" FROM added, kept
    WHERE kept.size + added.total <= $3 ORDER BY place`
}

const PURGE: Statement = {
  text: `
    WITH purged AS (DELETE FROM certkeep.sent_message WHERE principal_id = $1 RETURNING id)
    SELECT count(*)::integer AS count FROM purged`
}

/** The journals of senders. For the front. */
export class SentMessageStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Keeps copies, as many as have room in so many bytes. The last thing of a transaction: it waits for the account's. */
  async keep(
    unit: Unit,
    principalId: PrincipalId,
    rows: readonly Omit<SentMessageRow, 'id'>[],
    mostBytes: number
  ): Promise<void> {
    if (rows.length === 0) return
    await query(this.dataSource, unit, LOCK, [principalId])
    const placed = rows.map((row, place) => ({ place, ...row }))
    await query(this.dataSource, unit, KEEP, [principalId, storableJson(placed), mostBytes])
  }

  /** An account's own, the newest first; the cursor is the last id seen. */
  async list(principalId: PrincipalId, limit: number, cursor?: number): Promise<Page<SentMessageRow, number>> {
    const conditions = new Conditions().add('s.principal_id = ?', principalId).add('s.id < ?::bigint', cursor)
    const text = `
      SELECT s.id::float8 AS id, s.queue_name AS "queueName", s.message_id AS "messageId", s.level, s.envelope,
        s.sent_at AS "sentAt"
      FROM certkeep.sent_message AS s ${conditions.where()} ORDER BY s.id DESC ${conditions.limit(limit)}`
    const rows = await query<SentMessageRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }

  /** Empties an account's own. How many there were. */
  async purge(principalId: PrincipalId): Promise<number> {
    return (await queryOne<{ readonly count: number }>(this.dataSource, undefined, PURGE, [principalId]))?.count ?? 0
  }
}
