import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { toHex } from '@app/core'
import { signerOf } from '@app/keys'
import { OID } from '@app/oid'
import {
  decodeBasicConstraints,
  decodeCaVersion,
  decodeCertificate,
  decodeCertificatePolicies,
  decodeCertificateTemplateName,
  decodeCertificationRequest,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeCertificate,
  encodeCertificatePolicies,
  encodeName,
  encodeTbsCertificate,
  findExtension,
  formatName,
  parseDistinguishedName,
  verifyCertificationRequest,
  type Certificate
} from '@app/x509'
import { describe, expect, it } from 'vitest'
import {
  buildSubordinateRequest,
  issue,
  newSerialNumber,
  prepareExchangeCertificate,
  prepareRecoveryAgentCertificate,
  prepareRootCertificate,
  prepareServerCertificate,
  prepareSubordinateCertificate,
  type Issuer,
  type RootCertificateOrder
} from './index.js'

const DAY = 86_400
const now = new Date('2030-05-06T07:08:09Z')
const nameOf = (text: string) => encodeName(parseDistinguishedName(text))
const serial = () => newSerialNumber({ bytes: length => new Uint8Array(randomBytes(length)) })
const signer = signerOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
const below = signerOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)
const { publicKey } = signerOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
const version = { certificateIndex: 0, keyIndex: 0 }

const rootOrder = (change: Partial<RootCertificateOrder> = {}): RootCertificateOrder => ({
  subject: nameOf('CN=Example CA,O=Example'),
  publicKey: signer.publicKey,
  scheme: signer.scheme,
  version,
  serialNumber: serial(),
  now,
  validitySeconds: 3650 * DAY,
  ...change
})
const makeRoot = async (change: Partial<RootCertificateOrder> = {}): Promise<Certificate> =>
  decodeCertificate(await issue(prepareRootCertificate(rootOrder(change)), signer))
const issuerOf = (certificate: Certificate): Issuer => ({
  certificate,
  scheme: signer.scheme,
  crlUrls: ['http://pki.example/ca.crl'],
  caIssuersUrls: ['http://pki.example/ca.cer'],
  ocspUrls: []
})
const root = await makeRoot()
const issuer = issuerOf(root)
const valueOf = (certificate: Certificate, oid: string): Uint8Array => findExtension(certificate, oid)!.value
const usagesOf = (certificate: Certificate) => [...decodeKeyUsage(valueOf(certificate, OID.id_ce_keyUsage))]

describe('a root certificate', () => {
  it('is self-signed, for certificates and CRLs', () => {
    const seen = new X509Certificate(root.raw)
    expect(seen.ca).toBe(true)
    expect(seen.verify(seen.publicKey)).toBe(true)
    expect(seen.checkIssued(seen)).toBe(true)
    expect(usagesOf(root)).toEqual(['digitalSignature', 'keyCertSign', 'cRLSign'])
    expect(decodeBasicConstraints(valueOf(root, OID.id_ce_basicConstraints))).toEqual({ isCa: true })
  })

  it('tells its version', async () => {
    const renewed = await makeRoot({ version: { certificateIndex: 3, keyIndex: 1 } })
    const value = valueOf(renewed, OID.szOID_CERTSRV_CA_VERSION)
    expect(decodeCaVersion(value)).toEqual({ certificateIndex: 3, keyIndex: 1 })
  })

  it('is refused without a name', () => {
    expect(() => prepareRootCertificate(rootOrder({ subject: encodeName([]) }))).toThrow(
      expect.objectContaining({ code: 'lint_failed' })
    )
  })
})

describe('a subordinate CA', () => {
  const subject = nameOf('CN=Example Issuing CA,O=Example')
  const order = {
    subject,
    publicKey: below.publicKey,
    version,
    serialNumber: serial(),
    now,
    validitySeconds: 365 * DAY
  }

  it('asks for its certificate with what a CA needs', async () => {
    const request = decodeCertificationRequest(
      await buildSubordinateRequest({ subject, version, pathLength: 0 }, below)
    )
    expect(verifyCertificationRequest(request)).toEqual({ digest: 'sha384' })
    expect(formatName(request.subject)).toBe('CN=Example Issuing CA,O=Example')
    const constraints = findExtension(request, OID.id_ce_basicConstraints)!
    expect(decodeBasicConstraints(constraints.value)).toEqual({ isCa: true, pathLength: 0 })
    const template = findExtension(request, OID.szOID_ENROLL_CERTTYPE_EXTENSION)!
    expect(decodeCertificateTemplateName(template.value)).toBe('SubCA')
  })

  it('gets a certificate that chains to the root', async () => {
    const certificate = decodeCertificate(await issue(prepareSubordinateCertificate({ ...order, issuer }), signer))
    const seen = new X509Certificate(certificate.raw)
    expect(seen.ca).toBe(true)
    expect(seen.checkIssued(new X509Certificate(root.raw))).toBe(true)
    expect(seen.verify(new X509Certificate(root.raw).publicKey)).toBe(true)
  })

  it.each<[string, number | undefined, number | undefined, number | undefined]>([
    ['as long as asked for', 1, undefined, 1],
    ['without limit under a root without limit', undefined, undefined, undefined],
    ['one shorter than that of its issuer', undefined, 2, 1],
    ['not longer than its issuer allows', 5, 2, 1],
    ['shorter when asked for', 0, 2, 0]
  ])('has a path length %s', async (_what, asked, own, expected) => {
    const parent = issuerOf(await makeRoot(own === undefined ? {} : { pathLength: own }))
    const wanted = asked === undefined ? order : { ...order, pathLength: asked }
    const prepared = prepareSubordinateCertificate({ ...wanted, issuer: parent })
    const certificate = decodeCertificate(await issue(prepared, signer))
    const constraints = decodeBasicConstraints(valueOf(certificate, OID.id_ce_basicConstraints))
    expect(constraints.pathLength).toBe(expected)
  })

  it('is refused under a CA that may have none below it', async () => {
    const last = issuerOf(await makeRoot({ pathLength: 0 }))
    expect(() => prepareSubordinateCertificate({ ...order, issuer: last })).toThrow(
      expect.objectContaining({ code: 'ca_certificate_invalid' })
    )
  })
})

describe('an exchange certificate', async () => {
  const prepared = prepareExchangeCertificate({ issuer, publicKey, serialNumber: serial(), now })
  const certificate = decodeCertificate(await issue(prepared, signer))

  it('has the name of the CA with its suffix', () => {
    expect(formatName(certificate.subject)).toBe('CN=Example CA-Xchg,O=Example')
    expect(toHex(certificate.issuer.raw)).toBe(toHex(root.subject.raw))
  })

  it('is valid from ten minutes ago for one week', () => {
    expect(certificate.notBefore.toISOString()).toBe('2030-05-06T06:58:09.000Z')
    expect(certificate.notAfter.toISOString()).toBe('2030-05-13T07:08:09.000Z')
  })

  it('is for key exchange alone', () => {
    const purposes = [OID.szOID_KP_CA_EXCHANGE]
    expect(usagesOf(certificate)).toEqual(['keyEncipherment'])
    expect(findExtension(certificate, OID.id_ce_keyUsage)?.critical).toBe(true)
    expect(decodeExtendedKeyUsage(valueOf(certificate, OID.id_ce_extKeyUsage))).toEqual(purposes)
    expect(decodeCertificatePolicies(valueOf(certificate, OID.szOID_APPLICATION_CERT_POLICIES))).toEqual(purposes)
    const name = decodeCertificateTemplateName(valueOf(certificate, OID.szOID_ENROLL_CERTTYPE_EXTENSION))
    expect(name).toBe('CAExchange')
  })

  it('has the certificate policies of the CA', async () => {
    const policies = {
      oid: OID.id_ce_certificatePolicies,
      critical: false,
      value: encodeCertificatePolicies(['1.2.3'])
    }
    const parent = await resigned([...root.extensions, policies])
    const made = prepareExchangeCertificate({ issuer: issuerOf(parent), publicKey, serialNumber: serial(), now })
    const seen = decodeCertificate(await issue(made, signer))
    expect(decodeCertificatePolicies(valueOf(seen, OID.id_ce_certificatePolicies))).toEqual(['1.2.3'])
    expect(findExtension(certificate, OID.id_ce_certificatePolicies)).toBeUndefined()
  })

  it('names the key of a CA whose certificate does not identify it', async () => {
    const constraints = {
      oid: OID.id_ce_basicConstraints,
      critical: true,
      value: encodeBasicConstraints({ isCa: true })
    }
    const parent = await resigned([constraints])
    const made = prepareExchangeCertificate({ issuer: issuerOf(parent), publicKey, serialNumber: serial(), now })
    const seen = decodeCertificate(await issue(made, signer))
    const expected = encodeAuthorityKeyIdentifier(signer.publicKey.keyId)
    expect(toHex(valueOf(seen, OID.id_ce_authorityKeyIdentifier))).toBe(toHex(expected))
  })

  it.each([
    ['subject_too_long', `CN=${'x'.repeat(60)}`],
    ['ca_certificate_invalid', 'O=Example']
  ])('is refused (%s) for the CA name %s', async (code, text) => {
    const parent = await makeRoot({ subject: nameOf(text) })
    expect(() =>
      prepareExchangeCertificate({ issuer: issuerOf(parent), publicKey, serialNumber: serial(), now })
    ).toThrow(expect.objectContaining({ code }))
  })
})

/** The root with other extensions: a CA certificate that this library would not make. */
async function resigned(extensions: Certificate['extensions']): Promise<Certificate> {
  const tbs = encodeTbsCertificate({
    serialNumber: root.serialNumber,
    scheme: signer.scheme,
    issuer: root.issuer.raw,
    notBefore: root.notBefore,
    notAfter: root.notAfter,
    subject: root.subject.raw,
    publicKey: root.publicKey.raw,
    extensions
  })
  return decodeCertificate(encodeCertificate(tbs, signer.scheme, await signer.sign(tbs)))
}

describe('the certificate of a TLS server', () => {
  const order = { issuer, publicKey, serialNumber: serial(), now }

  it('answers to each of its names', async () => {
    const names = { dnsNames: ['localhost', 'pki.example'], ipAddresses: ['127.0.0.1', '::1'] }
    const seen = new X509Certificate(await issue(prepareServerCertificate({ ...order, ...names }), signer))
    expect(seen.subject).toBe('CN=localhost')
    expect(seen.checkHost('pki.example')).toBe('pki.example')
    expect(seen.checkIP('127.0.0.1')).toBe('127.0.0.1')
    expect(seen.checkIP('::1')).toBe('::1')
    expect(seen.keyUsage).toEqual([OID.id_kp_serverAuth])
  })

  it('does without a subject when no name fits into one', async () => {
    const long = `${'a'.repeat(60)}.corp.example`
    const prepared = prepareServerCertificate({ ...order, dnsNames: [long], ipAddresses: [] })
    const certificate = decodeCertificate(await issue(prepared, signer))
    expect(certificate.subject.rdns).toEqual([])
    expect(findExtension(certificate, OID.id_ce_subjectAltName)?.critical).toBe(true)
  })

  it.each([
    [[], []],
    [[], ['localhost']]
  ])('is refused for the names %j and the addresses %j', (dnsNames, ipAddresses) => {
    expect(() => prepareServerCertificate({ ...order, dnsNames, ipAddresses })).toThrow(
      expect.objectContaining({ code: 'invalid_argument' })
    )
  })

  it('lasts as long as is asked', () => {
    const names = { dnsNames: ['localhost'], ipAddresses: [] }
    const { notAfter } = prepareServerCertificate({ ...order, ...names, validitySeconds: 30 * DAY })
    expect(notAfter.toISOString()).toBe('2030-06-05T07:08:09.000Z')
  })
})

describe('the certificate of a recovery agent', () => {
  it('is for sealing archived keys alone', async () => {
    const subject = nameOf('CN=Recovery Agent 1,O=Example')
    const prepared = prepareRecoveryAgentCertificate({ issuer, publicKey, subject, serialNumber: serial(), now })
    const certificate = decodeCertificate(await issue(prepared, signer))
    expect(formatName(certificate.subject)).toBe('CN=Recovery Agent 1,O=Example')
    expect(usagesOf(certificate)).toEqual(['keyEncipherment'])
    expect(new X509Certificate(certificate.raw).keyUsage).toEqual([OID.szOID_KP_KEY_RECOVERY_AGENT])
  })

  it('is refused without a name', () => {
    const order = { issuer, publicKey, subject: encodeName([]), serialNumber: serial(), now }
    expect(() => prepareRecoveryAgentCertificate(order)).toThrow(expect.objectContaining({ code: 'lint_failed' }))
  })
})
