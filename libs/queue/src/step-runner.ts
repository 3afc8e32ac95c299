import { setTimeout as sleep } from 'node:timers/promises'
import { isAppError } from '@app/core'
import type { QueueLog } from './step.js'

/** Runs one step of the pipeline in this process, one run at a time. */
export interface StepRunner {
  /** Has the step run: now, or once more after the present run. Never throws, returns at once. */
  wake(): void
  /** Resolves when no run is going on or due. */
  idle(): Promise<void>
  /** Lets the present run end and starts no other. */
  stop(): Promise<void>
}

/** What {@link createStepRunner} needs. */
export interface StepRunnerOptions {
  readonly name: string
  /** Does a batch of work and returns whether more may be due. */
  readonly run: () => Promise<boolean>
  readonly log: QueueLog
  /** The first and the longest pause after a failed run, in milliseconds. */
  readonly backoff?: { readonly first: number; readonly longest: number }
}

const BACKOFF = { first: 100, longest: 5000 }

/**
 * Runs a step as long as there may be work, then waits to be woken. However often it is woken meanwhile, it runs once
 * more. A run that throws is logged and tried again after a pause that doubles up to its limit, whether woken or not.
 */
export function createStepRunner(options: StepRunnerOptions): StepRunner {
  const { name, run, log } = options
  const { first, longest } = options.backoff ?? BACKOFF
  const stopped = new AbortController()
  let isDue = false
  let failures = 0
  let running: Promise<void> = Promise.resolve()
  let isRunning = false

  const attempt = async (): Promise<void> => {
    try {
      if (await run()) isDue = true
      failures = 0
    } catch (error) {
      isDue = true
      failures++
      const facts = { step: name, failures, error }
      // What the program foresees passes by itself more often than not; a defect does not.
      if (isAppError(error) && failures < 5) log.warn(facts, 'A step failed and is tried again.')
      else log.error(facts, 'A step failed and is tried again.')
      const pause = Math.min(longest, first * 2 ** (failures - 1))
      await sleep(pause, undefined, { signal: stopped.signal }).catch(() => undefined)
    }
  }
  const runWhileDue = async (): Promise<void> => {
    isRunning = true
    while (isDue && !stopped.signal.aborted) {
      isDue = false
      await attempt()
    }
    isRunning = false
  }
  return {
    wake: () => {
      isDue = true
      if (!isRunning && !stopped.signal.aborted) running = runWhileDue()
    },
    idle: () => running,
    stop: () => {
      stopped.abort()
      return running
    }
  }
}
