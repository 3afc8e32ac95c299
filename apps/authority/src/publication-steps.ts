import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { Steps, Wakeups } from '@app/queue'
import { CrlService } from './crl/crl.service.js'
import { ExchangeRequests } from './exchange/exchange-requests.js'

/** Has CRLs published and exchange keys certified when they are due. */
@Injectable()
export class PublicationSteps implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly steps: Steps,
    private readonly wakeups: Wakeups,
    private readonly crls: CrlService,
    private readonly exchange: ExchangeRequests,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('crl', async () => {
      const { lookAt } = await this.crls.run()
      this.wakeAt(lookAt)
      return { more: false, next: [] }
    })
    this.steps.add('exchange-certificates', async () => {
      const asked = await this.exchange.run()
      return { more: false, next: asked > 0 ? ['evaluate'] : [] }
    })
  }

  onModuleDestroy(): void {
    clearTimeout(this.timer)
  }

  /** Sooner than the sweep, for what is due in a moment. */
  private wakeAt(time: Date): void {
    clearTimeout(this.timer)
    const pause = Math.max(10, time.getTime() - this.clock.now().getTime())
    this.timer = setTimeout(() => this.wakeups.nudge('crl'), Math.min(pause, 3_600_000))
    this.timer.unref()
  }
}
