import { Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { Steps, type StepRun } from '@app/queue'
import { RevocationAnswerStore } from '@app/storage'
import { CaRegistry } from '../ca/ca-registry.js'
import { FullResponseFactory } from './full-response-factory.js'

const batchSize = 32

/** Signs the answers to CMC messages that revoked a certificate. */
@Injectable()
export class RevocationAcknowledgement implements OnApplicationBootstrap {
  constructor(
    private readonly steps: Steps,
    private readonly answers: RevocationAnswerStore,
    private readonly registry: CaRegistry,
    private readonly factory: FullResponseFactory
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('acknowledge', () => this.run())
  }

  private async run(): Promise<StepRun> {
    const { taken, failure } = await this.answers.sign(batchSize, async row =>
      this.factory.acknowledge(row, await this.registry.get(row.caId))
    )
    if (failure !== undefined) throw failure
    return { more: taken === batchSize, next: [] }
  }
}
