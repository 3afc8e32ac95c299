import { Gauge, type Registry } from 'prom-client'
import type { PublicationStore } from '@app/storage'

/** Has the metrics tell, at each scrape, how many certificates are to be published, and how many of them in vain so far. */
export function registerPublicationMetrics(registry: Registry, store: PublicationStore): void {
  const gauge = new Gauge({
    name: 'certkeep_publications',
    help: 'Certificates that are to be published to the LDAP server; failing: those that it has not taken so far.',
    labelNames: ['state'],
    registers: [registry],
    collect: async () => {
      const counts = await store.countDue().catch(() => undefined)
      gauge.reset()
      if (counts === undefined) return
      gauge.set({ state: 'due' }, counts.due)
      gauge.set({ state: 'failing' }, counts.failing)
    }
  })
}
