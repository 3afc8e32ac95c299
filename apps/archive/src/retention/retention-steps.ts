import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { Steps } from '@app/queue'
import { KeyPurgeStore } from '@app/storage'
import { DrillService } from '../drill/drill.service.js'

/** Keys of a purge that one transaction erases. */
const purgeBatch = 200

/** Has approved purges carried out, and drills run. */
@Injectable()
export class RetentionSteps implements OnApplicationBootstrap {
  constructor(
    private readonly steps: Steps,
    private readonly purges: KeyPurgeStore,
    private readonly drills: DrillService,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('purge', async () => {
      const looked = await this.purges.run(purgeBatch, this.clock.now())
      return { more: looked === purgeBatch, next: [] }
    })
    this.steps.add('drill', async () => {
      const failed = await this.drills.run()
      return { more: false, next: failed ? ['webhooks'] : [] }
    })
  }
}
