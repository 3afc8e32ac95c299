import { InvitationStore, PrincipalStore, RoleStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { RedemptionController } from '../redemption/redemption.controller.js'
import { RedemptionService } from '../redemption/redemption.service.js'
import { InvitationsController } from './invitations.controller.js'
import { InvitationsService } from './invitations.service.js'

/** Links by which people become operators. */
export const invitationsFeature: ConsoleFeature = {
  controllers: [InvitationsController, RedemptionController],
  providers: [InvitationsService, RedemptionService],
  stores: [InvitationStore, PrincipalStore, RoleStore]
}
