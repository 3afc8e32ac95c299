import { X509Certificate } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '@app/core'
import {
  contextTag,
  encodeBitString,
  encodeContext,
  encodeGeneralizedTime,
  encodeInteger,
  encodeNull,
  encodeSequence,
  encodeTime,
  encodeTlv,
  primitiveContextTag,
  TAG
} from '@app/der'
import { OID } from '@app/oid'
import {
  buildSampleCertificate,
  codeOf,
  mutationsOf,
  nameOf,
  SAMPLE_KEY_KINDS,
  sampleKey,
  signSample
} from '../../../test/helpers/x509-samples.js'
import {
  decodeCertificate,
  encodeAlgorithmIdentifier,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeCertificate,
  encodeExtendedKeyUsage,
  encodeExtension,
  encodeExtensions,
  encodeKeyUsage,
  encodeSignatureAlgorithm,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  encodeTbsCertificate,
  findExtension,
  formatName,
  verifyCertificateSignature,
  type Extension
} from './index.js'

const hex = (text: string): Uint8Array => fromHex(text) as Uint8Array
const ca = sampleKey('P-256')
const caName = 'CN=Sample CA,O=Sample,C=DE'

const leafExtensions = (subjectKeyId: Uint8Array): Extension[] => [
  { oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(['digitalSignature', 'keyEncipherment']) },
  { oid: OID.id_ce_extKeyUsage, critical: false, value: encodeExtendedKeyUsage([OID.id_kp_clientAuth]) },
  { oid: OID.id_ce_basicConstraints, critical: true, value: encodeBasicConstraints({ isCa: false }) },
  { oid: OID.id_ce_subjectKeyIdentifier, critical: false, value: encodeSubjectKeyIdentifier(subjectKeyId) },
  { oid: OID.id_ce_authorityKeyIdentifier, critical: false, value: encodeAuthorityKeyIdentifier(ca.publicKey.keyId) },
  {
    oid: OID.id_ce_subjectAltName,
    critical: false,
    value: encodeSubjectAltName([
      { kind: 'dNSName', value: 'host.example' },
      { kind: 'iPAddress', address: hex('7f000001') }
    ])
  }
]

describe('a built certificate', () => {
  it.each(SAMPLE_KEY_KINDS)('for a key of kind %s is what node:crypto reads too', kind => {
    const leaf = sampleKey(kind)
    const issuerBytes = buildSampleCertificate(ca)
    const bytes = buildSampleCertificate(
      leaf,
      {
        serialNumber: hex('00ffeeddccbbaa99887766554433221100aabb'),
        subject: nameOf('CN=Müller\\, Anna,O=Sample,C=DE'),
        extensions: leafExtensions(leaf.publicKey.keyId)
      },
      ca
    )
    const seen = new X509Certificate(bytes)
    const issuer = new X509Certificate(issuerBytes)
    expect(seen.checkIssued(issuer)).toBe(true)
    expect(seen.verify(issuer.publicKey)).toBe(true)
    expect(seen.verify(sampleKey('P-384').publicKey.keyObject)).toBe(false)
    expect(seen.serialNumber).toBe('FFEEDDCCBBAA99887766554433221100AABB')
    expect(seen.subject).toBe('C=DE\nO=Sample\nCN=Müller\\, Anna')
    expect(seen.issuer).toBe('C=DE\nO=Sample\nCN=Sample CA')
    expect(seen.keyUsage).toEqual([OID.id_kp_clientAuth])
    expect(seen.subjectAltName).toBe('DNS:host.example, IP Address:127.0.0.1')
    expect(seen.ca).toBe(false)
    expect(seen.validFromDate).toEqual(new Date('2025-01-01T00:00:00Z'))
    expect(seen.validToDate).toEqual(new Date('2025-12-31T23:59:59Z'))
    expect(seen.publicKey.equals(leaf.publicKey.keyObject)).toBe(true)

    const read = decodeCertificate(bytes)
    expect(read.serialHex).toBe('ffeeddccbbaa99887766554433221100aabb')
    expect(formatName(read.subject)).toBe('CN=Müller\\, Anna,O=Sample,C=DE')
    expect(formatName(read.issuer)).toBe(caName)
    expect([read.notBefore, read.notAfter]).toEqual([seen.validFromDate, seen.validToDate])
    expect(read.extensions.map(extension => extension.oid)).toEqual(leafExtensions(hex('')).map(({ oid }) => oid))
    expect(findExtension(read, OID.id_ce_keyUsage)?.critical).toBe(true)
    expect(findExtension(read, '1.2.3')).toBeUndefined()
    expect(toHex(read.publicKey.raw)).toBe(toHex(leaf.publicKey.raw))
    verifyCertificateSignature(read, decodeCertificate(issuerBytes).publicKey)
    expect(codeOf(() => verifyCertificateSignature(read, sampleKey('rsa').publicKey))).toBe('chain_invalid')
    expect(codeOf(() => verifyCertificateSignature(read, sampleKey('P-384').publicKey))).toBe('chain_invalid')
  })

  it.each(SAMPLE_KEY_KINDS)('signed by a key of kind %s verifies in node:crypto too', kind => {
    const issuer = sampleKey(kind)
    const bytes = buildSampleCertificate(issuer)
    expect(new X509Certificate(bytes).verify(issuer.publicKey.keyObject)).toBe(true)
    verifyCertificateSignature(decodeCertificate(bytes), issuer.publicKey)
  })

  it('keeps its serial, its times and its names, whatever they are', () => {
    const serials = fc
      .uint8Array({ minLength: 1, maxLength: 20 })
      .filter(([first = 0, second = 0]) => first < 0x80 && (first > 0 || second >= 0x80))
    const dates = fc.date({ min: new Date('1950-01-01'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
    const names = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 }).filter(text => text.isWellFormed())
    fc.assert(
      fc.property(serials, dates, dates, names, (serialNumber, notBefore, notAfter, value) => {
        const subject = nameOf(`CN="${value.replace(/["\\]/g, '\\$&')}"`)
        const read = decodeCertificate(buildSampleCertificate(ca, { serialNumber, notBefore, notAfter, subject }))
        expect(toHex(read.serialNumber)).toBe(toHex(serialNumber))
        expect(read.notBefore.getTime()).toBe(Math.floor(notBefore.getTime() / 1000) * 1000)
        expect(read.notAfter.getTime()).toBe(Math.floor(notAfter.getTime() / 1000) * 1000)
        expect(read.subject.rdns[0]?.[0]?.value).toBe(value)
      }),
      { numRuns: 50 }
    )
  })

  const serials: readonly [string, string][] = [
    ['is zero', '00'],
    ['is negative', '80'],
    ['is empty', ''],
    ['is not minimal', '0001'],
    ['has 21 octets', '01'.repeat(21)]
  ]
  it.each(serials)('is not made with a serial number that %s', (_case, serial) => {
    expect(codeOf(() => buildSampleCertificate(ca, { serialNumber: hex(serial) }))).toBe('x509_structure')
  })
})

interface Shape {
  readonly version?: Uint8Array
  readonly serial?: Uint8Array
  readonly inner?: Uint8Array
  readonly outer?: Uint8Array
  readonly issuer?: Uint8Array
  readonly notAfter?: Uint8Array
  readonly rest?: readonly Uint8Array[]
  readonly tail?: Uint8Array
}

const extension = { oid: OID.id_ce_basicConstraints, critical: true, value: encodeBasicConstraints({ isCa: true }) }
const extensions = encodeContext(3, encodeExtensions([extension]))
const v3 = encodeContext(0, encodeInteger(2))
const none = new Uint8Array()
const uniqueId = encodeTlv(primitiveContextTag(1), Uint8Array.of(0, 1))

/** A certificate put together by hand, for what no builder would write. */
function certificateOf(shape: Shape): Uint8Array {
  const algorithm = encodeSignatureAlgorithm(ca.scheme)
  const { version = v3, serial = encodeInteger(1), inner = algorithm, outer = algorithm, tail = none } = shape
  const { issuer = nameOf(caName), notAfter = encodeTime(new Date('2026-01-01')), rest = [extensions] } = shape
  const validity = encodeSequence(encodeTime(new Date('2025-01-01')), notAfter)
  const tbs = encodeSequence(version, serial, inner, issuer, validity, issuer, ca.publicKey.raw, ...rest)
  return encodeSequence(tbs, outer, encodeBitString(signSample(ca, tbs)), tail)
}

describe('a certificate', () => {
  const accepted: readonly [string, Shape][] = [
    ['of version 3 with extensions', {}],
    ['of version 3 without extensions', { rest: [] }],
    ['of version 1', { version: none, rest: [] }],
    ['of version 2 with a unique identifier', { version: encodeContext(0, encodeInteger(1)), rest: [uniqueId] }],
    ['with a serial number of 20 octets', { serial: encodeTlv(TAG.integer, Buffer.alloc(20, 0x7f)) }],
    ['that ends in 2050', { notAfter: encodeTime(new Date('2050-01-01')) }]
  ]
  it.each(accepted)('%s is read', (_case, shape) => {
    expect(codeOf(() => decodeCertificate(certificateOf(shape)))).toBeUndefined()
  })

  const twice = encodeContext(3, encodeSequence(encodeExtension(extension), encodeExtension(extension)))
  const explicitFalse = encodeContext(3, hex('300e300c0603551d1301010004023000'))
  const refused: readonly [string, Shape, string][] = [
    ['of version 1 with extensions', { version: none }, 'x509_structure'],
    ['of version 2 with extensions', { version: encodeContext(0, encodeInteger(1)) }, 'x509_structure'],
    ['of version 4', { version: encodeContext(0, encodeInteger(3)) }, 'x509_structure'],
    ['with version 1 written out', { version: encodeContext(0, encodeInteger(0)), rest: [] }, 'der_value_invalid'],
    ['of version 1 with a unique identifier', { version: none, rest: [uniqueId] }, 'x509_structure'],
    [
      'with another algorithm inside than outside',
      { inner: encodeAlgorithmIdentifier(OID.ecdsa_with_SHA384) },
      'x509_structure'
    ],
    [
      'with other parameters inside than outside',
      { outer: encodeAlgorithmIdentifier(OID.ecdsa_with_SHA256, encodeNull()) },
      'x509_structure'
    ],
    ['with the serial number zero', { serial: encodeInteger(0) }, 'x509_structure'],
    ['with a negative serial number', { serial: encodeInteger(-5) }, 'x509_structure'],
    ['with a serial number of 21 octets', { serial: encodeTlv(TAG.integer, Buffer.alloc(21, 1)) }, 'x509_structure'],
    ['with a serial number that is not minimal', { serial: hex('02020001') }, 'der_integer_not_minimal'],
    ['with an empty issuer', { issuer: encodeSequence() }, 'x509_structure'],
    ['with GeneralizedTime before 2050', { notAfter: encodeGeneralizedTime(new Date('2049-12-31')) }, 'x509_structure'],
    ['with an extension twice', { rest: [twice] }, 'x509_structure'],
    ['with an empty list of extensions', { rest: [encodeContext(3, encodeSequence())] }, 'x509_structure'],
    ['with critical FALSE written out', { rest: [explicitFalse] }, 'der_value_invalid'],
    ['with bytes after the extensions', { rest: [extensions, encodeNull()] }, 'der_trailing_bytes'],
    [
      'with bytes in the extensions field',
      { rest: [encodeTlv(contextTag(3), encodeExtensions([extension]), encodeNull())] },
      'der_trailing_bytes'
    ],
    ['with bytes after the signature', { tail: encodeNull() }, 'der_trailing_bytes']
  ]
  it.each(refused)('%s is refused', (_case, shape, code) => {
    expect(codeOf(() => decodeCertificate(certificateOf(shape)))).toBe(code)
  })

  it('with bytes after its end is refused', () => {
    const bytes = Buffer.concat([certificateOf({}), Buffer.of(0)])
    expect(codeOf(() => decodeCertificate(bytes))).toBe('der_trailing_bytes')
  })

  it('signed with SHA-1 is not believed unless that is allowed', () => {
    const rsa = sampleKey('rsa')
    const tbs = decodeCertificate(buildSampleCertificate(rsa)).tbs
    const sha1 = encodeAlgorithmIdentifier(OID.sha1WithRSAEncryption, encodeNull())
    const inner = Buffer.from(tbs)
    const at = inner.indexOf(encodeSignatureAlgorithm('rsa-sha256'))
    inner.set(sha1, at)
    const certificate = decodeCertificate(encodeSequence(inner, sha1, encodeBitString(Buffer.alloc(256))))
    expect(() => verifyCertificateSignature(certificate, rsa.publicKey)).toThrow(/SHA-1/)
    expect(codeOf(() => verifyCertificateSignature(certificate, rsa.publicKey))).toBe('chain_invalid')
    expect(() => verifyCertificateSignature(certificate, rsa.publicKey, { allowSha1: true })).toThrow(/not signed/)
  })

  it('that is damaged throws nothing but the program’s own error and never verifies', () => {
    const leaf = sampleKey('rsa')
    const bytes = buildSampleCertificate(leaf, { extensions: leafExtensions(leaf.publicKey.keyId) }, ca)
    const original = toHex(bytes)
    fc.assert(
      fc.property(mutationsOf(bytes), mutated => {
        const code = codeOf(() => verifyCertificateSignature(decodeCertificate(mutated), ca.publicKey))
        expect(code === undefined).toBe(toHex(mutated) === original)
      }),
      { numRuns: 500 }
    )
  })

  it('is put together from the part that was signed', () => {
    const read = decodeCertificate(buildSampleCertificate(ca))
    expect(toHex(encodeCertificate(read.tbs, ca.scheme, read.signature))).toBe(toHex(read.raw))
    const { serialNumber, notBefore, notAfter, publicKey } = read
    const names = { issuer: read.issuer.raw, subject: read.subject.raw, publicKey: publicKey.raw }
    const parts = { scheme: ca.scheme, serialNumber, notBefore, notAfter, extensions: read.extensions, ...names }
    expect(toHex(encodeTbsCertificate(parts))).toBe(toHex(read.tbs))
  })
})
