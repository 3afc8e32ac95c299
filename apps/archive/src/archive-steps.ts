import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { Steps, type StepRun } from '@app/queue'
import { ArchiveStore } from '@app/storage'
import { ExchangeKeys } from './inventory/exchange-keys.js'
import { ImportService } from './seal/import.service.js'
import { SealService } from './seal/seal.service.js'

/** A denied request can be taken up again by an administrator for a month; then its envelope is deleted. */
const keepRefused = 30 * 86_400_000
const purgeBatch = 1000

/** Has keys sealed, and exchange keys made and destroyed, when they are due. */
@Injectable()
export class ArchiveSteps implements OnApplicationBootstrap {
  constructor(
    private readonly steps: Steps,
    private readonly sealing: SealService,
    private readonly imports: ImportService,
    private readonly exchangeKeys: ExchangeKeys,
    private readonly archive: ArchiveStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('seal', () => this.sealing.run(this.clock.now()))
    this.steps.add('import', async () => ({ more: await this.imports.run(this.clock.now()), next: [] }))
    this.steps.add('exchange-keys', () => this.keepExchangeKeys())
  }

  private async keepExchangeKeys(): Promise<StepRun> {
    const now = this.clock.now()
    const refusedBefore = new Date(now.getTime() - keepRefused)
    await this.archive.purgeEnvelopes(refusedBefore, purgeBatch, now)
    // Keys that were sealed for requests that failed after all: no certificate will ever be made for them.
    await this.archive.purgeSealed(refusedBefore, purgeBatch, now)
    await this.exchangeKeys.retire()
    const made = await this.exchangeKeys.provide()
    return { more: false, next: made > 0 ? ['exchange-certificates'] : [] }
  }
}
