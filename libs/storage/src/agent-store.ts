import type { AgentId, CaId, PrincipalId } from '@app/core'
import { type DataSource, IsNull } from 'typeorm'
import type { AgentRow } from './archive-row.js'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { agentEntity } from './entities.js'
import { selectList } from './entity.js'
import { query, type Statement } from './sql.js'
import { inTransaction, managerOf, translated, type Unit, within } from './unit.js'

/** A recovery agent that is about to be added. */
export interface NewAgent extends Pick<AgentRow, 'caId' | 'name' | 'subject' | 'notBefore' | 'notAfter' | 'addedAt'> {
  /** DER */
  readonly certificate: Uint8Array
  readonly sha256: Uint8Array
  /** DER Name */
  readonly issuer: Uint8Array
  readonly serialNumber: Uint8Array
  /** Whose key it is: who can approve recoveries with it. */
  readonly principalId?: PrincipalId | null
}

/** A recovery agent with what is known of its certificate beside its dates. */
export interface ListedAgent extends AgentRow {
  /** Whether this installation issued its certificate and has revoked it. */
  readonly isRevoked: boolean
}

const LIST: Statement = {
  name: 'agent_list',
  text: `
    SELECT ${selectList(agentEntity, 'a')}, certkeep.is_certificate_revoked(a.sha256) AS "isRevoked"
    FROM certkeep.recovery_agent AS a WHERE a.ca_id = $1 ORDER BY a.id`
}

const FIND_ALL: Statement = {
  name: 'agent_find_all',
  text: `
    SELECT ${selectList(agentEntity, 'a')} FROM certkeep.recovery_agent AS a
    WHERE a.id = ANY ($1::integer[]) ORDER BY a.id`
}

/** Recovery agents. What was sealed to one stays sealed to it when it is retired. */
export class AgentStore {
  constructor(private readonly dataSource: DataSource) {}

  /** For the console. Throws `conflict` when the CA has this certificate already, retired or not. */
  add(agent: NewAgent, because: Because, unit?: Unit): Promise<AgentId> {
    const { dataSource } = this
    return within(dataSource, unit, async open => {
      const row = {
        ...agent,
        certificate: Buffer.from(agent.certificate),
        sha256: Buffer.from(agent.sha256),
        issuer: Buffer.from(agent.issuer),
        serialNumber: Buffer.from(agent.serialNumber),
        state: 'active' as const,
        principalId: agent.principalId ?? null
      }
      const inserted = await translated(managerOf(dataSource, open).insert(agentEntity, row))
      const id = (inserted.identifiers[0] as Pick<AgentRow, 'id'>).id
      const { caId, name, principalId } = agent
      const detail = { caId, name, ...(principalId == null ? {} : { principalId }) }
      await appendChange(dataSource, open, { object: 'agent', id, verb: 'added', at: agent.addedAt, detail }, because)
      return id
    })
  }

  /** All of a CA, in the order they were added. */
  list(caId: CaId): Promise<readonly ListedAgent[]> {
    return query<ListedAgent>(this.dataSource, undefined, LIST, [caId])
  }

  /** By their numbers; retired ones too. */
  async findAll(ids: readonly AgentId[]): Promise<ReadonlyMap<AgentId, AgentRow>> {
    const rows = await query<AgentRow>(this.dataSource, undefined, FIND_ALL, [ids])
    return new Map(rows.map(row => [row.id, row]))
  }

  /**
   * For the person at the machine. Says whose key an agent's is, once: a key that goes to somebody else is another agent's.
   * Whether it was in use and nobody's.
   */
  assign(id: AgentId, principalId: PrincipalId, because: Because, now: Date): Promise<boolean> {
    const { dataSource } = this
    return inTransaction(dataSource, async unit => {
      const where = { id, state: 'active', principalId: IsNull() } as const
      const updated = await translated(managerOf(dataSource, unit).update(agentEntity, where, { principalId }))
      if (updated.affected !== 1) return false
      const detail = { principalId }
      await appendChange(dataSource, unit, { object: 'agent', id, verb: 'assigned', at: now, detail }, because)
      return true
    })
  }
}
