import type { AgentId, PrincipalId, RequestId } from '@app/core'
import type { DataSource } from 'typeorm'
import type { EnvelopeRow, SealedKeyRow } from './archive-row.js'
import { encodeByteaArray } from './bytea-array.js'
import { envelopeEntity, sealedKeyEntity } from './entities.js'
import { selectList } from './entity.js'
import { query, queryOne, type Statement } from './sql.js'
import type { Unit } from './unit.js'

/** An archived key that has been sealed, and the recovery agents it is sealed to. */
export interface SealedKey extends SealedKeyRow {
  readonly agentIds: readonly AgentId[]
}

/** A {@link SealedKey} that is about to be stored. */
export type NewSealedKey = Omit<SealedKey, 'sealed'> & { readonly sealed: Uint8Array }

const READ_ENVELOPES: Statement = {
  name: 'envelope_read',
  text: `
    SELECT ${selectList(envelopeEntity, 'e')} FROM certkeep.archived_key_envelope AS e
    WHERE e.request_id = ANY ($1::integer[])`
}

const DROP_ENVELOPES: Statement = {
  name: 'envelope_drop',
  text: `DELETE FROM certkeep.archived_key_envelope WHERE request_id = ANY ($1::integer[])`
}

/** Agents come as two arrays of pairs, since a key may have any number of them. */
const SEAL: Statement = {
  name: 'sealed_key_insert',
  text: `
    WITH sealed AS (
      INSERT INTO certkeep.sealed_key (
        request_id, mode, sealed, key_format, algorithm, bits, content_encryption, sealed_at, quorum, agent_ids)
      SELECT k.id, k.mode, k.sealed, k.format, k.algorithm, k.bits, k.encryption, k.at, k.quorum, k.agents::integer[]
      FROM unnest($1::integer[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::integer[], $7::text[],
                  $8::timestamptz[], $11::integer[], $12::text[])
        AS k (id, mode, sealed, format, algorithm, bits, encryption, at, quorum, agents)
    ), assigned AS (
      INSERT INTO certkeep.sealed_key_agent (request_id, agent_id) SELECT * FROM unnest($9::integer[], $10::integer[])
    )
    DELETE FROM certkeep.archived_key_envelope WHERE request_id = ANY ($1::integer[])`
}

const FIND_SEALED: Statement = {
  text: `
    SELECT ${selectList(sealedKeyEntity, 's')}, s.agent_ids AS "agentIds"
    FROM certkeep.sealed_key AS s WHERE s.request_id = $1 AND s.purged_at IS NULL`
}

/** Parameters: requester, key id, public key. The newest that became a certificate. */
const FIND_SEALED_BEFORE: Statement = {
  name: 'sealed_key_before',
  text: `
    SELECT ${selectList(sealedKeyEntity, 's')}, s.agent_ids AS "agentIds"
    FROM certkeep.request AS r JOIN certkeep.sealed_key AS s ON s.request_id = r.id
    WHERE r.key_id = $2 AND r.public_key = $3 AND r.requester_id = $1 AND r.state IN ('issued', 'revoked')
      AND s.purged_at IS NULL
    ORDER BY r.id DESC LIMIT 1`
}

const LIST_SEALED: Statement = {
  name: 'sealed_key_list',
  text: `SELECT request_id AS "requestId" FROM certkeep.sealed_key WHERE request_id = ANY ($1::integer[])`
}

const HAS_ENVELOPES: Statement = {
  text: `
    SELECT EXISTS (
      SELECT FROM certkeep.archived_key_envelope AS e JOIN certkeep.request AS r ON r.id = e.request_id
      WHERE r.submitted_at <= $1)
      OR EXISTS (SELECT FROM certkeep.key_import AS i WHERE i.state = 'received' AND i.received_at <= $1) AS found`
}

const PURGE_ENVELOPES: Statement = {
  text: `
    WITH purged AS (
      DELETE FROM certkeep.archived_key_envelope WHERE request_id IN (
        SELECT e.request_id FROM certkeep.archived_key_envelope AS e JOIN certkeep.request AS r ON r.id = e.request_id
        WHERE r.state IN ('denied', 'failed') AND r.resolved_at < $1 LIMIT $2)
      RETURNING request_id
    ), event AS (
      INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      SELECT $3, 'role:archive', 'request.envelope_purged', 'request', request_id::text, 'success', '{}' FROM purged
    )
    SELECT request_id FROM purged`
}

/** A reservation that a crash left behind keeps its key until it is abandoned. */
const PURGE_SEALED: Statement = {
  text: `
    WITH purged AS (
      DELETE FROM certkeep.sealed_key WHERE request_id IN (
        SELECT s.request_id FROM certkeep.sealed_key AS s JOIN certkeep.request AS r ON r.id = s.request_id
        WHERE r.state = 'failed' AND r.resolved_at < $1
          AND NOT EXISTS (SELECT FROM certkeep.certificate AS c WHERE c.sealed_key_request_id = s.request_id)
        LIMIT $2)
      RETURNING request_id
    ), event AS (
      INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      SELECT $3, 'role:archive', 'sealed_key.purged', 'sealed_key', request_id::text, 'success', '{}' FROM purged
    )
    SELECT request_id FROM purged`
}

/** Archived keys: as they came, and sealed. For the archive, save where it says otherwise. */
export class ArchiveStore {
  constructor(private readonly dataSource: DataSource) {}

  /** The envelopes of requests that have one. */
  async readEnvelopes(unit: Unit, ids: readonly RequestId[]): Promise<ReadonlyMap<RequestId, EnvelopeRow>> {
    const rows = await query<EnvelopeRow>(this.dataSource, unit, READ_ENVELOPES, [ids])
    return new Map(rows.map(row => [row.requestId, row]))
  }

  /**
   * Stores sealed keys and deletes the envelopes they came in. Move their requests in the same unit. Throws `conflict`
   * when one of them was sealed before.
   */
  async seal(unit: Unit, keys: readonly NewSealedKey[]): Promise<void> {
    if (keys.length === 0) return
    const pairs = keys.flatMap(({ requestId, agentIds }) => agentIds.map(agentId => ({ requestId, agentId })))
    await query(this.dataSource, unit, SEAL, [
      keys.map(({ requestId }) => requestId),
      keys.map(({ mode }) => mode),
      encodeByteaArray(keys.map(({ sealed }) => sealed)),
      keys.map(({ keyFormat }) => keyFormat),
      keys.map(({ algorithm }) => algorithm),
      keys.map(({ bits }) => bits),
      keys.map(({ contentEncryption }) => contentEncryption),
      keys.map(({ sealedAt }) => sealedAt),
      pairs.map(({ requestId }) => requestId),
      pairs.map(({ agentId }) => agentId),
      keys.map(({ quorum }) => quorum),
      keys.map(({ agentIds }) => `{${agentIds.toSorted((a, b) => a - b).join(',')}}`)
    ])
  }

  /** Deletes the envelopes of requests that fail in the same unit. */
  async dropEnvelopes(unit: Unit, ids: readonly RequestId[]): Promise<void> {
    if (ids.length === 0) return
    await query(this.dataSource, unit, DROP_ENVELOPES, [ids])
  }

  /** With the sealed bytes, which only agents can open. */
  findSealed(requestId: RequestId): Promise<SealedKey | undefined> {
    return queryOne<SealedKey>(this.dataSource, undefined, FIND_SEALED, [requestId])
  }

  /** The sealed key of an earlier certificate of the same principal for the same public key. */
  findSealedBefore(
    of: { readonly requesterId: PrincipalId; readonly keyId: Uint8Array; readonly publicKey: Uint8Array },
    unit: Unit
  ): Promise<SealedKey | undefined> {
    const values = [of.requesterId, of.keyId, of.publicKey]
    return queryOne<SealedKey>(this.dataSource, unit, FIND_SEALED_BEFORE, values)
  }

  /** For the authority too: which of the requests have a sealed key. */
  async listSealed(ids: readonly RequestId[], unit?: Unit): Promise<ReadonlySet<RequestId>> {
    const rows = await query<{ readonly requestId: RequestId }>(this.dataSource, unit, LIST_SEALED, [ids])
    return new Set(rows.map(({ requestId }) => requestId))
  }

  /** Whether an envelope is left of a request that was submitted at the time or earlier. */
  async hasEnvelopesFrom(submittedUntil: Date): Promise<boolean> {
    const row = await queryOne<{ readonly found: boolean }>(this.dataSource, undefined, HAS_ENVELOPES, [submittedUntil])
    return row?.found === true
  }

  /**
   * Deletes up to `limit` envelopes whose requests were denied or failed before a time, with an audit event each. Gives
   * how many.
   */
  async purgeEnvelopes(resolvedBefore: Date, limit: number, now: Date): Promise<number> {
    const rows = await query(this.dataSource, undefined, PURGE_ENVELOPES, [resolvedBefore, limit, now])
    return rows.length
  }

  /**
   * Deletes up to `limit` sealed keys whose requests failed before a time, so that no certificate will ever be made for
   * them, with an audit event each. Gives how many.
   */
  async purgeSealed(failedBefore: Date, limit: number, now: Date): Promise<number> {
    const rows = await query(this.dataSource, undefined, PURGE_SEALED, [failedBefore, limit, now])
    return rows.length
  }
}
