import type { Finding } from '@app/core'
import { findingsOf, judgeCoverage } from '@app/policy'
import { CoverageStore } from '@app/storage'
import { withAdministration, type Administration } from './administration.js'

/** Everything that somebody should look at, the errors first. */
export function examine(): Promise<readonly Finding[]> {
  return withAdministration(async administration => {
    const findings = [...(await examineCoverage(administration))]
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

function rankOf({ severity }: Finding): number {
  return severity === 'error' ? 0 : 1
}
