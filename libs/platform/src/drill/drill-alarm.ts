import { Gauge, type Registry } from 'prom-client'
import { AppError, type Clock } from '@app/core'
import type { DrillStore } from '@app/storage'

const hour = 3_600_000

/** How recovery drills stand. */
export interface DrillStanding {
  readonly lastSuccess?: Date
  /** Since when there should have been a success, had drills gone as they should. */
  readonly since?: Date
  readonly overdue: boolean
}

/**
 * Whether a drill is overdue: the last one failed, or none has succeeded for twice the time that drills are apart. An
 * installation without a CA, and one that runs no drills, has none overdue but one that failed.
 */
export async function drillStanding(drills: DrillStore, hours: number, now: Date): Promise<DrillStanding> {
  const lastSuccess = await drills.findLastSuccess()
  const since = lastSuccess ?? (await drills.findSchedule()).since ?? undefined
  const { rows } = await drills.list(2)
  const ended = rows.find(({ state }) => state !== 'due')
  const isLate = hours > 0 && since !== undefined && now.getTime() - since.getTime() > 2 * hours * hour
  return {
    ...(lastSuccess === undefined ? {} : { lastSuccess }),
    ...(since === undefined ? {} : { since }),
    overdue: isLate || ended?.state === 'failed'
  }
}

/** Shows how long ago a drill last succeeded; absent while none has, or while the database does not answer. */
export function registerDrillMetrics(registry: Registry, drills: DrillStore, hours: number, clock: Clock): void {
  const age: Gauge = new Gauge({
    name: 'certkeep_recovery_drill_age_seconds',
    help: 'Time since a recovery drill last succeeded.',
    registers: [registry],
    collect: async () => {
      const at = await drills.findLastSuccess().catch(() => undefined)
      if (at === undefined) age.remove()
      else age.set((clock.now().getTime() - at.getTime()) / 1000)
    }
  })
  const overdue: Gauge = new Gauge({
    name: 'certkeep_recovery_drill_overdue',
    help: '1 when the last recovery drill failed or the last success is too long ago, else 0.',
    registers: [registry],
    collect: async () => {
      const standing = await drillStanding(drills, hours, clock.now()).catch(() => undefined)
      if (standing === undefined) overdue.remove()
      else overdue.set(standing.overdue ? 1 : 0)
    }
  })
}

/** A check of the health of a process: fails while a drill is overdue. */
export async function verifyDrill(drills: DrillStore, hours: number, clock: Clock): Promise<void> {
  const { overdue, lastSuccess } = await drillStanding(drills, hours, clock.now())
  if (!overdue) return
  const last =
    lastSuccess === undefined ? 'none has succeeded yet' : `the last success was ${lastSuccess.toISOString()}`
  throw new AppError('conflict', `Recovery drills do not succeed: ${last}. See "certkeep key drill".`)
}
