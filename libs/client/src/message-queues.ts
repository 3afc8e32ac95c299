import { createPublicKey, randomUUID, type KeyObject } from 'node:crypto'
import { AppError, fromBase64, toBase64 } from '@app/core'
import {
  decodeEncryptionKey,
  encryptionKeyId,
  judgeMessage,
  parseEnvelope,
  sealMessage,
  type AcceptedMessage,
  type MessageClass,
  type MessageLevel,
  type MessageSigner,
  type NewMessage,
  type Protection
} from '@app/messaging'
import { Transport, type ConnectionSettings } from './transport.js'

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

/** How a message is protected: `none` without a signer, `integrity` with one, unless said. */
export interface SendOptions extends MessageProperties {
  readonly level?: MessageLevel
  readonly signer?: MessageSigner
}

/** A message as the server gives it out. */
export interface StoredMessage {
  readonly id: number
  /** A MESSAGE_CLASS by name; NORMAL for a message, else an acknowledgement or why it is a dead letter. */
  readonly class: MessageClass
  readonly messageId: string
  readonly level: MessageLevel
  readonly senderSid?: string
  readonly envelope: string
  readonly arrivedAt: string
  readonly receiveBefore?: string
}

/** One page of what is kept. */
export interface KeptMessages {
  readonly items: readonly StoredMessage[]
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
}

/** A message that was taken and passed every check. Settle it, or it is delivered again when its lease ends. */
export interface ReceivedMessage extends AcceptedMessage {
  readonly id: number
  readonly class: MessageClass
  /** It was received: it leaves the queue. Throws `conflict` when the lease has ended. */
  complete(): Promise<void>
  /** The application does not want it (NACK_RECEIVE_REJECTED). Throws as {@link complete}. */
  reject(): Promise<void>
  /** Somebody else is to take it. Throws as {@link complete}. */
  release(): Promise<void>
}

const base = '/api/v1/mq/queues'
const at = (queue: string, ...rest: readonly (string | number)[]): string =>
  [base, ...[queue, ...rest].map(encodeURIComponent)].join('/')

/** Queues of messages (MQSendMessage, MQReceiveMessage and their like). Safe for many calls at a time. */
export class MessageQueues implements AsyncDisposable {
  private readonly transport: Transport
  /** The keys of queues, once asked for: messages of one sender do not ask again. */
  private readonly encryptionKeys = new Map<string, KeyObject>()

  constructor(settings: ConnectionSettings) {
    this.transport = new Transport(settings)
  }

  /** Makes a queue. Throws `MQ_ERROR_QUEUE_EXISTS`, `MQ_ERROR_INSUFFICIENT_RESOURCES`. */
  create(name: string, options: QueueOptions = {}): Promise<QueueInformation> {
    return this.transport.json({ method: 'POST', path: base, json: { name, ...optionsJson(options) } })
  }

  /** The caller's own. */
  async list(): Promise<readonly QueueInformation[]> {
    return (await this.transport.json<{ items: QueueInformation[] }>({ path: base })).items
  }

  /** Throws `MQ_ERROR_QUEUE_NOT_FOUND`. */
  get(name: string): Promise<QueueInformation> {
    return this.transport.json({ path: at(name) })
  }

  /** Changes a queue for messages that come from now on. */
  change(name: string, options: QueueOptions): Promise<QueueInformation> {
    return this.transport.json({ method: 'PATCH', path: at(name), json: optionsJson(options) })
  }

  /** Removes a queue with all that is in it. */
  async remove(name: string): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: at(name) })
  }

  /** Empties a queue, its journal or its dead letters. */
  async purge(name: string, place: 'messages' | 'journal' | 'dead-letter' = 'messages'): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: at(name, place) })
  }

  /**
   * Sends a message and gives its id. That it was taken says nothing of what becomes of it: acknowledgements do. Throws
   * `MQ_ERROR_CERTIFICATE_NOT_PROVIDED` when it is to be signed and there is no signer, `MQ_ERROR_PUBLIC_KEY_NOT_FOUND`
   * when it is to be encrypted and the queue has no key, `MQ_ERROR_QUEUE_NOT_FOUND`.
   */
  async send(queue: string, body: Uint8Array, options: SendOptions = {}): Promise<string> {
    const envelope = await this.seal(queue, body, options)
    return this.sendEnvelope(queue, envelope)
  }

  /** The envelope of a message, to be sent later. Throws as {@link send}. */
  async seal(queue: string, body: Uint8Array, { level, signer, ...properties }: SendOptions = {}): Promise<string> {
    const protection = await this.protectionFor(queue, level ?? (signer === undefined ? 'none' : 'integrity'), signer)
    const own = { messageId: randomUUID(), sentAt: new Date().toISOString() }
    return sealMessage({ fields: { ...own, ...properties, destinationQueue: queue }, body }, protection)
  }

  /** Sends what {@link seal} made. To send it again does nothing: the id of the message is known. */
  async sendEnvelope(queue: string, envelope: string): Promise<string> {
    const call = { method: 'POST', path: at(queue, 'messages'), json: { envelope } } as const
    return (await this.transport.json<{ messageId: string }>(call)).messageId
  }

  /**
   * Takes messages out of a queue. Each is decrypted and verified here; what does not pass is refused with its class and
   * not given out, so that there may be fewer than were waiting.
   */
  async receive(queue: string, options: ReceiveOptions = {}): Promise<readonly ReceivedMessage[]> {
    const { keys = [], ...json } = options
    const answer = await this.transport.json<{ lease: string; items: StoredMessage[] }>({
      method: 'POST',
      path: at(queue, 'receive'),
      json,
      wait: options.wait ?? 0
    })
    const received: ReceivedMessage[] = []
    for (const item of answer.items) {
      const message = await this.open(queue, item, { lease: answer.lease, keys })
      if (message !== undefined) received.push(message)
    }
    return received
  }

  /** Looks at the first messages, which stay as they are. */
  async peek(queue: string, most = 1): Promise<readonly StoredMessage[]> {
    return (await this.transport.json<KeptMessages>({ path: at(queue, 'messages'), query: { most } })).items
  }

  /** The journal or the dead letters of a queue, the newest first. */
  listKept(
    queue: string,
    place: 'journal' | 'dead-letter',
    query: { readonly limit?: number; readonly cursor?: number } = {}
  ): Promise<KeptMessages> {
    return this.transport.json({ path: at(queue, place), query })
  }

  /** The dead letters that the caller sent, of all queues, the newest first. */
  listDeadLetters(query: { readonly limit?: number; readonly cursor?: number } = {}): Promise<KeptMessages> {
    return this.transport.json({ path: '/api/v1/mq/dead-letter', query })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transport.close()
  }

  private async protectionFor(queue: string, level: MessageLevel, signer?: MessageSigner): Promise<Protection> {
    if (level === 'none') return { level }
    if (signer === undefined) {
      throw new AppError('MQ_ERROR_CERTIFICATE_NOT_PROVIDED', 'A message that is signed needs a certificate.')
    }
    return level === 'integrity' ? { level, signer } : { level, signer, encryptTo: await this.encryptionKeyOf(queue) }
  }

  private async encryptionKeyOf(queue: string): Promise<KeyObject> {
    const known = this.encryptionKeys.get(queue)
    if (known !== undefined) return known
    const { encryptionKey } = await this.get(queue)
    if (encryptionKey === null) {
      throw new AppError('MQ_ERROR_PUBLIC_KEY_NOT_FOUND', `The queue "${queue}" has no key to encrypt to.`, { queue })
    }
    const key = decodeEncryptionKey(fromBase64(encryptionKey) ?? new Uint8Array())
    this.encryptionKeys.set(queue, key)
    return key
  }

  private async open(
    queue: string,
    { id, class: name, envelope }: StoredMessage,
    { lease, keys }: { readonly lease: string; readonly keys: readonly KeyObject[] }
  ): Promise<ReceivedMessage | undefined> {
    const settle = async (outcome: string): Promise<void> => {
      await this.transport.call({ method: 'POST', path: at(queue, 'messages', id, 'settle'), json: { lease, outcome } })
    }
    const judged = await this.judge(queue, envelope, keys)
    if (judged.verdict === 'accepted') {
      return {
        ...judged.message,
        id,
        class: name,
        complete: () => settle('received'),
        reject: () => settle('NACK_RECEIVE_REJECTED'),
        release: () => settle('released')
      }
    }
    await settle(judged.verdict === 'refused' ? judged.class : 'received')
    return undefined
  }

  /** The server judged what it could see when the message came; of an encrypted one that is not its sender. */
  private judge(queue: string, envelope: string, keys: readonly KeyObject[]) {
    const parsed = parseEnvelope(envelope)
    let sender: Promise<{ readonly registered: boolean; readonly mayWrite: boolean }> | undefined
    const check = (sid: string, certificate: Uint8Array) => {
      const json = { sid, certificate: toBase64(certificate) }
      sender ??= this.transport.json({ method: 'POST', path: at(queue, 'sender-checks'), json })
      return sender
    }
    return judgeMessage(
      parsed,
      { name: parsed.fields.destinationQueue, authenticate: false, privacy: 'optional' },
      {
        findKey: keyId => Promise.resolve(keys.find(key => encryptionKeyId(createPublicKey(key)) === keyId)),
        isRegistered: async (sid, certificate) =>
          parsed.level !== 'privacy' || (await check(sid, certificate)).registered,
        mayWrite: async () => sender === undefined || (await sender).mayWrite,
        isDuplicate: () => Promise.resolve(false)
      }
    )
  }
}

function optionsJson({ encryptionKey, ...options }: QueueOptions): object {
  if (encryptionKey === undefined) return options
  const spki = encryptionKey?.export({ format: 'der', type: 'spki' })
  return { ...options, encryptionKey: spki === undefined ? null : toBase64(spki) }
}
