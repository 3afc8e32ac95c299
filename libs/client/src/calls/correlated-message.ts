import type { KeyObject } from 'node:crypto'
import type { MessageQueues } from '../message-queues.js'
import type { ReceivedMessage } from '../message-queue-types.js'

/** Which message is waited for, and for how long. */
export interface CorrelatedWait {
  readonly queue: string
  /** The id of the message that it answers. */
  readonly correlationId: string
  /** Seconds */
  readonly wait: number
  readonly keys?: readonly KeyObject[]
}

const LONGEST_CALL = 10

/**
 * Takes the message that answers another out of a queue; what else comes stays for others. Undefined when none came in
 * time.
 */
export async function receiveCorrelated(
  queues: MessageQueues,
  { queue, correlationId, wait, keys = [] }: CorrelatedWait
): Promise<ReceivedMessage | undefined> {
  const deadline = Date.now() + 1000 * wait
  const others: ReceivedMessage[] = []
  try {
    for (;;) {
      const left = Math.max(0, (deadline - Date.now()) / 1000)
      const messages = await queues.receive(queue, { most: 32, wait: Math.min(LONGEST_CALL, left), keys })
      const found = messages.find(({ fields }) => fields.correlationId === correlationId)
      others.push(...messages.filter(message => message !== found))
      await found?.complete()
      if (found !== undefined || left === 0) return found
    }
  } finally {
    await Promise.allSettled(others.map(other => other.release()))
  }
}
