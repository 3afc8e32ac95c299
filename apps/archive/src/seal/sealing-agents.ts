import { Injectable } from '@nestjs/common'
import { AppError, type AgentId } from '@app/core'
import { judgeAgentCertificate } from '@app/escrow'
import { AgentStore, TemplateStore, type AgentRow, type RequestForSealing } from '@app/storage'
import { decodeCertificate, type Certificate } from '@app/x509'

/** A recovery agent that keys can be sealed to now. */
export interface SealingAgent {
  readonly id: AgentId
  readonly certificate: Certificate
}

/** Chooses the recovery agents of a key, as KRACertCount does (MS-WCCE 3.2.2.6.2.1.3). */
@Injectable()
export class SealingAgents {
  constructor(
    private readonly agents: AgentStore,
    private readonly templates: TemplateStore
  ) {}

  /**
   * As many usable agents as the template demands, rotating with the request's number, so that the work of recovery is
   * spread. Throws `archival_not_configured` when the CA has no agent at all, `no_valid_recovery_agent` when fewer are
   * usable than demanded.
   */
  async for(row: RequestForSealing, now: Date): Promise<readonly SealingAgent[]> {
    const template = row.templateId === null ? undefined : await this.templates.find(row.templateId)
    const demanded = template?.definition.archival?.agentCount ?? 1
    const active = (await this.agents.list(row.caId)).filter(agent => agent.state === 'active')
    const usable = active.map(decoded).filter(agent => judgeAgentCertificate(agent.certificate, now).usable)
    if (usable.length < demanded || usable.length === 0) {
      throw new AppError(
        'no_valid_recovery_agent',
        `The template demands ${demanded} recovery agents and ${usable.length} are usable. Add agents and submit again.`,
        { demanded, usable: usable.length, active: active.length }
      )
    }
    const first = row.id % usable.length
    return [...usable.slice(first), ...usable.slice(0, first)].slice(0, demanded)
  }
}

function decoded(agent: AgentRow): SealingAgent {
  return { id: agent.id, certificate: decodeCertificate(agent.certificate) }
}
