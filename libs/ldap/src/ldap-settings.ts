import type { Config } from '@app/platform'

/** The settings of an LDAP server that is to be used. */
export type LdapSettings = Config['directory']['ldap']
