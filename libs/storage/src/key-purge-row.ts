import type { CaId, PrincipalId, RequestId } from '@app/core'

/** How long keys are kept after the end of their certificates. */
export interface RetentionPolicyRow {
  readonly caId: CaId
  /** Null for the keys of every template that has no policy of its own. */
  readonly templateName: string | null
  readonly days: number
  readonly setBy: string
  readonly setAt: Date
}

/** A key that must not be purged. */
export interface KeyHoldRow {
  /** UUID */
  readonly id: string
  readonly requestId: RequestId
  readonly reason: string
  readonly placedBy: string
  readonly placedAt: Date
  readonly liftedBy: string | null
  readonly liftedAt: Date | null
}

/** `proposed`: by one administrator; `approved`: by another, and being carried out; `done` and `cancelled` are final. */
export type KeyPurgeState = 'proposed' | 'approved' | 'done' | 'cancelled'

/** A purge of archived keys. */
export interface KeyPurgeRow {
  readonly id: number
  readonly caId: CaId
  readonly state: KeyPurgeState
  /** Null for keys of every template. */
  readonly templateName: string | null
  readonly reason: string
  /** How many keys were proposed, were purged and were kept after all. */
  readonly keys: number
  readonly purged: number
  readonly kept: number
  readonly proposedBy: PrincipalId
  readonly proposedByName: string
  readonly proposedAt: Date
  readonly approvedByName: string | null
  readonly approvedAt: Date | null
  readonly cancelledByName: string | null
  readonly cancelledAt: Date | null
  readonly completedAt: Date | null
}

/** A key that may be purged. */
export interface PurgeableKey {
  readonly requestId: RequestId
  readonly subject: string
  readonly serialNumber: Buffer
  readonly templateName: string | null
  readonly notAfter: Date
}

/** A key of a purge. */
export interface KeyPurgeItem {
  readonly requestId: RequestId
  readonly state: 'due' | 'purged' | 'kept'
  /** SHA-256 of the SubjectPublicKeyInfo of a key that was purged. */
  readonly keyHash: Buffer | null
  /** Why it was kept, or is not purged yet. */
  readonly why: string | null
  readonly decidedAt: Date | null
}
