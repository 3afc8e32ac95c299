import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { Steps, type StepRun } from '@app/queue'
import { RegistrationDecisionStore, SiteStore } from '@app/storage'
import { RegistrationBatch } from './registration-batch.js'

/** So many are decided in one transaction: few enough that a crash repeats little. */
const batchSize = 25
const purgeInterval = 60_000

/** Has registrations decided when they have come in. */
@Injectable()
export class RegistrationSteps implements OnApplicationBootstrap {
  private purgeAt = 0

  constructor(
    private readonly steps: Steps,
    private readonly batch: RegistrationBatch,
    private readonly rows: RegistrationDecisionStore,
    private readonly site: SiteStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('registrations', () => this.run())
  }

  private async run(): Promise<StepRun> {
    const site = await this.site.get()
    const decided = await this.batch.run(batchSize, site)
    const isMoreToPurge = await this.purge(site.replayWindowSeconds)
    return { more: decided === batchSize || isMoreToPurge, next: [] }
  }

  /** A message is remembered until its time stamp alone has it refused: a window before and a window after its coming. */
  private async purge(windowSeconds: number): Promise<boolean> {
    const now = this.clock.now().getTime()
    if (now < this.purgeAt) return false
    const isMore = await this.rows.purge(new Date(now - 2000 * windowSeconds))
    if (!isMore) this.purgeAt = now + purgeInterval
    return isMore
  }
}
