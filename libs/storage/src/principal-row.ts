import type { CaId, PrincipalId } from '@app/core'

/** A user, a computer, a group or the system itself. */
export interface PrincipalRow {
  readonly id: PrincipalId
  readonly kind: 'user' | 'computer' | 'group' | 'system'
  /** The security identifier as text, `S-1-…`. */
  readonly sid: string
  readonly accountName: string
  readonly domain: string
  readonly displayName: string | null
  readonly distinguishedName: string | null
  readonly upn: string | null
  readonly mail: string | null
  readonly dnsName: string | null
  /** Every group that it is in, through other groups too. It follows from the memberships. */
  readonly groupNames: readonly string[]
  /** The objectGUID of an account that comes from another directory; null: the id is it. */
  readonly guid: string | null
  readonly servicePrincipalNames: readonly string[]
  /** Explicit certificate mappings (MS-PKCA 3.1.5.2.1.4). */
  readonly altSecurityIdentities: readonly string[]
  readonly disabledAt: Date | null
  readonly createdAt: Date
}

/** A bearer credential of a principal. The token itself is nowhere stored. */
export interface CredentialRow {
  readonly id: string
  readonly principalId: PrincipalId
  readonly label: string
  /** SHA-256 of the token. */
  readonly tokenHash: Buffer
  readonly scopes: readonly string[]
  /** The one CA it is good for; null for all. */
  readonly caId: CaId | null
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
  readonly createdAt: Date
}

/** A shared secret for the CMC identity proof (RFC 5272, 6.2), good for one request. */
export interface EnrollmentSecretRow {
  /** What the client names the secret by (id-cmc-identification). */
  readonly identification: string
  readonly principalId: PrincipalId
  /** The key of the witness HMAC, derived from the secret. */
  readonly witnessKey: Buffer
  readonly expiresAt: Date
  readonly usedAt: Date | null
}
