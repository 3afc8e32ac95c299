import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common'
import { LdapDirectory } from '@app/ldap'
import { CONFIG, type Config } from '@app/platform'
import {
  Database,
  DirectoryStore,
  ForeignCertificateStore,
  GroupStore,
  LdapEntryStore,
  LdapRunStore,
  openDatabase,
  PrincipalStore,
  RegisteredCertificateStore,
  RoleStore,
  type ConnectionSettings
} from '@app/storage'
import { AccountChanges } from '../directory/account-changes.js'
import { AccountImport } from '../directory-import/account-import.js'
import { CertificateImport } from '../directory-import/certificate-import.js'
import { MembershipImport } from '../directory-import/membership-import.js'
import { LdapAccounts, LdapAccountStores, LdapOrigin } from './ldap-accounts.js'
import { LdapReading } from './ldap-reading.js'
import { LdapSteps } from './ldap-steps.js'

const poolSize = 2

const stores = [
  DirectoryStore,
  ForeignCertificateStore,
  GroupStore,
  LdapEntryStore,
  LdapRunStore,
  PrincipalStore,
  RegisteredCertificateStore,
  RoleStore
]

/** The part of the console that reads accounts and groups from an LDAP server. It runs beside the listeners. */
@Module({})
export class LdapReadingModule implements OnApplicationShutdown {
  constructor(private readonly database: Database) {}

  onApplicationShutdown(): Promise<void> {
    return this.database.close()
  }

  /** @param connection how the role `console` connects */
  static register(connection: ConnectionSettings): DynamicModule {
    return {
      module: LdapReadingModule,
      providers: [
        {
          provide: LdapDirectory,
          inject: [CONFIG],
          useFactory: ({ directory }: Config) => LdapDirectory.open(directory.ldap)
        },
        // Once the settings are known to be good, so that no connection is left when they are not.
        {
          provide: Database,
          inject: [LdapDirectory],
          useFactory: () => openDatabase({ ...connection, poolSize })
        },
        ...stores.map(Store => ({
          provide: Store,
          inject: [Database],
          useFactory: ({ dataSource }: Database) => new Store(dataSource)
        })),
        AccountChanges,
        AccountImport,
        CertificateImport,
        LdapAccounts,
        LdapAccountStores,
        LdapOrigin,
        LdapReading,
        LdapSteps,
        MembershipImport
      ]
    }
  }
}
