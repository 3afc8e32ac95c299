import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '@app/core'
import { encodeBitString, encodeInteger, encodeNull, encodeOid, encodeSequence, encodeUnsigned } from '@app/der'
import { OID } from '@app/oid'
import { codeOf, SAMPLE_KEY_KINDS, sampleKey, type SampleKeyKind } from '../../../test/helpers/x509-samples.js'
import { decodePublicKey, encodeAlgorithmIdentifier, type PublicKeyInfo } from './index.js'

const rsaAlgorithm = encodeAlgorithmIdentifier(OID.rsaEncryption, encodeNull())
const odd = (octets: number, first = 0xff): Uint8Array => Buffer.alloc(octets, 0xff).fill(first, 0, 1)

function rsaKey(modulus: Uint8Array, exponent: Uint8Array, algorithm = rsaAlgorithm): Uint8Array {
  return encodeSequence(algorithm, encodeBitString(encodeSequence(modulus, exponent)))
}

function ecKey(parameters: Uint8Array | undefined, point: Uint8Array): Uint8Array {
  return encodeSequence(encodeAlgorithmIdentifier(OID.id_ecPublicKey, parameters), encodeBitString(point))
}

const p256 = encodeOid(OID.secp256r1)
const point = (first: number, length: number): Uint8Array => Buffer.alloc(length, 1).fill(first, 0, 1)

const FACTS: Readonly<Record<SampleKeyKind, Partial<PublicKeyInfo>>> = {
  rsa: { algorithm: 'rsa', bits: 2048, publicExponent: 65537n },
  'P-256': { algorithm: 'ec', bits: 256, curve: 'P-256' },
  'P-384': { algorithm: 'ec', bits: 384, curve: 'P-384' },
  'P-521': { algorithm: 'ec', bits: 521, curve: 'P-521' },
  ed25519: { algorithm: 'ed25519', bits: 255 }
}

describe('a public key', () => {
  it.each(SAMPLE_KEY_KINDS)('of kind %s is read as node:crypto reads it', kind => {
    const { publicKey } = sampleKey(kind)
    const { n, x, y } = publicKey.keyObject.export({ format: 'jwk' })
    const modulus = Buffer.from(publicKey.modulus ?? [])
    const coordinates = Buffer.concat([x, y].map(text => Buffer.from(text ?? '', 'base64url')))
    const prefix = publicKey.algorithm === 'ec' ? '04' : ''
    expect(modulus.toString('base64url')).toBe(n ?? '')
    expect(toHex(publicKey.point ?? new Uint8Array())).toBe(x === undefined ? '' : prefix + toHex(coordinates))
    expect(publicKey).toMatchObject(FACTS[kind])
  })

  it('has the SHA-1 of its bits as key identifier', () => {
    const { publicKey } = sampleKey('ed25519')
    expect(toHex(publicKey.keyId)).toBe(createHash('sha1').update(publicKey.raw.subarray(12)).digest('hex'))
    expect(publicKey.keyId).toBe(publicKey.keyId)
  })

  it('of 512 and of 16384 bits is read, for the policy to judge', () => {
    expect(decodePublicKey(rsaKey(encodeUnsigned(odd(64)), encodeInteger(3))).bits).toBe(512)
    expect(decodePublicKey(rsaKey(encodeUnsigned(odd(2048)), encodeInteger(3))).bits).toBe(16_384)
    expect(decodePublicKey(rsaKey(encodeUnsigned(odd(128, 1)), encodeInteger(3))).bits).toBe(1017)
  })

  const refused: readonly [string, Uint8Array, string][] = [
    ['RSA of 511 bits', rsaKey(encodeUnsigned(odd(64, 0x7f)), encodeInteger(3)), 'public_key_unsupported'],
    ['RSA of 16385 bits', rsaKey(encodeUnsigned(odd(2049, 1)), encodeInteger(3)), 'public_key_unsupported'],
    ['an even modulus', rsaKey(encodeInteger(2n ** 1024n), encodeInteger(3)), 'public_key_unsupported'],
    ['an exponent of 1', rsaKey(encodeUnsigned(odd(128)), encodeInteger(1)), 'public_key_unsupported'],
    ['an even exponent', rsaKey(encodeUnsigned(odd(128)), encodeInteger(65538)), 'public_key_unsupported'],
    ['an exponent of 257 bits', rsaKey(encodeUnsigned(odd(128)), encodeUnsigned(odd(33, 1))), 'public_key_unsupported'],
    ['a negative modulus', rsaKey(encodeInteger(-(2n ** 1024n) + 1n), encodeInteger(3)), 'x509_structure'],
    ['a modulus of zero', rsaKey(encodeInteger(0), encodeInteger(3)), 'x509_structure'],
    [
      'a modulus with a superfluous zero',
      rsaKey(fromHex('02030000ff') as Uint8Array, encodeInteger(3)),
      'der_integer_not_minimal'
    ],
    [
      'RSA without NULL',
      rsaKey(encodeUnsigned(odd(128)), encodeInteger(3), encodeAlgorithmIdentifier(OID.rsaEncryption)),
      'x509_structure'
    ],
    [
      'RSA with a third number',
      rsaKey(encodeUnsigned(odd(128)), Buffer.concat([encodeInteger(3), encodeInteger(3)])),
      'der_trailing_bytes'
    ],
    ['a compressed point', ecKey(p256, point(2, 33)), 'public_key_unsupported'],
    ['a hybrid point', ecKey(p256, point(6, 65)), 'public_key_unsupported'],
    ['a point of another size', ecKey(p256, point(4, 97)), 'public_key_unsupported'],
    ['the point at infinity', ecKey(p256, Uint8Array.of(0)), 'public_key_unsupported'],
    ['no curve', ecKey(undefined, point(4, 65)), 'public_key_unsupported'],
    ['an explicit curve', ecKey(encodeSequence(encodeInteger(1)), point(4, 65)), 'public_key_unsupported'],
    ['another curve', ecKey(encodeOid('1.3.132.0.10'), point(4, 65)), 'public_key_unsupported'],
    [
      'another algorithm',
      encodeSequence(encodeAlgorithmIdentifier('1.2.840.10040.4.1'), encodeBitString(Uint8Array.of(1))),
      'public_key_unsupported'
    ],
    [
      'Ed25519 with parameters',
      encodeSequence(encodeAlgorithmIdentifier(OID.id_Ed25519, encodeNull()), encodeBitString(point(1, 32))),
      'x509_structure'
    ],
    [
      'Ed25519 of 31 octets',
      encodeSequence(encodeAlgorithmIdentifier(OID.id_Ed25519), encodeBitString(point(1, 31))),
      'x509_structure'
    ],
    [
      'bits that are not whole octets',
      encodeSequence(encodeAlgorithmIdentifier(OID.id_Ed25519), encodeBitString(point(1, 32).fill(0, 31), 1)),
      'x509_structure'
    ],
    ['bytes after its end', Buffer.concat([sampleKey('P-256').publicKey.raw, Buffer.of(0)]), 'der_trailing_bytes']
  ]
  it.each(refused)('with %s is refused', (_case, bytes, code) => {
    expect(codeOf(() => decodePublicKey(bytes))).toBe(code)
  })

  it('that is not on its curve is refused when it is used', () => {
    const key = decodePublicKey(ecKey(p256, point(4, 65)))
    expect(codeOf(() => key.keyObject)).toBe('public_key_unsupported')
  })
})
