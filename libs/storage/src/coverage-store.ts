import { AppError, type AgentId, type CaId } from '@app/core'
import { keysLostWithout, type AgentFacts, type KeyGroup } from '@app/policy'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { AgentRow } from './archive-row.js'
import type { Because } from './audit-row.js'
import { agentEntity } from './entities.js'
import { selectList } from './entity.js'
import { query, type Statement } from './sql.js'
import { inTransaction, managerOf, translated, type Unit } from './unit.js'

/** A recovery agent with everything that decides whether it is alive. */
export interface KnownAgent extends AgentRow, Omit<AgentFacts, keyof AgentRow> {
  /** `DOMAIN\account` that it is linked to; null when it is linked to none. */
  readonly account: string | null
}

/** How an agent is retired. */
export interface Retirement {
  readonly id: AgentId
  /** As many keys as may be lost with it; 0 where nobody has been told of any. */
  readonly confirmedLoss: number
}

const GROUPS: Statement = {
  name: 'archive_coverage',
  text: `SELECT agent_ids AS "agentIds", quorum, keys::float8 AS keys FROM certkeep.archive_coverage()`
}

/** A role counts at the agent's CA or at every CA, as it does for approvals. */
const AGENTS: Statement = {
  name: 'agent_facts',
  text: `
    SELECT ${selectList(agentEntity, 'a')},
      CASE WHEN p.id IS NOT NULL THEN p.domain || '\\' || p.account_name END AS account,
      coalesce(p.disabled_at IS NOT NULL, false) AS "isAccountDisabled",
      EXISTS (SELECT FROM certkeep.role_assignment AS r
        WHERE r.principal_id = a.principal_id AND r.role = 'recovery_agent' AND r.revoked_at IS NULL
          AND (r.ca_id IS NULL OR r.ca_id = a.ca_id)) AS "hasRole",
      EXISTS (SELECT FROM certkeep.certificate AS c
        WHERE c.sha256 = a.sha256 AND c.state = 'issued' AND c.revoked_at IS NOT NULL) AS "isRevoked"
    FROM certkeep.recovery_agent AS a LEFT JOIN certkeep.principal AS p ON p.id = a.principal_id
    ORDER BY a.id`
}

const LOCK: Statement = {
  text: `SELECT id FROM certkeep.recovery_agent WHERE ca_id = (SELECT ca_id FROM certkeep.recovery_agent WHERE id = $1)
         ORDER BY id FOR NO KEY UPDATE`
}

/** For the console and the owner: how many keys are sealed to which agents, and which of these are alive. */
export class CoverageStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Archived keys by their agents and quorum: from an index, about a second for ten million. */
  listGroups(unit?: Unit): Promise<readonly KeyGroup[]> {
    return query<KeyGroup>(this.dataSource, unit, GROUPS, [])
  }

  /** Every agent of every CA, in the order they were added. */
  listAgents(unit?: Unit): Promise<readonly KnownAgent[]> {
    return query<KnownAgent>(this.dataSource, unit, AGENTS, [])
  }

  /**
   * Retires an agent and gives how many keys can be opened no more for it. Whoever else retires an agent of the CA waits,
   * so that two do not lose together what neither loses alone.
   *
   * Throws `not_found`, `conflict` when it is retired already, and `precondition_failed` when more keys would be lost than
   * are confirmed: nothing is done then.
   */
  retireAgent({ id, confirmedLoss }: Retirement, because: Because, now: Date): Promise<number> {
    return inTransaction(this.dataSource, async unit => {
      await query(this.dataSource, unit, LOCK, [id])
      const agents = await this.listAgents(unit)
      const agent = agents.find(known => known.id === id)
      if (agent === undefined) throw new AppError('not_found', `There is no recovery agent ${id}.`)
      if (agent.state === 'retired') throw new AppError('conflict', `The agent ${agent.name} is retired already.`)
      const keysLost = keysLostWithout(id, await this.listGroups(unit), agents, now)
      if (keysLost > confirmedLoss) {
        throw new AppError(
          'precondition_failed',
          `Without ${agent.name} ${keysLost} archived keys cannot be opened any more. Have them resealed to a successor first, or confirm the loss of ${keysLost}.`,
          { keysLost }
        )
      }
      const patch = { state: 'retired', retiredAt: now } as const
      await translated(managerOf(this.dataSource, unit).update(agentEntity, { id, state: 'active' }, patch))
      const detail = { keysLost }
      await appendChange(this.dataSource, unit, { object: 'agent', id, verb: 'retired', at: now, detail }, because)
      return keysLost
    })
  }

  /** The agents of one CA, as {@link listAgents}. */
  async listAgentsOf(caId: CaId): Promise<readonly KnownAgent[]> {
    return (await this.listAgents()).filter(agent => agent.caId === caId)
  }
}
