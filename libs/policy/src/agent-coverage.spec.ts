import { describe, expect, it } from 'vitest'
import { findingsOf, judgeCoverage, keysLostWithout, type KeyGroup } from './agent-coverage.js'
import { agentFaultOf, type AgentFacts } from './agent-standing.js'

const NOW = new Date('2026-11-21T12:00:00Z')
const inDays = (days: number): Date => new Date(NOW.getTime() + days * 86_400_000)

function agent(id: number, changes: Partial<AgentFacts> = {}): AgentFacts {
  return {
    id,
    name: `Agent ${id}`,
    state: 'active',
    notBefore: inDays(-10),
    notAfter: inDays(100 * id),
    isRevoked: false,
    principalId: `person ${id}`,
    isAccountDisabled: false,
    hasRole: true,
    ...changes
  }
}

const together = (keys: number, ...agentIds: number[]): KeyGroup => ({ agentIds, quorum: 2, keys })
const alone = (keys: number, ...agentIds: number[]): KeyGroup => ({ agentIds, quorum: 1, keys })

describe('what the agents can open', () => {
  it('tells keys with agents to spare from those that need every agent, and those that nobody opens', () => {
    const groups = [
      together(1, 1, 2, 3),
      together(10, 1, 2, 4),
      together(100, 3, 4, 5),
      alone(1000, 3, 4),
      alone(5000, 4)
    ]
    const gone = [4, 5].map(id => agent(id, { state: 'retired' }))
    const { keys, byMode } = judgeCoverage(groups, [agent(1), agent(2), agent(3), ...gone], NOW)
    expect(keys).toEqual({ recoverable: 1, critical: 1010, unrecoverable: 5100 })
    expect(byMode.threshold).toEqual({ recoverable: 1, critical: 10, unrecoverable: 100 })
  })

  it.each<readonly [string, Partial<AgentFacts>]>([
    ['retired', { state: 'retired' }],
    ['revoked', { isRevoked: true }],
    ['expired', { notAfter: inDays(-1) }],
    ['not-yet-valid', { notBefore: inDays(1) }],
    ['no-account', { principalId: null }],
    ['account-disabled', { isAccountDisabled: true }],
    ['no-role', { hasRole: false }]
  ])('counts no agent that is %s', (fault, changes) => {
    expect(agentFaultOf(agent(1, changes), NOW)).toBe(fault)
    expect(judgeCoverage([together(7, 1, 2)], [agent(1, changes), agent(2)], NOW).keys.unrecoverable).toBe(7)
  })

  it('counts people: two agents of one person are one', () => {
    const agents = [agent(1, { principalId: 'one' }), agent(2, { principalId: 'one' }), agent(3)]
    expect(judgeCoverage([together(7, 1, 2)], agents, NOW).keys.unrecoverable).toBe(7)
    expect(keysLostWithout(1, [together(7, 1, 2, 3)], agents, NOW)).toBe(0)
    expect(keysLostWithout(3, [together(7, 1, 2, 3)], agents, NOW)).toBe(7)
  })

  it('knows an agent up to the last second of its certificate', () => {
    const agents = [agent(1, { notAfter: NOW }), agent(2)]
    const at = (milliseconds: number) =>
      judgeCoverage([together(1, 1, 2)], agents, new Date(NOW.getTime() + milliseconds))
    expect(at(999).keys.critical).toBe(1)
    expect(at(1000).keys.unrecoverable).toBe(1)
  })
})

describe('what is lost', () => {
  const agents = [agent(1), agent(2), agent(3)]
  const groups = [together(1, 1, 2, 3), together(10, 1, 2), alone(100, 1), alone(1000, 1, 3)]

  it('with each agent is what needs it now', () => {
    const lost = judgeCoverage(groups, agents, NOW).agents.map(({ lostWithout, keys }) => [keys, lostWithout])
    expect(lost).toEqual([
      [1111, 110],
      [11, 10],
      [1001, 0]
    ])
  })

  it('when certificates end is told for the moment at which too few are left', () => {
    expect(judgeCoverage(groups, agents, NOW).losses.map(({ at, ...loss }) => [at.getTime(), loss])).toEqual([
      [inDays(100).getTime() + 1000, { keys: 110, agents: ['Agent 1'] }],
      [inDays(200).getTime() + 1000, { keys: 1, agents: ['Agent 2'] }],
      [inDays(300).getTime() + 1000, { keys: 1000, agents: ['Agent 3'] }]
    ])
  })

  it('is warned of ahead of time, with cause and remedy', () => {
    const checks = (days: number, of = groups, by = agents) =>
      findingsOf(judgeCoverage(of, by, NOW), NOW, days).map(({ check, severity }) => `${severity} ${check}`)
    expect(checks(30, [together(1, 1, 2, 3)])).toEqual([])
    expect(checks(101)).toEqual(['warning archived-keys-expiring', 'warning archived-keys-critical'])
    expect(checks(30, [alone(5, 1)], [agent(1, { isAccountDisabled: true })])).toEqual([
      'error archived-keys-unrecoverable',
      'warning agent-not-alive'
    ])
    const [first] = findingsOf(judgeCoverage(groups, agents, NOW), NOW, 101)
    expect(first?.cause).toMatch(/^110 archived keys .* of Agent 1 ends\.$/)
    expect(first?.remedy).toMatch(/successor/)
  })
})
