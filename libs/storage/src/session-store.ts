import type { PrincipalId } from '@app/core'
import { type DataSource, IsNull, LessThanOrEqual } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { principalEntity } from './entities.js'
import { pickPrefixed, selectList, selectPrefixed } from './entity.js'
import { sessionEntity, signInEntity } from './operator-entities.js'
import type { SessionRow, SignInRow } from './operator-row.js'
import type { PrincipalRow } from './principal-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction, managerOf, translated } from './unit.js'

/** A session that is about to begin. */
export type NewSession = Omit<SessionRow, 'secretHash' | 'lastSeenAt' | 'revokedBy' | 'revokedAt'> & {
  readonly secretHash: Uint8Array
}

/** A session and whose it is. */
export interface OpenSession {
  readonly session: SessionRow
  readonly principal: PrincipalRow
}

const FIND: Statement = {
  name: 'session_by_secret',
  text: `
    SELECT ${selectPrefixed(sessionEntity, 's', 'session')}, ${selectPrefixed(principalEntity, 'p', 'principal')}
    FROM certkeep.operator_session AS s JOIN certkeep.principal AS p ON p.id = s.principal_id
    WHERE s.secret_hash = $1 AND s.revoked_at IS NULL AND s.expires_at > $2 AND s.last_seen_at > $3
      AND p.disabled_at IS NULL`
}

const LIST: Statement = {
  text: `
    SELECT ${selectList(sessionEntity, 's')} FROM certkeep.operator_session AS s
    WHERE s.principal_id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2 AND s.last_seen_at > $3
    ORDER BY s.created_at, s.id`
}

const TAKE_SIGN_IN: Statement = {
  text: `
    DELETE FROM certkeep.operator_sign_in AS i WHERE i.browser_hash = $1 AND i.state = $2
    RETURNING ${selectList(signInEntity, 'i')}`
}

/** The browsers in which operators are signed in, and the sign-ins under way. For the console. */
export class SessionStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Begins a session. */
  async open(session: NewSession, because: Because): Promise<void> {
    const { id, principalId, method, createdAt: at } = session
    await inTransaction(this.dataSource, async unit => {
      const row = { ...session, secretHash: Buffer.from(session.secretHash), lastSeenAt: at }
      await translated(managerOf(this.dataSource, unit).insert(sessionEntity, row))
      const detail = { principalId, method }
      await appendChange(this.dataSource, unit, { object: 'session', id, verb: 'opened', at, detail }, because)
    })
  }

  /**
   * Whose a cookie's secret is, by its SHA-256. Undefined alike for a session that is unknown, revoked, past its end or
   * not seen since `idleSince`, and for a disabled principal.
   */
  async find(secretHash: Uint8Array, now: Date, idleSince: Date): Promise<OpenSession | undefined> {
    const joined = await queryOne<object>(this.dataSource, undefined, FIND, [secretHash, now, idleSince])
    if (joined === undefined) return undefined
    return {
      session: pickPrefixed(sessionEntity, joined, 'session'),
      principal: pickPrefixed(principalEntity, joined, 'principal')
    }
  }

  /** Notes that a session was in use. */
  async see(id: string, now: Date): Promise<void> {
    await translated(this.dataSource.manager.update(sessionEntity, { id }, { lastSeenAt: now }))
  }

  /** Those of a principal that are good, the oldest first. */
  list(principalId: PrincipalId, now: Date, idleSince: Date): Promise<readonly SessionRow[]> {
    return query<SessionRow>(this.dataSource, undefined, LIST, [principalId, now, idleSince])
  }

  /** In any state. */
  async findById(id: string): Promise<SessionRow | undefined> {
    return (await translated(this.dataSource.manager.findOne(sessionEntity, { where: { id } }))) ?? undefined
  }

  /** Ends a session at once. Whether it was not revoked yet. */
  revoke(id: string, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const manager = managerOf(this.dataSource, unit)
      const patch = { revokedBy: because.actor, revokedAt: now }
      const updated = await translated(manager.update(sessionEntity, { id, revokedAt: IsNull() }, patch))
      if (updated.affected !== 1) return false
      await appendChange(this.dataSource, unit, { object: 'session', id, verb: 'revoked', at: now }, because)
      return true
    })
  }

  /** Keeps what a sign-in needs when it comes back from the identity provider, and drops those that never did. */
  async beginSignIn(signIn: SignInRow, now: Date): Promise<void> {
    const { manager } = this.dataSource
    await translated(manager.delete(signInEntity, { expiresAt: LessThanOrEqual(now) }))
    await translated(manager.insert(signInEntity, { ...signIn }))
  }

  /** Takes a sign-in, which no other call gets then; undefined when this browser has none of that state. */
  async takeSignIn(browserHash: Uint8Array, state: string, now: Date): Promise<SignInRow | undefined> {
    const taken = await queryOne<SignInRow>(this.dataSource, undefined, TAKE_SIGN_IN, [browserHash, state])
    return taken === undefined || taken.expiresAt <= now ? undefined : taken
  }
}
