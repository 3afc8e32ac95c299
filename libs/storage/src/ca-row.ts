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

/** One CRL as published. */
export interface CrlRow {
  readonly caId: CaId
  /** The CRL number (RFC 5280, 5.2.3): rises with each CRL of a CA, whichever its key. */
  readonly number: number
  readonly keyIndex: number
  /** DER */
  readonly crl: Buffer
  readonly thisUpdate: Date
  readonly nextUpdate: Date
}
