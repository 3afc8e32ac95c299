import { hash } from 'node:crypto'
import { AppError, type CaId, type PrincipalId, type RequestId } from '@app/core'
import type { DataSource } from 'typeorm'
import type { Because } from './audit-row.js'
import { encodeByteaArray } from './bytea-array.js'
import type { CertificateRecord, CertificateRow } from './certificate-row.js'
import * as sql from './certificate-statements.js'
import { query, queryOne } from './sql.js'
import { storableJson, storableText } from './text.js'
import type { Unit } from './unit.js'

/** A serial number and the TBS that is about to be signed under it. */
export interface Reservation extends Pick<
  CertificateRow,
  'caId' | 'certIndex' | 'requestId' | 'archival' | 'sealedKeyRequestId' | 'subject' | 'principalId' | 'templateName'
> {
  readonly serialNumber: Uint8Array
  readonly tbs: Uint8Array
  readonly keyId: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
  readonly reservedAt: Date
}

/** A key and the principal that asks for a certificate for it. */
export interface KeyOfRequest {
  readonly requestId: RequestId
  /** SHA-1 of the public key's bit string. */
  readonly keyId: Uint8Array
  readonly principalId: PrincipalId
}

interface Numbered {
  readonly caId: CaId
  readonly change: number
}

/** What names a certificate within the installation. */
export interface SerialNumberOf {
  readonly caId: CaId
  /** Content octets of the INTEGER. */
  readonly serialNumber: Uint8Array
}

/** A certificate that was signed under a reserved serial number. */
export interface IssuedCertificate extends SerialNumberOf {
  readonly certificate: Uint8Array
  readonly sha1: Uint8Array
  readonly sha256: Uint8Array
  readonly issuedAt: Date
}

/** The ledger: serial numbers, each of which is used once, and the certificates issued under them. */
export class CertificateStore {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Reserves serial numbers. Commit before signing, so that every signature can be explained. Throws `conflict` when a
   * number is taken or a request has another reservation or a certificate of its own that is not abandoned.
   */
  async reserve(unit: Unit, reservations: readonly Reservation[]): Promise<void> {
    if (reservations.length === 0) return
    const column = <T>(of: (reservation: Reservation) => T): T[] => reservations.map(of)
    const byteColumn = (of: (reservation: Reservation) => Uint8Array) => encodeByteaArray(reservations.map(of))
    await query(this.dataSource, unit, sql.RESERVE, [
      column(({ caId }) => caId),
      byteColumn(({ serialNumber }) => serialNumber),
      column(({ certIndex }) => certIndex),
      column(({ requestId }) => requestId),
      column(({ archival }) => archival),
      column(({ sealedKeyRequestId }) => sealedKeyRequestId),
      byteColumn(({ tbs }) => tbs),
      column(({ subject }) => storableText(subject)),
      column(({ notBefore }) => notBefore),
      column(({ notAfter }) => notAfter),
      byteColumn(({ keyId }) => keyId),
      column(({ principalId }) => principalId),
      column(({ reservedAt }) => reservedAt),
      column(({ templateName }) => templateName)
    ])
  }

  /** The reservations that requests have, in the order of the requests. */
  findReserved(requestIds: readonly RequestId[], unit?: Unit): Promise<readonly CertificateRow[]> {
    return query<CertificateRow>(this.dataSource, unit, sql.FIND_RESERVED, [requestIds])
  }

  /**
   * Turns reservations into certificates, all of them: throws `conflict`, which rolls the unit back, when one is not
   * reserved any more. Throws `internal` for an archival one whose key is not sealed.
   */
  async finish(unit: Unit, certificates: readonly IssuedCertificate[]): Promise<void> {
    if (certificates.length === 0) return
    const column = <T>(of: (certificate: IssuedCertificate) => T): T[] => certificates.map(of)
    const byteColumn = (of: (certificate: IssuedCertificate) => Uint8Array) => encodeByteaArray(certificates.map(of))
    const finished = await query(this.dataSource, unit, sql.FINISH, [
      column(({ caId }) => caId),
      byteColumn(({ serialNumber }) => serialNumber),
      byteColumn(({ certificate }) => certificate),
      byteColumn(({ sha1 }) => sha1),
      byteColumn(({ sha256 }) => sha256),
      column(({ issuedAt }) => issuedAt)
    ])
    if (finished.length === certificates.length) return
    const message = `Of ${certificates.length} serial numbers to be issued, ${finished.length} were reserved.`
    throw new AppError('conflict', message)
  }

  /** Gives reservations up, with an audit event each; the numbers go on the CRLs. Those not reserved are left alone. */
  async abandon(unit: Unit, serials: readonly SerialNumberOf[], because: Because, now: Date): Promise<void> {
    if (serials.length === 0) return
    const caIds = [...new Set(serials.map(({ caId }) => caId))].toSorted((a, b) => a - b)
    const numbered = await query<Numbered>(this.dataSource, unit, sql.NUMBER_CHANGES, [caIds])
    const changes = new Map(numbered.map(({ caId, change }) => [caId, change]))
    await query(this.dataSource, unit, sql.ABANDON, [
      serials.map(({ caId }) => caId),
      encodeByteaArray(serials.map(({ serialNumber }) => serialNumber)),
      now,
      because.actor,
      storableJson(because.detail ?? {}),
      serials.map(({ caId }) => changes.get(caId))
    ])
  }

  findBySerial(caId: CaId, serialNumber: Uint8Array): Promise<CertificateRow | undefined> {
    return queryOne<CertificateRow>(this.dataSource, undefined, sql.FIND_BY_SERIAL, [caId, serialNumber])
  }

  /** By SHA-1 (20 bytes) or SHA-256 (32 bytes) of the DER certificate. */
  findByFingerprint(fingerprint: Uint8Array): Promise<CertificateRow | undefined> {
    const statement = fingerprint.length === 20 ? sql.FIND_BY_SHA1 : sql.FIND_BY_SHA256
    return queryOne<CertificateRow>(this.dataSource, undefined, statement, [fingerprint])
  }

  /** What is on record of the certificate of these very bytes; undefined when no CA here issued it. */
  findRecord(certificate: Uint8Array, unit?: Unit): Promise<CertificateRecord | undefined> {
    const sha256 = hash('sha256', certificate, 'buffer')
    return queryOne<CertificateRecord>(this.dataSource, unit, sql.FIND_RECORD, [sha256])
  }

  /** The one that was issued, revoked or not. */
  findByRequest(requestId: RequestId): Promise<CertificateRow | undefined> {
    return queryOne<CertificateRow>(this.dataSource, undefined, sql.FIND_BY_REQUEST, [requestId])
  }

  /** Whether a serial number was ever reserved for the request. Slow: for what happens seldom. */
  async hasSerialNumbers(requestId: RequestId, unit?: Unit): Promise<boolean> {
    const row = await queryOne<{ readonly found: boolean }>(this.dataSource, unit, sql.HAS_SERIALS, [requestId])
    return row?.found === true
  }

  /**
   * For each request whose key has been certified for another principal than the one given, revoked certificates
   * included, one such principal.
   */
  async findOtherOwners(keys: readonly KeyOfRequest[]): Promise<ReadonlyMap<RequestId, PrincipalId>> {
    const rows = await query<Pick<KeyOfRequest, 'requestId' | 'principalId'>>(
      this.dataSource,
      undefined,
      sql.FIND_OTHER_OWNERS,
      [
        keys.map(({ requestId }) => requestId),
        encodeByteaArray(keys.map(({ keyId }) => keyId)),
        keys.map(({ principalId }) => principalId)
      ]
    )
    return new Map(rows.map(({ requestId, principalId }) => [requestId, principalId]))
  }
}
