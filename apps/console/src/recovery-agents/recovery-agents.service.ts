import { Inject, Injectable } from '@nestjs/common'
import { AppError, asId, toHex, type AgentId, type Clock } from '@app/core'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import { findingsOf, judgeCoverage, type AgentCoverage, type Coverage } from '@app/policy'
import { CoverageStore, type KnownAgent } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import { requirePermission, type AuthenticatedOperator } from '../access/operator.js'
import type {
  AgentsQuery,
  AgentsView,
  AgentView,
  CoverageView,
  RetireBody,
  RetiredView
} from './recovery-agents.schemas.js'

/** What an operator may know of. */
interface Known {
  readonly coverage: Coverage
  readonly views: readonly AgentView[]
  readonly at: Date
}

/** Recovery agents over the console. They are added by the person at the machine, whom their certificates are brought to. */
@Injectable()
export class RecoveryAgentsService {
  constructor(
    private readonly store: CoverageStore,
    private readonly named: NamedObjects,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /** In the order they were added. */
  async list({ ca }: AgentsQuery, operator: AuthenticatedOperator): Promise<AgentsView> {
    const { views } = await this.known(operator, ca)
    return { items: [...views] }
  }

  /** Throws `not_found`. */
  async show(id: number, operator: AuthenticatedOperator): Promise<AgentView> {
    const view = (await this.known(operator)).views.find(agent => agent.id === id)
    if (view === undefined) throw new AppError('not_found', `There is no recovery agent ${id}.`)
    return view
  }

  /** What the agents of the CAs that the operator may know can open. */
  async coverage({ ca }: AgentsQuery, operator: AuthenticatedOperator): Promise<CoverageView> {
    const { coverage, views, at } = await this.known(operator, ca)
    const { warningDays } = this.config.coverage
    return {
      at: at.toISOString(),
      keys: coverage.keys,
      byMode: coverage.byMode,
      agents: [...views],
      losses: coverage.losses.map(loss => ({ ...loss, at: loss.at.toISOString(), agents: [...loss.agents] })),
      warningDays,
      findings: [...findingsOf(coverage, at, warningDays)]
    }
  }

  /** Throws what `CoverageStore.retireAgent` throws, and `access_denied` for an agent of another CA. */
  async retire(id: number, { confirmedLoss }: RetireBody, operator: AuthenticatedOperator): Promise<RetiredView> {
    const agent = (await this.store.listAgents()).find(known => known.id === id)
    if (agent === undefined) throw new AppError('not_found', `There is no recovery agent ${id}.`)
    requirePermission(operator, 'archive.write', agent.caId)
    const retirement = { id: asId<AgentId>(id), confirmedLoss }
    const keysLost = await this.store.retireAgent(retirement, { actor: operator.name }, this.clock.now())
    return { ...(await this.show(id, operator)), keysLost }
  }

  private async known(operator: AuthenticatedOperator, caName?: string): Promise<Known> {
    const caId = caName === undefined ? undefined : await this.named.caIdOf(caName)
    const isKnown = (agent: KnownAgent): boolean =>
      operator.may('agent.read', agent.caId) && (caId === undefined || agent.caId === caId)
    const agents = (await this.store.listAgents()).filter(isKnown)
    const ids = new Set<number>(agents.map(({ id }) => id))
    // The agents of a key are all of one CA.
    const groups = (await this.store.listGroups()).filter(({ agentIds }) => agentIds.some(id => ids.has(id)))
    const at = this.clock.now()
    const coverage = judgeCoverage(groups, agents, at)
    const nameOf = await this.named.caNames()
    const views = agents.map((agent, index) =>
      viewOf(agent, coverage.agents[index] as AgentCoverage, nameOf(agent.caId) ?? '')
    )
    return { coverage, views, at }
  }
}

function viewOf(agent: KnownAgent, { fault, keys, lostWithout }: AgentCoverage, ca: string): AgentView {
  const { id, name, subject, state, account, notBefore, notAfter, addedAt, retiredAt } = agent
  return {
    id,
    ca,
    name,
    subject,
    serialNumber: toHex(agent.serialNumber),
    sha256: toHex(agent.sha256),
    state,
    alive: fault === undefined,
    ...(fault === undefined ? {} : { fault }),
    ...(account === null ? {} : { account }),
    notBefore: notBefore.toISOString(),
    notAfter: notAfter.toISOString(),
    addedAt: addedAt.toISOString(),
    ...(retiredAt === null ? {} : { retiredAt: retiredAt.toISOString() }),
    keys,
    lostWithout
  }
}
