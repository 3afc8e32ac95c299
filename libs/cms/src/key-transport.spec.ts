import { generateKeyPairSync } from 'node:crypto'
import { DerReader, encodeContext, encodeInteger, encodeNull, encodeOctetString, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import { decodeAlgorithmIdentifier, digestOid, encodeAlgorithmIdentifier, type DigestName } from '@app/x509'
import { describe, expect, it } from 'vitest'
import {
  decodeKeyTransport,
  encodeKeyTransport,
  unwrapContentKey,
  wrapContentKey,
  type KeyTransport
} from './key-transport.js'

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const digests: readonly DigestName[] = ['sha1', 'sha256', 'sha384', 'sha512']
const transports: readonly KeyTransport[] = [
  { scheme: 'rsaes-pkcs1-v1_5' },
  ...digests.map(digest => ({ scheme: 'rsaes-oaep', digest }) as const)
]

function decode(encoded: Uint8Array): KeyTransport {
  return decodeKeyTransport(decodeAlgorithmIdentifier(DerReader.over(encoded), 'key transport'))
}

function oaep(...parameters: readonly Uint8Array[]): Uint8Array {
  return encodeAlgorithmIdentifier(OID.id_RSAES_OAEP, encodeSequence(...parameters))
}

const hashed = (digest: DigestName): Uint8Array => encodeAlgorithmIdentifier(digestOid(digest))
const hash = (digest: DigestName): Uint8Array => encodeContext(0, hashed(digest))
const mask = (digest: DigestName): Uint8Array =>
  encodeContext(1, encodeAlgorithmIdentifier(OID.id_mgf1, hashed(digest)))
const label = (...octets: number[]): Uint8Array =>
  encodeContext(2, encodeAlgorithmIdentifier(OID.id_pSpecified, encodeOctetString(Uint8Array.from(octets))))

describe('a key transport', () => {
  it.each(transports)('is read as it was written, and opens what it wrapped: %o', transport => {
    expect(decode(encodeKeyTransport(transport))).toEqual(transport)
    const contentKey = Buffer.from('0123456789abcdef')
    const wrapped = wrapContentKey(publicKey, contentKey, transport)
    expect(Buffer.from(unwrapContentKey(privateKey, wrapped, transport))).toEqual(contentKey)
  })

  it('does not open what another one wrapped', () => {
    const wrapped = wrapContentKey(publicKey, Buffer.alloc(16), { scheme: 'rsaes-oaep', digest: 'sha256' })
    expect(() => unwrapContentKey(privateKey, wrapped, { scheme: 'rsaes-oaep', digest: 'sha1' })).toThrow(/oaep/i)
  })

  it.each([
    ['rsaEncryption without parameters', encodeAlgorithmIdentifier(OID.rsaEncryption), transports[0]],
    ['OAEP with nothing written out', oaep(), { scheme: 'rsaes-oaep', digest: 'sha1' }],
    [
      'OAEP with every default written out',
      oaep(hash('sha1'), mask('sha1'), label()),
      { scheme: 'rsaes-oaep', digest: 'sha1' }
    ],
    ['an empty label written out', oaep(hash('sha256'), mask('sha256'), label()), transports[2]]
  ] as const)('is read when it is %s', (_name, encoded, transport) => {
    expect(decode(encoded)).toEqual(transport)
  })

  it.each([
    ['MGF1 with another digest', oaep(hash('sha256'), mask('sha1')), /sha256 and MGF1 with sha1/],
    ['MGF1 left at SHA-1', oaep(hash('sha256')), /sha256 and MGF1 with sha1/],
    ['a digest left at SHA-1', oaep(mask('sha256')), /sha1 and MGF1 with sha256/],
    ['a label', oaep(hash('sha256'), mask('sha256'), label(1)), /label/],
    ['MD5', oaep(encodeContext(0, encodeAlgorithmIdentifier(OID.md5))), /hashAlgorithm/],
    ['another mask function', oaep(hash('sha1'), encodeContext(1, hashed('sha1'))), /MGF1/],
    ['OAEP without parameters', encodeAlgorithmIdentifier(OID.id_RSAES_OAEP), /lacks its parameters/],
    ['rsaEncryption with parameters', encodeAlgorithmIdentifier(OID.rsaEncryption, encodeInteger(1)), /NULL/],
    ['a signature algorithm', encodeAlgorithmIdentifier(OID.sha256WithRSAEncryption, encodeNull()), /1\.1\.11/]
  ] as const)('is refused with its reason: %s', (_name, encoded, reason) => {
    expect(() => decode(encoded)).toThrow(
      expect.objectContaining({ code: 'cms_algorithm_not_allowed', message: expect.stringMatching(reason) })
    )
  })

  it.each([
    ['bytes after the parameters', encodeAlgorithmIdentifier(OID.id_RSAES_OAEP, Buffer.of(0x30, 0x02, 0x05, 0x00))],
    ['parameters in the wrong order', oaep(mask('sha256'), hash('sha256'))]
  ])('is refused when it has %s', (_name, encoded) => {
    expect(() => decode(encoded)).toThrow(expect.objectContaining({ code: 'der_trailing_bytes' }))
  })
})
