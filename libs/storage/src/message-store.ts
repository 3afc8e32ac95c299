import type { PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import type {
  MessageOrigin,
  MessagePlace,
  MessageRow,
  MessageStanding,
  NewMessageRow,
  SeenMessage
} from './message-row.js'
import { Conditions, type Page, pageOf } from './page.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableJson } from './text.js'
import type { Unit } from './unit.js'

/** Which messages are taken for a time. */
export interface LeaseOrder {
  readonly queueId: string
  readonly most: number
  /** Names the taking; nobody else can settle what it took. */
  readonly lease: string
  readonly until: Date
}

const COLUMNS = `
  m.id::float8 AS id, m.queue_id AS "queueId", m.place, m.class, m.message_id AS "messageId", m.level,
  m.sender_sid AS "senderSid", m.submitted_by AS "submittedBy", m.priority, m.envelope, m.arrived_at AS "arrivedAt",
  m.receive_before AS "receiveBefore", m.deliveries,
  (SELECT p.domain || '\\' || p.account_name FROM certkeep.principal AS p WHERE p.sid = m.sender_sid) AS "senderName"`

const SEEN: Statement = {
  name: 'message_seen_find',
  text: `
    SELECT s.message_id AS "messageId", s.sender FROM certkeep.message_seen AS s
    JOIN unnest($2::text[], $3::uuid[]) AS m (sender, message_id) USING (sender, message_id) WHERE s.queue_id = $1`
}

const SEE: Statement = {
  name: 'message_seen_add',
  text: `
    INSERT INTO certkeep.message_seen (queue_id, sender, message_id, until)
    SELECT $1, m.sender, m.message_id, m.until
    FROM unnest($2::text[], $3::uuid[], $4::timestamptz[]) AS m (sender, message_id, until)
    ON CONFLICT DO NOTHING RETURNING message_id AS "messageId", sender`
}

/** Of the queue alone that the transaction has locked, so that nobody waits for anybody. */
const FORGET: Statement = {
  name: 'message_seen_end',
  text: `
    DELETE FROM certkeep.message_seen WHERE (queue_id, sender, message_id) IN (
      SELECT queue_id, sender, message_id FROM certkeep.message_seen WHERE queue_id = $1 AND until < $2 LIMIT 200)`
}

/** Locks the queue, so that two messages at once cannot both have the last of the room. */
const ROOM: Statement = {
  name: 'message_room',
  text: `
    SELECT (CASE WHEN $2 THEN quota - waiting_bytes ELSE journal_quota - kept_bytes END)::float8 AS room
    FROM certkeep.message_queue WHERE id = $1 FOR NO KEY UPDATE`
}

const PUT: Statement = {
  name: 'message_put',
  text: `
    INSERT INTO certkeep.message
      (queue_id, place, class, message_id, level, sender_sid, submitted_by, priority, envelope, arrived_at, receive_before)
    SELECT "queueId", place, class, "messageId", level, "senderSid", "submittedBy", priority, envelope, "arrivedAt",
      "receiveBefore"
    FROM json_to_recordset($1::json) AS m (
      "queueId" uuid, place text, class integer, "messageId" uuid, level text, "senderSid" text, "submittedBy" uuid,
      priority smallint, envelope text, "arrivedAt" timestamptz, "receiveBefore" timestamptz)`
}

const LEASE: Statement = {
  name: 'message_lease',
  text: `
    WITH due AS (
      SELECT id FROM certkeep.message
      WHERE queue_id = $1 AND place = 'queue' AND (leased_until IS NULL OR leased_until <= $5)
        AND (receive_before IS NULL OR receive_before > $5)
      ORDER BY priority DESC, id LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    UPDATE certkeep.message AS m SET lease = $3, leased_until = $4, deliveries = m.deliveries + 1 FROM due WHERE m.id = due.id RETURNING ${COLUMNS}`
}

const PEEK: Statement = {
  text: `
    SELECT ${COLUMNS} FROM certkeep.message AS m
    WHERE m.queue_id = $1 AND m.place = 'queue' AND (m.receive_before IS NULL OR m.receive_before > $3)
    ORDER BY m.priority DESC, m.id LIMIT $2`
}

const LEASED: Statement = {
  name: 'message_leased',
  text: `
    SELECT ${COLUMNS} FROM certkeep.message AS m
    WHERE m.queue_id = $1 AND m.id = $2 AND m.place = 'queue' AND m.lease = $3 AND m.leased_until > $4 FOR UPDATE`
}

const RELEASE: Statement = {
  text: 'UPDATE certkeep.message SET lease = NULL, leased_until = NULL WHERE id = $1'
}

const PROLONG: Statement = { text: 'UPDATE certkeep.message SET leased_until = $2 WHERE id = $1' }

const STANDING: Statement = {
  name: 'message_standing',
  text: `
    SELECT count(*) FILTER (WHERE place = 'queue')::float8 AS waiting,
      count(*) FILTER (WHERE place = 'dead-letter')::float8 AS "deadLetters",
      min(arrived_at) FILTER (WHERE place = 'queue') AS "oldestAt"
    FROM certkeep.message WHERE place <> 'journal'`
}

const MOVE: Statement = {
  name: 'message_move',
  text: 'UPDATE certkeep.message SET place = $2, class = $3, lease = NULL, leased_until = NULL WHERE id = $1'
}

const REMOVE: Statement = { name: 'message_remove', text: 'DELETE FROM certkeep.message WHERE id = $1' }

const EXPIRED: Statement = {
  name: 'message_expired',
  text: `
    SELECT ${COLUMNS} FROM certkeep.message AS m
    WHERE m.place = 'queue' AND m.receive_before <= $1 AND (m.leased_until IS NULL OR m.leased_until <= $1)
    ORDER BY m.receive_before LIMIT 100 FOR UPDATE SKIP LOCKED`
}

const WAITING: Statement = {
  text: `
    SELECT ${COLUMNS} FROM certkeep.message AS m WHERE m.queue_id = $1 AND m.place = 'queue' ORDER BY m.id LIMIT 500
    FOR UPDATE`
}

const DROP: Statement = {
  text: `
    WITH dropped AS (DELETE FROM certkeep.message WHERE queue_id = $1 AND place = $2 RETURNING id)
    SELECT count(*)::integer AS count FROM dropped`
}

/**
 * Messages in their queues, for the front. Every change but the last is within a transaction of the caller's, who decides
 * together with it what else becomes of the message.
 */
export class MessageStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Which of the messages came from their senders before, as {@link originName} has it. */
  async findSeen(queueId: string, messages: readonly MessageOrigin[]): Promise<ReadonlySet<string>> {
    return originsIn(await query<MessageOrigin>(this.dataSource, undefined, SEEN, [queueId, ...columnsOf(messages)]))
  }

  /** Remembers ids. Which of them are new, as {@link originName} has it: of two at once, one is. */
  async see(unit: Unit, queueId: string, messages: readonly SeenMessage[], now: Date): Promise<ReadonlySet<string>> {
    await query(this.dataSource, unit, FORGET, [queueId, now])
    const values = [queueId, ...columnsOf(messages), messages.map(({ until }) => until)]
    return originsIn(await query<MessageOrigin>(this.dataSource, unit, SEE, values))
  }

  /** Does not wait for the disk at the commit: what the transaction did may be lost in a crash. */
  async hurry(unit: Unit): Promise<void> {
    await query(this.dataSource, unit, { text: 'SET LOCAL synchronous_commit = off' }, [])
  }

  /** How many bytes have room in the queue, or in its journal; they have it until the transaction ends. */
  async findRoom(unit: Unit, queueId: string, place: MessagePlace): Promise<number> {
    const values = [queueId, place === 'queue']
    return (await queryOne<{ readonly room: number }>(this.dataSource, unit, ROOM, values))?.room ?? -1
  }

  /** Whether so many bytes have room, as {@link findRoom}. */
  async hasRoom(unit: Unit, queueId: string, place: MessagePlace, size: number): Promise<boolean> {
    return size <= (await this.findRoom(unit, queueId, place))
  }

  /** Puts messages at their places, in their order. */
  async put(unit: Unit, rows: readonly NewMessageRow[]): Promise<void> {
    if (rows.length > 0) await query(this.dataSource, unit, PUT, [storableJson(rows)])
  }

  /** Takes the first waiting messages by priority and arrival, for a time: until then nobody else gets them. */
  async lease({ queueId, most, lease, until }: LeaseOrder, now: Date): Promise<readonly MessageRow[]> {
    const rows = await query<MessageRow>(this.dataSource, undefined, LEASE, [queueId, most, lease, until, now])
    return rows.toSorted((a, b) => b.priority - a.priority || a.id - b.id)
  }

  /** The first waiting messages, taken by somebody or not; they stay. */
  listWaiting(queueId: string, most: number, now: Date): Promise<readonly MessageRow[]> {
    return query<MessageRow>(this.dataSource, undefined, PEEK, [queueId, most, now])
  }

  /** A message that was taken under the lease, which still holds; its row is locked. */
  findLeased(
    unit: Unit,
    { queueId, id, lease }: { readonly queueId: string; readonly id: number; readonly lease: string },
    now: Date
  ): Promise<MessageRow | undefined> {
    return queryOne<MessageRow>(this.dataSource, unit, LEASED, [queueId, id, lease, now])
  }

  /** Gives a message back to whoever asks next. */
  async release(unit: Unit, id: number): Promise<void> {
    await query(this.dataSource, unit, RELEASE, [id])
  }

  /** Takes a message for longer: until then nobody else gets it. */
  async prolong(unit: Unit, id: number, until: Date): Promise<void> {
    await query(this.dataSource, unit, PROLONG, [id, until])
  }

  /** How many messages wait, since when the oldest, and how many are dead letters, of all queues. */
  async readStanding(): Promise<MessageStanding> {
    const row = await queryOne<MessageStanding>(this.dataSource, undefined, STANDING, [])
    return row ?? { waiting: 0, deadLetters: 0, oldestAt: null }
  }

  /** Keeps a message in the journal or among the dead letters. */
  async move(unit: Unit, id: number, place: MessagePlace, value: number): Promise<void> {
    await query(this.dataSource, unit, MOVE, [id, place, value])
  }

  /** Removes a message for good. */
  async remove(unit: Unit, id: number): Promise<void> {
    await query(this.dataSource, unit, REMOVE, [id])
  }

  /** Up to a hundred messages, of all queues, that were not received in time; their rows are locked. */
  listExpired(unit: Unit, now: Date): Promise<readonly MessageRow[]> {
    return query<MessageRow>(this.dataSource, unit, EXPIRED, [now])
  }

  /** Up to five hundred messages that wait in a queue, taken or not; their rows are locked. */
  listLocked(unit: Unit, queueId: string): Promise<readonly MessageRow[]> {
    return query<MessageRow>(this.dataSource, unit, WAITING, [queueId])
  }

  /** What is kept of a queue, the newest first; the cursor is the last id seen. */
  async listKept(
    { queueId, place }: { readonly queueId: string; readonly place: 'journal' | 'dead-letter' },
    limit: number,
    cursor?: number
  ): Promise<Page<MessageRow, number>> {
    return this.page(new Conditions().add('m.queue_id = ?', queueId).add('m.place = ?', place), limit, cursor)
  }

  /** The dead letters that an account handed in, of all queues, the newest first. */
  async listDeadLettersOf(principalId: PrincipalId, limit: number, cursor?: number): Promise<Page<MessageRow, number>> {
    const conditions = new Conditions().add('m.submitted_by = ?', principalId).addText(`m.place = 'dead-letter'`)
    return this.page(conditions, limit, cursor)
  }

  /** Empties one place of a queue, in a transaction of the caller's. How many messages were there. */
  async purge(
    unit: Unit,
    { queueId, place }: { readonly queueId: string; readonly place: MessagePlace },
    because: Because,
    now: Date
  ): Promise<number> {
    const dropped = await queryOne<{ readonly count: number }>(this.dataSource, unit, DROP, [queueId, place])
    const detail = { place, messages: dropped?.count ?? 0 }
    const change = { object: 'message_queue', id: queueId, verb: 'purged', at: now, detail } as const
    await appendChange(this.dataSource, unit, change, because)
    return detail.messages
  }

  private async page(conditions: Conditions, limit: number, cursor?: number): Promise<Page<MessageRow, number>> {
    conditions.add('m.id < ?', cursor)
    const text = `
      SELECT ${COLUMNS} FROM certkeep.message AS m ${conditions.where()} ORDER BY m.id DESC ${conditions.limit(limit)}`
    const rows = await query<MessageRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }
}

/** The key of a message among those of one queue. */
export function originName({ sender, messageId }: MessageOrigin): string {
  return `${sender}/${messageId}`
}

function originsIn(messages: readonly MessageOrigin[]): ReadonlySet<string> {
  return new Set(messages.map(originName))
}

function columnsOf(messages: readonly MessageOrigin[]): readonly [string[], string[]] {
  return [messages.map(({ sender }) => sender), messages.map(({ messageId }) => messageId)]
}
