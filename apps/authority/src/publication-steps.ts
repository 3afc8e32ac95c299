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
    this.steps.add('crl', () => this.crls.run(), [])
    this.steps.add('exchange-certificates', () => this.exchange.run(), ['evaluate'])
  }
}
