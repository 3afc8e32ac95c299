import { generateKeyPairSync } from 'node:crypto'
import { AppError } from '@app/core'
import { DerReader, encodeInteger, encodeNull, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import { encodeAlgorithmIdentifier, encodeAttribute } from '@app/x509'
import { describe, expect, it } from 'vitest'
import { makeIdentity, makeRsaIdentity, SOUND_CONTENT, type TestIdentity } from '../../../test/helpers/cms-messages.js'
import { identifierOf } from './identifier.js'
import { buildCertificateBundle, buildSignedData, type SignedDataPlan, type SignerPlan } from './signed-data-builder.js'
import { findSignerCertificate, verifySignerInfo } from './signed-data-verification.js'
import { decodeSignedData, type SignedData } from './signed-data.js'

const rsa = makeRsaIdentity()
const p256 = makeIdentity({ name: 'Second signer', serialNumber: 2 })
const p521 = makeIdentity({
  serialNumber: 3,
  privateKey: generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey
})
const ed25519 = makeIdentity({ serialNumber: 4, privateKey: generateKeyPairSync('ed25519').privateKey })

function planFor(identity: TestIdentity, changes: Partial<SignerPlan> = {}): SignerPlan {
  return { sid: identifierOf(identity.certificate), scheme: identity.scheme, sign: identity.sign, ...changes }
}

async function build(signers: readonly SignerPlan[], changes: Partial<SignedDataPlan> = {}): Promise<SignedData> {
  const certificates = [rsa, p256, p521, ed25519].map(({ certificate }) => certificate.raw)
  const plan = { eContentType: OID.id_cct_PKIResponse, eContent: SOUND_CONTENT, certificates, signers, ...changes }
  return decodeSignedData(await buildSignedData(plan))
}

function verifyAll(signedData: SignedData): string[] {
  return signedData.signerInfos.map(signerInfo => {
    const { publicKey } = findSignerCertificate(signedData, signerInfo.sid)
    return verifySignerInfo(signedData, signerInfo, publicKey).digest
  })
}

describe('building SignedData', () => {
  it.each([
    ['RSA', rsa, 'sha256', OID.sha256WithRSAEncryption],
    ['ECDSA', p256, 'sha256', OID.ecdsa_with_SHA256],
    ['ECDSA with P-521', p521, 'sha512', OID.ecdsa_with_SHA512],
    ['Ed25519', ed25519, 'sha512', OID.id_Ed25519]
  ] as const)('gives a message that verifies, signed with %s', async (_name, identity, digest, algorithm) => {
    const keyId = { kind: 'keyId', keyId: identity.publicKey.keyId } as const
    const signedData = await build([planFor(identity, { sid: keyId })])
    expect(verifyAll(signedData)).toEqual([digest])
    expect(signedData.signerInfos[0]?.signatureAlgorithm.oid).toBe(algorithm)
  })

  it('lets the caller name the same signature otherwise', async () => {
    const signatureAlgorithm = encodeAlgorithmIdentifier(OID.rsaEncryption, encodeNull())
    const signedData = await build([planFor(rsa, { signatureAlgorithm })])
    expect(signedData.signerInfos[0]?.signatureAlgorithm.oid).toBe(OID.rsaEncryption)
    expect(verifyAll(signedData)).toEqual(['sha256'])
  })

  it('gives several signers a signature each and lists every digest once', async () => {
    const signedData = await build([planFor(rsa), planFor(ed25519, keyIdOf(ed25519)), planFor(p256)])
    expect(signedData.digestAlgorithms.toSorted()).toEqual([OID.id_sha256, OID.id_sha512].toSorted())
    expect(verifyAll(signedData).toSorted()).toEqual(['sha256', 'sha256', 'sha512'])
  })

  it('signs further attributes and carries unsigned ones', async () => {
    const signedAttributes = [encodeAttribute('1.2.3', [encodeInteger(1)])]
    const unsignedAttributes = [encodeAttribute('1.2.5', [encodeNull()]), encodeAttribute('1.2.4', [encodeNull()])]
    const signedData = await build([planFor(rsa, { signedAttributes, unsignedAttributes })])
    const [signerInfo] = signedData.signerInfos
    expect(signerInfo?.signedAttributes?.list.map(({ oid }) => oid).toSorted()).toEqual(
      [OID.id_contentType, OID.id_messageDigest, '1.2.3'].toSorted()
    )
    expect(signerInfo?.unsignedAttributes.map(({ oid }) => oid)).toEqual(['1.2.4', '1.2.5'])
    expect(verifyAll(signedData)).toEqual(['sha256'])
  })

  it.each([
    ['id-data, issuer and serial number', OID.id_data, false, 1, 1],
    ['id-data, key identifier', OID.id_data, true, 3, 3],
    ['other content, issuer and serial number', OID.id_cct_PKIData, false, 3, 1],
    ['other content, key identifier', OID.id_cct_PKIData, true, 3, 3]
  ] as const)('numbers the versions as RFC 5652 says: %s', async (_name, eContentType, byKeyId, outer, inner) => {
    const signedData = await build([planFor(rsa, byKeyId ? keyIdOf(rsa) : {})], { eContentType })
    expect([signedData.version, signedData.signerInfos[0]?.version]).toEqual([outer, inner])
  })

  it('sorts every set', async () => {
    const raw = await buildSignedData({
      eContentType: OID.id_cct_PKIResponse,
      eContent: SOUND_CONTENT,
      certificates: [p521, p256, rsa].map(({ certificate }) => certificate.raw),
      signers: [planFor(rsa), planFor(ed25519, keyIdOf(ed25519)), planFor(p256)]
    })
    const body = DerReader.over(raw).sequence('ContentInfo')
    body.any('contentType')
    const signedData = body.explicit(0, 'content').sequence('SignedData')
    signedData.any('version')
    expect(signedData.setOf('digestAlgorithms').isEnd).toBe(false)
    signedData.any('encapContentInfo')
    expect(signedData.setOf('certificates', 0xa0).isEnd).toBe(false)
    expect(signedData.setOf('signerInfos').isEnd).toBe(false)
  })

  it('is refused without a signer', async () => {
    await expect(build([])).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('passes on why a signer cannot sign', async () => {
    const signer = planFor(rsa, { sign: () => Promise.reject(new AppError('unavailable', 'The key is out of reach.')) })
    await expect(build([signer])).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('building a certificate bundle', () => {
  const certificates = [rsa.certificate.raw, p256.certificate.raw]

  it('gives certificates and CRLs without content or signers', () => {
    const crl = encodeSequence(encodeSequence(), encodeAlgorithmIdentifier('1.2.3'), Uint8Array.of(3, 1, 0))
    const bundle = decodeSignedData(buildCertificateBundle({ certificates, crls: [crl] }))
    expect(bundle).toMatchObject({ version: 1, digestAlgorithms: [], eContentType: OID.id_data, signerInfos: [] })
    expect(bundle.eContent).toBeUndefined()
    expect(new Set(bundle.certificates.map(hexOf))).toEqual(new Set(certificates.map(hexOf)))
    expect(bundle.crls.map(hexOf)).toEqual([hexOf(crl)])
  })

  it('may carry content of a type', () => {
    const content = encodeInteger(7)
    const bundle = decodeSignedData(buildCertificateBundle({ certificates, content, contentType: '1.2.3' }))
    expect(bundle).toMatchObject({ version: 3, eContentType: '1.2.3' })
    expect(hexOf(bundle.eContent ?? new Uint8Array())).toBe(hexOf(content))
  })

  it('may be empty', () => {
    expect(decodeSignedData(buildCertificateBundle({ certificates: [] })).certificates).toEqual([])
  })
})

function keyIdOf(identity: TestIdentity): Pick<SignerPlan, 'sid'> {
  return { sid: { kind: 'keyId', keyId: identity.publicKey.keyId } }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
