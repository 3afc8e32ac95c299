import type { PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction } from './unit.js'

/** A certificate of an account that another directory had. */
export interface ForeignCertificateRow {
  /** DER */
  readonly certificate: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  readonly importedAt: Date
}

/** One that is about to be added. */
export interface NewForeignCertificate {
  readonly principalId: PrincipalId
  readonly certificate: Uint8Array
  readonly subject: string
  readonly notBefore: Date
  readonly notAfter: Date
}

const LIST: Statement = {
  name: 'foreign_list',
  text: `
    SELECT c.certificate, c.not_before AS "notBefore", c.not_after AS "notAfter", c.imported_at AS "importedAt"
    FROM certkeep.foreign_certificate AS c WHERE c.principal_id = $1 ORDER BY c.not_before DESC, c.sha256 LIMIT 1000`
}

/** What this CA has published for the account is its own and is not imported. */
const ADD: Statement = {
  name: 'foreign_add',
  text: `
    INSERT INTO certkeep.foreign_certificate (principal_id, certificate, not_before, not_after, imported_at)
    SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (
      SELECT 1 FROM certkeep.published_certificate AS p
      JOIN certkeep.certificate AS i ON i.ca_id = p.ca_id AND i.serial_number = p.serial_number
      WHERE p.principal_id = $1 AND i.certificate = $2)
    ON CONFLICT DO NOTHING RETURNING encode(sha256, 'hex') AS sha256`
}

/** The values of userCertificate that come from another directory, beside those that are published here. */
export class ForeignCertificateStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Those of an account, the newest first; at most a thousand. */
  listOf(principalId: PrincipalId): Promise<readonly ForeignCertificateRow[]> {
    return query<ForeignCertificateRow>(this.dataSource, undefined, LIST, [principalId])
  }

  /** Adds a certificate to an account. Whether the account did not have it yet. */
  add(row: NewForeignCertificate, because: Because, now: Date): Promise<boolean> {
    const { principalId: id, subject, notBefore, notAfter } = row
    return inTransaction(this.dataSource, async unit => {
      const values = [id, Buffer.from(row.certificate), notBefore, notAfter, now]
      const added = await queryOne<{ readonly sha256: string }>(this.dataSource, unit, ADD, values)
      if (added === undefined) return false
      const detail = { subject, sha256: added.sha256 }
      const change = { object: 'principal', id, verb: 'certificate_imported', at: now, detail } as const
      await appendChange(this.dataSource, unit, change, because)
      return true
    })
  }
}
