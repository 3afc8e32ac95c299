import { AUDIT_ACTIONS, type AuditAction, type AuditObject, type AuditVerb, type HashedEvent } from '@app/audit'
import type { DataSource } from 'typeorm'
import type { AuditDetail, AuditEvent, AuditRow, Because } from './audit-row.js'
import { HASHED } from './audit-columns.js'
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
  readonly action?: AuditAction
  readonly outcome?: AuditEvent['outcome']
  readonly from?: Date
  readonly until?: Date
}

/** An entry on its way out, as the chain has it: every field as the text that is hashed. */
export interface ExportedEvent extends HashedEvent {
  /** Null while it is not linked. */
  readonly position: number | null
  /** Of its link. */
  readonly hash: Buffer | null
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
    const conditions = conditionsOf(filter).add(
      '(e.at, e.seq) < ((SELECT c.at FROM certkeep.audit_event AS c WHERE c.seq = ?), ?::bigint)',
      cursor
    )
    const actions = actionsOf(filter)
    const text = listText(conditions, actions, limit)
    const rows = await query<AuditRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ seq }) => seq)
  }

  /** For the console. The entries after a number in the order of their numbers, with their links. */
  export(filter: AuditFilter, after: number, limit: number): Promise<readonly ExportedEvent[]> {
    const conditions = conditionsOf(filter).add('e.action = ANY (?::text[])', actionsOf(filter)).add('e.seq > ?', after)
    const text = `
      SELECT ${HASHED}, l.position, l.hash
      FROM certkeep.audit_event AS e LEFT JOIN certkeep.audit_link AS l ON l.seq = e.seq
      ${conditions.where()} ORDER BY e.seq LIMIT ${limit}`
    return query<ExportedEvent>(this.dataSource, undefined, { text }, conditions.values)
  }
}

function conditionsOf({ objectType, objectId, actor, outcome, from, until }: AuditFilter): Conditions {
  return new Conditions()
    .add('e.object_type = ?', objectId === undefined ? undefined : objectType)
    .add('e.object_id = ?', objectId)
    .add('e.actor = ?', actor)
    .add('e.outcome = ?', outcome)
    .addText(outcome === undefined || outcome === 'success' ? undefined : `e.outcome <> 'success'`)
    .add('e.at >= ?', from)
    .add('e.at < ?', until)
}

/** The actions that a filter leaves; undefined when it leaves all. A type of objects stands for all of its actions. */
function actionsOf({ action, objectType, objectId }: AuditFilter): readonly string[] | undefined {
  if (action !== undefined) return [action]
  if (objectType === undefined || objectId !== undefined) return undefined
  return Object.keys(AUDIT_ACTIONS).filter(name => name.startsWith(`${objectType}.`))
}

/** Each action has its own place in the index, where its newest entries are found without a look at any other. */
function listText(conditions: Conditions, actions: readonly string[] | undefined, limit: number): string {
  const columns = selectList(auditEntity, 'e')
  const order = 'ORDER BY e.at DESC, e.seq DESC'
  if (actions === undefined) {
    return `SELECT ${columns} FROM certkeep.audit_event AS e ${conditions.where()} ${order} ${conditions.limit(limit)}`
  }
  const named = `$${conditions.values.push(actions)}::text[]`
  const where = conditions.addText('e.action = a.action').where()
  const most = conditions.limit(limit)
  return `
    SELECT ${columns} FROM unnest(${named}) AS a (action)
    CROSS JOIN LATERAL (SELECT * FROM certkeep.audit_event AS e ${where} ${order} ${most}) AS e
    ${order} ${most}`
}

/** The one entry that a change of one object brings with it; add it in the change's own unit. */
export async function appendChange(
  dataSource: DataSource,
  unit: Unit,
  change: Change,
  because: Because
): Promise<void> {
  const { object, id, verb, at, detail = {}, outcome = 'success' } = change
  const event: AuditEvent = {
    at,
    actor: because.actor,
    // An object and one of its verbs, which together are an action.
    action: `${object}.${verb}` as AuditAction,
    objectType: object,
    objectId: String(id),
    outcome,
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
    /** `success` when left out. */
    readonly outcome?: AuditEvent['outcome']
  }
}[AuditObject]
