import { AppError } from '@app/core'
import type { DataSource } from 'typeorm'
import { revocationAnswerEntity } from './revocation-answer-entity.js'
import type { RevocationAnswerRow } from './revocation-answer-row.js'
import { selectList } from './entity.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction, type Unit } from './unit.js'

/** What names a message: who sent which bytes to which CA. */
export type MessageOf = Pick<RevocationAnswerRow, 'caId' | 'requesterId'> & { readonly messageDigest: Uint8Array }

/** An answer that is about to be owed. */
export type NewRevocationAnswer = MessageOf &
  Pick<RevocationAnswerRow, 'bodyPartId' | 'createdAt'> & {
    readonly transactionId: Uint8Array | null
    readonly senderNonce: Uint8Array | null
    readonly dataReturn: Uint8Array | null
  }

const ALL = `SELECT ${selectList(revocationAnswerEntity, 'a')} FROM certkeep.revocation_answer AS a`

const FIND: Statement = {
  text: `${ALL} WHERE a.ca_id = $1 AND a.requester_id = $2 AND a.message_digest = $3`
}

const ADD: Statement = {
  text: `
    INSERT INTO certkeep.revocation_answer (
      ca_id, requester_id, message_digest, body_part_id, transaction_id, sender_nonce, data_return, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
}

const CLAIM: Statement = {
  text: `${ALL} WHERE a.full_response IS NULL ORDER BY a.id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED`
}

const SIGN: Statement = {
  text: `UPDATE certkeep.revocation_answer SET full_response = $2 WHERE id = $1 AND full_response IS NULL`
}

/** The answers to CMC messages that revoke. */
export class RevocationAnswerStore {
  constructor(private readonly dataSource: DataSource) {}

  /** The answer to this very message, signed or not. */
  find({ caId, requesterId, messageDigest }: MessageOf): Promise<RevocationAnswerRow | undefined> {
    return queryOne<RevocationAnswerRow>(this.dataSource, undefined, FIND, [caId, requesterId, messageDigest])
  }

  /** For the front, with the revocation itself. Throws `conflict` when the message has its answer. */
  async add(unit: Unit, answer: NewRevocationAnswer): Promise<void> {
    const { caId, requesterId, messageDigest, bodyPartId, transactionId, senderNonce, dataReturn, createdAt } = answer
    const message = [caId, requesterId, messageDigest]
    await query(this.dataSource, unit, ADD, [...message, bodyPartId, transactionId, senderNonce, dataReturn, createdAt])
  }

  /**
   * For the authority. Has up to `limit` answers signed, the oldest first, that nobody else signs meanwhile, and stores
   * them. Gives how many there were and, when `sign` threw for some, the first of these failures: one bad row does not
   * hold back the others, and is taken again at the next call.
   */
  sign(
    limit: number,
    sign: (row: RevocationAnswerRow) => Promise<Uint8Array>
  ): Promise<{ readonly taken: number; readonly failure?: Error }> {
    return inTransaction(this.dataSource, async unit => {
      const rows = await query<RevocationAnswerRow>(this.dataSource, unit, CLAIM, [limit])
      const signed = await Promise.allSettled(rows.map(async row => ({ id: row.id, fullResponse: await sign(row) })))
      for (const one of signed) {
        if (one.status === 'rejected') continue
        const { id, fullResponse } = one.value
        if (fullResponse.length === 0) throw new AppError('internal', 'An answer without content was signed.')
        await query(this.dataSource, unit, SIGN, [id, fullResponse])
      }
      const failed = signed.find(one => one.status === 'rejected')
      return { taken: rows.length, ...(failed === undefined ? {} : { failure: failed.reason as Error }) }
    })
  }
}
