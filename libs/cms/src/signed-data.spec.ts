import type { ErrorCode } from '@app/core'
import {
  contextTag,
  DEFAULT_LIMITS,
  encodeInteger,
  encodeNull,
  encodeOid,
  encodeSequence,
  encodeTlv,
  TAG
} from '@app/der'
import { OID } from '@app/oid'
import { encodeAttribute } from '@app/x509'
import { describe, expect, it } from 'vitest'
import {
  forgeSignedData,
  makeIdentity,
  replaceElement,
  SOUND_CONTENT,
  withIndefiniteLength
} from '../../../test/helpers/cms-messages.js'
import { codeOf } from '../../../test/helpers/x509-samples.js'
import { decodeContentInfo, encodeContentInfo } from './content-info.js'
import { decodeSignedData } from './signed-data.js'

const signer = makeIdentity()
const sound = forgeSignedData(signer, { unsignedAttributes: [encodeAttribute('1.2.3', [encodeNull()])] })

/** Positions of the parts of `sound` from the ContentInfo down. */
const PATH = {
  content: [1],
  signedData: [1, 0],
  version: [1, 0, 0],
  digestAlgorithms: [1, 0, 1],
  encapContentInfo: [1, 0, 2],
  eContentWrapper: [1, 0, 2, 1],
  eContent: [1, 0, 2, 1, 0],
  certificates: [1, 0, 3],
  certificate: [1, 0, 3, 0],
  signerInfos: [1, 0, 4],
  signerInfo: [1, 0, 4, 0],
  signerVersion: [1, 0, 4, 0, 0],
  sid: [1, 0, 4, 0, 1],
  signedAttrs: [1, 0, 4, 0, 3],
  contentType: [1, 0, 4, 0, 3, 0],
  signature: [1, 0, 4, 0, 5],
  unsignedAttrs: [1, 0, 4, 0, 6]
} as const

const extra = encodeNull()
const segment = (...bytes: number[]): Uint8Array => Uint8Array.of(TAG.octetString, bytes.length, ...bytes)
const nonMinimalLength = (element: Uint8Array): Uint8Array[] => {
  const { length } = element.subarray(2)
  return [Buffer.concat([Uint8Array.of(element[0] ?? 0, 0x81, length), element.subarray(2)])]
}
const tagged =
  (tag: number) =>
  (element: Uint8Array): Uint8Array[] => [Buffer.concat([Uint8Array.of(tag), element.subarray(1)])]

function outcomeOf(message: Uint8Array): ErrorCode | undefined {
  return codeOf(() => decodeSignedData(message))
}

describe('decoding SignedData', () => {
  it('gives every part as received', () => {
    const decoded = decodeSignedData(sound)
    expect(decoded).toMatchObject({
      version: 3,
      digestAlgorithms: [OID.id_sha256],
      eContentType: OID.id_cct_PKIData,
      eContent: SOUND_CONTENT,
      crls: [],
      signerInfos: [{ version: 1, digestAlgorithm: { oid: OID.id_sha256 } }]
    })
    expect(decoded.certificates.map(bytes => Buffer.from(bytes))).toEqual([signer.certificate.raw])
    const [signerInfo] = decoded.signerInfos
    expect(signerInfo?.sid).toEqual({
      kind: 'issuerAndSerial',
      issuer: signer.certificate.issuer.raw,
      serialNumber: signer.certificate.serialNumber
    })
    expect(signerInfo?.signedAttributes?.encoded[0]).toBe(TAG.set)
    expect(signerInfo?.signedAttributes?.list.map(({ oid }) => oid)).toEqual([OID.id_contentType, OID.id_messageDigest])
    expect(signerInfo?.unsignedAttributes.map(({ oid }) => oid)).toEqual(['1.2.3'])
  })

  it('reads content in segments of every form BER has', () => {
    const constructed = Uint8Array.of(0x24)
    const nested = Buffer.concat([constructed, Uint8Array.of(0x80), segment(3), segment(), Uint8Array.of(0, 0)])
    const encodedContent = Buffer.concat([
      constructed,
      Uint8Array.of(0x80),
      segment(1, 2),
      nested,
      encodeTlv(0x24, segment(4), segment(5)),
      Uint8Array.of(0, 0)
    ])
    expect(decodeSignedData(forgeSignedData(signer, { encodedContent })).eContent).toEqual(Buffer.from([1, 2, 3, 4, 5]))
  })

  it('takes certificates and unsigned attributes in any order, since DER is not demanded of them', () => {
    const other = makeIdentity({ name: 'A longer name than the other one' }).certificate.raw
    for (const certificates of [
      [other, signer.certificate.raw],
      [signer.certificate.raw, other]
    ]) {
      expect(decodeSignedData(forgeSignedData(signer, { certificates })).certificates).toHaveLength(2)
    }
    const unsignedAttributes = [encodeAttribute('1.2.4', [encodeNull()]), encodeAttribute('1.2.3', [encodeNull()])]
    const [signerInfo] = decodeSignedData(forgeSignedData(signer, { unsignedAttributes })).signerInfos
    expect(signerInfo?.unsignedAttributes.map(({ oid }) => oid)).toEqual(['1.2.4', '1.2.3'])
  })

  it('keeps to the limits it is given', () => {
    expect(() => decodeSignedData(sound, { ...DEFAULT_LIMITS, maxBytes: 100 })).toThrow(/at most 100/)
    expect(() => decodeSignedData(sound, { ...DEFAULT_LIMITS, maxElements: 20 })).toThrow(/too many elements/)
    expect(() => decodeSignedData(sound, { ...DEFAULT_LIMITS, maxDepth: 4 })).toThrow(/deeper than 4/)
  })
})

describe('SignedData that breaks its syntax', () => {
  const cases: readonly (readonly [string, ErrorCode, Uint8Array])[] = [
    ['bytes after it', 'der_trailing_bytes', Buffer.concat([sound, extra])],
    ['an element too many in ContentInfo', 'der_trailing_bytes', insertAfter(PATH.content)],
    ['two elements in the content', 'der_trailing_bytes', insertAfter(PATH.signedData)],
    ['an element after signerInfos', 'der_trailing_bytes', insertAfter(PATH.signerInfos)],
    ['an element after eContent', 'der_trailing_bytes', insertAfter(PATH.eContentWrapper)],
    ['two eContents', 'der_trailing_bytes', insertAfter(PATH.eContent)],
    ['an element after the signature', 'der_trailing_bytes', insertAfter(PATH.unsignedAttrs)],
    ['an indefinite length on the outside', 'der_length_indefinite', withIndefiniteLength(sound)],
    ...(
      ['signedData', 'encapContentInfo', 'eContentWrapper', 'certificate', 'signerInfos', 'signedAttrs'] as const
    ).map(
      part => [`an indefinite ${part}`, 'der_length_indefinite', change(part, e => [withIndefiniteLength(e)])] as const
    ),
    ['a length that is not minimal', 'der_length_not_minimal', change('eContent', nonMinimalLength)],
    ['a version that is not minimal', 'der_integer_not_minimal', change('version', () => [Uint8Array.of(2, 2, 0, 3)])],
    ['version 4', 'cms_structure', change('version', () => [encodeInteger(4)])],
    ['version 0', 'cms_structure', change('version', () => [encodeInteger(0)])],
    ['a negative version', 'der_value_invalid', change('version', () => [encodeInteger(-1)])],
    ['signer version 3 with a serial number', 'cms_structure', change('signerVersion', () => [encodeInteger(3)])],
    [
      'signer version 1 with a key identifier',
      'cms_structure',
      change('sid', () => [encodeTlv(0x80, signer.publicKey.keyId)])
    ],
    ['an attribute certificate', 'cms_structure', change('certificate', tagged(contextTag(2)))],
    ['another certificate format', 'cms_structure', change('certificate', tagged(contextTag(3)))],
    ['a certificate that is none', 'der_tag_unexpected', change('certificate', () => [encodeSequence()])],
    [
      'a CRL of another format',
      'cms_structure',
      insertAfter(PATH.certificates, encodeTlv(0xa1, encodeTlv(0xa1, extra)))
    ],
    ['eContent of another type', 'der_tag_unexpected', change('eContent', () => [encodeInteger(1)])],
    [
      'a segment of eContent of another type',
      'der_tag_unexpected',
      change('eContent', () => [encodeTlv(0x24, encodeInteger(1))])
    ],
    [
      'content octets that end before their container',
      'der_tag_unexpected',
      change('eContent', () => [Uint8Array.of(0x24, 0x80)])
    ],
    ['no signerInfos', 'der_tag_unexpected', change('signerInfos', () => [])],
    ['a signature of another type', 'der_tag_unexpected', change('signature', tagged(TAG.bitString))],
    ['an empty set of unsigned attributes', 'cms_structure', change('unsignedAttrs', () => [encodeTlv(0xa1)])],
    [
      'values of a signed attribute that are not sorted',
      'der_set_order',
      change('contentType', () => [
        encodeSequence(encodeOid(OID.id_contentType), encodeTlv(TAG.set, encodeOid('1.2.4'), encodeOid('1.2.3')))
      ])
    ],
    ['another content type', 'cms_content_type_mismatch', encodeContentInfo(OID.id_data, encodeSequence())],
    ['no content', 'der_tag_unexpected', encodeSequence(encodeOid(OID.id_signedData))],
    ['nothing', 'der_tag_unexpected', new Uint8Array()]
  ]

  it.each(cases)('is refused: %s (%s)', (_name, code, message) => {
    expect(outcomeOf(message)).toBe(code)
  })

  it('is not the message that those cases start from', () => {
    expect(outcomeOf(sound)).toBeUndefined()
    expect(outcomeOf(replaceElement(sound, PATH.unsignedAttrs, element => [element]))).toBeUndefined()
  })
})

describe('ContentInfo', () => {
  it('of any type gives its type and the whole element inside', () => {
    const content = encodeSequence(encodeInteger(5))
    expect(decodeContentInfo(encodeContentInfo('1.2.3', content))).toEqual({ contentType: '1.2.3', content })
  })

  it.each([
    ['bytes follow', 'der_trailing_bytes', Buffer.concat([encodeContentInfo('1.2.3', extra), extra])],
    ['two elements are inside', 'der_trailing_bytes', encodeContentInfo('1.2.3', Buffer.concat([extra, extra]))],
    ['nothing is inside', 'der_truncated', encodeContentInfo('1.2.3', new Uint8Array())],
    ['its length is indefinite', 'der_length_indefinite', withIndefiniteLength(encodeContentInfo('1.2.3', extra))]
  ] as const)('is refused when %s', (_name, code, bytes) => {
    expect(() => decodeContentInfo(bytes)).toThrow(expect.objectContaining({ code }))
  })
})

function change(part: keyof typeof PATH, replace: (element: Uint8Array) => readonly Uint8Array[]): Uint8Array {
  return replaceElement(sound, PATH[part], replace)
}

function insertAfter(path: readonly number[], element = extra): Uint8Array {
  return replaceElement(sound, path, present => [present, element])
}
