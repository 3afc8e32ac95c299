import { Gauge, type Registry } from 'prom-client'
import type { Clock } from '@app/core'
import type { AuditChainStore, ChainStatus } from '@app/storage'

/** Shows how far the chain over the audit log is behind. Both are absent while the database does not answer. */
export function registerAuditMetrics(registry: Registry, chain: AuditChainStore, clock: Clock): void {
  const collecting = async (gauge: Gauge, value: (status: ChainStatus) => number | undefined): Promise<void> => {
    gauge.reset()
    const status = await chain.status().catch(() => undefined)
    const measured = status === undefined ? undefined : value(status)
    if (measured === undefined) gauge.remove()
    else gauge.set(measured)
  }
  const unlinked: Gauge = new Gauge({
    name: 'certkeep_audit_unlinked_events',
    help: 'Entries of the audit log that are not in its chain yet.',
    registers: [registry],
    collect: () => collecting(unlinked, status => status.unlinked)
  })
  const age: Gauge = new Gauge({
    name: 'certkeep_audit_checkpoint_age_seconds',
    help: 'Time since the last signed checkpoint of the audit log.',
    registers: [registry],
    collect: () =>
      collecting(age, ({ checkpoint }) =>
        checkpoint === undefined ? undefined : (clock.now().getTime() - checkpoint.at.getTime()) / 1000
      )
  })
}
