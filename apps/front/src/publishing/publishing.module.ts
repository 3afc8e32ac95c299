import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common'
import { LdapDirectory } from '@app/ldap'
import { CONFIG, LOG, type Config, type Logger } from '@app/platform'
import { Jobs } from '@app/queue'
import { Database, openDatabase, PublicationStore, type ConnectionSettings } from '@app/storage'
import { PublicationSteps } from './publication-steps.js'
import { PublicationService } from './publication.service.js'

const poolSize = 3

/** The part of the front that publishes certificates to an LDAP server. It runs beside the listeners. */
@Module({})
export class PublishingModule implements OnApplicationShutdown {
  constructor(private readonly database: Database) {}

  onApplicationShutdown(): Promise<void> {
    return this.database.close()
  }

  /** @param connection how the role `front` connects */
  static register(connection: ConnectionSettings): DynamicModule {
    return {
      module: PublishingModule,
      providers: [
        {
          provide: LdapDirectory,
          inject: [CONFIG],
          useFactory: ({ directory }: Config) => LdapDirectory.open(directory.ldap)
        },
        {
          // Once the settings are known to be good, so that no connection is left when they are not.
          provide: Database,
          inject: [LdapDirectory],
          useFactory: () => openDatabase({ ...connection, poolSize })
        },
        {
          provide: PublicationStore,
          inject: [Database],
          useFactory: ({ dataSource }: Database) => new PublicationStore(dataSource)
        },
        { provide: Jobs, inject: [LOG], useFactory: (log: Logger) => new Jobs({ connection, log }) },
        PublicationService,
        PublicationSteps
      ]
    }
  }
}
