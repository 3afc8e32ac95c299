import type { CaId, RequestId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import type { KeyHoldRow, RetentionPolicyRow } from './key-purge-row.js'
import { Conditions, type Page, pageOf } from './page.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableText } from './text.js'
import { inTransaction } from './unit.js'

const LIST_POLICIES: Statement = {
  text: `
    SELECT ca_id AS "caId", nullif(template_name, '') AS "templateName", days, set_by AS "setBy", set_at AS "setAt"
    FROM certkeep.retention_policy ORDER BY ca_id, template_name`
}

const SET_POLICY: Statement = {
  text: `
    INSERT INTO certkeep.retention_policy (ca_id, template_name, days, set_by, set_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (ca_id, lower(template_name))
    DO UPDATE SET days = excluded.days, set_by = excluded.set_by, set_at = excluded.set_at`
}

const REMOVE_POLICY: Statement = {
  text: 'DELETE FROM certkeep.retention_policy WHERE ca_id = $1 AND lower(template_name) = lower($2) RETURNING days'
}

const HOLD = `
  SELECT h.id, h.request_id AS "requestId", h.reason, h.placed_by AS "placedBy", h.placed_at AS "placedAt",
         h.lifted_by AS "liftedBy", h.lifted_at AS "liftedAt"
  FROM certkeep.key_hold AS h`

const PLACE: Statement = {
  text: 'INSERT INTO certkeep.key_hold (id, request_id, reason, placed_by, placed_at) VALUES ($1, $2, $3, $4, $5)'
}

const LIFT: Statement = {
  text: `
    UPDATE certkeep.key_hold SET lifted_by = $2, lifted_at = $3
    WHERE request_id = $1 AND lifted_at IS NULL RETURNING id`
}

/** For the console: how long archived keys are kept, and which are kept longer. */
export class RetentionStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Of every CA. */
  listPolicies(): Promise<readonly RetentionPolicyRow[]> {
    return query<RetentionPolicyRow>(this.dataSource, undefined, LIST_POLICIES, [])
  }

  /** Sets how long the keys of a template are kept; null for those of every template without a policy of its own. */
  async setPolicy(
    policy: Pick<RetentionPolicyRow, 'caId' | 'templateName' | 'days'>,
    because: Because,
    now: Date
  ): Promise<void> {
    const { caId, templateName, days } = policy
    await inTransaction(this.dataSource, async unit => {
      await query(this.dataSource, unit, SET_POLICY, [caId, templateName ?? '', days, because.actor, now])
      const detail = { template: templateName, days }
      const change = { object: 'retention_policy', id: caId, verb: 'set', at: now, detail } as const
      await appendChange(this.dataSource, unit, change, because)
    })
  }

  /** Without a policy keys are kept for good. Whether there was one. */
  removePolicy(caId: CaId, templateName: string | null, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const removed = await query(this.dataSource, unit, REMOVE_POLICY, [caId, templateName ?? ''])
      if (removed.length === 0) return false
      const detail = { template: templateName }
      const change = { object: 'retention_policy', id: caId, verb: 'removed', at: now, detail } as const
      await appendChange(this.dataSource, unit, change, because)
      return true
    })
  }

  /** Throws `conflict` when the key is held already. */
  async placeHold(hold: Pick<KeyHoldRow, 'id' | 'requestId' | 'reason'>, because: Because, now: Date): Promise<void> {
    const { id, requestId, reason } = hold
    await inTransaction(this.dataSource, async unit => {
      await query(this.dataSource, unit, PLACE, [id, requestId, storableText(reason), because.actor, now])
      const detail = { requestId, reason }
      const change = { object: 'key_hold', id, verb: 'placed', at: now, detail } as const
      await appendChange(this.dataSource, unit, change, because)
    })
  }

  /** Whether the key was held. */
  liftHold(requestId: RequestId, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const lifted = await queryOne<{ readonly id: string }>(this.dataSource, unit, LIFT, [
        requestId,
        because.actor,
        now
      ])
      if (lifted === undefined) return false
      const change = { object: 'key_hold', id: lifted.id, verb: 'lifted', at: now, detail: { requestId } } as const
      await appendChange(this.dataSource, unit, change, because)
      return true
    })
  }

  /** Those that stand, and with `all` those that were lifted too; the newest first. The cursor is an id. */
  async listHolds(
    filter: { readonly caIds: readonly CaId[]; readonly all: boolean },
    limit: number,
    cursor?: string
  ): Promise<Page<KeyHoldRow, string>> {
    const conditions = new Conditions()
      .add('EXISTS (SELECT FROM certkeep.request AS r WHERE r.id = h.request_id AND r.ca_id = ANY (?))', filter.caIds)
      .addText(filter.all ? undefined : 'h.lifted_at IS NULL')
      .add('(h.placed_at, h.id) < (SELECT placed_at, id FROM certkeep.key_hold WHERE id = ?)', cursor)
    const text = `${HOLD} ${conditions.where()} ORDER BY h.placed_at DESC, h.id DESC ${conditions.limit(limit)}`
    const rows = await query<KeyHoldRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }
}
