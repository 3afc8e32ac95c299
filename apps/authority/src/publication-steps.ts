import { Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { Steps } from '@app/queue'
import { CrlService } from './crl/crl.service.js'
import { ExchangeRequests } from './exchange/exchange-requests.js'

/** Has CRLs published and exchange keys certified when they are due. */
@Injectable()
export class PublicationSteps implements OnApplicationBootstrap {
  constructor(
    private readonly steps: Steps,
    private readonly crls: CrlService,
    private readonly exchange: ExchangeRequests
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('crl', async () => {
      await this.crls.run()
      return { more: false, next: [] }
    })
    this.steps.add('exchange-certificates', async () => {
      const asked = await this.exchange.run()
      return { more: false, next: asked > 0 ? ['evaluate'] : [] }
    })
  }
}
