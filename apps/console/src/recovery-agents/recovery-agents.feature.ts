import { CoverageStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { RecoveryAgentsController } from './recovery-agents.controller.js'
import { RecoveryAgentsService } from './recovery-agents.service.js'

/** Those who can open archived keys. */
export const recoveryAgentsFeature: ConsoleFeature = {
  controllers: [RecoveryAgentsController],
  providers: [RecoveryAgentsService],
  stores: [CoverageStore]
}
