import type { TestDatabase } from './database.js'

/** Has the database compress nothing, so that whatever it writes is in its files as it is. */
export async function keepPlain(database: TestDatabase): Promise<void> {
  const { dataSource } = await database.open('owner')
  await dataSource.query(`ALTER DATABASE ${database.name} SET wal_compression = off`)
  const columns = await dataSource.query<{ command: string }[]>(`
    SELECT format('ALTER TABLE %s ALTER %I SET STORAGE EXTERNAL', a.attrelid::regclass, a.attname) AS command
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND t.typlen = -1
      AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`)
  for (const { command } of columns) await dataSource.query(command)
}
