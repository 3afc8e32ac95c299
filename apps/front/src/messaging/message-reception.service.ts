import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { judgeAskedProperties, MESSAGE_CLASS } from '@app/messaging'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import {
  Database,
  MessageStore,
  type MessagePlace,
  type MessageQueueRow,
  type MessageRow,
  type Page
} from '@app/storage'
import type { AuthenticatedRequester } from '../requester/requester.js'
import { MessageEndings } from './message-endings.js'
import {
  type KeptQuery,
  type MessageListView,
  type MessageView,
  type ReceiveBody,
  type ReceivedView,
  type SettleBody
} from './messaging.schemas.js'
import { TemporaryQueues } from './temporary-queues.js'

/** How often somebody who waits looks again. */
const LOOK_MILLISECONDS = 250

/** How many rounds of a hundred messages that have ended one call clears away. */
const MOST_ROUNDS = 5

/** Gives messages out of queues. */
@Injectable()
export class MessageReception {
  constructor(
    private readonly messages: MessageStore,
    private readonly endings: MessageEndings,
    private readonly temporary: TemporaryQueues,
    private readonly database: Database,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Takes the first messages by priority and arrival for a time, and waits for one when there is none. Until they are
   * settled they are delivered again after that time.
   */
  async receive(queue: MessageQueueRow, { most, wait, leaseSeconds, properties }: ReceiveBody): Promise<ReceivedView> {
    const lease = randomUUID()
    const status = properties === undefined ? {} : { propertyStatus: judgeAskedProperties(properties) }
    const end = this.clock.now().getTime() + 1000 * Math.min(wait, this.config.limits.submitWaitSeconds)
    await this.temporary.keep(queue, Math.max(wait, leaseSeconds))
    await this.expire()
    for (;;) {
      const now = this.clock.now()
      const until = new Date(now.getTime() + 1000 * leaseSeconds)
      const rows = await this.messages.lease({ queueId: queue.id, most, lease, until }, now)
      // failpoint: message.leased
      if (rows.length > 0 || now.getTime() >= end) return { lease, items: rows.map(viewOf), ...status }
      await sleep(Math.min(LOOK_MILLISECONDS, end - now.getTime()))
    }
  }

  /** Looks at the first messages, which stay. */
  async peek(queue: MessageQueueRow, most: number): Promise<MessageListView> {
    await this.expire()
    return { items: (await this.messages.listWaiting(queue.id, most, this.clock.now())).map(viewOf) }
  }

  /** Says what became of a message that was taken. Throws `conflict` when the lease on it has ended. */
  async settle(queue: MessageQueueRow, id: number, { lease, outcome, leaseSeconds }: SettleBody): Promise<void> {
    if (outcome === 'prolonged') await this.temporary.keep(queue, leaseSeconds)
    await this.database.transaction(async unit => {
      const now = this.clock.now()
      const row = await this.messages.findLeased(unit, { queueId: queue.id, id, lease }, now)
      if (row === undefined) {
        throw new AppError('conflict', `Message ${id} of "${queue.name}" is not under this lease any more.`, { id })
      }
      if (outcome === 'prolonged') {
        return this.messages.prolong(unit, id, new Date(now.getTime() + 1000 * leaseSeconds))
      }
      if (outcome === 'released') return this.messages.release(unit, id)
      await this.endings.holdAll(unit, [row])
      if (outcome === 'received') await this.endings.complete(unit, row, queue)
      else await this.endings.giveUp(unit, row, queue, outcome)
    })
  }

  /** What is kept of a queue, the newest first. */
  async listKept(
    { id: queueId }: MessageQueueRow,
    place: 'journal' | 'dead-letter',
    { limit, cursor }: KeptQuery
  ): Promise<MessageListView> {
    await this.expire()
    return pageView(await this.messages.listKept({ queueId, place }, limit, cursor))
  }

  /** The dead letters that the caller handed in, of all queues. */
  async listOwn({ principal }: AuthenticatedRequester, { limit, cursor }: KeptQuery): Promise<MessageListView> {
    await this.expire()
    return pageView(await this.messages.listDeadLettersOf(principal.id, limit, cursor))
  }

  /** Empties a queue, its journal or its dead letters; senders of what waited hear of it if they asked. */
  async purge(queue: MessageQueueRow, place: MessagePlace, requester: AuthenticatedRequester): Promise<void> {
    if (place === 'queue') await this.temporary.giveUpAll(queue, 'NACK_Q_PURGED')
    await this.database.transaction(unit =>
      this.messages.purge(unit, { queueId: queue.id, place }, { actor: requester.name }, this.clock.now())
    )
  }

  /**
   * Ends messages, of all queues, whose time is over. Nobody is given one that has ended, and nobody who looks waits for
   * more than {@link MOST_ROUNDS} rounds of them: who looks next goes on.
   */
  private async expire(): Promise<void> {
    await this.temporary.removeEnded()
    for (let left = true, round = 0; left && round < MOST_ROUNDS; round++) {
      left = await this.database.transaction(async unit => {
        const rows = await this.messages.listExpired(unit, this.clock.now())
        await this.endings.giveUpAll(unit, rows, undefined, 'NACK_RECEIVE_TIMEOUT')
        return rows.length > 0
      })
    }
  }
}

function pageView({ rows, next }: Page<MessageRow, number>): MessageListView {
  return { items: rows.map(viewOf), ...(next === undefined ? {} : { next }) }
}

const CLASS_NAMES = new Map<number, string>(Object.entries(MESSAGE_CLASS).map(([name, value]) => [value, name]))

function viewOf(row: MessageRow): MessageView {
  const { id, messageId, level, senderSid, senderName, envelope, arrivedAt, receiveBefore, deliveries } = row
  return {
    id,
    class: CLASS_NAMES.get(row.class) ?? 'NORMAL',
    classValue: row.class,
    messageId,
    level,
    ...(senderSid === null ? {} : { senderSid }),
    ...(senderName === null ? {} : { senderName }),
    envelope,
    deliveries,
    arrivedAt: arrivedAt.toISOString(),
    ...(receiveBefore === null ? {} : { receiveBefore: receiveBefore.toISOString() })
  }
}
