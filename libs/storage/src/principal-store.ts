import { toHex, type PrincipalId } from '@app/core'
import { type DataSource, IsNull, MoreThan } from 'typeorm'
import { appendChange, type Change } from './audit-log.js'
import type { Because } from './audit-row.js'
import { findInBatches } from './batches.js'
import { credentialEntity, enrollmentSecretEntity, principalEntity } from './entities.js'
import { pickPrefixed, selectList, selectPrefixed } from './entity.js'
import { allocateSid, joinGroups, lockGroups, reserveSid } from './group-membership.js'
import { Conditions, type Page, pageOf } from './page.js'
import type { CredentialRow, EnrollmentSecretRow, PrincipalRow } from './principal-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction, managerOf, translated, type Unit, within } from './unit.js'

/** A principal that is about to be added. */
export type NewPrincipal = Omit<PrincipalRow, 'disabledAt' | MappingAttribute> &
  Partial<Pick<PrincipalRow, MappingAttribute>>

/** What an account need not have when it is added. */
type MappingAttribute = 'guid' | 'servicePrincipalNames' | 'altSecurityIdentities'

/** A credential that is about to be given out. */
export type NewCredential = Omit<CredentialRow, 'revokedAt' | 'tokenHash'> & { readonly tokenHash: Uint8Array }

/** An enrollment secret that is about to be given out. */
export type NewEnrollmentSecret = Omit<EnrollmentSecretRow, 'usedAt' | 'witnessKey'> & {
  readonly witnessKey: Uint8Array
}

/** Who a token is and what it is good for. */
export interface Authenticated {
  readonly principal: PrincipalRow
  readonly credential: CredentialRow
}

const PRINCIPAL = `SELECT ${selectList(principalEntity, 'p')} FROM certkeep.principal AS p`

const FIND: Statement = { name: 'principal_find', text: `${PRINCIPAL} WHERE p.id = $1` }

const FIND_ALL: Statement = { name: 'principal_find_all', text: `${PRINCIPAL} WHERE p.id = ANY ($1::uuid[])` }

const FIND_BY_ACCOUNT: Statement = {
  name: 'principal_by_account',
  text: `${PRINCIPAL} WHERE lower(p.domain) = lower($1) AND lower(p.account_name) = lower($2)`
}

const FIND_BY_SID: Statement = { name: 'principal_by_sid', text: `${PRINCIPAL} WHERE p.sid = $1` }

const FIND_BY_NAME: Statement = {
  text: `
    ${PRINCIPAL} WHERE lower(p.account_name) = lower($1) AND ($2::text IS NULL OR lower(p.domain) = lower($2))
    ORDER BY lower(p.domain) LIMIT 20`
}

const FIND_USERS_BY: Readonly<Record<'upn' | 'mail' | 'account', Statement>> = {
  upn: { text: `${PRINCIPAL} WHERE lower(p.upn) = lower($1) AND p.kind = 'user' LIMIT 2` },
  mail: { text: `${PRINCIPAL} WHERE lower(p.mail) = lower($1) AND p.kind = 'user' LIMIT 2` },
  account: { text: `${PRINCIPAL} WHERE lower(p.account_name) = lower($1) AND p.kind = 'user' LIMIT 2` }
}

const FIND_BY_TOKEN: Statement = {
  name: 'credential_by_token',
  text: `
    SELECT ${selectPrefixed(credentialEntity, 'c', 'credential')}, ${selectPrefixed(principalEntity, 'p', 'principal')}
    FROM certkeep.credential AS c
    JOIN certkeep.principal AS p ON p.id = c.principal_id
    WHERE c.token_hash = ANY ($1::bytea[]) AND c.revoked_at IS NULL AND p.disabled_at IS NULL`
}

/** Principals, their credentials and their enrollment secrets. What changes them is for the console. */
export class PrincipalStore {
  private readonly authenticated = findInBatches(
    (hashes: readonly Uint8Array[]) => this.findAllByToken(hashes),
    hash => toHex(hash)
  )

  constructor(private readonly dataSource: DataSource) {}

  /**
   * Adds a principal as a direct member of the groups named; a group that is not there is added too. Throws `conflict`
   * when the account name or the SID is taken.
   */
  add(principal: NewPrincipal, because: Because, unit?: Unit): Promise<void> {
    const { id, kind, domain, accountName, sid, groupNames, createdAt: at } = principal
    const detail = { kind, account: `${domain}\\${accountName}` }
    return within(this.dataSource, unit, async open => {
      // Before the row of the domain, as whoever adds a group does: two cannot wait for each other.
      await lockGroups(this.dataSource, open)
      await this.record(open, { object: 'principal', id, verb: 'added', at, detail }, because, () =>
        managerOf(this.dataSource, open).insert(principalEntity, { ...principal, groupNames: [] })
      )
      await reserveSid(this.dataSource, open, sid)
      await joinGroups(this.dataSource, open, { memberId: id, groupNames, now: at }, because)
    })
  }

  /** The next security identifier of a domain, which is given out once and never again. */
  allocateSid(domain: string, unit?: Unit): Promise<string> {
    return allocateSid(this.dataSource, unit, domain)
  }

  /** Those that exist, disabled ones too. */
  async findAll(ids: readonly PrincipalId[]): Promise<ReadonlyMap<PrincipalId, PrincipalRow>> {
    const rows = await query<PrincipalRow>(this.dataSource, undefined, FIND_ALL, [[...new Set(ids)]])
    return new Map(rows.map(row => [row.id, row]))
  }

  /** Disabled ones too. */
  find(id: PrincipalId, unit?: Unit): Promise<PrincipalRow | undefined> {
    return queryOne<PrincipalRow>(this.dataSource, unit, FIND, [id])
  }

  /** Whatever the case; disabled ones too. */
  findByAccount(domain: string, accountName: string): Promise<PrincipalRow | undefined> {
    return queryOne<PrincipalRow>(this.dataSource, undefined, FIND_BY_ACCOUNT, [domain, accountName])
  }

  /** Disabled ones too. */
  findBySid(sid: string): Promise<PrincipalRow | undefined> {
    return queryOne<PrincipalRow>(this.dataSource, undefined, FIND_BY_SID, [sid])
  }

  /** Those of `DOMAIN\\account`, or of an account whatever its domain; whatever the case, disabled ones too. */
  findByName(text: string, unit?: Unit): Promise<readonly PrincipalRow[]> {
    const separator = text.indexOf('\\')
    const domain = separator < 0 ? null : text.slice(0, separator)
    const values = [text.slice(separator + 1), domain]
    return query<PrincipalRow>(this.dataSource, unit, FIND_BY_NAME, values)
  }

  /** The users, disabled ones too, whose attribute is the text, whatever the case. */
  findUsersBy(attribute: 'upn' | 'mail' | 'account', text: string): Promise<readonly PrincipalRow[]> {
    return query<PrincipalRow>(this.dataSource, undefined, FIND_USERS_BY[attribute], [text])
  }

  /** In the order of their ids, which is no order that means anything; the cursor is the last id seen. */
  async list(limit: number, cursor?: PrincipalId): Promise<Page<PrincipalRow, PrincipalId>> {
    const conditions = new Conditions().add('p.id > ?', cursor)
    const text = `${PRINCIPAL} ${conditions.where()} ORDER BY p.id ${conditions.limit(limit)}`
    const rows = await query<PrincipalRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }

  /** Ends what the principal's credentials are good for. Whether it was not disabled yet. */
  disable(id: PrincipalId, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const manager = managerOf(this.dataSource, unit)
      const where = { id, disabledAt: IsNull() }
      const updated = await translated(manager.update(principalEntity, where, { disabledAt: now }))
      if (updated.affected !== 1) return false
      await appendChange(this.dataSource, unit, { object: 'principal', id, verb: 'disabled', at: now }, because)
      return true
    })
  }

  /** Throws `conflict` for a token that exists, `internal` for an unknown principal or CA. */
  addCredential(credential: NewCredential, because: Because, unit?: Unit): Promise<void> {
    const { id, principalId, label, scopes, createdAt: at } = credential
    const detail = { principalId, label, scopes: [...scopes] }
    const row = { ...credential, scopes: [...scopes], tokenHash: Buffer.from(credential.tokenHash) }
    return this.record(unit, { object: 'credential', id, verb: 'added', at, detail }, because, open =>
      managerOf(this.dataSource, open).insert(credentialEntity, row)
    )
  }

  /**
   * Whom a token's SHA-256 stands for. Undefined alike for a token that is unknown, revoked or past its end, and for a
   * disabled principal.
   */
  async findByToken(tokenHash: Uint8Array, now: Date): Promise<Authenticated | undefined> {
    const found = await this.authenticated(tokenHash)
    const end = found?.credential.expiresAt ?? null
    return end === null || end > now ? found : undefined
  }

  /** By the token's hash in hexadecimal digits; those past their end too. */
  private async findAllByToken(hashes: readonly Uint8Array[]): Promise<ReadonlyMap<string, Authenticated>> {
    const rows = await query<object>(this.dataSource, undefined, FIND_BY_TOKEN, [hashes])
    const found = rows.map(joined => ({
      principal: pickPrefixed(principalEntity, joined, 'principal'),
      credential: pickPrefixed(credentialEntity, joined, 'credential')
    }))
    return new Map(found.map(one => [toHex(one.credential.tokenHash), one]))
  }

  /** Revoked ones too, the oldest first. */
  listCredentials(principalId: PrincipalId): Promise<readonly CredentialRow[]> {
    const order = { createdAt: 'ASC', id: 'ASC' } as const
    return translated(this.dataSource.manager.find(credentialEntity, { where: { principalId }, order }))
  }

  /** Whether it was not revoked yet. */
  revokeCredential(id: string, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const manager = managerOf(this.dataSource, unit)
      const where = { id, revokedAt: IsNull() }
      const updated = await translated(manager.update(credentialEntity, where, { revokedAt: now }))
      if (updated.affected !== 1) return false
      await appendChange(this.dataSource, unit, { object: 'credential', id, verb: 'revoked', at: now }, because)
      return true
    })
  }

  /** Throws `conflict` when the identification is taken. */
  addSecret(secret: NewEnrollmentSecret, because: Because, now: Date, unit?: Unit): Promise<void> {
    const { principalId, identification } = secret
    const detail = { identification }
    const row = { ...secret, witnessKey: Buffer.from(secret.witnessKey) }
    const change = { object: 'principal', id: principalId, verb: 'secret_added', at: now, detail } as const
    return this.record(unit, change, because, open =>
      managerOf(this.dataSource, open).insert(enrollmentSecretEntity, row)
    )
  }

  /** For the front. One that is neither used nor past its end. */
  async findSecret(identification: string, now: Date): Promise<EnrollmentSecretRow | undefined> {
    const where = { identification, usedAt: IsNull(), expiresAt: MoreThan(now) }
    return (await translated(this.dataSource.manager.findOne(enrollmentSecretEntity, { where }))) ?? undefined
  }

  /** For the front. Whether this call, of any number at once, was the one that used it up. */
  useSecret(
    secret: Pick<EnrollmentSecretRow, 'identification' | 'principalId'>,
    because: Because,
    now: Date
  ): Promise<boolean> {
    const { identification, principalId } = secret
    return inTransaction(this.dataSource, async unit => {
      const where = { identification, usedAt: IsNull(), expiresAt: MoreThan(now) }
      const manager = managerOf(this.dataSource, unit)
      const updated = await translated(manager.update(enrollmentSecretEntity, where, { usedAt: now }))
      if (updated.affected !== 1) return false
      const detail = { identification }
      const change = { object: 'principal', id: principalId, verb: 'secret_used', at: now, detail } as const
      await appendChange(this.dataSource, unit, change, because)
      return true
    })
  }

  private record(
    unit: Unit | undefined,
    change: Change,
    because: Because,
    insert: (unit: Unit) => Promise<unknown>
  ): Promise<void> {
    return within(this.dataSource, unit, async open => {
      await translated(insert(open))
      await appendChange(this.dataSource, open, change, because)
    })
  }
}
