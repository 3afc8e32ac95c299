import { LdapEntryStore, LdapRunStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { LdapController } from './ldap.controller.js'
import { LdapService } from './ldap.service.js'

/** The LDAP server that accounts come from. Stands before the feature of the directory, whose routes take any id. */
export const ldapFeature: ConsoleFeature = {
  controllers: [LdapController],
  providers: [LdapService],
  stores: [LdapEntryStore, LdapRunStore]
}
