import { AppError, type PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction } from './unit.js'

/** A security context that is about to be given out. */
export interface NewSecurityContext {
  /** 128 bits that nobody guesses. */
  readonly handle: string
  /** Who may use it. */
  readonly ownerId: PrincipalId
  /** Whose messages it signs. */
  readonly subjectId: PrincipalId
  /** The certificate's entry in the directory. */
  readonly registeredId: string
  readonly keyId: string
  /** That lets the owner act for the subject; null when they are the same. */
  readonly delegationId: string | null
  readonly createdAt: Date
  readonly expiresAt: Date
}

/** What a context signs with. */
export interface SecurityContextRow {
  readonly sid: string
  readonly kind: 'internal' | 'external'
  /** DER */
  readonly certificate: Buffer
  /** Of the key, in the key store. */
  readonly reference: string
  readonly expiresAt: Date
}

/** How many contexts there may be at once. */
export interface ContextLimits {
  readonly ofOwner: number
  readonly inAll: number
}

/** Nobody's contexts are over a limit for two that come at once. */
const LOCK: Statement = { text: `SELECT pg_advisory_xact_lock(hashtextextended('security_context', 0))` }

const END: Statement = { text: 'DELETE FROM certkeep.security_context WHERE expires_at <= $1' }

const COUNT: Statement = {
  text: `
    SELECT count(*)::integer AS "inAll", count(*) FILTER (WHERE owner_id = $1)::integer AS "ofOwner"
    FROM certkeep.security_context`
}

const INSERT: Statement = {
  text: `
    INSERT INTO certkeep.security_context
      (handle, owner_id, subject_id, registered_id, key_id, delegation_id, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
}

const IS_GOOD: Statement = {
  name: 'security_context_good',
  text: 'SELECT 1 FROM certkeep.security_context WHERE handle = $1 AND owner_id = $2 AND expires_at > $3'
}

const FIND: Statement = {
  text: `
    SELECT p.sid, r.kind, r.certificate, k.reference, c.expires_at AS "expiresAt"
    FROM certkeep.security_context AS c
    JOIN certkeep.principal AS p ON p.id = c.subject_id
    JOIN certkeep.registered_certificate AS r ON r.identifier = c.registered_id
    JOIN certkeep.message_key AS k ON k.id = c.key_id
    WHERE c.handle = $1 AND c.owner_id = $2 AND c.expires_at > $3`
}

const FREE: Statement = {
  text: `
    DELETE FROM certkeep.security_context AS c USING certkeep.principal AS p
    WHERE c.handle = $1 AND c.owner_id = $2 AND p.id = c.subject_id RETURNING p.sid AS subject`
}

/** The security contexts whose keys the server holds. For the front. */
export class SecurityContextStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Gives a context out; those whose time is over make room. Throws `MQ_ERROR_INSUFFICIENT_RESOURCES` at a limit. */
  obtain(context: NewSecurityContext, limits: ContextLimits, because: Because): Promise<void> {
    const { handle, ownerId, subjectId, registeredId, keyId, delegationId, createdAt: at, expiresAt } = context
    return inTransaction(this.dataSource, async unit => {
      await query(this.dataSource, unit, LOCK, [])
      await query(this.dataSource, unit, END, [at])
      const held = await queryOne<ContextLimits>(this.dataSource, unit, COUNT, [ownerId])
      if ((held?.ofOwner ?? 0) >= limits.ofOwner || (held?.inAll ?? 0) >= limits.inAll) {
        throw new AppError('MQ_ERROR_INSUFFICIENT_RESOURCES', 'Too many security contexts are held: free some.')
      }
      const values = [handle, ownerId, subjectId, registeredId, keyId, delegationId, at, expiresAt]
      await query(this.dataSource, unit, INSERT, values)
      const detail = { registeredId, keyId, expiresAt: expiresAt.toISOString() }
      const change = { object: 'security_context', id: auditName(handle), verb: 'obtained', at, detail } as const
      await appendChange(this.dataSource, unit, change, because)
    })
  }

  /** Whether a context is the owner's and good now. */
  async isGood(handle: string, ownerId: PrincipalId, now: Date): Promise<boolean> {
    return (await queryOne(this.dataSource, undefined, IS_GOOD, [handle, ownerId, now])) !== undefined
  }

  /** A context of the owner's that is good now. */
  find(handle: string, ownerId: PrincipalId, now: Date): Promise<SecurityContextRow | undefined> {
    return queryOne<SecurityContextRow>(this.dataSource, undefined, FIND, [handle, ownerId, now])
  }

  /** Ends a context of the owner's. Whether it was there. */
  free(handle: string, ownerId: PrincipalId, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const freed = await queryOne<{ readonly subject: string }>(this.dataSource, unit, FREE, [handle, ownerId])
      if (freed === undefined) return false
      const change = {
        object: 'security_context',
        id: auditName(handle),
        verb: 'freed',
        at: now,
        detail: freed
      } as const
      await appendChange(this.dataSource, unit, change, because)
      return true
    })
  }
}

/** How the log names a context: by the beginning of its handle, which is good for nothing. */
function auditName(handle: string): string {
  return handle.slice(0, 8)
}
