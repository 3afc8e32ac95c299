import { AppError, type Clock } from '@app/core'

/** Counts what callers do, each caller by itself. */
export interface RateLimiter {
  /**
   * Counts one event of the caller. Throws `rate_limited`, with `retryAfterSeconds` in its evidence, when it has had
   * more than its share.
   */
  take(caller: string): void
  /** Throws as `take` does, and counts nothing. */
  check(caller: string): void
}

/** More callers than this at a time, and the ones that were quiet longest are forgotten. */
const MAX_CALLERS = 10_000

interface Bucket {
  tokens: number
  at: number
}

/**
 * Lets each caller do `perMinute` things a minute, evenly or at once after a pause; 0 sets no limit. Keeps its counts
 * in memory: they are those of this process since its start.
 */
export function createRateLimiter(perMinute: number, what: string, clock: Clock): RateLimiter {
  if (perMinute === 0) return { take: () => undefined, check: () => undefined }
  const buckets = new Map<string, Bucket>()
  const rate = perMinute / 60_000

  const refill = (caller: string): Bucket => {
    const now = clock.now().getTime()
    const bucket = buckets.get(caller) ?? { tokens: perMinute, at: now }
    bucket.tokens = Math.min(perMinute, bucket.tokens + Math.max(0, now - bucket.at) * rate)
    bucket.at = now
    return bucket
  }
  const check = (caller: string): Bucket => {
    const bucket = refill(caller)
    if (bucket.tokens >= 1) return bucket
    const retryAfterSeconds = Math.ceil((1 - bucket.tokens) / rate / 1000)
    const message = `More than ${perMinute} ${what} in a minute. Try again in ${retryAfterSeconds} seconds.`
    throw new AppError('rate_limited', message, { retryAfterSeconds })
  }
  return {
    check: caller => {
      check(caller)
    },
    take: caller => {
      const bucket = check(caller)
      bucket.tokens -= 1
      buckets.delete(caller)
      buckets.set(caller, bucket)
      if (buckets.size > MAX_CALLERS) buckets.delete(buckets.keys().next().value ?? caller)
    }
  }
}
