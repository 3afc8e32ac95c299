import { CoverageStore, OperationsStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { HealthController } from './health.controller.js'
import { HealthService } from './health.service.js'

/** What somebody should look at. */
export const healthFeature: ConsoleFeature = {
  controllers: [HealthController],
  providers: [HealthService],
  stores: [CoverageStore, OperationsStore]
}
