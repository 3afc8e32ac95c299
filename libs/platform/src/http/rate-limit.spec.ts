import { describe, expect, it } from 'vitest'
import { createRateLimiter } from './rate-limit.js'

function limiterAt(perMinute: number): { limiter: ReturnType<typeof createRateLimiter>; wait: (ms: number) => void } {
  let now = 1_000_000
  const limiter = createRateLimiter(perMinute, 'requests', { now: () => new Date(now) })
  return {
    limiter,
    wait: ms => {
      now += ms
    }
  }
}

describe('a rate limit', () => {
  it('refuses what is more than the share of a minute, and says when to come again', () => {
    const { limiter } = limiterAt(2)
    limiter.take('a')
    limiter.take('a')
    expect(() => {
      limiter.take('a')
    }).toThrow(expect.objectContaining({ code: 'rate_limited', evidence: { retryAfterSeconds: 30 } }) as Error)
  })

  it('counts each caller by itself', () => {
    const { limiter } = limiterAt(1)
    limiter.take('a')
    limiter.take('b')
    expect(() => {
      limiter.take('a')
    }).toThrow(/in a minute/)
  })

  it('gives the share back with time, and never more than it', () => {
    const { limiter, wait } = limiterAt(2)
    limiter.take('a')
    limiter.take('a')
    wait(30_000)
    limiter.take('a')
    wait(3_600_000)
    limiter.take('a')
    limiter.take('a')
    expect(() => {
      limiter.take('a')
    }).toThrow(/in a minute/)
  })

  it('is not used up by asking or by what it refuses', () => {
    const { limiter, wait } = limiterAt(1)
    for (let i = 0; i < 10; i++) limiter.check('a')
    limiter.take('a')
    for (let i = 0; i < 10; i++)
      expect(() => {
        limiter.check('a')
      }).toThrow(/in a minute/)
    wait(60_000)
    limiter.take('a')
  })

  it('stands still when the clock goes back', () => {
    const { limiter, wait } = limiterAt(1)
    limiter.take('a')
    wait(-60_000)
    expect(() => {
      limiter.check('a')
    }).toThrow(/in a minute/)
  })

  it('of 0 lets everything through', () => {
    const { limiter } = limiterAt(0)
    for (let i = 0; i < 1000; i++) limiter.take('a')
    expect(() => {
      limiter.check('a')
    }).not.toThrow()
  })
})
