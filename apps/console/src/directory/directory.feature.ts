import { DirectoryStore, GroupStore, PrincipalStore, PublicationStore, RoleStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { AccountChanges } from './account-changes.js'
import { DirectoryController } from './directory.controller.js'
import { PublicationsController } from './publications.controller.js'
import { DirectoryService } from './directory.service.js'

/** Users, computers and groups. */
export const directoryFeature: ConsoleFeature = {
  controllers: [PublicationsController, DirectoryController],
  providers: [AccountChanges, DirectoryService],
  stores: [DirectoryStore, GroupStore, PrincipalStore, PublicationStore, RoleStore]
}
