import { createHash } from 'node:crypto'
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { AppError, equalBytes, isAppError, type AgentId, type Clock } from '@app/core'
import { getAgentPart, replaceAgentPart, type AgentPart } from '@app/escrow'
import { CLOCK, LOG, type Logger } from '@app/platform'
import { Steps, type StepRun } from '@app/queue'
import {
  AgentStore,
  ResealWorkStore,
  type AgentRow,
  type HandedOn,
  type KeyToReseal,
  type PreparedKey,
  type Resealed,
  type ResealRow
} from '@app/storage'
import { decodeCertificate, type Certificate } from '@app/x509'

const batchSize = 100
/** So many keys wait for the agent at a time: what is prepared is bounded, however many keys there are. */
const ahead = 2000
const heldAlready = 'The successor, or an agent of the same person, has a part of the key already.'

/** What is read once for all keys of a batch. */
interface Agents {
  readonly from: Certificate
  readonly to: Certificate
  /** Those that may not have a part of a key beside the successor: its person's, and the successor itself. */
  readonly ofSuccessor: ReadonlySet<AgentId>
}

/**
 * Reseals: gives agents their parts of keys, makes new sealed forms of what they hand on, and puts these in the place of
 * the old ones once the successor has verified them. Nothing here can open a key or a part.
 */
@Injectable()
export class ResealService implements OnApplicationBootstrap {
  constructor(
    private readonly steps: Steps,
    private readonly work: ResealWorkStore,
    private readonly agents: AgentStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOG) private readonly log: Logger
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('reseal', () => this.run(this.clock.now()))
  }

  /** Does a batch of each open reseal. */
  async run(now: Date): Promise<StepRun> {
    let done = await this.work.sweepCancelled(batchSize)
    for (const reseal of await this.work.listOpen()) done += await this.runOne(reseal, now)
    return { more: done > 0, next: [] }
  }

  private async runOne(reseal: ResealRow, now: Date): Promise<number> {
    const agents = await this.agentsOf(reseal)
    const { id } = reseal
    // 1. What the agent can hand on.
    const prepared = await this.work.prepare(id, { limit: batchSize, ahead, now }, keys =>
      Promise.resolve(keys.map(key => this.prepared(key, agents)))
    )
    // failpoint: reseal.prepared
    // 2. New forms beside the old ones.
    const stored = await this.work.store(id, batchSize, now, parts =>
      Promise.resolve(parts.map(part => this.resealed(part, agents)))
    )
    // failpoint: reseal.stored
    // 3. Those that the successor has verified, in the place of the old ones.
    const { put, again } = await this.work.put(id, batchSize, now)
    // failpoint: reseal.put
    const moved = prepared + stored + put + again
    if (moved > 0) return moved
    return (await this.work.complete(id, now)) === 'more' ? 1 : 0
  }

  private async agentsOf({ caId, fromAgentId, toAgentId, toPrincipalId }: ResealRow): Promise<Agents> {
    const rows = await this.agents.list(caId)
    const certificateOf = (id: AgentId): Certificate => {
      const row = rows.find(agent => agent.id === id)
      if (row === undefined) throw new AppError('internal', `There is no agent ${id}.`)
      return decodeCertificate(row.certificate)
    }
    const isOfSuccessor = ({ id, principalId }: AgentRow): boolean =>
      id === toAgentId || (principalId === toPrincipalId && id !== fromAgentId)
    return {
      from: certificateOf(fromAgentId),
      to: certificateOf(toAgentId),
      ofSuccessor: new Set(rows.filter(isOfSuccessor).map(({ id }) => id))
    }
  }

  private prepared({ requestId, mode, sealed, agentIds }: KeyToReseal, { from, ofSuccessor }: Agents): PreparedKey {
    const skip = (skipped: string): PreparedKey => ({ requestId, mode, held: null, binding: null, skipped })
    if (agentIds.some(id => ofSuccessor.has(id))) return skip(heldAlready)
    try {
      const { part: held, binding } = getAgentPart(sealed, from)
      return { requestId, mode, held, binding, skipped: null }
    } catch (error) {
      if (!isAppError(error)) throw error
      this.log.error({ requestId, error }, 'A sealed key does not read back.')
      return skip(`The sealed key does not read back: ${error.message}`)
    }
  }

  private resealed({ requestId, part, binding, sealed, agentIds }: HandedOn, agents: Agents): Resealed {
    const { from, to, ofSuccessor } = agents
    if (sealed === null) return { requestId, skipped: 'The key has been purged.' }
    // Another agent may have handed its part on to the same person meanwhile.
    if (agentIds.some(id => ofSuccessor.has(id))) return { requestId, skipped: heldAlready }
    const now = findPart(sealed, from)
    if (now === undefined) return { requestId, skipped: 'The key is sealed to the agent no longer.' }
    const again = (failure: string): Resealed => ({ requestId, failure, held: now.part, binding: now.binding })
    // A key that was imported anew in between has other parts.
    if (!equalBytes(now.binding, binding)) return again('The key has been sealed anew since.')
    try {
      return { requestId, sealed: replaceAgentPart(sealed, from, to, part), madeOf: digestOf(sealed) }
    } catch (error) {
      if (!isAppError(error)) throw error
      return again(error.message)
    }
  }
}

function findPart(sealed: Uint8Array, agent: Certificate): AgentPart | undefined {
  try {
    return getAgentPart(sealed, agent)
  } catch (error) {
    // One that does not read back is none either.
    if (isAppError(error)) return undefined
    throw error
  }
}

function digestOf(sealed: Uint8Array): Uint8Array {
  return createHash('sha256').update(sealed).digest()
}
