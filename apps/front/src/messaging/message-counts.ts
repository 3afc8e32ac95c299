import { Injectable } from '@nestjs/common'
import { Counter, Gauge } from 'prom-client'
import type { MessageClass } from '@app/messaging'
import type { Metrics } from '@app/platform'
import { MessageStore } from '@app/storage'

/** What becomes of messages, for the metrics. */
@Injectable()
export class MessageCounts {
  private counter: Counter | undefined

  constructor(private readonly messages: MessageStore) {}

  /** Counts from now on, and has the metrics tell at each scrape what waits. Absent while the database does not answer. */
  begin({ registry }: Metrics): void {
    this.counter = new Counter({
      name: 'certkeep_messages_total',
      help: 'Messages that arrived, were received or ended otherwise, by the class that tells of it.',
      labelNames: ['class'],
      registers: [registry]
    })
    const waiting: Gauge = new Gauge({
      name: 'certkeep_messages',
      help: 'Messages in all queues that wait to be received, and dead letters.',
      labelNames: ['place'],
      registers: [registry],
      collect: async () => {
        waiting.reset()
        oldest.reset()
        const standing = await this.messages.readStanding().catch(() => undefined)
        if (standing === undefined) return
        waiting.set({ place: 'queue' }, standing.waiting)
        waiting.set({ place: 'dead-letter' }, standing.deadLetters)
        oldest.set(standing.oldestAt === null ? 0 : (Date.now() - standing.oldestAt.getTime()) / 1000)
      }
    })
    const oldest: Gauge = new Gauge({
      name: 'certkeep_messages_oldest_seconds',
      help: 'For how long the oldest message that waits has waited.',
      registers: [registry]
    })
  }

  /** What is known of one message now. */
  count(name: MessageClass): void {
    this.counter?.inc({ class: name })
  }
}
