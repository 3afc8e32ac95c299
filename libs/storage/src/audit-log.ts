import type { AuditAction, AuditObject, AuditVerb } from '@app/audit'
import type { DataSource } from 'typeorm'
import type { AuditDetail, AuditEvent, AuditRow, Because } from './audit-row.js'
import { auditEntity } from './entities.js'
import { selectList } from './entity.js'
import { Conditions, type Page, pageOf } from './page.js'
import { query, type Statement } from './sql.js'
import { storableJson } from './text.js'
import type { Unit } from './unit.js'

/** What a list of audit entries is narrowed by. */
export interface AuditFilter {
  readonly objectType?: AuditObject
  readonly objectId?: string
  readonly actor?: string
  readonly action?: string
  readonly from?: Date
  readonly until?: Date
}

const APPEND: Statement = {
  name: 'audit_append',
  text: `
    INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
    SELECT at, actor, action, "objectType", "objectId", outcome, detail
    FROM json_to_recordset($1::json) AS e (
      at timestamptz, actor text, action text, "objectType" text, "objectId" text, outcome text, detail jsonb)`
}

/**
 * The audit log. Every role adds to it, the console reads it, nobody changes or removes an entry. The stores add the
 * entries of the changes that they make themselves.
 */
export class AuditLog {
  constructor(private readonly dataSource: DataSource) {}

  /** Adds entries for what is no change of a row, all or none. Pass the unit of what they tell of, if there is one. */
  async append(events: readonly AuditEvent[], unit?: Unit): Promise<void> {
    if (events.length === 0) return
    await query(this.dataSource, unit, APPEND, [storableJson(events)])
  }

  /** For the console. Newest first; the cursor is the number of the last entry seen. */
  async list(filter: AuditFilter, limit: number, cursor?: number): Promise<Page<AuditRow, number>> {
    const conditions = new Conditions()
      .add('e.object_type = ?', filter.objectType)
      .add('e.object_id = ?', filter.objectId)
      .add('e.actor = ?', filter.actor)
      .add('e.action = ?', filter.action)
      .add('e.at >= ?', filter.from)
      .add('e.at < ?', filter.until)
      .add('e.seq < ?', cursor)
    const columns = selectList(auditEntity, 'e')
    const text = `SELECT ${columns} FROM certkeep.audit_event AS e ${conditions.where()} ORDER BY e.seq DESC ${conditions.limit(limit)}`
    const rows = await query<AuditRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ seq }) => seq)
  }
}

/** The one entry that a change of one object brings with it; add it in the change's own unit. */
export async function appendChange(
  dataSource: DataSource,
  unit: Unit,
  change: Change,
  because: Because
): Promise<void> {
  const { object, id, verb, at, detail = {} } = change
  const event: AuditEvent = {
    at,
    actor: because.actor,
    // An object and one of its verbs, which together are an action.
    action: `${object}.${verb}` as AuditAction,
    objectType: object,
    objectId: String(id),
    outcome: 'success',
    detail: { ...detail, ...because.detail }
  }
  await query(dataSource, unit, APPEND, [storableJson([event])])
}

/** What changed: an object, and what was done to it as the actions of `AUDIT_ACTIONS` name it. */
export type Change = {
  [Name in AuditObject]: {
    readonly object: Name
    readonly id: string | number
    readonly verb: AuditVerb<Name>
    readonly at: Date
    readonly detail?: AuditDetail
  }
}[AuditObject]
