import { toHex, type AgentId } from '@app/core'
import type { KnownAgent, ResealCounts, ResealRow } from '@app/storage'
import type { ResealView } from './reseals.schemas.js'

/** What reseals are shown with. */
export interface Shown {
  readonly agents: readonly KnownAgent[]
  readonly caName: (id: number | null) => string | undefined
}

/** A reseal as it is answered. */
export function viewOf(row: ResealRow, counts: ResealCounts, { agents, caName }: Shown): ResealView {
  const { id, caId, state, reason, startedByName, startedAt, endedAt, total } = row
  const { prepared, handed_on: handedOn, stored, verified, done, skipped } = counts
  const party = (agentId: AgentId): ResealView['from'] => {
    const agent = agents.find(known => known.id === agentId)
    const account = agent?.account ?? null
    return {
      id: agentId,
      name: agent?.name ?? '',
      sha256: agent === undefined ? '' : toHex(agent.sha256),
      ...(account === null ? {} : { account })
    }
  }
  return {
    id,
    ca: caName(caId) ?? '',
    state,
    from: party(row.fromAgentId),
    to: party(row.toAgentId),
    reason,
    startedBy: startedByName,
    startedAt: startedAt.toISOString(),
    ...(endedAt === null ? {} : { endedAt: endedAt.toISOString() }),
    ...(total === null ? {} : { total }),
    keys: { prepared, handedOn, stored, verified, done, skipped }
  }
}
