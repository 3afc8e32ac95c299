import { AppError, type PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { principalEntity } from './entities.js'
import { pickPrefixed, selectPrefixed } from './entity.js'
import type { PrincipalRow } from './principal-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction } from './unit.js'

/** That an account may act for another until a time. */
export interface DelegationRow {
  readonly id: string
  /** Who is acted for, and gave it. */
  readonly subjectId: PrincipalId
  readonly subjectSid: string
  /** Who acts. */
  readonly actorId: PrincipalId
  readonly actorSid: string
  readonly createdAt: Date
  readonly expiresAt: Date
}

/** A delegation that is about to be given, with the SHA-256 of the token that the actor exchanges. */
export interface NewDelegation extends Omit<DelegationRow, 'subjectSid' | 'actorSid'> {
  readonly tokenHash: Uint8Array
}

/** What the holder of an exchanged token does. */
export interface Impersonation {
  readonly delegationId: string
  readonly expiresAt: Date
  readonly actor: PrincipalRow
  readonly subject: PrincipalRow
}

const COLUMNS = `
  d.id, d.subject_id AS "subjectId", s.sid AS "subjectSid", d.actor_id AS "actorId", a.sid AS "actorSid",
  d.created_at AS "createdAt", d.expires_at AS "expiresAt"
  FROM certkeep.delegation AS d
  JOIN certkeep.principal AS s ON s.id = d.subject_id
  JOIN certkeep.principal AS a ON a.id = d.actor_id`

const LIST: Statement = {
  text: `SELECT ${COLUMNS} WHERE (d.subject_id = $1 OR d.actor_id = $1) AND d.expires_at > $2 ORDER BY d.created_at, d.id`
}

const FIND: Statement = {
  text: `
    SELECT ${COLUMNS}
    WHERE d.token_hash = $1 AND d.actor_id = $2 AND d.expires_at > $3 AND s.disabled_at IS NULL`
}

const LOCK: Statement = { text: `SELECT pg_advisory_xact_lock(hashtextextended('delegation' || $1, 0))` }

const END: Statement = { text: 'DELETE FROM certkeep.delegation WHERE subject_id = $1 AND expires_at <= $2' }

const COUNT: Statement = {
  text: 'SELECT count(*)::integer AS count FROM certkeep.delegation WHERE subject_id = $1'
}

const INSERT: Statement = {
  text: `
    INSERT INTO certkeep.delegation (id, subject_id, actor_id, token_hash, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6)`
}

const DELETE: Statement = {
  text: `
    DELETE FROM certkeep.delegation AS d USING certkeep.principal AS a
    WHERE d.id = $1 AND (d.subject_id = $2 OR d.actor_id = $2) AND a.id = d.actor_id RETURNING a.sid AS actor`
}

const ADD_TOKEN: Statement = {
  text: `
    WITH ended AS (DELETE FROM certkeep.impersonation_token WHERE delegation_id = $2 AND expires_at <= $4)
    INSERT INTO certkeep.impersonation_token (token_hash, delegation_id, expires_at) VALUES ($1, $2, $3)`
}

const FIND_IMPERSONATION: Statement = {
  text: `
    SELECT d.id AS "delegationId", d.expires_at AS "expiresAt", ${selectPrefixed(principalEntity, 'a', 'actor')},
      ${selectPrefixed(principalEntity, 's', 'subject')}
    FROM certkeep.impersonation_token AS t
    JOIN certkeep.delegation AS d ON d.id = t.delegation_id
    JOIN certkeep.principal AS a ON a.id = d.actor_id
    JOIN certkeep.principal AS s ON s.id = d.subject_id
    WHERE t.token_hash = $1 AND t.expires_at > $2 AND d.expires_at > $2
      AND a.disabled_at IS NULL AND s.disabled_at IS NULL`
}

/** Who may act for whom, and the tokens that those who may have got for it. For the front. */
export class DelegationStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Those that an account gave and has, which stand now. */
  list(principalId: PrincipalId, now: Date): Promise<readonly DelegationRow[]> {
    return query<DelegationRow>(this.dataSource, undefined, LIST, [principalId, now])
  }

  /** The delegation of a token to an actor, which stands now, of an account that is not disabled. */
  findByToken(tokenHash: Uint8Array, actorId: PrincipalId, now: Date): Promise<DelegationRow | undefined> {
    return queryOne<DelegationRow>(this.dataSource, undefined, FIND, [tokenHash, actorId, now])
  }

  /** Lets an account act for another. Throws `MQ_ERROR_INSUFFICIENT_RESOURCES` when that has given `most` already. */
  grant(delegation: NewDelegation, most: number, because: Because): Promise<void> {
    const { id, subjectId, actorId, tokenHash, createdAt: at, expiresAt } = delegation
    return inTransaction(this.dataSource, async unit => {
      await query(this.dataSource, unit, LOCK, [subjectId])
      await query(this.dataSource, unit, END, [subjectId, at])
      const given = await queryOne<{ readonly count: number }>(this.dataSource, unit, COUNT, [subjectId])
      if ((given?.count ?? 0) >= most) {
        throw new AppError('MQ_ERROR_INSUFFICIENT_RESOURCES', `The account has given ${most} delegations: no more.`)
      }
      await query(this.dataSource, unit, INSERT, [id, subjectId, actorId, Buffer.from(tokenHash), at, expiresAt])
      const detail = { subjectId, actorId, expiresAt: expiresAt.toISOString() }
      await appendChange(this.dataSource, unit, { object: 'delegation', id, verb: 'granted', at, detail }, because)
    })
  }

  /** Ends a delegation that the account gave or has, and with it its tokens and contexts. Whether it was there. */
  revoke(id: string, principalId: PrincipalId, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const ended = await queryOne<{ readonly actor: string }>(this.dataSource, unit, DELETE, [id, principalId])
      if (ended === undefined) return false
      const change = { object: 'delegation', id, verb: 'revoked', at: now, detail: ended } as const
      await appendChange(this.dataSource, unit, change, because)
      return true
    })
  }

  /** Gives the actor of a delegation a token, by its SHA-256. */
  exchange(
    { id, tokenHash, expiresAt }: { readonly id: string; readonly tokenHash: Uint8Array; readonly expiresAt: Date },
    because: Because,
    now: Date
  ): Promise<void> {
    return inTransaction(this.dataSource, async unit => {
      await query(this.dataSource, unit, ADD_TOKEN, [Buffer.from(tokenHash), id, expiresAt, now])
      await appendChange(this.dataSource, unit, { object: 'delegation', id, verb: 'exchanged', at: now }, because)
    })
  }

  /** Who acts for whom with an exchanged token that is good now. */
  async findImpersonation(tokenHash: Uint8Array, now: Date): Promise<Impersonation | undefined> {
    const joined = await queryOne<Pick<Impersonation, 'delegationId' | 'expiresAt'>>(
      this.dataSource,
      undefined,
      FIND_IMPERSONATION,
      [Buffer.from(tokenHash), now]
    )
    if (joined === undefined) return undefined
    const { delegationId, expiresAt } = joined
    const actor = pickPrefixed(principalEntity, joined, 'actor')
    return { delegationId, expiresAt, actor, subject: pickPrefixed(principalEntity, joined, 'subject') }
  }
}
