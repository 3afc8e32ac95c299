import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '@app/core'
import { DerReader, encodeInteger, encodeOctetString, encodeOid, encodeSequence, encodeUtf8String } from '@app/der'
import { OID } from '@app/oid'
import { codeOf, nameOf } from '../../../test/helpers/x509-samples.js'
import {
  CRL_REASONS,
  decodeAuthorityInfoAccess,
  decodeAuthorityKeyIdentifier,
  decodeBasicConstraints,
  decodeCaVersion,
  decodeCertificatePolicies,
  decodeCertificateTemplateId,
  decodeCertificateTemplateName,
  decodeCrlDistributionPoints,
  decodeCrlNumber,
  decodeCrlReason,
  decodeExtendedKeyUsage,
  decodeExtensions,
  decodeKeyUsage,
  decodeName,
  decodeSecurityIdentifier,
  decodeSmimeCapabilities,
  decodeSubjectAltName,
  decodeSubjectKeyIdentifier,
  encodeAuthorityInfoAccess,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeCaVersion,
  encodeCertificatePolicies,
  encodeCertificateTemplateId,
  encodeCertificateTemplateName,
  encodeCrlDistributionPoints,
  encodeCrlNumber,
  encodeCrlReason,
  encodeExtendedKeyUsage,
  encodeExtension,
  encodeExtensions,
  encodeKeyUsage,
  encodeOcspNoCheck,
  encodeSecurityIdentifier,
  encodeSmimeCapabilities,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  findUserPrincipalName,
  KEY_USAGES,
  type CrlReason,
  type Extension,
  type GeneralName
} from './index.js'

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(' ', '')) as Uint8Array
const keyId = hex('9fb78d9182d1051dd031e23df6977a8175e55cc8')

/** Every decoder of an extension's value, for the properties that hold for each. */
const decoders: Readonly<Record<string, (value: Uint8Array) => unknown>> = {
  decodeAuthorityInfoAccess,
  decodeAuthorityKeyIdentifier,
  decodeBasicConstraints,
  decodeCaVersion,
  decodeCertificatePolicies,
  decodeCertificateTemplateId,
  decodeCertificateTemplateName,
  decodeCrlDistributionPoints,
  decodeCrlNumber,
  decodeCrlReason,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeSecurityIdentifier,
  decodeSmimeCapabilities,
  decodeSubjectAltName,
  decodeSubjectKeyIdentifier
}

/** Right values of each kind, so that mutations reach deep. */
const samples: readonly Uint8Array[] = [
  encodeAuthorityInfoAccess({ caIssuers: ['http://a/b'], ocsp: ['http://c'] }),
  encodeAuthorityKeyIdentifier(keyId),
  encodeBasicConstraints({ isCa: true, pathLength: 1 }),
  encodeCaVersion({ certificateIndex: 3, keyIndex: 1 }),
  encodeCertificatePolicies(['1.2.3', '1.2.4']),
  encodeCertificateTemplateId({ oid: '1.3.6.1.4.1.311.21.8.1.2', major: 100, minor: 4 }),
  encodeCertificateTemplateName('User'),
  encodeCrlDistributionPoints(['http://a/b.crl']),
  encodeCrlNumber(1000n),
  encodeExtendedKeyUsage([OID.id_kp_clientAuth]),
  encodeKeyUsage(['digitalSignature', 'keyEncipherment']),
  encodeSecurityIdentifier('S-1-5-21-1-2-3-500'),
  encodeSubjectAltName([
    { kind: 'dNSName', value: 'a.example' },
    { kind: 'otherName', oid: OID.szOID_NT_PRINCIPAL_NAME, value: encodeUtf8String('u@a.example') }
  ])
]

function facts({ oid, critical, value }: Extension): unknown[] {
  return [oid, critical, toHex(value)]
}

describe('a list of extensions', () => {
  const keyUsage = { oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(['cRLSign']) }
  const policies = { oid: OID.id_ce_certificatePolicies, critical: false, value: encodeCertificatePolicies(['1.2']) }

  it('is read as it was written', () => {
    const encoded = encodeExtensions([keyUsage, policies])
    const found = decodeExtensions(DerReader.over(encoded))
    expect(found.map(facts)).toEqual([keyUsage, policies].map(facts))
  })

  const broken: readonly [string, Uint8Array, string][] = [
    ['without extensions', hex('3000'), 'x509_structure'],
    [
      'with one extension twice',
      encodeSequence(encodeExtension(keyUsage), encodeExtension(keyUsage)),
      'x509_structure'
    ],
    ['that writes out FALSE', hex('300d 300b 0603551d0f 010100 040100'), 'der_value_invalid'],
    ['with TRUE as 1', hex('300d 300b 0603551d0f 010101 040100'), 'der_value_invalid'],
    ['without a value', hex('3007 3005 0603551d0f'), 'der_tag_unexpected'],
    ['with a fourth part', hex('300c 300a 0603551d0f 0401000500'), 'der_trailing_bytes']
  ]
  it.each(broken)('%s is refused', (_case, bytes, code) => {
    expect(codeOf(() => decodeExtensions(DerReader.over(bytes)))).toBe(code)
  })

  it('without extensions or with one twice is not written', () => {
    expect(codeOf(() => encodeExtensions([]))).toBe('x509_structure')
    expect(codeOf(() => encodeExtensions([keyUsage, keyUsage]))).toBe('x509_structure')
  })
})

describe('every decoder of an extension', () => {
  it.each(Object.entries(decoders))('%s refuses bytes after the value', (_name, decode) => {
    for (const sample of samples) {
      expect(codeOf(() => decode(Buffer.concat([sample, hex('0500')])))).toBeDefined()
    }
  })

  it('throws nothing but the program’s own error', () => {
    const change = fc.record({ at: fc.nat({ max: 60 }), value: fc.nat({ max: 255 }) })
    const changed = fc.tuple(fc.constantFrom(...samples), fc.array(change, { maxLength: 3 }))
    let refusals = 0
    fc.assert(
      fc.property(changed, ([sample, changes]) => {
        const bytes = Buffer.from(sample)
        for (const { at, value } of changes) if (at < bytes.length) bytes[at] = value
        for (const decode of Object.values(decoders)) if (codeOf(() => decode(bytes)) !== undefined) refusals++
      }),
      { numRuns: 500 }
    )
    expect(refusals).toBeGreaterThan(0)
  })
})

describe('keyUsage', () => {
  it('is read as it was written, for every set of usages', () => {
    fc.assert(
      fc.property(fc.subarray([...KEY_USAGES], { minLength: 1 }), usages => {
        expect([...decodeKeyUsage(encodeKeyUsage(usages))]).toEqual(usages)
      })
    )
  })

  it('is written without trailing zero bits', () => {
    expect(toHex(encodeKeyUsage(['digitalSignature', 'keyEncipherment']))).toBe('030205a0')
    expect(toHex(encodeKeyUsage(['decipherOnly']))).toBe('0303070080')
  })

  const broken: readonly [string, string, string][] = [
    ['without bits', '030100', 'x509_structure'],
    ['with trailing zero bits', '030204a0', 'der_value_invalid'],
    ['with zero bits only', '03020700', 'der_value_invalid'],
    ['with unknown bits', '0303060040', 'x509_structure'],
    ['with unused bits that are set', '030205a1', 'der_value_invalid']
  ]
  it.each(broken)('%s is refused', (_case, bytes, code) => {
    expect(codeOf(() => decodeKeyUsage(hex(bytes)))).toBe(code)
  })

  it('of nothing is not written', () => {
    expect(codeOf(() => encodeKeyUsage([]))).toBe('invalid_argument')
  })
})

describe('basicConstraints', () => {
  it.each([
    [{ isCa: false }, '3000'],
    [{ isCa: true }, '30030101ff'],
    [{ isCa: true, pathLength: 0 }, '30060101ff020100']
  ])('%j is %s', (constraints, encoded) => {
    expect(toHex(encodeBasicConstraints(constraints))).toBe(encoded)
    expect(decodeBasicConstraints(hex(encoded))).toEqual(constraints)
  })

  const broken: readonly [string, string, string][] = [
    ['with FALSE written out', '3003010100', 'der_value_invalid'],
    ['with a path length for an end entity', '3003020100', 'x509_structure'],
    ['with a negative path length', '30060101ff0201ff', 'der_value_invalid']
  ]
  it.each(broken)('%s are refused', (_case, bytes, code) => {
    expect(codeOf(() => decodeBasicConstraints(hex(bytes)))).toBe(code)
  })

  it('with a path length for an end entity or a negative one are not written', () => {
    expect(codeOf(() => encodeBasicConstraints({ isCa: false, pathLength: 0 }))).toBe('invalid_argument')
    expect(codeOf(() => encodeBasicConstraints({ isCa: true, pathLength: -1 }))).toBe('invalid_argument')
  })
})

describe('lists of identifiers', () => {
  const lists: readonly [string, (oids: readonly string[]) => Uint8Array, (value: Uint8Array) => string[]][] = [
    ['extKeyUsage', encodeExtendedKeyUsage, decodeExtendedKeyUsage],
    ['certificatePolicies', encodeCertificatePolicies, decodeCertificatePolicies]
  ]
  it.each(lists)('%s keeps its order and has no identifier twice', (_name, encode, decode) => {
    expect(decode(encode(['1.2.9', '1.2.3']))).toEqual(['1.2.9', '1.2.3'])
    expect(codeOf(() => encode([]))).toBe('invalid_argument')
    expect(codeOf(() => encode(['1.2', '1.2']))).toBe('invalid_argument')
    expect(codeOf(() => decode(hex('3000')))).toBe('x509_structure')
  })

  it('certificatePolicies may have qualifiers, which are passed over', () => {
    const value = encodeSequence(encodeSequence(encodeOid('1.2.3'), encodeSequence(encodeSequence(encodeOid('1.2.4')))))
    expect(decodeCertificatePolicies(value)).toEqual(['1.2.3'])
  })
})

describe('key identifiers', () => {
  it('are read as they were written', () => {
    expect(toHex(decodeSubjectKeyIdentifier(encodeSubjectKeyIdentifier(keyId)))).toBe(toHex(keyId))
    const authority = encodeAuthorityKeyIdentifier(keyId)
    expect(toHex(authority)).toBe(`30168014${toHex(keyId)}`)
    expect(toHex(decodeAuthorityKeyIdentifier(authority).keyId ?? hex(''))).toBe(toHex(keyId))
  })

  it('of an authority may come with its issuer and serial number, but not with one of them', () => {
    const issuer = `a1 0a 82 08 ${toHex(Buffer.from('ca.local'))}`
    const both = decodeAuthorityKeyIdentifier(hex(`300f ${issuer} 8201 05`))
    expect(both).toMatchObject({ issuer: [{ kind: 'dNSName', value: 'ca.local' }] })
    expect(toHex(both.serialNumber ?? hex(''))).toBe('05')
    expect(both.keyId).toBeUndefined()
    expect(codeOf(() => decodeAuthorityKeyIdentifier(hex(`300c ${issuer}`)))).toBe('x509_structure')
    expect(codeOf(() => decodeAuthorityKeyIdentifier(hex('3003 820105')))).toBe('x509_structure')
  })
})

describe('alternative names', () => {
  const directory = decodeName(DerReader.over(nameOf('CN=a,C=US')), 'name')
  const names: readonly GeneralName[] = [
    { kind: 'otherName', oid: OID.szOID_NT_PRINCIPAL_NAME, value: encodeUtf8String('u@d.example') },
    { kind: 'rfc822Name', value: 'u@d.example' },
    { kind: 'dNSName', value: '*.d.example' },
    { kind: 'directoryName', name: directory },
    { kind: 'uri', value: 'urn:x' },
    { kind: 'iPAddress', address: hex('7f000001') },
    { kind: 'iPAddress', address: hex('00000000000000000000000000000001') },
    { kind: 'registeredID', oid: '1.2.3' },
    { kind: 'x400Address', raw: hex('a300') },
    { kind: 'ediPartyName', raw: hex('a500') }
  ]

  it('of every kind are read as they were written', () => {
    const encoded = encodeSubjectAltName(names)
    expect(toHex(encodeSubjectAltName(decodeSubjectAltName(encoded)))).toBe(toHex(encoded))
    expect(decodeSubjectAltName(encoded).map(name => name.kind)).toEqual(names.map(name => name.kind))
  })

  it('give the user principal name only where there is one', () => {
    expect(names.map(findUserPrincipalName).filter(upn => upn !== undefined)).toEqual(['u@d.example'])
    const number = { kind: 'otherName', oid: OID.szOID_NT_PRINCIPAL_NAME, value: encodeInteger(1) } as const
    expect(findUserPrincipalName(number)).toBeUndefined()
  })

  const broken: readonly [string, string, string][] = [
    ['that are none', '3000', 'x509_structure'],
    ['with a NUL in a host name', '3005 8203 610062', 'x509_structure'],
    ['with a line break in a mail address', '3005 8103 610a62', 'x509_structure'],
    ['with an empty host name', '3002 8200', 'x509_structure'],
    ['with a character beyond ASCII', '3003 8201 e9', 'der_value_invalid'],
    ['with an address of 5 octets', '3007 8705 7f00000100', 'x509_structure'],
    ['with a constructed host name', '3003 a20100', 'x509_structure'],
    ['of an unknown form', '3003 890100', 'x509_structure'],
    ['with an otherName without a value', '3005 a003 06012a', 'der_tag_unexpected']
  ]
  it.each(broken)('%s are refused', (_case, bytes, code) => {
    expect(codeOf(() => decodeSubjectAltName(hex(bytes)))).toBe(code)
  })

  const unfit: readonly (readonly GeneralName[])[] = [
    [],
    [{ kind: 'dNSName', value: 'bücher.example' }],
    [{ kind: 'dNSName', value: '' }],
    [{ kind: 'rfc822Name', value: 'a\r\nb' }],
    [{ kind: 'iPAddress', address: hex('7f0000') }]
  ]
  it.each(unfit.map(list => [JSON.stringify(list), list] as const))('%s are not written', (_text, list) => {
    expect(codeOf(() => encodeSubjectAltName(list))).toBe('invalid_argument')
  })
})

describe('addresses of revocation lists, issuers and responders', () => {
  it('are read as they were written', () => {
    const urls = ['ldap:///CN=a?certificateRevocationList', 'http://a/b.crl']
    expect(decodeCrlDistributionPoints(encodeCrlDistributionPoints(urls))).toEqual(urls)
    const access = { caIssuers: ['http://a/ca.cer'], ocsp: ['http://a/ocsp', 'http://b/ocsp'] }
    expect(decodeAuthorityInfoAccess(encodeAuthorityInfoAccess(access))).toEqual(access)
  })

  it('are found among other forms', () => {
    const uri = `86 01 ${toHex(Buffer.from('u'))}`
    const relative = hex(`3012 3004 a002 a100 300a a008 a006 ${uri} 82016b`)
    expect(decodeCrlDistributionPoints(relative)).toEqual(['u'])
    const full = hex(`3014 3007 a005 a003 ${uri} 3009 810206c0 a203 ${uri}`)
    expect(decodeCrlDistributionPoints(full)).toEqual(['u'])
    const other = encodeSequence(encodeSequence(encodeOid('1.2.3'), hex(uri)))
    expect(decodeAuthorityInfoAccess(other)).toEqual({ caIssuers: [], ocsp: [] })
  })

  it('that are none are neither read nor written', () => {
    expect(codeOf(() => encodeCrlDistributionPoints([]))).toBe('invalid_argument')
    expect(codeOf(() => encodeAuthorityInfoAccess({ caIssuers: [], ocsp: [] }))).toBe('invalid_argument')
    expect(codeOf(() => decodeCrlDistributionPoints(hex('3000')))).toBe('x509_structure')
    expect(codeOf(() => decodeAuthorityInfoAccess(hex('3000')))).toBe('x509_structure')
    expect(codeOf(() => decodeCrlDistributionPoints(hex('3004 3002 a000')))).toBe('der_tag_unexpected')
  })
})

describe('the extensions of a CRL', () => {
  it('have every reason by its number', () => {
    for (const reason of Object.keys(CRL_REASONS) as CrlReason[]) {
      expect(toHex(encodeCrlReason(reason))).toBe(`0a010${CRL_REASONS[reason].toString(16)}`)
      expect(decodeCrlReason(encodeCrlReason(reason))).toBe(reason)
    }
    expect(codeOf(() => decodeCrlReason(hex('0a0107')))).toBe('x509_structure')
    expect(codeOf(() => decodeCrlReason(hex('020101')))).toBe('der_tag_unexpected')
  })

  it('have a number of up to 20 octets', () => {
    const largest = (1n << 159n) - 1n
    expect(decodeCrlNumber(encodeCrlNumber(largest))).toBe(largest)
    expect(codeOf(() => encodeCrlNumber(largest + 1n))).toBe('invalid_argument')
    expect(codeOf(() => decodeCrlNumber(encodeInteger(largest + 1n)))).toBe('x509_structure')
    expect(codeOf(() => decodeCrlNumber(encodeInteger(-1)))).toBe('x509_structure')
  })
})

function otherName(value: Uint8Array, oid: string = OID.szOID_NTDS_OBJECTSID): GeneralName {
  return { kind: 'otherName', oid, value }
}

describe('Microsoft extensions', () => {
  it('name a template with its versions, which may be absent', () => {
    for (const template of [
      { oid: '1.2.3' },
      { oid: '1.2.3', major: 100 },
      { oid: '1.2.3', major: 0xffffffff, minor: 0 }
    ]) {
      expect(decodeCertificateTemplateId(encodeCertificateTemplateId(template))).toEqual(template)
    }
    expect(codeOf(() => encodeCertificateTemplateId({ oid: '1.2.3', minor: 1 }))).toBe('invalid_argument')
    const tooLarge = encodeSequence(encodeOid('1.2.3'), encodeInteger(2 ** 32))
    expect(codeOf(() => decodeCertificateTemplateId(tooLarge))).toBe('x509_structure')
  })

  it('name a template in BMPString, and in other strings when scripts do', () => {
    expect(toHex(encodeCertificateTemplateName('User'))).toBe('1e080055007300650072')
    expect(decodeCertificateTemplateName(hex('1e080055007300650072'))).toBe('User')
    expect(decodeCertificateTemplateName(encodeUtf8String('WebServer'))).toBe('WebServer')
  })

  it('carry the security identifier as Windows writes it', () => {
    const sid = 'S-1-5-21-2127521184-1604012920-1887927527-1103'
    const encoded = encodeSecurityIdentifier(sid)
    expect(toHex(encoded)).toBe(`3040a03e060a2b060104018237190201a030042e${toHex(Buffer.from(sid))}`)
    expect(decodeSecurityIdentifier(encoded)).toBe(sid)
  })

  it('carry nothing but a security identifier where one belongs', () => {
    expect(codeOf(() => encodeSecurityIdentifier('Administrator'))).toBe('invalid_argument')
    const sid = encodeOctetString(Buffer.from('S-1-5-18'))
    for (const names of [
      [otherName(sid), otherName(sid)],
      [otherName(sid, '1.2.3')],
      [otherName(encodeOctetString(Buffer.from('S-1-5-18\0')))],
      [{ kind: 'dNSName', value: 'S-1-5-18' } as const]
    ]) {
      expect(codeOf(() => decodeSecurityIdentifier(encodeSubjectAltName(names)))).toBe('x509_structure')
    }
  })

  it('count the certificates and keys of a CA', () => {
    expect(toHex(encodeCaVersion({ certificateIndex: 3, keyIndex: 1 }))).toBe('0203010003')
    expect(decodeCaVersion(hex('0203010003'))).toEqual({ certificateIndex: 3, keyIndex: 1 })
    expect(codeOf(() => encodeCaVersion({ certificateIndex: 65536, keyIndex: 0 }))).toBe('invalid_argument')
  })

  it('list S/MIME capabilities as received', () => {
    const value = hex('3017 300e 06082a864886f70d0302 02020080 3005 06032b0e03')
    const list = decodeSmimeCapabilities(value)
    expect(list.map(capability => capability.oid)).toEqual([OID.rc2_cbc, '1.3.14.3'])
    expect(toHex(encodeSmimeCapabilities(list))).toBe(toHex(value))
  })

  it('say that a responder’s certificate needs no checking with a NULL', () => {
    expect(toHex(encodeOcspNoCheck())).toBe('0500')
  })
})
