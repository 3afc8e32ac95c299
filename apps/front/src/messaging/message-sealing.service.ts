import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { decodeEncryptionKey, sealMessage, type MessageSigner, type Protection } from '@app/messaging'
import { CLOCK } from '@app/platform'
import { HeldContexts } from '../contexts/held-contexts.service.js'
import type { AuthenticatedRequester } from '../requester/requester.js'
import { MessageQueues } from './message-queues.service.js'
import { bytesOf, type MessageBody, type SealingBody } from './messaging.schemas.js'

/** Seals messages for senders whose keys the server holds, or that send without protection. */
@Injectable()
export class MessageSealing {
  constructor(
    private readonly queues: MessageQueues,
    private readonly contexts: HeldContexts,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * The envelopes of messages to a queue, under one context. Throws `MQ_ERROR_BAD_SECURITY_CONTEXT`,
   * `MQ_ERROR_CERTIFICATE_NOT_PROVIDED` for one that is to be signed without a context, `MQ_ERROR_PUBLIC_KEY_NOT_FOUND` for
   * one that is to be encrypted to a queue without a key, `MQ_ERROR_MISSING_CONNECTOR_TYPE` for one that names its
   * sender itself, `MQ_ERROR_QUEUE_NOT_FOUND`.
   */
  async seal(
    queue: string,
    { securityContext, level }: SealingBody,
    messages: readonly MessageBody[],
    requester: AuthenticatedRequester
  ): Promise<readonly string[]> {
    const signer = securityContext === undefined ? undefined : await this.contexts.signerOf(securityContext, requester)
    const protection = await this.protectionFor(queue, level ?? (signer === undefined ? 'none' : 'integrity'), signer)
    return Promise.all(messages.map(message => this.sealOne(queue, message, protection)))
  }

  private sealOne(queue: string, { body, fields = {} }: MessageBody, protection: Protection): Promise<string> {
    const { senderSid, ...properties } = fields
    if (senderSid !== undefined) {
      throw new AppError('MQ_ERROR_MISSING_CONNECTOR_TYPE', 'Whose a message is says its security context alone.')
    }
    const messageId = properties.messageId ?? randomUUID()
    const sentAt = properties.sentAt ?? this.clock.now().toISOString()
    const own = { messageId, sentAt, destinationQueue: queue }
    return sealMessage({ fields: { ...properties, ...own }, body: bytesOf(body) }, protection)
  }

  private async protectionFor(
    queue: string,
    level: Protection['level'],
    signer: MessageSigner | undefined
  ): Promise<Protection> {
    if (level === 'none') return { level }
    if (signer === undefined) {
      throw new AppError('MQ_ERROR_CERTIFICATE_NOT_PROVIDED', 'A message that is signed needs a security context.')
    }
    if (level === 'integrity') return { level, signer }
    const { encryptionKey } = await this.queues.destination(queue)
    if (encryptionKey !== null) return { level, signer, encryptTo: decodeEncryptionKey(encryptionKey) }
    throw new AppError('MQ_ERROR_PUBLIC_KEY_NOT_FOUND', `The queue "${queue}" has no key to encrypt to.`, { queue })
  }
}
