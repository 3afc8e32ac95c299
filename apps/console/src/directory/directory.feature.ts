import { DirectoryStore, GroupStore, PrincipalStore, RoleStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { DirectoryController } from './directory.controller.js'
import { DirectoryService } from './directory.service.js'

/** Users, computers and groups. */
export const directoryFeature: ConsoleFeature = {
  controllers: [DirectoryController],
  providers: [DirectoryService],
  stores: [DirectoryStore, GroupStore, PrincipalStore, RoleStore]
}
