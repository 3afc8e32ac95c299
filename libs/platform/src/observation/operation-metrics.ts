import { Gauge, type Registry } from 'prom-client'
import type { Clock } from '@app/core'
import type { OperationsStore } from '@app/storage'

/** What `certkeep_requests` and the others below show; each is absent while the database does not answer. */
export function registerOperationMetrics(registry: Registry, store: OperationsStore, clock: Clock): void {
  const secondsSince = (time: Date): number => (clock.now().getTime() - time.getTime()) / 1000
  measure(registry, 'certkeep_requests', 'Requests in the states that none stays in.', ['state'], async gauge => {
    for (const { state, count } of await store.countOpenRequests()) gauge.set({ state }, count)
  })
  const oldest = 'Time since the oldest request in a state that none stays in was submitted; 0 when there is none.'
  measure(registry, 'certkeep_request_oldest_seconds', oldest, ['state'], async gauge => {
    for (const request of await store.countOpenRequests()) {
      gauge.set({ state: request.state }, request.oldest === null ? 0 : secondsSince(request.oldest))
    }
  })
  const crl = 'Time until the nextUpdate of the newest base CRL; negative when it is over.'
  measure(registry, 'certkeep_crl_remaining_seconds', crl, ['ca', 'key'], async gauge => {
    for (const { ca, keyIndex: key, nextUpdate } of await store.listCrls()) {
      if (nextUpdate !== null) gauge.set({ ca, key: String(key) }, -secondsSince(nextUpdate))
    }
  })
  const end = 'Time until the end of a certificate that the installation needs: of a CA, for exchange, of an agent.'
  measure(registry, 'certkeep_certificate_remaining_seconds', end, ['kind', 'name'], async gauge => {
    for (const { kind, name, notAfter } of await store.listCertificateEnds()) {
      gauge.set({ kind, name }, -secondsSince(notAfter))
    }
  })
  measure(registry, 'certkeep_database_bytes', 'Size of the database.', [], async gauge => {
    gauge.set((await store.getDatabaseFacts()).bytes)
  })
  const skew = 'How far the clock of the database is ahead of this process’s.'
  measure(registry, 'certkeep_database_clock_skew_seconds', skew, [], async gauge => {
    gauge.set(-secondsSince((await store.getDatabaseFacts()).now))
  })
}

function measure<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly Label[],
  collect: (gauge: Gauge<Label>) => Promise<void>
): void {
  const gauge: Gauge<Label> = new Gauge({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect: async () => {
      gauge.reset()
      if (labelNames.length === 0) gauge.remove()
      await collect(gauge).catch(() => undefined)
    }
  })
}
