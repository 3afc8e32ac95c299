import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common'
import { isAppError, type Clock } from '@app/core'
import { ldapReasonOf } from '@app/ldap'
import { CLOCK, CONFIG, LOG, type Config, type Logger } from '@app/platform'
import { Steps, type StepRun } from '@app/queue'
import { LdapRunStore, type LdapRunCounts, type LdapRunRow } from '@app/storage'
import { LdapReading } from './ldap-reading.js'

const minute = 60_000
/** So long a step works before others have their turn, and before the end of the process is looked for. */
const slice = 2000
/** A run that has told nothing for so long is of a process that has ended. */
const lease = 5 * minute
const keptFor = 30 * 24 * 60 * minute
const nothing: LdapRunCounts = { entries: 0, added: 0, changed: 0, disabled: 0, refused: 0 }

/** A run that this process has begun. */
interface Running {
  readonly run: LdapRunRow
  readonly work: AsyncGenerator<LdapRunCounts, void, undefined>
  counts: LdapRunCounts
}

/** Has the LDAP server read: on schedule, and when somebody asks. */
@Injectable()
export class LdapSteps implements OnApplicationBootstrap, OnModuleDestroy {
  private running: Running | undefined

  constructor(
    private readonly steps: Steps,
    private readonly runs: LdapRunStore,
    private readonly reading: LdapReading,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOG) private readonly log: Logger
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('read-ldap', () => this.step())
  }

  /** Gives up the connection; the run goes on when its lease has ended, which is now. */
  async onModuleDestroy(): Promise<void> {
    const { running } = this
    if (running === undefined) return
    this.running = undefined
    await running.work.return()
    await this.runs.progress(running.run.id, running.counts, this.clock.now())
  }

  private async step(): Promise<StepRun> {
    const now = this.clock.now()
    this.running ??= await this.begin(now)
    if (this.running === undefined) return { more: false, next: [] }
    const isEnded = await this.advance(this.running)
    if (isEnded) this.running = undefined
    return { more: !isEnded, next: [] }
  }

  private async begin(now: Date): Promise<Running | undefined> {
    const { everyMinutes } = this.config.directory.ldap.read
    await this.runs.schedule('role:console', now, new Date(now.getTime() - everyMinutes * minute))
    const run = await this.runs.claim(now, new Date(now.getTime() + lease))
    return run === undefined ? undefined : { run, work: this.reading.read(run), counts: nothing }
  }

  /** Works for a slice of time. Whether the run has ended. */
  private async advance(running: Running): Promise<boolean> {
    const { run, work } = running
    const until = performance.now() + slice
    try {
      while (performance.now() < until) {
        const { done, value } = await work.next()
        if (done === true) return await this.end(running, undefined)
        running.counts = { ...value }
      }
    } catch (error) {
      const reason = isAppError(error) ? error.message : ldapReasonOf(error)
      this.log.warn({ run: run.id, reason }, 'The LDAP server could not be read.')
      return this.end(running, reason)
    }
    await this.runs.progress(run.id, running.counts, new Date(this.clock.now().getTime() + lease))
    return false
  }

  private async end({ run, counts }: Running, error: string | undefined): Promise<true> {
    const now = this.clock.now()
    await this.runs.end(run.id, counts, error, now)
    await this.runs.purge(new Date(now.getTime() - keptFor))
    return true
  }
}
