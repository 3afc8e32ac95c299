/** The processes that the program runs as. Each has a database role of its own. */
export const PROCESS_ROLES = ['front', 'console', 'authority', 'archive'] as const

/** A member of {@link PROCESS_ROLES}. */
export type ProcessRole = (typeof PROCESS_ROLES)[number]

/**
 * The database role that a process connects as. PostgreSQL keeps roles per cluster, so that several databases of one
 * cluster share them.
 */
export function databaseUser(role: ProcessRole): string {
  return `certkeep_${role}`
}
