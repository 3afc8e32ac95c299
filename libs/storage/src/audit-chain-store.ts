import { auditKeyId, type AuditPublicKey, type ChainLink, type Checkpoint, type HashedEvent } from '@app/audit'
import type { DataSource } from 'typeorm'
import { HASHED } from './audit-columns.js'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction, type Unit } from './unit.js'

/** A key that checkpoints are signed with, and where the authority keeps its private half. */
export interface AuditKeyRow extends AuditPublicKey {
  readonly id: number
  readonly keyReference: string
  readonly publicKey: Buffer
}

/** What came of linking. */
export interface Linked {
  /** How many events were linked now. */
  readonly linked: number
  /** The highest number of those, or the one that was given. */
  readonly lastSeq: number
  /** The end of the chain. */
  readonly position: number
  readonly hash: Buffer
  /** The highest number of an event that was committed before it was looked who is {@link Linked.writers writing}. */
  readonly newest: number
  /** Transactions that may have an event, of any number, which is not committed yet. */
  readonly writers: readonly string[]
}

/** How far the chain has come. */
export interface ChainStatus {
  /** Links, which is the position of the last one. */
  readonly linked: number
  /** Events that wait to be linked. */
  readonly unlinked: number
  /** The number of the newest event. */
  readonly newest: number
  readonly checkpoint: Checkpoint | undefined
}

const LINK: Statement = {
  name: 'audit_link',
  text: `
    SELECT linked, last_seq AS "lastSeq", "position", hash, newest, writers
    FROM certkeep.link_audit_events($1, $2)`
}

const ADD_KEY: Statement = {
  text: 'INSERT INTO certkeep.audit_key (key_reference, public_key, created_at) VALUES ($1, $2, $3) RETURNING id'
}

const LIST_KEYS: Statement = {
  text: `
    SELECT id, key_reference AS "keyReference", public_key AS "publicKey", created_at AS "createdAt"
    FROM certkeep.audit_key ORDER BY id`
}

const ADD_CHECKPOINT: Statement = {
  text: `
    INSERT INTO certkeep.audit_checkpoint (position, hash, settled, at, key_id, signature)
    VALUES ($1, $2, $3, $4, $5, $6)`
}

/** Of a checkpoint `c` and its key `k`. */
const CHECKPOINT = `
  c.position AS "checkpoint.position", c.hash AS "checkpoint.hash", c.settled AS "checkpoint.settled",
  c.at AS "checkpoint.at", c.signature AS "checkpoint.signature", k.public_key AS "checkpoint.key"`

const FROM_CHECKPOINTS = `certkeep.audit_checkpoint AS c JOIN certkeep.audit_key AS k ON k.id = c.key_id`

const FIND_LAST_CHECKPOINT: Statement = {
  name: 'audit_last_checkpoint',
  text: `SELECT ${CHECKPOINT} FROM ${FROM_CHECKPOINTS} ORDER BY c.position DESC LIMIT 1`
}

const LIST_CHECKPOINTS: Statement = {
  text: `SELECT ${CHECKPOINT} FROM ${FROM_CHECKPOINTS} WHERE c.position > $1 ORDER BY c.position LIMIT $2`
}

/** Without names, this and the next: planned for the numbers that are given, not for any. */
const LIST_LINKS: Statement = {
  text: `
    SELECT l.position AS "link.position", l.seq AS "link.seq", l.hash AS "link.hash", ${HASHED}, ${CHECKPOINT}
    FROM certkeep.audit_link AS l
    LEFT JOIN certkeep.audit_event AS e ON e.seq = l.seq
    LEFT JOIN (${FROM_CHECKPOINTS}) ON c.position = l.position
    WHERE l.position > $1 ORDER BY l.position LIMIT $2`
}

const FIND_UNLINKED: Statement = {
  text: `
    SELECT e.seq FROM certkeep.audit_event AS e
    WHERE e.seq <= $1 AND NOT EXISTS (SELECT FROM certkeep.audit_link AS l WHERE l.seq = e.seq)
    ORDER BY e.seq LIMIT 1`
}

/** Events up to the last checkpoint's `settled` are linked, so that only those after it need to be looked at. */
const STATUS: Statement = {
  text: `
    SELECT coalesce((SELECT max(position) FROM certkeep.audit_link), 0) AS linked,
           coalesce((SELECT max(seq) FROM certkeep.audit_event), 0) AS newest,
           (SELECT count(*) FROM certkeep.audit_event AS e WHERE e.seq > $1
            AND NOT EXISTS (SELECT FROM certkeep.audit_link AS l WHERE l.seq = e.seq)) AS unlinked`
}

const LOCK: Statement = { text: 'SELECT pg_advisory_xact_lock(4812366209)' }

/** The chain over the audit log. Only the authority lengthens it; the console and the owner read it. */
export class AuditChainStore {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * For the authority. Links up to `most` events above the number `above` that are committed and not linked yet, in the
   * order of their numbers. Gives undefined, and does nothing, while another connection does it.
   */
  link(above: number, most: number): Promise<Linked | undefined> {
    return queryOne<Linked>(this.dataSource, undefined, LINK, [above, most])
  }

  /** For the authority. Records a key before anything is signed with it. */
  addKey(key: Omit<AuditKeyRow, 'id' | 'publicKey'> & AuditPublicKey, because: Because): Promise<number> {
    const { keyReference, publicKey, createdAt } = key
    return inTransaction(this.dataSource, async unit => {
      const row = await queryOne<{ id: number }>(this.dataSource, unit, ADD_KEY, [keyReference, publicKey, createdAt])
      const id = row?.id ?? 0
      const detail = { sha256: Buffer.from(auditKeyId(publicKey)).toString('hex') }
      const change = { object: 'audit_key', id, verb: 'generated', at: createdAt, detail } as const
      await appendChange(this.dataSource, unit, change, because)
      return id
    })
  }

  /** All, the oldest first. */
  listKeys(): Promise<readonly AuditKeyRow[]> {
    return query<AuditKeyRow>(this.dataSource, undefined, LIST_KEYS, [])
  }

  /** For the authority. Throws `conflict` when there is one at this position. */
  async addCheckpoint(checkpoint: Checkpoint, keyId: number): Promise<void> {
    const { position, hash, settled, at, signature } = checkpoint
    await query(this.dataSource, undefined, ADD_CHECKPOINT, [position, hash, settled, at, keyId, signature])
  }

  async findLastCheckpoint(unit?: Unit): Promise<Checkpoint | undefined> {
    const row = await queryOne<JoinedCheckpoint>(this.dataSource, unit, FIND_LAST_CHECKPOINT, [])
    return row === undefined ? undefined : checkpointOf(row)
  }

  /** Those after a position, in order. */
  async listCheckpoints(after: number, limit: number): Promise<readonly Checkpoint[]> {
    const rows = await query<JoinedCheckpoint>(this.dataSource, undefined, LIST_CHECKPOINTS, [after, limit])
    return rows.flatMap(row => checkpointOf(row) ?? [])
  }

  /** For the authority. Works on what is kept outside of the database, while no other process of the installation does. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return inTransaction(this.dataSource, async unit => {
      await query(this.dataSource, unit, LOCK, [])
      return work()
    })
  }

  /** The links after a position, in order, each with its event as the log has it now. */
  async listLinks(after: number, limit: number, unit?: Unit): Promise<readonly ChainLink[]> {
    const rows = await query<JoinedLink>(this.dataSource, unit, LIST_LINKS, [after, limit])
    return rows.map(row => ({
      position: row['link.position'],
      seq: row['link.seq'],
      hash: row['link.hash'],
      event: eventOf(row),
      checkpoint: checkpointOf(row)
    }))
  }

  /** The lowest number, up to the given one, of an event without a link. */
  async findUnlinked(upTo: number, unit?: Unit): Promise<number | undefined> {
    return (await queryOne<{ readonly seq: number }>(this.dataSource, unit, FIND_UNLINKED, [upTo]))?.seq
  }

  /** For the console. How far the chain has come, without reading it. */
  async status(unit?: Unit): Promise<ChainStatus> {
    const checkpoint = await this.findLastCheckpoint(unit)
    const values = [checkpoint?.settled ?? 0]
    const row = await queryOne<Omit<ChainStatus, 'checkpoint'>>(this.dataSource, unit, STATUS, values)
    return { linked: row?.linked ?? 0, unlinked: row?.unlinked ?? 0, newest: row?.newest ?? 0, checkpoint }
  }

  /** One state of the log and the chain for everything that is read in it, however long that takes. */
  withSnapshot<T>(work: (unit: Unit) => Promise<T>): Promise<T> {
    return inTransaction(this.dataSource, async unit => {
      await query(this.dataSource, unit, { text: 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY' }, [])
      return work(unit)
    })
  }
}

interface JoinedCheckpoint {
  readonly 'checkpoint.position': number | null
  readonly 'checkpoint.hash': Buffer
  readonly 'checkpoint.settled': number
  readonly 'checkpoint.at': Date
  readonly 'checkpoint.signature': Buffer
  readonly 'checkpoint.key': Buffer
}

interface JoinedLink extends JoinedCheckpoint, Omit<HashedEvent, 'seq'> {
  readonly 'link.position': number
  readonly 'link.seq': number
  readonly 'link.hash': Buffer
  readonly seq: string | null
}

/** The members of the event alone: what is told of a link is what was hashed, and no more. */
function eventOf({
  seq,
  at,
  actor,
  action,
  objectType,
  objectId,
  outcome,
  detail
}: JoinedLink): HashedEvent | undefined {
  return seq === null ? undefined : { seq, at, actor, action, objectType, objectId, outcome, detail }
}

function checkpointOf(row: JoinedCheckpoint): Checkpoint | undefined {
  if (row['checkpoint.position'] === null) return undefined
  return {
    position: row['checkpoint.position'],
    hash: row['checkpoint.hash'],
    settled: row['checkpoint.settled'],
    at: row['checkpoint.at'],
    signature: row['checkpoint.signature'],
    keyId: auditKeyId(row['checkpoint.key'])
  }
}
