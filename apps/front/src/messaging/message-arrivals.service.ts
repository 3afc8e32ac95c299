import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import {
  arrivalDeadline,
  DELIVERY,
  judgeArrival,
  MESSAGE_CLASS,
  parseEnvelope,
  QUEUE_RIGHT,
  receiveDeadline,
  type MessageClass,
  type ParsedEnvelope
} from '@app/messaging'
import { CLOCK } from '@app/platform'
import { Database, MessageStore, type MessagePlace, type MessageQueueRow } from '@app/storage'
import { requireScope } from '../enrollment/access.js'
import type { AuthenticatedRequester } from '../requester/requester.js'
import { isDeadLetter, MessageEndings } from './message-endings.js'
import { MessageQueues } from './message-queues.service.js'
import { MessageSenders } from './message-senders.js'
import type { SentView } from './messaging.schemas.js'

/** How far the clock of a sender may be ahead. */
const AHEAD_MILLISECONDS = 300_000
/** How long after the last moment of its arrival an id is remembered. */
const REMEMBERED_MILLISECONDS = 86_400_000

interface Arrival {
  readonly queue: MessageQueueRow
  readonly envelope: ParsedEnvelope
  readonly requester: AuthenticatedRequester
  readonly senderSid: string | null
  readonly now: Date
}

/** Takes messages into queues. */
@Injectable()
export class MessageArrivals {
  constructor(
    private readonly queues: MessageQueues,
    private readonly messages: MessageStore,
    private readonly senders: MessageSenders,
    private readonly endings: MessageEndings,
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Takes a message. One that its queue refuses, and one that came before, is answered as one that is taken: what became
   * of it is told by acknowledgements alone. Throws `MQ_ERROR_INVALID_PARAMETER` for what is no message or comes from the
   * future, `MQ_ERROR_QUEUE_NOT_FOUND`.
   */
  async take(name: string, text: string, requester: AuthenticatedRequester): Promise<SentView> {
    requireScope(requester, 'enroll')
    const now = this.clock.now()
    // 1. What it is, and where it goes.
    const envelope = parseEnvelope(text)
    if (Date.parse(envelope.fields.sentAt) > now.getTime() + AHEAD_MILLISECONDS) {
      throw new AppError('MQ_ERROR_INVALID_PARAMETER', 'The message comes from the future: see to the clock.')
    }
    // Whoever could set it could make believe that a message was received or refused (MC-MQAC 3.17.4.1.48).
    if (envelope.fields.class !== MESSAGE_CLASS.NORMAL) {
      throw new AppError('MQ_ERROR_MISSING_CONNECTOR_TYPE', 'Only the server acknowledges: leave the class out.')
    }
    const queue = await this.queues.destination(name)
    // 2. Whether the queue takes it.
    const verdict = await judgeArrival(envelope, queue, {
      isRegistered: (sid, certificate) => this.senders.isRegistered(sid, certificate),
      mayWrite: sid => this.senders.hasRight(queue.id, sid ?? requester.principal.sid, QUEUE_RIGHT.WRITE_MESSAGE),
      isDuplicate: messageId =>
        this.messages.hasSeen({ queueId: queue.id, sender: senderOf(envelope, requester), messageId })
    })
    // failpoint: message.judged
    // 3. Put it where it belongs.
    const sender = verdict.verdict === 'accepted' ? verdict.message.sender?.sid : undefined
    const arrival = { queue, envelope, requester, senderSid: sender ?? null, now }
    if (verdict.verdict === 'refused') await this.refuse(arrival, verdict.class)
    else if (verdict.verdict !== 'duplicate') await this.admit(arrival)
    return { messageId: envelope.fields.messageId, queue: queue.name }
  }

  private async admit(arrival: Arrival): Promise<void> {
    const { queue, envelope, requester, now } = arrival
    if (arrivalDeadline(envelope.fields) < now) return this.refuse(arrival, 'NACK_REACH_QUEUE_TIMEOUT')
    const refusal = await this.database.transaction<MessageClass | undefined>(async unit => {
      if (envelope.fields.delivery === DELIVERY.EXPRESS) await this.messages.hurry(unit)
      await this.endings.hold(unit, [queue.id], [envelope])
      const { messageId } = envelope.fields
      const until = new Date(arrivalDeadline(envelope.fields).getTime() + REMEMBERED_MILLISECONDS)
      const seen = { queueId: queue.id, sender: senderOf(envelope, requester), messageId, until }
      const hasRoom = await this.messages.hasRoom(unit, queue.id, 'queue', Buffer.byteLength(envelope.text))
      if (!hasRoom) return 'NACK_Q_EXCEED_QUOTA'
      if (!(await this.messages.see(unit, seen, now))) return undefined
      await this.messages.put(unit, rowOf(arrival, 'queue', envelope.fields.class))
      // failpoint: message.put
      const ended = { queueName: queue.name, envelope, submittedBy: requester.principal.id }
      await this.endings.acknowledge(unit, ended, 'ACK_REACH_QUEUE')
      return undefined
    })
    // failpoint: message.committed
    if (refusal !== undefined) await this.refuse(arrival, refusal)
    else this.queues.arrived(queue)
  }

  private async refuse(arrival: Arrival, name: MessageClass): Promise<void> {
    const { queue, envelope, requester } = arrival
    await this.database.transaction(async unit => {
      await this.endings.hold(unit, [queue.id], [envelope])
      const ended = { queueName: queue.name, envelope, submittedBy: requester.principal.id }
      await this.endings.acknowledge(unit, ended, name)
      // Nobody fills with dead letters what he could not fill with messages.
      const { sid } = requester.principal
      const mayWrite = await this.senders.hasRight(queue.id, sid, QUEUE_RIGHT.WRITE_MESSAGE, unit)
      if (!mayWrite || !isDeadLetter(envelope, name)) return
      const size = Buffer.byteLength(envelope.text)
      if (!(await this.messages.hasRoom(unit, queue.id, 'dead-letter', size))) return
      await this.messages.put(unit, rowOf(arrival, 'dead-letter', MESSAGE_CLASS[name]))
    })
  }
}

function rowOf({ queue, envelope, requester, senderSid, now }: Arrival, place: MessagePlace, value: number) {
  const { messageId, priority } = envelope.fields
  return {
    queueId: queue.id,
    place,
    class: value,
    messageId,
    level: envelope.level,
    senderSid,
    submittedBy: requester.principal.id,
    priority,
    envelope: envelope.text,
    arrivedAt: now,
    receiveBefore: receiveDeadline(envelope.fields) ?? null
  } as const
}

/** Whose ids a message's belongs to. At the level none nobody but who hands it in vouches for it. */
function senderOf({ level, fields }: ParsedEnvelope, { principal }: AuthenticatedRequester): string {
  return `${level}:${fields.senderSid ?? principal.sid}`
}
