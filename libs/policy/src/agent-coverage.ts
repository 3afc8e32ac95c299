import type { Finding } from '@app/core'
import { AGENT_FAULTS, agentFaultOf, endOf, type AgentFacts, type AgentFault } from './agent-standing.js'

/** So many archived keys that are sealed to the same agents, of whom the same number opens them. */
export interface KeyGroup {
  readonly agentIds: readonly number[]
  /** 1 in the mode `any-agent`. */
  readonly quorum: number
  readonly keys: number
}

/** Archived keys by whether the agents who are alive can open them. */
export interface KeyCounts {
  /** One person more than needed is there, or several. */
  readonly recoverable: number
  /** Just as many people as needed are there: each one's loss is the key's. */
  readonly critical: number
  /** Fewer than needed are there. */
  readonly unrecoverable: number
}

/** What is lost with one agent. */
export interface AgentCoverage {
  readonly id: number
  readonly name: string
  /** Undefined when it is alive. */
  readonly fault?: AgentFault
  readonly notAfter: Date
  /** Keys that are sealed to it. */
  readonly keys: number
  /** Keys that can be opened now and could not without it. */
  readonly lostWithout: number
}

/** Keys that can be opened now and, if nothing is done, cannot from a moment on. */
export interface KeyLoss {
  readonly at: Date
  readonly keys: number
  /** The agents whose certificates end then. */
  readonly agents: readonly string[]
}

/** Which archived keys the agents who are alive can open, and what becomes of that. */
export interface Coverage {
  readonly keys: KeyCounts
  readonly byMode: Readonly<Record<'any-agent' | 'threshold', KeyCounts>>
  readonly agents: readonly AgentCoverage[]
  /** Those to come, in their order. */
  readonly losses: readonly KeyLoss[]
}

/**
 * Judges what the agents can open at a moment. A quorum is one of people: two agents that one person holds count as one,
 * and the later of their ends. An agent that is not listed counts as one that is not alive.
 */
export function judgeCoverage(groups: readonly KeyGroup[], agents: readonly AgentFacts[], now: Date): Coverage {
  const known = new Map(agents.map(agent => [agent.id, agent]))
  const alive = agents.filter(agent => agentFaultOf(agent, now) === undefined)
  const judged = groups.map(group => ({ ...group, ends: endsOf(group, alive), mode: modeOf(group) }))
  const losses = new Map<number, { keys: number; agents: Set<string> }>()
  for (const { ends, quorum, keys, agentIds } of judged) {
    const at = lossOf(ends, quorum)
    if (at === undefined) continue
    const loss = losses.get(at) ?? { keys: 0, agents: new Set<string>() }
    const ending = agentIds.flatMap(id => known.get(id) ?? []).filter(agent => endOf(agent).getTime() === at)
    for (const { name } of ending) loss.agents.add(name)
    losses.set(at, { ...loss, keys: loss.keys + keys })
  }
  return {
    keys: countsOf(judged),
    byMode: {
      'any-agent': countsOf(judged.filter(({ mode }) => mode === 'any-agent')),
      threshold: countsOf(judged.filter(({ mode }) => mode === 'threshold'))
    },
    agents: agents.map(agent => coverageOf(agent, groups, alive, now)),
    losses: [...losses]
      .toSorted(([first], [second]) => first - second)
      .map(([at, loss]) => ({ at: new Date(at), keys: loss.keys, agents: [...loss.agents].toSorted() }))
  }
}

/** The keys that can be opened now and could not once an agent is gone. */
export function keysLostWithout(
  agentId: number,
  groups: readonly KeyGroup[],
  agents: readonly AgentFacts[],
  now: Date
): number {
  const alive = agents.filter(agent => agentFaultOf(agent, now) === undefined)
  return lostWithout(agentId, groups, alive)
}

/**
 * What people should look at, the worst first: keys that cannot be opened, keys that are lost before so many days have
 * passed, keys that hang on each of their agents, and agents in use that can take part in no recovery.
 */
export function findingsOf(coverage: Coverage, now: Date, warningDays: number): readonly Finding[] {
  const { unrecoverable, critical } = coverage.keys
  const horizon = now.getTime() + warningDays * 86_400_000
  const findings: Finding[] = []
  if (unrecoverable > 0) {
    findings.push({
      check: 'archived-keys-unrecoverable',
      severity: 'error',
      cause: `${unrecoverable} archived keys cannot be opened by the agents that are alive.`,
      remedy:
        'Let agents that still have their keys reseal them to successors; link agents to enabled accounts that are recovery agents.'
    })
  }
  for (const { at, keys, agents } of coverage.losses.filter(loss => loss.at.getTime() <= horizon)) {
    findings.push({
      check: 'archived-keys-expiring',
      severity: 'warning',
      cause: `${keys} archived keys cannot be opened any more from ${at.toISOString()} on, when the certificate of ${agents.join(', ')} ends.`,
      remedy: 'Add a successor and have the keys resealed to it before that.'
    })
  }
  if (critical > 0) {
    findings.push({
      check: 'archived-keys-critical',
      severity: 'warning',
      cause: `${critical} archived keys need every agent that is left to them.`,
      remedy: 'Have them resealed from agents that are gone to new ones, while these still have their keys.'
    })
  }
  for (const { name, fault } of coverage.agents) {
    if (fault === undefined || fault === 'retired') continue
    findings.push({
      check: 'agent-not-alive',
      severity: 'warning',
      cause: `The agent ${name} can take part in no recovery: ${AGENT_FAULTS[fault]}.`,
      remedy: 'Put that right, or have its keys resealed to a successor and retire it.'
    })
  }
  return findings
}

function modeOf({ quorum }: KeyGroup): 'any-agent' | 'threshold' {
  return quorum > 1 ? 'threshold' : 'any-agent'
}

/** When each person who is there for a group of keys leaves, the last one first, in milliseconds. */
function endsOf({ agentIds }: KeyGroup, alive: readonly AgentFacts[]): readonly number[] {
  const ends = new Map<string | null, number>()
  for (const agent of alive) {
    if (!agentIds.includes(agent.id)) continue
    ends.set(agent.principalId, Math.max(ends.get(agent.principalId) ?? 0, endOf(agent).getTime()))
  }
  return [...ends.values()].toSorted((first, second) => second - first)
}

/** When too few are left; undefined when they are too few already. */
function lossOf(ends: readonly number[], quorum: number): number | undefined {
  return ends[quorum - 1]
}

function countsOf(groups: readonly (KeyGroup & { readonly ends: readonly number[] })[]): KeyCounts {
  const sum = (isCounted: (spare: number) => boolean): number =>
    groups.reduce((total, { ends, quorum, keys }) => total + (isCounted(ends.length - quorum) ? keys : 0), 0)
  return {
    recoverable: sum(spare => spare > 0),
    critical: sum(spare => spare === 0),
    unrecoverable: sum(spare => spare < 0)
  }
}

function coverageOf(
  agent: AgentFacts,
  groups: readonly KeyGroup[],
  alive: readonly AgentFacts[],
  now: Date
): AgentCoverage {
  const fault = agentFaultOf(agent, now)
  return {
    id: agent.id,
    name: agent.name,
    ...(fault === undefined ? {} : { fault }),
    notAfter: agent.notAfter,
    keys: groups.reduce((sum, { agentIds, keys }) => sum + (agentIds.includes(agent.id) ? keys : 0), 0),
    lostWithout: lostWithout(agent.id, groups, alive)
  }
}

function lostWithout(agentId: number, groups: readonly KeyGroup[], alive: readonly AgentFacts[]): number {
  const left = alive.filter(({ id }) => id !== agentId)
  return groups
    .filter(({ agentIds }) => agentIds.includes(agentId))
    .filter(group => endsOf(group, alive).length >= group.quorum && endsOf(group, left).length < group.quorum)
    .reduce((sum, { keys }) => sum + keys, 0)
}
