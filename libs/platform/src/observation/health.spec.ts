import { describe, expect, it, vi } from 'vitest'
import { createHealth } from './health.js'

describe('the health of a process', () => {
  it('is ready when every check passes', async () => {
    const health = createHealth(() => undefined)
    expect(await health.report()).toEqual({ status: 'ready', checks: {} })
    health.add('database', () => Promise.resolve())
    expect(await health.report()).toEqual({ status: 'ready', checks: { database: 'ok' } })
  })

  it('is not ready when one fails, and keeps the reason for the log', async () => {
    const failures: unknown[] = []
    const health = createHealth((name, reason) => failures.push([name, (reason as Error).message]))
    health.add('database', () => Promise.reject(new Error('password wrong')))
    health.add('keys', () => Promise.resolve())
    expect(await health.report()).toEqual({ status: 'not-ready', checks: { database: 'failing', keys: 'ok' } })
    expect(failures).toEqual([['database', 'password wrong']])
  })

  it('stays ready when what fails is for people to look at', async () => {
    const health = createHealth(() => undefined)
    health.addWarning('drill', () => Promise.reject(new Error('overdue')))
    expect(await health.report()).toEqual({ status: 'ready', checks: { drill: 'warning' } })
  })

  it('is not ready when a check takes too long', async () => {
    vi.useFakeTimers()
    try {
      const health = createHealth(() => undefined)
      health.add('database', () => new Promise(() => undefined))
      const report = health.report()
      await vi.advanceTimersByTimeAsync(2000)
      expect(await report).toEqual({ status: 'not-ready', checks: { database: 'failing' } })
    } finally {
      vi.useRealTimers()
    }
  })

  it('is draining once the process ends', async () => {
    const health = createHealth(() => undefined)
    health.drain()
    expect((await health.report()).status).toBe('draining')
  })
})
