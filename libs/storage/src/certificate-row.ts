import type { CaId, PrincipalId, RequestId, RequestState } from '@app/core'

/**
 * A serial number and what became of it. It is reserved, with the exact TBS, before anything is signed, so that every
 * signature can be explained; one that was reserved and never issued is abandoned and goes on the next CRL.
 */
export interface CertificateRow {
  readonly caId: CaId
  /** Content octets of the INTEGER. */
  readonly serialNumber: Buffer
  /** The certificate of the CA that it was made under. */
  readonly certIndex: number
  readonly requestId: RequestId
  readonly state: 'reserved' | 'issued' | 'abandoned'
  readonly archival: boolean
  /** Its sealed key, which is that of the same request: there for archival certificates, until abandoned. */
  readonly sealedKeyRequestId: RequestId | null
  readonly tbs: Buffer
  readonly certificate: Buffer | null
  readonly subject: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly sha1: Buffer | null
  readonly sha256: Buffer | null
  /** SHA-1 of the public key's bit string. */
  readonly keyId: Buffer
  readonly principalId: PrincipalId | null
  readonly reservedAt: Date
  readonly issuedAt: Date | null
  readonly revokedAt: Date | null
  /** CRLReason (RFC 5280, 5.3.1). */
  readonly revocationReason: number | null
  /** Since when the certificate is not to be trusted, as far as known (RFC 5280, 5.3.2). */
  readonly invalidityDate: Date | null
  /** The number of the last change of its status at its CA; null when it has never changed. */
  readonly statusChange: number | null
  /** The template that it was made from. */
  readonly templateName: string | null
}

/** The members of {@link CertificateSummary}. */
export const CERTIFICATE_SUMMARY_COLUMNS = [
  'caId',
  'serialNumber',
  'certIndex',
  'requestId',
  'state',
  'archival',
  'sealedKeyRequestId',
  'subject',
  'notBefore',
  'notAfter',
  'sha1',
  'sha256',
  'keyId',
  'principalId',
  'reservedAt',
  'issuedAt',
  'revokedAt',
  'revocationReason',
  'invalidityDate',
  'statusChange',
  'templateName'
] as const satisfies readonly (keyof CertificateRow)[]

/** What a list shows of a certificate. */
export type CertificateSummary = Pick<CertificateRow, (typeof CERTIFICATE_SUMMARY_COLUMNS)[number]>

/** What is on record of a certificate that somebody shows. */
export interface CertificateRecord {
  /** Null for the installation's own. */
  readonly principalId: PrincipalId | null
  readonly isPrincipalEnabled: boolean
  /** The name of the template that it was made from. */
  readonly template: string | null
  readonly isRevoked: boolean
}

/** What a CRL says of a certificate. */
export interface CrlEntryRow {
  readonly serialNumber: Buffer
  /** Of an abandoned serial number the time of its reservation; null for a certificate that was taken off hold. */
  readonly revokedAt: Date | null
  readonly reason: number | null
  readonly invalidityDate: Date | null
}

/** What the status of a certificate is answered from. */
export interface CertificateStatusRow {
  readonly serialNumber: Buffer
  readonly state: CertificateRow['state']
  readonly keyIndex: number
  /** Of an abandoned serial number the time of its reservation. */
  readonly revokedAt: Date | null
  readonly reason: number | null
  /** As `CertificateRow.statusChange`. */
  readonly statusChange: number | null
}

/** The signed PKIResponse for a request, in the state that it tells of. */
export interface ResponseRow {
  readonly requestId: RequestId
  readonly state: RequestState
  /** ContentInfo, DER. */
  readonly fullResponse: Buffer
  readonly createdAt: Date
}
