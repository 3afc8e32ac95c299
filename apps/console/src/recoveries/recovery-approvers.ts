import { Inject, Injectable } from '@nestjs/common'
import { AppError, asId, toBase64, type AgentId, type Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { chooseAgent, requireApprovable } from '@app/policy'
import { AuditLog, RecoveryStore, type FoundRecovery } from '@app/storage'
import type { AuthenticatedOperator } from '../access/operator.js'
import { PreparedRecoveries } from './prepared-recoveries.js'
import type { ShareView } from './recoveries.schemas.js'
import { RecoveryAccess } from './recovery-access.js'

/** Somebody who could approve a recovery, and with which agent. */
export interface RecoveryApprover {
  readonly recovery: FoundRecovery
  readonly agentId: AgentId
  /** The agent's, DER. */
  readonly certificate: Uint8Array
}

/** Who could approve a recovery, and what is given to them for it. */
@Injectable()
export class RecoveryApprovers {
  constructor(
    private readonly recoveries: RecoveryStore,
    private readonly access: RecoveryAccess,
    private readonly prepared: PreparedRecoveries,
    private readonly audit: AuditLog,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * The share of one of the operator's agents, and nobody else's. Throws as {@link judge}.
   */
  async share(id: number, wanted: number | undefined, operator: AuthenticatedOperator): Promise<ShareView> {
    // 1. Whether the operator could approve with it.
    const { recovery, agentId, certificate } = await this.judge(id, wanted, operator)
    const share = await this.recoveries.findShare(recovery.id, agentId)
    if (share === undefined) throw new AppError('internal', `Recovery ${id} has no share for agent ${agentId}.`)
    // 2. Who is given it, before it leaves.
    await this.audit.append([
      {
        at: this.clock.now(),
        actor: operator.name,
        action: 'recovery.share_given',
        objectType: 'recovery',
        objectId: String(recovery.id),
        outcome: 'success',
        detail: { agentId }
      }
    ])
    const { mode, recipient } = recovery
    return {
      recoveryId: recovery.id,
      mode,
      agentId,
      agentCertificate: toBase64(certificate),
      ...(share.share === null ? {} : { part: toBase64(share.share) }),
      ...(share.binding === null ? {} : { binding: toBase64(share.binding) }),
      ...(recipient === null ? {} : { recipient: toBase64(recipient) })
    }
  }

  /**
   * Whether the operator may approve, and with which agent. Throws `not_found` for a recovery that it may not see, what
   * `requireApprovable` and `chooseAgent` throw, `unavailable` while the archive has not prepared the shares.
   */
  async judge(id: number, wanted: number | undefined, operator: AuthenticatedOperator): Promise<RecoveryApprover> {
    const recovery = await this.access.permitted(id, 'recovery.approve', operator)
    const principalId = operator.principal.id
    requireApprovable(recovery, await this.recoveries.listApprovals(recovery.id), principalId, this.clock.now())
    await this.prepared.shares(recovery.id)
    const agents = await this.access.agentsOf(recovery.id)
    const agentId = asId<AgentId>(chooseAgent(agents, principalId, wanted).agentId)
    const certificate = agents.find(agent => agent.agentId === agentId)?.certificate ?? new Uint8Array()
    return { recovery, agentId, certificate }
  }
}
