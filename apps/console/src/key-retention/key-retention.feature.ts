import { CaStore, KeyPurgeStore, RequestStore, RetentionStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { KeyPurgesController } from './key-purges.controller.js'
import { KeyPurgesService } from './key-purges.service.js'
import { RetentionController } from './retention.controller.js'
import { RetentionService } from './retention.service.js'

/** How long archived keys are kept, and their purge. */
export const keyRetentionFeature: ConsoleFeature = {
  controllers: [KeyPurgesController, RetentionController],
  providers: [KeyPurgesService, RetentionService],
  stores: [CaStore, KeyPurgeStore, RequestStore, RetentionStore]
}
