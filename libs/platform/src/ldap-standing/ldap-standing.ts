import { Gauge, type Registry } from 'prom-client'
import type { Clock } from '@app/core'
import type { LdapEntryStore, LdapRunRow, LdapRunStore } from '@app/storage'

/** How the reading of the LDAP server stands. */
export interface LdapStanding {
  readonly lastSuccess?: Date
  /** The last run, when it failed. */
  readonly failure?: LdapRunRow
  /** Entries that are not as the LDAP server says. */
  readonly refused: number
}

/** How the reading of the LDAP server stands. */
export async function ldapStanding(runs: LdapRunStore, entries: LdapEntryStore): Promise<LdapStanding> {
  const last = await runs.findEnded()
  const good = await runs.findEnded('done')
  const { refused } = await entries.count()
  return {
    ...(good?.endedAt == null ? {} : { lastSuccess: good.endedAt }),
    ...(last?.state === 'failed' ? { failure: last } : {}),
    refused
  }
}

/** Shows how long ago the LDAP server was last read, whether that fails, and how many entries could not be taken. */
export function registerLdapMetrics(
  registry: Registry,
  { runs, entries, clock }: { readonly runs: LdapRunStore; readonly entries: LdapEntryStore; readonly clock: Clock }
): void {
  const registers = [registry]
  const failing: Gauge = new Gauge({
    name: 'certkeep_ldap_reading_failing',
    help: '1 when the LDAP server could not be read the last time, else 0.',
    registers
  })
  const refused: Gauge = new Gauge({
    name: 'certkeep_ldap_entries_refused',
    help: 'Entries of the LDAP server that could not be taken, or not wholly.',
    registers
  })
  const age: Gauge = new Gauge({
    name: 'certkeep_ldap_reading_age_seconds',
    help: 'Time since the LDAP server was last read.',
    registers,
    collect: async () => {
      const standing = await ldapStanding(runs, entries).catch(() => undefined)
      for (const gauge of [failing, refused, age]) gauge.remove()
      if (standing === undefined) return
      failing.set(standing.failure === undefined ? 0 : 1)
      refused.set(standing.refused)
      const { lastSuccess } = standing
      if (lastSuccess !== undefined) age.set((clock.now().getTime() - lastSuccess.getTime()) / 1000)
    }
  })
}
