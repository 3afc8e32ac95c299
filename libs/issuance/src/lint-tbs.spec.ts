import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { signerOf } from '@app/keys'
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
  encodePrimitiveContext,
  encodeTime,
  encodeTlv,
  encodeUtf8String,
  TAG
} from '@app/der'
import { OID } from '@app/oid'
import {
  encodeAlgorithmIdentifier,
  encodeAuthorityKeyIdentifier,
  encodeAuthorityInfoAccess,
  encodeBasicConstraints,
  encodeCaVersion,
  encodeCertificatePolicies,
  encodeCrlDistributionPoints,
  encodeExtendedKeyUsage,
  encodeExtension,
  encodeKeyUsage,
  encodeName,
  encodeOcspNoCheck,
  encodePreviousCaCertificateHash,
  encodeSecurityIdentifier,
  encodeSmimeCapabilities,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  decodeCertificate,
  decodePublicKey,
  parseDistinguishedName,
  type Certificate,
  type Extension,
  type GeneralName,
  type KeyUsage,
  type NameAttributeInput
} from '@app/x509'
import { describe, expect, it } from 'vitest'
import { CERTIFICATE_RULES, issue, lintTbs, prepareRootCertificate } from './index.js'

const spki = (key: KeyObject): Uint8Array => new Uint8Array(key.export({ format: 'der', type: 'spki' }))
const rsa2048 = spki(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey)
const rsa1024 = spki(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)
const rsaExponent3 = spki(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey)
const rsa2052 = spki(generateKeyPairSync('rsa', { modulusLength: 2052 }).publicKey)
const p384 = spki(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey)
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
  readonly uniqueIdentifiers: Uint8Array
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
const skiOf = (key: Uint8Array): Extension =>
  ext(OID.id_ce_subjectKeyIdentifier, encodeSubjectKeyIdentifier(decodePublicKey(key).keyId))
const ski = skiOf(rsa2048)
const akiOf = (keyId: Uint8Array): Extension =>
  ext(OID.id_ce_authorityKeyIdentifier, encodeAuthorityKeyIdentifier(keyId))
const crlAt = (...urls: string[]): Extension => ext(OID.id_ce_cRLDistributionPoints, encodeCrlDistributionPoints(urls))
const access = (caIssuers: string[], ocsp: string[] = []): Extension =>
  ext(OID.id_pe_authorityInfoAccess, encodeAuthorityInfoAccess({ caIssuers, ocsp }))
const cdp = crlAt('http://pki.example/ca.crl')
const aia = access(['http://pki.example/ca.cer'])
const policies = (...oids: string[]): Extension => ext(OID.id_ce_certificatePolicies, encodeCertificatePolicies(oids))
const upn = (value: Uint8Array): GeneralName => ({ kind: 'otherName', oid: OID.szOID_NT_PRINCIPAL_NAME, value })
const alice = upn(encodeUtf8String('alice@corp.example'))
const sid = ext(OID.szOID_NTDS_CA_SECURITY_EXT, encodeSecurityIdentifier('S-1-5-21-1-2-3-1001'))
const caVersion = (certificateIndex: number, keyIndex: number): Extension =>
  ext(OID.szOID_CERTSRV_CA_VERSION, encodeCaVersion({ certificateIndex, keyIndex }))
const previous = ext(OID.szOID_CERTSRV_PREVIOUS_CERT_HASH, encodePreviousCaCertificateHash(new Uint8Array(20)))
const capabilities = (...oids: string[]): Extension =>
  ext(OID.smimeCapabilities, encodeSmimeCapabilities(oids.map(oid => ({ raw: encodeAlgorithmIdentifier(oid) }))))
const noCheck = ext(OID.id_pkix_ocsp_nocheck, encodeOcspNoCheck())

const rootSigner = signerOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)
const makeRoot = async (pathLength?: number): Promise<Certificate> =>
  decodeCertificate(
    await issue(
      prepareRootCertificate({
        subject: encodeName(parseDistinguishedName('CN=Example CA,C=DE')),
        publicKey: rootSigner.publicKey,
        scheme: rootSigner.scheme,
        version: { certificateIndex: 0, keyIndex: 0 },
        serialNumber: new Uint8Array(19).fill(0x42),
        now: new Date('2029-12-01T00:00:00Z'),
        validitySeconds: 10 * 365 * 86_400,
        ...(pathLength === undefined ? {} : { pathLength })
      }),
      rootSigner
    )
  )
const root = await makeRoot()
const rootForEndEntities = await makeRoot(0)
const aki = akiOf(rootSigner.publicKey.keyId)

const sound: Parts = {
  version: encodeContext(0, encodeInteger(2)),
  serialNumber: new Uint8Array(19).fill(0x41),
  signature: encodeAlgorithmIdentifier(OID.ecdsa_with_SHA384),
  issuer: nameOf('CN=Example CA,C=DE'),
  notBefore: encodeTime(new Date('2030-01-01T00:00:00Z')),
  notAfter: encodeTime(new Date('2031-01-01T00:00:00Z')),
  subject: nameOf('CN=Alice'),
  publicKey: rsa2048,
  uniqueIdentifiers: new Uint8Array(),
  extensions: [usage('digitalSignature'), purposes(OID.id_kp_clientAuth), ski, aki, cdp, aia]
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
    parts.uniqueIdentifiers,
    encodeContext(3, encodeSequence(...parts.extensions.map(encodeExtension)))
  )
}

const rootExtensions = [ca(), usage('keyCertSign', 'cRLSign'), ski]

/** The sound certificate with these extensions in place of those of the same identifier. */
const withExtensions = (...changed: Extension[]): Partial<Parts> => ({
  extensions: [...sound.extensions.filter(({ oid }) => changed.every(other => other.oid !== oid)), ...changed]
})
/** A sound CA certificate with these extensions besides. */
const asCa = (...changed: Extension[]): Partial<Parts> =>
  withExtensions(
    ...[ca(), usage('keyCertSign', 'cRLSign')].filter(({ oid }) => changed.every(other => other.oid !== oid)),
    ...changed
  )
const without = (oid: string): Partial<Parts> => ({ extensions: sound.extensions.filter(known => known.oid !== oid) })

type Fault = readonly [rule: string, what: string, change: Partial<Parts>, issuer?: Certificate]

const broken: readonly Fault[] = [
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
    { subject: encodeSequence(), ...asCa(altNames({ kind: 'uri', value: 'a:b' })) }
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
  [
    'signature-parameters',
    'NULL beside ECDSA',
    { signature: encodeAlgorithmIdentifier(OID.ecdsa_with_SHA384, encodeNull()) }
  ],
  ['signature-parameters', 'RSA without NULL', { signature: encodeAlgorithmIdentifier(OID.sha256WithRSAEncryption) }],
  ['unique-identifiers', 'a unique identifier', { uniqueIdentifiers: encodePrimitiveContext(2, Uint8Array.of(0, 1)) }],
  ['key-octets', 'an RSA key of 2052 bits', { publicKey: rsa2052 }],
  [
    'key-strength-ca',
    'a CA of RSA-2048 beyond 2030',
    { notAfter: encodeTime(new Date('2032-01-01T00:00:00Z')), ...asCa() }
  ],
  [
    'validity-mail',
    'mail for four years',
    {
      notAfter: encodeTime(new Date('2034-01-01T00:00:00Z')),
      ...withExtensions(purposes(OID.id_kp_emailProtection), altNames({ kind: 'rfc822Name', value: 'a@b.example' }))
    }
  ],
  ['issuer-name', 'an issuer that is another CA', { issuer: nameOf('CN=Example CA,C=FR') }, root],
  [
    'issuer-algorithm',
    'RSA under a CA of P-384',
    { signature: encodeAlgorithmIdentifier(OID.sha256WithRSAEncryption, encodeNull()) },
    root
  ],
  ['issuer-algorithm', 'a root of RSA signed with ECDSA', { subject: sound.issuer, extensions: rootExtensions }],
  ['issuer-hash', 'SHA-256 under P-384', { signature: encodeAlgorithmIdentifier(OID.ecdsa_with_SHA256) }, root],
  ['issuer-key', 'the identifier of another key', withExtensions(akiOf(new Uint8Array(20))), root],
  [
    'issuer-validity',
    'an end after the end of the CA',
    { notAfter: encodeTime(new Date('2040-01-01T00:00:00Z')) },
    root
  ],
  [
    'issuer-validity',
    'a start before that of the CA',
    { notBefore: encodeTime(new Date('2029-01-01T00:00:00Z')) },
    root
  ],
  ['issuer-path-length', 'a CA below one that may have none', asCa(), rootForEndEntities],
  [
    'root-key',
    'a root that names another key',
    { subject: sound.issuer, extensions: [...rootExtensions, akiOf(new Uint8Array(20))] }
  ],
  ['root-addresses', 'a root with a CRL', { subject: sound.issuer, extensions: [...rootExtensions, cdp] }],
  ['name-placeholder', 'a department that is a dash', { subject: nameOf('CN=Alice,OU=-') }],
  ['name-space', 'a name with a space at its end', { subject: one({ type: OID.id_at_commonName, value: 'Alice ' }) }],
  ['name-control', 'a NUL in a name', { subject: one({ type: OID.id_at_commonName, value: 'a.example\0.b' }) }],
  ['name-control', 'a name written backwards', { subject: one({ type: OID.id_at_commonName, value: 'a\u202eb' }) }],
  ['name-repeated', 'two organizations', { subject: nameOf('CN=Alice,O=One,O=Two') }],
  [
    'name-rdn-size',
    'two attributes in an RDN',
    {
      subject: encodeName([
        [
          { type: OID.id_at_commonName, value: 'a' },
          { type: OID.id_at_organizationName, value: 'b' }
        ]
      ])
    }
  ],
  ['name-domain', 'a domain in one component', { subject: nameOf('CN=Alice,DC=corp.example') }],
  ['name-mail', 'a mail address in the subject alone', { subject: nameOf('CN=Alice,E=alice@corp.example') }],
  ['ca-common-name', 'a CA without common name', { subject: nameOf('O=Example'), ...asCa() }],
  [
    'common-name-server',
    'a host name in the subject alone',
    {
      subject: nameOf('CN=www.corp.example'),
      ...withExtensions(purposes(OID.id_kp_serverAuth), altNames({ kind: 'dNSName', value: 'corp.example' }))
    }
  ],
  [
    'common-name-mail',
    'a mail address as common name alone',
    {
      subject: nameOf('CN=alice@corp.example'),
      ...withExtensions(purposes(OID.id_kp_emailProtection), altNames({ kind: 'rfc822Name', value: 'a@b.example' }))
    }
  ],
  [
    'alt-name-needlessly-critical',
    'critical alternative names beside a subject',
    withExtensions({ ...altNames({ kind: 'dNSName', value: 'a.example' }), critical: true })
  ],
  [
    'alt-name-form',
    'a host name that ends in a hyphen',
    withExtensions(altNames({ kind: 'dNSName', value: 'a-.example' }))
  ],
  [
    'alt-name-kind',
    'an EDI party',
    withExtensions(altNames({ kind: 'ediPartyName', raw: encodeTlv(0xa5, encodeContext(1, encodeUtf8String('x'))) }))
  ],
  [
    'alt-name-repeated',
    'a DNS name twice',
    withExtensions(altNames({ kind: 'dNSName', value: 'a.example' }, { kind: 'dNSName', value: 'a.example' }))
  ],
  ['alt-name-underscore', 'an underscore', withExtensions(altNames({ kind: 'dNSName', value: 'a_b.example' }))],
  ['alt-name-wildcard', 'a wildcard for everything', withExtensions(altNames({ kind: 'dNSName', value: '*.example' }))],
  [
    'alt-name-address-as-host',
    'an address as host name',
    withExtensions(altNames({ kind: 'dNSName', value: '10.0.0.1' }))
  ],
  ['alt-name-uri-host', 'a URI without host', withExtensions(altNames({ kind: 'uri', value: 'https:///index' }))],
  ['alt-name-mail', 'mail without an address', withExtensions(purposes(OID.id_kp_emailProtection))],
  [
    'alt-name-mailbox',
    'an international mailbox that is ASCII',
    withExtensions(
      altNames({ kind: 'otherName', oid: OID.id_on_SmtpUTF8Mailbox, value: encodeUtf8String('alice@corp.example') })
    )
  ],
  [
    'alt-name-upn',
    'a principal name that is an OCTET STRING',
    withExtensions(sid, altNames(upn(encodeOctetString(new Uint8Array(3)))))
  ],
  ['alt-name-upn', 'a principal name without domain', withExtensions(sid, altNames(upn(encodeUtf8String('alice'))))],
  [
    'alt-name-upn-single',
    'two principal names',
    withExtensions(sid, altNames(alice, upn(encodeUtf8String('bob@corp.example'))))
  ],
  ['subject-key-identifier-key', 'the identifier of another key', withExtensions(skiOf(p256))],
  [
    'authority-key-identifier-key',
    'an issuer key identifier without key',
    withExtensions(ext(OID.id_ce_authorityKeyIdentifier, encodeSequence()))
  ],
  [
    'authority-key-identifier-issuer',
    'an issuer named by serial number',
    withExtensions(
      ext(
        OID.id_ce_authorityKeyIdentifier,
        encodeSequence(
          encodePrimitiveContext(0, rootSigner.publicKey.keyId),
          encodeContext(1, encodeContext(4, sound.issuer)),
          encodePrimitiveContext(2, Uint8Array.of(1))
        )
      )
    )
  ],
  ['policy-any', 'any policy', withExtensions(policies(OID.anyPolicy))],
  ['policy-critical', 'critical policies', withExtensions({ ...policies('1.2.3'), critical: true })],
  ['crl-address', 'a CRL behind TLS', withExtensions(crlAt('https://pki.example/ca.crl'))],
  [
    'crl-address',
    'a delta CRL behind TLS',
    withExtensions(ext(OID.id_ce_freshestCRL, encodeCrlDistributionPoints(['https://pki.example/ca+.crl'])))
  ],
  [
    'delta-without-base',
    'a delta CRL alone',
    {
      extensions: [
        ...sound.extensions.filter(({ oid }) => oid !== OID.id_ce_cRLDistributionPoints),
        ext(OID.id_ce_freshestCRL, encodeCrlDistributionPoints(['http://pki.example/ca+.crl']))
      ]
    }
  ],
  ['crl-address', 'a CRL in a file', withExtensions(crlAt('file:///ca.crl'))],
  [
    'crl-address-none',
    'a CRL that has the issuer of another for its place',
    withExtensions(
      ext(
        OID.id_ce_cRLDistributionPoints,
        encodeSequence(encodeSequence(encodeTlv(0xa2, encodeTlv(0xa4, sound.issuer))))
      )
    )
  ],
  ['ca-address', 'a CA certificate behind TLS', withExtensions(access(['https://pki.example/ca.cer']))],
  ['ocsp-address', 'OCSP over LDAP', withExtensions(access(['http://pki.example/ca'], ['ldap://pki.example/']))],
  ['ldap-address', 'an LDAP address without attribute', withExtensions(crlAt('ldap://pki.example/CN=Example%20CA'))],
  [
    'ldap-host',
    'an LDAP address without host',
    withExtensions(crlAt('ldap:///CN=Example%20CA?certificateRevocationList;binary'))
  ],
  ['address-host', 'an address on this machine', withExtensions(crlAt('http://localhost:8080/ca.crl'))],
  ['ca-address-missing', 'no address of the CA certificate', without(OID.id_pe_authorityInfoAccess)],
  ['key-usage-ca-crl', 'a CA that signs no CRL', asCa(usage('keyCertSign'))],
  ['key-usage-ca-encrypts', 'a CA that transports keys', asCa(usage('keyCertSign', 'cRLSign', 'keyEncipherment'))],
  [
    'key-usage-mail',
    'mail with a key that encrypts data',
    withExtensions(
      purposes(OID.id_kp_emailProtection),
      usage('keyEncipherment', 'dataEncipherment'),
      altNames({ kind: 'rfc822Name', value: 'a@b.example' })
    )
  ],
  [
    'purpose-alone',
    'OCSP and logging on',
    withExtensions(noCheck, purposes(OID.id_kp_OCSPSigning, OID.id_kp_clientAuth))
  ],
  ['purpose-alone', 'exchange and mail', withExtensions(purposes(OID.szOID_KP_CA_EXCHANGE, OID.id_kp_emailProtection))],
  ['purpose-time-stamping', 'time stamps without critical purpose', withExtensions(purposes(OID.id_kp_timeStamping))],
  ['purpose-mail', 'mail and code', withExtensions(purposes(OID.id_kp_emailProtection, OID.id_kp_codeSigning))],
  ['purpose-code', 'code and servers', withExtensions(purposes(OID.id_kp_codeSigning, OID.id_kp_serverAuth))],
  [
    'purpose-enrollment-agent',
    'an enrollment agent that logs on',
    withExtensions(purposes(OID.szOID_ENROLLMENT_AGENT, OID.id_kp_clientAuth))
  ],
  ['ocsp-no-check', 'a certificate of no responder that is never checked', withExtensions(noCheck)],
  [
    'ocsp-no-check-value',
    'a value beside no check',
    withExtensions(purposes(OID.id_kp_OCSPSigning), ext(OID.id_pkix_ocsp_nocheck, encodeBoolean(true)))
  ],
  ['ocsp-no-check-life', 'a responder for a year', withExtensions(purposes(OID.id_kp_OCSPSigning), noCheck)],
  [
    'ocsp-signer-revocation',
    'a responder that tells of itself',
    withExtensions(purposes(OID.id_kp_OCSPSigning), access(['http://pki.example/ca.cer'], ['http://pki.example/ocsp']))
  ],
  [
    'exchange-key',
    'an exchange key on a curve',
    { publicKey: p256, ...withExtensions(purposes(OID.szOID_KP_CA_EXCHANGE), usage('keyAgreement'), skiOf(p256)) }
  ],
  [
    'exchange-life',
    'an exchange certificate for a year',
    withExtensions(purposes(OID.szOID_KP_CA_EXCHANGE), usage('keyEncipherment'))
  ],
  [
    'exchange-signs',
    'a recovery agent that signs',
    withExtensions(purposes(OID.szOID_KP_KEY_RECOVERY_AGENT), usage('keyEncipherment', 'digitalSignature'))
  ],
  ['account-identifier', 'logging on by name alone', withExtensions(altNames(alice))],
  [
    'security-identifier',
    'a security identifier that is none',
    withExtensions(ext(OID.szOID_NTDS_CA_SECURITY_EXT, encodeSequence(encodeTlv(0x82, Buffer.from('S-1-5')))))
  ],
  ['security-identifier-ca', 'a CA with a security identifier', asCa(sid)],
  [
    'template-name',
    'a template name in UTF-8',
    withExtensions(ext(OID.szOID_ENROLL_CERTTYPE_EXTENSION, encodeUtf8String('User')))
  ],
  [
    'template-identifier',
    'a template identifier with half a version',
    withExtensions(ext(OID.szOID_CERTIFICATE_TEMPLATE, encodeSequence(encodeOid('1.2.3'), encodeInteger(-1))))
  ],
  ['ca-version', 'a CA version of an end entity', withExtensions(caVersion(0, 0))],
  ['ca-version', 'more keys than certificates', asCa(caVersion(1, 2))],
  ['ca-version', 'a CA version that is no number', asCa(ext(OID.szOID_CERTSRV_CA_VERSION, encodeNull()))],
  ['previous-certificate', 'a first certificate after another', asCa(caVersion(0, 0), previous)],
  [
    'previous-certificate',
    'a hash that is too short',
    asCa(caVersion(1, 0), ext(OID.szOID_CERTSRV_PREVIOUS_CERT_HASH, encodeOctetString(new Uint8Array(19))))
  ],
  ['mail-capabilities', 'capabilities that are none', withExtensions(ext(OID.smimeCapabilities, encodeNull()))],
  ['mail-capabilities-strength', 'RC2', withExtensions(capabilities(OID.aes256_CBC, OID.rc2_cbc))],
  ['mail-capabilities-strength', 'no capability', withExtensions(capabilities())],
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
    ['a CA', { publicKey: p256, ...asCa(skiOf(p256)) }],
    ['a renewed CA', { publicKey: p256, ...asCa(skiOf(p256), caVersion(2, 1), previous) }],
    [
      'a root, which names no issuer key',
      { publicKey: p384, subject: sound.issuer, extensions: [ca(), usage('keyCertSign', 'cRLSign'), skiOf(p384)] }
    ],
    [
      'addresses in a directory beside those of a web server',
      withExtensions(
        crlAt('http://pki.example/ca.crl', 'ldap://pki.example/CN=Example%20CA?certificateRevocationList;binary')
      )
    ],
    ['a logon by name and security identifier', withExtensions(sid, altNames(alice))],
    ['capabilities', withExtensions(capabilities(OID.aes256_CBC))],
    [
      'an international mailbox',
      withExtensions(
        altNames({ kind: 'otherName', oid: OID.id_on_SmtpUTF8Mailbox, value: encodeUtf8String('élise@corp.example') })
      )
    ]
  ])('finds nothing in %s', (_what, change) => {
    expect(lintTbs(encode(change))).toEqual([])
  })

  it('finds nothing in a certificate that agrees with its CA', () => {
    expect(lintTbs(encode({}), root)).toEqual([])
    expect(lintTbs(encode({}), rootForEndEntities)).toEqual([])
  })

  const faults = broken.map(([id, what, change, issuer]) => ({ id, what, change, issuer }))

  it.each(faults)('$id is found where there is $what', ({ id, change, issuer }) => {
    const found = lintTbs(encode(change), issuer).find(finding => finding.id === id)
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
