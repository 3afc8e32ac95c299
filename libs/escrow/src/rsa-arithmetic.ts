import { toHex } from '@app/core'
import { badKeyBlob, withoutLeadingZeros, type RsaKeyParts } from './key-parts.js'

/*
 * KNOWN GAP: a BigInt cannot be wiped. The secret numbers that are computed with here stay in freed heap memory until
 * the engine uses it again. They reach no other place than this process's memory.
 */

/** A big-endian number; no octets are zero. */
export function toBigInt(magnitude: Uint8Array): bigint {
  return BigInt(`0x0${toHex(magnitude)}`)
}

/** A number as big-endian octets without leading zeros, in memory of its own. */
function fromBigInt(value: bigint): Uint8Array {
  const digits = value.toString(16)
  return withoutLeadingZeros(
    Uint8Array.from(Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex'))
  )
}

/** Whether the two primes of a blob multiply to its modulus. */
export function isFactored(modulus: Uint8Array, prime1: Uint8Array, prime2: Uint8Array): boolean {
  return toBigInt(prime1) * toBigInt(prime2) === toBigInt(modulus)
}

/**
 * Whether the numbers of an RSA private key belong together (RFC 8017, 3.2): n = p q with odd p and q above 1, e d = 1
 * modulo p - 1 and q - 1, 0 < d < n, d mod (p - 1), d mod (q - 1) and q^-1 mod p as stated. It does not show that p and
 * q are prime: a signature that verifies does.
 */
export function isConsistentRsaKey(parts: RsaKeyParts): boolean {
  const [n, e, d] = [toBigInt(parts.modulus), toBigInt(parts.publicExponent), toBigInt(parts.privateExponent)]
  const [p, q] = [toBigInt(parts.prime1), toBigInt(parts.prime2)]
  if (p <= 1n || q <= 1n || (p & q & 1n) === 0n || p * q !== n) return false
  if (d <= 0n || d >= n) return false
  const [dp, dq, inverse] = [toBigInt(parts.exponent1), toBigInt(parts.exponent2), toBigInt(parts.coefficient)]
  const [pLess, qLess] = [p - 1n, q - 1n]
  return (
    d % pLess === dp &&
    d % qLess === dq &&
    (e * dp) % pLess === 1n &&
    (e * dq) % qLess === 1n &&
    inverse < p &&
    (q * inverse) % p === 1n
  )
}

/**
 * The whole private key from modulus, public exponent and primes (NIST SP 800-56B, 6.2.1: d modulo lcm(p - 1, q - 1)).
 * The copies given become part of the result. Throws `key_blob_invalid` when they make no key.
 */
export function completeRsaKey(
  numbers: Pick<RsaKeyParts, 'modulus' | 'publicExponent' | 'prime1' | 'prime2'>
): RsaKeyParts {
  const [e, p, q] = [toBigInt(numbers.publicExponent), toBigInt(numbers.prime1), toBigInt(numbers.prime2)]
  if (p <= 2n || q <= 2n) throw badKeyBlob('a factor of its modulus is no prime')
  const [pLess, qLess] = [p - 1n, q - 1n]
  const d = inverse(e, (pLess * qLess) / greatestDivisor(pLess, qLess))
  const coefficient = inverse(q % p, p)
  if (d === undefined || coefficient === undefined) throw badKeyBlob('its numbers have no inverse')
  return {
    ...numbers,
    privateExponent: fromBigInt(d),
    exponent1: fromBigInt(d % pLess),
    exponent2: fromBigInt(d % qLess),
    coefficient: fromBigInt(coefficient)
  }
}

function greatestDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b]
  while (y > 0n) [x, y] = [y, x % y]
  return x
}

/** The inverse of a modulo m by Euclid's extended algorithm; undefined when there is none. */
function inverse(a: bigint, m: bigint): bigint | undefined {
  let [previous, current] = [a % m, m]
  let [x, nextX] = [1n, 0n]
  while (current > 0n) {
    const quotient = previous / current
    ;[previous, current] = [current, previous - quotient * current]
    ;[x, nextX] = [nextX, x - quotient * nextX]
  }
  if (previous !== 1n) return undefined
  return x < 0n ? x + m : x
}
