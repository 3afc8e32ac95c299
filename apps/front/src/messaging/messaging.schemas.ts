import { z } from 'zod'
import { fromBase64 } from '@app/core'
import { messageFieldsSchema, QUEUE_RIGHT, queueNameSchema, RECEIVE_MESSAGE } from '@app/messaging'
import { handleSchema } from '../contexts/contexts.schemas.js'

/** The rights on a queue by the names that routes have for them, each with its bits (MC-MQAC 2.2.2.16). */
export const RIGHTS = {
  write: QUEUE_RIGHT.WRITE_MESSAGE,
  peek: QUEUE_RIGHT.PEEK_MESSAGE,
  receive: RECEIVE_MESSAGE,
  journal: QUEUE_RIGHT.RECEIVE_JOURNAL
} as const

/** The name of a queue in a path. */
export const queueParameter = queueNameSchema

/** The number of a message in a path. */
export const messageParameter = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER)

/** What is kept of a queue, in a path. */
export const keptParameter = z.enum(['journal', 'dead-letter'])

/** What of a queue is emptied, in a path. */
export const placeParameter = z.enum(['messages', 'journal', 'dead-letter'])

const sid = z.string().regex(/^S-1(-\d{1,15}){2,16}$/, 'is no security identifier')
const rightNames = z.array(z.enum(['write', 'peek', 'receive', 'journal'])).min(1)
const accessList = z
  .array(z.strictObject({ sid, rights: rightNames }))
  .max(256)
  .describe('Who may do what, by the SID of an account or group, or S-1-1-0 for everybody. The owner has every right.')

const settings = {
  authenticate: z.boolean().describe('Whether it takes signed messages only (PROPID_Q_AUTHENTICATE).'),
  privacy: z
    .enum(['none', 'optional', 'body'])
    .describe('Which of its messages are encrypted (PROPID_Q_PRIV_LEVEL): none, any or all.'),
  journaling: z.boolean().describe('Whether what was received is kept in its journal.'),
  quota: z.int().min(1024).describe('Bytes of what may wait.'),
  journalQuota: z.int().min(0).describe('Bytes of its journal and its dead letters.'),
  encryptionKey: z
    .base64()
    .nullable()
    .describe('SubjectPublicKeyInfo of the key that messages are encrypted to, DER in base64.'),
  access: accessList
}

/** What of a queue may be changed; what is absent stays. */
export const queueChangeBody = z.strictObject(settings).partial()

/** A queue to make. */
export const queueBody = queueChangeBody.extend({ name: queueNameSchema })

/** A queue as its owner sees it; others see what a sender needs. */
export const queueView = z.object({
  name: z.string(),
  authenticate: z.boolean(),
  privacy: z.string(),
  encryptionKey: z.string().nullable(),
  rights: z.array(z.string()).describe("The caller's."),
  owned: z
    .object({
      journaling: z.boolean(),
      quota: z.number(),
      journalQuota: z.number(),
      waitingBytes: z.number(),
      keptBytes: z.number(),
      access: z.array(z.object({ sid: z.string(), rights: z.array(z.string()) })),
      createdAt: z.string()
    })
    .optional()
})

/** The caller's own queues. */
export const queueListView = z.object({ items: z.array(queueView) })

const sealing = {
  securityContext: handleSchema.optional().describe('Whose key the server holds, to sign with.'),
  level: z.enum(['none', 'integrity', 'privacy']).optional().describe('`integrity` with a context, else `none`.')
}

const message = {
  body: z.base64(),
  fields: messageFieldsSchema
    .omit({ destinationQueue: true, level: true })
    .partial()
    .optional()
    .describe('What its sender chooses of it. The server sets id and time where they are left out.')
}

/** A message in its envelope, or one that the server seals. */
export const sendBody = z.union([
  z.strictObject({ envelope: z.string().min(1) }),
  z.strictObject({ ...sealing, ...message })
])

/** Messages to one queue at once, in their envelopes or to be sealed under one context. */
export const batchBody = z.union([
  z.strictObject({ envelopes: z.array(z.string().min(1)).min(1).max(1000) }),
  z.strictObject({ ...sealing, messages: z.array(z.strictObject(message)).min(1).max(1000) })
])

/** That a message was taken; what becomes of it is told by acknowledgements alone. */
export const sentView = z.object({ messageId: z.string(), queue: z.string() })

/** That messages were taken, in their order. */
export const sentListView = z.object({ messageIds: z.array(z.string()), queue: z.string() })

/** How messages are taken out of a queue. */
export const receiveBody = z.strictObject({
  most: z.int().min(1).max(32).default(1),
  wait: z.number().min(0).max(120).default(0).describe('Seconds to wait for the first.'),
  leaseSeconds: z.int().min(5).max(3600).default(60).describe('For how long nobody else gets them.'),
  properties: z
    .array(z.union([z.string(), z.int()]))
    .max(32)
    .optional()
    .describe('PROPID_M_… by name or number: whether a receiver can have them. Write-only ones are ignored.')
})

/** How many messages are looked at. */
export const peekQuery = z.object({ most: z.coerce.number().int().min(1).max(32).default(1) })

/** One page of what is kept. */
export const keptQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(50),
  cursor: z.coerce.number().int().min(1).optional()
})

/** A message in a queue. */
const messageView = z.object({
  id: z.number(),
  class: z.string(),
  classValue: z.number(),
  messageId: z.string(),
  level: z.enum(['none', 'integrity', 'privacy']),
  senderSid: z.string().optional().describe('Whose certificate the server verified; absent until the receiver does.'),
  senderName: z.string().optional().describe('DOMAIN\\account of that SID.'),
  envelope: z.string(),
  deliveries: z.number().describe('How often it was taken, this time among them.'),
  arrivedAt: z.string(),
  receiveBefore: z.string().optional()
})

/** Messages that were taken, under one lease. */
export const receivedView = z.object({
  lease: z.string(),
  items: z.array(messageView),
  propertyStatus: z
    .object({
      code: z.string(),
      hresult: z.string(),
      properties: z.array(z.object({ property: z.string(), code: z.string(), hresult: z.string() })).readonly()
    })
    .optional()
    .describe('What became of the properties that were asked for.')
})

/** Messages that are looked at. */
export const messageListView = z.object({ items: z.array(messageView), next: z.number().optional() })

/** Copies of messages that the caller sent. */
export const sentMessagesView = z.object({
  items: z.array(
    z.object({
      id: z.number(),
      queue: z.string(),
      messageId: z.string(),
      level: z.enum(['none', 'integrity', 'privacy']),
      envelope: z.string(),
      sentAt: z.string()
    })
  ),
  next: z.number().optional()
})

/** What became of a message that was taken: received, refused with a class, given back, or kept for longer. */
export const settleBody = z.strictObject({
  lease: z.uuid(),
  outcome: z.enum([
    'received',
    'released',
    'prolonged',
    'NACK_BAD_SIGNATURE',
    'NACK_BAD_ENCRYPTION',
    'NACK_ACCESS_DENIED',
    'NACK_RECEIVE_REJECTED'
  ]),
  leaseSeconds: z.int().min(5).max(3600).default(60).describe('For how long it is taken from now on, when prolonged.')
})

/** The sender of an encrypted message as its receiver found it. */
export const senderBody = z.strictObject({ sid, certificate: z.base64() })

/** Whether the certificate is registered for the SID, and the account may write. */
export const senderView = z.object({
  registered: z.boolean(),
  mayWrite: z.boolean(),
  name: z.string().optional().describe('DOMAIN\\account of a sender whose certificate is registered.')
})

export type QueueBody = z.infer<typeof queueBody>
export type QueueChangeBody = z.infer<typeof queueChangeBody>
export type QueueView = z.infer<typeof queueView>
export type SendBody = z.infer<typeof sendBody>
export type BatchBody = z.infer<typeof batchBody>
export type SentView = z.infer<typeof sentView>
export type SentListView = z.infer<typeof sentListView>

/** A message that the server seals. */
export type MessageBody = Extract<BatchBody, { readonly messages: unknown }>['messages'][number]

/** What messages are sealed with. */
export type SealingBody = Pick<Extract<BatchBody, { readonly messages: unknown }>, 'securityContext' | 'level'>
export type ReceiveBody = z.infer<typeof receiveBody>
export type KeptQuery = z.infer<typeof keptQuery>
export type MessageView = z.infer<typeof messageView>
export type ReceivedView = z.infer<typeof receivedView>
export type MessageListView = z.infer<typeof messageListView>
export type SentMessagesView = z.infer<typeof sentMessagesView>
export type SettleBody = z.infer<typeof settleBody>
export type SenderBody = z.infer<typeof senderBody>
export type SenderView = z.infer<typeof senderView>

/** The bits of rights by name. */
export function maskOf(names: readonly (keyof typeof RIGHTS)[]): number {
  return names.reduce((mask, name) => mask | RIGHTS[name], 0)
}

/** The names of rights that bits hold in full. */
export function rightsIn(mask: number): (keyof typeof RIGHTS)[] {
  const names = Object.keys(RIGHTS) as (keyof typeof RIGHTS)[]
  return names.filter(name => (mask & RIGHTS[name]) === RIGHTS[name])
}

/** The bytes of base64 that a schema has checked. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(fromBase64(text) ?? [])
}
