import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { isAppError, type Clock } from '@app/core'
import { CLOCK, LOG, type Logger } from '@app/platform'
import { Steps, type StepRun } from '@app/queue'
import { Database, RecoveryArchiveStore, type RecoveryToPrepare, type SealedKey, type Unit } from '@app/storage'
import { RecoveryKeys } from './recovery-keys.js'

const batchSize = 32
const sweepSize = 500

/**
 * What the archive does for recoveries: it takes the agents' shares out of a sealed key once a recovery is asked for, and
 * the sealed key itself once one is released. It moves what is encrypted, and opens nothing.
 */
@Injectable()
export class RecoverService implements OnApplicationBootstrap {
  constructor(
    private readonly steps: Steps,
    private readonly database: Database,
    private readonly recoveries: RecoveryArchiveStore,
    private readonly keys: RecoveryKeys,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOG) private readonly log: Logger
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('recoveries', () => this.run(this.clock.now()))
  }

  private async run(now: Date): Promise<StepRun> {
    // 1. What nobody decided or released in its time, before anything is prepared for it.
    const expired = await this.recoveries.expire(now, sweepSize)
    // failpoint: recover.expired
    // 2. The shares of each recovery that is open: one transaction for each, so that a bad one holds back no other.
    const prepared = await this.each(unit => this.recoveries.readUnprepared(unit, 1), this.prepare.bind(this), now)
    // failpoint: recover.shares-committed
    // 3. The package of each that is released.
    const packed = await this.each(unit => this.recoveries.readUnpacked(unit, 1, now), this.pack.bind(this), now)
    // failpoint: recover.packages-committed
    // 4. The owners whose time has come to be told.
    const told = await this.recoveries.tellOwners(now, sweepSize)
    const more = [prepared, packed].includes(batchSize) || [expired, told].includes(sweepSize)
    return {
      more,
      next: [...(packed > 0 ? (['recovery-packages'] as const) : []), ...(told > 0 ? (['webhooks'] as const) : [])]
    }
  }

  private async each(
    claim: (unit: Unit) => Promise<readonly RecoveryToPrepare[]>,
    work: (unit: Unit, recovery: RecoveryToPrepare, key: SealedKey, now: Date) => Promise<void>,
    now: Date
  ): Promise<number> {
    let done = 0
    while (done < batchSize && (await this.one(claim, work, now))) done++
    return done
  }

  private one(
    claim: (unit: Unit) => Promise<readonly RecoveryToPrepare[]>,
    work: (unit: Unit, recovery: RecoveryToPrepare, key: SealedKey, now: Date) => Promise<void>,
    now: Date
  ): Promise<boolean> {
    return this.database.transaction(async unit => {
      const [recovery] = await claim(unit)
      if (recovery === undefined) return false
      const key = await this.keys.find(recovery.requestId)
      if (key === undefined) {
        await this.recoveries.refuse(unit, recovery.id, 'The key is not in the archive any more.', now)
        return true
      }
      await work(unit, recovery, key, now)
      return true
    })
  }

  private async prepare(unit: Unit, recovery: RecoveryToPrepare, key: SealedKey, now: Date): Promise<void> {
    try {
      const shares = await this.keys.shares(key, recovery.agentIds)
      // failpoint: recover.shares-read
      await this.recoveries.prepare(unit, recovery.id, shares, now)
      // failpoint: recover.shares-stored
    } catch (error) {
      if (!isAppError(error) || error.code === 'unavailable' || error.code === 'internal') throw error
      this.log.error({ error, recoveryId: recovery.id }, 'A sealed key cannot be read, and is not recovered.')
      await this.recoveries.refuse(unit, recovery.id, `The sealed key cannot be read: ${error.message}`, now)
    }
  }

  private pack(unit: Unit, { id, requestId }: RecoveryToPrepare, { sealed }: SealedKey, now: Date): Promise<void> {
    return this.recoveries.pack(unit, id, requestId, sealed, now)
  }
}
