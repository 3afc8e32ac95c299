import { performance } from 'node:perf_hooks'
import { isAppError } from '@app/core'
import { expect } from 'vitest'

/** Reading a damaged message takes far less; a loaded machine must not fail the test. */
const MAX_MILLISECONDS = 5000

/** Whether it succeeds, or fails with an AppError in good time; anything else fails the test. */
export async function attempt(action: () => unknown): Promise<boolean> {
  const start = performance.now()
  let succeeded = true
  try {
    await action()
  } catch (error) {
    if (!isAppError(error)) throw error
    succeeded = false
  }
  expect(performance.now() - start).toBeLessThan(MAX_MILLISECONDS)
  return succeeded
}
