import { createPrivateKey } from 'node:crypto'
import {
  decodeEnvelopedData,
  decodeSignedData,
  findSignerCertificate,
  getOnlyRecipient,
  openEnvelopedData,
  removeUnsignedAttribute,
  unwrapContentKey,
  verifySignerInfo,
  type EnvelopedData,
  type SignedData,
  type SignerInfo
} from '@app/cms'
import { DerReader } from '@app/der'
import { OID } from '@app/oid'
import { decodeCertificationRequest, findAttribute } from '@app/x509'
import { describe, expect, it } from 'vitest'
import { readVector } from '../helpers/vectors.js'

interface SignedVector {
  readonly name: string
  readonly eContentType: string
  readonly version: number
  readonly certificates: number
  readonly signedAttributes: readonly string[]
}

const usual = [OID.id_contentType, OID.id_messageDigest]
const requests: readonly SignedVector[] = ['cmc-new', 'cmc-renewal', 'archival-rsa1024'].map(name => ({
  name: `certreq-${name}`,
  eContentType: OID.id_cct_PKIData,
  version: 3,
  certificates: 0,
  signedAttributes: usual
}))
const autoenrollment = { ...(requests[0] as SignedVector), name: 'windows-archival-rsa2048-user' }
const withCertificate: readonly SignedVector[] = [
  {
    name: 'microsoft-full-response-issued',
    eContentType: OID.id_cct_PKIResponse,
    version: 3,
    certificates: 3,
    signedAttributes: usual
  },
  {
    name: 'certreq-pkcs7-onbehalf',
    eContentType: OID.id_data,
    version: 1,
    certificates: 1,
    signedAttributes: [...usual, OID.szOID_ENROLLMENT_NAME_VALUE_PAIR]
  }
]

function read(name: string): SignedData {
  return decodeSignedData(readVector(`adcs/${name}.der`))
}

function signerOf(signedData: SignedData): SignerInfo {
  const [signerInfo] = signedData.signerInfos
  if (signerInfo === undefined || signedData.signerInfos.length > 1) throw new Error('Expected one signer.')
  return signerInfo
}

function envelopeOf(name: string): EnvelopedData {
  const attribute = findAttribute(signerOf(read(name)).unsignedAttributes, OID.szOID_ARCHIVED_KEY_ATTR)
  return decodeEnvelopedData(attribute?.values[0] ?? new Uint8Array())
}

/** PKIData ::= SEQUENCE { controlSequence, reqSequence SEQUENCE OF [0] { bodyPartID, CertificationRequest }, … } */
function requestedKey(signedData: SignedData): ReturnType<typeof decodeCertificationRequest>['publicKey'] {
  const pkiData = DerReader.over(signedData.eContent ?? new Uint8Array()).sequence('PKIData')
  pkiData.any('controlSequence')
  const tagged = pkiData.sequence('reqSequence').explicit(0, 'TaggedCertificationRequest')
  tagged.any('bodyPartID')
  return decodeCertificationRequest(tagged.any('CertificationRequest').raw).publicKey
}

describe('what Windows and its CA sign', () => {
  it.each([...requests, autoenrollment, ...withCertificate])('is read: $name', vector => {
    const signedData = read(vector.name)
    expect(signedData.eContentType).toBe(vector.eContentType)
    expect(signedData.version).toBe(vector.version)
    expect(signedData.digestAlgorithms).toEqual([OID.id_sha1])
    expect(signedData.certificates).toHaveLength(vector.certificates)
    const signerInfo = signerOf(signedData)
    expect(signerInfo.signatureAlgorithm.oid).toBe(OID.rsaEncryption)
    expect(signerInfo.signedAttributes?.list.map(({ oid }) => oid)).toEqual(vector.signedAttributes)
  })

  it.each(withCertificate)('verifies with the certificate inside, once SHA-1 is allowed: $name', ({ name }) => {
    const signedData = read(name)
    const signerInfo = signerOf(signedData)
    const { publicKey } = findSignerCertificate(signedData, signerInfo.sid)
    expect(verifySignerInfo(signedData, signerInfo, publicKey, { allowSha1: true })).toEqual({ digest: 'sha1' })
    expect(() => verifySignerInfo(signedData, signerInfo, publicKey)).toThrow(
      expect.objectContaining({ code: 'cms_algorithm_not_allowed' })
    )
  })

  it('is the CA’s, when it is a response: its certificate is the second of the chain', () => {
    const signedData = read('microsoft-full-response-issued')
    const certificate = findSignerCertificate(signedData, signerOf(signedData).sid)
    expect(Buffer.from(certificate.raw)).toEqual(Buffer.from(signedData.certificates[1] ?? new Uint8Array()))
  })

  it.each([...requests, autoenrollment])('verifies with the key that is requested: $name', ({ name }) => {
    const signedData = read(name)
    const signerInfo = signerOf(signedData)
    const publicKey = requestedKey(signedData)
    expect(signerInfo.sid).toEqual({ kind: 'keyId', keyId: publicKey.keyId })
    expect(verifySignerInfo(signedData, signerInfo, publicKey, { allowSha1: true })).toEqual({ digest: 'sha1' })
  })

  it('still verifies when the archived key has been taken out', () => {
    const received = readVector('adcs/windows-archival-rsa2048-user.der')
    const stripped = decodeSignedData(removeUnsignedAttribute(received, OID.szOID_ARCHIVED_KEY_ATTR))
    expect(stripped.raw.length).toBeLessThan(received.length - 1500)
    const signerInfo = signerOf(stripped)
    expect(signerInfo.unsignedAttributes).toEqual([])
    expect(verifySignerInfo(stripped, signerInfo, requestedKey(stripped), { allowSha1: true }).digest).toBe('sha1')
  })
})

describe('the envelope of a key that Windows archives', () => {
  it.each([
    ['windows-archival-rsa2048-user', 256, 1176],
    ['certreq-archival-rsa1024', 128, 600]
  ])('is read: %s', (name, keyOctets, contentOctets) => {
    const enveloped = envelopeOf(name)
    expect(enveloped).toMatchObject({
      kind: 'enveloped',
      contentType: OID.id_data,
      contentEncryption: { algorithm: 'des-ede3-cbc' }
    })
    const recipient = getOnlyRecipient(enveloped)
    expect(recipient).toMatchObject({
      identifier: { kind: 'issuerAndSerial' },
      transport: { scheme: 'rsaes-pkcs1-v1_5' }
    })
    expect(recipient.encryptedKey).toHaveLength(keyOctets)
    expect(enveloped.encryptedContent).toHaveLength(contentOctets)
  })

  it('opens with the exchange key to a CAPI PRIVATEKEYBLOB of an RSA key of 2048 bits', async () => {
    const pkcs8 = readVector('adcs/windows-archival-exchange-key.pkcs8.der')
    const exchangeKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    const opened = await openEnvelopedData(
      envelopeOf('windows-archival-rsa2048-user'),
      async (encryptedKey, transport) => unwrapContentKey(exchangeKey, encryptedKey, transport)
    )
    const blob = Buffer.from(opened)
    expect(blob).toHaveLength(1172)
    expect(blob.subarray(0, 8).toString('hex')).toBe('0702000000a40000')
    expect(blob.subarray(8, 12).toString('latin1')).toBe('RSA2')
    expect(blob.readUInt32LE(12)).toBe(2048)
    const modulus = Buffer.from(blob.subarray(20, 20 + 256).toReversed())
    const { modulus: requested } = requestedKey(read('windows-archival-rsa2048-user'))
    expect(modulus).toEqual(Buffer.from(requested ?? new Uint8Array()))
  })
})
