import { Injectable } from '@nestjs/common'
import { AppError, equalBytes, memoized, type AgentId, type CaId, type TemplateId } from '@app/core'
import { judgeAgentCertificate } from '@app/escrow'
import { AgentStore, TemplateStore, type AgentRow, type RequestForSealing } from '@app/storage'
import { decodeCertificate, type Certificate } from '@app/x509'

/** A recovery agent that keys can be sealed to now. */
export interface SealingAgent {
  readonly id: AgentId
  readonly certificate: Certificate
}

/** The agents of a CA. */
interface AgentsOfCa {
  readonly active: number
  readonly usable: readonly SealingAgent[]
}

/** Chooses the recovery agents of a key, as KRACertCount does (MS-WCCE 3.2.2.6.2.1.3). */
@Injectable()
export class SealingAgents {
  /** A version of a template never changes, so it is read once; an agent's certificate is judged once. */
  private readonly demands = new Map<TemplateId, number>()
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
  batch(now: Date): (row: RequestForSealing) => Promise<readonly SealingAgent[]> {
    const agentsOf = memoized((caId: CaId) => this.agentsOf(caId, now))
    return async row => {
      const demanded = await this.demandOf(row)
      const { usable, active } = await agentsOf(row.caId)
      if (usable.length < demanded || usable.length === 0) {
        throw new AppError(
          'no_valid_recovery_agent',
          `The template demands ${demanded} recovery agents and ${usable.length} are usable. Add agents and submit again.`,
          { demanded, usable: usable.length, active }
        )
      }
      const first = row.id % usable.length
      return [...usable.slice(first), ...usable.slice(0, first)].slice(0, demanded)
    }
  }

  private async demandOf({ templateId }: RequestForSealing): Promise<number> {
    if (templateId === null) return 1
    const known = this.demands.get(templateId)
    if (known !== undefined) return known
    const template = await this.templates.find(templateId)
    const demanded = template?.definition.archival?.agentCount ?? 1
    if (template !== undefined) this.demands.set(templateId, demanded)
    return demanded
  }

  private async agentsOf(caId: CaId, now: Date): Promise<AgentsOfCa> {
    const active = (await this.agents.list(caId)).filter(agent => agent.state === 'active')
    const usable = active.flatMap(agent => {
      const certificate = this.judged(agent, now)
      return certificate === undefined ? [] : [{ id: agent.id, certificate }]
    })
    return { active: active.length, usable }
  }

  /** The certificate of an agent that keys may be sealed to now. One that was sound is so until its last second. */
  private judged(agent: AgentRow, now: Date): Certificate | undefined {
    const known = this.sound.get(agent.id)
    // Compared, because nothing but these bytes says whom the keys are sealed to.
    const isSame = known !== undefined && equalBytes(known.raw, agent.certificate)
    if (isSame && known.notBefore <= now && now <= known.notAfter) return known
    const certificate = decodeCertificate(agent.certificate)
    if (!judgeAgentCertificate(certificate, now).usable) return undefined
    this.sound.set(agent.id, certificate)
    return certificate
  }
}
