import type { Cost } from './benchmark.js'
import type { MeasuredServer } from './measured-server.js'
import { cpuOf } from './process-usage.js'

/** Milliseconds of CPU that each side has used so far; the client is this process. */
export function cpuSoFar({ pid, database }: MeasuredServer): Cost {
  const { user, system } = process.cpuUsage()
  return { server: cpuOf(pid), database: database.cpu(), client: (user + system) / 1000 }
}

/** What each of so many operations has cost each side between two calls of {@link cpuSoFar}. */
export function costOfEach(operations: number, start: Cost, end: Cost): Cost {
  const per = (side: keyof Cost): number => (end[side] - start[side]) / operations
  return { server: per('server'), database: per('database'), client: per('client') }
}
