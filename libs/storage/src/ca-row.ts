import type { CaId } from '@app/core'

/** A certificate authority. `sanitizedName` and `shortName` are the forms of its name after MS-WCCE 3.1.1.4.1.1. */
export interface CaRow {
  readonly id: CaId
  readonly name: string
  readonly sanitizedName: string
  readonly shortName: string
  readonly kind: 'root' | 'subordinate'
  /** A subordinate awaits its certificate until the parent has signed one. */
  readonly state: 'awaiting_certificate' | 'active'
  /** Names of the groups that may enroll at it; null is whoever a template lets. */
  readonly enrollGroups: readonly string[] | null
  readonly createdAt: Date
}

/** One certificate of a CA. A renewal adds one; with a new key `keyIndex` rises too (MS-WCCE, CA certificate index). */
export interface CaCertificateRow {
  readonly caId: CaId
  readonly certIndex: number
  readonly keyIndex: number
  /** DER; null while a subordinate awaits it. */
  readonly certificate: Buffer | null
  /** DER of the parents, nearest first, up to the root; empty for a root. */
  readonly chain: readonly Buffer[]
  /** PKCS#10 of a subordinate, DER. */
  readonly request: Buffer | null
  /** What the key store knows the private key by. */
  readonly keyReference: string
  readonly subject: string
  readonly notBefore: Date | null
  readonly notAfter: Date | null
  /** SHA-1 of the DER certificate. */
  readonly sha1: Buffer | null
}

/** A certificate that a CA has; not one that it awaits. */
export type InstalledCaCertificate = CaCertificateRow & {
  readonly certificate: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  readonly sha1: Buffer
}

/** Which certificate and which key of a CA; see {@link CaCertificateRow}. */
export type CaCertificateVersion = Pick<CaCertificateRow, 'certIndex' | 'keyIndex'>

/**
 * A certificate that a CA signs for itself: the renewal of a root (both indexes the same), or a cross certificate between
 * two keys of a root (RFC 4210, 4.4). Recorded with its exact TBS before it is signed.
 */
export interface SelfIssuedCertificateRow {
  readonly caId: CaId
  /** Content octets of the INTEGER. */
  readonly serialNumber: Buffer
  /** The CA certificate whose key signs. */
  readonly issuerIndex: number
  /** The CA certificate whose key is certified. */
  readonly subjectIndex: number
  readonly state: 'reserved' | 'issued' | 'abandoned'
  readonly tbs: Buffer
  /** DER; null unless issued. */
  readonly certificate: Buffer | null
  readonly notAfter: Date
  readonly reservedAt: Date
}

/** A complete CRL, or one of the changes since a complete one (RFC 5280, 5.2.4). */
export type CrlKind = 'base' | 'delta'

/** One CRL as published, without its bytes. */
export interface CrlSummary {
  readonly caId: CaId
  /** The CRL number (RFC 5280, 5.2.3): rises with each CRL of a CA, whichever its key and its kind. */
  readonly number: number
  readonly keyIndex: number
  readonly kind: CrlKind
  /** The base that a delta states the changes since; null for a base. */
  readonly baseNumber: number | null
  /** The last change of a certificate's status that it knows of. */
  readonly changes: number
  /** How many certificates it lists. */
  readonly entries: number
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  /** When the next one of its kind is due, if nothing happens before. */
  readonly nextPublish: Date
}

/** One CRL as published. */
export interface CrlRow extends CrlSummary {
  /** DER */
  readonly crl: Buffer
}

/** What is recorded of a CRL before it is signed. */
export interface CrlIntentRow {
  readonly caId: CaId
  readonly number: number
  readonly keyIndex: number
  readonly kind: CrlKind
  /** SHA-256 of the TBSCertList; null for a CRL from before this was recorded. */
  readonly tbsDigest: Buffer | null
  readonly intendedAt: Date
}
