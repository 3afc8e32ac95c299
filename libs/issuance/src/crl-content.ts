import { encodeTime } from '@app/der'
import { OID } from '@app/oid'
import {
  CRL_REASONS,
  encodeCaVersion,
  encodeCrlDistributionPoints,
  encodeCrlNumber,
  type CaVersion,
  type Certificate,
  type CrlReason,
  type Extension,
  type NewCrlEntry
} from '@app/x509'
import { authorityKeyIdentifierOf } from './issuer.js'

/** What a CRL says beside its entries. */
export interface CrlContent {
  /** The newest certificate of the key that signs it. */
  readonly issuer: Certificate
  readonly version: CaVersion
  readonly number: number
  readonly nextPublish: Date
  /** Where the CRL itself is to be had. */
  readonly urls: readonly string[]
  /** Of a base: where its deltas are; empty when there are none. */
  readonly deltaUrls: readonly string[]
  /** Of a delta: the base that it states the changes since, and the newest base. */
  readonly delta?: { readonly baseNumber: number; readonly newestBase: number }
}

/**
 * The extensions of a CRL: those of RFC 5280, 5.2, and those by which Windows recognises the CA key, the base of a
 * delta, the time of the next publication and the places of publication (wincrypt.h, szOID_CERTSRV_CA_VERSION,
 * szOID_CRL_VIRTUAL_BASE, szOID_CRL_NEXT_PUBLISH, szOID_CRL_SELF_CDP). Only deltaCRLIndicator is critical, as it must be.
 */
export function crlExtensions(content: CrlContent): Extension[] {
  const { delta, deltaUrls } = content
  const extensions = [
    authorityKeyIdentifierOf(content.issuer),
    plain(OID.szOID_CERTSRV_CA_VERSION, encodeCaVersion(content.version)),
    plain(OID.id_ce_cRLNumber, encodeCrlNumber(BigInt(content.number)))
  ]
  if (delta !== undefined) {
    const value = encodeCrlNumber(BigInt(delta.baseNumber))
    extensions.push({ oid: OID.id_ce_deltaCRLIndicator, critical: true, value })
    extensions.push(plain(OID.szOID_CRL_VIRTUAL_BASE, encodeCrlNumber(BigInt(delta.newestBase))))
  }
  extensions.push(plain(OID.szOID_CRL_NEXT_PUBLISH, encodeTime(content.nextPublish)))
  if (delta === undefined && deltaUrls.length > 0) {
    extensions.push(plain(OID.id_ce_freshestCRL, encodeCrlDistributionPoints(deltaUrls)))
  }
  if (content.urls.length > 0) extensions.push(plain(OID.szOID_CRL_SELF_CDP, encodeCrlDistributionPoints(content.urls)))
  return extensions
}

function plain(oid: string, value: Uint8Array): Extension {
  return { oid, critical: false, value }
}

/** What the ledger knows of a certificate that goes on a CRL. */
export interface RevokedCertificate {
  readonly serialNumber: Uint8Array
  /** Null for one that was taken off hold. */
  readonly revokedAt: Date | null
  /** CRLReason (RFC 5280, 5.3.1); null when there is none. */
  readonly reason: number | null
  readonly invalidityDate: Date | null
}

const reasons = new Map(Object.entries(CRL_REASONS).map(([name, number]) => [number as number, name as CrlReason]))

/** The entry of a certificate on a CRL of this time: what is revoked no more is removed (RFC 5280, 5.3.1). */
export function crlEntryOf(row: RevokedCertificate, thisUpdate: Date): NewCrlEntry {
  const { serialNumber, revokedAt, invalidityDate } = row
  if (revokedAt === null) return { serialNumber, revokedAt: thisUpdate, reason: 'removeFromCRL' }
  const reason = row.reason === null ? undefined : reasons.get(row.reason)
  return {
    serialNumber,
    revokedAt,
    ...(reason === undefined ? {} : { reason }),
    ...(invalidityDate === null ? {} : { invalidityDate })
  }
}
