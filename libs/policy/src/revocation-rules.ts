import { AppError } from '@app/core'

/** The CRLReasons (RFC 5280, 5.3.1) that a holder may give: nothing that tells of a CA, and no release from a hold. */
const HOLDERS_REASONS: ReadonlySet<number> = new Set([0, 1, 3, 4, 5, 6, 9])

/** What the holder of a certificate asks for when it revokes it. */
export interface HolderRevocation {
  readonly reason: number
  readonly hasSharedSecret: boolean
  readonly invalidityDate?: Date
}

/** Why a certificate is revoked now; null when it is not. */
export interface RevokedFor {
  readonly revocationReason: number | null
}

const KEY_COMPROMISE = 1
const HOLD = 6

/**
 * Demands a revocation that a holder may ask for. Throws `form_not_supported` for one that a shared secret is to prove:
 * no secret is given out for it, and a proof that nobody verifies must not pass for one; `invalid_argument` for a reason
 * that is not a holder's and a date that has not come; `revocation_state` for a certificate that is revoked for good:
 * whoever has a stolen key must not talk the reason or the date down. That the key is compromised may be told later too.
 */
export function requireHolderRevocation(
  { reason, hasSharedSecret, invalidityDate }: HolderRevocation,
  { revocationReason: present }: RevokedFor,
  now: Date
): void {
  if (hasSharedSecret) {
    throw new AppError(
      'form_not_supported',
      'A revocation by a shared secret is not processed; sign it with the key of the certificate.'
    )
  }
  if (!HOLDERS_REASONS.has(reason)) {
    throw new AppError(
      'invalid_argument',
      `The reason ${reason} is not one that the holder of a certificate may give.`,
      { reason }
    )
  }
  if (invalidityDate !== undefined && invalidityDate > now) {
    throw new AppError('invalid_argument', 'The invalidityDate has not come yet.')
  }
  if (present === null || present === HOLD) return
  if (reason === KEY_COMPROMISE && present !== KEY_COMPROMISE) return
  throw new AppError(
    'revocation_state',
    'The certificate is revoked for good; what is on record of it is for an officer to change.',
    { reason: present }
  )
}
