import { constants, generateKeyPairSync, sign } from 'node:crypto'
import type { ErrorCode } from '@app/core'
import { encodeContext, encodeInteger, encodeNull, encodeOctetString, encodeOid, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import {
  encodeAlgorithmIdentifier,
  encodeAttribute,
  encodeDigestAlgorithm,
  encodeSignatureAlgorithm,
  type PublicKeyInfo
} from '@app/x509'
import { describe, expect, it } from 'vitest'
import {
  contentTypeAttribute,
  digestOf,
  forgeSignedData,
  makeIdentity,
  makeRsaIdentity,
  messageDigestAttribute,
  SOUND_CONTENT,
  type Forgery
} from '../../../test/helpers/cms-messages.js'
import { codeOf } from '../../../test/helpers/x509-samples.js'
import { decodeSignedData } from './signed-data.js'
import { findSignerCertificate, verifySignerInfo, type SignerVerificationOptions } from './signed-data-verification.js'

const signer = makeIdentity()
const rsa = makeRsaIdentity()
const ed25519 = makeIdentity({ privateKey: generateKeyPairSync('ed25519').privateKey })
const p384 = makeIdentity({ privateKey: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey })

const contentType = contentTypeAttribute(OID.id_cct_PKIData)
const messageDigest = messageDigestAttribute(digestOf('sha256', SOUND_CONTENT))
const signingTime = encodeAttribute(OID.id_signingTime, [encodeNull()])

function verify(message: Uint8Array, publicKey: PublicKeyInfo, options: SignerVerificationOptions = {}): string {
  const signedData = decodeSignedData(message)
  const [signerInfo] = signedData.signerInfos
  if (signerInfo === undefined) throw new Error('The message has no signer.')
  return verifySignerInfo(signedData, signerInfo, publicKey, options).digest
}

describe('a SignerInfo that verifies', () => {
  it.each([
    ['P-256 with SHA-256', forgeSignedData(signer), signer.publicKey, 'sha256'],
    ['P-384 with SHA-384', forgeSignedData(p384, { digest: 'sha384' }), p384.publicKey, 'sha384'],
    ['RSA with SHA-256', forgeSignedData(rsa), rsa.publicKey, 'sha256'],
    [
      'bare rsaEncryption, as Windows writes it',
      forgeSignedData(rsa, { signatureAlgorithm: encodeAlgorithmIdentifier(OID.rsaEncryption, encodeNull()) }),
      rsa.publicKey,
      'sha256'
    ],
    [
      'RSASSA-PSS',
      forgeSignedData(rsa, { signatureAlgorithm: pssParameters(32), sign: data => signPss(data, 32) }),
      rsa.publicKey,
      'sha256'
    ],
    ['Ed25519 with SHA-512', forgeSignedData(ed25519, { digest: 'sha512' }), ed25519.publicKey, 'sha512'],
    [
      'a digest algorithm with NULL parameters',
      forgeSignedData(signer, { digestAlgorithm: encodeAlgorithmIdentifier(OID.id_sha256, encodeNull()) }),
      signer.publicKey,
      'sha256'
    ]
  ])('gives its digest: %s', (_name, message, publicKey, digest) => {
    expect(verify(message, publicKey)).toBe(digest)
  })

  it('has content that came in segments of indefinite length, hashed without their headers', () => {
    const { length } = SOUND_CONTENT
    const segments = Buffer.concat([
      Uint8Array.of(0x24, 0x80),
      encodeOctetString(SOUND_CONTENT.subarray(0, 2)),
      encodeOctetString(SOUND_CONTENT.subarray(2, length)),
      Uint8Array.of(0, 0)
    ])
    expect(verify(forgeSignedData(signer, { encodedContent: segments }), signer.publicKey)).toBe('sha256')
  })

  it('may have signed attributes that nobody here knows, several times', () => {
    const unknown = encodeAttribute('1.2.3.4', [encodeNull()])
    const attributes = [unknown, unknown, contentType, messageDigest]
    expect(verify(forgeSignedData(signer, { attributes }), signer.publicKey)).toBe('sha256')
  })
})

describe('a SignerInfo that is correctly signed over the wrong thing', () => {
  const cases: readonly (readonly [string, ErrorCode, Forgery])[] = [
    [
      'a contentType that is not the eContentType',
      'cms_content_type_mismatch',
      { attributes: [contentTypeAttribute(OID.id_data), messageDigest] }
    ],
    ['no signed attributes', 'cms_signed_attributes_missing', { attributes: null }],
    [
      'no signed attributes over id-data',
      'cms_signed_attributes_missing',
      { attributes: null, eContentType: OID.id_data }
    ],
    ['no contentType', 'cms_attribute_missing', { attributes: [messageDigest] }],
    ['no messageDigest', 'cms_attribute_missing', { attributes: [contentType] }],
    ['contentType twice', 'cms_attribute_repeated', { attributes: [contentType, contentType, messageDigest] }],
    ['messageDigest twice', 'cms_attribute_repeated', { attributes: [contentType, messageDigest, messageDigest] }],
    [
      'contentType with two values',
      'cms_attribute_values',
      { attributes: [contentTypeAttribute(OID.id_cct_PKIData, OID.id_cct_PKIResponse), messageDigest] }
    ],
    ['contentType without a value', 'cms_attribute_values', { attributes: [contentTypeAttribute(), messageDigest] }],
    [
      'messageDigest with two values',
      'cms_attribute_values',
      {
        attributes: [contentType, messageDigestAttribute(digestOf('sha256', SOUND_CONTENT), new Uint8Array(32))]
      }
    ],
    [
      'signingTime twice',
      'cms_attribute_repeated',
      { attributes: [signingTime, signingTime, contentType, messageDigest] }
    ],
    [
      'another messageDigest',
      'cms_message_digest_mismatch',
      { attributes: [contentType, messageDigestAttribute(digestOf('sha256', Buffer.from('else')))] }
    ],
    [
      'a messageDigest cut short',
      'cms_message_digest_mismatch',
      { attributes: [contentType, messageDigestAttribute(digestOf('sha256', SOUND_CONTENT).subarray(0, 20))] }
    ],
    [
      'a messageDigest that is no OCTET STRING',
      'der_tag_unexpected',
      { attributes: [encodeAttribute(OID.id_messageDigest, [encodeInteger(1)]), contentType] }
    ],
    [
      'a contentType that is no OBJECT IDENTIFIER',
      'der_tag_unexpected',
      { attributes: [encodeAttribute(OID.id_contentType, [encodeInteger(1)]), messageDigest] }
    ],
    ['attributes that are not sorted', 'der_set_order', { attributes: [messageDigest, contentType] }],
    ['an empty set of attributes', 'cms_structure', { attributes: [] }],
    ['detached content', 'cms_content_missing', { content: null }],
    ['detached content and no attributes', 'cms_content_missing', { content: null, attributes: null }],
    [
      'a digest that digestAlgorithms does not list',
      'cms_digest_algorithm_mismatch',
      { digestAlgorithms: [encodeDigestAlgorithm('sha512')] }
    ],
    ['no digestAlgorithms', 'cms_digest_algorithm_mismatch', { digestAlgorithms: [] }],
    ['a digest other than that of the signature algorithm', 'cms_digest_algorithm_mismatch', { digest: 'sha512' }],
    [
      'MD5 as digest',
      'cms_algorithm_not_allowed',
      { digestAlgorithm: encodeAlgorithmIdentifier(OID.md5, encodeNull()) }
    ],
    [
      'a digest algorithm with parameters',
      'cms_algorithm_not_allowed',
      { digestAlgorithm: encodeAlgorithmIdentifier(OID.id_sha256, encodeInteger(1)) }
    ],
    [
      'a signature algorithm outside the allow-list',
      'cms_algorithm_not_allowed',
      { signatureAlgorithm: encodeAlgorithmIdentifier(OID.md5WithRSAEncryption, encodeNull()) }
    ],
    [
      'a signature algorithm for another kind of key',
      'cms_algorithm_not_allowed',
      { signatureAlgorithm: encodeSignatureAlgorithm('rsa-sha256') }
    ],
    [
      'SHA-1',
      'cms_algorithm_not_allowed',
      { digest: 'sha1', signatureAlgorithm: encodeAlgorithmIdentifier(OID.ecdsa_with_SHA1) }
    ],
    [
      'a signature over the content where there are signed attributes',
      'cms_signature_invalid',
      { sign: () => sign('sha256', SOUND_CONTENT, signer.privateKey) }
    ],
    ['an empty signature', 'cms_signature_invalid', { sign: () => new Uint8Array() }]
  ]

  it.each(cases)('is refused: %s (%s)', (_name, code, forgery) => {
    expect(codeOf(() => verify(forgeSignedData(signer, forgery), signer.publicKey))).toBe(code)
  })

  it('is refused when Ed25519 stands beside another digest than SHA-512', () => {
    expect(codeOf(() => verify(forgeSignedData(ed25519), ed25519.publicKey))).toBe('cms_digest_algorithm_mismatch')
  })

  it('is refused when RSASSA-PSS has a salt that is not as long as the digest', () => {
    const message = forgeSignedData(rsa, { signatureAlgorithm: pssParameters(20), sign: data => signPss(data, 20) })
    expect(codeOf(() => verify(message, rsa.publicKey))).toBe('cms_algorithm_not_allowed')
  })

  it('is refused when another key of the same kind is asked for', () => {
    expect(codeOf(() => verify(forgeSignedData(signer), makeIdentity().publicKey))).toBe('cms_signature_invalid')
  })
})

describe('what a caller may let pass', () => {
  const data: Forgery = { eContentType: OID.id_data }

  it('SHA-1, when it says so', () => {
    const message = forgeSignedData(rsa, {
      digest: 'sha1',
      signatureAlgorithm: encodeAlgorithmIdentifier(OID.rsaEncryption, encodeNull()),
      sign: bytes => sign('sha1', bytes, rsa.privateKey)
    })
    expect(verify(message, rsa.publicKey, { allowSha1: true })).toBe('sha1')
    expect(codeOf(() => verify(message, rsa.publicKey))).toBe('cms_algorithm_not_allowed')
  })

  it.each([
    ['a renewal without signed attributes', { ...data, attributes: null }, 'pkcs7-renewal', undefined],
    ['the same over PKIData', { attributes: null }, 'pkcs7-renewal', 'cms_signed_attributes_missing'],
    [
      'the same by the other leniency',
      { ...data, attributes: null },
      'pkcs7-without-content-type',
      'cms_signed_attributes_missing'
    ],
    [
      'attributes of another message presented as the content',
      { ...data, content: Uint8Array.of(0x31, 0x00), attributes: null },
      'pkcs7-renewal',
      'cms_signed_attributes_missing'
    ],
    [
      'signed attributes without contentType',
      { ...data, attributes: [messageDigest] },
      'pkcs7-without-content-type',
      undefined
    ],
    ['the same over PKIData', { attributes: [messageDigest] }, 'pkcs7-without-content-type', 'cms_attribute_missing'],
    [
      'the same by the other leniency',
      { ...data, attributes: [messageDigest] },
      'pkcs7-renewal',
      'cms_attribute_missing'
    ],
    [
      'a contentType that is there and wrong',
      { ...data, attributes: [contentType, messageDigest] },
      'pkcs7-without-content-type',
      'cms_content_type_mismatch'
    ],
    [
      'no messageDigest',
      { ...data, attributes: [contentTypeAttribute(OID.id_data)] },
      'pkcs7-without-content-type',
      'cms_attribute_missing'
    ]
  ] as const)('%s, %o with %s: %s', (_name, forgery, leniency, outcome) => {
    expect(codeOf(() => verify(forgeSignedData(signer, forgery), signer.publicKey, { leniency }))).toBe(outcome)
  })
})

describe('the certificate of a signer', () => {
  const sameName = makeIdentity({ serialNumber: 2 })
  const otherName = makeIdentity({ name: 'Somebody else' })
  const withoutKeyId = makeIdentity({ hasKeyIdentifier: false, serialNumber: 3 })
  const all = [sameName, otherName, signer, withoutKeyId].map(({ certificate }) => certificate.raw)
  const bySerial = { kind: 'issuerAndSerial', issuer: signer.certificate.issuer.raw } as const

  it('is the one whose issuer and serial number are named', () => {
    const sid = { ...bySerial, serialNumber: signer.certificate.serialNumber }
    expect(findSignerCertificate({ certificates: all }, sid).raw).toEqual(signer.certificate.raw)
  })

  it('is the one that has the key identifier', () => {
    const sid = { kind: 'keyId', keyId: otherName.publicKey.keyId } as const
    expect(findSignerCertificate({ certificates: all }, sid).raw).toEqual(otherName.certificate.raw)
  })

  it.each([
    ['none has the serial number', all, { ...bySerial, serialNumber: Uint8Array.of(9) }, 'cms_signer_not_found'],
    [
      'the serial number is another issuer’s',
      [otherName.certificate.raw],
      { ...bySerial, serialNumber: signer.certificate.serialNumber },
      'cms_signer_not_found'
    ],
    [
      'the certificate with that key lacks the extension',
      all,
      { kind: 'keyId', keyId: withoutKeyId.publicKey.keyId },
      'cms_signer_not_found'
    ],
    ['there are no certificates', [], { kind: 'keyId', keyId: signer.publicKey.keyId }, 'cms_signer_not_found'],
    [
      'several have the key identifier',
      [...all, makeIdentity({ privateKey: signer.privateKey, serialNumber: 7 }).certificate.raw],
      { kind: 'keyId', keyId: signer.publicKey.keyId },
      'cms_signer_ambiguous'
    ],
    [
      'it is there twice',
      [...all, signer.certificate.raw],
      { ...bySerial, serialNumber: signer.certificate.serialNumber },
      'cms_signer_ambiguous'
    ],
    [
      'one of the certificates is broken',
      [...all, encodeSequence(encodeSequence(), encodeSequence(), encodeOid('1.2.3'))],
      { kind: 'keyId', keyId: signer.publicKey.keyId },
      'der_tag_unexpected'
    ]
  ] as const)('is refused when %s', (_name, certificates, sid, code) => {
    expect(codeOf(() => findSignerCertificate({ certificates }, sid))).toBe(code)
  })

  it('is found beside a certificate with a key of an unsupported kind', () => {
    const { raw } = signer.certificate
    const foreign = Buffer.from(otherName.certificate.raw)
    const curve = Buffer.from(encodeOid(OID.secp256r1))
    foreign[foreign.indexOf(curve) + curve.length - 1] = 0x0a
    const sid = { kind: 'keyId', keyId: signer.publicKey.keyId } as const
    expect(findSignerCertificate({ certificates: [foreign, raw] }, sid).raw).toEqual(raw)
    expect(codeOf(() => findSignerCertificate({ certificates: [foreign] }, sid))).toBe('cms_signer_not_found')
  })
})

function pssParameters(saltLength: number): Uint8Array {
  const sha256 = encodeDigestAlgorithm('sha256')
  return encodeAlgorithmIdentifier(
    OID.id_RSASSA_PSS,
    encodeSequence(
      encodeContext(0, sha256),
      encodeContext(1, encodeAlgorithmIdentifier(OID.id_mgf1, sha256)),
      ...(saltLength === 20 ? [] : [encodeContext(2, encodeInteger(saltLength))])
    )
  )
}

function signPss(data: Uint8Array, saltLength: number): Uint8Array {
  return sign('sha256', data, { key: rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })
}
