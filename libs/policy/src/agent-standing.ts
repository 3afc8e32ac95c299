/** Why an agent can take part in no recovery now. */
export type AgentFault =
  'retired' | 'not-yet-valid' | 'expired' | 'revoked' | 'no-account' | 'account-disabled' | 'no-role'

/** What is known of a recovery agent and of the person who holds its key. */
export interface AgentFacts {
  readonly id: number
  readonly name: string
  readonly state: 'active' | 'retired'
  readonly notBefore: Date
  readonly notAfter: Date
  /** Whether this installation issued its certificate and has revoked it. */
  readonly isRevoked: boolean
  /** The account that it is linked to; null when it is linked to none. */
  readonly principalId: string | null
  readonly isAccountDisabled: boolean
  /** Whether the account is a recovery agent at the agent's CA. */
  readonly hasRole: boolean
}

/** What each fault means, for people. */
export const AGENT_FAULTS: Readonly<Record<AgentFault, string>> = {
  retired: 'it is retired',
  'not-yet-valid': 'its certificate is not valid yet',
  expired: 'its certificate has expired',
  revoked: 'its certificate is revoked',
  'no-account': 'it is linked to no account',
  'account-disabled': 'its account is disabled',
  'no-role': 'its account is no recovery agent'
}

/** Why an agent can take part in no recovery at this moment; undefined when it can: then it is alive. */
export function agentFaultOf(agent: AgentFacts, now: Date): AgentFault | undefined {
  if (agent.state === 'retired') return 'retired'
  if (agent.isRevoked) return 'revoked'
  if (now < agent.notBefore) return 'not-yet-valid'
  if (now >= endOf(agent)) return 'expired'
  if (agent.principalId === null) return 'no-account'
  if (agent.isAccountDisabled) return 'account-disabled'
  return agent.hasRole ? undefined : 'no-role'
}

/** The moment from which an agent's certificate counts no more: notAfter is the last second that does (RFC 5280, 4.1.2.5). */
export function endOf({ notAfter }: Pick<AgentFacts, 'notAfter'>): Date {
  return new Date(notAfter.getTime() + 1000)
}

/** Whether keys may be sealed to an agent at this moment, as far as its row tells. Who holds its key is not asked. */
export function isSealable(
  { state, isRevoked, notBefore, notAfter }: Pick<AgentFacts, 'state' | 'isRevoked' | 'notBefore' | 'notAfter'>,
  now: Date
): boolean {
  return state === 'active' && !isRevoked && notBefore <= now && now <= notAfter
}
