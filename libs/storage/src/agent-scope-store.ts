import { randomUUID } from 'node:crypto'
import type { CaId, PrincipalId } from '@app/core'
import { type DataSource, IsNull } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { agentScopeEntity } from './operator-entities.js'
import { selectList } from './entity.js'
import type { AgentScopeRow } from './operator-row.js'
import { Conditions, type Page, pageOf } from './page.js'
import { query, type Statement } from './sql.js'
import { inTransaction, managerOf, translated } from './unit.js'

/** What an enrollment agent is let do. */
export type NewAgentScope = Pick<AgentScopeRow, 'agentId' | 'caId' | 'templateName' | 'subjectGroup'>

const SCOPE = `SELECT ${selectList(agentScopeEntity, 's')} FROM certkeep.enrollment_agent_scope AS s`

const HELD: Statement = {
  name: 'agent_scope_held',
  text: `${SCOPE} WHERE s.agent_id = $1 AND s.revoked_at IS NULL AND (s.ca_id IS NULL OR s.ca_id = $2)`
}

/**
 * For whom enrollment agents may ask. An agent without a row here may ask for nobody, whatever certificate it has. What
 * changes them is for the console.
 */
export class AgentScopeStore {
  constructor(private readonly dataSource: DataSource) {}

  /** What an agent may do at a CA now. */
  listHeld(agentId: PrincipalId, caId: CaId): Promise<readonly AgentScopeRow[]> {
    return query<AgentScopeRow>(this.dataSource, undefined, HELD, [agentId, caId])
  }

  /** Held ones, of one agent or of all, by their ids; the cursor is the last id seen. */
  async list(agentId: PrincipalId | undefined, limit: number, cursor?: string): Promise<Page<AgentScopeRow, string>> {
    const conditions = new Conditions()
      .add('s.agent_id = ?', agentId)
      .addText('s.revoked_at IS NULL')
      .add('s.id > ?', cursor)
    const text = `${SCOPE} ${conditions.where()} ORDER BY s.id ${conditions.limit(limit)}`
    const rows = await query<AgentScopeRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }

  /** Throws `conflict` when the agent has this scope already. */
  async grant(scope: NewAgentScope, because: Because, now: Date): Promise<string> {
    const id = randomUUID()
    await inTransaction(this.dataSource, async unit => {
      const row = { ...scope, id, grantedBy: because.actor, grantedAt: now }
      await translated(managerOf(this.dataSource, unit).insert(agentScopeEntity, row))
      const change = { object: 'agent_scope', id, verb: 'granted', at: now, detail: { ...scope } } as const
      await appendChange(this.dataSource, unit, change, because)
    })
    return id
  }

  /** Held or revoked. */
  async find(id: string): Promise<AgentScopeRow | undefined> {
    return (await translated(this.dataSource.manager.findOne(agentScopeEntity, { where: { id } }))) ?? undefined
  }

  /** Whether it was held. */
  revoke(id: string, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const manager = managerOf(this.dataSource, unit)
      const patch = { revokedBy: because.actor, revokedAt: now }
      const updated = await translated(manager.update(agentScopeEntity, { id, revokedAt: IsNull() }, patch))
      if (updated.affected !== 1) return false
      await appendChange(this.dataSource, unit, { object: 'agent_scope', id, verb: 'revoked', at: now }, because)
      return true
    })
  }
}
