import type { AgentId, RecoveryId, RequestId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { RecoveryRow } from './recovery-row.js'
import { query, type Statement } from './sql.js'
import type { Unit } from './unit.js'

/** A recovery that something is to be prepared for. */
export type RecoveryToPrepare = Pick<RecoveryRow, 'id' | 'requestId' | 'mode'> & {
  /** The agents that the key is sealed to and nothing is prepared for; none when there is no sealed key any more. */
  readonly agentIds: readonly AgentId[]
}

/** What an agent is given to approve with. */
export interface PreparedShare {
  readonly agentId: AgentId
  readonly share: Uint8Array | null
  readonly binding: Uint8Array | null
}

const actor = 'role:archive'

/** An agent may have got a successor meanwhile, who is given the share too. */
const CLAIM_OPEN: Statement = {
  name: 'recovery_claim_open',
  text: `
    SELECT r.id, r.request_id AS "requestId", r.mode, ARRAY(
      SELECT a.agent_id FROM certkeep.sealed_key_agent AS a
      WHERE a.request_id = r.request_id AND NOT EXISTS (
        SELECT FROM certkeep.recovery_share AS s WHERE s.recovery_id = r.id AND s.agent_id = a.agent_id)
      ORDER BY 1) AS "agentIds"
    FROM certkeep.recovery AS r
    WHERE r.state IN ('requested', 'approved') AND (
      NOT EXISTS (SELECT FROM certkeep.sealed_key AS k WHERE k.request_id = r.request_id AND k.purged_at IS NULL)
      OR EXISTS (
        SELECT FROM certkeep.sealed_key_agent AS a WHERE a.request_id = r.request_id AND NOT EXISTS (
          SELECT FROM certkeep.recovery_share AS s WHERE s.recovery_id = r.id AND s.agent_id = a.agent_id)))
    ORDER BY r.id LIMIT $1 FOR NO KEY UPDATE OF r SKIP LOCKED`
}

const CLAIM_RELEASED: Statement = {
  name: 'recovery_claim_released',
  text: `
    SELECT r.id, r.request_id AS "requestId", r.mode, '{}'::integer[] AS "agentIds" FROM certkeep.recovery AS r
    WHERE r.state = 'released' AND r.release_until >= $2
      AND NOT EXISTS (SELECT FROM certkeep.recovery_package AS k WHERE k.recovery_id = r.id)
      AND EXISTS (SELECT FROM certkeep.sealed_key AS s WHERE s.request_id = r.request_id AND s.purged_at IS NULL)
    ORDER BY r.id LIMIT $1 FOR NO KEY UPDATE OF r SKIP LOCKED`
}

const ADD_SHARE: Statement = {
  text: `
    INSERT INTO certkeep.recovery_share (recovery_id, agent_id, share, binding, prepared_at) VALUES ($1, $2, $3, $4, $5)`
}

const PREPARED: Statement = {
  text: `UPDATE certkeep.recovery SET prepared_at = coalesce(prepared_at, $2) WHERE id = $1`
}

const ADD_PACKAGE: Statement = {
  text: `INSERT INTO certkeep.recovery_package (recovery_id, sealed, prepared_at) VALUES ($1, $2, $3)`
}

const REFUSE: Statement = {
  text: `
    UPDATE certkeep.recovery SET state = 'refused', closed_at = $2, closed_by = $3, close_reason = $4
    WHERE id = $1 AND state IN ('requested', 'approved') RETURNING id`
}

const EXPIRE: Statement = {
  name: 'recovery_expire',
  text: `
    WITH due AS (
      SELECT id FROM certkeep.recovery
      WHERE state IN ('requested', 'approved') AND coalesce(release_until, expires_at) <= $1
      ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
    ), expired AS (
      UPDATE certkeep.recovery AS r SET state = 'expired', closed_at = $1, closed_by = '${actor}' FROM due
      WHERE r.id = due.id RETURNING r.id, r.approved_at
    ), event AS (
      INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      SELECT $1, '${actor}', 'recovery.expired', 'recovery', id::text, 'success',
        jsonb_build_object('approved', approved_at IS NOT NULL) FROM expired
    )
    SELECT id FROM expired`
}

const TELL: Statement = {
  name: 'recovery_tell_owner',
  text: `
    WITH due AS (
      SELECT id FROM certkeep.recovery WHERE notify_at <= $1 AND notified_at IS NULL
      ORDER BY notify_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
    ), told AS (
      UPDATE certkeep.recovery AS r SET notified_at = $1 FROM due WHERE r.id = due.id RETURNING r.id, r.request_id
    ), event AS (
      INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      SELECT $1, '${actor}', 'recovery.owner_told', 'recovery', id::text, 'success',
        jsonb_build_object('requestId', request_id) FROM told
    )
    SELECT id FROM told`
}

/** What the archive does for recoveries: it alone reads sealed keys, and takes out of them what a recovery is given. */
export class RecoveryArchiveStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Open recoveries whose agents have not been given what they approve with; nobody else takes them meanwhile. */
  readUnprepared(unit: Unit, limit: number): Promise<readonly RecoveryToPrepare[]> {
    return query<RecoveryToPrepare>(this.dataSource, unit, CLAIM_OPEN, [limit])
  }

  /** Released recoveries without a package, while there is time to fetch it; nobody else takes them meanwhile. */
  readUnpacked(unit: Unit, limit: number, now: Date): Promise<readonly RecoveryToPrepare[]> {
    return query<RecoveryToPrepare>(this.dataSource, unit, CLAIM_RELEASED, [limit, now])
  }

  /** Puts shares beside an open recovery. */
  async prepare(unit: Unit, id: RecoveryId, shares: readonly PreparedShare[], now: Date): Promise<void> {
    for (const { agentId, share, binding } of shares) {
      await query(this.dataSource, unit, ADD_SHARE, [id, agentId, share, binding, now])
    }
    await query(this.dataSource, unit, PREPARED, [id, now])
    const detail = { agentIds: shares.map(({ agentId }) => String(agentId)) }
    await appendChange(this.dataSource, unit, { object: 'recovery', id, verb: 'prepared', at: now, detail }, { actor })
  }

  /** Puts the sealed key beside a released recovery. */
  async pack(unit: Unit, id: RecoveryId, requestId: RequestId, sealed: Uint8Array, now: Date): Promise<void> {
    await query(this.dataSource, unit, ADD_PACKAGE, [id, sealed, now])
    const change = { object: 'recovery', id, verb: 'package_prepared', at: now, detail: { requestId } } as const
    await appendChange(this.dataSource, unit, change, { actor })
  }

  /** Ends an open recovery of a key that is not in the archive any more, or cannot be read; does nothing to another. */
  async refuse(unit: Unit, id: RecoveryId, reason: string, now: Date): Promise<void> {
    if ((await query(this.dataSource, unit, REFUSE, [id, now, actor, reason])).length !== 1) return
    const change = { object: 'recovery', id, verb: 'refused', at: now, detail: { reason } } as const
    await appendChange(this.dataSource, unit, change, { actor })
  }

  /** Ends up to `limit` recoveries that nobody decided or released in their time, with an audit event each. Gives how many. */
  async expire(now: Date, limit: number): Promise<number> {
    return (await query(this.dataSource, undefined, EXPIRE, [now, limit])).length
  }

  /** Has up to `limit` owners see that their keys were recovered, with an audit event each. Gives how many. */
  async tellOwners(now: Date, limit: number): Promise<number> {
    return (await query(this.dataSource, undefined, TELL, [now, limit])).length
  }
}
