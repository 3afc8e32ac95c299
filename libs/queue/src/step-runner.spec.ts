import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { AppError } from '@app/core'
import { createStepRunner, type StepRunner } from './step-runner.js'

interface Entry {
  readonly level: 'warn' | 'error'
  readonly facts: object
}

function runnerOf(run: () => Promise<boolean>): { readonly runner: StepRunner; readonly log: readonly Entry[] } {
  const entries: Entry[] = []
  const write = (level: Entry['level']) => (facts: object) => {
    entries.push({ level, facts })
  }
  const log = { warn: write('warn'), error: write('error') }
  return { runner: createStepRunner({ name: 'evaluate', run, log, backoff: { first: 1, longest: 8 } }), log: entries }
}

describe('a step', () => {
  it('runs as long as more may be due', async () => {
    const found = [true, true, false, true]
    const { runner } = runnerOf(() => Promise.resolve(found.shift() ?? false))
    runner.wake()
    await runner.idle()
    expect(found).toEqual([true])
  })

  it('runs once more for all wake-ups that come while it runs', async () => {
    let runs = 0
    const { runner } = runnerOf(async () => {
      runs++
      await sleep(2)
      return false
    })
    runner.wake()
    for (let i = 0; i < 10; i++) runner.wake()
    await runner.idle()
    expect(runs).toBe(2)
  })

  it('sees what was there before its wake-up, even at the very end of a run', async () => {
    const rows: number[] = []
    let seen = 0
    const { runner } = runnerOf(async () => {
      const batch = rows.splice(0).length
      await sleep(0)
      seen += batch
      return false
    })
    for (let i = 0; i < 50; i++) {
      rows.push(i)
      runner.wake()
      await sleep(i % 3)
    }
    await runner.idle()
    expect(seen).toBe(50)
  })

  it('never runs twice at once', async () => {
    let now = 0
    let most = 0
    const { runner } = runnerOf(async () => {
      most = Math.max(most, ++now)
      await sleep(1)
      now--
      return false
    })
    for (let i = 0; i < 20; i++) {
      runner.wake()
      await sleep(0)
    }
    await runner.idle()
    expect(most).toBe(1)
  })

  it('is tried again after an error, at distances that grow up to a limit, and tells of it', async () => {
    const times: number[] = []
    const { runner, log } = runnerOf(() => {
      times.push(performance.now())
      if (times.length <= 12) throw new AppError('unavailable', 'The database does not answer.')
      return Promise.resolve(false)
    })
    runner.wake()
    await runner.idle()
    const gaps = times.slice(1).map((time, position) => time - (times[position] ?? 0))
    const least = [1, 2, 4, 8, 8, 8, 8, 8, 8, 8, 8, 8]
    // A timer may fire up to a millisecond early, and late by whatever the machine is busy.
    expect(gaps.map((gap, position) => gap > (least[position] ?? 0) - 1.5)).toEqual(least.map(() => true))
    // Without the limit it would be more than four seconds.
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeLessThan(3000)
    expect(log.map(({ level }) => level).slice(0, 6)).toEqual(['warn', 'warn', 'warn', 'warn', 'error', 'error'])
    expect(log[1]?.facts).toMatchObject({ step: 'evaluate', failures: 2, error: { code: 'unavailable' } })
  })

  it('is not hurried by wake-ups while it waits after an error', async () => {
    let runs = 0
    const { runner } = runnerOf(() => {
      runs++
      return runs === 1 ? Promise.reject(new Error('defect')) : Promise.resolve(false)
    })
    runner.wake()
    for (let i = 0; i < 5; i++) runner.wake()
    await runner.idle()
    expect(runs).toBe(2)
  })

  it('ends its batch at a stop and starts no other', async () => {
    let ended = 0
    const { runner } = runnerOf(async () => {
      await sleep(5)
      ended++
      return true
    })
    runner.wake()
    await sleep(0)
    await runner.stop()
    expect(ended).toBe(1)
    runner.wake()
    await sleep(10)
    expect(ended).toBe(1)
  })

  it('does not wait out a pause at a stop', async () => {
    const runner = createStepRunner({
      name: 'seal',
      run: () => Promise.reject(new Error('defect')),
      log: { warn: () => undefined, error: () => undefined },
      backoff: { first: 60_000, longest: 60_000 }
    })
    runner.wake()
    await sleep(1)
    const begun = performance.now()
    await runner.stop()
    expect(performance.now() - begun).toBeLessThan(1000)
  })
})
