import type { ErrorCode } from '@app/core'
import { encodeInteger, encodeNull, encodeOctetString, encodeOid, encodeSequence, encodeTlv } from '@app/der'
import { OID } from '@app/oid'
import { encodeAlgorithmIdentifier, encodeAttribute } from '@app/x509'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  makeIdentity,
  makeRsaIdentity,
  realEntropy,
  replaceElement,
  withIndefiniteLength
} from '../../../test/helpers/cms-messages.js'
import { codeOf } from '../../../test/helpers/x509-samples.js'
import type { ContentEncryptionName } from './content-encryption.js'
import { encodeContentInfo } from './content-info.js'
import { buildEnvelopedData, type EnvelopePlan } from './enveloped-data-builder.js'
import { decodeEnvelopedData, findRecipient, getOnlyRecipient } from './enveloped-data.js'
import { identifierOf } from './identifier.js'

const alice = makeRsaIdentity({ name: 'Alice' })
const bob = makeRsaIdentity({ name: 'Bob', serialNumber: 2 })
const content = Buffer.from('the private key of somebody')

const toAlice = { certificate: alice.certificate, transport: { scheme: 'rsaes-pkcs1-v1_5' } } as const
const toBob = {
  certificate: bob.certificate,
  transport: { scheme: 'rsaes-oaep', digest: 'sha256' },
  identifier: { kind: 'keyId', keyId: bob.publicKey.keyId }
} as const

function build(changes: Partial<EnvelopePlan> = {}): Uint8Array {
  const plan = { content, recipients: [toAlice], contentEncryption: 'aes-256-cbc', entropy: realEntropy } as const
  return buildEnvelopedData({ ...plan, ...changes })
}

function outcomeOf(message: Uint8Array): ErrorCode | undefined {
  return codeOf(() => decodeEnvelopedData(message))
}

describe('decoding an envelope', () => {
  it('gives what is in an EnvelopedData', () => {
    const raw = build()
    const enveloped = decodeEnvelopedData(raw)
    expect(enveloped).toMatchObject({
      kind: 'enveloped',
      contentType: OID.id_data,
      contentEncryption: { algorithm: 'aes-256-cbc' },
      recipients: [{ transport: toAlice.transport, identifier: { kind: 'issuerAndSerial' } }],
      unprotectedAttributes: []
    })
    expect(enveloped.raw).toBe(raw)
    expect(enveloped.encryptedContent).toHaveLength(32)
    expect(getOnlyRecipient(enveloped).encryptedKey).toHaveLength(256)
  })

  it('gives what is in an AuthEnvelopedData, with attributes that name content other than id-data', () => {
    expect(decodeEnvelopedData(build({ contentEncryption: 'aes-128-gcm' }))).not.toHaveProperty(
      'authenticatedAttributes'
    )
    const raw = build({ contentEncryption: 'aes-256-gcm', contentType: OID.id_ct_encKeyWithID })
    const enveloped = decodeEnvelopedData(raw)
    expect(enveloped).toMatchObject({ kind: 'auth-enveloped', contentType: OID.id_ct_encKeyWithID })
    expect(enveloped.authenticatedAttributes?.list.map(({ oid }) => oid)).toEqual([OID.id_contentType])
    expect(enveloped.contentEncryption).toMatchObject({ algorithm: 'aes-256-gcm' })
  })

  it('reads encrypted content in segments', () => {
    const whole = decodeEnvelopedData(build({ contentEncryption: 'aes-128-gcm' }))
    const segmented = replaceElement(build(), [1, 0, 2, 2], () => [
      withIndefiniteLength(
        encodeTlv(
          0xa0,
          encodeOctetString(whole.encryptedContent.subarray(0, 5)),
          encodeOctetString(whole.encryptedContent.subarray(5))
        )
      )
    ])
    expect(Buffer.from(decodeEnvelopedData(segmented).encryptedContent)).toEqual(Buffer.from(whole.encryptedContent))
  })

  it('gives attributes that nothing protects', () => {
    const attribute = encodeAttribute('1.2.3', [encodeNull()])
    const cbc = replaceElement(build(), [1, 0, 2], element => [element, encodeTlv(0xa1, attribute)])
    const gcm = replaceElement(build({ contentEncryption: 'aes-128-gcm' }), [1, 0, 3], element => [
      element,
      encodeTlv(0xa2, attribute)
    ])
    for (const message of [cbc, gcm]) {
      expect(decodeEnvelopedData(message).unprotectedAttributes.map(({ oid }) => oid)).toEqual(['1.2.3'])
    }
  })
})

describe('the recipients of an envelope', () => {
  const several = decodeEnvelopedData(build({ recipients: [toAlice, toBob] }))
  const aliceAs = { issuer: alice.certificate.issuer.raw, serialNumber: alice.certificate.serialNumber }
  const bobAs = { issuer: bob.certificate.issuer.raw, serialNumber: bob.certificate.serialNumber }

  it('are found by issuer and serial number, or by key identifier', () => {
    expect(findRecipient(several, aliceAs)?.transport).toEqual(toAlice.transport)
    expect(findRecipient(several, { ...bobAs, keyId: bob.publicKey.keyId })?.transport).toEqual(toBob.transport)
  })

  it('are not found by anything else', () => {
    expect(findRecipient(several, bobAs)).toBeUndefined()
    expect(findRecipient(several, { ...aliceAs, serialNumber: Uint8Array.of(5) })).toBeUndefined()
    expect(findRecipient(several, { ...aliceAs, issuer: bobAs.issuer })).toBeUndefined()
  })

  it('are refused where one is wanted and there are several', () => {
    expect(() => getOnlyRecipient(several)).toThrow(expect.objectContaining({ code: 'cms_recipient_count' }))
    const twice = decodeEnvelopedData(build({ recipients: [toAlice, toAlice] }))
    expect(() => findRecipient(twice, aliceAs)).toThrow(expect.objectContaining({ code: 'cms_recipient_count' }))
  })
})

describe('an envelope that is refused', () => {
  let cbc: Uint8Array
  let gcm: Uint8Array
  beforeAll(() => {
    cbc = build()
    gcm = build({ contentEncryption: 'aes-256-gcm', contentType: OID.id_ct_encKeyWithID })
  })

  const extra = encodeNull()
  const append = (element: Uint8Array): Uint8Array[] => [element, extra]
  const empty = encodeSequence()

  it.each([
    ['originatorInfo', 'cms_structure', [1, 0, 0], version => [version, encodeTlv(0xa0)]],
    ['version 3', 'cms_structure', [1, 0, 0], () => [encodeInteger(3)]],
    ['no recipients', 'cms_structure', [1, 0, 1], () => [encodeTlv(0x31)]],
    ['recipient version 2 with a serial number', 'cms_structure', [1, 0, 1, 0, 0], () => [encodeInteger(2)]],
    ['key agreement', 'cms_algorithm_not_allowed', [1, 0, 1, 0], () => [encodeTlv(0xa1, extra)]],
    ['a symmetric key', 'cms_algorithm_not_allowed', [1, 0, 1, 0], () => [encodeTlv(0xa2, extra)]],
    ['a password', 'cms_algorithm_not_allowed', [1, 0, 1, 0], () => [encodeTlv(0xa3, extra)]],
    ['another kind of recipient', 'cms_algorithm_not_allowed', [1, 0, 1, 0], () => [encodeTlv(0xa4, extra)]],
    ['a recipient of no known kind', 'der_tag_unexpected', [1, 0, 1, 0], () => [extra]],
    ['an unknown key transport', 'cms_algorithm_not_allowed', [1, 0, 1, 0, 2], algorithm('1.2.3')],
    ['more in a recipient', 'der_trailing_bytes', [1, 0, 1, 0, 3], append],
    ['RC2', 'cms_algorithm_not_allowed', [1, 0, 2, 1], algorithm(OID.rc2_cbc, encodeOctetString(new Uint8Array(8)))],
    [
      'GCM without its tag',
      'cms_algorithm_not_allowed',
      [1, 0, 2, 1],
      algorithm(OID.aes256_GCM, gcmParameters(12, 16))
    ],
    [
      'a short initialization vector',
      'cms_structure',
      [1, 0, 2, 1],
      algorithm(OID.aes256_CBC, encodeOctetString(new Uint8Array(8)))
    ],
    ['no initialization vector', 'der_tag_unexpected', [1, 0, 2, 1], algorithm(OID.aes256_CBC)],
    ['no encrypted content', 'cms_content_missing', [1, 0, 2, 2], () => []],
    ['more in EncryptedContentInfo', 'der_trailing_bytes', [1, 0, 2, 2], append],
    ['an empty set of attributes', 'cms_structure', [1, 0, 2], info => [info, encodeTlv(0xa1)]],
    ['more at its end', 'der_trailing_bytes', [1, 0, 2], append],
    ['more behind it', 'der_trailing_bytes', [], append],
    ['an indefinite length outside', 'der_length_indefinite', [], element => [withIndefiniteLength(element)]],
    [
      'an indefinite length around the content',
      'der_length_indefinite',
      [1, 0, 2],
      element => [withIndefiniteLength(element)]
    ],
    ['another content type', 'cms_content_type_mismatch', [], () => [encodeContentInfo(OID.id_data, empty)]]
  ] satisfies readonly Surgery[])('EnvelopedData with %s (%s)', (_name, code, path, replace) => {
    expect(outcomeOf(replaceElement(cbc, path, replace))).toBe(code)
  })

  it.each([
    ['version 2', 'cms_structure', [1, 0, 0], () => [encodeInteger(2)]],
    ['no attributes for content that is not id-data', 'cms_attribute_missing', [1, 0, 3], () => []],
    ['attributes for other content', 'cms_content_type_mismatch', [1, 0, 2, 0], () => [encodeOid('1.2.3')]],
    ['an empty set of attributes', 'cms_structure', [1, 0, 3], () => [encodeTlv(0xa1)]],
    [
      'attributes that are not sorted',
      'der_set_order',
      [1, 0, 3, 0],
      attribute => [encodeAttribute('1.2.840.113549.1.9.16.9', [encodeNull()]), attribute].toReversed()
    ],
    ['no tag', 'der_tag_unexpected', [1, 0, 4], () => []],
    ['a tag of another length than stated', 'cms_structure', [1, 0, 4], () => [encodeOctetString(new Uint8Array(12))]],
    ['a tag of 8 octets', 'cms_structure', [1, 0, 2, 1], algorithm(OID.aes256_GCM, gcmParameters(12, 8))],
    ['a nonce of 8 octets', 'cms_algorithm_not_allowed', [1, 0, 2, 1], algorithm(OID.aes256_GCM, gcmParameters(8, 16))],
    [
      'CBC',
      'cms_algorithm_not_allowed',
      [1, 0, 2, 1],
      algorithm(OID.aes256_CBC, encodeOctetString(new Uint8Array(16)))
    ],
    ['AES-192-GCM', 'cms_algorithm_not_allowed', [1, 0, 2, 1], algorithm(OID.aes192_GCM, gcmParameters(12, 16))],
    ['more at its end', 'der_trailing_bytes', [1, 0, 4], append]
  ] satisfies readonly Surgery[])('AuthEnvelopedData with %s (%s)', (_name, code, path, replace) => {
    expect(outcomeOf(replaceElement(gcm, path, replace))).toBe(code)
  })

  it('is not the one that these cases start from', () => {
    expect([outcomeOf(cbc), outcomeOf(gcm)]).toEqual([undefined, undefined])
  })
})

describe('building an envelope', () => {
  it.each([
    ['des-ede3-cbc', 'enveloped'],
    ['aes-128-cbc', 'enveloped'],
    ['aes-192-cbc', 'enveloped'],
    ['aes-256-cbc', 'enveloped'],
    ['aes-128-gcm', 'auth-enveloped'],
    ['aes-256-gcm', 'auth-enveloped']
  ] as const)('with %s gives data that is %s', (contentEncryption: ContentEncryptionName, kind) => {
    const enveloped = decodeEnvelopedData(build({ contentEncryption }))
    expect(enveloped).toMatchObject({ kind, contentEncryption: { algorithm: contentEncryption } })
  })

  it('takes the key and the initialization vector from the entropy given', () => {
    const asked: number[] = []
    const entropy = {
      bytes: (length: number): Uint8Array => {
        asked.push(length)
        return new Uint8Array(length).fill(7)
      }
    }
    const first = decodeEnvelopedData(build({ entropy }))
    const second = decodeEnvelopedData(build({ entropy }))
    expect(asked).toEqual([32, 16, 32, 16])
    expect(first.encryptedContent).toEqual(second.encryptedContent)
  })

  it('names the recipient by issuer and serial number unless told', () => {
    expect(getOnlyRecipient(decodeEnvelopedData(build())).identifier).toEqual(identifierOf(alice.certificate))
    expect(getOnlyRecipient(decodeEnvelopedData(build({ recipients: [toBob] }))).identifier.kind).toBe('keyId')
  })

  it('is refused without recipients and for keys that are not RSA', () => {
    expect(() => build({ recipients: [] })).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
    const { certificate } = makeIdentity()
    expect(() => build({ recipients: [{ ...toAlice, certificate }] })).toThrow(
      expect.objectContaining({ code: 'public_key_unsupported' })
    )
  })
})

type Surgery = readonly [string, ErrorCode, readonly number[], (element: Uint8Array) => readonly Uint8Array[]]

function algorithm(oid: string, parameters?: Uint8Array): () => Uint8Array[] {
  return () => [encodeAlgorithmIdentifier(oid, parameters)]
}

function gcmParameters(nonceLength: number, tagLength: number): Uint8Array {
  return encodeSequence(encodeOctetString(new Uint8Array(nonceLength)), encodeInteger(tagLength))
}
