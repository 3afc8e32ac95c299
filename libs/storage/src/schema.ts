/** The schema that holds everything. */
export const SCHEMA = 'certkeep'

/** The table in which applied migrations are noted. */
export const MIGRATION_TABLE = 'schema_migration'
