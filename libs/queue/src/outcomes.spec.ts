import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { asId, type RequestId } from '@app/core'
import { Outcomes } from './outcomes.js'

const seven = asId<RequestId>(7)
const eight = asId<RequestId>(8)

describe('waiting for an outcome', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('ends for everybody with the notice of that request', async () => {
    const outcomes = new Outcomes()
    const waits = [outcomes.wait(seven, 1000), outcomes.wait(seven, 1000)]
    outcomes.notify(seven)
    expect(await Promise.all(waits)).toEqual([true, true])
  })

  it('ends with the time, not with the notice of another request', async () => {
    const outcomes = new Outcomes()
    const wait = outcomes.wait(seven, 1000)
    outcomes.notify(eight)
    await vi.advanceTimersByTimeAsync(1000)
    expect(await wait).toBe(false)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is not needed when the notice came a moment before, and that only once', async () => {
    const outcomes = new Outcomes()
    outcomes.notify(seven)
    expect(await outcomes.wait(seven, 1000)).toBe(true)
    const wait = outcomes.wait(seven, 1000)
    await vi.advanceTimersByTimeAsync(1000)
    expect(await wait).toBe(false)
  })

  it('is needed when the notice is old', async () => {
    const outcomes = new Outcomes()
    outcomes.notify(seven)
    await vi.advanceTimersByTimeAsync(3000)
    const wait = outcomes.wait(seven, 1000)
    await vi.advanceTimersByTimeAsync(1000)
    expect(await wait).toBe(false)
  })

  it('of no time is a look at what has been told', async () => {
    const outcomes = new Outcomes()
    expect(await outcomes.wait(seven, 0)).toBe(false)
    outcomes.notify(seven)
    expect(await outcomes.wait(seven, 0)).toBe(true)
  })

  it('ends for all when the process ends, and then never begins', async () => {
    const outcomes = new Outcomes()
    const waits = [outcomes.wait(seven, 1000), outcomes.wait(eight, 1000)]
    outcomes.close()
    expect(await Promise.all(waits)).toEqual([false, false])
    expect(await outcomes.wait(seven, 1000)).toBe(false)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('notices that nobody waits for', () => {
  it('take a bounded room', async () => {
    const outcomes = new Outcomes()
    for (let id = 1; id <= 10_000; id++) outcomes.notify(asId<RequestId>(id))
    await sleep(0)
    expect(await outcomes.wait(asId<RequestId>(1), 0)).toBe(false)
    expect(await outcomes.wait(asId<RequestId>(10_000), 0)).toBe(true)
  })
})
