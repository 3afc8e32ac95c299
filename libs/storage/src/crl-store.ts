import { AppError, type CaId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import type { CrlRow } from './ca-row.js'
import { crlEntity } from './entities.js'
import { selectList } from './entity.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction } from './unit.js'

/** A CRL that is about to be stored. */
export type NewCrl = Omit<CrlRow, 'crl'> & { readonly crl: Uint8Array }

const NEXT: Statement = { text: `SELECT coalesce(max(number), 0) + 1 AS number FROM certkeep.crl WHERE ca_id = $1` }

const ADD: Statement = {
  text: `
    INSERT INTO certkeep.crl (ca_id, number, key_index, crl, this_update, next_update)
    SELECT $1, $2, $3, $4, $5, $6
    WHERE $2 > coalesce((SELECT max(number) FROM certkeep.crl WHERE ca_id = $1), 0)
    RETURNING number`
}

const FIND_LATEST: Statement = {
  name: 'crl_latest',
  text: `
    SELECT ${selectList(crlEntity, 'c')} FROM certkeep.crl AS c
    WHERE c.ca_id = $1 AND c.key_index = coalesce(
      $2::integer, (SELECT max(key_index) FROM certkeep.ca_certificate WHERE ca_id = $1 AND certificate IS NOT NULL))
    ORDER BY c.number DESC LIMIT 1`
}

/** CRLs as they were published. Their numbers only rise. */
export class CrlStore {
  constructor(private readonly dataSource: DataSource) {}

  /** The number for the next CRL. Two callers may get the same; {@link add} takes only one. */
  async nextNumber(caId: CaId): Promise<number> {
    const row = await queryOne<{ readonly number: number }>(this.dataSource, undefined, NEXT, [caId])
    return row?.number ?? 1
  }

  /** Throws `conflict` unless the number is higher than every earlier one of the CA. */
  async add(crl: NewCrl, because: Because): Promise<void> {
    const { caId, number, keyIndex, thisUpdate, nextUpdate } = crl
    await inTransaction(this.dataSource, async unit => {
      const values = [caId, number, keyIndex, crl.crl, thisUpdate, nextUpdate]
      const added = await query(this.dataSource, unit, ADD, values)
      if (added.length === 0) {
        throw new AppError('conflict', `CRL number ${number} is not higher than those before it.`, { number })
      }
      const change = {
        object: 'crl',
        id: number,
        verb: 'published',
        at: thisUpdate,
        detail: { caId, keyIndex }
      } as const
      await appendChange(this.dataSource, unit, change, because)
    })
  }

  /** The one with the highest number, of the CA's newest key unless another is named. */
  findLatest(caId: CaId, keyIndex?: number): Promise<CrlRow | undefined> {
    return queryOne<CrlRow>(this.dataSource, undefined, FIND_LATEST, [caId, keyIndex])
  }
}
