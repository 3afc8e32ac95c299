import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  encodeBitString,
  encodeBoolean,
  encodeContext,
  encodeGeneralizedTime,
  encodeInteger,
  encodeNull,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeTime,
  encodeTlv,
  TAG
} from '@app/der'
import { OID } from '@app/oid'
import {
  encodeAlgorithmIdentifier,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeCertificatePolicies,
  encodeCrlDistributionPoints,
  encodeExtendedKeyUsage,
  encodeExtension,
  encodeKeyUsage,
  encodeName,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  parseDistinguishedName,
  type Extension,
  type GeneralName,
  type KeyUsage,
  type NameAttributeInput
} from '@app/x509'
import { describe, expect, it } from 'vitest'
import { CERTIFICATE_RULES, lintTbs } from './index.js'

const spki = (key: KeyObject): Uint8Array => new Uint8Array(key.export({ format: 'der', type: 'spki' }))
const rsa2048 = spki(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey)
const rsa1024 = spki(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)
const rsaExponent3 = spki(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey)
const p256 = spki(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)

interface Parts {
  readonly version: Uint8Array
  readonly serialNumber: Uint8Array
  readonly signature: Uint8Array
  readonly issuer: Uint8Array
  readonly notBefore: Uint8Array
  readonly notAfter: Uint8Array
  readonly subject: Uint8Array
  readonly publicKey: Uint8Array
  readonly extensions: readonly Extension[]
}

const nameOf = (text: string): Uint8Array => encodeName(parseDistinguishedName(text))
const one = (attribute: NameAttributeInput): Uint8Array => encodeName([[attribute]])
const ext = (oid: string, value: Uint8Array, critical = false): Extension => ({ oid, value, critical })
const usage = (...usages: KeyUsage[]): Extension => ext(OID.id_ce_keyUsage, encodeKeyUsage(usages), true)
const purposes = (...oids: string[]): Extension => ext(OID.id_ce_extKeyUsage, encodeExtendedKeyUsage(oids))
const altNames = (...names: GeneralName[]): Extension => ext(OID.id_ce_subjectAltName, encodeSubjectAltName(names))
const ca = (critical = true): Extension =>
  ext(OID.id_ce_basicConstraints, encodeBasicConstraints({ isCa: true }), critical)
const ski = ext(OID.id_ce_subjectKeyIdentifier, encodeSubjectKeyIdentifier(new Uint8Array(20).fill(1)))
const aki = ext(OID.id_ce_authorityKeyIdentifier, encodeAuthorityKeyIdentifier(new Uint8Array(20).fill(2)))
const cdp = ext(OID.id_ce_cRLDistributionPoints, encodeCrlDistributionPoints(['http://pki.example/ca.crl']))

const sound: Parts = {
  version: encodeContext(0, encodeInteger(2)),
  serialNumber: new Uint8Array(19).fill(0x41),
  signature: encodeAlgorithmIdentifier(OID.ecdsa_with_SHA384),
  issuer: nameOf('CN=Example CA,C=DE'),
  notBefore: encodeTime(new Date('2030-01-01T00:00:00Z')),
  notAfter: encodeTime(new Date('2031-01-01T00:00:00Z')),
  subject: nameOf('CN=Alice'),
  publicKey: rsa2048,
  extensions: [usage('digitalSignature'), purposes(OID.id_kp_clientAuth), ski, aki, cdp]
}

function encode(change: Partial<Parts>): Uint8Array {
  const parts = { ...sound, ...change }
  return encodeSequence(
    parts.version,
    encodeTlv(TAG.integer, parts.serialNumber),
    parts.signature,
    parts.issuer,
    encodeSequence(parts.notBefore, parts.notAfter),
    parts.subject,
    parts.publicKey,
    encodeContext(3, encodeSequence(...parts.extensions.map(encodeExtension)))
  )
}

/** The sound certificate with these extensions in place of those of the same identifier. */
const withExtensions = (...changed: Extension[]): Partial<Parts> => ({
  extensions: [...sound.extensions.filter(({ oid }) => changed.every(other => other.oid !== oid)), ...changed]
})
const without = (oid: string): Partial<Parts> => ({ extensions: sound.extensions.filter(known => known.oid !== oid) })

const broken: readonly [string, string, Partial<Parts>][] = [
  ['version', 'version 1', { version: new Uint8Array() }],
  ['version', 'version 4', { version: encodeContext(0, encodeInteger(3)) }],
  ['serial-positive', 'a negative serial number', { serialNumber: new Uint8Array(19).fill(0x80) }],
  ['serial-positive', 'the serial number 0', { serialNumber: Uint8Array.of(0) }],
  ['serial-minimal', 'a padded serial number', { serialNumber: Uint8Array.of(0, ...sound.serialNumber.subarray(1)) }],
  ['serial-length', 'a serial number of 21 octets', { serialNumber: new Uint8Array(21).fill(0x41) }],
  ['serial-entropy', 'a serial number of 7 octets', { serialNumber: new Uint8Array(7).fill(0x41) }],
  [
    'signature-algorithm',
    'a signature with SHA-1',
    { signature: encodeAlgorithmIdentifier(OID.sha1WithRSAEncryption, encodeNull()) }
  ],
  [
    'signature-algorithm',
    'a signature with MD5',
    { signature: encodeAlgorithmIdentifier(OID.md5WithRSAEncryption, encodeNull()) }
  ],
  ['validity-order', 'a validity that ends at its start', { notAfter: sound.notBefore }],
  [
    'validity-form',
    'a GeneralizedTime before 2050',
    { notAfter: encodeGeneralizedTime(new Date('2049-12-31T23:59:59Z')) }
  ],
  ['key-size', 'RSA with 1024 bits', { publicKey: rsa1024 }],
  ['key-exponent', 'RSA with exponent 3', { publicKey: rsaExponent3 }],
  ['issuer-empty', 'an empty issuer', { issuer: encodeSequence() }],
  ['subject-missing', 'no name at all', { subject: encodeSequence() }],
  [
    'subject-missing',
    'a CA without subject',
    {
      subject: encodeSequence(),
      ...withExtensions(ca(), usage('keyCertSign'), altNames({ kind: 'uri', value: 'a:b' }))
    }
  ],
  [
    'alt-name-critical',
    'alternative names that are not critical without a subject',
    { subject: encodeSequence(), ...withExtensions(altNames({ kind: 'dNSName', value: 'a.example' })) }
  ],
  ['name-length', 'a common name of 65 characters', { subject: nameOf(`CN=${'x'.repeat(65)}`) }],
  ['name-length', 'an organization of 65 characters', { subject: nameOf(`CN=x,O=${'x'.repeat(65)}`) }],
  ['name-value', 'a blank common name', { subject: one({ type: OID.id_at_commonName, value: '  ' }) }],
  ['name-form', 'a BMPString', { subject: one({ type: OID.id_at_commonName, value: 'x', tag: TAG.bmpString }) }],
  [
    'name-form',
    'a country in UTF-8',
    { subject: one({ type: OID.id_at_countryName, value: 'DE', tag: TAG.utf8String }) }
  ],
  ['name-country', 'a country that is no code', { subject: one({ type: OID.id_at_countryName, value: 'D1' }) }],
  ['alt-name-form', 'a DNS name with a blank', withExtensions(altNames({ kind: 'dNSName', value: 'a b' }))],
  ['alt-name-form', 'a mail address without host', withExtensions(altNames({ kind: 'rfc822Name', value: 'alice' }))],
  ['alt-name-form', 'a relative URI', withExtensions(altNames({ kind: 'uri', value: '/index' }))],
  ['alt-name-server', 'a server without DNS name', withExtensions(purposes(OID.id_kp_serverAuth))],
  ['extension-repeated', 'an extension twice', { extensions: [...sound.extensions, ski] }],
  ['extension-never-critical', 'a critical key identifier', withExtensions({ ...ski, critical: true })],
  ['extension-never-critical', 'a critical issuer key identifier', withExtensions({ ...aki, critical: true })],
  ['extension-critical-unknown', 'a critical extension nobody knows', withExtensions(ext('1.2.3', encodeNull(), true))],
  ['extension-critical-unknown', 'a critical distribution point', withExtensions({ ...cdp, critical: true })],
  ['subject-key-identifier', 'no key identifier', without(OID.id_ce_subjectKeyIdentifier)],
  ['authority-key-identifier', 'no issuer key identifier', without(OID.id_ce_authorityKeyIdentifier)],
  ['revocation-source', 'no way to learn of revocation', without(OID.id_ce_cRLDistributionPoints)],
  ['key-usage', 'no key usage', without(OID.id_ce_keyUsage)],
  [
    'key-usage-critical',
    'a key usage that is not critical',
    withExtensions({ ...usage('digitalSignature'), critical: false })
  ],
  ['key-usage-ca', 'an end entity that signs certificates', withExtensions(usage('digitalSignature', 'keyCertSign'))],
  ['key-usage-ca', 'a CA that does not', withExtensions(ca())],
  ['key-usage-crl', 'an end entity that signs CRLs', withExtensions(usage('digitalSignature', 'cRLSign'))],
  ['key-usage-algorithm', 'an RSA key that agrees on keys', withExtensions(usage('digitalSignature', 'keyAgreement'))],
  [
    'key-usage-algorithm',
    'a curve that transports keys',
    { publicKey: p256, ...withExtensions(usage('digitalSignature', 'keyEncipherment')) }
  ],
  [
    'key-usage-agreement',
    'encipherOnly without keyAgreement',
    { publicKey: p256, ...withExtensions(usage('digitalSignature', 'encipherOnly')) }
  ],
  [
    'basic-constraints-critical',
    'a CA whose basic constraints are not critical',
    withExtensions(ca(false), usage('keyCertSign'))
  ],
  ['extended-key-usage', 'no purpose', without(OID.id_ce_extKeyUsage)],
  ['extended-key-usage', 'any purpose', withExtensions(purposes(OID.anyExtendedKeyUsage))],
  ['extended-key-usage-key', 'logging on with a key that only encrypts', withExtensions(usage('keyEncipherment'))],
  [
    'application-policies',
    'application policies that say more',
    withExtensions(
      ext(
        OID.szOID_APPLICATION_CERT_POLICIES,
        encodeCertificatePolicies([OID.id_kp_clientAuth, OID.szOID_ENROLLMENT_AGENT])
      )
    )
  ]
]

describe('the certificate linter', () => {
  it('finds nothing in a sound certificate', () => {
    expect(lintTbs(encode({}))).toEqual([])
  })

  it.each<[string, Partial<Parts>]>([
    ['a validity beyond 2049', { notAfter: encodeTime(new Date('2050-01-01T00:00:00Z')) }],
    [
      'alternative names that stand for the subject',
      {
        subject: encodeSequence(),
        ...withExtensions({ ...altNames({ kind: 'dNSName', value: '*.corp.example' }), critical: true })
      }
    ],
    ['a CA', { ...withExtensions(ca(), usage('keyCertSign', 'cRLSign')) }],
    [
      'a root, which names no issuer key',
      {
        subject: sound.issuer,
        extensions: [ca(), usage('keyCertSign', 'cRLSign'), ski]
      }
    ]
  ])('finds nothing in %s', (_what, change) => {
    expect(lintTbs(encode(change))).toEqual([])
  })

  it.each(broken)('%s is found where there is %s', (id, _what, change) => {
    const found = lintTbs(encode(change)).find(finding => finding.id === id)
    expect(found).toMatchObject({ message: expect.stringMatching(/\.$/), citation: expect.stringMatching(/\d/) })
  })

  it('shows each of its rules broken', () => {
    expect(new Set(broken.map(([id]) => id))).toEqual(new Set(CERTIFICATE_RULES.map(({ id }) => id)))
  })

  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['bytes that follow', Uint8Array.of(...encode({}), 0)],
    [
      'an alternative name of no form',
      encode(withExtensions(ext(OID.id_ce_subjectAltName, encodeSequence(encodeNull()))))
    ],
    ['an empty list of alternative names', encode(withExtensions(ext(OID.id_ce_subjectAltName, encodeSequence())))],
    ['an empty extended key usage', encode(withExtensions(ext(OID.id_ce_extKeyUsage, encodeSequence())))],
    ['an empty key usage', encode(withExtensions(ext(OID.id_ce_keyUsage, encodeBitString(new Uint8Array()))))],
    [
      'a path length without CA',
      encode(withExtensions(ext(OID.id_ce_basicConstraints, encodeSequence(encodeBoolean(false), encodeInteger(0)))))
    ],
    [
      'an IP address of 5 octets',
      encode(withExtensions(ext(OID.id_ce_subjectAltName, encodeSequence(encodeTlv(0x87, new Uint8Array(5))))))
    ],
    [
      'a host name with a line break',
      encode(withExtensions(ext(OID.id_ce_subjectAltName, encodeSequence(encodeTlv(0x82, Buffer.from('a\nb'))))))
    ],
    [
      'a key that is none',
      encode({ publicKey: encodeSequence(encodeOid('1.2.3'), encodeOctetString(new Uint8Array(3))) })
    ]
  ])('finds the structure broken by %s', (_what, tbs) => {
    expect(lintTbs(tbs)).toMatchObject([{ id: 'structure', severity: 'error' }])
  })
})

describe('the rules', () => {
  it('have an id of their own', () => {
    expect(new Set(CERTIFICATE_RULES.map(({ id }) => id)).size).toBe(CERTIFICATE_RULES.length)
  })
})
