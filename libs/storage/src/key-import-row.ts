import type { CaId, PrincipalId, RequestId, TemplateId } from '@app/core'

/** `received`: yet to be sealed; `sealed`: in the archive; `failed`: refused for good. */
export type KeyImportState = 'received' | 'sealed' | 'failed'

/** A key that comes in from another archive, and the certificate that it belongs to. */
export interface NewKeyImport {
  /** UUID */
  readonly id: string
  readonly caId: CaId
  /** DER, as are `issuer` (a Name) and `publicKey` (a SubjectPublicKeyInfo). */
  readonly certificate: Uint8Array
  readonly subject: string
  readonly issuer: Uint8Array
  readonly serialNumber: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
  readonly sha1: Uint8Array
  readonly publicKey: Uint8Array
  readonly keyId: Uint8Array
  /** Whether no key of the CA has signed the certificate. */
  readonly isForeign: boolean
  /** The version of a template whose archival settings the key is sealed by. */
  readonly templateId: TemplateId
  /** Whether it may take the place of a key that is archived already. */
  readonly replaces: boolean
  /** Whose certificate it is, for one that this server did not issue. */
  readonly ownerId: PrincipalId | null
  readonly ownerName: string
  readonly receivedAt: Date
}

/** An import as the console tells of it. */
export interface KeyImportRow extends Pick<
  NewKeyImport,
  'id' | 'caId' | 'subject' | 'isForeign' | 'templateId' | 'replaces' | 'ownerName' | 'receivedAt'
> {
  readonly state: KeyImportState
  readonly serialNumber: Buffer
  readonly importedBy: string
  /** The request that the key is archived with; of a refused import, the one that has a key already. */
  readonly requestId: RequestId | null
  readonly resolvedAt: Date | null
  readonly failureCode: string | null
  readonly failureMessage: string | null
}

/** What the archive gets to see of an import. */
export interface KeyImportToSeal {
  readonly id: string
  readonly caId: CaId
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer
  readonly templateId: TemplateId
  readonly importedBy: string
  readonly receivedAt: Date
  /** ContentInfo wrapped to an exchange key; null when it is lost. */
  readonly envelope: Buffer | null
}
