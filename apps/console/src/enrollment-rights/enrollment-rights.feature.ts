import { AgentScopeStore, CaStore, GroupStore, PrincipalStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { EnrollmentRightsController } from './enrollment-rights.controller.js'
import { EnrollmentRightsService } from './enrollment-rights.service.js'

/** For whom enrollment agents may ask, and who may enroll at a CA. */
export const enrollmentRightsFeature: ConsoleFeature = {
  controllers: [EnrollmentRightsController],
  providers: [EnrollmentRightsService],
  stores: [AgentScopeStore, CaStore, GroupStore, PrincipalStore]
}
