import { createHash, randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { isAppError, type Clock } from '@app/core'
import type { KeyStore } from '@app/keys'
import { QUEUE_RIGHT, queueRulesFor, SUBMIT_ENDPOINT, type HeldDecryptionKey } from '@app/messaging'
import { CLOCK, CONFIG, KEY_STORE, type Config } from '@app/platform'
import { MessageQueueStore, MessageStore, type MessageQueueRow, type MessageRow } from '@app/storage'

/** Everybody; the templates say who gets a certificate. */
const EVERYONE = 'S-1-1-0'

/** Calls of the queue that were taken, and what opens them. */
export interface TakenCalls {
  readonly queue: MessageQueueRow
  readonly key: HeldDecryptionKey
  readonly lease: string
  readonly rows: readonly MessageRow[]
}

/**
 * The queue that requests for certificates come to as calls. It is made when somebody first asks for it, with a key of its
 * own in the key store of the front, and takes what is encrypted to that key alone.
 */
@Injectable()
export class SubmitQueue {
  private handler: () => void = () => undefined
  private making: Promise<MessageQueueRow> | undefined

  constructor(
    private readonly queues: MessageQueueStore,
    private readonly messages: MessageStore,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** The queue; made when there is none. Throws what the key store throws. */
  async provide(): Promise<MessageQueueRow> {
    const found = await this.queues.find(SUBMIT_ENDPOINT)
    if (found !== undefined) return found
    this.making ??= this.make().finally(() => (this.making = undefined))
    return this.making
  }

  /**
   * Takes calls for some milliseconds. Undefined when there is no queue yet, or when its key is in the key store of another
   * front, which looks after it.
   */
  async take(most: number, milliseconds: number): Promise<TakenCalls | undefined> {
    const queue = await this.queues.find(SUBMIT_ENDPOINT)
    const key = queue?.keyReference == null ? undefined : await this.keyOf(queue.keyReference)
    if (queue === undefined || key === undefined) return undefined
    const now = this.clock.now()
    const lease = randomUUID()
    const until = new Date(now.getTime() + milliseconds)
    return { queue, key, lease, rows: await this.messages.lease({ queueId: queue.id, most, lease, until }, now) }
  }

  /** Names what is called when a message has come into the queue. */
  onArrival(handler: () => void): void {
    this.handler = handler
  }

  /** A message has come into a queue of the server. */
  arrived(): void {
    this.handler()
  }

  private async keyOf(reference: string): Promise<HeldDecryptionKey | undefined> {
    try {
      const decrypter = await this.keys.decrypter(reference)
      return { unwrap: bytes => decrypter.unwrap(bytes, { scheme: 'rsaes-oaep', digest: 'sha256' }) }
    } catch (error) {
      if (isAppError(error, 'not_found')) return undefined
      throw error
    }
  }

  /** The row comes last: a key that no row names is used by nobody. */
  private async make(): Promise<MessageQueueRow> {
    const { reference, publicKey } = await this.keys.generate('rsa-3072', 'message-queue')
    const { queueBytes } = this.config.messaging
    const queue = {
      id: randomUUID(),
      name: SUBMIT_ENDPOINT,
      ownerId: null,
      ...queueRulesFor('privacy'),
      journaling: false,
      quota: queueBytes,
      journalQuota: queueBytes,
      encryptionKey: Buffer.from(publicKey.raw),
      access: [{ sid: EVERYONE, mask: QUEUE_RIGHT.WRITE_MESSAGE }],
      createdAt: this.clock.now(),
      keyReference: reference
    }
    try {
      const keyDigest = createHash('sha256').update(publicKey.raw).digest('hex')
      await this.queues.create(queue, 0, { actor: 'role:front', detail: { keyDigest } })
    } catch (error) {
      // Another process was faster; its key counts.
      if (!isAppError(error, 'MQ_ERROR_QUEUE_EXISTS')) throw error
      await this.keys.destroy(reference)
    }
    return this.provide()
  }
}
