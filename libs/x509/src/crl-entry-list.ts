import { encodeGeneralizedTime, encodeTime, TAG } from '@app/der'
import { OID } from '@app/oid'
import { requireSerialNumber } from './certificate.js'
import { encodeExtensions, type Extension } from './extension.js'
import { encodeCrlReason, type CrlReason } from './identifier-extension.js'

/** One certificate that a CRL is to list. */
export interface NewCrlEntry {
  /** Content octets of the INTEGER. */
  readonly serialNumber: Uint8Array
  readonly revokedAt: Date
  /** `unspecified` is left out (RFC 5280, 5.3.1). */
  readonly reason?: CrlReason
  /** Since when the certificate is not to be trusted, as far as known (RFC 5280, 5.3.2). */
  readonly invalidityDate?: Date
}

/** Enough for a serial number of 20 octets, a time and both extensions. */
const LONGEST_ENTRY = 128

/** Tag, length and content of everything but a long date take one octet of length. */
const HEADER = 2

const NONE = new Uint8Array()

/**
 * The revokedCertificates of a CRL, encoded as they come: an entry costs its octets and nothing else, so that a list of
 * a million takes as much memory as it is long. Adding throws `x509_structure` for a serial number that no certificate
 * has.
 *
 * ```asn1
 * SEQUENCE {
 *   userCertificate     INTEGER,
 *   revocationDate      Time,
 *   crlEntryExtensions  Extensions OPTIONAL }
 * ```
 * RFC 5280, 5.1.
 */
export class CrlEntryList {
  private bytes = Buffer.allocUnsafe(64 * 1024)
  private used = 0
  private count = 0
  private readonly reasons = new Map<CrlReason | undefined, Uint8Array>([
    [undefined, NONE],
    ['unspecified', NONE]
  ])

  /** A list of these. */
  static of(entries: Iterable<NewCrlEntry>): CrlEntryList {
    const list = new CrlEntryList()
    for (const entry of entries) list.add(entry)
    return list
  }

  /** How many entries there are. */
  get length(): number {
    return this.count
  }

  /** All entries, one after the other; good until the next one is added. */
  get encoded(): Uint8Array {
    return this.bytes.subarray(0, this.used)
  }

  add(entry: NewCrlEntry): void {
    const { serialNumber } = entry
    requireSerialNumber(serialNumber, 'serial number')
    if (this.used + LONGEST_ENTRY > this.bytes.length) this.grow()
    const time = encodeTime(entry.revokedAt)
    const extensions = this.extensionsOf(entry)
    const { bytes } = this
    let at = this.used
    bytes[at++] = TAG.sequence
    bytes[at++] = HEADER + serialNumber.length + time.length + extensions.length
    bytes[at++] = TAG.integer
    bytes[at++] = serialNumber.length
    for (const part of [serialNumber, time, extensions]) {
      bytes.set(part, at)
      at += part.length
    }
    this.used = at
    this.count++
  }

  private extensionsOf({ reason, invalidityDate }: NewCrlEntry): Uint8Array {
    if (invalidityDate !== undefined) return encodeEntryExtensions(reason, invalidityDate)
    const known = this.reasons.get(reason)
    if (known !== undefined) return known
    const encoded = encodeEntryExtensions(reason)
    this.reasons.set(reason, encoded)
    return encoded
  }

  private grow(): void {
    const larger = Buffer.allocUnsafe(2 * this.bytes.length)
    larger.set(this.encoded)
    this.bytes = larger
  }
}

function encodeEntryExtensions(reason: CrlReason | undefined, invalidityDate?: Date): Uint8Array {
  const extensions: Extension[] = []
  if (reason !== undefined && reason !== 'unspecified') {
    extensions.push({ oid: OID.id_ce_cRLReasons, critical: false, value: encodeCrlReason(reason) })
  }
  if (invalidityDate !== undefined) {
    const value = encodeGeneralizedTime(invalidityDate)
    extensions.push({ oid: OID.id_ce_invalidityDate, critical: false, value })
  }
  return extensions.length === 0 ? NONE : encodeExtensions(extensions)
}
