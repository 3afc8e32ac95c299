import { Inject, Injectable } from '@nestjs/common'
import { AppError, isAppError, type Clock } from '@app/core'
import { CLOCK, CONFIG, isPassing, LOG, type Config, type Logger } from '@app/platform'
import { DrillStore, type DrillEnd } from '@app/storage'
import { CanaryRun } from './canary-run.js'

const because = { actor: 'role:archive' }
/** A drill that a crash broke off is begun again after this time. */
const lease = 5 * 60_000
/** A new installation is left alone for a while. */
const firstAfter = 10 * 60_000
const hour = 3_600_000

/** Tries on a schedule that keys can be archived and recovered. */
@Injectable()
export class DrillService {
  constructor(
    private readonly drills: DrillStore,
    private readonly canaries: CanaryRun,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOG) private readonly log: Logger
  ) {}

  /** Runs the drill that is due, if one is. Whether it failed. */
  async run(): Promise<boolean> {
    const now = this.clock.now()
    if (!(await this.isDue(now))) return false
    // 1. The drill is this process's for a while.
    const id = await this.drills.lease(now, new Date(now.getTime() + lease))
    if (id === undefined) return false
    // 2. What a broken-off drill left goes; archive and recover canaries; they go too.
    await this.drills.clearCanaries()
    const end = await this.outcome(id)
    await this.drills.clearCanaries()
    // 3. The outcome, with its event.
    return (await this.drills.end(id, end, because, this.clock.now())) && end.state === 'failed'
  }

  private async isDue(now: Date): Promise<boolean> {
    const { last, since, isDue } = await this.drills.findSchedule()
    if (isDue) return true
    const { hours } = this.config.drill
    if (hours === 0 || since === null) return false
    const next = last === null ? since.getTime() + firstAfter : last.getTime() + hours * hour
    if (now.getTime() < next) return false
    await this.drills.order(because, now)
    return true
  }

  private async outcome(id: number): Promise<DrillEnd> {
    try {
      return { state: 'succeeded', canaries: await this.canaries.run() }
    } catch (error) {
      if (isPassing(error)) throw error
      this.log.error({ error, drill: id }, 'A recovery drill failed: keys may not be recoverable.')
      const known = isAppError(error) && error.code !== 'internal' ? error : undefined
      const { code, message } =
        known ??
        new AppError('internal', 'The drill failed because of a defect of the program. Its log has the details.')
      return { state: 'failed', code, message }
    }
  }
}
