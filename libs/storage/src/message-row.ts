import type { PrincipalId } from '@app/core'

/** What an access list gives to an account or group. */
export interface AccessEntry {
  readonly sid: string
  /** QUEUE_RIGHT bits. */
  readonly mask: number
}

/** What the owner of a queue says of it. */
export interface QueueSettings {
  readonly authenticate: boolean
  readonly privacy: 'none' | 'optional' | 'body'
  readonly journaling: boolean
  /** Bytes of what waits. */
  readonly quota: number
  /** Bytes of the journal and the dead letters together. */
  readonly journalQuota: number
  /** SubjectPublicKeyInfo, DER; null: nothing can be encrypted to it. */
  readonly encryptionKey: Buffer | null
  readonly access: readonly AccessEntry[]
}

/** A queue of messages. */
export interface MessageQueueRow extends QueueSettings {
  readonly id: string
  readonly name: string
  /** Null for a queue of the server itself. */
  readonly ownerId: PrincipalId | null
  readonly waitingBytes: number
  readonly keptBytes: number
  readonly createdAt: Date
  /** Of a temporary queue, how many seconds its receiver may be silent; null for one that stays. */
  readonly aliveSeconds: number | null
  /** Until when a temporary queue is there. */
  readonly temporaryUntil: Date | null
  /** Of a queue of the server: names the private key in the key store of the front. */
  readonly keyReference: string | null
}

/** What only some queues have. */
type Peculiar = 'aliveSeconds' | 'temporaryUntil' | 'keyReference'

/** A queue that is about to be made. */
export type NewMessageQueue = Omit<MessageQueueRow, 'waitingBytes' | 'keptBytes' | Peculiar> &
  Partial<Pick<MessageQueueRow, Peculiar>>

/** Where a message is: waiting, received and kept, or given up. */
export type MessagePlace = 'queue' | 'journal' | 'dead-letter'

/** A message in a queue. */
export interface MessageRow {
  /** Rises with arrival. */
  readonly id: number
  readonly queueId: string
  readonly place: MessagePlace
  /** A MESSAGE_CLASS value. */
  readonly class: number
  readonly messageId: string
  readonly level: 'none' | 'integrity' | 'privacy'
  /** Whose certificate verified at arrival; null where nobody's did, or only the receiver can open the message. */
  readonly senderSid: string | null
  /** Who handed it in; null for the server itself. */
  readonly submittedBy: PrincipalId | null
  readonly priority: number
  readonly envelope: string
  readonly arrivedAt: Date
  readonly receiveBefore: Date | null
  /** How often it was taken, this time among them. */
  readonly deliveries: number
  /** `DOMAIN\account` of {@link senderSid}. */
  readonly senderName: string | null
}

/** A message that is about to be put somewhere. */
export type NewMessageRow = Omit<MessageRow, 'id' | 'deliveries' | 'senderName'>

/** What makes a message the same within its queue. */
export interface MessageOrigin {
  /** Who sent it, at its level. */
  readonly sender: string
  readonly messageId: string
}

/** An id that must not come again. */
export interface SeenMessage extends MessageOrigin {
  /** Until when a message of the id could arrive. */
  readonly until: Date
}

/** What there is of messages in all queues together. */
export interface MessageStanding {
  readonly waiting: number
  readonly deadLetters: number
  /** When the oldest that waits arrived; null when none waits. */
  readonly oldestAt: Date | null
}
