import { CoverageStore, ResealStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { ResealsController } from './reseals.controller.js'
import { ResealsService } from './reseals.service.js'

/** Archived keys handed on from agents to successors. */
export const resealsFeature: ConsoleFeature = {
  controllers: [ResealsController],
  providers: [ResealsService],
  stores: [CoverageStore, ResealStore]
}
