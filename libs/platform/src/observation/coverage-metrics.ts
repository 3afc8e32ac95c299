import { Gauge, type Registry } from 'prom-client'
import type { Clock } from '@app/core'
import { judgeCoverage, type Coverage } from '@app/policy'
import type { CoverageStore } from '@app/storage'

/** Keys are counted again after so many milliseconds, however often somebody looks. */
const KEPT_FOR = 30_000

/** Shows which archived keys the agents that are alive can open. All are absent while the database does not answer. */
export function registerCoverageMetrics(registry: Registry, store: CoverageStore, clock: Clock): void {
  let known: { readonly at: number; readonly coverage: Promise<Coverage | undefined> } | undefined
  const current = (): Promise<Coverage | undefined> => {
    const now = clock.now()
    if (known === undefined || now.getTime() - known.at > KEPT_FOR) {
      known = { at: now.getTime(), coverage: judged(store, now).catch(() => undefined) }
    }
    return known.coverage
  }
  const keys: Gauge<'state'> = new Gauge({
    name: 'certkeep_archived_keys',
    help: 'Archived keys by whether more agents are alive than needed (recoverable), just as many (critical) or fewer (unrecoverable).',
    labelNames: ['state'],
    registers: [registry],
    collect: async () => {
      const coverage = await current()
      keys.reset()
      if (coverage === undefined) return
      for (const [state, count] of Object.entries(coverage.keys)) keys.set({ state }, count)
    }
  })
  const loss: Gauge = new Gauge({
    name: 'certkeep_archived_keys_next_loss_days',
    help: 'Days until the end of an agent’s certificate leaves archived keys with fewer agents than needed.',
    registers: [registry],
    collect: async () => {
      const next = (await current())?.losses[0]
      loss.reset()
      if (next === undefined) loss.remove()
      else loss.set((next.at.getTime() - clock.now().getTime()) / 86_400_000)
    }
  })
  const alive: Gauge = new Gauge({
    name: 'certkeep_recovery_agents_alive',
    help: 'Recovery agents that can take part in a recovery now.',
    registers: [registry],
    collect: async () => {
      const coverage = await current()
      alive.reset()
      if (coverage === undefined) alive.remove()
      else alive.set(coverage.agents.filter(({ fault }) => fault === undefined).length)
    }
  })
}

async function judged(store: CoverageStore, now: Date): Promise<Coverage> {
  return judgeCoverage(await store.listGroups(), await store.listAgents(), now)
}
