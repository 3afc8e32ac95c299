import { Injectable } from '@nestjs/common'
import type { PrincipalId } from '@app/core'
import { CaStore, RecoveryNoticeStore } from '@app/storage'
import { serialHexOf } from '@app/x509'
import type { RecoveryNoticesView } from './recovery-notices.schemas.js'

/** What owners are told of recoveries of their keys. */
@Injectable()
export class RecoveryNotices {
  constructor(
    private readonly notices: RecoveryNoticeStore,
    private readonly cas: CaStore
  ) {}

  /** One page of an owner's own, the newest first: those that it is time to tell of. */
  async list(ownerId: PrincipalId, limit: number, cursor: number | undefined): Promise<RecoveryNoticesView> {
    const { rows, next } = await this.notices.list(ownerId, limit, cursor)
    const names = new Map((await this.cas.list()).map(({ id, name }) => [id, name]))
    const items = rows.map(row => ({
      recoveryId: row.id,
      requestId: row.requestId,
      ca: names.get(row.caId) ?? '',
      serialNumber: serialHexOf(row.serialNumber),
      releasedTo: row.requesterName,
      reason: row.reason,
      ticket: row.ticket,
      releasedAt: row.releasedAt.toISOString(),
      toldAt: row.notifiedAt.toISOString()
    }))
    return { items, ...(next === undefined ? {} : { next: String(next) }) }
  }
}
