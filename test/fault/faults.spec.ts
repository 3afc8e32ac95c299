import { expect, it } from 'vitest'
import { writeReport } from './report.js'
import { runFaults, type RunReport } from './run.js'

/** Of the runs that have found something; docs/faults.md tells what. */
const REGRESSION_SEEDS = [2]

/** In all, with what it takes to make an installation and to look at what is left. */
const seconds = Number(process.env['CERTKEEP_FAULT_SECONDS'] ?? 60)
const wantedSeed = process.env['CERTKEEP_FAULT_SEED']
/** A run of a long time is several, each with an installation of its own. */
const runs = Number(process.env['CERTKEEP_FAULT_RUNS'] ?? Math.max(1, Math.round(seconds / 180)))
const overhead = 35

/** Seeds that have found something once are tried first, then new ones. */
function seedOf(run: number): number {
  return wantedSeed === undefined ? (REGRESSION_SEEDS[run] ?? 1000 + run) : Number(wantedSeed) + run
}

it(
  'an installation of several processes keeps every promise, whatever ends or fails at whatever moment',
  async () => {
    const reports: RunReport[] = []
    for (let run = 0; run < runs; run++) {
      const seed = seedOf(run)
      const report = await runFaults({
        seed,
        seconds: Math.max(15, seconds / runs - overhead),
        clients: 6,
        shape: { console: 1, front: 2, authority: 2, archive: 2 }
      })
      reports.push(report)
      writeReport(reports)
    }
    for (const { operations, restarts } of reports) {
      expect(operations).toBeGreaterThan(20)
      expect(restarts).toBeGreaterThan(2)
    }
    expect(reports.flatMap(({ seed, breaches }) => breaches.map(breach => ({ seed, ...breach })))).toEqual([])
  },
  (3 * seconds + 300 * runs) * 1000
)
