import { createStepRunner, type StepRunner } from './step-runner.js'
import type { QueueLog, Step, StepRun } from './step.js'
import type { Wakeups } from './wakeups.js'

/** The steps that this process runs: each woken by its wake-ups, and each waking those that come after it. */
export class Steps {
  private readonly runners: StepRunner[] = []

  constructor(
    private readonly wakeups: Wakeups,
    private readonly log: QueueLog
  ) {}

  /**
   * Adds a step before the wake-ups start. `run` does a batch of work. Only the steps that it names are woken, since
   * looking for rows in vain costs as much as finding some.
   */
  add(step: Step, run: () => Promise<StepRun>): void {
    const runner = createStepRunner({
      name: step,
      log: this.log,
      run: async () => {
        const { more, next } = await run()
        for (const following of next) this.wakeups.nudge(following)
        return more
      }
    })
    this.runners.push(runner)
    this.wakeups.onWake(step, () => {
      runner.wake()
    })
  }

  /** Resolves when no step of this process is running or due. */
  async idle(): Promise<void> {
    // A step that ends may have woken another, so one round is not enough.
    for (let round = 0; round <= this.runners.length; round++) {
      await Promise.all(this.runners.map(runner => runner.idle()))
    }
  }

  /** Lets the runs in progress end and starts no others. */
  async stop(): Promise<void> {
    await Promise.all(this.runners.map(runner => runner.stop()))
  }
}
