import { checkPrimeSync, generateKeyPairSync, generatePrimeSync, randomBytes } from 'node:crypto'
import { isAppError } from '@app/core'
import { publicHalfOf } from '@app/keys'
import { decodePublicKey } from '@app/x509'
import { describe, expect, it } from 'vitest'
import { rsaPublicKey, sampleRsaKey, somePrime } from '../../../test/helpers/escrow-samples.js'
import { codeOf } from '../../../test/helpers/x509-samples.js'
import { hasCloseFactors, squareRoot } from './close-factors.js'
import { verifyKeyStrength } from './index.js'
import { encodeEcPublicKey } from './pkcs8.js'
import { hasRocaFingerprint, hasSmallFactor, smallPrimeRemainders } from './small-primes.js'

const e = 65_537n

/** Why a modulus and exponent are refused. */
function reasonOf(n: bigint, exponent = e, minimumRsaBits = 512): unknown {
  try {
    verifyKeyStrength(rsaPublicKey({ n, e: exponent }), { minimumRsaBits })
    return 'strong'
  } catch (error) {
    if (isAppError(error, 'archived_key_weak')) return error.evidence['reason']
    throw error
  }
}

const PRIMES_TO_167 = Array.from({ length: 166 }, (_, index) => index + 2).filter(n =>
  Array.from({ length: n - 2 }, (_, index) => index + 2).every(divisor => n % divisor !== 0)
)

const ROCA_PRIMORIAL = PRIMES_TO_167.reduce((product, prime) => product * BigInt(prime), 1n)

/** A prime of about 512 bits as the generator of CVE-2017-15361 made them: k M + 65537^a mod M. */
function rocaPrime(): bigint {
  for (;;) {
    let power = 1n
    for (let exponent = 3 + (randomBytes(1)[0] as number); exponent > 0; exponent--)
      power = (power * e) % ROCA_PRIMORIAL
    const k = BigInt(`0x80${randomBytes(36).toString('hex')}`)
    const candidate = k * ROCA_PRIMORIAL + power
    if (checkPrimeSync(candidate)) return candidate
  }
}

/** The prime after a number. */
function nextPrime(after: bigint): bigint {
  for (let candidate = after | 1n; ; candidate += 2n)
    if (candidate > after && checkPrimeSync(candidate)) return candidate
}

describe('a key is strong enough', () => {
  it.each([
    ['RSA-2048', sampleRsaKey(0)],
    ['RSA-3072', generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey],
    ['P-256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey],
    ['P-521', generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey]
  ])('as %s', (_name, key) => {
    expect(codeOf(() => verifyKeyStrength(publicHalfOf(key)))).toBeUndefined()
  })

  it('at 1024 bits only where that is allowed', () => {
    const key = publicHalfOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)
    expect(codeOf(() => verifyKeyStrength(key, { minimumRsaBits: 1024 }))).toBeUndefined()
    expect(codeOf(() => verifyKeyStrength(key))).toBe('archived_key_weak')
  })

  it('unless its modulus has a small factor', () => {
    for (const factor of [3n, 167n, 173n, 751n]) expect(reasonOf(factor * somePrime(1020))).toBe('small-factor')
    expect(reasonOf(757n * somePrime(1020))).toBe('strong')
  })

  it('unless its exponent is below 65537', () => {
    const n = somePrime(512) * somePrime(512)
    for (const exponent of [3n, 17n, 257n, 65_535n]) expect(reasonOf(n, exponent)).toBe('exponent')
    expect(reasonOf(n, 65_539n)).toBe('strong')
  })

  it('unless its factors are close to each other', () => {
    const p = somePrime(512)
    const near = nextPrime(p + (1n << 240n))
    expect(reasonOf(p * nextPrime(p))).toBe('close-factors')
    expect(reasonOf(p * near)).toBe('close-factors')
    expect(reasonOf(p * p)).toBe('close-factors')
    expect(reasonOf(p * nextPrime(p + (1n << 300n)))).toBe('strong')
  })

  it('unless the faulty generator of CVE-2017-15361 made it', () => {
    expect(reasonOf(rocaPrime() * rocaPrime())).toBe('roca')
    expect(reasonOf(rocaPrime() * somePrime(512))).toBe('strong')
  })

  it('unless its point is not on its curve', () => {
    const { point = new Uint8Array() } = publicHalfOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
    const moved = Uint8Array.from(point)
    moved[64] = (moved[64] as number) ^ 1
    expect(codeOf(() => verifyKeyStrength(decodePublicKey(encodeEcPublicKey('P-256', moved))))).toBe(
      'public_key_unsupported'
    )
  })
})

describe('the arithmetic behind it', () => {
  it('takes square roots of small and large numbers', () => {
    for (const n of [0n, 1n, 2n, 3n, 4n, 15n, 16n, 17n, 255n, 256n, 65_535n]) {
      const root = squareRoot(n)
      expect(root * root <= n && (root + 1n) * (root + 1n) > n).toBe(true)
    }
    for (let round = 0; round < 50; round++) {
      const root = BigInt(`0x${randomBytes(128).toString('hex')}`)
      expect([squareRoot(root * root), squareRoot(root * root - 1n)]).toEqual([root, root - 1n])
    }
  })

  it('finds factors that Fermat finds within a hundred rounds, and no later', () => {
    const a = BigInt(`0x${randomBytes(64).toString('hex')}`) | (1n << 511n)
    // n = a^2 - b^2 with ceil(sqrt(n)) = a - k: b^2 is about 2 a k.
    const withRounds = (k: bigint): bigint => a * a - squareRoot(2n * a * k) ** 2n
    expect(hasCloseFactors(withRounds(50n))).toBe(true)
    expect(hasCloseFactors(withRounds(98n))).toBe(true)
    expect(hasCloseFactors(withRounds(1000n))).toBe(false)
  })

  it('knows every remainder by a small prime', () => {
    const n = BigInt(`0x${randomBytes(256).toString('hex')}`)
    const remainders = smallPrimeRemainders(n)
    expect(remainders).toHaveLength(133)
    expect(remainders.slice(0, PRIMES_TO_167.length)).toEqual(PRIMES_TO_167.map(prime => Number(n % BigInt(prime))))
    expect(remainders.at(-1)).toBe(Number(n % 751n))
  })

  it('takes no random modulus for one of the faulty generator, nor one that fits it but for one prime', () => {
    for (let round = 0; round < 200; round++) {
      const n = BigInt(`0x${randomBytes(256).toString('hex')}`) | 1n
      expect(hasRocaFingerprint(smallPrimeRemainders(n))).toBe(false)
    }
    const fitting = [...smallPrimeRemainders(rocaPrime())]
    expect(hasRocaFingerprint(fitting)).toBe(true)
    // Modulo 11 every residue but 0 is a power of 65537; only the common exponent tells that this one does not fit.
    const last = PRIMES_TO_167.indexOf(11)
    const other = fitting.with(last, ((fitting[last] as number) * 2) % 11)
    expect(hasRocaFingerprint(other)).toBe(false)
    expect(hasSmallFactor(smallPrimeRemainders(generatePrimeSync(512, { bigint: true })))).toBe(false)
  })
})
