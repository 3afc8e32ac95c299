import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { Jobs, Steps, type StepRun } from '@app/queue'
import { WebhookStore } from '@app/storage'
import { DeliveryService, WEBHOOK_TARGETS } from './delivery.service.js'
import type { WebhookTarget } from './webhook-targets.js'

const batchSize = 500
/** How many notices one receiver gets at once. */
const concurrency = 4
/** A job that has not been run by then must have been lost. */
const lostAfter = 10 * 60_000
const keptFor = 30 * 86_400_000
const purgeInterval = 3_600_000

/** Queues deliveries when they are due, one job each, and runs these. */
@Injectable()
export class WebhookSteps implements OnApplicationBootstrap, OnModuleDestroy {
  private purgeAt = 0

  constructor(
    private readonly steps: Steps,
    private readonly jobs: Jobs,
    private readonly deliveries: WebhookStore,
    private readonly service: DeliveryService,
    @Inject(WEBHOOK_TARGETS) private readonly targets: readonly WebhookTarget[],
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('webhooks', () => this.run())
    for (const target of this.targets) {
      this.jobs.serve({ name: queueOf(target.name), concurrency, run: id => this.service.run(target, id) })
    }
  }

  onModuleDestroy(): Promise<void> {
    this.service.interrupt()
    return this.jobs.stop()
  }

  private async run(): Promise<StepRun> {
    const now = this.clock.now()
    const taken = await this.deliveries.take(batchSize, now, new Date(now.getTime() + lostAfter))
    for (const [webhook, ids] of byWebhook(taken)) {
      if (this.targets.some(({ name }) => name === webhook)) await this.queue(webhook, ids, now)
      else for (const id of ids) await this.service.abandon(id)
    }
    const isMoreToPurge = await this.purge(now)
    return { more: taken.length === batchSize || isMoreToPurge, next: [] }
  }

  private async queue(webhook: string, ids: readonly string[], now: Date): Promise<void> {
    try {
      await this.jobs.add(queueOf(webhook), ids)
    } catch (error) {
      await this.deliveries.putBack(ids, now)
      throw error
    }
  }

  /** Whether there is more to forget than one statement does: then the next run goes on. */
  private async purge(now: Date): Promise<boolean> {
    if (now.getTime() < this.purgeAt) return false
    const isMore = await this.deliveries.purge(new Date(now.getTime() - keptFor))
    if (!isMore) this.purgeAt = now.getTime() + purgeInterval
    return isMore
  }
}

/** Each receiver has a queue of its own, so that a slow one holds up no other. */
function queueOf(webhook: string): string {
  return `webhook-${webhook}`
}

function byWebhook(taken: readonly { readonly id: string; readonly webhook: string }[]): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const { id, webhook } of taken) groups.set(webhook, [...(groups.get(webhook) ?? []), id])
  return groups
}
