import type { PrincipalId } from '@app/core'

/** A certificate that is registered for an account. */
export interface RegisteredCertificateRow {
  /** A GUID. */
  readonly identifier: string
  readonly principalId: PrincipalId
  readonly kind: 'internal' | 'external'
  /** The machine that has the key of an internal one; null for an external one. */
  readonly machineId: string | null
  /** DER */
  readonly certificate: Buffer
  /** MD5, which finds and never decides (MS-MQMQ 2.2.22). */
  readonly digest: Buffer
  readonly sha256: Buffer
  readonly subject: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly registeredAt: Date
}

/** A certificate that is about to be registered. */
export type NewRegisteredCertificate = Omit<RegisteredCertificateRow, 'certificate' | 'digest' | 'sha256'> & {
  readonly certificate: Uint8Array
}

/** What a machine itself knows of the internal certificate of an account. */
export interface InternalCertificateRow {
  readonly principalId: PrincipalId
  readonly machineId: string
  readonly certificate: Buffer
  readonly identifier: string
}
