import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, asId, fromBase64, fromHex, type Clock, type PrincipalId, type RequestId } from '@app/core'
import { CLOCK } from '@app/platform'
import { AGENT_FAULTS, agentFaultOf } from '@app/policy'
import { Wakeups } from '@app/queue'
import { CoverageStore, ResealStore, type KnownAgent, type ResealPart, type ResealRow } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import { requirePermission, type AuthenticatedOperator } from '../access/operator.js'
import { viewOf, type Shown } from './reseal-view.js'
import type {
  JudgedView,
  PartsBody,
  PartsQuery,
  PartsView,
  ResealsQuery,
  ResealsView,
  ResealView,
  StartBody,
  TakenView,
  VerdictsBody
} from './reseals.schemas.js'

/**
 * Reseals. Who starts one is neither of the agents' people; the agent hands on, the successor verifies, and the database
 * holds to it as well.
 */
@Injectable()
export class ResealsService {
  constructor(
    private readonly reseals: ResealStore,
    private readonly coverage: CoverageStore,
    private readonly named: NamedObjects,
    private readonly wakeups: Wakeups,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** Newest first. */
  async list(query: ResealsQuery, operator: AuthenticatedOperator): Promise<ResealsView> {
    const { state, fromAgent, limit, cursor } = query
    const filter = { ...(state && { state }), ...(fromAgent !== undefined && { fromAgentId: fromAgent }) }
    const { rows, next } = await this.reseals.list(filter, limit, cursor)
    const shown = await this.shown()
    const known = rows.filter(({ caId }) => operator.may('agent.read', caId))
    const items = await Promise.all(known.map(async row => viewOf(row, await this.reseals.countKeys(row.id), shown)))
    return { items, ...(next === undefined ? {} : { next }) }
  }

  /** Throws `not_found`. */
  async show(id: string, operator: AuthenticatedOperator): Promise<ResealView> {
    const row = await this.get(id, operator)
    return viewOf(row, await this.reseals.countKeys(id), await this.shown())
  }

  /**
   * Throws `not_found` for an agent that is not there, `invalid_argument` for one that cannot be part of it,
   * `access_denied` for whoever is one of the two, `conflict` while another reseal of the agent is open.
   */
  async start({ fromAgent, toAgent, reason }: StartBody, operator: AuthenticatedOperator): Promise<ResealView> {
    // 1. Who takes part: the agent may be retired or expired, if only its person is there; the successor is alive.
    const agents = await this.coverage.listAgents()
    const from = agentOf(agents, fromAgent)
    const to = agentOf(agents, toAgent)
    requirePermission(operator, 'archive.write', from.caId)
    const now = this.clock.now()
    const [fromPrincipalId, toPrincipalId] = requireParties(from, to, now)
    const { principal, name } = operator
    if (principal.id === fromPrincipalId || principal.id === toPrincipalId) {
      throw new AppError('access_denied', 'Who is one of the agents cannot start it; another administrator has to.')
    }
    // 2. The row with its event; the archive prepares what the agent will be given.
    const id = randomUUID()
    const parties = { fromAgentId: from.id, toAgentId: to.id, fromPrincipalId, toPrincipalId }
    const row = {
      id,
      caId: from.caId,
      ...parties,
      startedBy: principal.id,
      startedByName: name,
      reason,
      startedAt: now
    }
    await this.reseals.start(row, { actor: name })
    this.wakeups.nudge('reseal')
    return this.show(id, operator)
  }

  /** Throws `not_found`, and `conflict` for one that has ended. */
  async cancel(id: string, operator: AuthenticatedOperator): Promise<ResealView> {
    const { caId } = await this.get(id, operator)
    requirePermission(operator, 'archive.write', caId)
    if (!(await this.reseals.cancel(id, { actor: operator.name }, this.clock.now()))) throw ended()
    this.wakeups.nudge('reseal')
    return this.show(id, operator)
  }

  /** For the agent's person alone (else `access_denied`). */
  async parts(id: string, { after, limit }: PartsQuery, operator: AuthenticatedOperator): Promise<PartsView> {
    await this.getOpen(id, operator, 'fromPrincipalId')
    const because = { actor: operator.name }
    return partsOf(await this.reseals.giveHeld(id, after, limit, because, this.clock.now()))
  }

  /** For the agent's person alone (else `access_denied`). The same once more does nothing. */
  async handOn(id: string, { parts }: PartsBody, operator: AuthenticatedOperator): Promise<TakenView> {
    await this.getOpen(id, operator, 'fromPrincipalId')
    const decoded = parts.map(({ requestId, part }) => ({
      requestId: asId<RequestId>(requestId),
      part: fromBase64(part) ?? new Uint8Array()
    }))
    const taken = await this.reseals.handOn(id, decoded, actorOf(operator), this.clock.now())
    this.wakeups.nudge('reseal')
    return { taken }
  }

  /** For the successor's person alone (else `access_denied`). */
  async newParts(id: string, { after, limit }: PartsQuery, operator: AuthenticatedOperator): Promise<PartsView> {
    await this.getOpen(id, operator, 'toPrincipalId')
    const because = { actor: operator.name }
    return partsOf(await this.reseals.giveStored(id, after, limit, because, this.clock.now()))
  }

  /** For the successor's person alone (else `access_denied`). The same once more does nothing. */
  async judge(id: string, { verdicts }: VerdictsBody, operator: AuthenticatedOperator): Promise<JudgedView> {
    await this.getOpen(id, operator, 'toPrincipalId')
    const decoded = verdicts.map(({ requestId, sha256, right }) => ({
      requestId: asId<RequestId>(requestId),
      sha256: fromHex(sha256) ?? new Uint8Array(),
      isRight: right
    }))
    const judged = await this.reseals.verify(id, decoded, actorOf(operator), this.clock.now())
    this.wakeups.nudge('reseal')
    return judged
  }

  private async get(id: string, operator: AuthenticatedOperator): Promise<ResealRow> {
    const row = await this.reseals.find(id)
    if (row !== undefined && operator.may('agent.read', row.caId)) return row
    throw new AppError('not_found', `There is no reseal ${id}.`)
  }

  private async getOpen(
    id: string,
    operator: AuthenticatedOperator,
    party: 'fromPrincipalId' | 'toPrincipalId'
  ): Promise<void> {
    const row = await this.get(id, operator)
    requirePermission(operator, 'agent.reseal', row.caId)
    if (row[party] !== operator.principal.id) {
      const whose = party === 'fromPrincipalId' ? 'agent that hands on' : 'successor'
      throw new AppError('access_denied', `That is for the person of the ${whose} alone.`)
    }
    if (row.state !== 'open') throw ended()
  }

  private async shown(): Promise<Shown> {
    return { agents: await this.coverage.listAgents(), caName: await this.named.caNames() }
  }
}

function agentOf(agents: readonly KnownAgent[], id: number): KnownAgent {
  const agent = agents.find(known => known.id === id)
  if (agent === undefined) throw new AppError('not_found', `There is no recovery agent ${id}.`)
  return agent
}

/** The people of the two agents. Throws `invalid_argument` where they cannot be part of a reseal. */
function requireParties(from: KnownAgent, to: KnownAgent, now: Date): readonly [PrincipalId, PrincipalId] {
  if (from.id === to.id || from.caId !== to.caId) {
    throw new AppError('invalid_argument', 'The successor must be another agent of the same CA.')
  }
  const fault = agentFaultOf(to, now)
  if (fault !== undefined || to.principalId === null) {
    throw new AppError('invalid_argument', `${to.name} cannot be a successor: ${AGENT_FAULTS[fault ?? 'no-account']}.`)
  }
  if (from.principalId === null || from.isAccountDisabled || !from.hasRole) {
    throw new AppError(
      'invalid_argument',
      `${from.name} cannot hand on: its person needs an enabled account that is a recovery agent.`
    )
  }
  return [from.principalId, to.principalId]
}

function actorOf({ name, principal }: AuthenticatedOperator): {
  readonly actor: string
  readonly principalId: PrincipalId
} {
  return { actor: name, principalId: principal.id }
}

function partsOf(parts: readonly ResealPart[]): PartsView {
  const items = parts.map(({ requestId, mode, part, binding, failure }) => ({
    requestId,
    mode,
    part: part.toString('base64'),
    binding: binding.toString('base64'),
    ...(failure === null ? {} : { failure })
  }))
  return { items }
}

function ended(): AppError {
  return new AppError('conflict', 'The reseal has ended.')
}
