import { Injectable } from '@nestjs/common'
import { AppError, equalBytes, memoized, type AgentId, type CaId, type TemplateId } from '@app/core'
import { judgeAgentCertificate } from '@app/escrow'
import { isSealable } from '@app/policy'
import { AgentStore, TemplateStore, type ListedAgent, type RequestForSealing } from '@app/storage'
import type { ArchivalSettings } from '@app/templates'
import { decodeCertificate, type Certificate } from '@app/x509'

/** A recovery agent that keys can be sealed to now. */
interface SealingAgent {
  readonly id: AgentId
  readonly certificate: Certificate
}

/** How and to whom a key is sealed. */
export interface Sealing {
  readonly settings: ArchivalSettings
  readonly agents: readonly SealingAgent[]
}

/** What the choice of a key's agents goes by. */
export type KeyToSeal = Pick<RequestForSealing, 'caId' | 'templateId'> & { readonly id: number }

/** The agents of a CA. */
interface AgentsOfCa {
  readonly active: number
  readonly usable: readonly SealingAgent[]
}

/** Chooses the recovery agents of a key, as KRACertCount does (MS-WCCE 3.2.2.6.2.1.3). */
@Injectable()
export class SealingAgents {
  /** A version of a template never changes, so it is read once; an agent's certificate is judged once. */
  private readonly demands = new Map<TemplateId, ArchivalSettings>()
  private readonly sound = new Map<AgentId, Certificate>()

  constructor(
    private readonly agents: AgentStore,
    private readonly templates: TemplateStore
  ) {}

  /**
   * Chooses for a batch of requests: for each as many usable agents as its template demands, rotating with the
   * request's number, so that the work of recovery is spread. Which agents a CA has is read once for the batch. What it
   * returns throws `no_valid_recovery_agent` when fewer are usable than demanded.
   */
  batch(now: Date): (row: KeyToSeal) => Promise<Sealing> {
    const agentsOf = memoized((caId: CaId) => this.agentsOf(caId, now))
    return async row => {
      const settings = await this.demandOf(row)
      const { agentCount: demanded } = settings
      const { usable, active } = await agentsOf(row.caId)
      if (usable.length < demanded || usable.length === 0) {
        throw new AppError(
          'no_valid_recovery_agent',
          `The template demands ${demanded} recovery agents and ${usable.length} are usable. Add agents and submit again.`,
          { demanded, usable: usable.length, active }
        )
      }
      const first = row.id % usable.length
      return { settings, agents: [...usable.slice(first), ...usable.slice(0, first)].slice(0, demanded) }
    }
  }

  private async demandOf({ id, templateId }: KeyToSeal): Promise<ArchivalSettings> {
    const known = templateId === null ? undefined : this.demands.get(templateId)
    if (known !== undefined) return known
    const archival = templateId === null ? undefined : (await this.templates.find(templateId))?.definition.archival
    if (templateId === null || archival === undefined) {
      throw new AppError('internal', `Request ${id} is to be sealed after a template that does not archive.`)
    }
    this.demands.set(templateId, archival)
    return archival
  }

  private async agentsOf(caId: CaId, now: Date): Promise<AgentsOfCa> {
    const active = (await this.agents.list(caId)).filter(agent => agent.state === 'active')
    const usable = active.flatMap(agent => {
      const certificate = this.judged(agent, now)
      return certificate === undefined ? [] : [{ id: agent.id, certificate }]
    })
    return { active: active.length, usable }
  }

  /** The certificate of an agent that keys may be sealed to now. One that was sound is so until it ends or is revoked. */
  private judged(agent: ListedAgent, now: Date): Certificate | undefined {
    if (!isSealable(agent, now)) return undefined
    const known = this.sound.get(agent.id)
    // Compared, because nothing but these bytes says whom the keys are sealed to.
    const isSame = known !== undefined && equalBytes(known.raw, agent.certificate)
    if (isSame) return known
    const certificate = decodeCertificate(agent.certificate)
    if (!judgeAgentCertificate(certificate, now).usable) return undefined
    this.sound.set(agent.id, certificate)
    return certificate
  }
}
