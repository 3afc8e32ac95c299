import type { PoolClient, QueryResultRow } from 'pg'
import type { DataSource } from 'typeorm'
import { toAppError } from './sql-error.js'
import { runnerOf, type Unit } from './unit.js'

/**
 * A parameterised statement. One with a name is parsed and planned once per connection. TypeORM's own `query()` cannot
 * name a statement, and parsing the widest ones anew costs the server as much as running them, so statements go straight
 * to the pg client that `QueryRunner.connect()` gives. Names are global to a connection: one name, one text.
 */
export interface Statement {
  readonly name?: string
  readonly text: string
}

/** Runs a statement, in the unit given or by itself, and gives its rows. Throws as {@link toAppError} says. */
export async function query<Row>(
  dataSource: DataSource,
  unit: Unit | undefined,
  statement: Statement,
  values: readonly unknown[]
): Promise<readonly Row[]> {
  const runner = unit === undefined ? dataSource.createQueryRunner() : runnerOf(unit)
  try {
    const client = (await runner.connect()) as PoolClient
    const result = await client.query<Row & QueryResultRow>({ ...statement, values: [...values] })
    return result.rows
  } catch (error) {
    throw toAppError(error)
  } finally {
    if (unit === undefined) await runner.release()
  }
}

/** As {@link query}, for a statement that gives at most one row. */
export async function queryOne<Row>(
  dataSource: DataSource,
  unit: Unit | undefined,
  statement: Statement,
  values: readonly unknown[]
): Promise<Row | undefined> {
  const [row] = await query<Row>(dataSource, unit, statement, values)
  return row
}
