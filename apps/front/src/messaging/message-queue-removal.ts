import { Injectable } from '@nestjs/common'
import type { AuthenticatedRequester } from '../requester/requester.js'
import { MessageQueues } from './message-queues.service.js'
import { TemporaryQueues } from './temporary-queues.js'

/** Takes queues away. */
@Injectable()
export class MessageQueueRemoval {
  constructor(
    private readonly queues: MessageQueues,
    private readonly temporary: TemporaryQueues
  ) {}

  /**
   * Removes a queue of the caller's with its journal and dead letters; senders of what waited hear of it if they asked.
   * Throws `MQ_ERROR_QUEUE_NOT_FOUND`, `MQ_ERROR_ACCESS_DENIED`.
   */
  async remove(name: string, requester: AuthenticatedRequester): Promise<void> {
    const queue = await this.queues.owned(name, requester)
    await this.temporary.remove(queue, { actor: requester.name })
  }
}
