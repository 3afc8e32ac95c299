import type { ErrorCode } from '@app/core'
import {
  DerReader,
  encodeBoolean,
  encodeContext,
  encodeInteger,
  encodeNull,
  encodeOctetString,
  encodeOid,
  encodePrimitiveContext,
  encodeSequence
} from '@app/der'
import { OID } from '@app/oid'
import { encodeSignatureAlgorithm } from '@app/x509'
import { describe, expect, it } from 'vitest'
import { sampleEnvelope } from '../../../test/helpers/cmc-messages.js'
import { codeOf, nameOf, sampleKey, SAMPLE_KEY_KINDS, signSample } from '../../../test/helpers/x509-samples.js'
import { decodeArchiveOptions, encodeArchiveOptions, eraseArchiveOptions } from './crmf-archive.js'
import {
  decodeCertReqMsg,
  encodeCertRequest,
  encodeSignatureProof,
  verifyCrmfProof,
  type CertReqMsg,
  type CrmfControl
} from './crmf.js'

const key = sampleKey('P-256')
const subject = nameOf('CN=Sample')
const spki = DerReader.over(key.publicKey.raw).any('key').content
const soundTemplate = [encodeContext(5, subject), encodeContext(6, spki)]

function decode(...parts: readonly Uint8Array[]): CertReqMsg {
  return decodeCertReqMsg(DerReader.over(encodeSequence(...parts)).sequence('CertReqMsg'))
}

function certRequest(template: readonly Uint8Array[], ...rest: readonly Uint8Array[]): Uint8Array {
  return encodeSequence(encodeInteger(9), encodeSequence(...template), ...rest)
}

describe('a CRMF request', () => {
  it.each(SAMPLE_KEY_KINDS)('signed with a %s key is read and its proof verifies', kind => {
    const signer = sampleKey(kind)
    const extension = { oid: '1.2.3', critical: true, value: Buffer.from(encodeNull()) }
    const encoded = encodeCertRequest({
      certReqId: 9,
      subject,
      publicKey: signer.publicKey.raw,
      extensions: [extension],
      controls: []
    })
    const message = decode(encoded, encodeSignatureProof(signer.scheme, signSample(signer, encoded)))
    expect(message.certReqId).toBe(9)
    expect(Buffer.from(message.certRequest)).toEqual(Buffer.from(encoded))
    expect(Buffer.from(message.template.subject.raw)).toEqual(Buffer.from(subject))
    expect(Buffer.from(message.template.publicKey.raw)).toEqual(Buffer.from(signer.publicKey.raw))
    expect(message.template.extensions).toEqual([extension])
    expect(codeOf(() => verifyCrmfProof(message))).toBeUndefined()
  })

  it('may name version 3, an issuer and a validity, which are wishes only', () => {
    const validity = encodeContext(4, encodeContext(0, Buffer.from('170d3236303330343035303630375a', 'hex')))
    const template = [
      encodePrimitiveContext(0, Buffer.of(2)),
      encodeContext(3, nameOf('CN=Some CA')),
      validity,
      ...soundTemplate
    ]
    expect(decode(certRequest(template)).template.publicKey.algorithm).toBe('ec')
  })

  const refused: readonly (readonly [what: string, parts: readonly Uint8Array[], code: ErrorCode])[] = [
    ['no subject', [certRequest(soundTemplate.slice(1))], 'cmc_structure'],
    ['no public key', [certRequest(soundTemplate.slice(0, 1))], 'cmc_structure'],
    ['another version', [certRequest([encodePrimitiveContext(0, Buffer.of(0)), ...soundTemplate])], 'cmc_structure'],
    ['a serial number', [certRequest([encodePrimitiveContext(1, Buffer.of(5)), ...soundTemplate])], 'cmc_structure'],
    [
      'a unique identifier',
      [certRequest([...soundTemplate, encodePrimitiveContext(8, Buffer.of(0, 1))])],
      'der_trailing_bytes'
    ],
    ['an empty list of extensions', [certRequest([...soundTemplate, encodeContext(9)])], 'x509_structure'],
    ['regInfo', [certRequest(soundTemplate), encodeSequence(encodeNull())], 'cmc_structure'],
    [
      'something after the controls',
      [certRequest(soundTemplate, encodeSequence(), encodeNull())],
      'der_trailing_bytes'
    ],
    [
      'a proof that is not whole octets',
      [certRequest(soundTemplate), encodeContext(1, encodeSignatureAlgorithm(key.scheme), Buffer.of(3, 2, 4, 0x10))],
      'cmc_structure'
    ]
  ]

  it.each(refused)('with %s is refused', (_what, parts, code) => {
    expect(codeOf(() => decode(...parts))).toBe(code)
  })
})

describe('a CRMF proof of possession', () => {
  const request = certRequest(soundTemplate)
  const signature = signSample(key, request)
  const input = encodeContext(0, encodeSequence())
  const proofs: readonly (readonly [what: string, parts: readonly Uint8Array[], code: ErrorCode | undefined])[] = [
    ['a signature', [encodeSignatureProof(key.scheme, signature)], undefined],
    ['nothing', [], 'proof_of_possession_missing'],
    ['the word of an RA', [encodePrimitiveContext(0, Buffer.of())], 'proof_of_possession_missing'],
    [
      'a signature over other input',
      [encodeContext(1, input, encodeSignatureAlgorithm(key.scheme), Buffer.of(3, 2, 0, 1))],
      'form_not_supported'
    ],
    ['a key encipherment proof', [encodeContext(2, encodePrimitiveContext(1, Buffer.of(0)))], 'form_not_supported'],
    ['a key agreement proof', [encodeContext(3, encodePrimitiveContext(1, Buffer.of(0)))], 'form_not_supported'],
    [
      'the signature of another key',
      [encodeSignatureProof(key.scheme, signSample(sampleKey('P-384'), request, 'ecdsa-sha256'))],
      'proof_of_possession_invalid'
    ],
    [
      'a signature over another request',
      [encodeSignatureProof(key.scheme, signSample(key, encodeNull()))],
      'proof_of_possession_invalid'
    ]
  ]

  it.each(proofs)('that is %s has the outcome it should', (_what, parts, code) => {
    const message = decode(request, ...parts)
    expect(codeOf(() => verifyCrmfProof(message))).toBe(code)
  })
})

function control(value: Uint8Array): CrmfControl {
  return { type: OID.id_regCtrl_pkiArchiveOptions, value }
}

describe('an archive control', () => {
  const envelope = sampleEnvelope()

  it('gives back the envelope it was made from, byte for byte', () => {
    expect(Buffer.from(decodeArchiveOptions(encodeArchiveOptions(envelope)))).toEqual(Buffer.from(envelope))
  })

  it('takes no envelope of another kind', () => {
    const authenticated = sampleEnvelope({ contentEncryption: 'aes-256-gcm' })
    expect(codeOf(() => encodeArchiveOptions(authenticated))).toBe('cms_content_type_mismatch')
  })

  it('holds only zeros once it is erased', () => {
    const value = Uint8Array.from(encodeArchiveOptions(envelope).value)
    eraseArchiveOptions(control(value))
    const reader = DerReader.over(value).enter(value[0] ?? 0, 'control')
    const zeros = reader.octetString('zeros')
    reader.end('control')
    expect(zeros.length).toBeGreaterThan(300)
    expect(zeros.every(octet => octet === 0)).toBe(true)
    expect(codeOf(() => decodeArchiveOptions(control(value)))).toBe('der_tag_unexpected')
  })

  it.each([2, 3, 129, 130, 131, 258, 259, 260, 65_539, 65_540, 65_541])(
    'is sound DER of the same length once it is erased: %i octets',
    length => {
      const value = encodeContext(0, new Uint8Array(length).fill(0xff))
      eraseArchiveOptions(control(value))
      const reader = DerReader.over(value).enter(value[0] ?? 0, 'control')
      const strings = reader.each(members => members.octetString('zeros'))
      expect(reader.raw.length).toBe(value.length)
      expect(strings.every(zeros => zeros.every(octet => octet === 0))).toBe(true)
      expect(codeOf(() => decodeArchiveOptions(control(value)))).toBe('der_tag_unexpected')
    }
  )

  it.each([
    ['in EncryptedValue form', encodeContext(0, encodeSequence()), 'encrypted_value_unsupported'],
    ['as parameters to generate a key from', encodePrimitiveContext(1, Buffer.of(1)), 'form_not_supported'],
    ['as the wish to keep a generated key', encodePrimitiveContext(2, Buffer.of(0xff)), 'form_not_supported'],
    ['in no form', encodeBoolean(true), 'der_tag_unexpected'],
    [
      'with something after it',
      encodeContext(0, encodeContext(0, encodeNull()), encodeOctetString(Buffer.of(1))),
      'der_trailing_bytes'
    ],
    ['as an object identifier', encodeContext(0, encodeOid('1.2.3')), 'der_tag_unexpected']
  ] as const)('with a key %s is refused', (_what, value, code) => {
    expect(codeOf(() => decodeArchiveOptions(control(value)))).toBe(code)
  })
})
