import { Inject, Injectable } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { Database, MessageQueueStore } from '@app/storage'
import type { AuthenticatedRequester } from '../requester/requester.js'
import { MessageQueues } from './message-queues.service.js'
import { TemporaryQueues } from './temporary-queues.js'

/** Takes queues away. */
@Injectable()
export class MessageQueueRemoval {
  constructor(
    private readonly queues: MessageQueues,
    private readonly store: MessageQueueStore,
    private readonly temporary: TemporaryQueues,
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Removes a queue of the caller's with its journal and dead letters; senders of what waited hear of it if they asked.
   * Throws `MQ_ERROR_QUEUE_NOT_FOUND`, `MQ_ERROR_ACCESS_DENIED`.
   */
  async remove(name: string, requester: AuthenticatedRequester): Promise<void> {
    const queue = await this.queues.owned(name, requester)
    await this.temporary.giveUpAll(queue, 'NACK_Q_DELETED')
    await this.database.transaction(unit =>
      this.store.remove(unit, queue.id, { actor: requester.name }, this.clock.now())
    )
  }
}
