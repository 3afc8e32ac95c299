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
    keysPerAccount: z.int().min(0).max(1000).default(16).meta({
      description: 'Keys that the server holds for one account to sign messages with; 0 for none.'
    }),
    contextsPerAccount: z.int().min(1).max(10_000).default(64).meta({
      description: 'Security contexts with keys of the server that one account may hold at once.'
    }),
    contexts: z.int().min(1).max(100_000).default(4096).meta({
      description: 'Security contexts with keys of the server that there may be at once.'
    }),
    contextMinutes: z.int().min(1).max(10_080).default(480).meta({
      description: 'Minutes until a security context ends by itself.'
    }),
    insecureNacks: z.boolean().default(false).meta({
      description: 'Whether senders who ask hear that a message was refused for its signature, encryption or rights.'
    })
  })
  .prefault({})
