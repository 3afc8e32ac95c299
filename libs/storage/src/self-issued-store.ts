import { AppError, type CaId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import type { SelfIssuedCertificateRow } from './ca-row.js'
import { selfIssuedEntity } from './self-issued-entity.js'
import { managerOf, translated, type Unit } from './unit.js'

/** A certificate that a CA is about to sign for itself. */
export type NewSelfIssuedCertificate = Pick<
  SelfIssuedCertificateRow,
  'caId' | 'issuerIndex' | 'subjectIndex' | 'notAfter' | 'reservedAt'
> & {
  readonly serialNumber: Uint8Array
  readonly tbs: Uint8Array
}

/**
 * The certificates that CAs sign for themselves: renewed roots and cross certificates. Each serial number is recorded
 * with its TBS before anything is signed; one that came to nothing is abandoned and goes on the CRL. The audit log hears
 * of the renewal that they belong to.
 */
export class SelfIssuedStore {
  constructor(private readonly dataSource: DataSource) {}

  /** For the owner. Throws `conflict` when one is there already between the same two CA certificates. */
  async reserve(unit: Unit, certificates: readonly NewSelfIssuedCertificate[], because: Because): Promise<void> {
    const rows = certificates.map(certificate => ({
      ...certificate,
      serialNumber: Buffer.from(certificate.serialNumber),
      tbs: Buffer.from(certificate.tbs),
      state: 'reserved' as const,
      certificate: null
    }))
    await translated(managerOf(this.dataSource, unit).insert(selfIssuedEntity, rows))
    for (const { caId: id, serialNumber, issuerIndex, subjectIndex, reservedAt: at } of rows) {
      const detail = { serialNumber: serialNumber.toString('hex'), issuerIndex, subjectIndex }
      const change = { object: 'ca', id, verb: 'certificate_reserved', at, detail } as const
      await appendChange(this.dataSource, unit, change, because)
    }
  }

  /** For the owner. Records what was signed. Throws `conflict` when the serial number is not reserved any more. */
  async finish(unit: Unit, caId: CaId, serialNumber: Uint8Array, certificate: Uint8Array): Promise<void> {
    const where = { caId, serialNumber: Buffer.from(serialNumber), state: 'reserved' as const }
    const patch = { state: 'issued' as const, certificate: Buffer.from(certificate) }
    const updated = await translated(managerOf(this.dataSource, unit).update(selfIssuedEntity, where, patch))
    if (updated.affected !== 1) throw new AppError('conflict', 'The serial number is not reserved any more.')
  }

  /** For the owner. Gives up what was reserved for a certificate of the CA; nobody knows whether it was signed. */
  async abandon(unit: Unit, caId: CaId, subjectIndex: number): Promise<void> {
    const manager = managerOf(this.dataSource, unit)
    const abandoned = { state: 'abandoned' as const }
    for (const side of [{ subjectIndex }, { issuerIndex: subjectIndex }]) {
      await translated(manager.update(selfIssuedEntity, { caId, state: 'reserved' as const, ...side }, abandoned))
    }
  }

  /**
   * The cross certificates by which who trusts an older root of the CA accepts its newer keys, DER, the newest first
   * (RFC 4210, 4.4, newWithOld). Those that have ended are left out.
   */
  async listNewWithOld(caId: CaId, now: Date): Promise<readonly Uint8Array[]> {
    const rows = await this.listIssued(caId)
    return rows
      .filter(({ issuerIndex, subjectIndex, notAfter }) => issuerIndex < subjectIndex && notAfter > now)
      .toReversed()
      .map(({ certificate }) => certificate)
  }

  /** Those of a CA that were issued, by the CA certificates that they are for and from. */
  listIssued(caId: CaId): Promise<readonly IssuedSelfIssuedCertificate[]> {
    const where = { caId, state: 'issued' as const }
    const order = { subjectIndex: 'ASC', issuerIndex: 'ASC' } as const
    // A constraint has it that what is issued has its certificate.
    return translated(this.dataSource.manager.find(selfIssuedEntity, { where, order })) as Promise<
      readonly IssuedSelfIssuedCertificate[]
    >
  }
}

/** One that was issued. */
export type IssuedSelfIssuedCertificate = SelfIssuedCertificateRow & { readonly certificate: Buffer }
