import { DrillStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { KeyDrillsController } from './key-drills.controller.js'
import { KeyDrillsService } from './key-drills.service.js'

/** Recovery drills. */
export const keyDrillsFeature: ConsoleFeature = {
  controllers: [KeyDrillsController],
  providers: [KeyDrillsService],
  stores: [DrillStore]
}
