import { AppError, type CaId, type PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import type { Because } from './audit-row.js'
import { encodeByteaArray } from './bytea-array.js'
import type { CertificateStatusRow, CrlEntryRow } from './certificate-row.js'
import type { SerialNumberOf } from './certificate-store.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableJson } from './text.js'
import type { Unit } from './unit.js'

/** Why a certificate is revoked. */
export interface NewRevocation {
  /** CRLReason (RFC 5280, 5.3.1): 0 to 6, 9 or 10. */
  readonly reason: number
  /** Since when it is not to be trusted, as far as known (RFC 5280, 5.3.2). */
  readonly invalidityDate?: Date
  /** The last change of its status that the caller has seen; 0 when there was none. Absent: whatever it is. */
  readonly expectedChange?: number
}

/** A page of a list of entries; this many are in memory at a time. */
const PAGE = 10_000

/** Before every serial number. */
const EMPTY = Buffer.alloc(0)

const REVOKE: Statement = {
  text: `SELECT certkeep.revoke_certificate($1, $2, NULL, $3, $4, $5, $6, $7::jsonb, $8) AS outcome`
}
const REVOKE_OWN: Statement = {
  text: `SELECT certkeep.revoke_own_certificate($1, $2, $3, $4, $5, $6, $7::jsonb, $8) AS outcome`
}
const RELEASE: Statement = {
  text: `SELECT certkeep.release_certificate($1, $2, $3, $4, $5::jsonb, $6) AS outcome`
}
const ORDER_CRL: Statement = { text: `SELECT certkeep.order_crl($1, $2, $3::jsonb, $4)` }

const CERTIFICATES_OF_KEY: Statement = {
  text: `SELECT cert_index AS "certIndex" FROM certkeep.ca_certificate
    WHERE ca_id = $1 AND key_index = $2 AND certificate IS NOT NULL ORDER BY cert_index`
}

/** Parameters: CA id, index of the CA certificate, serial number that has been read, time, rows. */
const ENTRIES: Statement = {
  text: `
    SELECT c.serial_number AS "serialNumber", coalesce(c.revoked_at, c.reserved_at) AS "revokedAt",
           c.revocation_reason AS reason, c.invalidity_date AS "invalidityDate"
    FROM certkeep.certificate AS c
    WHERE c.ca_id = $1 AND c.cert_index = $2 AND c.serial_number > $3 AND c.not_after >= $4
      AND (c.revoked_at IS NOT NULL OR c.state = 'abandoned')
    ORDER BY c.serial_number LIMIT $5`
}

/** Parameters: CA id, indices of CA certificates, time. A renewal that was interrupted leaves few of these. */
const ABANDONED_OF_CA: Statement = {
  text: `
    SELECT s.serial_number AS "serialNumber", s.reserved_at AS "revokedAt", NULL::integer AS reason,
           NULL::timestamptz AS "invalidityDate"
    FROM certkeep.self_issued_certificate AS s
    WHERE s.ca_id = $1 AND s.issuer_index = ANY ($2::integer[]) AND s.state = 'abandoned' AND s.not_after >= $3
    ORDER BY s.serial_number`
}

/**
 * Parameters: CA id, index of the CA certificate, change and serial number that have been read, rows. That there was a
 * change is said once more, since the planner does not see in the comparison that the partial index has all of these.
 */
const CHANGES: Statement = {
  text: `
    SELECT c.serial_number AS "serialNumber", c.revocation_reason AS reason, c.invalidity_date AS "invalidityDate",
           CASE WHEN c.state = 'abandoned' THEN c.reserved_at ELSE c.revoked_at END AS "revokedAt",
           c.status_change AS change
    FROM certkeep.certificate AS c
    WHERE c.ca_id = $1 AND c.cert_index = $2 AND c.status_change IS NOT NULL
      AND (c.status_change, c.serial_number) > ($3, $4::bytea)
    ORDER BY c.status_change, c.serial_number LIMIT $5`
}

/** Parameters: CA id, indices of CA certificates. */
const LAST_CHANGE: Statement = {
  text: `
    SELECT coalesce(max(s.last), 0) AS last, coalesce(max(s.crl_ordered), 0) AS ordered,
      coalesce((SELECT max(newest.status_change) FROM unnest($2::integer[]) AS of_key (cert_index)
                CROSS JOIN LATERAL (
                  SELECT c.status_change FROM certkeep.certificate AS c
                  WHERE c.ca_id = $1 AND c.cert_index = of_key.cert_index AND c.status_change IS NOT NULL
                  ORDER BY c.status_change DESC LIMIT 1) AS newest), 0) AS "ofKey"
    FROM certkeep.status_change AS s WHERE s.ca_id = $1`
}

/** Parameters: CA id, serial numbers. */
const STATUSES: Statement = {
  name: 'certificate_statuses',
  text: `
    SELECT c.serial_number AS "serialNumber", c.state, ca.key_index AS "keyIndex", c.revocation_reason AS reason,
           CASE WHEN c.state = 'abandoned' THEN c.reserved_at ELSE c.revoked_at END AS "revokedAt",
           c.status_change AS "statusChange"
    FROM unnest($2::bytea[]) AS wanted (serial_number)
    JOIN certkeep.certificate AS c ON c.ca_id = $1 AND c.serial_number = wanted.serial_number
    JOIN certkeep.ca_certificate AS ca ON ca.ca_id = c.ca_id AND ca.cert_index = c.cert_index`
}

/** How far the status of a CA's certificates has changed. */
export interface StatusChanges {
  /** The last change at the CA. Every change up to it is committed. */
  readonly last: number
  /** The last one of a certificate that was signed with the key. */
  readonly ofKey: number
  /** What an ordered CRL must know of; 0 when none was ordered. */
  readonly ordered: number
}

/**
 * The status of certificates. Each change is one call of a function of the database, which holds to the rules of
 * MS-CSRA 3.1.4.1.8, moves the request and writes the one audit event; it is in force at its commit. Every change of a
 * CA has a number, and who has read the last number sees all changes up to it.
 */
export class RevocationStore {
  constructor(
    private readonly dataSource: DataSource,
    private readonly pageSize = PAGE
  ) {}

  /**
   * For the console and the authority. Revokes, puts on hold (reason 6), or gives a certificate on hold or a revoked one
   * another final reason; it stays revoked since the first time. Throws `not_found` for a certificate that was never
   * issued, `precondition_failed` when its status is not the expected one any more, `revocation_state` when it is revoked
   * with this reason already, or for good and a hold is asked for.
   */
  async revoke(
    serial: SerialNumberOf,
    revocation: NewRevocation,
    because: Because,
    now: Date,
    unit?: Unit
  ): Promise<void> {
    const { reason, invalidityDate = null, expectedChange = null } = revocation
    const { actor, detail = {} } = because
    const values: unknown[] = [serial.caId, serial.serialNumber, expectedChange, reason, invalidityDate, actor]
    await this.change(REVOKE, [...values, storableJson(detail), now], unit)
  }

  /** For the front: as {@link revoke}, of a certificate of this principal and no other. */
  async revokeOwn(
    serial: SerialNumberOf,
    principalId: PrincipalId,
    { reason, invalidityDate }: Omit<NewRevocation, 'expectedChange'>,
    because: Because,
    now: Date,
    unit?: Unit
  ): Promise<void> {
    const { actor, detail = {} } = because
    const values: unknown[] = [serial.caId, serial.serialNumber, principalId, reason, invalidityDate ?? null, actor]
    await this.change(REVOKE_OWN, [...values, storableJson(detail), now], unit)
  }

  /** For the console. Takes a certificate off hold; throws as {@link revoke}, `revocation_state` unless it is on hold. */
  async release(
    serial: SerialNumberOf,
    expectedChange: number | undefined,
    because: Because,
    now: Date
  ): Promise<void> {
    const { actor, detail = {} } = because
    const values: unknown[] = [serial.caId, serial.serialNumber, expectedChange ?? null, actor]
    await this.change(RELEASE, [...values, storableJson(detail), now])
  }

  /** For the console. Makes new CRLs of a CA due at once, with an audit event. Wake the step `crl` after it. */
  async orderCrl(caId: CaId, because: Because, now: Date): Promise<void> {
    await query(this.dataSource, undefined, ORDER_CRL, [caId, because.actor, storableJson(because.detail ?? {}), now])
  }

  /** For the authority. */
  async changesOf(caId: CaId, keyIndex: number): Promise<StatusChanges> {
    const certIndices = await this.certificatesOfKey(caId, keyIndex)
    const row = await queryOne<StatusChanges>(this.dataSource, undefined, LAST_CHANGE, [caId, certIndices])
    return row ?? { last: 0, ofKey: 0, ordered: 0 }
  }

  /**
   * What a base CRL of a CA's key lists, page by page: what was revoked or abandoned and had not ended at `time`, serial
   * numbers of a renewal that was interrupted included. Give the time of the base before, so that each entry is once more
   * on a CRL after its end (RFC 5280, 3.3).
   */
  async *listForCrl(caId: CaId, keyIndex: number, time: Date): AsyncGenerator<readonly CrlEntryRow[]> {
    const certIndices = await this.certificatesOfKey(caId, keyIndex)
    for (const certIndex of certIndices) {
      let read: Buffer | undefined = EMPTY
      while (read !== undefined) {
        const values: unknown[] = [caId, certIndex, read, time, this.pageSize]
        const rows: readonly CrlEntryRow[] = await query<CrlEntryRow>(this.dataSource, undefined, ENTRIES, values)
        if (rows.length > 0) yield rows
        read = rows.length < this.pageSize ? undefined : rows.at(-1)?.serialNumber
      }
    }
    const own = await query<CrlEntryRow>(this.dataSource, undefined, ABANDONED_OF_CA, [caId, certIndices, time])
    if (own.length > 0) yield own
  }

  /**
   * What a delta CRL of a CA's key lists, page by page: every certificate whose status has changed after a change, ended
   * ones included (RFC 5280, 5.2.4). Those taken off hold have no time. One whose status changes meanwhile may come again, with
   * its newer status.
   */
  async *listChanges(caId: CaId, keyIndex: number, after: number): AsyncGenerator<readonly CrlEntryRow[]> {
    const certIndices = await this.certificatesOfKey(caId, keyIndex)
    for (const certIndex of certIndices) {
      let read: Pick<ChangedRow, 'change' | 'serialNumber'> | undefined = { change: after + 1, serialNumber: EMPTY }
      while (read !== undefined) {
        const values: unknown[] = [caId, certIndex, read.change, read.serialNumber, this.pageSize]
        const rows: readonly ChangedRow[] = await query<ChangedRow>(this.dataSource, undefined, CHANGES, values)
        if (rows.length > 0) yield rows
        read = rows.length < this.pageSize ? undefined : rows.at(-1)
      }
    }
  }

  /** Those of these serial numbers that the CA has used, reserved ones included, in any order. */
  findStatuses(caId: CaId, serialNumbers: readonly Uint8Array[]): Promise<readonly CertificateStatusRow[]> {
    const values = [caId, encodeByteaArray(serialNumbers)]
    return query<CertificateStatusRow>(this.dataSource, undefined, STATUSES, values)
  }

  private async certificatesOfKey(caId: CaId, keyIndex: number): Promise<readonly number[]> {
    const values = [caId, keyIndex]
    const rows = await query<{ readonly certIndex: number }>(this.dataSource, undefined, CERTIFICATES_OF_KEY, values)
    return rows.map(({ certIndex }) => certIndex)
  }

  private async change(statement: Statement, values: readonly unknown[], unit?: Unit): Promise<void> {
    const row = await queryOne<{ readonly outcome: string }>(this.dataSource, unit, statement, values)
    switch (row?.outcome) {
      case 'done':
        return
      case 'changed':
        throw new AppError(
          'precondition_failed',
          'The status of the certificate has changed since you looked at it. Look again.'
        )
      case 'state':
        throw new AppError(
          'revocation_state',
          'The certificate is not in a state that this changes: it may be revoked with this reason already, or for good.'
        )
      default:
        throw new AppError('not_found', 'There is no such certificate.')
    }
  }
}

interface ChangedRow extends CrlEntryRow {
  readonly change: number
}
