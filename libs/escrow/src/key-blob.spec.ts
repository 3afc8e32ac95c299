import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import * as fc from 'fast-check'
import {
  encodeBitString,
  encodeInteger,
  encodeNull,
  encodeOctetString,
  encodeOid,
  encodePrimitiveContext,
  encodeSequence,
  encodeContext,
  encodeSetOf
} from '@app/der'
import { OID } from '@app/oid'
import { describe, expect, it } from 'vitest'
import {
  rsaNumbersFrom,
  rsaNumbersOf,
  rsaPkcs8,
  sampleRsaKey,
  somePrime
} from '../../../test/helpers/escrow-samples.js'
import { codeOf, mutationsOf } from '../../../test/helpers/x509-samples.js'
import {
  decodeKeyBlob,
  encodeCapiPrivateKeyBlob,
  encodeCngEccBlob,
  encodePkcs8KeyBlob,
  keyBlobToPkcs8,
  keyObjectOf,
  wipeKeyBlob
} from './index.js'

const rsa = sampleRsaKey(0)
const CURVES = ['P-256', 'P-384', 'P-521'] as const
const ec = Object.fromEntries(
  CURVES.map(curve => [curve, generateKeyPairSync('ec', { namedCurve: curve }).privateKey])
) as Readonly<Record<(typeof CURVES)[number], KeyObject>>

type Order = 'big' | 'little'

function number(value: bigint, octets: number, order: Order): Buffer {
  const bytes = Buffer.from(value.toString(16).padStart(2 * octets, '0'), 'hex')
  return order === 'big' ? bytes : Buffer.from(bytes.toReversed())
}

function word(value: number, order: Order): Buffer {
  return number(BigInt(value), 4, order)
}

/** A CNG RSA blob, written apart from any code under test. */
function cngRsaBlob(key: KeyObject, full: boolean, words: Order = 'little', numbers: Order = 'big'): Buffer {
  const { n, e, d, p, q, dp, dq, qInverse } = rsaNumbersOf(key)
  const whole = 256
  const half = 128
  const header = [full ? 0x33415352 : 0x32415352, 2048, 3, whole, half, half].map(value => word(value, words))
  const rest = full
    ? [number(dp, half, numbers), number(dq, half, numbers), number(qInverse, half, numbers), number(d, whole, numbers)]
    : []
  return Buffer.concat([
    ...header,
    number(e, 3, numbers),
    number(n, whole, numbers),
    number(p, half, numbers),
    number(q, half, numbers),
    ...rest
  ])
}

/** A CNG ECC blob, written apart from any code under test. */
function cngEccBlob(key: KeyObject, magic: number, words: Order = 'little', numbers: Order = 'big'): Buffer {
  const jwk = key.export({ format: 'jwk' }) as Readonly<Record<'x' | 'y' | 'd', string>>
  const parts = [jwk.x, jwk.y, jwk.d].map(part => Buffer.from(part, 'base64url'))
  const octets = parts[0]?.length ?? 0
  const ordered = parts.map(part => (numbers === 'big' ? part : Buffer.from(part.toReversed())))
  return Buffer.concat([word(magic, words), word(octets, words), ...ordered])
}

const MAGICS = { 'P-256': 0x324b4345, 'P-384': 0x344b4345, 'P-521': 0x364b4345 } as const
const ECDSA_MAGICS = { 'P-256': 0x32534345, 'P-384': 0x34534345, 'P-521': 0x36534345 } as const

/** The blob's key as JWK, to compare with the original's. */
function jwkOf(bytes: Uint8Array): unknown {
  const blob = decodeKeyBlob(bytes)
  const key = keyObjectOf(blob)
  wipeKeyBlob(blob)
  return key.export({ format: 'jwk' })
}

const rsa1024 = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
const rsa2056 = generateKeyPairSync('rsa', { modulusLength: 2056 }).privateKey

describe('a key blob', () => {
  it.each([
    ['RSA-1024', rsa1024, 596],
    ['RSA-2048', rsa, 1172],
    ['RSA-2056, whose halves are rounded up', rsa2056, 1179]
  ])('of CAPI with %s has the length of a Windows blob and gives the same key back', (_name, key, length) => {
    const blob = encodeCapiPrivateKeyBlob(key)
    expect(blob).toHaveLength(length)
    expect(Buffer.from(blob.subarray(0, 12)).toString('hex')).toBe('0702000000a4000052534132')
    expect(decodeKeyBlob(blob)).toMatchObject({ format: 'capi-rsa', algorithm: 'rsa' })
    expect(jwkOf(blob)).toEqual(key.export({ format: 'jwk' }))
  })

  it.each([
    ['full', true, 'little', 'big', 'cng-rsa-full'],
    ['with primes only, the rest computed', false, 'little', 'big', 'cng-rsa'],
    ['full with big-endian words', true, 'big', 'big', 'cng-rsa-full'],
    ['full with little-endian numbers', true, 'little', 'little', 'cng-rsa-full'],
    ['with primes only, all as the specification has it', false, 'big', 'little', 'cng-rsa']
  ] as const)('of CNG for RSA, %s, gives the same key back', (_name, full, words, numbers, format) => {
    const blob = cngRsaBlob(rsa, full, words, numbers)
    expect(decodeKeyBlob(blob)).toMatchObject({ format, algorithm: 'rsa', bits: 2048 })
    expect(jwkOf(blob)).toEqual(rsa.export({ format: 'jwk' }))
  })

  it.each(
    CURVES.flatMap(curve => [
      [curve, 'ECDH', encodeCngEccBlob(ec[curve])] as const,
      [curve, 'ECDH, written apart', cngEccBlob(ec[curve], MAGICS[curve])] as const,
      [curve, 'ECDSA', cngEccBlob(ec[curve], ECDSA_MAGICS[curve])] as const,
      [curve, 'big-endian words', cngEccBlob(ec[curve], MAGICS[curve], 'big')] as const,
      [curve, 'little-endian coordinates', cngEccBlob(ec[curve], MAGICS[curve], 'little', 'little')] as const
    ])
  )('of CNG for %s with %s gives the same key back', (curve, _name, blob) => {
    expect(decodeKeyBlob(blob)).toMatchObject({ format: 'cng-ecc', algorithm: 'ec', curve })
    expect(jwkOf(blob)).toEqual(ec[curve].export({ format: 'jwk' }))
  })

  it.each([['RSA', rsa] as const, ...CURVES.map(curve => [curve, ec[curve]] as const)])(
    'of PKCS#8 with %s gives the same key back',
    (_name, key) => {
      const blob = encodePkcs8KeyBlob(key)
      expect(decodeKeyBlob(blob).format).toBe('pkcs8')
      expect(jwkOf(blob)).toEqual(key.export({ format: 'jwk' }))
      expect(
        createPrivateKey({ key: Buffer.from(keyBlobToPkcs8(blob)), format: 'der', type: 'pkcs8' }).equals(key)
      ).toBe(true)
    }
  )

  it('of PKCS#8 may leave out the public point or carry it outside, as version 2, beside attributes', () => {
    const key = ec['P-256']
    const { point, scalar } = p256Parts(key)
    const attributes = encodeContext(0, encodeSequence(encodeOid(OID.id_ce_keyUsage), encodeSetOf([encodeNull()])))
    const bare = ecPkcs8(0, [encodeInteger(1), encodeOctetString(scalar)])
    const outside = ecPkcs8(1, [encodeInteger(1), encodeOctetString(scalar)], attributes, outerPoint(point))
    expect(jwkOf(bare)).toEqual(key.export({ format: 'jwk' }))
    expect(jwkOf(outside)).toEqual(key.export({ format: 'jwk' }))
  })

  it('is wiped without touching its public numbers', () => {
    const blob = decodeKeyBlob(encodeCapiPrivateKeyBlob(rsa))
    wipeKeyBlob(blob)
    const { modulus, publicExponent, ...secrets } = blob.parts as unknown as Readonly<Record<string, Uint8Array>>
    expect(Object.values(secrets).map(secret => secret.every(octet => octet === 0))).toEqual(Array(6).fill(true))
    expect(modulus?.some(octet => octet !== 0)).toBe(true)
    expect(publicExponent).toHaveLength(3)
  })

  it('cannot be made of a key that its form does not hold', () => {
    const ed25519 = generateKeyPairSync('ed25519').privateKey
    const numbers = rsaNumbersFrom(somePrime(512), somePrime(512), 0x1_0000_000fn)
    const largeExponent = createPrivateKey({ key: Buffer.from(rsaPkcs8(numbers)), format: 'der', type: 'pkcs8' })
    expect(codeOf(() => encodeCapiPrivateKeyBlob(ec['P-256']))).toBe('invalid_argument')
    expect(codeOf(() => encodeCapiPrivateKeyBlob(largeExponent))).toBe('invalid_argument')
    expect(codeOf(() => encodeCngEccBlob(rsa))).toBe('invalid_argument')
    expect(codeOf(() => encodePkcs8KeyBlob(ed25519))).toBe('invalid_argument')
  })
})

function p256Parts(key: KeyObject): { point: Uint8Array; scalar: Uint8Array } {
  const { x = '', y = '', d = '' } = key.export({ format: 'jwk' })
  const [left, right] = [Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]
  return { point: Buffer.concat([Uint8Array.of(4), left, right]), scalar: Buffer.from(d, 'base64url') }
}

function ecPkcs8(version: number, key: readonly Uint8Array[], ...after: readonly Uint8Array[]): Uint8Array {
  const algorithm = encodeSequence(encodeOid(OID.id_ecPublicKey), encodeOid(OID.secp256r1))
  return encodeSequence(encodeInteger(version), algorithm, encodeOctetString(encodeSequence(...key)), ...after)
}

function outerPoint(point: Uint8Array): Uint8Array {
  return encodePrimitiveContext(1, Buffer.concat([Uint8Array.of(0), point]))
}

function changed(bytes: Uint8Array, at: number, ...octets: readonly number[]): Uint8Array {
  const copy = Buffer.from(bytes)
  copy.set(octets, at)
  return copy
}

describe('a blob that is no archivable key is refused', () => {
  const capi = encodeCapiPrivateKeyBlob(rsa)
  const cng = cngRsaBlob(rsa, true)
  const ecc = encodeCngEccBlob(ec['P-256'])
  const numbers = rsaNumbersOf(rsa)
  const pkcs8 = rsaPkcs8(numbers)
  const { point, scalar } = p256Parts(ec['P-256'])
  const encrypted = rsa.export({ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase: 'x' })

  it.each([
    ['nothing', new Uint8Array()],
    ['zeros', new Uint8Array(1172)],
    ['a CAPI signature key (CALG_RSA_SIGN)', changed(capi, 4, 0x00, 0x24)],
    ['a CAPI public key', changed(capi, 0, 0x06)],
    ['a CAPI blob of another version', changed(capi, 1, 0x03)],
    ['a CAPI blob with a reserved field', changed(capi, 2, 1)],
    ['a CAPI blob with the magic of a public key', changed(capi, 11, 0x31)],
    ['a CAPI blob that states fewer bits', changed(capi, 12, 0xf8, 0x07)],
    ['a CAPI blob that states more bits', changed(capi, 12, 0x10, 0x08)],
    ['a CAPI blob that states four billion bits', changed(capi, 12, 0xff, 0xff, 0xff, 0xff)],
    ['a CAPI blob whose modulus is shorter than stated', changed(capi, 20 + 255, 0)],
    ['a CAPI blob cut by one byte', capi.subarray(0, -1)],
    ['a CAPI blob cut to its header', capi.subarray(0, 19)],
    ['a CAPI blob and a byte', Buffer.concat([capi, Uint8Array.of(0)])],
    ['a CNG RSA blob cut by one byte', cng.subarray(0, -1)],
    ['a CNG RSA blob and a byte', Buffer.concat([cng, Uint8Array.of(0)])],
    ['a CNG RSA blob that is only a header', cng.subarray(0, 24)],
    ['a CNG RSA blob with impossible lengths', changed(cng, 8, 0xff, 0xff, 0xff, 0xff)],
    ['a CNG RSA blob whose primes are not its factors', changed(cng, 24 + 3 + 256 + 127, 0x01, 0x02)],
    ['a CNG RSA public key', changed(cng, 3, 0x31)],
    ['a CNG ECC blob cut by one byte', ecc.subarray(0, -1)],
    ['a CNG ECC blob and a byte', Buffer.concat([ecc, Uint8Array.of(0)])],
    ['a CNG ECC blob with the length of another curve', changed(ecc, 4, 48)],
    ['a CNG ECC blob with a point off its curve', changed(ecc, 8 + 40, 0x5a, 0xa5, 0x5a)],
    ['a CNG ECC public key', changed(ecc, 3, 0x31)],
    ['a PKCS#8 key and a byte', Buffer.concat([pkcs8, Uint8Array.of(0)])],
    ['a PKCS#8 key cut by one byte', pkcs8.subarray(0, -1)],
    ['an encrypted PKCS#8 key', encrypted],
    ['a PKCS#1 key', rsa.export({ type: 'pkcs1', format: 'der' })],
    ['an Ed25519 key', generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'der' })],
    ['an X25519 key', generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'der' })],
    [
      'a key on secp256k1',
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey.export({ type: 'pkcs8', format: 'der' })
    ],
    ['an RSA key with a negative number', rsaPkcs8({ ...numbers, d: -numbers.d })],
    ['a PKCS#8 key of version 3', ecPkcs8(2, [encodeInteger(1), encodeOctetString(scalar)])],
    [
      'a PKCS#8 key of version 1 with a public key',
      ecPkcs8(0, [encodeInteger(1), encodeOctetString(scalar)], outerPoint(point))
    ],
    ['an EC key with a short scalar', ecPkcs8(0, [encodeInteger(1), encodeOctetString(scalar.subarray(1))])],
    ['an EC key with a scalar of zero', ecPkcs8(0, [encodeInteger(1), encodeOctetString(new Uint8Array(32))])],
    [
      'an EC key that names two curves',
      ecPkcs8(0, [encodeInteger(1), encodeOctetString(scalar), encodeContext(0, encodeOid(OID.secp384r1))])
    ],
    [
      'an EC key with a compressed point',
      ecPkcs8(0, [
        encodeInteger(1),
        encodeOctetString(scalar),
        encodeContext(1, encodeBitString(Buffer.concat([Uint8Array.of(2), point.subarray(1, 33)])))
      ])
    ],
    [
      'an EC key with two public points',
      ecPkcs8(
        1,
        [encodeInteger(1), encodeOctetString(scalar), encodeContext(1, encodeBitString(point))],
        outerPoint(changed(point, 5, 1))
      )
    ]
  ])('%s', (_name, bytes) => {
    expect(codeOf(() => decodeKeyBlob(bytes))).toBe('key_blob_invalid')
  })

  it.each([
    ['CAPI', capi],
    ['CNG RSA', cng],
    ['CNG ECC', ecc],
    ['PKCS#8 RSA', pkcs8],
    ['PKCS#8 EC', encodePkcs8KeyBlob(ec['P-384'])]
  ])('with key_blob_invalid and no other error, however a blob of %s is changed', (_name, bytes) => {
    fc.assert(
      fc.property(mutationsOf(bytes), mutated => {
        expect([undefined, 'key_blob_invalid']).toContain(codeOf(() => wipeKeyBlob(decodeKeyBlob(mutated))))
      }),
      { numRuns: 150 }
    )
  })

  it('whatever its bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), bytes => {
        expect(codeOf(() => decodeKeyBlob(bytes))).toBe('key_blob_invalid')
      })
    )
  })
})
