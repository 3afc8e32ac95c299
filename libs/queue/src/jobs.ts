import { createPostgresBackend, withBackend, type PostgresPoolConfig } from 'bullmq'
import type { ConnectionSettings } from '@app/storage'
import { poolConfigOf, QUEUE_SCHEMA } from './connection.js'
import type { QueueLog } from './step.js'

/** How a job ended: for good, or to be run again after so many milliseconds. */
export type JobEnd = 'done' | { readonly againAfter: number }

/** Work outside of this program that is slow and may have to be tried again: one job for each thing, by its id. */
export interface JobKind {
  /** Names the queue: lower-case letters, digits and hyphens. */
  readonly name: string
  /** How many jobs of this kind run at once in this process. */
  readonly concurrency: number
  /** Does the job of an id. May be called twice for one; what it throws counts as a defect, and is tried again later. */
  readonly run: (id: string) => Promise<JobEnd>
}

const bullmq = withBackend(createPostgresBackend)
type JobQueue = InstanceType<typeof bullmq.Queue<object, void>>
type JobWorker = InstanceType<typeof bullmq.Worker<object, void>>

/** More often than any job is tried; when to give one up is for its rows to say. */
const ATTEMPTS = 1000
const AFTER_DEFECT = 60_000

/** A job whose process died is taken up by another one after this time. */
const STALLED_MILLISECONDS = 5000

/** Why a job is not done yet; BullMQ tries again what throws. */
class RunAgain extends Error {
  constructor(readonly after: number) {
    super(`again in ${after} ms`)
  }
}

/**
 * Runs the jobs of some kinds in this process, each kind on a queue of its own, so that one that is slow holds up no
 * other. A job is nothing but an id: what there is to do, and whether it still is, stands in the rows. A job that is
 * lost comes again when somebody finds its row due; one that is there twice at once there is not.
 */
export class Jobs {
  private readonly queues = new Map<string, JobQueue>()
  private readonly workers: JobWorker[] = []

  constructor(private readonly options: { readonly connection: ConnectionSettings; readonly log: QueueLog }) {}

  /** Runs the jobs of a kind from now on. */
  serve(kind: JobKind): void {
    const { name, concurrency } = kind
    const connection = this.connection()
    const queue: JobQueue = new bullmq.Queue<object, void>(name, { connection })
    const worker: JobWorker = new bullmq.Worker<object, void>(name, job => this.run(kind, job.id ?? ''), {
      connection,
      concurrency,
      lockDuration: STALLED_MILLISECONDS,
      stalledInterval: STALLED_MILLISECONDS,
      settings: {
        backoffStrategy: (_attempts, _type, error) => (error instanceof RunAgain ? error.after : AFTER_DEFECT)
      }
    })
    const warn = (error: Error): void => {
      this.options.log.warn(
        { queue: name, error },
        'The queue does not work at the moment; the sweep stands in for it.'
      )
    }
    queue.on('error', warn)
    worker.on('error', warn)
    this.queues.set(name, queue)
    this.workers.push(worker)
  }

  /** Adds a job for each id, in this order, unless it has one. Throws what the database throws. */
  async add(name: string, ids: readonly string[]): Promise<void> {
    const options = { attempts: ATTEMPTS, backoff: { type: 'custom' }, removeOnComplete: true, removeOnFail: true }
    // Not in bulk: for that BullMQ wants a sequence, which the process roles may not create.
    for (const id of ids) await this.queues.get(name)?.add(name, {}, { ...options, jobId: id })
  }

  /** Lets the jobs that are running end, starts no others, and gives up all connections. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.workers.splice(0).map(worker => worker.close()))
    await Promise.allSettled([...this.queues.values()].map(queue => queue.close()))
    this.queues.clear()
  }

  private async run({ name, run }: JobKind, id: string): Promise<void> {
    let end: JobEnd
    try {
      end = await run(id)
    } catch (error) {
      this.options.log.error({ queue: name, job: id, error }, 'A job failed and is tried again.')
      end = { againAfter: AFTER_DEFECT }
    }
    if (end !== 'done') throw new RunAgain(end.againAfter)
  }

  private connection(): PostgresPoolConfig {
    return { ...poolConfigOf({ ...this.options.connection, poolSize: 2 }), schema: QUEUE_SCHEMA } as PostgresPoolConfig
  }
}
