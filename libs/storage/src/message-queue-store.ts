import { AppError, isAppError, type PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import type { MessageQueueRow, NewMessageQueue, QueueSettings } from './message-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { within, type Unit } from './unit.js'

const COLUMNS = `
  q.id, q.name, q.owner_id AS "ownerId", q.authenticate, q.privacy, q.journaling, q.quota::float8 AS quota,
  q.journal_quota::float8 AS "journalQuota", q.waiting_bytes::float8 AS "waitingBytes",
  q.kept_bytes::float8 AS "keptBytes", q.encryption_key AS "encryptionKey", q.access, q.created_at AS "createdAt",
  q.alive_seconds AS "aliveSeconds", q.temporary_until AS "temporaryUntil", q.key_reference AS "keyReference"`

const FIND: Statement = {
  name: 'message_queue_find',
  text: `SELECT ${COLUMNS} FROM certkeep.message_queue AS q WHERE lower(q.name) = lower($1)`
}

const LIST: Statement = {
  text: `SELECT ${COLUMNS} FROM certkeep.message_queue AS q WHERE q.owner_id = $1 ORDER BY lower(q.name)`
}

const LOCK: Statement = {
  name: 'message_queue_lock',
  text: `
    SELECT FROM certkeep.message_queue WHERE id = ANY (ARRAY(
      SELECT unnest($1::uuid[])
      UNION SELECT q.id FROM certkeep.message_queue AS q
        WHERE lower(q.name) = ANY (ARRAY(SELECT lower(given) FROM unnest($2::text[]) AS given))))
    ORDER BY id FOR NO KEY UPDATE`
}

/** Whoever makes a queue waits for others of the account, so that none is over the limit. */
const LOCK_OWNER: Statement = { text: `SELECT pg_advisory_xact_lock(hashtextextended('message_queue' || $1, 0))` }

const COUNT: Statement = {
  text: 'SELECT count(*)::integer AS count FROM certkeep.message_queue WHERE owner_id = $1'
}

const INSERT: Statement = {
  text: `
    INSERT INTO certkeep.message_queue
      (id, name, owner_id, authenticate, privacy, journaling, quota, journal_quota, encryption_key, access, created_at,
       alive_seconds, temporary_until, key_reference)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`
}

const UPDATE: Statement = {
  text: `
    UPDATE certkeep.message_queue
    SET authenticate = $2, privacy = $3, journaling = $4, quota = $5, journal_quota = $6, encryption_key = $7, access = $8
    WHERE id = $1 RETURNING id`
}

/** Whoever receives is there; a queue that has ended stays so. */
const KEEP: Statement = {
  name: 'message_queue_keep',
  text: `
    UPDATE certkeep.message_queue SET temporary_until = $2 WHERE id = $1 AND temporary_until BETWEEN $3 AND $2`
}

const LIST_ENDED: Statement = {
  text: `
    SELECT ${COLUMNS} FROM certkeep.message_queue AS q WHERE q.temporary_until < $1 ORDER BY q.temporary_until LIMIT 20`
}

/** Whoever settles a message has it and waits for the queue next: messages are locked first, and the queue after them. */
const LOCK_MESSAGES: Statement = {
  text: `SELECT id FROM certkeep.message WHERE queue_id = $1 ORDER BY id FOR UPDATE`
}

/** Nothing comes into a queue that is locked so. */
const LOCK_ALONE: Statement = { text: 'SELECT FROM certkeep.message_queue WHERE id = $1 FOR UPDATE' }

const HAS_OTHERS: Statement = {
  text: `
    SELECT EXISTS (SELECT FROM certkeep.message WHERE queue_id = $1 AND id <> ALL ($2::bigint[])) AS "isLeft"`
}

const DELETE: Statement = { text: 'DELETE FROM certkeep.message_queue WHERE id = $1 RETURNING name' }

/** The owner has every right; the others those of their own SID, of their groups and of Everyone together. */
const RIGHTS: Statement = {
  name: 'message_queue_rights',
  text: `
    SELECT CASE WHEN q.owner_id = p.id THEN 2147483647 ELSE coalesce(bit_or((a.entry ->> 'mask')::integer), 0) END AS mask
    FROM certkeep.message_queue AS q
    JOIN certkeep.principal AS p ON p.sid = $2 AND p.disabled_at IS NULL
    LEFT JOIN LATERAL jsonb_array_elements(q.access) AS a(entry) ON a.entry ->> 'sid' IN (p.sid, 'S-1-1-0')
      OR a.entry ->> 'sid' IN (
        SELECT g.sid FROM certkeep.principal AS g
        WHERE g.kind = 'group' AND g.disabled_at IS NULL AND g.account_name = ANY (p.group_names))
    WHERE q.id = $1 GROUP BY q.id, q.owner_id, p.id`
}

/** Queues of messages, for the front. The messages themselves are in {@link MessageStore}. */
export class MessageQueueStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Whatever the case of its name. */
  find(name: string, unit?: Unit): Promise<MessageQueueRow | undefined> {
    return queryOne<MessageQueueRow>(this.dataSource, unit, FIND, [name])
  }

  /**
   * Locks queues by their ids and by their names, in one order whoever does, until the unit ends. Before anything is put
   * into one of them or taken out; one that is not there is passed over.
   */
  async lock(unit: Unit, ids: readonly string[], names: readonly string[]): Promise<void> {
    await query(this.dataSource, unit, LOCK, [ids, names])
  }

  /** Those of an account, by their names. */
  list(ownerId: PrincipalId): Promise<readonly MessageQueueRow[]> {
    return query<MessageQueueRow>(this.dataSource, undefined, LIST, [ownerId])
  }

  /** What the account of a SID may do with a queue; 0 for a disabled or unknown one. */
  async findRights(queueId: string, sid: string, unit?: Unit): Promise<number> {
    const row = await queryOne<{ readonly mask: number }>(this.dataSource, unit, RIGHTS, [queueId, sid])
    return row?.mask ?? 0
  }

  /**
   * Makes a queue. Throws `MQ_ERROR_QUEUE_EXISTS` when its name is taken, whatever the case, and
   * `MQ_ERROR_INSUFFICIENT_RESOURCES` when its owner has `most` already; the server itself may have any number.
   */
  create(queue: NewMessageQueue, most: number, because: Because, unit?: Unit): Promise<void> {
    const { id, name, ownerId, createdAt: at } = queue
    return within(this.dataSource, unit, async own => {
      if (ownerId !== null) await this.requireRoom(own, ownerId, most)
      await this.insert(own, queue)
      const change = { object: 'message_queue', id, verb: 'created', at, detail: { name, ownerId } } as const
      await appendChange(this.dataSource, own, change, because)
    })
  }

  /** Changes what is said of a queue, for messages that come from now on. Whether it was there. */
  change(id: string, settings: QueueSettings, because: Because, now: Date, unit?: Unit): Promise<boolean> {
    return within(this.dataSource, unit, async own => {
      const updated = await queryOne(this.dataSource, own, UPDATE, [id, ...settingValues(settings)])
      if (updated === undefined) return false
      const { authenticate, privacy, journaling, access } = settings
      const detail = { authenticate, privacy, journaling, access: JSON.stringify(access) }
      const change = { object: 'message_queue', id, verb: 'changed', at: now, detail } as const
      await appendChange(this.dataSource, own, change, because)
      return true
    })
  }

  /**
   * Removes a queue with all that is in it, in a transaction of the caller's, when nobody else has a message of it any
   * more. Whether it is gone: `busy` when a message came meanwhile, and the transaction is to be begun anew.
   */
  async remove(unit: Unit, id: string, because: Because, now: Date): Promise<'removed' | 'busy' | 'absent'> {
    const locked = await query<{ readonly id: string }>(this.dataSource, unit, LOCK_MESSAGES, [id])
    await query(this.dataSource, unit, LOCK_ALONE, [id])
    const ids = locked.map(message => message.id)
    const others = await queryOne<{ readonly isLeft: boolean }>(this.dataSource, unit, HAS_OTHERS, [id, ids])
    if (others?.isLeft === true) return 'busy'
    const removed = await queryOne<{ readonly name: string }>(this.dataSource, unit, DELETE, [id])
    if (removed === undefined) return 'absent'
    const change = { object: 'message_queue', id, verb: 'deleted', at: now, detail: removed } as const
    await appendChange(this.dataSource, unit, change, because)
    return 'removed'
  }

  /** Puts off the end of a temporary queue whose receiver is there. Does nothing with one that has ended or stays. */
  async keep({ id, aliveSeconds }: MessageQueueRow, waiting: number, now: Date): Promise<void> {
    if (aliveSeconds === null) return
    const until = new Date(now.getTime() + 1000 * (aliveSeconds + waiting))
    await query(this.dataSource, undefined, KEEP, [id, until, now])
  }

  /** Temporary queues, up to 20, whose receiver has been silent for too long. They stay so: nothing brings them back. */
  listEnded(now: Date): Promise<readonly MessageQueueRow[]> {
    return query<MessageQueueRow>(this.dataSource, undefined, LIST_ENDED, [now])
  }

  private async requireRoom(unit: Unit, ownerId: PrincipalId, most: number): Promise<void> {
    await query(this.dataSource, unit, LOCK_OWNER, [ownerId])
    const owned = await queryOne<{ readonly count: number }>(this.dataSource, unit, COUNT, [ownerId])
    if ((owned?.count ?? 0) < most) return
    throw new AppError('MQ_ERROR_INSUFFICIENT_RESOURCES', `The account has ${most} queues, and may have no more.`)
  }

  private async insert(unit: Unit, queue: NewMessageQueue): Promise<void> {
    const { id, name, ownerId, createdAt, aliveSeconds = null, temporaryUntil = null, keyReference = null } = queue
    const peculiar = [aliveSeconds, temporaryUntil, keyReference]
    const values = [id, name, ownerId, ...settingValues(queue), createdAt, ...peculiar]
    try {
      await query(this.dataSource, unit, INSERT, values)
    } catch (error) {
      if (!isAppError(error, 'conflict')) throw error
      throw new AppError('MQ_ERROR_QUEUE_EXISTS', `There is a queue "${name}" already.`, { name }, { cause: error })
    }
  }
}

function settingValues(settings: QueueSettings): readonly unknown[] {
  const { authenticate, privacy, journaling, quota, journalQuota, encryptionKey, access } = settings
  return [authenticate, privacy, journaling, quota, journalQuota, encryptionKey, JSON.stringify(access)]
}
