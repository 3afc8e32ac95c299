import { Inject, Injectable } from '@nestjs/common'
import { toBase64, type Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { requireFetchable } from '@app/policy'
import { AuditLog, RecoveryStore, type FoundRecovery } from '@app/storage'
import type { AuthenticatedOperator } from '../access/operator.js'
import { PreparedRecoveries } from './prepared-recoveries.js'
import type { PackageView } from './recoveries.schemas.js'
import { RecoveryAccess } from './recovery-access.js'
import { RecoveryCertificates } from './recovery-certificates.js'

const permission = 'recovery.release'

/** Handing out what was released. */
@Injectable()
export class RecoveryDelivery {
  constructor(
    private readonly recoveries: RecoveryStore,
    private readonly access: RecoveryAccess,
    private readonly prepared: PreparedRecoveries,
    private readonly certificates: RecoveryCertificates,
    private readonly audit: AuditLog,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * What was released, to whoever asked for it and nobody else, until its time is over: the same bytes however often, as a
   * connection may have broken. Each time is in the audit log before a byte leaves. Throws as `requireFetchable`,
   * `restricted_officer`, `unavailable` while it is being prepared.
   */
  async package(id: number, operator: AuthenticatedOperator): Promise<PackageView> {
    // 1. Whether the caller may.
    const recovery = await this.access.permitted(id, permission, operator)
    await this.access.requireScopeOf(recovery, permission, operator)
    requireFetchable(recovery, operator.principal.id, this.clock.now())
    // 2. What there is to hand out.
    const bytes = await this.prepared.package(recovery.id)
    const shares = await this.sharesOf(recovery)
    const { certificate, chain } = await this.certificates.of(recovery)
    // failpoint: deliver.read
    // 3. That it is handed out, and to whom.
    const now = this.clock.now()
    requireFetchable(recovery, operator.principal.id, now)
    const { mode } = recovery
    await this.audit.append([
      {
        at: now,
        actor: operator.name,
        action: 'recovery.delivered',
        objectType: 'recovery',
        objectId: String(recovery.id),
        outcome: 'success',
        detail: { requestId: recovery.requestId, mode, agentIds: shares.map(({ agentId }) => String(agentId)) }
      }
    ])
    // failpoint: deliver.recorded
    return { recoveryId: recovery.id, mode, package: toBase64(bytes), shares, certificate, chain }
  }

  /** Of those alone whose approvals the release rests on. */
  private async sharesOf({ id, countedAgents }: FoundRecovery): Promise<PackageView['shares']> {
    const approvals = await this.recoveries.listApprovals(id)
    return approvals.flatMap(({ agentId, transferred }) =>
      transferred === null || countedAgents?.includes(agentId) !== true
        ? []
        : [{ agentId, share: toBase64(transferred) }]
    )
  }
}
