import { describe, expect, it } from 'vitest'
import { findInBatches, inBatches } from './batches.js'

const all = (waiting: number): number => waiting

describe('calls in batches', () => {
  it('go together when they come in one turn, and wait for the batch that is on its way', async () => {
    const batches: (readonly number[])[] = []
    const double = inBatches<number, number>(all, async keys => {
      batches.push(keys)
      await new Promise(resolve => setTimeout(resolve, 5))
      return keys.map(key => 2 * key)
    })
    const first = [double(1), double(2)]
    await new Promise(resolve => setImmediate(resolve))
    const second = [double(3), double(4)]
    expect(await Promise.all([...first, ...second])).toEqual([2, 4, 6, 8])
    expect(batches).toEqual([
      [1, 2],
      [3, 4]
    ])
  })

  it('are split as they are told to be, and fail with their own batch alone', async () => {
    const batches: (readonly number[])[] = []
    const call = inBatches<number, number>(
      waiting => Math.min(waiting, 2),
      keys => {
        batches.push(keys)
        return keys.includes(3) ? Promise.reject(new Error('no')) : Promise.resolve(keys)
      }
    )
    const settled = await Promise.allSettled([1, 2, 3, 4, 5].map(call))
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected', 'fulfilled'])
    expect(batches).toEqual([[1, 2], [3, 4], [5]])
  })

  it('are not held up for long by one that hangs', async () => {
    const call = inBatches<number, number>(
      () => 1,
      ([key = 0]) => (key === 1 ? new Promise(() => undefined) : Promise.resolve([key]))
    )
    void call(1)
    expect(await call(2)).toBe(2)
  })

  it('ask once for what several of them want', async () => {
    const asked: (readonly string[])[] = []
    const find = findInBatches<string, number>(
      keys => {
        asked.push(keys)
        return Promise.resolve(new Map([['a', 1]]))
      },
      key => key
    )
    expect(await Promise.all([find('a'), find('b'), find('a')])).toEqual([1, undefined, 1])
    expect(asked).toEqual([['a', 'b']])
  })
})
