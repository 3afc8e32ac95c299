import { z } from 'zod'

/** Queues of messages. */
export const messaging = z
  .strictObject({
    queuesPerAccount: z.int().min(0).max(10_000).default(16).meta({
      description: 'Queues that one account may make; 0 for none.'
    }),
    queueBytes: z.int().min(1024).max(1_099_511_627_776).default(8_388_608).meta({
      description: 'Bytes that may wait in a queue, and as many in its journal and its dead letters, at most.'
    }),
    insecureNacks: z.boolean().default(false).meta({
      description: 'Whether senders who ask hear that a message was refused for its signature, encryption or rights.'
    })
  })
  .prefault({})
