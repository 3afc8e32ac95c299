import { Inject, Injectable } from '@nestjs/common'
import type { Clock } from '@app/core'
import type { MessageClass } from '@app/messaging'
import { CLOCK } from '@app/platform'
import { Database, MessageQueueStore, MessageStore, type Because, type MessageQueueRow } from '@app/storage'
import { MessageEndings } from './message-endings.js'

/** Queues whose time is over. A process that was killed cannot remove its own. */
@Injectable()
export class TemporaryQueues {
  constructor(
    private readonly queues: MessageQueueStore,
    private readonly messages: MessageStore,
    private readonly endings: MessageEndings,
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** Whether a queue is there. */
  isThere({ temporaryUntil }: MessageQueueRow): boolean {
    return temporaryUntil === null || temporaryUntil >= this.clock.now()
  }

  /** Its receiver is there, and asks for so many seconds. */
  keep(queue: MessageQueueRow, waiting: number): Promise<void> {
    return this.queues.keep(queue, waiting, this.clock.now())
  }

  /** Removes every temporary queue whose receiver has been silent for too long; senders of what waited hear of it. */
  async removeEnded(): Promise<void> {
    for (const queue of await this.queues.listEnded(this.clock.now())) {
      await this.remove(queue, { actor: 'role:front' })
    }
  }

  /** Removes a queue with its journal and dead letters; senders of what waited hear of it. */
  async remove(queue: MessageQueueRow, because: Because): Promise<void> {
    do await this.giveUpAll(queue, 'NACK_Q_DELETED')
    while (
      (await this.database.transaction(unit => this.queues.remove(unit, queue.id, because, this.clock.now()))) ===
      'busy'
    )
  }

  /** Ends what waits in a queue. */
  async giveUpAll(queue: MessageQueueRow, name: MessageClass): Promise<void> {
    for (let left = true; left;) {
      left = await this.database.transaction(async unit => {
        const rows = await this.messages.listLocked(unit, queue.id)
        await this.endings.giveUpAll(unit, rows, queue, name)
        return rows.length > 0
      })
    }
  }
}
