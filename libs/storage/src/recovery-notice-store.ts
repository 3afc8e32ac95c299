import type { PrincipalId, RecoveryId } from '@app/core'
import type { DataSource } from 'typeorm'
import { type Page, pageOf } from './page.js'
import type { RecoveryRow } from './recovery-row.js'
import { query, type Statement } from './sql.js'

/** What the owner of a certificate is told of the recovery of its key. */
export interface RecoveryNotice extends Pick<
  RecoveryRow,
  'id' | 'caId' | 'requestId' | 'serialNumber' | 'requesterName' | 'reason' | 'ticket'
> {
  readonly releasedAt: Date
  readonly notifiedAt: Date
}

const LIST: Statement = {
  name: 'recovery_notices',
  text: `
    SELECT r.id, r.ca_id AS "caId", r.request_id AS "requestId", r.serial_number AS "serialNumber",
      r.requester_name AS "requesterName", r.reason, r.ticket, r.released_at AS "releasedAt",
      r.notified_at AS "notifiedAt"
    FROM certkeep.recovery AS r
    WHERE r.owner_id = $1 AND r.notified_at IS NOT NULL AND r.id < $2 ORDER BY r.id DESC LIMIT $3`
}

const LARGEST = 0x7fffffff

/** What owners are told of recoveries of their keys. For the front. */
export class RecoveryNoticeStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Those of one owner, newest first; the cursor is the number of the last one seen. */
  async list(ownerId: PrincipalId, limit: number, cursor?: number): Promise<Page<RecoveryNotice, RecoveryId>> {
    const rows = await query<RecoveryNotice>(this.dataSource, undefined, LIST, [ownerId, cursor ?? LARGEST, limit + 1])
    return pageOf(rows, limit, ({ id }) => id)
  }
}
