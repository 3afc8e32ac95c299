import { AppError, type PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction } from './unit.js'

/** A key that the server holds for an account. */
export interface MessageKeyRow {
  readonly id: string
  readonly principalId: PrincipalId
  /** What its certificate is to be. */
  readonly kind: 'internal' | 'external'
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer
  /** Its name in the key store. */
  readonly reference: string
  readonly createdAt: Date
}

/** A key that is about to be kept, with the key file as its store has sealed it. */
export interface NewMessageKey extends Omit<MessageKeyRow, 'publicKey'> {
  readonly publicKey: Uint8Array
  readonly sealedKey: Uint8Array
}

const LIST: Statement = {
  text: `
    SELECT k.id, k.principal_id AS "principalId", k.kind, k.public_key AS "publicKey", k.reference,
      k.created_at AS "createdAt"
    FROM certkeep.message_key AS k WHERE k.principal_id = $1 ORDER BY k.created_at, k.id`
}

const CONTENT: Statement = { text: 'SELECT sealed_key AS content FROM certkeep.message_key WHERE reference = $1' }

/** Whoever adds a key waits for others of the account, so that none is over the limit. */
const LOCK: Statement = { text: `SELECT pg_advisory_xact_lock(hashtextextended('message_key' || $1, 0))` }

const COUNT: Statement = {
  text: 'SELECT count(*)::integer AS count FROM certkeep.message_key WHERE principal_id = $1'
}

const INSERT: Statement = {
  text: `
    INSERT INTO certkeep.message_key (id, principal_id, kind, public_key, reference, sealed_key, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)`
}

const DELETE: Statement = {
  text: 'DELETE FROM certkeep.message_key WHERE id = $1 AND principal_id = $2 RETURNING kind'
}

/** The keys that the server holds for accounts to sign messages with, sealed by its key store. For the front alone. */
export class MessageKeyStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Those of an account, the oldest first, without what is sealed. */
  list(principalId: PrincipalId): Promise<readonly MessageKeyRow[]> {
    return query<MessageKeyRow>(this.dataSource, undefined, LIST, [principalId])
  }

  /** The sealed key file of a reference. */
  async findSealed(reference: string): Promise<Buffer | undefined> {
    return (await queryOne<{ readonly content: Buffer }>(this.dataSource, undefined, CONTENT, [reference]))?.content
  }

  /** Keeps a key. Throws `MQ_ERROR_INSUFFICIENT_RESOURCES` when the account has `most` already. */
  add(key: NewMessageKey, most: number, because: Because): Promise<void> {
    const { id, principalId, kind, publicKey, reference, sealedKey, createdAt: at } = key
    return inTransaction(this.dataSource, async unit => {
      await query(this.dataSource, unit, LOCK, [principalId])
      const held = await queryOne<{ readonly count: number }>(this.dataSource, unit, COUNT, [principalId])
      if ((held?.count ?? 0) >= most) {
        throw new AppError('MQ_ERROR_INSUFFICIENT_RESOURCES', `The server holds ${most} keys of the account: no more.`)
      }
      const bytes = [Buffer.from(publicKey), reference, Buffer.from(sealedKey)]
      await query(this.dataSource, unit, INSERT, [id, principalId, kind, ...bytes, at])
      const detail = { principalId, kind }
      await appendChange(this.dataSource, unit, { object: 'message_key', id, verb: 'generated', at, detail }, because)
    })
  }

  /** Destroys a key of an account, and with it the contexts that sign with it. Whether it was there. */
  remove(principalId: PrincipalId, id: string, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const removed = await queryOne<{ readonly kind: string }>(this.dataSource, unit, DELETE, [id, principalId])
      if (removed === undefined) return false
      const detail = { principalId, ...removed }
      const change = { object: 'message_key', id, verb: 'destroyed', at: now, detail } as const
      await appendChange(this.dataSource, unit, change, because)
      return true
    })
  }
}
