import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import type { Clock, PrincipalId } from '@app/core'
import {
  acknowledgementFor,
  encodePlainEnvelope,
  isSecurityClass,
  JOURNAL,
  MESSAGE_CLASS,
  parseEnvelope,
  parseMessageFields,
  QUEUE_RIGHT,
  type MessageClass,
  type ParsedEnvelope
} from '@app/messaging'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import {
  MessageQueueStore,
  MessageStore,
  PrincipalStore,
  type MessageQueueRow,
  type MessageRow,
  type Unit
} from '@app/storage'
import { MessageCounts } from './message-counts.js'

/** A message of which something is known to its sender now. */
export interface EndedMessage {
  readonly queueName: string
  readonly envelope: ParsedEnvelope
  /** Who handed it in; null for the server itself, which nobody acknowledges anything to. */
  readonly submittedBy: PrincipalId | null
}

/** What the end of a message leaves: an acknowledgement where its sender asked for one, the journal, a dead letter. */
@Injectable()
export class MessageEndings {
  constructor(
    private readonly queues: MessageQueueStore,
    private readonly messages: MessageStore,
    private readonly principals: PrincipalStore,
    private readonly counts: MessageCounts,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Locks the queues that the end of messages can change: their own, and those that they name for acknowledgements. The
   * first thing of a transaction after the messages themselves, so that two of them never wait for each other.
   */
  async hold(unit: Unit, ids: readonly string[], envelopes: readonly ParsedEnvelope[]): Promise<void> {
    const admins = envelopes.flatMap(({ fields }) => (fields.acknowledge === 0 ? [] : (fields.adminQueue ?? [])))
    await this.queues.lock(unit, ids, [...new Set(admins)])
  }

  /**
   * Puts an acknowledgement into the administration queue that the message names, if it asks for one of the class, if
   * who handed it in may write there, and if there is room (MS-MQQB 3.1.7.15). Classes of security only where the server
   * lets them out.
   */
  async acknowledge(unit: Unit, message: EndedMessage, name: MessageClass): Promise<void> {
    this.counts.count(name)
    const { fields } = message.envelope
    const isAsked = (fields.acknowledge & acknowledgementFor(name)) !== 0
    const isHidden = isSecurityClass(name) && !this.config.messaging.insecureNacks
    if (!isAsked || isHidden || fields.adminQueue === undefined || message.submittedBy === null) return
    const admin = await this.queues.find(fields.adminQueue, unit)
    const submitter = await this.principals.find(message.submittedBy, unit)
    if (admin === undefined || submitter === undefined) return
    const mask = await this.queues.findRights(admin.id, submitter.sid, unit)
    if ((mask & QUEUE_RIGHT.WRITE_MESSAGE) === 0) return
    await this.put(unit, admin, message, name)
  }

  /** Gives up messages of any queues, all with one class; see {@link giveUp}. Their rows are locked. */
  async giveUpAll(
    unit: Unit,
    rows: readonly MessageRow[],
    queue: MessageQueueRow | undefined,
    name: MessageClass
  ): Promise<void> {
    await this.holdAll(unit, rows)
    for (const row of rows) await this.giveUp(unit, row, queue, name)
  }

  /** As {@link hold}, for messages that are in their queues. */
  async holdAll(unit: Unit, rows: readonly MessageRow[]): Promise<void> {
    const envelopes = rows.map(({ envelope }) => parseEnvelope(envelope))
    await this.hold(unit, [...new Set(rows.map(({ queueId }) => queueId))], envelopes)
  }

  /** Ends a message in its queue with a negative class: acknowledged, and kept as a dead letter where that is asked. */
  async giveUp(unit: Unit, row: MessageRow, queue: MessageQueueRow | undefined, name: MessageClass): Promise<void> {
    const envelope = parseEnvelope(row.envelope)
    const queueName = queue?.name ?? envelope.fields.destinationQueue
    await this.acknowledge(unit, { queueName, envelope, submittedBy: row.submittedBy }, name)
    const isKept = isDeadLetter(envelope, name) && (await this.hasRoom(unit, row))
    if (isKept) await this.messages.move(unit, row.id, 'dead-letter', MESSAGE_CLASS[name])
    else await this.messages.remove(unit, row.id)
  }

  /** Ends a message that its receiver has: acknowledged, and kept in the journal of a queue that has one. */
  async complete(unit: Unit, row: MessageRow, queue: MessageQueueRow): Promise<void> {
    const envelope = parseEnvelope(row.envelope)
    await this.acknowledge(unit, { queueName: queue.name, envelope, submittedBy: row.submittedBy }, 'ACK_RECEIVE')
    if (queue.journaling && (await this.hasRoom(unit, row))) {
      await this.messages.move(unit, row.id, 'journal', row.class)
    } else await this.messages.remove(unit, row.id)
  }

  private hasRoom(unit: Unit, { queueId, envelope }: MessageRow): Promise<boolean> {
    return this.messages.hasRoom(unit, queueId, 'journal', Buffer.byteLength(envelope))
  }

  private async put(unit: Unit, admin: MessageQueueRow, message: EndedMessage, name: MessageClass): Promise<void> {
    const now = this.clock.now()
    const { fields } = message.envelope
    const { messageId, label, priority, delivery, appSpecific } = fields
    const acknowledgement = parseMessageFields({
      messageId: randomUUID(),
      destinationQueue: admin.name,
      level: 'none',
      correlationId: messageId,
      responseQueue: message.queueName,
      class: MESSAGE_CLASS[name],
      sentAt: now.toISOString(),
      label,
      priority,
      delivery,
      appSpecific
    })
    const isNegative = MESSAGE_CLASS[name] >= MESSAGE_CLASS.NACK_BAD_DST_Q
    const envelope = encodePlainEnvelope(acknowledgement, isNegative ? visibleBody(message.envelope) : new Uint8Array())
    if (!(await this.messages.hasRoom(unit, admin.id, 'queue', Buffer.byteLength(envelope)))) return
    const row = {
      queueId: admin.id,
      place: 'queue',
      class: MESSAGE_CLASS[name],
      messageId: acknowledgement.messageId,
      level: 'none',
      senderSid: null,
      submittedBy: null,
      priority,
      envelope,
      arrivedAt: now,
      receiveBefore: null
    } as const
    await this.messages.put(unit, [row])
  }
}

/** Whether a message that is given up is kept; never one whose sender had no right to write. */
export function isDeadLetter({ fields }: ParsedEnvelope, name: MessageClass): boolean {
  return (fields.journal & JOURNAL.DEADLETTER) !== 0 && name !== 'NACK_ACCESS_DENIED'
}

/** The body of a message that is not encrypted; empty otherwise. */
function visibleBody({ level, body, text }: ParsedEnvelope): Uint8Array {
  if (level === 'none') return body ?? new Uint8Array()
  return level === 'integrity' ? Buffer.from(text.split('.')[1] ?? '', 'base64url') : new Uint8Array()
}
