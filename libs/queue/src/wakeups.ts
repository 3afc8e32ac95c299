import { createPostgresBackend, withBackend, type PostgresPoolConfig } from 'bullmq'
import { AppError } from '@app/core'
import type { ConnectionSettings } from '@app/storage'
import { poolConfigOf, QUEUE_SCHEMA } from './connection.js'
import { assertQueueSchema } from './schema.js'
import { isStep, STEPS, type QueueLog, type QueueName, type Step } from './step.js'

/** What {@link Wakeups} needs. */
export interface WakeupsOptions {
  /** Any process role's connection. Its pool size is not used: a queue or worker needs few connections. */
  readonly connection: ConnectionSettings
  readonly log: QueueLog
  /** How often every step that this process runs is woken without a reason, in seconds. */
  readonly sweepSeconds?: number
}

const bullmq = withBackend(createPostgresBackend)
const newQueue = (name: QueueName, connection: PostgresPoolConfig) =>
  new bullmq.Queue<object, void>(name, { connection })
const newWorker = (name: QueueName, connection: PostgresPoolConfig) =>
  new bullmq.Worker<object, void>(name, () => Promise.resolve(), {
    connection,
    lockDuration: STALLED_MILLISECONDS,
    stalledInterval: STALLED_MILLISECONDS
  })
type StepQueue = ReturnType<typeof newQueue>
type StepWorker = ReturnType<typeof newWorker>

const SWEEP_SECONDS = 10

/** One call to the database in this time is enough to wake another process's step. */
const PACE_MILLISECONDS = 20

/**
 * A job that its worker did not finish because it died holds the place of the step's next wake-up until it is found
 * stalled. Running one takes a millisecond, so a short time is ample.
 */
const STALLED_MILLISECONDS = 5000

/**
 * Wakes the steps of the pipeline. In the process that runs a step a wake-up is a call; elsewhere it is a BullMQ job
 * with the step's name for its id, so that at most one waits. A wake-up may come twice, late or never: it says only
 * that a look at the rows is worth while, and the sweep looks anyway.
 */
export class Wakeups {
  private readonly handlers = new Map<Step, () => void>()
  private readonly queues = new Map<QueueName, StepQueue>()
  private readonly senders = new Map<Step, Sender>()
  private readonly workers: StepWorker[] = []
  private isOpen = false

  constructor(private readonly options: WakeupsOptions) {}

  /** Names what a wake-up of the step calls in this process. Once for each step, before `start`. */
  onWake(step: Step, handler: () => void): void {
    if (this.isOpen || this.handlers.has(step)) {
      throw new AppError('internal', `The step ${step} is given a handler twice or too late.`, { step })
    }
    this.handlers.set(step, handler)
  }

  /** Wakes a step, wherever it runs. Returns at once and never throws; what fails is logged. */
  nudge(step: Step): void {
    const handler = this.handlers.get(step)
    if (handler) {
      handler()
      return
    }
    if (!this.isOpen) return
    let sender = this.senders.get(step)
    if (!sender) {
      sender = createSender(() => this.send(step))
      this.senders.set(step, sender)
    }
    sender.request()
  }

  /**
   * Starts the workers for the steps of this process, and their sweeps. Throws `database_incompatible` when the
   * queue's tables are not those that this program needs; nothing is started then.
   */
  async start(): Promise<void> {
    await assertQueueSchema(this.options.connection)
    this.isOpen = true
    const steps = [...this.handlers.keys()]
    for (const name of new Set(steps.map(step => STEPS[step]))) {
      this.workers.push(this.startWorker(name))
      for (const step of steps) if (STEPS[step] === name) await this.scheduleSweep(step)
    }
    // Whatever was left by the last process that ran these steps.
    for (const handler of this.handlers.values()) handler()
  }

  /** Takes no more wake-ups from other processes and gives up all connections. */
  async stop(): Promise<void> {
    this.isOpen = false
    await Promise.allSettled([...this.senders.values()].map(sender => sender.idle()))
    await Promise.allSettled(this.workers.splice(0).map(worker => worker.close()))
    await Promise.allSettled([...this.queues.values()].map(queue => queue.close()))
    this.queues.clear()
  }

  private startWorker(name: QueueName): StepWorker {
    const worker = newWorker(name, this.connection())
    // Only now is the job gone and a new one with its id taken, so what was nudged until now is seen by this run.
    const wake = (step: string | undefined): void => {
      if (step !== undefined && isStep(step)) this.handlers.get(step)?.()
    }
    worker.on('completed', job => {
      wake(job.name)
    })
    // As one does that was found stalled too often.
    worker.on('failed', job => {
      wake(job?.name)
    })
    worker.on('error', error => {
      this.options.log.warn(
        { queue: name, error },
        'The queue does not work at the moment; the sweep stands in for it.'
      )
    })
    return worker
  }

  private async scheduleSweep(step: Step): Promise<void> {
    const every = (this.options.sweepSeconds ?? SWEEP_SECONDS) * 1000
    await this.queueOf(step).upsertJobScheduler(`sweep-${step}`, { every }, { name: step, opts: FORGET })
  }

  private async send(step: Step): Promise<void> {
    try {
      await this.queueOf(step).add(step, {}, { jobId: step, ...FORGET })
    } catch (error) {
      this.options.log.warn({ step, error }, 'A wake-up was lost; the sweep makes good for it.')
    }
  }

  private queueOf(step: Step): StepQueue {
    const name = STEPS[step]
    let queue = this.queues.get(name)
    if (!queue) {
      queue = newQueue(name, this.connection())
      queue.on('error', error => {
        this.options.log.warn(
          { queue: name, error },
          'The queue does not work at the moment; the sweep stands in for it.'
        )
      })
      this.queues.set(name, queue)
    }
    return queue
  }

  private connection(): PostgresPoolConfig {
    return { ...poolConfigOf({ ...this.options.connection, poolSize: 2 }), schema: QUEUE_SCHEMA } as PostgresPoolConfig
  }
}

const FORGET = { removeOnComplete: true, removeOnFail: true } as const

interface Sender {
  request(): void
  idle(): Promise<void>
}

/** Sends at once, and once more after the pace when asked again meanwhile. */
function createSender(send: () => Promise<void>): Sender {
  let isDue = false
  let sending: Promise<void> = Promise.resolve()
  let isSending = false
  const run = async (): Promise<void> => {
    isSending = true
    while (isDue) {
      isDue = false
      await send()
      await new Promise(resolve => setTimeout(resolve, PACE_MILLISECONDS))
    }
    isSending = false
  }
  return {
    request: () => {
      isDue = true
      if (!isSending) sending = run()
    },
    idle: () => sending
  }
}
