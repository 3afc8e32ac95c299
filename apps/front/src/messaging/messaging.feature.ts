import { MessageQueueStore, MessageStore, RegisteredCertificateStore } from '@app/storage'
import { MessageArrivals } from './message-arrivals.service.js'
import { MessageEndings } from './message-endings.js'
import { MessageQueueRemoval } from './message-queue-removal.js'
import { MessageQueuesController } from './message-queues.controller.js'
import { MessageQueues } from './message-queues.service.js'
import { MessageReception } from './message-reception.service.js'
import { MessageSenders } from './message-senders.js'
import { MessagesController } from './messages.controller.js'

/** What queues of messages bring into the front. */
export const messagingControllers = [MessageQueuesController, MessagesController]

export const messagingProviders = [
  MessageArrivals,
  MessageEndings,
  MessageQueueRemoval,
  MessageQueues,
  MessageReception,
  MessageSenders
]

export const messagingStores = [MessageQueueStore, MessageStore, RegisteredCertificateStore]
