import { Inject, Injectable } from '@nestjs/common'
import { AppError, fromBase64, isAppError, type Clock } from '@app/core'
import { verifyTransferredShare } from '@app/escrow'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import { requireApprovable, requireOpen } from '@app/policy'
import { Database, RecoveryStore, type FoundRecovery, type NewRecoveryApproval, type Unit } from '@app/storage'
import { decodeCertificate } from '@app/x509'
import type { AuthenticatedOperator } from '../access/operator.js'
import type { ApprovalBody, RecoveryDetail } from './recoveries.schemas.js'
import { RecoveryAccess } from './recovery-access.js'
import { RecoveryApprovers } from './recovery-approvers.js'

const HOUR = 3_600_000
const permission = 'recovery.approve'

/** What agents do to a recovery: approve it with their share, or refuse it. */
@Injectable()
export class RecoveryApprovals {
  constructor(
    private readonly database: Database,
    private readonly recoveries: RecoveryStore,
    private readonly access: RecoveryAccess,
    private readonly approvers: RecoveryApprovers,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /**
   * Approves, once for a person and an agent. Throws as
   * `RecoveryApprovers.judge`, also for what has changed meanwhile, and `recovery_share_invalid` for a share that is not
   * encrypted to the recipient alone. What is in it nobody here can tell.
   */
  async approve(id: number, body: ApprovalBody, operator: AuthenticatedOperator): Promise<RecoveryDetail> {
    // 1. Whether the operator may, and with which agent.
    const { recovery, agentId } = await this.approvers.judge(id, body.agentId, operator)
    const transferred = transferredOf(body, recovery)
    // failpoint: recovery.approval-judged
    // 2. The same again while nobody else approves, and the approval: with the last that is needed the window opens.
    const approval = {
      recoveryId: recovery.id,
      agentId,
      principalId: operator.principal.id,
      principalName: operator.name,
      transferred
    }
    try {
      await this.database.transaction(unit => this.record(unit, approval))
    } catch (error) {
      if (isAppError(error) && error.evidence['constraint'] === 'recovery_approver_is_agent') {
        throw new AppError(
          'access_denied',
          `Agent ${agentId} cannot be used any more: it was retired or revoked meanwhile, or you lost the role.`,
          { recoveryId: id },
          { cause: error }
        )
      }
      if (!isAppError(error, 'conflict') || error.evidence['constraint'] === undefined) throw error
      throw new AppError(
        'approver_excluded',
        `Recovery ${id} has an approval of agent ${agentId} already.`,
        {},
        { cause: error }
      )
    }
    // failpoint: recovery.approval-committed
    return this.access.show(id, operator)
  }

  /** Refuses a recovery for good. Throws `conflict` for one that has ended. */
  async refuse(id: number, reason: string, operator: AuthenticatedOperator): Promise<RecoveryDetail> {
    const row = await this.access.permitted(id, permission, operator)
    const now = this.clock.now()
    requireOpen(row, now)
    const closing = { state: 'refused', reason: reason.trim() } as const
    if (!(await this.recoveries.close(row.id, closing, { actor: operator.name }, now))) {
      requireOpen(await this.access.readable(id, operator), now)
    }
    return this.access.show(id, operator)
  }

  private async record(unit: Unit, approval: Omit<NewRecoveryApproval, 'at'>): Promise<void> {
    const { recoveryId, principalId, principalName } = approval
    const recovery = await this.recoveries.lock(unit, recoveryId)
    const past = await this.recoveries.listApprovals(recoveryId, unit)
    const at = this.clock.now()
    requireApprovable(recovery, past, principalId, at)
    // failpoint: recovery.approval-locked
    const given = (await this.recoveries.listCounted(recoveryId, at, unit)).length + 1
    const because = { actor: principalName }
    const complete = { ...approval, at }
    if (recovery.state === 'approved' || given < recovery.quorum) {
      await this.recoveries.giveApproval(unit, complete, { given, needed: recovery.quorum }, because)
      return
    }
    const releaseUntil = new Date(at.getTime() + this.config.recovery.releaseHours * HOUR)
    if (await this.recoveries.approve(unit, complete, { releaseUntil }, because)) return
    throw new AppError('internal', `Recovery ${recoveryId} moved while it was locked.`, { recoveryId })
  }
}

function transferredOf({ share }: ApprovalBody, { id, mode, recipient }: FoundRecovery): Uint8Array | null {
  if (mode === 'any-agent') {
    if (share === undefined) return null
    throw new AppError('invalid_argument', `Each agent opens the key of recovery ${id} alone; it takes no share.`)
  }
  const transferred = share === undefined ? undefined : fromBase64(share)
  if (transferred === undefined || recipient === null) {
    throw new AppError('invalid_argument', `Recovery ${id} takes your share, encrypted to its recipient.`)
  }
  verifyTransferredShare(transferred, decodeCertificate(recipient))
  return transferred
}
