import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import type { Clock } from '@app/core'
import {
  encodePlainEnvelope,
  parseEnvelope,
  parseMessageFields,
  QUEUE_RIGHT,
  type MessageClass,
  type MessageFields
} from '@app/messaging'
import { CLOCK } from '@app/platform'
import {
  Database,
  MessageQueueStore,
  MessageStore,
  type MessageQueueRow,
  type MessageRow,
  type NewMessageRow,
  type Unit
} from '@app/storage'
import { MessageEndings } from '../message-endings.js'
import type { SubmitAnswer } from './call-submission.js'

/** A call that was taken, and what becomes of it. */
export interface AnsweredCall {
  readonly queue: MessageQueueRow
  readonly row: MessageRow
  readonly lease: string
  /** Received when absent. */
  readonly refusal?: MessageClass
  /** Of a sender that was verified, and what it is told. */
  readonly answer?: { readonly sid: string; readonly body: SubmitAnswer }
}

/** Ends calls of the server's own queue. */
@Injectable()
export class CallAnswers {
  constructor(
    private readonly queues: MessageQueueStore,
    private readonly messages: MessageStore,
    private readonly endings: MessageEndings,
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Puts the answer into the response queue that the call names, if its sender may write there and there is room, and
   * ends the call: both or neither. Does nothing when somebody else has taken the call meanwhile.
   */
  async end({ queue, row, lease, refusal, answer }: AnsweredCall): Promise<void> {
    await this.database.transaction(async unit => {
      const held = await this.messages.findLeased(unit, { queueId: queue.id, id: row.id, lease }, this.clock.now())
      if (held === undefined) return
      const { fields } = parseEnvelope(row.envelope)
      const others = [fields.responseQueue, fields.adminQueue].filter(name => name !== undefined)
      await this.queues.lock(unit, [queue.id], others)
      const reply = answer === undefined ? undefined : await this.replyTo(unit, fields, answer)
      const hasRoom =
        reply !== undefined &&
        (await this.messages.hasRoom(unit, reply.queueId, 'queue', Buffer.byteLength(reply.envelope)))
      if (hasRoom) await this.messages.put(unit, [reply])
      if (refusal === undefined) await this.endings.complete(unit, held, queue)
      else await this.endings.giveUp(unit, held, queue, refusal)
    })
  }

  private async replyTo(
    unit: Unit,
    call: MessageFields,
    { sid, body }: NonNullable<AnsweredCall['answer']>
  ): Promise<NewMessageRow | undefined> {
    if (call.responseQueue === undefined) return undefined
    const target = await this.queues.find(call.responseQueue, unit)
    const mask = target === undefined ? 0 : await this.queues.findRights(target.id, sid, unit)
    if (target === undefined || (mask & QUEUE_RIGHT.WRITE_MESSAGE) === 0) return undefined
    return this.rowOf(target, call, body)
  }

  /** Unsigned, as acknowledgements are: what it says of a certificate is in the response that the CA has signed. */
  private rowOf(target: MessageQueueRow, call: MessageFields, body: SubmitAnswer): NewMessageRow {
    const now = this.clock.now()
    const fields = parseMessageFields({
      messageId: randomUUID(),
      destinationQueue: target.name,
      level: 'none',
      correlationId: call.messageId,
      responseQueue: call.destinationQueue,
      sentAt: now.toISOString(),
      priority: call.priority,
      delivery: call.delivery
    })
    return {
      queueId: target.id,
      place: 'queue',
      class: fields.class,
      messageId: fields.messageId,
      level: 'none',
      senderSid: null,
      submittedBy: null,
      priority: fields.priority,
      envelope: encodePlainEnvelope(fields, Buffer.from(JSON.stringify(body))),
      arrivedAt: now,
      receiveBefore: null
    }
  }
}
