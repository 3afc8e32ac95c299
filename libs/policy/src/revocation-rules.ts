import { AppError } from '@app/core'

/** The CRLReasons (RFC 5280, 5.3.1) that a holder may give: nothing that tells of a CA, and no release from a hold. */
const HOLDERS_REASONS: ReadonlySet<number> = new Set([0, 1, 3, 4, 5, 6, 9])

/** What the holder of a certificate asks for when it revokes it. */
export interface HolderRevocation {
  readonly reason: number
  readonly hasSharedSecret: boolean
}

/**
 * Demands a revocation that a holder may ask for. Throws `form_not_supported` for one that a shared secret is to prove:
 * no secret is given out for it, and a proof that nobody verifies must not pass for one; `invalid_argument` for a reason
 * that is not a holder's.
 */
export function requireHolderRevocation({ reason, hasSharedSecret }: HolderRevocation): void {
  if (hasSharedSecret) {
    throw new AppError(
      'form_not_supported',
      'A revocation by a shared secret is not processed; sign it with the key of the certificate.'
    )
  }
  if (HOLDERS_REASONS.has(reason)) return
  throw new AppError('invalid_argument', `The reason ${reason} is not one that the holder of a certificate may give.`, {
    reason
  })
}
