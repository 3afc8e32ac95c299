import { expect } from 'vitest'
import type { TestServer } from './server.js'

/** A fault of the database that ends: a write that it refuses as if its disk were full. */
export interface Fault {
  /** Of the schema. */
  readonly table: string
  readonly on: 'INSERT' | 'UPDATE'
  /** A condition on NEW, so that only some rows are refused. */
  readonly when?: string
}

/** Lets a fault be while something happens, until it has struck, then ends it. */
export async function during<T>(server: TestServer, fault: Fault, work: () => Promise<T>): Promise<T> {
  const { table, on, when = 'true' } = fault
  // A sequence counts what is rolled back too.
  await server.sql('CREATE SEQUENCE certkeep.fault_count')
  await server.sql(`
    CREATE FUNCTION certkeep.fault() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      PERFORM nextval('certkeep.fault_count');
      RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
    END $$`)
  await server.sql(`
    CREATE TRIGGER fault BEFORE ${on} ON certkeep.${table} FOR EACH ROW WHEN (${when})
    EXECUTE FUNCTION certkeep.fault()`)
  try {
    const result = await work()
    const struck = () => server.sql('SELECT is_called FROM certkeep.fault_count')
    await expect.poll(struck, { timeout: 20_000 }).toEqual([{ is_called: true }])
    return result
  } finally {
    await server.sql(`DROP TRIGGER fault ON certkeep.${table}`)
    await server.sql('DROP FUNCTION certkeep.fault()')
    await server.sql('DROP SEQUENCE certkeep.fault_count')
  }
}

/** Lets the time pass that a row is leased for, and wakes the steps. */
export async function endLeases(server: TestServer): Promise<void> {
  await server.sql(
    `UPDATE certkeep.request SET lease_until = now() - interval '1 second' WHERE lease_until IS NOT NULL`
  )
  for (const step of ['evaluate', 'seal', 'issue', 'respond'] as const) server.running.runtime.wakeups.nudge(step)
}
