import type { CaId, PrincipalId } from '@app/core'

/** A revocation that a CMC message asked for, and the signed answer once there is one. */
export interface RevocationAnswerRow {
  readonly id: number
  readonly caId: CaId
  /** Who sent the message. */
  readonly requesterId: PrincipalId
  /** SHA-256 of the message. */
  readonly messageDigest: Buffer
  /** Of the control that asked. */
  readonly bodyPartId: number
  /** Content octets of the INTEGER. */
  readonly transactionId: Buffer | null
  readonly senderNonce: Buffer | null
  readonly dataReturn: Buffer | null
  readonly createdAt: Date
  /** ContentInfo, DER. */
  readonly fullResponse: Buffer | null
}
