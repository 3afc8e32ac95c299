import { AppError, type RequestId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { AuditDetail } from './audit-row.js'
import {
  type DecisionRow,
  type EditRow,
  type NewDecision,
  type NewEdit,
  REQUEST_DECISION_COLUMNS,
  type RequestToDecide
} from './decision-row.js'
import { decisionEntity, editEntity, requestEntity } from './entities.js'
import { selectList } from './entity.js'
import { moveRequests, type RequestMove } from './request-moves.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableText } from './text.js'
import type { Unit } from './unit.js'

const TO_DECIDE = `
  SELECT ${selectList(requestEntity, 'r', REQUEST_DECISION_COLUMNS)},
    certkeep.is_request_whole(r.id) AS "isWhole",
    (SELECT t.approvals FROM certkeep.template AS t WHERE t.id = r.template_id) AS approvals
  FROM certkeep.request AS r WHERE r.id = $1`

const FIND: Statement = { name: 'decision_find_request', text: TO_DECIDE }
const LOCK: Statement = { name: 'decision_lock_request', text: `${TO_DECIDE} FOR NO KEY UPDATE` }

const LIST: Statement = {
  name: 'decision_list',
  text: `SELECT ${selectList(decisionEntity, 'd')} FROM certkeep.request_decision AS d WHERE d.request_id = $1 ORDER BY d.id`
}

const EDITS: Statement = {
  name: 'decision_edits',
  text: `
    SELECT d.request_id AS "requestId", ${selectList(editEntity, 'e')}
    FROM certkeep.request_decision AS d
    JOIN certkeep.request AS r ON r.id = d.request_id AND r.round = d.round
    JOIN certkeep.request_edit AS e ON e.decision_id = d.id
    WHERE d.request_id = ANY ($1::integer[]) AND d.kind = 'edit'
    ORDER BY d.id, e.kind, e.name`
}

const ALL_EDITS: Statement = {
  text: `
    SELECT ${selectList(editEntity, 'e')} FROM certkeep.request_edit AS e
    JOIN certkeep.request_decision AS d ON d.id = e.decision_id
    WHERE d.request_id = $1 ORDER BY e.decision_id, e.kind, e.name`
}

const RECORD: Statement = {
  name: 'decision_record',
  text: `
    INSERT INTO certkeep.request_decision (request_id, round, kind, principal_id, principal_name, at, reason)
    VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`
}

const RECORD_EDIT: Statement = {
  text: `
    INSERT INTO certkeep.request_edit (decision_id, kind, name, attribute_value, extension_value, critical, disabled)
    VALUES ($1, $2, $3, $4, $5, $6, $7)`
}

/**
 * Decisions on requests, for the console. They are added and stay as they are. Each brings exactly one audit event with
 * it: its own, or that of the move which it causes.
 */
export class DecisionStore {
  constructor(private readonly dataSource: DataSource) {}

  /** The request as it is now. */
  find(id: RequestId): Promise<RequestToDecide | undefined> {
    return queryOne<RequestToDecide>(this.dataSource, undefined, FIND, [id])
  }

  /**
   * The request, which nobody else changes until the unit ends: who locks it then sees what was decided in it. Throws
   * `not_found`.
   */
  async lock(unit: Unit, id: RequestId): Promise<RequestToDecide> {
    const row = await queryOne<RequestToDecide>(this.dataSource, unit, LOCK, [id])
    if (row === undefined) throw new AppError('not_found', `There is no request ${id}.`, { requestId: id })
    return row
  }

  /** Every decision on a request, in all of its rounds, in the order they were made. */
  list(id: RequestId, unit?: Unit): Promise<readonly DecisionRow[]> {
    return query<DecisionRow>(this.dataSource, unit, LIST, [id])
  }

  /** Every edit of a request, in all of its rounds, in the order they were made. */
  listEdits(id: RequestId): Promise<readonly EditRow[]> {
    return query<EditRow>(this.dataSource, undefined, ALL_EDITS, [id])
  }

  /** The edits of these requests in their present rounds, in the order they were made; none where there are none. */
  async findEdits(ids: readonly RequestId[], unit?: Unit): Promise<ReadonlyMap<RequestId, readonly EditRow[]>> {
    if (ids.length === 0) return new Map()
    const rows = await query<EditRow & { readonly requestId: RequestId }>(this.dataSource, unit, EDITS, [ids])
    const edits = new Map<RequestId, EditRow[]>()
    for (const { requestId, ...edit } of rows) edits.set(requestId, [...(edits.get(requestId) ?? []), edit])
    return edits
  }

  /** Records an approval that does not suffice yet, with its event. */
  async giveApproval(unit: Unit, decision: NewDecision, detail: AuditDetail): Promise<void> {
    await this.record(unit, decision)
    await this.append(unit, decision, 'approval_given', detail)
  }

  /** Records what an officer puts into a pending request, with its event. All edits are of one kind. */
  async edit(unit: Unit, decision: NewDecision, edits: readonly NewEdit[]): Promise<void> {
    const id = await this.record(unit, decision)
    for (const { kind, name, attributeValue, extensionValue, critical, disabled } of edits) {
      const value = attributeValue === null ? null : storableText(attributeValue)
      const values = [id, kind, storableText(name), value, extensionValue, critical, disabled]
      await query(this.dataSource, unit, RECORD_EDIT, values)
    }
    const isOfAttributes = edits.every(({ kind }) => kind === 'attribute')
    const names = edits.map(({ name }) => storableText(name))
    await this.append(unit, decision, isOfAttributes ? 'attributes_set' : 'extensions_set', { names })
  }

  /** Records a decision together with the move that it causes, whose event is the one of both. Whether it moved. */
  async decide(unit: Unit, decision: NewDecision, move: RequestMove): Promise<boolean> {
    await this.record(unit, decision)
    return (await moveRequests(this.dataSource, unit, [move], decision.at)).has(move.id)
  }

  private async record(unit: Unit, decision: NewDecision): Promise<number> {
    const { requestId, round, kind, principalId, principalName, at, reason } = decision
    const values = [
      requestId,
      round,
      kind,
      principalId,
      principalName,
      at,
      reason === null ? null : storableText(reason)
    ]
    const row = await queryOne<{ readonly id: number }>(this.dataSource, unit, RECORD, values)
    return row?.id ?? 0
  }

  private append(
    unit: Unit,
    { requestId, round, principalName, at, reason }: NewDecision,
    verb: 'approval_given' | 'attributes_set' | 'extensions_set',
    detail: AuditDetail
  ): Promise<void> {
    const given = reason === null ? {} : { reason: storableText(reason) }
    const change = { object: 'request', id: requestId, verb, at, detail: { round, ...detail, ...given } } as const
    return appendChange(this.dataSource, unit, change, { actor: principalName })
  }
}
