import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { toHex } from '@app/core'
import { contextTag, DerReader } from '@app/der'
import { OID } from '@app/oid'
import { codeOf, readAdcsVector } from '../../../test/helpers/x509-samples.js'
import {
  decodeAuthorityInfoAccess,
  decodeAuthorityKeyIdentifier,
  decodeCertificate,
  decodeCertificatePolicies,
  decodeCertificateTemplateId,
  decodeCertificateTemplateName,
  decodeCertificationRequest,
  decodeCrlDistributionPoints,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeSmimeCapabilities,
  decodeSubjectAltName,
  decodeSubjectKeyIdentifier,
  findAttribute,
  findExtension,
  findUserPrincipalName,
  formatName,
  isEmptyName,
  verifyCertificateSignature,
  verifyCertificationRequest,
  type Extension
} from './index.js'

/** The content of a SignedData without looking at anything else: ContentInfo, SignedData, eContent. */
function eContentOf(message: Uint8Array): { readonly content: Uint8Array; readonly signedData: DerReader } {
  const contentInfo = DerReader.over(message).sequence('ContentInfo')
  contentInfo.oid('contentType')
  const signedData = contentInfo.explicit(0, 'content').sequence('SignedData')
  signedData.integer('version')
  signedData.any('digestAlgorithms')
  const encapsulated = signedData.sequence('EncapsulatedContentInfo')
  encapsulated.oid('eContentType')
  return { content: encapsulated.explicit(0, 'eContent').octetString('eContent'), signedData }
}

/** The PKCS#10 inside of a CMC request: PKIData, reqSequence, TaggedRequest [0], after its body part id. */
function pkcs10OfCmc(message: Uint8Array): Uint8Array {
  const pkiData = DerReader.over(eContentOf(message).content).sequence('PKIData')
  pkiData.any('controlSequence')
  const tagged = pkiData.sequence('reqSequence').enter(contextTag(0), 'TaggedRequest')
  tagged.integer('bodyPartID')
  return tagged.any('CertificationRequest').raw
}

const requests: readonly [string, (bytes: Uint8Array) => Uint8Array, string, number][] = [
  ['certreq-pkcs10.der', bytes => bytes, 'O=TestOrg,CN=TestCN', 4],
  ['wstep-request-pkcs10.der', bytes => bytes, '', 5],
  ['certreq-cmc-new.der', pkcs10OfCmc, 'O=TestOrg,CN=TestCN', 4],
  ['certreq-cmc-renewal.der', pkcs10OfCmc, '', 2],
  ['certreq-archival-rsa1024.der', pkcs10OfCmc, 'O=TestOrg,CN=TestCN', 4],
  ['windows-archival-rsa2048-user.der', pkcs10OfCmc, '', 6],
  ['certreq-pkcs7-onbehalf.der', bytes => eContentOf(bytes).content, '', 4]
]

const decoders: ReadonlyMap<string, (value: Uint8Array) => unknown> = new Map<string, (value: Uint8Array) => unknown>([
  [OID.id_ce_keyUsage, decodeKeyUsage],
  [OID.id_ce_extKeyUsage, decodeExtendedKeyUsage],
  [OID.id_ce_subjectKeyIdentifier, decodeSubjectKeyIdentifier],
  [OID.smimeCapabilities, decodeSmimeCapabilities],
  [OID.szOID_ENROLL_CERTTYPE_EXTENSION, decodeCertificateTemplateName],
  [OID.szOID_CERTIFICATE_TEMPLATE, decodeCertificateTemplateId],
  [OID.szOID_APPLICATION_CERT_POLICIES, decodeCertificatePolicies]
])

function certificatesOf(message: Uint8Array): Uint8Array[] {
  const certificates = eContentOf(message).signedData.enter(contextTag(0), 'certificates')
  return certificates.each(list => list.any('certificate').raw)
}

function valueOf(holder: { readonly extensions: readonly Extension[] }, oid: string): Uint8Array {
  const extension = findExtension(holder, oid)
  if (extension === undefined) throw new Error(`The extension ${oid} is missing.`)
  return extension.value
}

describe('a PKCS#10 that Windows made', () => {
  it.each(requests)('in %s is in strict DER and verifies', (file, extract, subject) => {
    const request = decodeCertificationRequest(extract(readAdcsVector(file)))
    expect(formatName(request.subject)).toBe(subject)
    expect(codeOf(() => verifyCertificationRequest(request))).toBe('cms_algorithm_not_allowed')
    expect(verifyCertificationRequest(request, { allowSha1: true })).toEqual({ digest: 'sha1' })
  })

  it.each(requests)('in %s has extensions that can all be read', (file, extract, _subject, count) => {
    const request = decodeCertificationRequest(extract(readAdcsVector(file)))
    expect(request.extensions).toHaveLength(count)
    for (const { oid, value } of request.extensions) {
      expect(decoders.get(oid)?.(value)).toBeDefined()
    }
    expect(toHex(decodeSubjectKeyIdentifier(valueOf(request, OID.id_ce_subjectKeyIdentifier)))).toBe(
      toHex(request.publicKey.keyId)
    )
  })

  it('names its template by name from certreq and by identifier from autoenrollment', () => {
    const certreq = decodeCertificationRequest(readAdcsVector('certreq-pkcs10.der'))
    expect(decodeCertificateTemplateName(valueOf(certreq, OID.szOID_ENROLL_CERTTYPE_EXTENSION))).toBe('User')
    const automatic = decodeCertificationRequest(pkcs10OfCmc(readAdcsVector('windows-archival-rsa2048-user.der')))
    expect(isEmptyName(automatic.subject)).toBe(true)
    expect(decodeCertificateTemplateId(valueOf(automatic, OID.szOID_CERTIFICATE_TEMPLATE))).toMatchObject({
      major: 100
    })
    expect(decodeCertificatePolicies(valueOf(automatic, OID.szOID_APPLICATION_CERT_POLICIES))).toContain(
      OID.id_kp_clientAuth
    )
  })

  it('carries its client information as attributes of one value', () => {
    const { attributes } = decodeCertificationRequest(readAdcsVector('certreq-pkcs10.der'))
    for (const oid of [OID.szOID_OS_VERSION, OID.szOID_REQUEST_CLIENT_INFO, OID.szOID_ENROLLMENT_CSP_PROVIDER]) {
      expect(findAttribute(attributes, oid)?.values).toHaveLength(1)
    }
  })

  it('lists its S/MIME capabilities', () => {
    const request = decodeCertificationRequest(readAdcsVector('wstep-request-pkcs10.der'))
    const capabilities = decodeSmimeCapabilities(valueOf(request, OID.smimeCapabilities))
    expect(capabilities.at(-1)?.oid).toBe(OID.des_ede3_cbc)
  })
})

describe('a certificate that a Microsoft CA issued', () => {
  const files = ['microsoft-issued-certificate.der', 'microsoft-exchange-certificate.der'] as const

  it.each(files)('in %s is read as node:crypto reads it', file => {
    const bytes = readAdcsVector(file)
    const seen = new X509Certificate(bytes)
    const read = decodeCertificate(bytes)
    expect(read.serialHex).toBe(seen.serialNumber.toLowerCase())
    expect([read.notBefore, read.notAfter]).toEqual([seen.validFromDate, seen.validToDate])
    expect(read.publicKey.keyObject.equals(seen.publicKey)).toBe(true)
    expect(decodeExtendedKeyUsage(valueOf(read, OID.id_ce_extKeyUsage))).toEqual(seen.keyUsage)
    expect(decodeAuthorityInfoAccess(valueOf(read, OID.id_pe_authorityInfoAccess)).caIssuers[0]).toMatch(/^ldap:/)
    expect(decodeCrlDistributionPoints(valueOf(read, OID.id_ce_cRLDistributionPoints))[0]).toMatch(/^ldap:/)
    expect(toHex(decodeSubjectKeyIdentifier(valueOf(read, OID.id_ce_subjectKeyIdentifier)))).toBe(
      toHex(read.publicKey.keyId)
    )
  })

  it('names its subject the last RDN first, with its alternative names', () => {
    const read = decodeCertificate(readAdcsVector('microsoft-issued-certificate.der'))
    expect(formatName(read.subject)).toBe(
      'E=abby@D9-1351C0406A.NTTEST.MICROSOFT.COM,CN=abby,CN=Users,DC=d9-1351C0406A,DC=nttest,DC=microsoft,DC=com'
    )
    const names = decodeSubjectAltName(valueOf(read, OID.id_ce_subjectAltName))
    expect(names.map(findUserPrincipalName)[0]).toBe('abby@d9-1351C0406A.nttest.microsoft.com')
    expect(names[1]).toMatchObject({ kind: 'rfc822Name' })
  })

  it('is an exchange certificate by its usages and its template', () => {
    const read = decodeCertificate(readAdcsVector('microsoft-exchange-certificate.der'))
    expect(decodeCertificateTemplateName(valueOf(read, OID.szOID_ENROLL_CERTTYPE_EXTENSION))).toBe('CAExchange')
    expect(decodeCertificateTemplateId(valueOf(read, OID.szOID_CERTIFICATE_TEMPLATE))).toMatchObject({
      major: 106,
      minor: 0
    })
    expect(decodeCertificatePolicies(valueOf(read, OID.szOID_APPLICATION_CERT_POLICIES))).toEqual([
      OID.szOID_KP_CA_EXCHANGE
    ])
  })

  it('verifies with the key of the CA, when SHA-1 is allowed', () => {
    const response = certificatesOf(readAdcsVector('microsoft-full-response-issued.der')).map(decodeCertificate)
    const leaf = decodeCertificate(readAdcsVector('microsoft-issued-certificate.der'))
    const keyId =
      decodeAuthorityKeyIdentifier(valueOf(leaf, OID.id_ce_authorityKeyIdentifier)).keyId ?? new Uint8Array()
    const issuer = response.find(certificate => toHex(certificate.publicKey.keyId) === toHex(keyId))
    if (issuer === undefined) throw new Error('The response does not hold the certificate of the CA.')
    verifyCertificateSignature(leaf, issuer.publicKey, { allowSha1: true })
    expect(codeOf(() => verifyCertificateSignature(leaf, issuer.publicKey))).toBe('chain_invalid')
    expect(codeOf(() => verifyCertificateSignature(leaf, leaf.publicKey, { allowSha1: true }))).toBe('chain_invalid')
  })
})
