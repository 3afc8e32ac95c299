import { generateKeyPairSync, randomBytes, X509Certificate, type KeyObject } from 'node:crypto'
import { equalBytes, toHex } from '@app/core'
import { DerReader, encodeOctetString, encodeUtf8String } from '@app/der'
import { signerOf } from '@app/keys'
import { OID } from '@app/oid'
import { certificateNames, type RequestToJudge, type Requester } from '@app/policy'
import {
  builtInTemplates,
  ENROLLMENT_FLAG,
  flagWord,
  GENERAL_FLAG,
  SUBJECT_NAME_FLAG as FLAG,
  type CertificateTemplate
} from '@app/templates'
import {
  decodeAuthorityInfoAccess,
  decodeAuthorityKeyIdentifier,
  decodeBasicConstraints,
  decodeCertificate,
  decodeCertificatePolicies,
  decodeCertificateTemplateId,
  decodeCertificateTemplateName,
  decodeCrlDistributionPoints,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeName,
  decodePublicKey,
  decodeSecurityIdentifier,
  decodeSmimeCapabilities,
  decodeSubjectAltName,
  decodeSubjectKeyIdentifier,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeCertificatePolicies,
  encodeCertificateTemplateId,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeName,
  encodeSecurityIdentifier,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  findExtension,
  findUserPrincipalName,
  formatName,
  parseDistinguishedName,
  type Certificate,
  type Extension,
  type GeneralName
} from '@app/x509'
import { describe, expect, it } from 'vitest'
import {
  issue,
  newSerialNumber,
  prepareCertificate,
  prepareRootCertificate,
  type CertificateOrder,
  type Issuer
} from './index.js'

const entropy = { bytes: (length: number) => new Uint8Array(randomBytes(length)) }
const now = new Date('2030-05-06T07:08:09.500Z')
const YEAR = 365 * 86_400

const spki = (key: KeyObject) => decodePublicKey(key.export({ format: 'der', type: 'spki' }))
const nameOf = (text: string) => encodeName(parseDistinguishedName(text))
const rsaKey = spki(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey)
const ecKey = spki(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)
const signer = signerOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)

const root = await issue(
  prepareRootCertificate({
    subject: nameOf('CN=Example CA,O=Example,C=DE'),
    publicKey: signer.publicKey,
    scheme: signer.scheme,
    version: { certificateIndex: 0, keyIndex: 0 },
    serialNumber: newSerialNumber(entropy),
    now,
    validitySeconds: 10 * YEAR
  }),
  signer
)
const issuer: Issuer = {
  certificate: decodeCertificate(root),
  scheme: signer.scheme,
  crlUrls: ['http://pki.example/ca.crl'],
  caIssuersUrls: ['http://pki.example/ca.cer'],
  ocspUrls: ['http://pki.example/ocsp']
}

const alice: Requester = {
  id: '0b6f9f3e-6c9e-4c62-9d0c-0d6f0e2f6b11',
  kind: 'user',
  sid: 'S-1-5-21-1-2-3-1104',
  accountName: 'alice',
  domain: 'EXAMPLE',
  distinguishedName: 'CN=Alice,OU=Staff,DC=corp,DC=example',
  upn: 'alice@corp.example',
  mail: 'alice@corp.example',
  dnsName: 'pc7.corp.example',
  guid: '0b6f9f3e-6c9e-4c62-9d0c-0d6f0e2f6b11',
  groups: ['Domain Users']
}

type NamesAndKey = Pick<RequestToJudge, 'subject' | 'extensions' | 'publicKey'>
const plainRequest: NamesAndKey = { subject: undefined, extensions: [], publicKey: rsaKey }
const template = (name: string): CertificateTemplate => builtInTemplates().find(known => known.name === name)!
const order = (change: Partial<CertificateOrder>): CertificateOrder => ({
  template: template('UserSignature'),
  requester: alice,
  request: plainRequest,
  issuer,
  serialNumber: newSerialNumber(entropy),
  now,
  ...change
})
const make = async (change: Partial<CertificateOrder>): Promise<Certificate> =>
  decodeCertificate(await issue(prepareCertificate(order(change)), signer))
const valueOf = (certificate: Certificate, oid: string): Uint8Array => findExtension(certificate, oid)!.value
const oidsOf = (certificate: Certificate): string[] => certificate.extensions.map(({ oid }) => oid).toSorted()
const criticalOf = (certificate: Certificate): string[] =>
  certificate.extensions.filter(({ critical }) => critical).map(({ oid }) => oid)
const san = (...names: GeneralName[]): Extension => extension(OID.id_ce_subjectAltName, encodeSubjectAltName(names))

function extension(oid: string, value: Uint8Array, critical = false): Extension {
  return { oid, critical, value }
}

describe('a certificate of UserEncryption', async () => {
  const certificate = await make({ template: template('UserEncryption') })
  const seen = new X509Certificate(certificate.raw)

  it('is what other programs read as a sound certificate of this CA', () => {
    const ca = new X509Certificate(root)
    expect(seen.verify(ca.publicKey)).toBe(true)
    expect(seen.checkIssued(ca)).toBe(true)
    expect(seen.ca).toBe(false)
    expect(seen.subject).toBe('CN=Alice')
    expect(seen.issuer).toBe('C=DE\nO=Example\nCN=Example CA')
    expect(seen.subjectAltName).toContain('email:alice@corp.example')
    expect(seen.keyUsage.toSorted()).toEqual([OID.szOID_EFS_CRYPTO, OID.id_kp_emailProtection].toSorted())
    expect(seen.publicKey.equals(rsaKey.keyObject)).toBe(true)
    expect(seen.infoAccess?.trim().split('\n')).toEqual([
      'OCSP - URI:http://pki.example/ocsp',
      'CA Issuers - URI:http://pki.example/ca.cer'
    ])
  })

  it('is valid from ten minutes ago for as long as the template says', () => {
    expect(certificate.notBefore.toISOString()).toBe('2030-05-06T06:58:09.000Z')
    expect(certificate.notAfter.toISOString()).toBe('2031-05-06T07:08:09.000Z')
  })

  it('has these extensions, marked so, and no other', () => {
    expect(oidsOf(certificate)).toEqual(
      [
        OID.id_ce_keyUsage,
        OID.id_ce_extKeyUsage,
        OID.szOID_APPLICATION_CERT_POLICIES,
        OID.szOID_CERTIFICATE_TEMPLATE,
        OID.id_ce_subjectAltName,
        OID.id_ce_subjectKeyIdentifier,
        OID.id_ce_authorityKeyIdentifier,
        OID.id_ce_cRLDistributionPoints,
        OID.id_pe_authorityInfoAccess,
        OID.smimeCapabilities
      ].toSorted()
    )
    expect(criticalOf(certificate)).toEqual([OID.id_ce_keyUsage])
  })

  it('says in them what the template says', () => {
    const { oid } = template('UserEncryption')
    const purposes = [OID.id_kp_emailProtection, OID.szOID_EFS_CRYPTO]
    expect([...decodeKeyUsage(valueOf(certificate, OID.id_ce_keyUsage))]).toEqual(['keyEncipherment'])
    expect(decodeExtendedKeyUsage(valueOf(certificate, OID.id_ce_extKeyUsage))).toEqual(purposes)
    expect(decodeCertificatePolicies(valueOf(certificate, OID.szOID_APPLICATION_CERT_POLICIES))).toEqual(purposes)
    const named = decodeCertificateTemplateId(valueOf(certificate, OID.szOID_CERTIFICATE_TEMPLATE))
    expect(named).toEqual({ oid, major: 100, minor: 2 })
    const capabilities = decodeSmimeCapabilities(valueOf(certificate, OID.smimeCapabilities))
    expect(capabilities.map(capability => capability.oid)).toEqual([OID.aes256_CBC, OID.aes192_CBC, OID.aes128_CBC])
  })

  it('identifies both keys', () => {
    const own = decodeSubjectKeyIdentifier(valueOf(certificate, OID.id_ce_subjectKeyIdentifier))
    const { keyId } = decodeAuthorityKeyIdentifier(valueOf(certificate, OID.id_ce_authorityKeyIdentifier))
    expect(toHex(own)).toBe(toHex(rsaKey.keyId))
    expect(toHex(keyId!)).toBe(toHex(signer.publicKey.keyId))
    expect(decodeCrlDistributionPoints(valueOf(certificate, OID.id_ce_cRLDistributionPoints))).toEqual(issuer.crlUrls)
  })

  it('lets an elliptic-curve key agree on keys instead', async () => {
    const other = await make({ template: template('UserEncryption'), request: { ...plainRequest, publicKey: ecKey } })
    expect([...decodeKeyUsage(valueOf(other, OID.id_ce_keyUsage))]).toEqual(['keyAgreement'])
  })
})

const changed = (change: Partial<CertificateTemplate>) =>
  make({ template: { ...template('UserSignature'), ...change } })

describe('what a template can ask for', () => {
  it('the security identifier, which a certificate for logging on always has', async () => {
    const logon = await changed({})
    expect(decodeSecurityIdentifier(valueOf(logon, OID.szOID_NTDS_CA_SECURITY_EXT))).toBe(alice.sid)
    const without = { ...template('UserSignature'), enrollmentFlags: ENROLLMENT_FLAG.NO_SECURITY_EXTENSION }
    expect(() => prepareCertificate(order({ template: without }))).toThrow(
      expect.objectContaining({ code: 'template_unsafe' })
    )
    expect(certificateNames(without, alice, plainRequest).securityIdentifier).toBe(alice.sid)
    const mail = await changed({ extendedKeyUsages: [OID.id_kp_emailProtection] })
    expect(findExtension(mail, OID.szOID_NTDS_CA_SECURITY_EXT)).toBeUndefined()
  })

  it('the name extension alone for schema version 1', async () => {
    const old = await changed({ schemaVersion: 1 })
    expect(decodeCertificateTemplateName(valueOf(old, OID.szOID_ENROLL_CERTTYPE_EXTENSION))).toBe('UserSignature')
    expect(findExtension(old, OID.szOID_CERTIFICATE_TEMPLATE)).toBeUndefined()
  })

  it('no subject, and then the alternative names are critical', async () => {
    const nameless = await changed({ subjectNameFlags: FLAG.SUBJECT_ALT_REQUIRE_UPN })
    expect(nameless.subject.rdns).toEqual([])
    expect(criticalOf(nameless).toSorted()).toEqual([OID.id_ce_subjectAltName, OID.id_ce_keyUsage].toSorted())
  })

  it('every alternative name of the directory', async () => {
    const flags = flagWord(
      FLAG.SUBJECT_ALT_REQUIRE_UPN,
      FLAG.SUBJECT_ALT_REQUIRE_EMAIL,
      FLAG.SUBJECT_ALT_REQUIRE_DNS,
      FLAG.SUBJECT_ALT_REQUIRE_DIRECTORY_GUID
    )
    const names = decodeSubjectAltName(valueOf(await changed({ subjectNameFlags: flags }), OID.id_ce_subjectAltName))
    expect(names.map(({ kind }) => kind)).toEqual(['otherName', 'rfc822Name', 'dNSName', 'otherName'])
    expect(findUserPrincipalName(names[0]!)).toBe(alice.upn)
  })

  it('issuance policies, and extensions that are critical', async () => {
    const certificate = await changed({
      issuancePolicies: ['1.2.3.4'],
      enrollmentFlags: ENROLLMENT_FLAG.PEND_ALL_REQUESTS,
      criticalExtensions: [
        OID.id_ce_extKeyUsage,
        OID.id_ce_certificatePolicies,
        OID.id_ce_subjectKeyIdentifier,
        OID.id_ce_authorityKeyIdentifier,
        OID.szOID_CERTIFICATE_TEMPLATE
      ]
    })
    expect(decodeCertificatePolicies(valueOf(certificate, OID.id_ce_certificatePolicies))).toEqual(['1.2.3.4'])
    expect(criticalOf(certificate).toSorted()).toEqual(
      [OID.id_ce_keyUsage, OID.id_ce_extKeyUsage, OID.id_ce_certificatePolicies].toSorted()
    )
  })

  it('basic constraints that say it is no CA', async () => {
    const certificate = await changed({ enrollmentFlags: ENROLLMENT_FLAG.BASIC_CONSTRAINTS_FOR_EE })
    expect(decodeBasicConstraints(valueOf(certificate, OID.id_ce_basicConstraints))).toEqual({ isCa: false })
  })

  it('addresses of its own in place of the CA’s, kind by kind', async () => {
    const addresses = {
      crl: ['http://mirror.example/{ca}/{key}.crl', 'ldap://ldap.example/CN=CA{key}?certificateRevocationList;binary'],
      ocsp: []
    }
    const numbered = { ...issuer, addressNumbers: { ca: 7, keyIndex: 2, certIndex: 3 } }
    const certificate = await make({ template: { ...template('UserSignature'), addresses }, issuer: numbered })
    const value = (oid: string) => findExtension(certificate, oid)?.value ?? new Uint8Array()
    expect(decodeCrlDistributionPoints(value(OID.id_ce_cRLDistributionPoints))).toEqual([
      'http://mirror.example/7/2.crl',
      'ldap://ldap.example/CN=CA2?certificateRevocationList;binary'
    ])
    const access = decodeAuthorityInfoAccess(value(OID.id_pe_authorityInfoAccess))
    expect(access).toEqual({ caIssuers: issuer.caIssuersUrls, ocsp: [] })
  })

  it('no information about revocation', async () => {
    const certificate = await changed({ enrollmentFlags: ENROLLMENT_FLAG.NO_REVOCATION_INFO })
    expect(findExtension(certificate, OID.id_ce_cRLDistributionPoints)).toBeUndefined()
    expect(decodeAuthorityInfoAccess(valueOf(certificate, OID.id_pe_authorityInfoAccess)).ocsp).toEqual([])
  })

  it('the mark of an OCSP responder, for OCSP responders alone', async () => {
    const enrollmentFlags = flagWord(ENROLLMENT_FLAG.ADD_OCSP_NOCHECK, ENROLLMENT_FLAG.PEND_ALL_REQUESTS)
    const responder = await changed({ enrollmentFlags, extendedKeyUsages: [OID.id_kp_OCSPSigning] })
    expect(findExtension(responder, OID.id_pkix_ocsp_nocheck)).toBeDefined()
    expect(findExtension(responder, OID.id_ce_cRLDistributionPoints)).toBeUndefined()
    expect(findExtension(await changed({ enrollmentFlags }), OID.id_pkix_ocsp_nocheck)).toBeUndefined()
  })

  it('a CA, by its flag and never by its name', async () => {
    const named = await changed({ name: 'SubCA' })
    expect(new X509Certificate(named.raw).ca).toBe(false)
    const ca = await changed({
      generalFlags: GENERAL_FLAG.IS_CA,
      enrollmentFlags: ENROLLMENT_FLAG.PEND_ALL_REQUESTS,
      keyUsage: ['keyCertSign', 'cRLSign'],
      maxIssuingDepth: 1
    })
    expect(decodeBasicConstraints(valueOf(ca, OID.id_ce_basicConstraints))).toEqual({ isCa: true, pathLength: 1 })
    expect(new X509Certificate(ca.raw).ca).toBe(true)
  })

  it('a longer validity than the CA has left', async () => {
    const certificate = await changed({ validitySeconds: 20 * YEAR })
    expect(certificate.notAfter).toEqual(issuer.certificate.notAfter)
  })
})

/** Each is something an attacker puts into a request in the hope that it comes out signed. */
const hostile: readonly [string, Partial<NamesAndKey>][] = [
  ['a foreign subject', { subject: decodeNameOf('CN=Administrator,CN=Users,DC=corp,DC=example') }],
  ['a mail address in the subject', { subject: decodeNameOf('E=ceo@corp.example,CN=Alice') }],
  ['that it is a CA', ext(OID.id_ce_basicConstraints, encodeBasicConstraints({ isCa: true }), true)],
  ['keyCertSign', ext(OID.id_ce_keyUsage, encodeKeyUsage(['keyCertSign', 'cRLSign']), true)],
  ['another purpose', ext(OID.id_ce_extKeyUsage, encodeExtendedKeyUsage([OID.id_kp_codeSigning]))],
  ['any purpose', ext(OID.id_ce_extKeyUsage, encodeExtendedKeyUsage([OID.anyExtendedKeyUsage]))],
  [
    'application policies of an enrollment agent',
    ext(OID.szOID_APPLICATION_CERT_POLICIES, encodeCertificatePolicies([OID.szOID_ENROLLMENT_AGENT]))
  ],
  ['issuance policies', ext(OID.id_ce_certificatePolicies, encodeCertificatePolicies(['2.5.29.32.0']))],
  [
    'a foreign UPN',
    {
      extensions: [
        san({ kind: 'otherName', oid: OID.szOID_NT_PRINCIPAL_NAME, value: encodeUtf8String('root@corp.example') })
      ]
    }
  ],
  ['a foreign mail address', { extensions: [san({ kind: 'rfc822Name', value: 'ceo@corp.example' })] }],
  ['a foreign DNS name', { extensions: [san({ kind: 'dNSName', value: 'dc01.corp.example' })] }],
  ['a foreign SID', ext(OID.szOID_NTDS_CA_SECURITY_EXT, encodeSecurityIdentifier('S-1-5-21-1-2-3-500'))],
  ['a forged issuer key', ext(OID.id_ce_authorityKeyIdentifier, encodeAuthorityKeyIdentifier(new Uint8Array(20)))],
  ['a forged key identifier', ext(OID.id_ce_subjectKeyIdentifier, encodeSubjectKeyIdentifier(new Uint8Array(20)))],
  ['another template', ext(OID.szOID_CERTIFICATE_TEMPLATE, encodeCertificateTemplateId({ oid: '1.2.3', major: 1 }))],
  ['no check of revocation', ext(OID.id_pkix_ocsp_nocheck, Uint8Array.of(5, 0))],
  ['an unknown critical extension', ext('1.2.3.4.5', encodeOctetString(new Uint8Array(4)), true)],
  ['a malformed alternative name', ext(OID.id_ce_subjectAltName, Uint8Array.of(0x30, 0))]
]

function ext(oid: string, value: Uint8Array, critical = false): Partial<NamesAndKey> {
  return { extensions: [extension(oid, value, critical)] }
}

function decodeNameOf(text: string) {
  return decodeName(DerReader.over(nameOf(text)), 'name')
}

function withoutMail(name: ReturnType<typeof decodeNameOf>) {
  const rdns = name.rdns.filter(rdn => rdn.every(({ type }) => type !== OID.id_emailAddress))
  return decodeName(DerReader.over(encodeName(rdns)), 'name')
}

describe('what a request asks for beside its key', () => {
  const fromDirectory = ['UserEncryption', 'UserSignature', 'Computer'].map(template)

  it.each(hostile)('%s changes no byte of a certificate with names from the directory', (_what, change) => {
    for (const known of fromDirectory) {
      const serialNumber = newSerialNumber(entropy)
      const clean = prepareCertificate(order({ template: known, serialNumber }))
      const attacked = prepareCertificate(
        order({ template: known, serialNumber, request: { ...plainRequest, ...change } })
      )
      expect(equalBytes(attacked.tbs, clean.tbs)).toBe(true)
    }
  })

  it.each(hostile.filter(([, { extensions = [] }]) => extensions.every(({ oid }) => oid !== OID.id_ce_subjectAltName)))(
    '%s changes at most the subject of a server certificate',
    (_what, { subject, extensions = [] }) => {
      const serialNumber = newSerialNumber(entropy)
      const server = san({ kind: 'dNSName', value: 'www.corp.example' })
      const web = { template: template('WebServer'), serialNumber }
      const named = subject ?? decodeNameOf('CN=www')
      const clean = prepareCertificate(
        order({ ...web, request: { ...plainRequest, subject: withoutMail(named), extensions: [server] } })
      )
      const attacked = prepareCertificate(
        order({ ...web, request: { ...plainRequest, subject: named, extensions: [server, ...extensions] } })
      )
      expect(equalBytes(attacked.tbs, clean.tbs)).toBe(true)
    }
  )

  it('names the server where the template lets it', async () => {
    const certificate = await make({
      template: template('WebServer'),
      request: {
        ...plainRequest,
        subject: decodeNameOf('CN=www.corp.example,O=Example'),
        extensions: [
          san(
            { kind: 'dNSName', value: 'www.corp.example' },
            { kind: 'iPAddress', address: Uint8Array.of(10, 1, 2, 3) }
          )
        ]
      }
    })
    expect(formatName(certificate.subject)).toBe('CN=www.corp.example,O=Example')
    expect(new X509Certificate(certificate.raw).subjectAltName).toBe('DNS:www.corp.example, IP Address:10.1.2.3')
    expect(new X509Certificate(certificate.raw).checkHost('www.corp.example')).toBe('www.corp.example')
  })
})

describe('what is not prepared', () => {
  it.each<[string, string, Partial<CertificateOrder>]>([
    ['subject_upn_missing', 'names that the directory lacks', { requester: { ...alice, upn: '' } }],
    ['ca_certificate_invalid', 'anything after the CA has expired', { now: new Date('2041-01-01T00:00:00Z') }],
    ['ca_certificate_invalid', 'anything before the CA is valid', { now: new Date('2029-01-01T00:00:00Z') }],
    [
      'template_unsafe',
      'a certificate for any purpose',
      { template: { ...template('UserSignature'), extendedKeyUsages: [OID.anyExtendedKeyUsage] } }
    ],
    [
      'template_unsafe',
      'a certificate without purpose',
      { template: { ...template('UserSignature'), extendedKeyUsages: [] } }
    ],
    [
      'template_unsafe',
      'an end entity that signs certificates',
      { template: { ...template('UserSignature'), keyUsage: ['digitalSignature', 'keyCertSign'] } }
    ],
    ['lint_failed', 'a short serial number', { serialNumber: Uint8Array.of(1, 2, 3) }],
    ['x509_structure', 'a negative serial number', { serialNumber: new Uint8Array(19).fill(0xff) }]
  ])('%s: %s', (code, _what, change) => {
    expect(() => prepareCertificate(order(change))).toThrow(expect.objectContaining({ code }))
  })

  it('is anything under a certificate that is not a CA’s', async () => {
    const certificate = await make({})
    expect(() => prepareCertificate(order({ issuer: { ...issuer, certificate } }))).toThrow(
      expect.objectContaining({ code: 'ca_certificate_invalid' })
    )
  })
})
