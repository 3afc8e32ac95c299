import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError, isAppError, systemClock, type Clock, type ErrorCode } from '@app/core'
import { syncDirectory, writeNewFile } from '@app/files'
import { arrivalDeadline, parseEnvelope, type MessageClass } from '@app/messaging'
import type { MessageQueues } from '../message-queues.js'

/** A message on this machine that has not reached its queue. */
export interface WaitingMessage {
  readonly messageId: string
  readonly queue: string
  /** As it will be sent: at the level privacy nobody but its receiver reads it, here neither. */
  readonly envelope: string
}

/** A message that will not be sent any more. */
export interface OutgoingDeadLetter extends WaitingMessage {
  readonly class: MessageClass
  /** The server's, where it refused the message. */
  readonly code?: ErrorCode
  readonly endedAt: string
}

/** What a round of sending did. */
export interface OutgoingRound {
  /** The ids of messages that the server has now. */
  readonly sent: readonly string[]
  /** Messages that it will not have. */
  readonly failed: readonly OutgoingDeadLetter[]
  /** How many wait for a later round. */
  readonly waiting: number
  /** Why they wait. */
  readonly because?: AppError
}

/** What {@link OutgoingQueue.keepSending} may be told. */
export interface SendingOptions {
  /** Seconds from a round to the next; after failures up to a minute. 5 if absent. */
  readonly everySeconds?: number
}

/** The server refuses the message itself; anything else is about the moment or the credential. */
const FINAL: Partial<Record<ErrorCode, MessageClass>> = {
  MQ_ERROR_QUEUE_NOT_FOUND: 'NACK_BAD_DST_Q',
  MQ_ERROR_INVALID_PARAMETER: 'NACK_PURGED',
  MQ_ERROR_MISSING_CONNECTOR_TYPE: 'NACK_PURGED',
  invalid_argument: 'NACK_PURGED',
  payload_too_large: 'NACK_PURGED'
}

const LONGEST_PAUSE = 60

/**
 * Messages on their way from this machine, in a directory that only its owner can read: each is a file that is on stable
 * storage before anybody is told that the message is taken, and goes when the server has it. A crash between loses none
 * and doubles none, since a queue takes a message of one id once. Several processes may share a directory.
 */
export class OutgoingQueue {
  private last: Promise<unknown> = Promise.resolve()

  private constructor(
    readonly directory: string,
    private readonly clock: Clock
  ) {}

  /** Opens the directory, which is made when it is not there. Throws `unavailable`. */
  static async open(directory: string, clock: Clock = systemClock): Promise<OutgoingQueue> {
    const queue = new OutgoingQueue(directory, clock)
    for (const folder of [queue.waiting, queue.ended, queue.known]) {
      await queue.reaching(() => mkdir(folder, { recursive: true, mode: 0o700 }))
    }
    return queue
  }

  /** Takes a message. When it resolves, the message survives a crash and a loss of power. */
  async put(queue: string, envelope: string): Promise<WaitingMessage> {
    const { fields } = parseEnvelope(envelope)
    const message = { messageId: fields.messageId, queue, envelope }
    const order = String(this.clock.now().getTime()).padStart(15, '0')
    await this.write(this.waiting, `${order}-${fields.messageId}.json`, message)
    return message
  }

  /** What waits, in the order in which it came. */
  async list(): Promise<readonly WaitingMessage[]> {
    const names = await this.names(this.waiting)
    const messages = await Promise.all(names.map(name => this.read<WaitingMessage>(this.waiting, name)))
    return messages.filter(message => message !== undefined)
  }

  /** What was given up: it was too late, or its queue or the server would not have it. */
  async listDeadLetters(): Promise<readonly OutgoingDeadLetter[]> {
    const names = await this.names(this.ended)
    const letters = await Promise.all(names.map(name => this.read<OutgoingDeadLetter>(this.ended, name)))
    return letters.filter(letter => letter !== undefined)
  }

  /** Forgets the dead letters. */
  async purgeDeadLetters(): Promise<void> {
    for (const name of await this.names(this.ended)) await this.remove(this.ended, name)
  }

  /** Sends what waits, in order, until all is sent or the server does not answer. One round at a time. */
  send(queues: MessageQueues): Promise<OutgoingRound> {
    const round = this.last.then(() => this.sendAll(queues))
    this.last = round.catch(() => undefined)
    return round
  }

  /** Sends again and again until it is disposed of. `onRound` hears of each round that did something or failed. */
  keepSending(
    queues: MessageQueues,
    options: SendingOptions = {},
    onRound: (round: OutgoingRound) => void = () => undefined
  ): AsyncDisposable {
    const stopped = new AbortController()
    const work = this.sendUntil(stopped.signal, queues, options.everySeconds ?? 5, onRound)
    return {
      [Symbol.asyncDispose]: () => {
        stopped.abort()
        return work
      }
    }
  }

  /** Keeps a fact for a time when the server is down: what a queue demands, who the sender is. Nothing secret. */
  async remember(name: string, value: object): Promise<void> {
    if (JSON.stringify(await this.recall(name)) === JSON.stringify(value)) return
    await this.write(this.known, `${name}.json`, value)
  }

  /** What was kept under the name. */
  recall<T>(name: string): Promise<T | undefined> {
    return this.read<T>(this.known, `${name}.json`)
  }

  private get waiting(): string {
    return join(this.directory, 'waiting')
  }

  private get ended(): string {
    return join(this.directory, 'dead-letter')
  }

  private get known(): string {
    return join(this.directory, 'known')
  }

  private async sendAll(queues: MessageQueues): Promise<OutgoingRound> {
    const sent: string[] = []
    const failed: OutgoingDeadLetter[] = []
    const names = await this.names(this.waiting)
    for (const [index, name] of names.entries()) {
      const message = await this.read<WaitingMessage>(this.waiting, name)
      if (message === undefined) continue
      const outcome = await this.sendOne(queues, message)
      if (outcome instanceof AppError) return { sent, failed, waiting: names.length - index, because: outcome }
      if (outcome === undefined) sent.push(message.messageId)
      else {
        failed.push(outcome)
        await this.write(this.ended, name, outcome)
      }
      await this.remove(this.waiting, name)
    }
    return { sent, failed, waiting: 0 }
  }

  /** Undefined when the server has it; why it never will; or why not now. */
  private async sendOne(
    queues: MessageQueues,
    message: WaitingMessage
  ): Promise<OutgoingDeadLetter | AppError | undefined> {
    const now = this.clock.now()
    const endedAt = now.toISOString()
    if (arrivalDeadline(parseEnvelope(message.envelope).fields) < now) {
      return { ...message, class: 'NACK_REACH_QUEUE_TIMEOUT', endedAt }
    }
    try {
      await queues.sendEnvelope(message.queue, message.envelope)
      return undefined
    } catch (error) {
      if (!isAppError(error)) throw error
      const final = FINAL[error.code]
      return final === undefined ? error : { ...message, class: final, code: error.code, endedAt }
    }
  }

  private async sendUntil(
    signal: AbortSignal,
    queues: MessageQueues,
    every: number,
    onRound: (round: OutgoingRound) => void
  ): Promise<void> {
    let pause = every
    while (!signal.aborted) {
      const round = await this.send(queues)
      if (round.sent.length + round.failed.length + round.waiting > 0) onRound(round)
      pause = round.because === undefined ? every : Math.min(LONGEST_PAUSE, pause * 2)
      await sleep(1000 * pause, undefined, { signal }).catch(() => undefined)
    }
  }

  /** The file has its name when it is whole and on the disk. */
  private async write(folder: string, name: string, value: object): Promise<void> {
    const unfinished = join(folder, `.${randomUUID()}`)
    await this.reaching(async () => {
      await writeNewFile(unfinished, Buffer.from(JSON.stringify(value)), 0o600)
      await rename(unfinished, join(folder, name))
      await syncDirectory(folder)
    })
  }

  private async names(folder: string): Promise<readonly string[]> {
    const names = await this.reaching(() => readdir(folder))
    return names.filter(name => !name.startsWith('.') && name.endsWith('.json')).toSorted()
  }

  /** Undefined when another process has it done. */
  private async read<T>(folder: string, name: string): Promise<T | undefined> {
    try {
      return JSON.parse(await readFile(join(folder, name), 'utf8')) as T
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw this.unavailable(cause)
    }
  }

  private async remove(folder: string, name: string): Promise<void> {
    try {
      await unlink(join(folder, name))
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw this.unavailable(cause)
    }
  }

  private async reaching<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      throw this.unavailable(cause)
    }
  }

  private unavailable(cause: unknown): AppError {
    const path = this.directory
    return new AppError('unavailable', `The queue of outgoing messages ${path} cannot be used.`, { path }, { cause })
  }
}
