import { AppError } from '@app/core'
import type { PublicKeyInfo } from '@app/x509'
import { hasCloseFactors } from './close-factors.js'
import { hasRocaFingerprint, hasSmallFactor, smallPrimeRemainders } from './small-primes.js'
import { toBigInt } from './rsa-arithmetic.js'

/** What is asked of a public key. */
export interface StrengthDemand {
  /** The smallest RSA modulus in bits; 2048 when left out. */
  readonly minimumRsaBits?: number
}

const DEFAULT_MINIMUM_RSA_BITS = 2048
const MINIMUM_EXPONENT = 65_537n

/** Why a public key is too weak: stands in the evidence of `archived_key_weak`. */
export type WeaknessReason = 'size' | 'exponent' | 'small-factor' | 'close-factors' | 'roca'

/**
 * Verifies that a public key is not one that others can break. RSA: its size, a public exponent of at least 65537, no
 * factor below 752, no factors close to each other (100 rounds of Fermat), not made by the faulty generator of ROCA
 * (CVE-2017-15361): the checks of the Baseline Requirements, 6.1.6. EC: a point on its curve.
 *
 * Only public numbers are looked at, so the answer may be told to anyone. RSA-2048 costs about 50 microseconds.
 * Throws `archived_key_weak` with a {@link WeaknessReason}, `public_key_unsupported` for a point off its curve.
 */
export function verifyKeyStrength(publicKey: PublicKeyInfo, demand: StrengthDemand = {}): void {
  if (publicKey.modulus === undefined || publicKey.publicExponent === undefined) {
    // node:crypto refuses a point that is not on the curve when it takes the key.
    void publicKey.keyObject
    return
  }
  const minimum = demand.minimumRsaBits ?? DEFAULT_MINIMUM_RSA_BITS
  const { bits, publicExponent } = publicKey
  if (bits < minimum) throw weak('size', `has ${bits} bits; at least ${minimum} are needed`, bits)
  if (publicExponent < MINIMUM_EXPONENT || (publicExponent & 1n) === 0n) {
    throw weak('exponent', 'has a public exponent that is even or below 65537', bits)
  }
  const modulus = toBigInt(publicKey.modulus)
  const remainders = smallPrimeRemainders(modulus)
  if (hasSmallFactor(remainders)) throw weak('small-factor', 'has a modulus with a small factor', bits)
  if (hasRocaFingerprint(remainders)) throw weak('roca', 'was made by the faulty generator of CVE-2017-15361', bits)
  if (hasCloseFactors(modulus)) throw weak('close-factors', 'has a modulus whose factors are too close', bits)
}

function weak(reason: WeaknessReason, why: string, bits: number): AppError {
  return new AppError('archived_key_weak', `The key ${why}. Make a new key pair.`, { reason, bits })
}
