import type { Finding } from '@app/core'
import { findingsOf, judgeCoverage } from '@app/policy'
import { drillStanding } from '@app/platform'
import { CoverageStore, DrillStore } from '@app/storage'
import { withAdministration, type Administration } from './administration.js'

/** Everything that somebody should look at, the errors first. */
export function examine(): Promise<readonly Finding[]> {
  return withAdministration(async administration => {
    const findings = [...(await examineCoverage(administration)), ...(await examineDrills(administration))]
    return findings.toSorted((first, second) => rankOf(first) - rankOf(second))
  })
}

/** Whether the recovery agents can open what is archived, and will be. */
async function examineCoverage({ database, clock, installation }: Administration): Promise<readonly Finding[]> {
  const store = new CoverageStore(database.dataSource)
  const now = clock.now()
  const coverage = judgeCoverage(await store.listGroups(), await store.listAgents(), now)
  return findingsOf(coverage, now, installation.config.coverage.warningDays)
}

/** Whether it was tried lately, and with success, that keys can be archived and recovered. */
async function examineDrills({ database, clock, installation }: Administration): Promise<readonly Finding[]> {
  const standing = await drillStanding(
    new DrillStore(database.dataSource),
    installation.config.drill.hours,
    clock.now()
  )
  if (!standing.overdue) return []
  const { lastSuccess } = standing
  const when =
    lastSuccess === undefined ? 'None has succeeded yet' : `The last success was ${lastSuccess.toISOString()}`
  return [
    {
      check: 'recovery-drill-overdue',
      severity: 'error',
      cause: `Recovery drills do not succeed. ${when}.`,
      remedy: 'See why with "certkeep key drill"; until one succeeds, keys may be archived that nobody can recover.'
    }
  ]
}

function rankOf({ severity }: Finding): number {
  return severity === 'error' ? 0 : 1
}
