import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { publicHalfOf } from '@app/keys'
import { describe, expect, it } from 'vitest'
import {
  complaintOf,
  rejectionOf,
  rsaNumbersFrom,
  rsaNumbersOf,
  rsaPkcs8,
  rsaPublicKey,
  sampleRsaKey,
  somePrime,
  type RsaNumbers
} from '../../../test/helpers/escrow-samples.js'
import {
  decodeKeyBlob,
  encodeCapiPrivateKeyBlob,
  encodeCngEccBlob,
  verifyKeyObjectPair,
  verifyKeyPair,
  type KeyBlob
} from './index.js'

const rsa = sampleRsaKey(0)
const sound = rsaNumbersOf(rsa)
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

/** The sound key's blob with other numbers in it. */
function rsaBlob(changes: Partial<RsaNumbers>): KeyBlob {
  return decodeKeyBlob(rsaPkcs8({ ...sound, ...changes }))
}

/** The blob of the P-256 key with another scalar. */
function scalarBlob(change: (scalar: bigint) => bigint): KeyBlob {
  const blob = encodeCngEccBlob(p256)
  const scalar = change(BigInt(`0x${Buffer.from(blob.subarray(-32)).toString('hex')}`))
  return decodeKeyBlob(
    Buffer.concat([blob.subarray(0, -32), Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex')])
  )
}

describe('a key pair is verified', () => {
  it.each([
    ['RSA-2048', rsa],
    ['RSA with e = 3', generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey],
    ['P-256', p256],
    ['P-384', generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey],
    ['P-521', generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey]
  ])('and found sound for %s', async (_name, key: KeyObject) => {
    await expect(verifyKeyObjectPair(key, publicHalfOf(key))).resolves.toBeUndefined()
  })

  it('also when the private exponent is the inverse modulo phi(n) instead of lambda(n)', async () => {
    const { e, p, q } = sound
    const lambda = ((p - 1n) * (q - 1n)) / commonDivisor(p - 1n, q - 1n)
    const d = rsaNumbersFrom(p, q, e).d + lambda
    expect((d * e) % lambda).toBe(1n)
    await expect(verifyKeyPair(rsaBlob({ d }), publicHalfOf(rsa))).resolves.toBeUndefined()
  })

  it.each<readonly [string, Partial<RsaNumbers>]>([
    ['another private exponent', { d: sound.d + 2n }],
    ['a private exponent of zero', { d: 0n }],
    ['a private exponent above the modulus', { d: sound.d + (sound.p - 1n) * (sound.q - 1n) }],
    ['another first prime', { p: sound.p + 2n }],
    ['swapped primes', { p: sound.q, q: sound.p }],
    ['trivial factors', { p: sound.n, q: 1n }],
    ['trivial factors, the other way', { p: 1n, q: sound.n }],
    ['no factors', { p: 0n, q: 0n }],
    ['another exponent modulo p - 1', { dp: sound.dp + 1n }],
    ['an exponent modulo p - 1 that is not reduced', { dp: sound.dp + sound.p - 1n }],
    ['another exponent modulo q - 1', { dq: sound.dq - 1n }],
    ['another coefficient', { qInverse: sound.qInverse + 1n }],
    ['a coefficient that is not reduced', { qInverse: sound.qInverse + sound.p }],
    ['another public exponent', { e: 3n }],
    ['another modulus', { n: sound.n + 2n }]
  ])('and refused for RSA with %s', async (_name, changes) => {
    expect(await rejectionOf(() => verifyKeyPair(rsaBlob(changes), publicHalfOf(rsa)))).toBe('archived_key_mismatch')
  })

  it('and refused for RSA whose numbers all agree and whose factor is not prime', async () => {
    const [r, s, q] = [somePrime(512), somePrime(512), somePrime(1024)]
    const evading = rsaNumbersFrom(r * s, q)
    const blob = decodeKeyBlob(rsaPkcs8(evading))
    expect(await rejectionOf(() => verifyKeyPair(blob, rsaPublicKey(evading)))).toBe('archived_key_mismatch')
  })

  it.each<readonly [string, (scalar: bigint) => bigint]>([
    ['one more', scalar => (scalar + 1n) % order],
    ['its negative, whose point has the same x', scalar => order - scalar],
    ['zero', () => 0n],
    ['the order', () => order],
    ['all ones', () => (1n << 256n) - 1n]
  ])('and refused for EC with a scalar that is %s', async (_name, change) => {
    expect(await rejectionOf(() => verifyKeyPair(scalarBlob(change), publicHalfOf(p256)))).toBe('archived_key_mismatch')
  })

  it('and refused in the same words whatever is wrong', async () => {
    const requested = publicHalfOf(rsa)
    const blobs = [
      decodeKeyBlob(encodeCapiPrivateKeyBlob(sampleRsaKey(1))),
      rsaBlob({ d: sound.d + 2n }),
      rsaBlob({ p: sound.p + 2n }),
      decodeKeyBlob(encodeCngEccBlob(p256))
    ]
    const complaints = await Promise.all([
      ...blobs.map(blob => complaintOf(() => verifyKeyPair(blob, requested))),
      complaintOf(() => verifyKeyPair(decodeKeyBlob(encodeCapiPrivateKeyBlob(rsa)), publicHalfOf(p256))),
      complaintOf(() => verifyKeyObjectPair(generateKeyPairSync('ed25519').privateKey, requested))
    ])
    expect(new Set(complaints).size).toBe(1)
    expect(complaints[0]).toContain('archived_key_mismatch')
  })
})

function commonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : commonDivisor(b, a % b)
}
