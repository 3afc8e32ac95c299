import { AppError, type AgentId, type RecoveryId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { AuditDetail, Because } from './audit-row.js'
import { selectList } from './entity.js'
import { Conditions, type Page, pageOf } from './page.js'
import {
  recoveryApprovalEntity,
  recoveryEntity,
  recoveryPackageEntity,
  recoveryShareEntity
} from './recovery-entities.js'
import type {
  FoundRecovery,
  NewRecovery,
  NewRecoveryApproval,
  RecoveryApprovalRow,
  RecoveryFilter,
  RecoveryPackageRow,
  RecoveryRow,
  RecoveryShareRow,
  RecoveryState,
  ReleaseWindow
} from './recovery-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableText } from './text.js'
import { type Unit, within } from './unit.js'

const COLUMNS = `
  ${selectList(recoveryEntity, 'r')}, coalesce(c.subject, m.subject, '') AS subject, p.domain, p.account_name AS "accountName",
  cardinality(coalesce(r.counted_agents, certkeep.counted_agents(r.id, now()))) AS given`

const FROM = `
  FROM certkeep.recovery AS r
  LEFT JOIN certkeep.certificate AS c
    ON c.ca_id = r.ca_id AND c.serial_number = r.serial_number AND c.request_id = r.request_id
  LEFT JOIN certkeep.imported_certificate AS m ON m.request_id = r.request_id
  LEFT JOIN certkeep.principal AS p ON p.id = r.owner_id`

const FIND: Statement = { name: 'recovery_find', text: `SELECT ${COLUMNS} ${FROM} WHERE r.id = $1` }

const IS_PREPARED: Statement = {
  name: 'recovery_is_prepared',
  text: 'SELECT prepared_at IS NOT NULL AS prepared FROM certkeep.recovery WHERE id = $1'
}

const LOCK: Statement = {
  name: 'recovery_lock',
  text: `SELECT ${selectList(recoveryEntity, 'r')} FROM certkeep.recovery AS r WHERE r.id = $1 FOR NO KEY UPDATE`
}

const REQUEST: Statement = {
  text: `
    INSERT INTO certkeep.recovery (ca_id, request_id, serial_number, owner_id, state, requester_id, requester_name, reason,
      ticket, recipient, requested_at, expires_at)
    VALUES ($1, $2, $3, $4, 'requested', $5, $6, $7, $8, $9, $10, $11) RETURNING id, mode, quorum`
}

const SHARES: Statement = {
  text: `
    SELECT ${selectList(recoveryShareEntity, 's', ['recoveryId', 'agentId', 'preparedAt'])}
    FROM certkeep.recovery_share AS s WHERE s.recovery_id = $1 ORDER BY s.agent_id`
}

const SHARE: Statement = {
  text: `
    SELECT ${selectList(recoveryShareEntity, 's')} FROM certkeep.recovery_share AS s
    WHERE s.recovery_id = $1 AND s.agent_id = $2`
}

const APPROVALS: Statement = {
  text: `
    SELECT ${selectList(recoveryApprovalEntity, 'a')} FROM certkeep.recovery_approval AS a
    WHERE a.recovery_id = $1 ORDER BY a.at, a.agent_id`
}

const COUNTED: Statement = {
  text: 'SELECT certkeep.counted_agents($1, $2) AS "agentIds"'
}

const APPROVE: Statement = {
  text: `
    INSERT INTO certkeep.recovery_approval (recovery_id, agent_id, principal_id, principal_name, at, transferred)
    VALUES ($1, $2, $3, $4, $5, $6)`
}

const MOVE_TO_APPROVED: Statement = {
  text: `
    UPDATE certkeep.recovery SET state = 'approved', approved_at = $2, release_until = $3
    WHERE id = $1 AND state = 'requested' RETURNING id`
}

const RELEASE: Statement = {
  text: `
    UPDATE certkeep.recovery SET state = 'released', released_at = $2, notify_at = $3
    WHERE id = $1 AND state = 'approved' RETURNING counted_agents AS "agentIds"`
}

const CLOSE: Statement = {
  text: `
    UPDATE certkeep.recovery SET state = $2, closed_at = $3, closed_by = $4, close_reason = $5
    WHERE id = $1 AND state IN ('requested', 'approved') RETURNING id`
}

const PACKAGE: Statement = {
  text: `
    SELECT ${selectList(recoveryPackageEntity, 'k')} FROM certkeep.recovery_package AS k WHERE k.recovery_id = $1`
}

/** Recoveries, for the console. What a rule of the database forbids throws `internal`: it is judged before. */
export class RecoveryStore {
  constructor(private readonly dataSource: DataSource) {}

  find(id: RecoveryId): Promise<FoundRecovery | undefined> {
    return queryOne<FoundRecovery>(this.dataSource, undefined, FIND, [id])
  }

  /** Whether the agents have been given what they approve with; cheap enough to be asked again and again. */
  async isPrepared(id: RecoveryId): Promise<boolean> {
    const row = await queryOne<{ readonly prepared: boolean }>(this.dataSource, undefined, IS_PREPARED, [id])
    return row?.prepared ?? false
  }

  /** The recovery, which nobody else changes or approves until the unit ends. Throws `not_found`. */
  async lock(unit: Unit, id: RecoveryId): Promise<RecoveryRow> {
    const row = await queryOne<RecoveryRow>(this.dataSource, unit, LOCK, [id])
    if (row === undefined) throw new AppError('not_found', `There is no recovery ${id}.`, { recoveryId: id })
    return row
  }

  /** Newest first; the cursor is the number of the last one seen. */
  async list(filter: RecoveryFilter, limit: number, cursor?: RecoveryId): Promise<Page<FoundRecovery, RecoveryId>> {
    const conditions = new Conditions()
      .add('r.ca_id = ANY (?::integer[])', filter.caIds)
      .add('r.state = ?', filter.state)
      .add('r.request_id = ?', filter.requestId)
      .add('r.id < ?', cursor)
      .add(
        `(r.requester_id = ? OR (r.state IN ('requested', 'approved') AND EXISTS (
          SELECT FROM certkeep.recovery_share AS s JOIN certkeep.recovery_agent AS g ON g.id = s.agent_id
          WHERE s.recovery_id = r.id AND g.principal_id = ?)))`,
        filter.concerning
      )
    const text = `SELECT ${COLUMNS} ${FROM} ${conditions.where()} ORDER BY r.id DESC ${conditions.limit(limit)}`
    const rows = await query<FoundRecovery>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }

  /** Which agents something is prepared for, without what it is. */
  listShares(id: RecoveryId): Promise<readonly Pick<RecoveryShareRow, 'recoveryId' | 'agentId' | 'preparedAt'>[]> {
    return query(this.dataSource, undefined, SHARES, [id])
  }

  findShare(id: RecoveryId, agentId: AgentId): Promise<RecoveryShareRow | undefined> {
    return queryOne<RecoveryShareRow>(this.dataSource, undefined, SHARE, [id, agentId])
  }

  /** In the order they were given. */
  listApprovals(id: RecoveryId, unit?: Unit): Promise<readonly RecoveryApprovalRow[]> {
    return query<RecoveryApprovalRow>(this.dataSource, unit, APPROVALS, [id])
  }

  /** The agents whose approvals count at a time: still in use, and still of people who may. */
  async listCounted(id: RecoveryId, at: Date, unit?: Unit): Promise<readonly AgentId[]> {
    const row = await queryOne<{ readonly agentIds: AgentId[] }>(this.dataSource, unit, COUNTED, [id, at])
    return row?.agentIds ?? []
  }

  findPackage(id: RecoveryId): Promise<RecoveryPackageRow | undefined> {
    return queryOne<RecoveryPackageRow>(this.dataSource, undefined, PACKAGE, [id])
  }

  /** How many there are in each state that has any. */
  async countByState(): Promise<ReadonlyMap<RecoveryState, number>> {
    const text = 'SELECT state, count(*)::integer AS count FROM certkeep.recovery GROUP BY state'
    const rows = await query<{ readonly state: RecoveryState; readonly count: number }>(
      this.dataSource,
      undefined,
      { text },
      []
    )
    return new Map(rows.map(({ state, count }) => [state, count]))
  }

  /** Begins a recovery. */
  request(recovery: NewRecovery, because: Because): Promise<RecoveryId> {
    return within(this.dataSource, undefined, async unit => {
      const { requestId, requestedAt } = recovery
      const reason = storableText(recovery.reason)
      const ticket = storableText(recovery.ticket)
      const values = [
        recovery.caId,
        requestId,
        recovery.serialNumber,
        recovery.ownerId,
        recovery.requesterId,
        recovery.requesterName,
        reason,
        ticket,
        recovery.recipient,
        requestedAt,
        recovery.expiresAt
      ]
      const row = await queryOne<Pick<RecoveryRow, 'id' | 'mode' | 'quorum'>>(this.dataSource, unit, REQUEST, values)
      if (row === undefined) throw new AppError('internal', 'A recovery was not stored.')
      const { id, mode, quorum } = row
      await this.append(unit, id, 'requested', requestedAt, { requestId, mode, quorum, reason, ticket }, because)
      return id
    })
  }

  /** Gives an approval that does not suffice, or none is needed any more. Throws `conflict` for a second one of a person. */
  async giveApproval(unit: Unit, approval: NewRecoveryApproval, detail: AuditDetail, because: Because): Promise<void> {
    await this.record(unit, approval)
    const { recoveryId, agentId, at } = approval
    await this.append(unit, recoveryId, 'approval_given', at, { agentId, ...detail }, because)
  }

  /** Gives the approval with which there are enough, and opens the window. Whether the recovery waited for it. */
  async approve(
    unit: Unit,
    approval: NewRecoveryApproval,
    { releaseUntil }: ReleaseWindow,
    because: Because
  ): Promise<boolean> {
    await this.record(unit, approval)
    const { recoveryId, agentId, at } = approval
    const moved = await query(this.dataSource, unit, MOVE_TO_APPROVED, [recoveryId, at, releaseUntil])
    if (moved.length !== 1) return false
    const detail = { agentId, releaseUntil: releaseUntil.toISOString() }
    await this.append(unit, recoveryId, 'approved', at, detail, because)
    return true
  }

  /**
   * Opens the window of a recovery whose approvals suffice without a further one, as those that had ceased to count count
   * again. Whether it waited for that. The database refuses it with `internal` when they do not suffice.
   */
  async openWindow(
    unit: Unit,
    id: RecoveryId,
    at: Date,
    { releaseUntil }: ReleaseWindow,
    because: Because
  ): Promise<boolean> {
    if ((await query(this.dataSource, unit, MOVE_TO_APPROVED, [id, at, releaseUntil])).length !== 1) return false
    await this.append(unit, id, 'approved', at, { releaseUntil: releaseUntil.toISOString() }, because)
    return true
  }

  /**
   * Releases an approved recovery: once, and only while enough of its approvals count, whose people and agents stay as
   * they are until the unit ends. Whether it was there to release.
   */
  async release(unit: Unit, id: RecoveryId, at: Date, notifyAt: Date, because: Because): Promise<boolean> {
    const row = await queryOne<{ readonly agentIds: AgentId[] }>(this.dataSource, unit, RELEASE, [id, at, notifyAt])
    if (row === undefined) return false
    await this.append(unit, id, 'released', at, { agentIds: row.agentIds.map(String) }, because)
    return true
  }

  /** Ends a recovery that is neither released nor ended, for good. Whether it was one. */
  close(
    id: RecoveryId,
    { state, reason }: { readonly state: 'refused' | 'withdrawn'; readonly reason?: string },
    because: Because,
    now: Date
  ): Promise<boolean> {
    return within(this.dataSource, undefined, async unit => {
      const told = reason === undefined ? null : storableText(reason)
      const closed = await query(this.dataSource, unit, CLOSE, [id, state, now, because.actor, told])
      if (closed.length !== 1) return false
      await this.append(unit, id, state, now, told === null ? {} : { reason: told }, because)
      return true
    })
  }

  private async record(unit: Unit, approval: NewRecoveryApproval): Promise<void> {
    const { recoveryId, agentId, principalId, principalName, at, transferred } = approval
    const values = [recoveryId, agentId, principalId, principalName, at, transferred]
    await query(this.dataSource, unit, APPROVE, values)
  }

  private append(
    unit: Unit,
    id: RecoveryId,
    verb: 'requested' | 'approval_given' | 'approved' | 'released' | 'refused' | 'withdrawn',
    at: Date,
    detail: AuditDetail,
    because: Because
  ): Promise<void> {
    return appendChange(this.dataSource, unit, { object: 'recovery', id, verb, at, detail }, because)
  }
}
