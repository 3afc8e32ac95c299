import type { DynamicModule, Provider, Type } from '@nestjs/common'
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm'
import { Database, dataSourceOptions, type ConnectionSettings, type DataSource, type ProcessRole } from '@app/storage'

/** The pool of connections of one process role, opened with the application and closed with it. */
export function roleDatabase(role: ProcessRole, settings: ConnectionSettings): DynamicModule {
  return TypeOrmModule.forRoot({ ...dataSourceOptions(settings), name: role, retryAttempts: 3, retryDelay: 1000 })
}

/** Providers of the stores of a role, each over that role's pool, and of the pool as a {@link Database}. */
export function storesOf(role: ProcessRole, stores: readonly Type<unknown>[]): Provider[] {
  const inject = [getDataSourceToken(role)]
  return [
    { provide: Database, inject, useFactory: (dataSource: DataSource) => new Database(dataSource) },
    ...stores.map(Store => ({ provide: Store, inject, useFactory: (dataSource: DataSource) => new Store(dataSource) }))
  ]
}
