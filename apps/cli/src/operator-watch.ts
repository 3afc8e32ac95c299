import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import type { Clock } from '@app/core'
import {
  registerAuditMetrics,
  registerCoverageMetrics,
  registerDrillMetrics,
  registerLdapMetrics,
  registerOperationMetrics,
  registerRecoveryMetrics,
  verifyDrill,
  type Config,
  type Health,
  type Metrics
} from '@app/platform'
import {
  AuditChainStore,
  CoverageStore,
  DrillStore,
  LdapEntryStore,
  LdapRunStore,
  OperationsStore,
  RecoveryStore
} from '@app/storage'

interface WatchParts {
  readonly config: Config
  readonly metrics: Metrics
  readonly health: Health
  readonly clock: Clock
}

/** What operators are warned of, by the role that is theirs. */
export function watchForOperators(app: NestFastifyApplication, { config, metrics, health, clock }: WatchParts): void {
  const { registry } = metrics
  registerAuditMetrics(registry, app.get(AuditChainStore), clock)
  registerCoverageMetrics(registry, app.get(CoverageStore), clock)
  registerOperationMetrics(registry, app.get(OperationsStore), clock)
  registerRecoveryMetrics(registry, app.get(RecoveryStore))
  if (config.directory.ldap.read.enabled) {
    registerLdapMetrics(registry, { runs: app.get(LdapRunStore), entries: app.get(LdapEntryStore), clock })
  }
  const drills = app.get(DrillStore)
  registerDrillMetrics(registry, drills, config.drill.hours, clock)
  health.addWarning('drill', () => verifyDrill(drills, config.drill.hours, clock))
}
