import { Inject, Injectable } from '@nestjs/common'
import type { Clock, Finding } from '@app/core'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import { findingsOf, judgeCoverage, operationFindings } from '@app/policy'
import { CoverageStore, OperationsStore } from '@app/storage'
import type { HealthView } from './health.schemas.js'

/** Findings about the installation, for those who look after it. */
@Injectable()
export class HealthService {
  constructor(
    private readonly coverage: CoverageStore,
    private readonly operations: OperationsStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /** Every finding there is, the errors first. */
  async show(): Promise<HealthView> {
    const all = [...(await this.coverageFindings()), ...(await this.operationFindings())]
    const findings = [...all.filter(isError), ...all.filter(finding => !isError(finding))]
    return { status: findings[0]?.severity ?? 'good', findings }
  }

  private async operationFindings(): Promise<readonly Finding[]> {
    const [requests, crls, certificates] = await Promise.all([
      this.operations.countOpenRequests(),
      this.operations.listCrls(),
      this.operations.listCertificateEnds()
    ])
    return operationFindings({ requests, crls, certificates }, this.clock.now())
  }

  private async coverageFindings(): Promise<readonly Finding[]> {
    const now = this.clock.now()
    const coverage = judgeCoverage(await this.coverage.listGroups(), await this.coverage.listAgents(), now)
    return findingsOf(coverage, now, this.config.coverage.warningDays)
  }
}

function isError({ severity }: Finding): boolean {
  return severity === 'error'
}
