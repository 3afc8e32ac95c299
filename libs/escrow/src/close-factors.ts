const ROUNDS = 100

/** Small moduli in which few numbers are squares; together they let one number in two hundred through. */
const SIEVE = [64, 63, 65, 11, 17, 19, 23, 31].map(modulus => {
  const isSquare = Array.from({ length: modulus }, () => false)
  for (let root = 0; root < modulus; root++) isSquare[(root * root) % modulus] = true
  return { modulus, isSquare }
})

/**
 * Whether an odd number n is a square or the product of two factors so close that Fermat finds them in 100 rounds: n =
 * a^2 - b^2 with a from the root of n upwards. Factors that were chosen at random are never so close.
 */
export function hasCloseFactors(n: bigint): boolean {
  const root = squareRoot(n)
  const start = root * root === n ? root : root + 1n
  const sieve = SIEVE.map(({ modulus, isSquare }) => ({
    modulus,
    isSquare,
    start: Number(start % BigInt(modulus)),
    remainder: Number(n % BigInt(modulus))
  }))
  for (let round = 0; round < ROUNDS; round++) {
    const maybeSquare = sieve.every(({ modulus, isSquare, start, remainder }) => {
      const a = start + round
      return isSquare[(a * a + modulus - remainder) % modulus] === true
    })
    if (!maybeSquare) continue
    const a = start + BigInt(round)
    const square = a * a - n
    const b = squareRoot(square)
    if (b * b === square) return true
  }
  return false
}

/** The integer part of a square root, by Newton from above. */
export function squareRoot(n: bigint): bigint {
  if (n < 2n) return n
  const bits = BigInt(n.toString(16).length * 4)
  let root = 1n << ((bits >> 1n) + 1n)
  for (;;) {
    const next = (root + n / root) >> 1n
    if (next >= root) return root
    root = next
  }
}
