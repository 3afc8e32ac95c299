import { AppError } from '@app/core'
import { randomBytes } from 'node:crypto'
import type { ConnectionSettings } from './connection.js'
import { withOwner } from './owner.js'
import { databaseUser, PROCESS_ROLES, type ProcessRole } from './process-role.js'
import { encodeScramVerifier } from './scram.js'

/** The SQLSTATEs by which another process may turn out to have created a role first. */
const EXISTS = new Set(['42710', '23505'])

/**
 * Makes every process role exist, able to log in with its password and to do nothing else, and takes older passwords
 * away. Idempotent. Needs a connection that may create roles. It comes before {@link migrate}, whose grants name the
 * roles. Throws `invalid_argument` for a password that is not printable ASCII.
 */
export async function ensureRoles(
  owner: ConnectionSettings,
  passwords: Readonly<Record<ProcessRole, string>>
): Promise<void> {
  const verifiers = PROCESS_ROLES.map(role => ({
    user: databaseUser(role),
    verifier: encodeScramVerifier(passwords[role], { bytes: length => randomBytes(length) })
  }))
  await withOwner(owner, async run => {
    for (const { user, verifier } of verifiers) {
      await run(`CREATE ROLE ${user}`).catch(ignoreExisting)
      // Only the owner's attributes that matter; the names and verifiers have no character that needs quoting.
      await run(`ALTER ROLE ${user} LOGIN NOINHERIT NOCREATEDB NOCREATEROLE PASSWORD '${verifier}'`)
    }
  })
}

function ignoreExisting(error: unknown): void {
  const state = error instanceof AppError ? error.evidence['sqlstate'] : undefined
  if (typeof state !== 'string' || !EXISTS.has(state)) throw error
}
