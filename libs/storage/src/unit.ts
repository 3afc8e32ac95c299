import { AppError } from '@app/core'
import type { DataSource, EntityManager, QueryRunner } from 'typeorm'
import { toAppError } from './sql-error.js'

declare const open: unique symbol

/** An open transaction. Good only inside the work that it was given to; nothing can be read out of it. */
export interface Unit {
  readonly [open]: true
}

/** The connections behind units. A unit leaves it when its transaction ends. */
const runners = new WeakMap<Unit, QueryRunner>()

/** The connection that a unit is a transaction on. Throws `internal` when the transaction has ended. */
export function runnerOf(unit: Unit): QueryRunner {
  const runner = runners.get(unit)
  if (runner === undefined) throw new AppError('internal', 'A transaction was used after its end.')
  return runner
}

/** TypeORM's row mapper, within the transaction when one is given. */
export function managerOf(dataSource: DataSource, unit: Unit | undefined): EntityManager {
  return unit === undefined ? dataSource.manager : runnerOf(unit).manager
}

/**
 * Runs work in a transaction (read committed): commits what it did and gives its result, or rolls back and throws what
 * it threw. Errors of beginning and committing come as {@link toAppError} says. After `unavailable` from the commit the
 * outcome is unknown: look before trying again.
 */
export async function inTransaction<T>(dataSource: DataSource, work: (unit: Unit) => Promise<T>): Promise<T> {
  const runner = dataSource.createQueryRunner()
  const unit = Object.freeze({}) as Unit
  try {
    await translated(runner.startTransaction())
    runners.set(unit, runner)
    const result = await work(unit)
    // failpoint: transaction.worked
    await translated(runner.commitTransaction())
    // failpoint: transaction.committed
    return result
  } catch (error) {
    await rollBack(runner)
    throw error
  } finally {
    runners.delete(unit)
    await runner.release()
  }
}

/** Runs work in the unit given, or in a transaction of its own. */
export function within<T>(
  dataSource: DataSource,
  unit: Unit | undefined,
  work: (unit: Unit) => Promise<T>
): Promise<T> {
  return unit === undefined ? inTransaction(dataSource, work) : work(unit)
}

/** A connection that cannot even roll back is broken; the pool drops it, and the database has rolled back by then. */
async function rollBack(runner: QueryRunner): Promise<void> {
  if (!runner.isTransactionActive) return
  await runner.rollbackTransaction().catch(() => undefined)
}

/** What a call of TypeORM gives; its errors as {@link toAppError} says. */
export async function translated<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (error) {
    throw toAppError(error)
  }
}
