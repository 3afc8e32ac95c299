import type { AuditVerb } from '@app/audit'
import { toHex, type CaId, type ExchangeKeyId, type RequestId } from '@app/core'
import { type DataSource, In } from 'typeorm'
import type { ExchangeKeyRow } from './archive-row.js'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { findInBatches } from './batches.js'
import { exchangeKeyEntity } from './entities.js'
import { selectList } from './entity.js'
import { query, queryOne, type Statement } from './sql.js'
import { managerOf, translated, type Unit, within } from './unit.js'

/** An exchange key that has just been generated or imported. */
export interface NewExchangeKey extends Pick<ExchangeKeyRow, 'caId' | 'keyReference' | 'imported' | 'createdAt'> {
  readonly publicKey: Uint8Array
}

/** The certificate that an exchange key gets. */
export interface ExchangeCertificate {
  readonly certificate: Uint8Array
  /** DER Name */
  readonly issuer: Uint8Array
  readonly serialNumber: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
  /** The request it was made by; null for an imported key. */
  readonly requestId: RequestId | null
  /** The key of the CA that signed it; null for an imported key. */
  readonly caKeyIndex: number | null
}

const FIND_BY_RECIPIENT: Statement = {
  name: 'exchange_key_by_recipient',
  text: `
    SELECT ${selectList(exchangeKeyEntity, 'k')} FROM certkeep.exchange_key AS k
    JOIN unnest($1::bytea[], $2::bytea[]) AS n (issuer, serial_number)
      ON k.issuer = n.issuer AND k.serial_number = n.serial_number`
}

/** Signed with the CA's present key: after a renewal with a new one, clients no longer trust the old for long. */
const FIND_CURRENT: Statement = {
  name: 'exchange_key_current',
  text: `
    SELECT ${selectList(exchangeKeyEntity, 'k')} FROM certkeep.exchange_key AS k
    WHERE k.ca_id = $1 AND k.state = 'certified' AND NOT k.imported AND k.not_before <= $2 AND k.not_after >= $2
      AND k.ca_key_index = (
        SELECT a.key_index FROM certkeep.ca_certificate AS a
        WHERE a.ca_id = $1 AND a.certificate IS NOT NULL ORDER BY a.cert_index DESC LIMIT 1)
    ORDER BY k.not_after DESC, k.id DESC LIMIT 1`
}

/** The keys that clients wrap their private keys to. Every move of a state is compare-and-set and audited. */
export class ExchangeKeyStore {
  private readonly named = findInBatches((names: readonly CertificateName[]) => this.findAllNamed(names), textOf)

  constructor(private readonly dataSource: DataSource) {}

  /** For the archive. */
  add(key: NewExchangeKey, because: Because, unit?: Unit): Promise<ExchangeKeyId> {
    const { dataSource } = this
    return within(dataSource, unit, async open => {
      const row = { ...key, publicKey: Buffer.from(key.publicKey), state: 'generated' as const }
      const inserted = await translated(managerOf(dataSource, open).insert(exchangeKeyEntity, row))
      const id = (inserted.identifiers[0] as Pick<ExchangeKeyRow, 'id'>).id
      const verb = key.imported ? 'imported' : 'generated'
      const change = { object: 'exchange_key', id, verb, at: key.createdAt, detail: { caId: key.caId } } as const
      await appendChange(dataSource, open, change, because)
      return id
    })
  }

  async find(id: ExchangeKeyId): Promise<ExchangeKeyRow | undefined> {
    return (await translated(this.dataSource.manager.findOne(exchangeKeyEntity, { where: { id } }))) ?? undefined
  }

  /** All of a CA, the oldest first. */
  list(caId: CaId): Promise<readonly ExchangeKeyRow[]> {
    return translated(this.dataSource.manager.find(exchangeKeyEntity, { where: { caId }, order: { id: 'ASC' } }))
  }

  /** All in a state, of every CA, the oldest first. */
  listInState(state: ExchangeKeyRow['state']): Promise<readonly ExchangeKeyRow[]> {
    return translated(this.dataSource.manager.find(exchangeKeyEntity, { where: { state }, order: { id: 'ASC' } }))
  }

  /**
   * The one whose certificate is valid at the time and signed with the CA's present key; of several, the one that ends
   * last. Never an imported one: its certificate is that of another CA.
   */
  findCurrent(caId: CaId, now: Date): Promise<ExchangeKeyRow | undefined> {
    return queryOne<ExchangeKeyRow>(this.dataSource, undefined, FIND_CURRENT, [caId, now])
  }

  /** By what a RecipientInfo names (RFC 5652, 6.2.1); in any state, so that a destroyed one is told from an unknown one. */
  findByRecipient(issuer: Uint8Array, serialNumber: Uint8Array): Promise<ExchangeKeyRow | undefined> {
    return this.named({ issuer, serialNumber })
  }

  private async findAllNamed(names: readonly CertificateName[]): Promise<ReadonlyMap<unknown, ExchangeKeyRow>> {
    const values = [names.map(({ issuer }) => issuer), names.map(({ serialNumber }) => serialNumber)]
    const rows = await query<ExchangeKeyRow>(this.dataSource, undefined, FIND_BY_RECIPIENT, values)
    return new Map(rows.map(row => [textOf(row), row]))
  }

  /** generated to requested: its certificate has been asked for. Whether it moved. */
  request(id: ExchangeKeyId, requestId: RequestId, because: Because, now: Date, unit?: Unit): Promise<boolean> {
    return this.change(
      { id, from: ['generated'], verb: 'requested', at: now },
      { state: 'requested', requestId },
      because,
      unit
    )
  }

  /** generated or requested to certified. Whether it moved. Throws `conflict` when another key has that certificate. */
  certify(
    id: ExchangeKeyId,
    certificate: ExchangeCertificate,
    because: Because,
    now: Date,
    unit?: Unit
  ): Promise<boolean> {
    const patch = {
      ...certificate,
      state: 'certified' as const,
      certificate: Buffer.from(certificate.certificate),
      issuer: Buffer.from(certificate.issuer),
      serialNumber: Buffer.from(certificate.serialNumber)
    }
    return this.change({ id, from: ['generated', 'requested'], verb: 'certified', at: now }, patch, because, unit)
  }

  /** Any state to destroyed, once the key itself is gone. Whether it moved. */
  destroy(id: ExchangeKeyId, because: Because, now: Date): Promise<boolean> {
    const from = ['generated', 'requested', 'certified'] as const
    return this.change({ id, from, verb: 'destroyed', at: now }, { state: 'destroyed', destroyedAt: now }, because)
  }

  private change(move: KeyMove, patch: Partial<ExchangeKeyRow>, because: Because, unit?: Unit): Promise<boolean> {
    const { dataSource } = this
    const { id, from, verb, at } = move
    return within(dataSource, unit, async open => {
      const where = { id, state: In(from) }
      const updated = await translated(managerOf(dataSource, open).update(exchangeKeyEntity, where, patch))
      if (updated.affected !== 1) return false
      await appendChange(dataSource, open, { object: 'exchange_key', id, verb, at }, because)
      return true
    })
  }
}

/** What a certificate is named by. */
interface CertificateName {
  readonly issuer: Uint8Array | null
  readonly serialNumber: Uint8Array | null
}

function textOf({ issuer, serialNumber }: CertificateName): string {
  return `${toHex(issuer ?? new Uint8Array())} ${toHex(serialNumber ?? new Uint8Array())}`
}

interface KeyMove {
  readonly id: ExchangeKeyId
  readonly from: readonly ExchangeKeyRow['state'][]
  readonly verb: AuditVerb<'exchange_key'>
  readonly at: Date
}
