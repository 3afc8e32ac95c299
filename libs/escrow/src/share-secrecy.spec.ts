import { randomBytes } from 'node:crypto'
import { combine, split } from 'shamir-secret-sharing'
import { describe, expect, it } from 'vitest'

/** Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1, by shifts: apart from the tables of the library. */
function multiply(a: number, b: number): number {
  let product = 0
  for (let bit = 0, shifted = a; bit < 8; bit++) {
    if (((b >> bit) & 1) === 1) product ^= shifted
    shifted = (shifted << 1) ^ (shifted >= 0x80 ? 0x11b : 0)
  }
  return product
}

function divide(a: number, b: number): number {
  for (let quotient = 0; quotient < 256; quotient++) if (multiply(quotient, b) === a) return quotient
  throw new RangeError('There is no division by zero.')
}

/** The share at x2 that, with this one, would make this secret: on the line through (0, secret) and (x1, y1). */
function completion(share: Uint8Array, secret: Uint8Array, x2: number): Uint8Array {
  const x1 = share.at(-1) as number
  const factor = divide(x2, x1)
  const values = secret.map((value, index) => value ^ multiply(value ^ (share[index] as number), factor))
  return Uint8Array.of(...values, x2)
}

describe('one share of two', () => {
  it('fits every content key alike, so that it tells nothing of the right one', async () => {
    const [share = new Uint8Array()] = await split(new Uint8Array(randomBytes(32)), 3, 2)
    const other = (share.at(-1) as number) === 7 ? 8 : 7
    const candidates = [new Uint8Array(32), new Uint8Array(32).fill(0xff), new Uint8Array(randomBytes(32))]
    for (const candidate of candidates) {
      expect(await combine([share, completion(share, candidate, other)])).toEqual(candidate)
    }
  })
})
