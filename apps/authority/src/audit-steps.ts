import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common'
import { LOG, type Logger } from '@app/platform'
import { Steps } from '@app/queue'
import { AuditChain } from './audit/audit-chain.service.js'

/** Has the audit log chained when there is something to chain, and once more at the end. */
@Injectable()
export class AuditSteps implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    private readonly steps: Steps,
    private readonly chain: AuditChain,
    @Inject(LOG) private readonly log: Logger
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('audit', () => this.chain.run())
  }

  async onModuleDestroy(): Promise<void> {
    try {
      await this.chain.close()
    } catch (error) {
      this.log.warn({ error }, 'The end of the audit log is not signed; the next start does it.')
    }
  }
}
