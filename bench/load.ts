import { performance } from 'node:perf_hooks'

/** What a load did. */
export interface LoadResult {
  readonly operations: number
  readonly seconds: number
  readonly rate: number
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number }
}

/** More operations than any worker does. */
export const UNLIMITED = Number.MAX_SAFE_INTEGER

/** How a load ends: after a time, or when each of its workers has done so many operations, whichever is first. */
export interface LoadLimits {
  readonly concurrency: number
  readonly seconds: number
  readonly operationsOfWorker: number
}

/**
 * Keeps `concurrency` operations on their way until a limit is reached, and lets those end that have begun. `operation`
 * gets the number of the worker it runs in, and how many that has done. The first failure ends it all and is thrown.
 */
export async function runLoad(
  { concurrency, seconds, operationsOfWorker }: LoadLimits,
  operation: (worker: number, done: number) => Promise<void>
): Promise<LoadResult> {
  const latencies: number[] = []
  const start = performance.now()
  let end = start + seconds * 1000
  const work = async (worker: number): Promise<void> => {
    for (let done = 0; done < operationsOfWorker && performance.now() < end; done++) {
      const from = performance.now()
      await operation(worker, done)
      latencies.push(performance.now() - from)
    }
  }
  const workers = Array.from({ length: concurrency }, (_, worker) =>
    work(worker).catch((error: unknown) => {
      end = start
      throw error
    })
  )
  await Promise.all(workers)
  const took = (performance.now() - start) / 1000
  const sorted = latencies.toSorted((a, b) => a - b)
  const percentile = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? 0
  return {
    operations: latencies.length,
    seconds: took,
    rate: latencies.length / took,
    latencyMs: { p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99) }
  }
}
