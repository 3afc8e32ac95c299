import { Inject, Injectable } from '@nestjs/common'
import { isAppError, toHex, type Clock } from '@app/core'
import { CLOCK, CONFIG, LOG, type Config, type Logger } from '@app/platform'
import type { StepRun } from '@app/queue'
import { AuditChainStore, type Linked } from '@app/storage'
import { AuditKeys } from './audit-keys.js'
import { CheckpointArchive } from './checkpoint-archive.js'

/** Events in one transaction; each takes the database some ten microseconds. */
const batch = 5000

/** Events up to a number, and the transactions that could still bring one of them. */
interface Unsettled {
  readonly newest: number
  readonly writers: readonly string[]
}

/**
 * Chains the events of the audit log behind the back of those who write them, and signs the end of the chain now and
 * then. Any number of processes may do so; one links at a time.
 */
@Injectable()
export class AuditChain {
  /** All events up to this number are linked, and no other can come. */
  private settled: number | undefined
  private unsettled: Unsettled | undefined

  constructor(
    private readonly chain: AuditChainStore,
    private readonly keys: AuditKeys,
    private readonly archive: CheckpointArchive,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOG) private readonly log: Logger
  ) {}

  /** Links a batch, and signs a checkpoint when one is due. */
  async run(): Promise<StepRun> {
    const linked = await this.link()
    if (linked === undefined) return { more: false, next: [] }
    const last = await this.chain.findLastCheckpoint()
    const age = this.clock.now().getTime() - (last?.at.getTime() ?? 0)
    if (linked.position > (last?.position ?? 0) && age >= this.config.audit.checkpointSeconds * 1000) {
      await this.sign(linked)
    }
    await this.archive.update(linked.position)
    return { more: linked.linked === batch, next: [] }
  }

  /** Links what there is and signs the end, whether a checkpoint is due or not. For the end of the process. */
  async close(): Promise<void> {
    let linked: Linked | undefined
    do linked = await this.link()
    while (linked?.linked === batch)
    if (linked === undefined) return
    const last = await this.chain.findLastCheckpoint()
    if (linked.position > (last?.position ?? 0)) await this.sign(linked)
    await this.archive.update(linked.position)
  }

  private async link(): Promise<Linked | undefined> {
    this.settled ??= (await this.chain.findLastCheckpoint())?.settled ?? 0
    const linked = await this.chain.link(this.settled, batch)
    // failpoint: audit.linked
    if (linked !== undefined) this.settle(linked, this.settled)
    return linked
  }

  /**
   * A number is given to an event by a transaction that holds a lock on the log to its end. So when none of those that
   * held one after a number had been seen holds it any more, whatever has a lower number is committed, or never will be.
   */
  private settle({ linked, lastSeq, newest, writers }: Linked, before: number): void {
    const earlier = this.unsettled
    const now: Unsettled = { newest, writers }
    const isOver = (unsettled: Unsettled): boolean => !unsettled.writers.some(writer => writers.includes(writer))
    const over = [now, earlier].find(unsettled => unsettled !== undefined && isOver(unsettled))
    if (over !== undefined) {
      // A full batch may have left out events that are visible.
      this.settled = Math.max(before, linked === batch ? Math.min(over.newest, lastSeq) : over.newest)
    }
    if (earlier === undefined || over !== undefined) this.unsettled = over === now ? undefined : now
  }

  private async sign({ position, hash }: Linked): Promise<void> {
    const facts = { position, hash, settled: this.settled ?? 0, at: this.clock.now() }
    const { checkpoint, key } = await this.keys.sign(facts)
    // failpoint: audit.checkpoint-signed
    try {
      await this.chain.addCheckpoint(checkpoint, key)
      // failpoint: audit.checkpoint-stored
    } catch (error) {
      // Another process has signed the same position.
      if (isAppError(error, 'conflict')) return
      throw error
    }
    // The log goes to where this machine's other logs go, which is one place more to look for it.
    this.log.info({ position, hash: toHex(hash), key: toHex(checkpoint.keyId) }, 'The audit log has a checkpoint.')
  }
}
