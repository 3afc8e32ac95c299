import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { Steps } from '@app/queue'
import { KeyPurgeStore } from '@app/storage'

/** Keys of a purge that one transaction erases. */
const purgeBatch = 200

/** Has approved purges carried out. */
@Injectable()
export class RetentionSteps implements OnApplicationBootstrap {
  constructor(
    private readonly steps: Steps,
    private readonly purges: KeyPurgeStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('purge', async () => {
      const looked = await this.purges.run(purgeBatch, this.clock.now())
      return { more: looked === purgeBatch, next: [] }
    })
  }
}
