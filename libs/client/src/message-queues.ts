import { randomUUID, type KeyObject } from 'node:crypto'
import { AppError, fromBase64, toBase64 } from '@app/core'
import {
  decodeEncryptionKey,
  sealMessage,
  type MessageLevel,
  type MessageSigner,
  type PropertyStatus,
  type Protection
} from '@app/messaging'
import type {
  EndpointInformation,
  KeptMessages,
  MessageQueueSettings,
  OpenEndpointOptions,
  OutgoingMessage,
  ProtectionOptions,
  QueueInformation,
  QueueOptions,
  ReceivedMessage,
  ReceiveOptions,
  SendOptions,
  SentMessages,
  StoredMessage
} from './message-queue-types.js'
import { HeldSecurityContext } from './held-contexts.js'
import { batchesOf, definedOnly } from './message-batches.js'
import { MessageOpening, queuePath as at, QUEUES_PATH as base } from './message-opening.js'
import type { SecurityContext } from './security-context.js'
import { Transport } from './transport.js'

/** Queues of messages (MQSendMessage, MQReceiveMessage and their like). Safe for many calls at a time. */
export class MessageQueues implements AsyncDisposable {
  private readonly transport: Transport
  private readonly opening: MessageOpening
  /** The keys of queues, once asked for: messages of one sender do not ask again. */
  private readonly encryptionKeys = new Map<string, KeyObject>()

  constructor(private readonly settings: MessageQueueSettings) {
    this.transport = new Transport(settings)
    this.opening = new MessageOpening(this.transport)
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

  /** Opens an endpoint of queued calls, whose queue the caller owns; see `CallServer.useProtseqEpEx`. */
  openEndpoint(name: string, options: OpenEndpointOptions): Promise<EndpointInformation> {
    return this.transport.json({
      method: 'PUT',
      path: `/api/v1/mq/endpoints/${encodeURIComponent(name)}`,
      json: options
    })
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
   * `MQ_ERROR_CERTIFICATE_NOT_PROVIDED` when it is to be signed and there is no signer, `MQ_ERROR_BAD_SECURITY_CONTEXT` for a
   * context that is not good, `MQ_ERROR_PUBLIC_KEY_NOT_FOUND` when it is to be encrypted and the queue has no key,
   * `MQ_ERROR_QUEUE_NOT_FOUND`.
   */
  async send(queue: string, body: Uint8Array, options: SendOptions = {}): Promise<string> {
    const { level, signer, securityContext, encryptTo, ...properties } = options
    const protection = definedOnly({ level, signer, securityContext, encryptTo })
    return this.sendMessage(queue, { ...properties, body }, protection)
  }

  /** {@link send} for a message that has its properties with it (MQSendMessage). */
  async sendMessage(queue: string, message: OutgoingMessage, options: ProtectionOptions = {}): Promise<string> {
    const [id = ''] = await this.sendAll(queue, [message], options)
    return id
  }

  /**
   * Sends many messages under one protection, several in a call, and gives their ids in order. Those of one call are taken
   * together or not at all: after an error, those of earlier calls are there. Throws as {@link send}.
   */
  async sendAll(
    queue: string,
    messages: readonly OutgoingMessage[],
    options: ProtectionOptions = {}
  ): Promise<readonly string[]> {
    const { securityContext, level } = options
    if (securityContext instanceof HeldSecurityContext) {
      const sealing = definedOnly({ securityContext: HeldSecurityContext.handleOf(securityContext), level })
      const own = messages.map(({ body, ...fields }) => ({ body: toBase64(body), fields }))
      return this.sendInBatches(queue, own, batch => ({ ...sealing, messages: batch }))
    }
    const envelopes: string[] = []
    for (const { body, ...properties } of messages) {
      envelopes.push(await this.seal(queue, body, { ...properties, ...options }))
    }
    return this.sendInBatches(queue, envelopes, batch => ({ envelopes: batch }))
  }

  /** The envelope of a message, to be sent later. Throws as {@link send}. */
  async seal(queue: string, body: Uint8Array, options: SendOptions = {}): Promise<string> {
    const { level: wanted, signer: explicit, securityContext, encryptTo, ...properties } = options
    if (securityContext instanceof HeldSecurityContext) {
      throw new AppError('invalid_argument', 'The server holds the key of this context, and seals what it sends.')
    }
    const signer = this.signerFor(explicit, securityContext)
    const level = wanted ?? (signer === undefined ? 'none' : 'integrity')
    const protection = await this.protectionFor(queue, { level, signer, encryptTo })
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
    const answer = await this.transport.json<ReceivedAnswer>({
      method: 'POST',
      path: at(queue, 'receive'),
      json,
      wait: options.wait ?? 0
    })
    const received: ReceivedMessage[] = []
    for (const item of answer.items) {
      const message = await this.opening.open(queue, item, { lease: answer.lease, keys })
      const { propertyStatus } = answer
      if (message !== undefined) received.push({ ...message, ...definedOnly({ propertyStatus }) })
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

  /** Copies of what the caller sent with `JOURNAL.JOURNAL`, of all queues, the newest first. */
  listSent(query: { readonly limit?: number; readonly cursor?: number } = {}): Promise<SentMessages> {
    return this.transport.json({ path: '/api/v1/mq/journal', query })
  }

  /** Empties the caller's journal. */
  async purgeSent(): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: '/api/v1/mq/journal' })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transport.close()
  }

  private async sendInBatches<Item>(
    queue: string,
    items: readonly Item[],
    jsonOf: (batch: readonly Item[]) => object
  ): Promise<readonly string[]> {
    const ids: string[] = []
    for (const batch of batchesOf(items)) {
      const call = { method: 'POST', path: `${at(queue, 'messages')}:batch`, json: jsonOf(batch) } as const
      ids.push(...(await this.transport.json<{ messageIds: string[] }>(call)).messageIds)
    }
    return ids
  }

  private signerFor(explicit?: MessageSigner, context?: SecurityContext): MessageSigner | undefined {
    if (context === undefined) return explicit
    const { contexts } = this.settings
    if (contexts === undefined) {
      throw new AppError('MQ_ERROR_BAD_SECURITY_CONTEXT', 'The security context is of somebody else.')
    }
    const held = contexts.signerOf(context)
    return explicit === undefined ? held : { ...explicit, sid: held.sid }
  }

  private async protectionFor(
    queue: string,
    {
      level,
      signer,
      encryptTo
    }: {
      readonly level: MessageLevel
      readonly signer: MessageSigner | undefined
      readonly encryptTo: KeyObject | undefined
    }
  ): Promise<Protection> {
    if (level === 'none') return { level }
    if (signer === undefined) {
      throw new AppError('MQ_ERROR_CERTIFICATE_NOT_PROVIDED', 'A message that is signed needs a certificate.')
    }
    if (level === 'integrity') return { level, signer }
    return { level, signer, encryptTo: encryptTo ?? (await this.encryptionKeyOf(queue)) }
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
}

function optionsJson({ encryptionKey, ...options }: QueueOptions): object {
  if (encryptionKey === undefined) return options
  const spki = encryptionKey?.export({ format: 'der', type: 'spki' })
  return { ...options, encryptionKey: spki === undefined ? null : toBase64(spki) }
}

interface ReceivedAnswer {
  readonly lease: string
  readonly items: readonly StoredMessage[]
  readonly propertyStatus?: PropertyStatus
}
