import { describe, expect, it } from 'vitest'
import { findNameValuePairs, readEnrollmentRequest, type EnrollmentRequest } from '@app/cmc'
import { decodeEnvelopedData } from '@app/cms'
import { openArchivedKey } from '@app/escrow'
import { decrypterOf } from '@app/keys'
import { OID } from '@app/oid'
import { decodeSubjectAltName, findExtension, formatName } from '@app/x509'
import {
  issueExchangeCertificate,
  keyUsageExtension,
  makeCa,
  pemOf,
  SAMPLE_NOW
} from '../../../test/helpers/enrollment-ca.js'
import { sampleKey } from '../../../test/helpers/x509-samples.js'
import { Enrollment, type EnrollmentSettings } from './enrollment.js'
import type { RequestOptions } from './request-creation.js'

const root = makeCa('CN=Sample Root')
const ca = makeCa('CN=Sample Issuing CA', root)
const exchange = issueExchangeCertificate(ca)
const ecKey = { privateKey: sampleKey('P-384').privateKey }
const rsaKey = { privateKey: sampleKey('rsa').privateKey }
const clock = { now: () => SAMPLE_NOW }
const subject = 'CN=UserName,OU=UserUnit,O=UserOrg,L=UserCity,S=WA,C=US'

const archiving: EnrollmentSettings = {
  trust: pemOf(root.certificate),
  privateKeyArchiveCertificate: exchange.raw,
  chain: [ca.certificate.raw],
  key: rsaKey,
  clock
}
const plain: EnrollmentSettings = { trust: pemOf(root.certificate), key: ecKey, clock }

async function createdRequest(settings: EnrollmentSettings, options: RequestOptions): Promise<EnrollmentRequest> {
  return readEnrollmentRequest(await new Enrollment(settings).createRequest(options))
}

function formatOfArchivedKey({ archivedKey, publicKey }: EnrollmentRequest): Promise<string> {
  return openArchivedKey({
    envelope: archivedKey?.envelope ?? new Uint8Array(),
    requestedPublicKey: publicKey,
    decrypter: decrypterOf(sampleKey('rsa').privateKey),
    use: ({ format }) => format
  })
}

describe('a request', () => {
  it.each([
    ['cmc', 'cmc'],
    ['crmf', 'cmc'],
    ['pkcs10', 'pkcs10']
  ] as const)('of the type %s is what the server reads as %s', async (type, format) => {
    const request = await createdRequest(plain, {
      type,
      subject,
      template: { oid: '1.3.6.1.4.1.311.21.8.1.2', major: 100, minor: 3 },
      subjectAltNames: ['dns:host.example.org']
    })
    expect(request).toMatchObject({ format, template: { oid: '1.3.6.1.4.1.311.21.8.1.2', major: 100, minor: 3 } })
    expect(request.archivedKey).toBeUndefined()
    expect(formatName(request.subject ?? { rdns: [] })).toBe('CN=UserName,OU=UserUnit,O=UserOrg,L=UserCity,ST=WA,C=US')
    expect(decodeSubjectAltName(findExtension(request, OID.id_ce_subjectAltName)?.value ?? new Uint8Array())).toEqual([
      { kind: 'dNSName', value: 'host.example.org' }
    ])
  })

  it.each(['cmc', 'pkcs10'] as const)('of the type %s names its template and carries attributes', async type => {
    const attributes = [{ name: 'Purpose', value: 'a=b & c' }]
    const request = await createdRequest(plain, { type, template: { name: 'User' }, attributes })
    expect(request.template.names).toEqual(['User'])
    expect([...request.registrationInfo, ...findNameValuePairs(request.attributes)]).toEqual(attributes)
  })

  it('may have no subject at all', async () => {
    expect((await createdRequest(plain, { type: 'cmc' })).subject?.rdns).toEqual([])
  })

  it.each(['cmc', 'crmf'] as const)('of the type %s has a transaction id and a nonce of its own', async type => {
    const [one, two] = [await createdRequest(plain, { type }), await createdRequest(plain, { type })]
    expect(one.transactionId).toHaveLength(16)
    expect(one.senderNonce).toHaveLength(16)
    expect(one.transactionId).not.toEqual(two.transactionId)
    expect(one.senderNonce).not.toEqual(two.senderNonce)
  })

  it('makes a key of the kind asked for', async () => {
    const request = await createdRequest({ ...plain, key: { algorithm: 'p-256' } }, { type: 'pkcs10' })
    expect(request.publicKey).toMatchObject({ algorithm: 'ec', curve: 'P-256' })
  })

  it('is made once by an enrollment, so that its key cannot be lost', async () => {
    const enrollment = new Enrollment(plain)
    await enrollment.createRequest({ type: 'cmc' })
    await expect(enrollment.createRequest({ type: 'cmc' })).rejects.toMatchObject({ code: 'conflict' })
  })
})

describe('an archived key', () => {
  it.each([
    ['cmc', 'RSA', rsaKey, 'capi-rsa', 'unsigned-attribute', 'sha256'],
    ['cmc', 'EC', ecKey, 'cng-ecc', 'unsigned-attribute', 'sha384'],
    ['crmf', 'RSA', rsaKey, 'pkcs8', 'crmf-control', 'sha256'],
    ['crmf', 'EC', ecKey, 'pkcs8', 'crmf-control', 'sha256']
  ] as const)(
    'travels in the %s form as the private half of the %s key',
    async (type, _kind, key, format, placement, algorithm) => {
      const request = await createdRequest({ ...archiving, key }, { type, subject })
      expect(request.dialect).toBe(type === 'cmc' ? 'microsoft' : 'standard')
      expect(request.archivedKey).toMatchObject({ placement, hash: { algorithm } })
      expect(request.archivedKey?.recipient).toMatchObject({ serialNumber: exchange.serialNumber })
      expect(await formatOfArchivedKey(request)).toBe(format)
    }
  )

  it('is encrypted with AES-256-CBC under a key that travels by RSAES-PKCS1-v1_5', async () => {
    const { archivedKey } = await createdRequest(archiving, { type: 'cmc' })
    const { contentEncryption, recipients } = decodeEnvelopedData(archivedKey?.envelope ?? new Uint8Array())
    expect(contentEncryption.algorithm).toBe('aes-256-cbc')
    expect(recipients[0]?.transport).toEqual({ scheme: 'rsaes-pkcs1-v1_5' })
  })

  it('is encrypted otherwise when that is asked for', async () => {
    const settings = {
      ...archiving,
      contentEncryption: 'aes-128-cbc',
      keyTransport: { scheme: 'rsaes-oaep', digest: 'sha256' }
    } as const
    const request = await createdRequest(settings, { type: 'cmc' })
    const { contentEncryption, recipients } = decodeEnvelopedData(request.archivedKey?.envelope ?? new Uint8Array())
    expect(contentEncryption.algorithm).toBe('aes-128-cbc')
    expect(recipients[0]?.transport).toEqual(settings.keyTransport)
    expect(await formatOfArchivedKey(request)).toBe('capi-rsa')
  })

  it('takes the exchange certificate as PEM, its issuers after it', async () => {
    const privateKeyArchiveCertificate = pemOf(exchange, ca.certificate)
    const request = await createdRequest({ ...archiving, chain: [], privateKeyArchiveCertificate }, { type: 'cmc' })
    expect(request.archivedKey).toBeDefined()
  })

  it.each([
    ['in a PKCS#10 request', rsaKey, 'pkcs10'],
    ['that can only sign', { algorithm: 'ed25519' }, 'cmc']
  ] as const)('%s is refused', async (_what, key, type) => {
    await expect(createdRequest({ ...archiving, key }, { type })).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

describe('an exchange certificate', () => {
  const wrongUsage = issueExchangeCertificate(ca, { extensions: [keyUsageExtension('keyEncipherment')] })
  const other = makeCa('CN=Sample Issuing CA')
  it.each([
    ['that has expired', exchange.raw, [ca.certificate.raw], '2026-01-01T00:00:00Z'],
    ['that is not valid yet', exchange.raw, [ca.certificate.raw], '2024-12-31T23:59:59Z'],
    ['without its extended key usage', wrongUsage.raw, [ca.certificate.raw], undefined],
    ['of a CA that is not trusted', issueExchangeCertificate(other).raw, [other.certificate.raw], undefined],
    ['that names the CA and is not signed by it', issueExchangeCertificate(other).raw, [ca.certificate.raw], undefined],
    ['whose chain is not complete', exchange.raw, [], undefined]
  ])('%s gets no private key', async (_what, privateKeyArchiveCertificate, chain, now) => {
    const settings = {
      ...archiving,
      privateKeyArchiveCertificate,
      chain,
      clock: { now: () => (now === undefined ? SAMPLE_NOW : new Date(now)) }
    }
    await expect(createdRequest(settings, { type: 'cmc' })).rejects.toMatchObject({ code: 'chain_invalid' })
  })
})
