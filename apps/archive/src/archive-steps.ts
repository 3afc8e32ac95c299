import { Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { Steps } from '@app/queue'
import { ExchangeKeys } from './inventory/exchange-keys.js'
import { SealService } from './seal/seal.service.js'

/** Has keys sealed, and exchange keys made and destroyed, when they are due. */
@Injectable()
export class ArchiveSteps implements OnApplicationBootstrap {
  constructor(
    private readonly steps: Steps,
    private readonly sealing: SealService,
    private readonly exchangeKeys: ExchangeKeys
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('seal', () => this.sealing.run(), ['issue', 'respond'])
    this.steps.add('exchange-keys', () => this.keepExchangeKeys(), ['exchange-certificates'])
  }

  private async keepExchangeKeys(): Promise<number> {
    await this.sealing.purge()
    await this.exchangeKeys.retire()
    return this.exchangeKeys.provide()
  }
}
