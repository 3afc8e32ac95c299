import type { ErrorCode } from '@app/core'
import type { DataSource } from 'typeorm'
import type { NewSealedKey } from './archive-store.js'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import type { KeyImportRow, KeyImportToSeal, NewKeyImport } from './key-import-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableText } from './text.js'
import { inTransaction, type Unit, within } from './unit.js'

const ADD: Statement = {
  name: 'key_import_add',
  text: `
    WITH import AS (
      INSERT INTO certkeep.key_import (id, ca_id, state, certificate, subject, issuer, serial_number, not_before,
        not_after, sha1, public_key, key_id, is_foreign, template_id, replaces, owner_id, owner_name, imported_by,
        received_at)
      VALUES ($1, $2, 'received', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
    )
    INSERT INTO certkeep.key_import_envelope (import_id, envelope) VALUES ($1, $19)`
}

const FIND: Statement = {
  name: 'key_import_find',
  text: `
    SELECT id, ca_id AS "caId", state, subject, serial_number AS "serialNumber", is_foreign AS "isForeign",
           template_id AS "templateId", replaces, owner_name AS "ownerName", imported_by AS "importedBy",
           received_at AS "receivedAt", request_id AS "requestId", resolved_at AS "resolvedAt",
           failure_code AS "failureCode", failure_message AS "failureMessage"
    FROM certkeep.key_import WHERE id = $1`
}

/** The words of the condition are those of the partial index. */
const CLAIM: Statement = {
  name: 'key_import_claim',
  text: `
    SELECT i.id, i.ca_id AS "caId", i.public_key AS "publicKey", i.template_id AS "templateId",
           i.imported_by AS "importedBy", i.received_at AS "receivedAt",
           (SELECT e.envelope FROM certkeep.key_import_envelope AS e WHERE e.import_id = i.id) AS envelope
    FROM certkeep.key_import AS i
    WHERE i.state = 'received' AND (i.lease_until IS NULL OR i.lease_until <= $1)
    ORDER BY i.received_at LIMIT 1
    FOR NO KEY UPDATE OF i SKIP LOCKED`
}

const LEASE: Statement = {
  name: 'key_import_lease',
  text: `UPDATE certkeep.key_import SET lease_until = $2 WHERE id = $1`
}

const FINISH: Statement = {
  name: 'key_import_finish',
  text: `SELECT certkeep.finish_key_import($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS outcome`
}

const FAIL: Statement = {
  name: 'key_import_fail',
  text: `
    WITH gone AS (DELETE FROM certkeep.key_import_envelope WHERE import_id = $1)
    UPDATE certkeep.key_import SET state = 'failed', resolved_at = $2, failure_code = $3, failure_message = $4
    WHERE id = $1 AND state = 'received' RETURNING id`
}

/** Keys that come in from another archive. The console hands them in, the archive seals or refuses each of them once. */
export class KeyImportStore {
  constructor(private readonly dataSource: DataSource) {}

  /** For the console. Keeps a key, wrapped to an exchange key, until it is sealed or refused. */
  async add(row: NewKeyImport, envelope: Uint8Array, because: Because): Promise<void> {
    await inTransaction(this.dataSource, async unit => {
      const { id, caId, isForeign, replaces } = row
      await query(this.dataSource, unit, ADD, [...valuesOf(row, because.actor), Buffer.from(envelope)])
      const detail = { caId, serialNumber: Buffer.from(row.serialNumber).toString('hex'), foreign: isForeign, replaces }
      const change = { object: 'key_import', id, verb: 'received', at: row.receivedAt, detail } as const
      await appendChange(this.dataSource, unit, change, because)
    })
  }

  /** For the console. */
  find(id: string): Promise<KeyImportRow | undefined> {
    return queryOne<KeyImportRow>(this.dataSource, undefined, FIND, [id])
  }

  /**
   * For the archive. Claims the oldest import that is due and has `work` deal with it, in one transaction. Whether there
   * was one.
   */
  withClaimed(now: Date, work: (claimed: KeyImportToSeal, unit: Unit) => Promise<void>): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const claimed = await queryOne<KeyImportToSeal>(this.dataSource, unit, CLAIM, [now])
      if (claimed === undefined) return false
      await work(claimed, unit)
      return true
    })
  }

  /** For the archive. Leaves an import for later. */
  async postpone(id: string, until: Date, unit?: Unit): Promise<void> {
    await query(this.dataSource, unit, LEASE, [id, until])
  }

  /**
   * For the archive. Puts the key into the archive, with the request of its certificate; a certificate that has none gets
   * one. `exists` when a key is archived already and may not be replaced, which is the import's outcome then.
   */
  async finish(unit: Unit, id: string, key: Omit<NewSealedKey, 'requestId'>): Promise<'sealed' | 'exists' | 'gone'> {
    const { mode, quorum, sealed, keyFormat, algorithm, bits, contentEncryption, sealedAt } = key
    const agentIds = key.agentIds.toSorted((a, b) => a - b)
    const row = await queryOne<{ readonly outcome: 'sealed' | 'exists' | 'gone' }>(this.dataSource, unit, FINISH, [
      id,
      mode,
      quorum,
      Buffer.from(sealed),
      keyFormat,
      algorithm,
      bits,
      contentEncryption,
      agentIds,
      sealedAt
    ])
    return row?.outcome ?? 'gone'
  }

  /** For the archive. Refuses an import for good and deletes its envelope. Whether it was still open. */
  fail(
    unit: Unit | undefined,
    id: string,
    failure: { readonly code: ErrorCode; readonly message: string },
    because: Because,
    now: Date
  ): Promise<boolean> {
    const { code, message } = failure
    return within(this.dataSource, unit, async open => {
      const failed = await query(this.dataSource, open, FAIL, [id, now, code, storableText(message)])
      if (failed.length !== 1) return false
      const detail = { code }
      const change = { object: 'key_import', id, verb: 'failed', at: now, detail, outcome: 'failed' } as const
      await appendChange(this.dataSource, open, change, because)
      return true
    })
  }
}

function valuesOf(row: NewKeyImport, importedBy: string): readonly unknown[] {
  return [
    row.id,
    row.caId,
    Buffer.from(row.certificate),
    storableText(row.subject),
    Buffer.from(row.issuer),
    Buffer.from(row.serialNumber),
    row.notBefore,
    row.notAfter,
    Buffer.from(row.sha1),
    Buffer.from(row.publicKey),
    Buffer.from(row.keyId),
    row.isForeign,
    row.templateId,
    row.replaces,
    row.ownerId,
    storableText(row.ownerName),
    importedBy,
    row.receivedAt
  ]
}
