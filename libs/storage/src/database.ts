import { DataSource } from 'typeorm'
import { type ConnectionSettings, dataSourceOptions } from './connection.js'
import { toAppError } from './sql-error.js'
import { inTransaction, type Unit } from './unit.js'

/** A pool of connections as one role. Stores are built from its {@link dataSource}. */
export class Database {
  constructor(readonly dataSource: DataSource) {}

  /** See {@link inTransaction}. */
  transaction<T>(work: (unit: Unit) => Promise<T>): Promise<T> {
    return inTransaction(this.dataSource, work)
  }

  /** Ends every connection, once those in use have come back. */
  async close(): Promise<void> {
    if (this.dataSource.isInitialized) await this.dataSource.destroy()
  }
}

/** Connects. Throws `unavailable` when the server cannot be reached, `database_incompatible` when it refuses. */
export async function openDatabase(settings: ConnectionSettings): Promise<Database> {
  const dataSource = new DataSource(dataSourceOptions(settings))
  try {
    await dataSource.initialize()
  } catch (error) {
    throw toAppError(error)
  }
  return new Database(dataSource)
}
