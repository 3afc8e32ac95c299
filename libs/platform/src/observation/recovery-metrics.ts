import { Gauge, type Registry } from 'prom-client'
import { RECOVERY_STATES, type RecoveryStore } from '@app/storage'

/** Shows how many recoveries there are in each state. Absent while the database does not answer. */
export function registerRecoveryMetrics(registry: Registry, recoveries: RecoveryStore): void {
  const gauge: Gauge = new Gauge({
    name: 'certkeep_recoveries',
    help: 'Recoveries of archived keys by their state.',
    labelNames: ['state'],
    registers: [registry],
    collect: async () => {
      gauge.reset()
      const counts = await recoveries.countByState().catch(() => undefined)
      if (counts === undefined) return
      for (const state of RECOVERY_STATES) gauge.set({ state }, counts.get(state) ?? 0)
    }
  })
}
