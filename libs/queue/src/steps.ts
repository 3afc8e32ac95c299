import { createStepRunner, type StepRunner } from './step-runner.js'
import type { QueueLog, Step } from './step.js'
import type { Wakeups } from './wakeups.js'

/** The steps that this process runs: each woken by its wake-ups, and each waking those that come after it. */
export class Steps {
  private readonly runners: StepRunner[] = []

  constructor(
    private readonly wakeups: Wakeups,
    private readonly log: QueueLog
  ) {}

  /**
   * Adds a step before the wake-ups start. `run` does a batch of work and returns how many rows it took up; when there
   * were any, the steps `next` are woken.
   */
  add(step: Step, run: () => Promise<number>, next: readonly Step[]): void {
    const runner = createStepRunner({
      name: step,
      log: this.log,
      run: async () => {
        const taken = await run()
        if (taken > 0) for (const following of next) this.wakeups.nudge(following)
        return taken
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
