const SMALL_FACTOR_BOUND = 752
const ROCA_BOUND = 167
const ROCA_GENERATOR = 65_537

const PRIMES = primesBelow(SMALL_FACTOR_BOUND)
const PRODUCT = PRIMES.reduce((product, prime) => product * BigInt(prime), 1n)

/** Groups of primes whose product is an exact number, so that one bigint division serves several of them. */
const GROUPS = groupsOf(PRIMES)

/** The remainders of a number by each prime below 752, in the primes' order. */
export function smallPrimeRemainders(n: bigint): readonly number[] {
  const reduced = n % PRODUCT
  return GROUPS.flatMap(({ product, primes }) => {
    const remainder = Number(reduced % BigInt(product))
    return primes.map(prime => remainder % prime)
  })
}

/** Whether a number of these remainders has a prime factor below 752 (Baseline Requirements, 6.1.6). */
export function hasSmallFactor(remainders: readonly number[]): boolean {
  return remainders.includes(0)
}

/**
 * The generator that CVE-2017-15361 is about made its primes as k M + 65537^a mod M, M being the product of the first
 * primes (39 of them or more), so a modulus it made is a power of 65537 modulo M (Nemec, Sys, Svenda, Klinec, Matyas:
 * The Return of Coppersmith's Attack, 2017, section 3). Whether a number is one is easily seen, as 65537 generates a
 * small group modulo each of these primes: the exponent modulo the group's order can be looked up for each, and all of
 * these must be one exponent. A random number passes with a probability of about 2^-154.
 */
interface RocaPrime {
  readonly index: number
  readonly order: number
  /** The exponent that gives each residue; undefined where 65537 gives it not. */
  readonly exponentOf: readonly (number | undefined)[]
}

const ROCA_PRIMES: readonly RocaPrime[] = PRIMES.flatMap((prime, index) =>
  prime > 2 && prime <= ROCA_BOUND ? [rocaPrimeOf(prime, index)] : []
)

/** Whether a modulus of these remainders was made by the generator of CVE-2017-15361. */
export function hasRocaFingerprint(remainders: readonly number[]): boolean {
  const found: { readonly exponent: number; readonly order: number }[] = []
  for (const { index, order, exponentOf } of ROCA_PRIMES) {
    const exponent = exponentOf[remainders[index] as number]
    if (exponent === undefined) return false
    // One exponent fits two congruences when they agree modulo the common divisor of their moduli.
    for (const other of found) {
      const common = greatestDivisor(order, other.order)
      if (exponent % common !== other.exponent % common) return false
    }
    found.push({ exponent, order })
  }
  return true
}

function rocaPrimeOf(prime: number, index: number): RocaPrime {
  const exponentOf: (number | undefined)[] = Array.from({ length: prime })
  let order = 0
  for (let power = 1; exponentOf[power] === undefined; power = (power * ROCA_GENERATOR) % prime) {
    exponentOf[power] = order
    order++
  }
  return { index, order, exponentOf }
}

function groupsOf(primes: readonly number[]): { readonly product: number; readonly primes: readonly number[] }[] {
  const groups: { product: number; primes: number[] }[] = []
  for (const prime of primes) {
    const last = groups.at(-1)
    if (last !== undefined && last.product * prime <= Number.MAX_SAFE_INTEGER) {
      last.product *= prime
      last.primes.push(prime)
    } else {
      groups.push({ product: prime, primes: [prime] })
    }
  }
  return groups
}

function primesBelow(bound: number): number[] {
  const primes: number[] = []
  for (let candidate = 2; candidate < bound; candidate++) {
    if (primes.every(prime => candidate % prime !== 0)) primes.push(candidate)
  }
  return primes
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b)
}
