import type { CaId, PrincipalId, RequestId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import type { KeyPurgeItem, KeyPurgeRow, PurgeableKey } from './key-purge-row.js'
import { Conditions, type Page, pageOf } from './page.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableText } from './text.js'
import { inTransaction } from './unit.js'

/** Who acts on a purge. */
export interface PurgeActor {
  readonly id: PrincipalId
  readonly name: string
}

const PURGEABLE: Statement = {
  text: `
    SELECT request_id AS "requestId", subject, serial_number AS "serialNumber", template_name AS "templateName",
           not_after AS "notAfter"
    FROM certkeep.purgeable_keys($1, $2, $3, NULL) ORDER BY not_after, request_id LIMIT $4`
}

const COUNT: Statement = { text: 'SELECT count(*)::integer AS keys FROM certkeep.purgeable_keys($1, $2, $3, NULL)' }

const PROPOSE: Statement = {
  text: `
    INSERT INTO certkeep.key_purge (ca_id, state, template_name, reason, keys, proposed_by, proposed_by_name, proposed_at)
    VALUES ($1, 'proposed', $2, $3, $4, $5, $6, $7) RETURNING id`
}

const ADD_ITEMS: Statement = {
  text: `
    INSERT INTO certkeep.key_purge_item (purge_id, request_id, state) SELECT $1, unnest($2::integer[]), 'due'`
}

const APPROVE: Statement = {
  text: `
    UPDATE certkeep.key_purge SET state = 'approved', approved_by = $2, approved_by_name = $3, approved_at = $4
    WHERE id = $1 AND state = 'proposed' RETURNING id`
}

const CANCEL: Statement = {
  text: `
    UPDATE certkeep.key_purge SET state = 'cancelled', cancelled_by_name = $2, cancelled_at = $3
    WHERE id = $1 AND state IN ('proposed', 'approved') RETURNING id`
}

const RUN: Statement = { name: 'key_purge_run', text: 'SELECT certkeep.run_key_purge($1, $2) AS looked' }

const PURGE = `
  SELECT p.id, p.ca_id AS "caId", p.state, p.template_name AS "templateName", p.reason, p.keys,
         p.proposed_by AS "proposedBy", p.proposed_by_name AS "proposedByName", p.proposed_at AS "proposedAt",
         p.approved_by_name AS "approvedByName", p.approved_at AS "approvedAt",
         p.cancelled_by_name AS "cancelledByName", p.cancelled_at AS "cancelledAt", p.completed_at AS "completedAt",
         i.purged, i.kept
  FROM certkeep.key_purge AS p CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'purged')::integer AS purged,
           count(*) FILTER (WHERE state = 'kept')::integer AS kept
    FROM certkeep.key_purge_item WHERE purge_id = p.id) AS i`

/** Purges of archived keys. The database sees to it that two people are in each, and that nothing else erases a key. */
export class KeyPurgeStore {
  constructor(private readonly dataSource: DataSource) {}

  /** For the console. The keys that may go, those whose certificates ended first before the others. */
  listPurgeable(
    of: { readonly caId: CaId; readonly templateName: string | null },
    now: Date,
    limit: number
  ): Promise<readonly PurgeableKey[]> {
    return query<PurgeableKey>(this.dataSource, undefined, PURGEABLE, [of.caId, of.templateName, now, limit])
  }

  /** For the console. How many there are of them. */
  async countPurgeable(of: { readonly caId: CaId; readonly templateName: string | null }, now: Date): Promise<number> {
    const values = [of.caId, of.templateName, now]
    return (await queryOne<{ readonly keys: number }>(this.dataSource, undefined, COUNT, values))?.keys ?? 0
  }

  /** For the console. Proposes a purge of these very keys. */
  propose(
    purge: Pick<KeyPurgeRow, 'caId' | 'templateName' | 'reason'>,
    ids: readonly RequestId[],
    by: PurgeActor,
    now: Date
  ): Promise<number> {
    return inTransaction(this.dataSource, async unit => {
      const { caId, templateName, reason } = purge
      const values = [caId, templateName, storableText(reason), ids.length, by.id, by.name, now]
      const row = await queryOne<{ readonly id: number }>(this.dataSource, unit, PROPOSE, values)
      const id = row?.id ?? 0
      await query(this.dataSource, unit, ADD_ITEMS, [id, ids])
      const detail = { caId, template: templateName, keys: ids.length, reason }
      const change = { object: 'key_purge', id, verb: 'proposed', at: now, detail } as const
      await appendChange(this.dataSource, unit, change, { actor: by.name })
      return id
    })
  }

  /** For the console. Whether it was proposed still. That it is another who approves, the database demands. */
  approve(id: number, by: PurgeActor, now: Date): Promise<boolean> {
    return this.end(APPROVE, [id, by.id, by.name, now], { id, verb: 'approved', at: now }, { actor: by.name })
  }

  /** For the console. Whether there was something to cancel; what was purged by then stays so. */
  cancel(id: number, because: Because, now: Date): Promise<boolean> {
    return this.end(CANCEL, [id, because.actor, now], { id, verb: 'cancelled', at: now }, because)
  }

  /** For the archive. Purges up to `most` keys of approved purges. Gives how many it looked at. */
  async run(most: number, now: Date): Promise<number> {
    return (await queryOne<{ readonly looked: number }>(this.dataSource, undefined, RUN, [most, now]))?.looked ?? 0
  }

  find(id: number): Promise<KeyPurgeRow | undefined> {
    return queryOne<KeyPurgeRow>(this.dataSource, undefined, { text: `${PURGE} WHERE p.id = $1` }, [id])
  }

  /** The newest first; the cursor is an id. */
  async list(
    filter: { readonly caIds: readonly CaId[]; readonly state?: KeyPurgeRow['state'] },
    limit: number,
    cursor?: number
  ): Promise<Page<KeyPurgeRow, number>> {
    const conditions = new Conditions()
      .add('p.ca_id = ANY (?)', filter.caIds)
      .add('p.state = ?', filter.state)
      .add('p.id < ?', cursor)
    const text = `${PURGE} ${conditions.where()} ORDER BY p.id DESC ${conditions.limit(limit)}`
    const rows = await query<KeyPurgeRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }

  /** The keys of a purge by the numbers of their requests; the cursor is one. */
  async listItems(purgeId: number, limit: number, cursor?: number): Promise<Page<KeyPurgeItem, number>> {
    const conditions = new Conditions().add('i.purge_id = ?', purgeId).add('i.request_id > ?', cursor)
    const text = `
      SELECT i.request_id AS "requestId", i.state, i.key_hash AS "keyHash", i.why, i.decided_at AS "decidedAt"
      FROM certkeep.key_purge_item AS i ${conditions.where()} ORDER BY i.request_id ${conditions.limit(limit)}`
    const rows = await query<KeyPurgeItem>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ requestId }) => requestId)
  }

  private end(
    statement: Statement,
    values: readonly unknown[],
    change: { readonly id: number; readonly verb: 'approved' | 'cancelled'; readonly at: Date },
    because: Because
  ): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      if ((await query(this.dataSource, unit, statement, values)).length !== 1) return false
      await appendChange(this.dataSource, unit, { object: 'key_purge', ...change }, because)
      return true
    })
  }
}
