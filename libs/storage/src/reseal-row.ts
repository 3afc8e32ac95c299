import type { AgentId, CaId, PrincipalId, RequestId } from '@app/core'

/** That the keys sealed to one recovery agent are sealed to a successor instead. */
export interface ResealRow {
  readonly id: string
  readonly caId: CaId
  readonly fromAgentId: AgentId
  readonly toAgentId: AgentId
  /** Who carries it out, and who verifies it: the accounts of the agents when it was started. */
  readonly fromPrincipalId: PrincipalId
  readonly toPrincipalId: PrincipalId
  readonly state: 'open' | 'completed' | 'cancelled'
  readonly startedBy: PrincipalId
  readonly startedByName: string
  readonly reason: string
  /** Keys that were sealed to the agent at the start; null until the archive has counted. */
  readonly total: number | null
  /** Every key with a lower number has been looked at. */
  readonly preparedUpTo: number
  readonly startedAt: Date
  readonly endedAt: Date | null
}

/** A reseal that is about to be started. */
export type NewReseal = Omit<ResealRow, 'state' | 'total' | 'preparedUpTo' | 'endedAt'>

/**
 * How far a key is: its part is there for the agent; the agent has handed it on; the new form is stored beside the old
 * one; the successor has verified it; it is in the old one's place; or the successor may not have it.
 */
export type ResealKeyState = 'prepared' | 'handed_on' | 'stored' | 'verified' | 'done' | 'skipped'

/** How many keys of a reseal are how far. */
export type ResealCounts = Readonly<Record<ResealKeyState, number>>

/** One key of a reseal, for the agent that hands its part on or for the successor that verifies it. */
export interface ResealPart {
  readonly requestId: RequestId
  readonly mode: 'any-agent' | 'threshold'
  /** The agent's part, or the successor's. */
  readonly part: Buffer
  readonly binding: Buffer
  /** Why what was handed on before was not taken. */
  readonly failure: string | null
}
