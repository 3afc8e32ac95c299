import { Inject, Injectable } from '@nestjs/common'
import { AppError, isAppError, type Clock } from '@app/core'
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
import {
  Database,
  MessageStore,
  originName,
  type MessageOrigin,
  type MessagePlace,
  type MessageQueueRow,
  type Unit
} from '@app/storage'
import { requireScope } from '../enrollment/access.js'
import type { AuthenticatedRequester } from '../requester/requester.js'
import { isDeadLetter, MessageEndings } from './message-endings.js'
import { MessageQueues } from './message-queues.service.js'
import { MessageSenders } from './message-senders.js'
import type { SentListView } from './messaging.schemas.js'

/** How far the clock of a sender may be ahead. */
const AHEAD_MILLISECONDS = 300_000
/** How long after the last moment of its arrival an id is remembered. */
const REMEMBERED_MILLISECONDS = 86_400_000

/** What came in at once: to one queue, from one account. */
interface Delivery {
  readonly queue: MessageQueueRow
  readonly requester: AuthenticatedRequester
  readonly now: Date
}

/** A message that did not come before, and what its queue says to it. */
interface Arrival extends MessageOrigin {
  readonly envelope: ParsedEnvelope
  /** Undefined: it is taken if there is room. */
  readonly refusal: MessageClass | undefined
  readonly senderSid: string | null
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
   * Takes messages, each by the same checks, all in one transaction. One that its queue refuses, and one that came before,
   * is answered as one that is taken: what became of it is told by acknowledgements alone. Throws
   * `MQ_ERROR_INVALID_PARAMETER` for what is no message or comes from the future, and then takes none;
   * `MQ_ERROR_QUEUE_NOT_FOUND`.
   */
  async take(name: string, texts: readonly string[], requester: AuthenticatedRequester): Promise<SentListView> {
    requireScope(requester, 'enroll')
    const now = this.clock.now()
    // 1. What they are, and where they go.
    const envelopes = texts.map((text, index) => readEnvelope(text, now, texts.length === 1 ? undefined : index))
    const queue = await this.queues.destination(name)
    const delivery = { queue, requester, now }
    // 2. Whether the queue takes them. 3. Put them where they belong.
    const arrivals = await this.judge(envelopes, delivery)
    // failpoint: message.judged
    const isTaken =
      arrivals.length > 0 && (await this.database.transaction(unit => this.settle(unit, arrivals, delivery)))
    // failpoint: message.committed
    if (isTaken) this.queues.arrived(queue)
    return { messageIds: envelopes.map(({ fields }) => fields.messageId), queue: queue.name }
  }

  /** Every message in the receive order. What the directory says of a sender is asked once for those that came at once. */
  private async judge(envelopes: readonly ParsedEnvelope[], { queue, requester, now }: Delivery): Promise<Arrival[]> {
    const origins = envelopes.map(envelope => originOf(envelope, requester))
    const seen = await this.messages.findSeen(queue.id, origins)
    const isRegistered = once((sid: string, certificate: Uint8Array) => this.senders.isRegistered(sid, certificate))
    const mayWrite = once((sid: string) => this.senders.hasRight(queue.id, sid, QUEUE_RIGHT.WRITE_MESSAGE))
    const arrivals: Arrival[] = []
    for (const [index, envelope] of envelopes.entries()) {
      const origin = origins[index] ?? originOf(envelope, requester)
      const verdict = await judgeArrival(envelope, queue, {
        isRegistered: (sid, certificate) => isRegistered(`${sid} ${envelope.certificate ?? ''}`, sid, certificate),
        mayWrite: (sid = requester.principal.sid) => mayWrite(sid, sid),
        isDuplicate: () => Promise.resolve(seen.has(originName(origin)))
      })
      if (verdict.verdict === 'duplicate') continue
      const senderSid = (verdict.verdict === 'accepted' ? verdict.message.sender?.sid : undefined) ?? null
      const isLate = arrivalDeadline(envelope.fields) < now ? 'NACK_REACH_QUEUE_TIMEOUT' : undefined
      const refusal = verdict.verdict === 'refused' ? verdict.class : isLate
      arrivals.push({ ...origin, envelope, refusal, senderSid })
    }
    return arrivals
  }

  /** Whether there are messages in the queue that were not there before. */
  private async settle(unit: Unit, arrivals: readonly Arrival[], delivery: Delivery): Promise<boolean> {
    const { queue } = delivery
    const isExpress = arrivals.every(({ envelope }) => envelope.fields.delivery === DELIVERY.EXPRESS)
    if (isExpress) await this.messages.hurry(unit)
    await this.endings.hold(
      unit,
      [queue.id],
      arrivals.map(({ envelope }) => envelope)
    )
    let room = await this.messages.findRoom(unit, queue.id, 'queue')
    const admitted: Arrival[] = []
    const refused: (readonly [Arrival, MessageClass])[] = []
    for (const arrival of arrivals) {
      const size = Buffer.byteLength(arrival.envelope.text)
      const refusal = arrival.refusal ?? (size > room ? 'NACK_Q_EXCEED_QUOTA' : undefined)
      if (refusal !== undefined) refused.push([arrival, refusal])
      else {
        room -= size
        admitted.push(arrival)
      }
    }
    const taken = await this.admit(unit, admitted, delivery)
    for (const [arrival, name] of refused) await this.refuse(unit, arrival, name, delivery)
    await this.senders.keepCopies(unit, delivery.requester.principal.id, queue.name, taken)
    return taken.length > 0
  }

  private async admit(
    unit: Unit,
    arrivals: readonly Arrival[],
    delivery: Delivery
  ): Promise<readonly ParsedEnvelope[]> {
    if (arrivals.length === 0) return []
    const { queue, requester, now } = delivery
    const remembered = arrivals.map(({ sender, messageId, envelope }) => {
      const until = new Date(arrivalDeadline(envelope.fields).getTime() + REMEMBERED_MILLISECONDS)
      return { sender, messageId, until }
    })
    // Of two with one id, in this transaction or in two, the first is new.
    const isNew = new Set(await this.messages.see(unit, queue.id, remembered, now))
    const taken = arrivals.filter(arrival => isNew.delete(originName(arrival)))
    const rows = taken.map(arrival => rowOf(arrival, delivery, 'queue', arrival.envelope.fields.class))
    await this.messages.put(unit, rows)
    // failpoint: message.put
    for (const { envelope } of taken) {
      const ended = { queueName: queue.name, envelope, submittedBy: requester.principal.id }
      await this.endings.acknowledge(unit, ended, 'ACK_REACH_QUEUE')
    }
    return taken.map(({ envelope }) => envelope)
  }

  private async refuse(unit: Unit, arrival: Arrival, name: MessageClass, delivery: Delivery): Promise<void> {
    const { queue, requester } = delivery
    const { envelope } = arrival
    const ended = { queueName: queue.name, envelope, submittedBy: requester.principal.id }
    await this.endings.acknowledge(unit, ended, name)
    // Nobody fills with dead letters what he could not fill with messages.
    const { sid } = requester.principal
    if (!isDeadLetter(envelope, name)) return
    if (!(await this.senders.hasRight(queue.id, sid, QUEUE_RIGHT.WRITE_MESSAGE, unit))) return
    if (!(await this.messages.hasRoom(unit, queue.id, 'dead-letter', Buffer.byteLength(envelope.text)))) return
    await this.messages.put(unit, [rowOf(arrival, delivery, 'dead-letter', MESSAGE_CLASS[name])])
  }
}

/** Throws what is wrong with a message, and of several which it is. */
function readEnvelope(text: string, now: Date, index: number | undefined): ParsedEnvelope {
  try {
    const envelope = parseEnvelope(text)
    if (Date.parse(envelope.fields.sentAt) > now.getTime() + AHEAD_MILLISECONDS) {
      throw new AppError('MQ_ERROR_INVALID_PARAMETER', 'The message comes from the future: see to the clock.')
    }
    // Whoever could set it could make believe that a message was received or refused (MC-MQAC 3.17.4.1.48).
    if (envelope.fields.class !== MESSAGE_CLASS.NORMAL) {
      throw new AppError('MQ_ERROR_MISSING_CONNECTOR_TYPE', 'Only the server acknowledges: leave the class out.')
    }
    return envelope
  } catch (error) {
    if (index === undefined || !isAppError(error)) throw error
    throw new AppError(error.code, `Message ${index}: ${error.message}`, { ...error.evidence, index }, { cause: error })
  }
}

/** Asks each question once, by its name. */
function once<Arguments extends readonly unknown[], Answer>(
  ask: (...parameters: Arguments) => Promise<Answer>
): (name: string, ...parameters: Arguments) => Promise<Answer> {
  const answers = new Map<string, Promise<Answer>>()
  return (name, ...parameters) => {
    const answer = answers.get(name) ?? ask(...parameters)
    answers.set(name, answer)
    return answer
  }
}

function rowOf(
  { envelope, senderSid }: Arrival,
  { queue, requester, now }: Delivery,
  place: MessagePlace,
  value: number
) {
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

/** Whose id a message has. At the level none nobody but who hands it in vouches for it. */
function originOf({ level, fields }: ParsedEnvelope, { principal }: AuthenticatedRequester): MessageOrigin {
  return { sender: `${level}:${fields.senderSid ?? principal.sid}`, messageId: fields.messageId }
}
