import { Inject, Injectable } from '@nestjs/common'
import type { Clock, PrincipalId } from '@app/core'
import { JOURNAL, QUEUE_RIGHT, type ParsedEnvelope } from '@app/messaging'
import { accountNameOf, CLOCK, CONFIG, type Config } from '@app/platform'
import {
  MessageQueueStore,
  PrincipalStore,
  RegisteredCertificateStore,
  SentMessageStore,
  type Unit
} from '@app/storage'
import type { AuthenticatedRequester } from '../requester/requester.js'
import type { KeptQuery, SenderView, SentMessagesView } from './messaging.schemas.js'

/**
 * What the directory says of the sender of a message, asked each time, so that what it says holds at once; and the
 * journal of who hands messages in.
 */
@Injectable()
export class MessageSenders {
  constructor(
    private readonly registered: RegisteredCertificateStore,
    private readonly queues: MessageQueueStore,
    private readonly principals: PrincipalStore,
    private readonly sent: SentMessageStore,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** Whether the certificate, byte for byte, is registered for the account of the SID, and within its validity. */
  async isRegistered(sid: string, certificate: Uint8Array): Promise<boolean> {
    const row = await this.registered.findForSid(sid, Buffer.from(certificate))
    const now = this.clock.now()
    return row !== undefined && row.notBefore <= now && row.notAfter >= now
  }

  /** Whether the account of a SID has all of the rights on a queue. */
  async hasRight(queueId: string, sid: string, mask: number, unit?: Unit): Promise<boolean> {
    return ((await this.queues.findRights(queueId, sid, unit)) & mask) === mask
  }

  /** Whether who is known as a sender may write; nobody is not. */
  async mayWrite(queueId: string, sid: string | undefined): Promise<boolean> {
    return sid !== undefined && this.hasRight(queueId, sid, QUEUE_RIGHT.WRITE_MESSAGE)
  }

  /** What the directory says of the sender of a message that its receiver has decrypted. */
  async check(queueId: string, sid: string, certificate: Uint8Array): Promise<SenderView> {
    const registered = await this.isRegistered(sid, certificate)
    const principal = registered ? await this.principals.findBySid(sid) : undefined
    const mayWrite = await this.mayWrite(queueId, sid)
    return { registered, mayWrite, ...(principal === undefined ? {} : { name: accountNameOf(principal) }) }
  }

  /**
   * Keeps copies of messages that arrived for who handed them in, where they ask for it (MQMSG_JOURNAL) and as far as there
   * is room: no message fails for its copy. The last thing of a transaction.
   */
  async keepCopies(
    unit: Unit,
    principalId: PrincipalId,
    queueName: string,
    envelopes: readonly ParsedEnvelope[]
  ): Promise<void> {
    const sentAt = this.clock.now()
    const copies = envelopes
      .filter(({ fields }) => (fields.journal & JOURNAL.JOURNAL) !== 0)
      .map(({ text, level, fields: { messageId } }) => ({ queueName, messageId, level, envelope: text, sentAt }))
    await this.sent.keep(unit, principalId, copies, this.config.messaging.queueBytes)
  }

  /** The caller's journal, the newest first. */
  async listCopies({ principal }: AuthenticatedRequester, { limit, cursor }: KeptQuery): Promise<SentMessagesView> {
    const { rows, next } = await this.sent.list(principal.id, limit, cursor)
    const items = rows.map(({ queueName: queue, sentAt, ...row }) => ({ ...row, queue, sentAt: sentAt.toISOString() }))
    return { items, ...(next === undefined ? {} : { next }) }
  }

  /** Empties the caller's journal. */
  async purgeCopies({ principal }: AuthenticatedRequester): Promise<void> {
    await this.sent.purge(principal.id)
  }
}
