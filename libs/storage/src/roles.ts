import { AppError } from '@app/core'
import { randomBytes } from 'node:crypto'
import type { ConnectionSettings } from './connection.js'
import { withOwner } from './owner.js'
import { databaseUser, PROCESS_ROLES, type ProcessRole } from './process-role.js'
import { encodeScramVerifier } from './scram.js'

/** The SQLSTATEs by which another process may turn out to have created a role first. */
const EXISTS = new Set(['42710', '23505'])

/** The SQLSTATE, and the words, with which PostgreSQL gives up when two sessions alter one role at once. */
const OVERTAKEN = { sqlState: 'XX000', message: /tuple concurrently updated/ } as const

/** How often a role is altered again that others alter at the same time. */
const ATTEMPTS = 10

/** The SQLSTATE of a privilege that is missing. */
const MISSING_PRIVILEGE = '42501'

/**
 * Makes every process role exist, able to log in with its password and to do nothing else, and takes older passwords
 * away. Idempotent. Needs a connection that may create roles. It comes before {@link migrate}, whose grants name the
 * roles. Throws `invalid_argument` for a password that is not printable ASCII and `config_invalid` when the owner may not
 * manage the roles.
 *
 * KNOWN GAP: the names are fixed and roles are the cluster's, so that two installations in one cluster share them and
 * take each other's passwords away. Each needs a cluster of its own (docs/adr/0046-restoring-and-upgrading.md).
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
      await run(`CREATE ROLE ${user}`).catch(ignoreExisting).catch(explainMissingPrivilege)
      // Neither has a character that needs quoting.
      const alter = () => run(`ALTER ROLE ${user} LOGIN PASSWORD '${verifier}'`)
      await unlessOvertaken(alter).catch(explainMissingPrivilege)
    }
  })
}

/** No lock of PostgreSQL reaches over the databases of a cluster, as roles do; so who was overtaken tries again. */
async function unlessOvertaken(alter: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await alter()
      return
    } catch (error) {
      const overtaken = sqlStateOf(error) === OVERTAKEN.sqlState && OVERTAKEN.message.test(String(error))
      if (!overtaken || attempt === ATTEMPTS) throw error
    }
  }
}

function ignoreExisting(error: unknown): void {
  if (!EXISTS.has(sqlStateOf(error))) throw error
}

function explainMissingPrivilege(error: unknown): never {
  if (sqlStateOf(error) !== MISSING_PRIVILEGE) throw error
  const message =
    'The owner of the database may not manage the roles that the processes connect as. Give it CREATEROLE, and where ' +
    'the roles exist already, membership in them with the admin option.'
  throw new AppError('config_invalid', message, {}, { cause: error })
}

function sqlStateOf(error: unknown): string {
  return error instanceof AppError ? String(error.evidence['sqlstate']) : ''
}
