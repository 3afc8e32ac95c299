import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import { requireReleasable } from '@app/policy'
import { Wakeups } from '@app/queue'
import { RecoveryStore, RoleStore } from '@app/storage'
import type { AuthenticatedOperator } from '../access/operator.js'
import type { RecoveryDetail } from './recoveries.schemas.js'
import { RecoveryAccess } from './recovery-access.js'

const HOUR = 3_600_000
const permission = 'recovery.release'

/** Releasing what is approved, once. */
@Injectable()
export class RecoveryRelease {
  constructor(
    private readonly recoveries: RecoveryStore,
    private readonly roles: RoleStore,
    private readonly access: RecoveryAccess,
    private readonly wakeups: Wakeups,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /**
   * Releases a recovery to whoever asked for it. Every right is judged again as it is now: those of the caller, and those
   * of each person and agent that approved. One that still waits is approved with it when approvals count again. Throws as `requireReleasable`, and `restricted_officer`.
   */
  async release(id: number, operator: AuthenticatedOperator): Promise<RecoveryDetail> {
    const asked = await this.access.permitted(id, permission, operator)
    await this.access.requireScopeOf(asked, permission, operator)
    const recoveryId = asked.id
    // Nobody gives or takes a role until it is decided.
    await this.roles.exclusively(async unit => {
      const recovery = await this.recoveries.lock(unit, recoveryId)
      const now = this.clock.now()
      const counted = await this.recoveries.listCounted(recoveryId, now, unit)
      requireReleasable(recovery, operator.principal.id, counted.length, now)
      // failpoint: release.judged
      const because = { actor: operator.name }
      if (recovery.state === 'requested') {
        const releaseUntil = new Date(now.getTime() + this.config.recovery.releaseHours * HOUR)
        await this.recoveries.openWindow(unit, recoveryId, now, { releaseUntil }, because)
      }
      const notifyAt = new Date(now.getTime() + this.config.recovery.ownerNoticeHours * HOUR)
      if (await this.recoveries.release(unit, recoveryId, now, notifyAt, because)) return
      throw new AppError('internal', `Recovery ${id} moved while it was locked.`, { recoveryId })
    })
    // failpoint: release.committed
    this.wakeups.nudge('recoveries')
    return this.access.show(id, operator)
  }
}
