import type { PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import { Conditions, type Page, pageOf } from './page.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableText } from './text.js'

/** A certificate that is published to its account. */
export interface PublishedCertificateRow {
  /** UUID */
  readonly id: string
  readonly principalId: PrincipalId
  readonly serialNumber: Buffer
  /** DER */
  readonly certificate: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  readonly revokedAt: Date | null
  readonly publishedAt: Date
  /** What another directory has of it. */
  readonly state: 'due' | 'done'
  readonly attempts: number
  readonly error: string | null
}

/** Whom a certificate is published for, as another directory may know the account. */
export interface PublicationTarget extends PublishedCertificateRow {
  readonly kind: string
  readonly sid: string
  readonly accountName: string
  readonly distinguishedName: string | null
}

const COLUMNS = `
  c.id, c.principal_id AS "principalId", c.serial_number AS "serialNumber", i.certificate, i.not_before AS "notBefore",
  i.not_after AS "notAfter", i.revoked_at AS "revokedAt", c.published_at AS "publishedAt", c.state, c.attempts, c.error`

const FROM = `
  FROM certkeep.published_certificate AS c
  JOIN certkeep.certificate AS i ON i.ca_id = c.ca_id AND i.serial_number = c.serial_number`

const LIST_OF: Statement = {
  name: 'published_of',
  text: `SELECT ${COLUMNS} ${FROM} WHERE c.principal_id = $1 ORDER BY i.not_before DESC, c.id LIMIT 1000`
}

const TAKE: Statement = {
  name: 'publication_take',
  text: `
    WITH taken AS (
      SELECT id FROM certkeep.published_certificate WHERE state = 'due' AND due_at <= $1
      ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    UPDATE certkeep.published_certificate AS c SET due_at = $3 FROM taken WHERE c.id = taken.id RETURNING c.id`
}

const FIND_DUE: Statement = {
  name: 'publication_find',
  text: `
    SELECT ${COLUMNS}, p.kind, p.sid, p.account_name AS "accountName", p.distinguished_name AS "distinguishedName"
    ${FROM} JOIN certkeep.principal AS p ON p.id = c.principal_id WHERE c.id = $1 AND c.state = 'due'`
}

const END: Statement = {
  text: `
    UPDATE certkeep.published_certificate SET state = 'done', ended_at = $2, attempts = attempts + 1, error = NULL
    WHERE id = $1 AND state = 'due'`
}

const POSTPONE: Statement = {
  text: `
    UPDATE certkeep.published_certificate SET due_at = $2, attempts = attempts + 1, error = $3
    WHERE id = $1 AND state = 'due'`
}

const COUNT: Statement = {
  text: `
    SELECT count(*)::integer AS due, count(*) FILTER (WHERE error IS NOT NULL)::integer AS failing
    FROM certkeep.published_certificate WHERE state = 'due'`
}

/**
 * Certificates that are published to their accounts. The database writes each when it is issued; this store tells of
 * them, and is for whoever publishes them to another directory.
 */
export class PublicationStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Those of an account (userCertificate), revoked and expired ones too, the newest first; at most a thousand. */
  listOf(principalId: PrincipalId): Promise<readonly PublishedCertificateRow[]> {
    return query<PublishedCertificateRow>(this.dataSource, undefined, LIST_OF, [principalId])
  }

  /** Takes up to `limit` that are due, the oldest first; nobody else takes them until `again`. Gives their ids. */
  async take(limit: number, now: Date, again: Date): Promise<readonly string[]> {
    const rows = await query<{ readonly id: string }>(this.dataSource, undefined, TAKE, [now, limit, again])
    return rows.map(({ id }) => id)
  }

  /** One that is due, with its account. */
  findDue(id: string): Promise<PublicationTarget | undefined> {
    return queryOne<PublicationTarget>(this.dataSource, undefined, FIND_DUE, [id])
  }

  /** Records that the other directory has it. */
  async end(id: string, now: Date): Promise<void> {
    await query(this.dataSource, undefined, END, [id, now])
  }

  /** Records an attempt in vain, and when to try again. */
  async postpone(id: string, dueAt: Date, error: string): Promise<void> {
    await query(this.dataSource, undefined, POSTPONE, [id, dueAt, storableText(error)])
  }

  /** How many are due, and how many of these were tried in vain. */
  async countDue(): Promise<{ readonly due: number; readonly failing: number }> {
    const row = await queryOne<{ due: number; failing: number }>(this.dataSource, undefined, COUNT, [])
    return row ?? { due: 0, failing: 0 }
  }

  /** For the console. Those that were tried in vain, by their ids; the cursor is the last id seen. */
  async listFailing(limit: number, cursor?: string): Promise<Page<PublicationTarget, string>> {
    const conditions = new Conditions().addText(`c.state = 'due' AND c.error IS NOT NULL`).add('c.id > ?', cursor)
    const text = `
      SELECT ${COLUMNS}, p.kind, p.sid, p.account_name AS "accountName", p.distinguished_name AS "distinguishedName"
      ${FROM} JOIN certkeep.principal AS p ON p.id = c.principal_id
      ${conditions.where()} ORDER BY c.id ${conditions.limit(limit)}`
    const rows = await query<PublicationTarget>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }
}
