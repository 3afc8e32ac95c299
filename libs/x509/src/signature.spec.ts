import { constants, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { toHex } from '@app/core'
import { DerReader, encodeContext, encodeInteger, encodeNull, encodeOid, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import { codeOf, SAMPLE_KEY_KINDS, sampleKey, signSample } from '../../../test/helpers/x509-samples.js'
import {
  decodeAlgorithmIdentifier,
  digestOfScheme,
  encodeAlgorithmIdentifier,
  encodeDigestAlgorithm,
  encodeSignatureAlgorithm,
  schemeFor,
  verifySignature,
  type AlgorithmIdentifier,
  type DigestName,
  type SignatureScheme,
  type SignatureToVerify
} from './index.js'

const data = Buffer.from('to be signed')

function read(encoded: Uint8Array): AlgorithmIdentifier {
  return decodeAlgorithmIdentifier(DerReader.over(encoded), 'algorithm')
}

/** A right RSA signature with SHA-256 by the algorithm identifier given. */
function rsaInput(algorithm: Uint8Array, digest: DigestName = 'sha256'): SignatureToVerify {
  const { publicKey, privateKey } = sampleKey('rsa')
  return { publicKey, signatureAlgorithm: read(algorithm), data, signature: sign(digest, data, privateKey) }
}

interface PssChoice {
  readonly digest?: Uint8Array | undefined
  readonly mask?: Uint8Array | undefined
  readonly salt?: number | undefined
  readonly trailer?: number
}

const sha256 = encodeDigestAlgorithm('sha256')
const mgf1 = (digest: Uint8Array): Uint8Array => encodeAlgorithmIdentifier(OID.id_mgf1, digest)

function pssAlgorithm(choice: PssChoice = {}): Uint8Array {
  const { digest, mask, salt, trailer } = { digest: sha256, mask: mgf1(sha256), salt: 32, ...choice }
  const parts = [
    digest === undefined ? undefined : encodeContext(0, digest),
    mask === undefined ? undefined : encodeContext(1, mask),
    salt === undefined ? undefined : encodeContext(2, encodeInteger(salt)),
    trailer === undefined ? undefined : encodeContext(3, encodeInteger(trailer))
  ]
  return encodeAlgorithmIdentifier(OID.id_RSASSA_PSS, encodeSequence(...parts.filter(part => part !== undefined)))
}

function pssInput(algorithm: Uint8Array, digest: DigestName = 'sha256', saltLength = 32): SignatureToVerify {
  const { publicKey, privateKey } = sampleKey('rsa')
  const signature = sign(digest, data, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })
  return { publicKey, signatureAlgorithm: read(algorithm), data, signature }
}

describe('a signature', () => {
  const schemes: readonly [SignatureScheme, (typeof SAMPLE_KEY_KINDS)[number]][] = [
    ['rsa-sha256', 'rsa'],
    ['rsa-sha384', 'rsa'],
    ['rsa-sha512', 'rsa'],
    ['ecdsa-sha256', 'P-256'],
    ['ecdsa-sha384', 'P-384'],
    ['ecdsa-sha512', 'P-521'],
    ['ecdsa-sha512', 'P-256'],
    ['ed25519', 'ed25519']
  ]
  it.each(schemes)('by %s with a %s key verifies, and not over other data', (scheme, kind) => {
    const key = sampleKey(kind)
    const signatureAlgorithm = read(encodeSignatureAlgorithm(scheme))
    const signature = signSample(key, data, scheme)
    const input = { publicKey: key.publicKey, signatureAlgorithm, data, signature }
    const digest = digestOfScheme(scheme)
    expect(verifySignature(input)).toEqual({ digest, valid: true })
    expect(verifySignature({ ...input, digest }).valid).toBe(true)
    expect(verifySignature({ ...input, data: Buffer.from('other') }).valid).toBe(false)
    expect(verifySignature({ ...input, signature: signature.subarray(1) }).valid).toBe(false)
    expect(verifySignature({ ...input, signature: new Uint8Array() }).valid).toBe(false)
  })

  it('by rsaEncryption verifies with the hash function stated beside it', () => {
    const input = rsaInput(encodeAlgorithmIdentifier(OID.rsaEncryption, encodeNull()))
    expect(verifySignature({ ...input, digest: 'sha256' })).toEqual({ digest: 'sha256', valid: true })
    expect(verifySignature({ ...input, digest: 'sha512' }).valid).toBe(false)
    expect(codeOf(() => verifySignature(input))).toBe('cms_algorithm_not_allowed')
  })

  it('by RSA may lack the NULL parameters', () => {
    expect(verifySignature(rsaInput(encodeAlgorithmIdentifier(OID.sha256WithRSAEncryption))).valid).toBe(true)
  })

  it('with another hash function than the stated one is refused', () => {
    const input = rsaInput(encodeSignatureAlgorithm('rsa-sha256'))
    expect(codeOf(() => verifySignature({ ...input, digest: 'sha512' }))).toBe('cms_digest_algorithm_mismatch')
  })

  const legacy: readonly [string, Uint8Array][] = [
    ['sha1WithRSAEncryption', encodeAlgorithmIdentifier(OID.sha1WithRSAEncryption, encodeNull())],
    ['rsaEncryption', encodeAlgorithmIdentifier(OID.rsaEncryption, encodeNull())]
  ]
  it.each(legacy)('with SHA-1 by %s is refused unless it is allowed', (_name, algorithm) => {
    const input = { ...rsaInput(algorithm, 'sha1'), digest: 'sha1' as const }
    expect(codeOf(() => verifySignature(input))).toBe('cms_algorithm_not_allowed')
    expect(verifySignature({ ...input, allowSha1: true })).toEqual({ digest: 'sha1', valid: true })
  })

  const refused: readonly [string, Uint8Array][] = [
    ['MD5', encodeAlgorithmIdentifier(OID.md5WithRSAEncryption, encodeNull())],
    ['no algorithm', encodeAlgorithmIdentifier(OID.id_alg_noSignature, encodeNull())],
    ['a bare hash function', encodeDigestAlgorithm('sha256')],
    ['RSA parameters other than NULL', encodeAlgorithmIdentifier(OID.sha256WithRSAEncryption, encodeInteger(1))],
    ['an algorithm for EC keys', encodeSignatureAlgorithm('ecdsa-sha256')],
    ['an algorithm for Ed25519 keys', encodeSignatureAlgorithm('ed25519')]
  ]
  it.each(refused)('of an RSA key by %s is refused', (_name, algorithm) => {
    expect(codeOf(() => verifySignature(rsaInput(algorithm)))).toBe('cms_algorithm_not_allowed')
  })

  it('by ECDSA or Ed25519 with NULL parameters is refused', () => {
    for (const [kind, oid] of [
      ['P-256', OID.ecdsa_with_SHA256],
      ['ed25519', OID.id_Ed25519]
    ] as const) {
      const key = sampleKey(kind)
      const signatureAlgorithm = read(encodeAlgorithmIdentifier(oid, encodeNull()))
      const input = { publicKey: key.publicKey, signatureAlgorithm, data, signature: signSample(key, data) }
      expect(codeOf(() => verifySignature(input))).toBe('cms_algorithm_not_allowed')
    }
  })

  it('by ECDSA with the hash function in its parameters verifies, as Windows writes it', () => {
    const key = sampleKey('P-256')
    const signatureAlgorithm = read(encodeAlgorithmIdentifier(OID.ecdsa_with_Specified, sha256))
    const input = { publicKey: key.publicKey, signatureAlgorithm, data, signature: signSample(key, data) }
    expect(verifySignature(input)).toEqual({ digest: 'sha256', valid: true })
    const none = { ...input, signatureAlgorithm: read(encodeAlgorithmIdentifier(OID.ecdsa_with_Specified)) }
    expect(codeOf(() => verifySignature(none))).toBe('cms_algorithm_not_allowed')
  })

  it('by ECDSA in a form other than DER is wrong', () => {
    const key = sampleKey('P-256')
    const signatureAlgorithm = read(encodeSignatureAlgorithm('ecdsa-sha256'))
    const signature = sign('sha256', data, { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
    expect(verifySignature({ publicKey: key.publicKey, signatureAlgorithm, data, signature }).valid).toBe(false)
  })
})

describe('an RSASSA-PSS signature', () => {
  it('verifies with one hash function throughout', () => {
    expect(verifySignature(pssInput(pssAlgorithm()))).toEqual({ digest: 'sha256', valid: true })
    const withNull = encodeAlgorithmIdentifier(OID.id_sha256, encodeNull())
    expect(verifySignature(pssInput(pssAlgorithm({ digest: withNull, mask: mgf1(withNull) }))).valid).toBe(true)
    expect(verifySignature(pssInput(pssAlgorithm({ trailer: 1 }))).valid).toBe(true)
  })

  it('is not taken for one of PKCS#1 v1.5, nor the reverse', () => {
    const pss = pssInput(pssAlgorithm())
    const plain = rsaInput(encodeSignatureAlgorithm('rsa-sha256'))
    expect(verifySignature({ ...pss, signature: plain.signature }).valid).toBe(false)
    expect(verifySignature({ ...plain, signature: pss.signature }).valid).toBe(false)
  })

  it('with another salt length than its parameters say is wrong', () => {
    expect(verifySignature(pssInput(pssAlgorithm(), 'sha256', 20)).valid).toBe(false)
  })

  it('with all defaults means SHA-1', () => {
    const input = pssInput(pssAlgorithm({ digest: undefined, mask: undefined, salt: undefined }), 'sha1', 20)
    expect(codeOf(() => verifySignature(input))).toBe('cms_algorithm_not_allowed')
    expect(verifySignature({ ...input, allowSha1: true })).toEqual({ digest: 'sha1', valid: true })
  })

  const refused: readonly [string, Uint8Array][] = [
    ['no parameters', encodeAlgorithmIdentifier(OID.id_RSASSA_PSS)],
    ['another hash function for the mask', pssAlgorithm({ mask: mgf1(encodeDigestAlgorithm('sha512')) })],
    ['the default mask with SHA-256', pssAlgorithm({ mask: undefined })],
    ['a mask other than MGF1', pssAlgorithm({ mask: encodeAlgorithmIdentifier('1.2.3', sha256) })],
    ['a mask without a hash function', pssAlgorithm({ mask: encodeAlgorithmIdentifier(OID.id_mgf1) })],
    ['a shorter salt', pssAlgorithm({ salt: 20 })],
    ['the default salt with SHA-256', pssAlgorithm({ salt: undefined })],
    ['another trailer', pssAlgorithm({ trailer: 2 })],
    ['MD5', pssAlgorithm({ digest: encodeAlgorithmIdentifier(OID.md5, encodeNull()) })]
  ]
  it.each(refused)('with %s is refused', (_name, algorithm) => {
    expect(codeOf(() => verifySignature(pssInput(algorithm)))).toBe('cms_algorithm_not_allowed')
  })

  it('with parameters that are no sequence or go on is refused', () => {
    const notSequence = encodeAlgorithmIdentifier(OID.id_RSASSA_PSS, encodeNull())
    expect(codeOf(() => verifySignature(pssInput(notSequence)))).toBe('der_tag_unexpected')
    const goesOn = encodeSequence(encodeContext(0, sha256), encodeOid('1.2.3'))
    const algorithm = encodeAlgorithmIdentifier(OID.id_RSASSA_PSS, goesOn)
    expect(codeOf(() => verifySignature(pssInput(algorithm)))).toBe('der_trailing_bytes')
  })
})

describe('the scheme to sign with', () => {
  const choices: readonly [(typeof SAMPLE_KEY_KINDS)[number], DigestName | undefined, SignatureScheme][] = [
    ['rsa', undefined, 'rsa-sha256'],
    ['rsa', 'sha512', 'rsa-sha512'],
    ['P-256', undefined, 'ecdsa-sha256'],
    ['P-384', undefined, 'ecdsa-sha384'],
    ['P-521', undefined, 'ecdsa-sha512'],
    ['P-521', 'sha256', 'ecdsa-sha256'],
    ['ed25519', 'sha256', 'ed25519']
  ]
  it.each(choices)('with a %s key and %s is %s', (kind, digest, scheme) => {
    expect(schemeFor(sampleKey(kind).publicKey, digest)).toBe(scheme)
  })

  it('is never one of SHA-1', () => {
    expect(codeOf(() => schemeFor(sampleKey('rsa').publicKey, 'sha1'))).toBe('cms_algorithm_not_allowed')
  })

  it('is written as its specification says', () => {
    expect(toHex(encodeSignatureAlgorithm('rsa-sha256'))).toBe('300d06092a864886f70d01010b0500')
    expect(toHex(encodeSignatureAlgorithm('ecdsa-sha384'))).toBe('300a06082a8648ce3d040303')
    expect(toHex(encodeSignatureAlgorithm('ed25519'))).toBe('300506032b6570')
    expect(toHex(encodeDigestAlgorithm('sha1'))).toBe('300706052b0e03021a')
  })
})
