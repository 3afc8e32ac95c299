import type { KeyObject } from 'node:crypto'
import type {
  AcceptedMessage,
  MessageClass,
  MessageLevel,
  MessageSigner,
  NewMessage,
  PropertyStatus
} from '@app/messaging'
import type { HeldSecurityContext } from './held-contexts.js'
import type { SecurityContext, SecurityContexts } from './security-context.js'
import type { ConnectionSettings } from './transport.js'

/** What `MessageQueues` needs to know. */
export interface MessageQueueSettings extends ConnectionSettings {
  /** Whose contexts messages may be signed with. */
  readonly contexts?: SecurityContexts
}

/** The rights that an account or group can have on a queue. */
export type QueueRightName = 'write' | 'peek' | 'receive' | 'journal'

/** What is said of a queue. */
export interface QueueOptions {
  /** Whether it takes signed messages only (PROPID_Q_AUTHENTICATE). */
  readonly authenticate?: boolean
  /** Which of its messages are encrypted (PROPID_Q_PRIV_LEVEL). */
  readonly privacy?: 'none' | 'optional' | 'body'
  readonly journaling?: boolean
  /** Bytes */
  readonly quota?: number
  /** Bytes */
  readonly journalQuota?: number
  /** The public key that messages are encrypted to; null takes it away. */
  readonly encryptionKey?: KeyObject | null
  readonly access?: readonly { readonly sid: string; readonly rights: readonly QueueRightName[] }[]
}

/** A queue as the server tells of it. */
export interface QueueInformation {
  readonly name: string
  readonly authenticate: boolean
  readonly privacy: 'none' | 'optional' | 'body'
  /** SubjectPublicKeyInfo, DER in base64. */
  readonly encryptionKey: string | null
  /** The caller's. */
  readonly rights: readonly QueueRightName[]
  /** What only the owner sees. */
  readonly owned?: {
    readonly journaling: boolean
    readonly quota: number
    readonly journalQuota: number
    readonly waitingBytes: number
    readonly keptBytes: number
    readonly access: readonly { readonly sid: string; readonly rights: readonly QueueRightName[] }[]
    readonly createdAt: string
  }
}

/** What of a message its sender chooses; see `MessageFields`. */
export type MessageProperties = Partial<Omit<NewMessage['fields'], 'destinationQueue'>>

/** How messages are protected: `none` without a signer or context, `integrity` with one, unless said. */
export interface ProtectionOptions {
  readonly level?: MessageLevel
  /** With a certificate and key of the caller's; it wins over the context's, whose SID stays. */
  readonly signer?: MessageSigner
  /** With a context, which is made once for many messages. One of the server's has the server seal them. */
  readonly securityContext?: SecurityContext | HeldSecurityContext
  /** The queue's key, where it is known: nobody is asked for it then. */
  readonly encryptTo?: KeyObject
}

/** What of a message is chosen, and how it is protected. */
export type SendOptions = MessageProperties & ProtectionOptions

/** One message of several. */
export interface OutgoingMessage extends MessageProperties {
  readonly body: Uint8Array
}

/** A message as the server gives it out. */
export interface StoredMessage {
  readonly id: number
  /** A MESSAGE_CLASS by name; NORMAL for a message, else an acknowledgement or why it is a dead letter. */
  readonly class: MessageClass
  readonly messageId: string
  readonly level: MessageLevel
  readonly senderSid?: string
  /** `DOMAIN\account` of that SID. */
  readonly senderName?: string
  readonly envelope: string
  /** How often it was taken, this time among them. */
  readonly deliveries: number
  readonly arrivedAt: string
  readonly receiveBefore?: string
}

/** One page of what is kept. */
export interface KeptMessages {
  readonly items: readonly StoredMessage[]
  /** The cursor of the next page; absent on the last. */
  readonly next?: number
}

/** One page of copies of what was sent. */
export interface SentMessages {
  readonly items: readonly {
    readonly id: number
    readonly queue: string
    readonly messageId: string
    readonly level: MessageLevel
    readonly envelope: string
    readonly sentAt: string
  }[]
  /** The cursor of the next page; absent on the last. */
  readonly next?: number
}

/** How messages are taken. */
export interface ReceiveOptions {
  /** 1 to 32; 1 if absent. */
  readonly most?: number
  /** Seconds to wait for the first; none if absent. */
  readonly wait?: number
  /** Seconds until a message that is not settled is delivered again; 60 if absent. */
  readonly leaseSeconds?: number
  /** The private keys that its messages may be encrypted to. */
  readonly keys?: readonly KeyObject[]
  /** PROPID_M_… by name or number, of which to be told whether a receiver can have them. */
  readonly properties?: readonly (string | number)[]
}

/** A message that was taken and passed every check. Settle it, or it is delivered again when its lease ends. */
export interface ReceivedMessage extends AcceptedMessage {
  readonly id: number
  readonly class: MessageClass
  /** What became of the properties that were asked for. */
  readonly propertyStatus?: PropertyStatus
  /** How often it was taken, this time among them: more than once after a receiver has died. */
  readonly deliveries: number
  /** `DOMAIN\account` of the sender that was verified; undefined at the level none. */
  readonly senderName: string | undefined
  /** It was received: it leaves the queue. Throws `conflict` when the lease has ended. */
  complete(): Promise<void>
  /** The application does not want it (NACK_RECEIVE_REJECTED). Throws as {@link complete}. */
  reject(): Promise<void>
  /** Somebody else is to take it. Throws as {@link complete}. */
  release(): Promise<void>
  /** It is taken for so many seconds from now on. Throws as {@link complete}. */
  prolong(seconds: number): Promise<void>
}

/** How an endpoint of queued calls is opened. */
export interface OpenEndpointOptions extends Pick<QueueOptions, 'access'> {
  /** RPC_C_MQ_* */
  readonly endpointFlags: number
  /** SubjectPublicKeyInfo, DER in base64. */
  readonly encryptionKey?: string
  /** Of a temporary one: seconds that its receiver may be silent. */
  readonly aliveSeconds?: number
}

/** An endpoint as it was opened. */
export interface EndpointInformation {
  readonly name: string
  /** Whether it was not there before. */
  readonly made: boolean
  /** Calls below this level are ignored. */
  readonly minimum: MessageLevel
}
