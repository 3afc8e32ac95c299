import type { AgentId, CaId, RecoveryId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import { selectList } from './entity.js'
import { recoveryEntity, recoveryPackageEntity } from './recovery-entities.js'
import type { RecoveryPackageRow, RecoveryRow } from './recovery-row.js'
import { query, type Statement } from './sql.js'
import { inTransaction } from './unit.js'

/** A package that the CA is to sign, with what is signed along and what goes with it. */
export interface PackageToSign extends RecoveryPackageRow, Pick<RecoveryRow, 'caId' | 'requestId' | 'serialNumber'> {
  readonly agentIds: readonly AgentId[]
}

/** What will be signed. */
export interface PackageIntent {
  readonly keyIndex: number
  /** The signed attributes, DER. */
  readonly toSign: Uint8Array
}

const actor = 'role:authority'

const LIST: Statement = {
  name: 'recovery_package_list',
  text: `
    SELECT ${selectList(recoveryPackageEntity, 'k')}, ${selectList(recoveryEntity, 'r', ['caId', 'requestId', 'serialNumber'])},
      ARRAY(SELECT s.agent_id FROM certkeep.recovery_share AS s WHERE s.recovery_id = k.recovery_id ORDER BY 1)
        AS "agentIds"
    FROM certkeep.recovery_package AS k JOIN certkeep.recovery AS r ON r.id = k.recovery_id
    WHERE k.to_be_signed AND k.signed IS NULL AND r.release_until >= $2 AND k.recovery_id > $3
    ORDER BY k.recovery_id LIMIT $1`
}

const INTEND: Statement = {
  text: `
    UPDATE certkeep.recovery_package SET signer_index = $2, to_sign = $3, intended_at = $4
    WHERE recovery_id = $1 AND to_sign IS NULL RETURNING recovery_id`
}

const FINISH: Statement = {
  text: `
    UPDATE certkeep.recovery_package SET signed = $2, signed_at = $3
    WHERE recovery_id = $1 AND to_sign = $4 AND signed IS NULL RETURNING recovery_id`
}

/** The packages that the CA signs. For the authority. What is signed is written down before, and signed once. */
export class RecoveryPackageStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Packages without a signature that can still be fetched, the oldest first; after one of them, when it is given. */
  listUnsigned(limit: number, now: Date, after?: RecoveryId): Promise<readonly PackageToSign[]> {
    return query<PackageToSign>(this.dataSource, undefined, LIST, [limit, now, after ?? 0])
  }

  /** Writes down what will be signed. Whether nobody else had. */
  intend(id: RecoveryId, caId: CaId, { keyIndex, toSign }: PackageIntent, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      if ((await query(this.dataSource, unit, INTEND, [id, keyIndex, toSign, now])).length !== 1) return false
      const detail = { caId, keyIndex }
      const change = { object: 'recovery', id, verb: 'package_intended', at: now, detail } as const
      await appendChange(this.dataSource, unit, change, { actor })
      return true
    })
  }

  /** Stores what was signed as it was meant. Whether nobody else had. */
  finish(id: RecoveryId, toSign: Uint8Array, signed: Uint8Array, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      if ((await query(this.dataSource, unit, FINISH, [id, signed, now, toSign])).length !== 1) return false
      const change = { object: 'recovery', id, verb: 'package_signed', at: now } as const
      await appendChange(this.dataSource, unit, change, { actor })
      return true
    })
  }
}
