import type { PrincipalId } from '@app/core'

/** A client of the site. */
export interface RegistrationRow {
  /** `GUID:` and a GUID in upper case. */
  readonly smsid: string
  readonly status: 'pending' | 'registered' | 'rejected'
  /** What the site thinks of it; a block, which stands beside, counts first. */
  readonly approval: 'not_approved' | 'approved' | 'not_applicable'
  readonly blockedAt: Date | null
  readonly mode: 'mixed' | 'native'
  /** SHA-256 of the SubjectPublicKeyInfo in the signing certificate. */
  readonly keyHash: Buffer
  readonly signingCertificate: Buffer
  readonly encryptionCertificate: Buffer | null
  readonly agentType: number
  readonly agentVersion: string
  readonly agentIdentity: string
  readonly netbiosName: string
  readonly fqdn: string
  readonly hardwareId: string | null
  /** Discovery properties by their names in lower case. */
  readonly properties: Readonly<Record<string, string>>
  /** The proxy that signs for it. */
  readonly proxySmsid: string | null
  /** Whether it proved to be an account of the directory when it registered, and which. */
  readonly isIntegrated: boolean
  readonly callerId: PrincipalId | null
  /** The account that it is in the directory; only a client that may have secrets gets one. */
  readonly principalId: PrincipalId | null
  /** Whether that account was disabled by a block or by the end of an approval. */
  readonly isPrincipalDisabled: boolean
  /** The client that it turned out to be. */
  readonly mergedInto: string | null
  /** Why it was rejected. */
  readonly refusal: string | null
  readonly requestedAt: Date
  readonly decidedAt: Date | null
  readonly confirmedAt: Date | null
}

/** A client that is about to be known, before anything is decided of it. */
export type NewRegistration = Pick<
  RegistrationRow,
  'smsid' | 'mode' | 'netbiosName' | 'fqdn' | 'proxySmsid' | 'requestedAt'
> & {
  readonly keyHash: Uint8Array
  readonly signingCertificate: Uint8Array
}

/** What a decision writes of a client: what it said of itself. */
export type RegistrationFacts = Pick<
  RegistrationRow,
  | 'approval'
  | 'mode'
  | 'agentType'
  | 'agentVersion'
  | 'agentIdentity'
  | 'netbiosName'
  | 'fqdn'
  | 'hardwareId'
  | 'properties'
  | 'proxySmsid'
  | 'isIntegrated'
  | 'callerId'
> & {
  readonly keyHash: Uint8Array
  readonly signingCertificate: Uint8Array
  readonly encryptionCertificate: Uint8Array | null
}

/** A message that was taken. */
export interface RegistrationMessageRow {
  readonly id: string
  readonly smsid: string
  readonly kind: 'Registration' | 'Confirmation' | 'Enrollment'
  /** SHA-256 over the signature's octets; no two messages have one. */
  readonly signatureHash: Buffer
  /** The signed text; only while a registration waits. */
  readonly data: string | null
  readonly signature: string | null
  readonly proxySmsid: string | null
  readonly mode: 'mixed' | 'native'
  readonly callerId: PrincipalId | null
  /** Whether the signing certificate chains to a CA that the site trusts and is not revoked. */
  readonly isCertified: boolean
  readonly receivedAt: Date
  /** `held`: an operator has to resolve a conflict first. */
  readonly state: 'due' | 'held' | 'done'
}

/** A message that has just come in. */
export type NewRegistrationMessage = Omit<RegistrationMessageRow, 'id' | 'state' | 'signatureHash'> & {
  readonly signatureHash: Uint8Array
}

/** Two clients with one hardware identifier. */
export interface RegistrationConflictRow {
  readonly id: string
  /** The newcomer. */
  readonly smsid: string
  /** The client that was there before. */
  readonly conflictSmsid: string
  readonly hardwareId: string
  /** The message that waits for the resolution. */
  readonly messageId: string
  readonly foundAt: Date
  readonly resolution: 'keep' | 'new' | 'merge' | null
  readonly resolvedAt: Date | null
}

/** The settings of the site that operators change. */
export interface SiteRow {
  readonly siteCode: string
  readonly mode: 'mixed' | 'native' | 'both'
  readonly approvalMode: 'manual' | 'trusted_domains' | 'all'
  readonly waitMinimumSeconds: number
  readonly waitMaximumSeconds: number
  /** How far a message's time may be from the server's, and how long its signature is remembered. */
  readonly replayWindowSeconds: number
  readonly isCrlChecked: boolean
  readonly isSha1Taken: boolean
  /** DER of the CAs that clients' certificates chain to, beside those of this installation. */
  readonly trustedAuthorities: readonly Buffer[]
  readonly trustedDomains: readonly string[]
  /** Rises by one with each change. */
  readonly version: number
}

/** A program that registers clients and signs for them. */
export interface RegistrationProxyRow {
  readonly smsid: string
  readonly name: string
  readonly certificate: Buffer
  /** SHA-256 of the SubjectPublicKeyInfo. */
  readonly keyHash: Buffer
  readonly importedAt: Date
  readonly removedAt: Date | null
}

/** A certificate that replies are signed with. */
export interface ManagementPointRow {
  readonly id: string
  readonly certificate: Buffer
  readonly sha256: Buffer
  /** Names the key in the store of the process that signs with it. */
  readonly keyReference: string
  readonly createdAt: Date
  readonly retiredAt: Date | null
}
