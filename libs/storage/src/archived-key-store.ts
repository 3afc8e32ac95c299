import type { AgentId, RequestId } from '@app/core'
import type { DataSource } from 'typeorm'
import type { AgentOfKeyRow, ArchivedKeyFacts } from './recovery-row.js'
import { query, type Statement } from './sql.js'

const FACTS: Statement = {
  name: 'archived_key_facts',
  text: `
    SELECT request_id AS "requestId", ca_id AS "caId", mode, quorum, key_format AS "keyFormat", algorithm, bits,
      sealed_at AS "sealedAt", agent_ids AS "agentIds"
    FROM certkeep.archived_keys($1::integer[])`
}

const AGENTS: Statement = {
  name: 'archived_key_agents',
  text: `
    SELECT g.id AS "agentId", g.name, g.certificate, g.principal_id AS "principalId", p.domain,
      p.account_name AS "accountName", g.state = 'active' AND $2 BETWEEN g.not_before AND g.not_after AS usable
    FROM certkeep.recovery_agent AS g LEFT JOIN certkeep.principal AS p ON p.id = g.principal_id
    WHERE g.id = ANY ($1::integer[]) ORDER BY g.id`
}

/** What the archive has: for the console, which reads no sealed key. */
export class ArchivedKeyStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Those of the requests that have an archived key and a certificate. */
  async findAll(ids: readonly RequestId[]): Promise<ReadonlyMap<RequestId, ArchivedKeyFacts>> {
    const rows = await query<ArchivedKeyFacts>(this.dataSource, undefined, FACTS, [ids])
    return new Map(rows.map(row => [row.requestId, row]))
  }

  /** Agents by their numbers, and whether they can be used at the time. */
  async findAgents(ids: readonly AgentId[], now: Date): Promise<ReadonlyMap<AgentId, AgentOfKeyRow>> {
    const rows = await query<AgentOfKeyRow>(this.dataSource, undefined, AGENTS, [ids, now])
    return new Map(rows.map(row => [row.agentId, row]))
  }
}
