import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { Jobs, Steps, type StepRun } from '@app/queue'
import { PublicationStore } from '@app/storage'
import { PublicationService } from './publication.service.js'

const QUEUE = 'publications'
const batchSize = 500
/** How many certificates the LDAP server gets at once. */
const concurrency = 2
/** A job that has not been run by then must have been lost. */
const lostAfter = 10 * 60_000

/** Queues certificates that are to be published, one job each, and runs these. */
@Injectable()
export class PublicationSteps implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    private readonly steps: Steps,
    private readonly jobs: Jobs,
    private readonly publications: PublicationStore,
    private readonly service: PublicationService,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('publish', () => this.run())
    this.jobs.serve({ name: QUEUE, concurrency, run: id => this.service.run(id) })
  }

  onModuleDestroy(): Promise<void> {
    return this.jobs.stop()
  }

  private async run(): Promise<StepRun> {
    const now = this.clock.now()
    const ids = await this.publications.take(batchSize, now, new Date(now.getTime() + lostAfter))
    await this.jobs.add(QUEUE, ids)
    return { more: ids.length === batchSize, next: [] }
  }
}
