import { MessageQueueStore, MessageStore, RegisteredCertificateStore, SentMessageStore } from '@app/storage'
import { EndpointsController } from './endpoints.controller.js'
import { MessageArrivals } from './message-arrivals.service.js'
import { MessageCounts } from './message-counts.js'
import { MessageEndings } from './message-endings.js'
import { MessageEndpoints } from './message-endpoints.service.js'
import { MessageQueueRemoval } from './message-queue-removal.js'
import { MessageQueuesController } from './message-queues.controller.js'
import { MessageQueues } from './message-queues.service.js'
import { MessageReception } from './message-reception.service.js'
import { MessageSealing } from './message-sealing.service.js'
import { MessageSenders } from './message-senders.js'
import { MessagesController } from './messages.controller.js'
import { CallAnswers } from './submit/call-answers.js'
import { CallSubmission } from './submit/call-submission.js'
import { SubmitCalls } from './submit/submit-calls.service.js'
import { SubmitQueue } from './submit/submit-queue.js'
import { TemporaryQueues } from './temporary-queues.js'

/** What queues of messages bring into the front. */
export const messagingControllers = [EndpointsController, MessageQueuesController, MessagesController]

export const messagingProviders = [
  CallAnswers,
  CallSubmission,
  MessageArrivals,
  MessageCounts,
  MessageEndings,
  MessageEndpoints,
  MessageQueueRemoval,
  MessageQueues,
  MessageReception,
  MessageSealing,
  MessageSenders,
  SubmitCalls,
  SubmitQueue,
  TemporaryQueues
]

export const messagingStores = [MessageQueueStore, MessageStore, RegisteredCertificateStore, SentMessageStore]
