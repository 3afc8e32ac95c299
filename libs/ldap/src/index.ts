export * from './ldap-directory.js'
export * from './ldap-reader.js'
export type * from './ldap-settings.js'
