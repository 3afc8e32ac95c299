import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common'
import {
  CertificateStore,
  ClientStore,
  Database,
  GroupStore,
  openDatabase,
  PrincipalStore,
  RegistrationDecisionStore,
  SiteStore,
  type ConnectionSettings
} from '@app/storage'
import { ClientAccounts } from './client-accounts.js'
import { RegistrationBatch } from './registration-batch.js'
import { RegistrationDecisions } from './registration-decisions.js'
import { RegistrationSteps } from './registration-steps.js'

/** Decisions take turns, and a purge may go on beside them. */
const poolSize = 2

/** The part of the console that decides what clients register. It runs beside the listeners. */
@Module({})
export class RegistrationsModule implements OnApplicationShutdown {
  constructor(private readonly database: Database) {}

  onApplicationShutdown(): Promise<void> {
    return this.database.close()
  }

  /** @param connection how the role `console` connects */
  static register(connection: ConnectionSettings): DynamicModule {
    const stores = [
      CertificateStore,
      ClientStore,
      GroupStore,
      PrincipalStore,
      RegistrationDecisionStore,
      SiteStore
    ].map(Store => ({
      provide: Store,
      inject: [Database],
      useFactory: ({ dataSource }: Database) => new Store(dataSource)
    }))
    return {
      module: RegistrationsModule,
      providers: [
        { provide: Database, useFactory: () => openDatabase({ ...connection, poolSize }) },
        ...stores,
        ClientAccounts,
        RegistrationBatch,
        RegistrationDecisions,
        RegistrationSteps
      ]
    }
  }
}
