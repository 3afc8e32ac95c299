import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '@app/core'
import {
  contextTag,
  encodeBitString,
  encodeInteger,
  encodeNull,
  encodeOctetString,
  encodeSequence,
  encodeTlv,
  encodeUtf8String,
  TAG
} from '@app/der'
import { OID } from '@app/oid'
import {
  buildSampleRequest,
  codeOf,
  mutationsOf,
  nameOf,
  SAMPLE_KEY_KINDS,
  sampleKey,
  signSample
} from '../../../test/helpers/x509-samples.js'
import {
  decodeCertificationRequest,
  encodeAlgorithmIdentifier,
  encodeAttribute,
  encodeDigestAlgorithm,
  encodeExtensions,
  encodeKeyUsage,
  encodeSignatureAlgorithm,
  findAttribute,
  findExtension,
  formatName,
  verifyCertificationRequest,
  verifyNullSignature,
  type DigestName
} from './index.js'

const key = sampleKey('P-256')
const keyUsage = { oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(['digitalSignature']) }
const policies = { oid: OID.id_ce_certificatePolicies, critical: false, value: encodeSequence() }
const standardRequest = encodeAttribute(OID.extensionRequest, [encodeExtensions([keyUsage])])
const microsoftRequest = encodeAttribute(OID.szOID_CERT_EXTENSIONS, [encodeExtensions([policies])])
const challenge = encodeAttribute(OID.challengePassword, [encodeUtf8String('x')])

interface RequestShape {
  readonly version?: number
  readonly attributes?: Uint8Array
  readonly algorithm?: Uint8Array
  readonly signatureOf?: (info: Uint8Array) => Uint8Array
  readonly tail?: Uint8Array
}

/** A request put together by hand, for what no builder would write. */
function requestOf(shape: RequestShape): Uint8Array {
  const { version = 0, attributes = encodeTlv(contextTag(0)), tail = new Uint8Array() } = shape
  const { algorithm = encodeSignatureAlgorithm(key.scheme), signatureOf = info => signSample(key, info) } = shape
  const info = encodeSequence(encodeInteger(version), nameOf('CN=Sample'), key.publicKey.raw, attributes)
  return encodeSequence(info, algorithm, encodeBitString(signatureOf(info)), tail)
}

const attributesOf = (...attributes: Uint8Array[]): Uint8Array => encodeTlv(contextTag(0), ...attributes)

describe('a PKCS#10 request', () => {
  it.each(SAMPLE_KEY_KINDS)('with a key of kind %s is read and verified as it was built', async kind => {
    const sample = sampleKey(kind)
    const attributes = [standardRequest, challenge]
    const bytes = await buildSampleRequest(sample, { subject: nameOf('CN=a,C=US'), attributes })
    const request = decodeCertificationRequest(bytes)
    expect(formatName(request.subject)).toBe('CN=a,C=US')
    expect(toHex(request.raw)).toBe(toHex(bytes))
    expect(toHex(request.publicKey.keyId)).toBe(toHex(sample.publicKey.keyId))
    expect(request.attributes.map(attribute => attribute.oid)).toEqual([OID.challengePassword, OID.extensionRequest])
    expect(findAttribute(request.attributes, OID.challengePassword)?.values.map(toHex)).toEqual(['0c0178'])
    expect(findExtension(request, OID.id_ce_keyUsage)?.critical).toBe(true)
    expect(verifyCertificationRequest(request).digest).toMatch(/^sha(256|384|512)$/)
    expect(codeOf(() => verifyNullSignature(request))).toBe('pkcs10_null_signature')
  })

  it('has the extensions of both identifiers', () => {
    const request = decodeCertificationRequest(
      requestOf({ attributes: attributesOf(microsoftRequest, standardRequest) })
    )
    expect(request.extensions.map(extension => extension.oid)).toEqual([keyUsage.oid, policies.oid])
  })

  it('may have an empty subject and no attributes', async () => {
    const request = decodeCertificationRequest(await buildSampleRequest(key, { subject: encodeSequence() }))
    expect(request).toMatchObject({ attributes: [], extensions: [] })
    expect(request.subject.rdns).toEqual([])
  })

  const twoValues = encodeAttribute(OID.extensionRequest, [encodeExtensions([keyUsage]), encodeExtensions([policies])])
  const microsoftKeyUsage = encodeAttribute(OID.szOID_CERT_EXTENSIONS, [encodeExtensions([keyUsage])])
  const refused: readonly [string, RequestShape, string][] = [
    ['of version 2', { version: 1 }, 'pkcs10_structure'],
    ['without the attributes field', { attributes: new Uint8Array() }, 'der_tag_unexpected'],
    ['with an attribute twice', { attributes: attributesOf(challenge, challenge) }, 'pkcs10_structure'],
    [
      'with an attribute without values',
      { attributes: attributesOf(encodeAttribute(OID.challengePassword, [])) },
      'pkcs10_structure'
    ],
    ['with two extension lists in one attribute', { attributes: attributesOf(twoValues) }, 'pkcs10_structure'],
    [
      'with an extension in both lists',
      { attributes: attributesOf(standardRequest, microsoftKeyUsage) },
      'x509_structure'
    ],
    [
      'with an empty list of extensions',
      { attributes: attributesOf(encodeAttribute(OID.extensionRequest, [encodeSequence()])) },
      'x509_structure'
    ],
    ['with attributes out of order', { attributes: attributesOf(standardRequest, challenge) }, 'der_set_order'],
    ['with bytes after its signature', { tail: encodeNull() }, 'der_trailing_bytes']
  ]
  it.each(refused)('%s is refused', (_case, shape, code) => {
    expect(codeOf(() => decodeCertificationRequest(requestOf(shape)))).toBe(code)
  })

  it('with bytes after its end or a signature of broken octets is refused', async () => {
    const bytes = await buildSampleRequest(key)
    expect(codeOf(() => decodeCertificationRequest(Buffer.concat([bytes, Buffer.of(0)])))).toBe('der_trailing_bytes')
    const info = decodeCertificationRequest(bytes).info
    const broken = encodeSequence(info, encodeSignatureAlgorithm(key.scheme), encodeBitString(Buffer.of(0x80), 1))
    expect(codeOf(() => decodeCertificationRequest(broken))).toBe('pkcs10_structure')
  })

  it('with attributes out of order is read when the caller knows that its client does not sort', () => {
    const bytes = requestOf({ attributes: attributesOf(standardRequest, challenge) })
    const request = decodeCertificationRequest(bytes, { order: 'unchecked' })
    expect(request.attributes).toHaveLength(2)
    expect(verifyCertificationRequest(request).digest).toBe('sha256')
  })

  it('with a value set out of order is refused unless the caller allows it', () => {
    const values = encodeTlv(TAG.set, encodeUtf8String('b'), encodeUtf8String('a'))
    const attribute = encodeSequence(encodeTlv(TAG.oid, Buffer.of(42, 3)), values)
    const bytes = requestOf({ attributes: attributesOf(attribute) })
    expect(codeOf(() => decodeCertificationRequest(bytes))).toBe('der_set_order')
    expect(decodeCertificationRequest(bytes, { order: 'unchecked' }).attributes[0]?.values).toHaveLength(2)
  })
})

describe('the proof of possession of a PKCS#10 request', () => {
  it('by another key is wrong', () => {
    const bytes = requestOf({ signatureOf: info => signSample(sampleKey('P-384'), info) })
    expect(codeOf(() => verifyCertificationRequest(decodeCertificationRequest(bytes)))).toBe('pkcs10_signature_invalid')
  })

  it('over another request is wrong', async () => {
    const other = decodeCertificationRequest(await buildSampleRequest(key, { subject: nameOf('CN=other') }))
    const bytes = requestOf({ signatureOf: () => other.signature })
    expect(codeOf(() => verifyCertificationRequest(decodeCertificationRequest(bytes)))).toBe('pkcs10_signature_invalid')
  })

  it('with SHA-1 is refused unless it is allowed', async () => {
    const bytes = requestOf({ algorithm: encodeAlgorithmIdentifier(OID.ecdsa_with_SHA1) })
    const request = decodeCertificationRequest(bytes)
    expect(codeOf(() => verifyCertificationRequest(request))).toBe('cms_algorithm_not_allowed')
    expect(codeOf(() => verifyCertificationRequest(request, { allowSha1: true }))).toBe('pkcs10_signature_invalid')
  })
})

const hashOf =
  (digest: DigestName) =>
  (info: Uint8Array): Uint8Array =>
    createHash(digest).update(info).digest()

describe('a null signature', () => {
  const noSignature = encodeAlgorithmIdentifier(OID.id_alg_noSignature, encodeNull())
  const sha256 = encodeAlgorithmIdentifier(OID.id_sha256, encodeNull())
  const forms: readonly [string, RequestShape, DigestName][] = [
    ['Windows with SHA-1', { algorithm: encodeDigestAlgorithm('sha1'), signatureOf: hashOf('sha1') }, 'sha1'],
    ['Windows with SHA-256 and NULL', { algorithm: sha256, signatureOf: hashOf('sha256') }, 'sha256'],
    ['the standard with a bare SHA-1', { algorithm: noSignature, signatureOf: hashOf('sha1') }, 'sha1'],
    [
      'the standard with SHA-256 in an OCTET STRING',
      { algorithm: noSignature, signatureOf: info => encodeOctetString(hashOf('sha256')(info)) },
      'sha256'
    ]
  ]
  it.each(forms)('of %s is recognised, and is no proof by itself', (_form, shape, digest) => {
    const request = decodeCertificationRequest(requestOf(shape))
    expect(request.nullSignature).toBe(digest)
    expect(verifyNullSignature(request)).toEqual({ digest })
    expect(codeOf(() => verifyCertificationRequest(request, { allowSha1: true }))).toBe('pkcs10_null_signature')
  })

  it('that is the hash of something else is wrong', () => {
    const shape = { algorithm: sha256, signatureOf: () => hashOf('sha256')(Buffer.from('other')) }
    const request = decodeCertificationRequest(requestOf(shape))
    expect(codeOf(() => verifyNullSignature(request))).toBe('pkcs10_signature_invalid')
  })

  it('of a length that no hash has, or with parameters, is no null signature', () => {
    for (const shape of [
      { algorithm: noSignature, signatureOf: () => Buffer.alloc(5) },
      { algorithm: encodeAlgorithmIdentifier(OID.id_sha256, encodeInteger(1)), signatureOf: hashOf('sha256') }
    ]) {
      const request = decodeCertificationRequest(requestOf(shape))
      expect(request.nullSignature).toBeUndefined()
      expect(codeOf(() => verifyCertificationRequest(request))).toBe('cms_algorithm_not_allowed')
    }
  })
})

describe('a damaged PKCS#10 request', () => {
  let bytes: Uint8Array
  beforeAll(async () => {
    bytes = await buildSampleRequest(key, { attributes: [standardRequest, challenge] })
  })

  it('throws nothing but the program’s own error and never verifies', () => {
    const original = toHex(bytes)
    fc.assert(
      fc.property(mutationsOf(bytes), mutated => {
        const code = codeOf(() => verifyCertificationRequest(decodeCertificationRequest(mutated)))
        expect(code === undefined).toBe(toHex(mutated) === original)
      }),
      { numRuns: 500 }
    )
  })
})
