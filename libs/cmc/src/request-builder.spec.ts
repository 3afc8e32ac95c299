import { decodeSignedData, verifySignerInfo } from '@app/cms'
import { DerReader } from '@app/der'
import { OID } from '@app/oid'
import { decodeCertificationRequest, encodeSubjectKeyIdentifier, findExtension } from '@app/x509'
import { describe, expect, it } from 'vitest'
import { buildSampleCmc, sampleEnvelope } from '../../../test/helpers/cmc-messages.js'
import { digestOf } from '../../../test/helpers/cms-messages.js'
import {
  buildSampleRequest,
  codeOf,
  sampleKey,
  SAMPLE_KEY_KINDS,
  signSample
} from '../../../test/helpers/x509-samples.js'
import { decodeControls } from './control.js'
import { readEnrollmentRequest } from './enrollment-request.js'
import { verifyIdentityClaim } from './identity-claim.js'
import { findPendingQuery } from './pending-query.js'
import { decodePkiData } from './pki-data.js'
import { buildPendingQuery } from './request-builder.js'
import { getContent } from './request-message.js'

const envelope = sampleEnvelope()
const rsa = sampleKey('rsa')
const clientInfo = { clientId: 9, machine: 'host.example', user: 'D\\u', process: 'certkeep' }

describe('a request in the Microsoft dialect', () => {
  it('has the shape that Windows clients send', async () => {
    const { request, keyHash } = await buildSampleCmc({ archivedKeyEnvelope: envelope, clientInfo }, rsa)
    const signedData = decodeSignedData(request)
    const [signer, ...others] = signedData.signerInfos
    const pkiData = decodePkiData(getContent(signedData))
    expect(signedData).toMatchObject({ version: 3, eContentType: OID.id_cct_PKIData, certificates: [], crls: [] })
    expect(others).toEqual([])
    expect(signer).toMatchObject({
      version: 3,
      sid: { kind: 'keyId' },
      signatureAlgorithm: { oid: OID.rsaEncryption, parameters: Buffer.of(5, 0) }
    })
    expect(signer?.signedAttributes?.list.map(({ oid }) => oid)).toEqual([OID.id_contentType, OID.id_messageDigest])
    expect(signer?.unsignedAttributes.map(({ oid }) => oid)).toEqual([OID.szOID_ARCHIVED_KEY_ATTR])
    expect(pkiData.requests).toMatchObject([{ kind: 'pkcs10', bodyPartId: 1 }])
    expect(pkiData.controls).toMatchObject([{ bodyPartId: 2, type: OID.szOID_CMC_ADD_ATTRIBUTES }])
    expect(decodeControls(pkiData.controls)).toMatchObject([
      {
        pkiDataReference: 0,
        certReferences: [1],
        // A SET OF, so the shorter one comes first.
        attributes: [{ oid: OID.szOID_REQUEST_CLIENT_INFO }, { oid: OID.szOID_ENCRYPTED_KEY_HASH }]
      }
    ])
    expect(keyHash).toEqual({ algorithm: 'sha256', value: digestOf('sha256', envelope) })
  })

  it('puts the registration information first and everything else after it', async () => {
    const { request } = await buildSampleCmc({
      registrationInfo: [{ name: 'CertificateTemplate', value: 'Mail User' }],
      clientInfo,
      transactionId: Buffer.of(0, 0x80),
      senderNonce: Buffer.from('nonce')
    })
    const { controls } = decodePkiData(getContent(decodeSignedData(request)))
    expect(controls.map(({ bodyPartId, type }) => [bodyPartId, type])).toEqual([
      [2, OID.id_cmc_regInfo],
      [3, OID.szOID_CMC_ADD_ATTRIBUTES],
      [4, OID.id_cmc_transactionId],
      [5, OID.id_cmc_senderNonce]
    ])
    const read = readEnrollmentRequest(request)
    expect(read.template.names).toEqual(['UserEncryption', 'Mail User'])
    expect(read.clientInfo).toEqual(clientInfo)
    expect(read.transactionId).toEqual(Buffer.of(0, 0x80))
  })

  it('has a PKCS#10 with the subject key identifier of its signer', async () => {
    const { request } = await buildSampleCmc({}, rsa)
    const [tagged] = decodePkiData(getContent(decodeSignedData(request))).requests
    const certificationRequest = decodeCertificationRequest(
      tagged?.kind === 'pkcs10' ? tagged.request : new Uint8Array()
    )
    const extension = findExtension(certificationRequest, OID.id_ce_subjectKeyIdentifier)
    expect(extension?.value).toEqual(encodeSubjectKeyIdentifier(rsa.publicKey.keyId))
  })

  it('is signed by the key identifier it asks for when that is given', async () => {
    const keyId = Buffer.from('another identifier')
    const extension = { oid: OID.id_ce_subjectKeyIdentifier, critical: false, value: encodeSubjectKeyIdentifier(keyId) }
    const { request } = await buildSampleCmc({ extensions: [extension] })
    expect(decodeSignedData(request).signerInfos[0]?.sid).toEqual({ kind: 'keyId', keyId })
    expect(codeOf(() => readEnrollmentRequest(request))).toBeUndefined()
  })

  it('has no control when there is nothing to say in one', async () => {
    const { request } = await buildSampleCmc()
    expect(decodePkiData(getContent(decodeSignedData(request))).controls).toEqual([])
  })

  it('refuses a transaction id that is no INTEGER', async () => {
    await expect(buildSampleCmc({ transactionId: Buffer.of(0, 1) })).rejects.toMatchObject({
      code: 'der_integer_not_minimal'
    })
  })
})

describe('a request in the standard dialect', () => {
  it.each(SAMPLE_KEY_KINDS)('for a %s key is read back', async kind => {
    const key = sampleKey(kind)
    const { request } = await buildSampleCmc(
      { dialect: 'standard-crmf', transactionId: Buffer.of(7), senderNonce: Buffer.from('nonce') },
      key
    )
    const read = readEnrollmentRequest(request)
    expect(read).toMatchObject({ format: 'cmc', dialect: 'standard', bodyPartId: 1, transactionId: Buffer.of(7) })
    expect(Buffer.from(read.publicKey.raw)).toEqual(Buffer.from(key.publicKey.raw))
    expect(read.template.names).toEqual(['UserEncryption'])
  })

  it('has no place for attributes', async () => {
    await expect(buildSampleCmc({ dialect: 'standard-crmf', clientInfo })).rejects.toMatchObject({
      code: 'invalid_argument'
    })
  })
})

describe('a claim of identity in a request', () => {
  const secret = Buffer.from('a shared secret of some length')

  it.each(['microsoft', 'standard-crmf'] as const)('of the %s dialect verifies with its secret only', async dialect => {
    const { request } = await buildSampleCmc({ dialect, identityProof: { secret, identification: 'user 17' } })
    const claim = readEnrollmentRequest(request).identityProof
    expect(claim?.identification).toBe('user 17')
    if (claim === undefined) return
    expect(codeOf(() => verifyIdentityClaim(claim, secret))).toBeUndefined()
    expect(codeOf(() => verifyIdentityClaim(claim, Buffer.from('guess')))).toBe('identity_proof_invalid')
  })

  it('does not verify in front of another request', async () => {
    const { request } = await buildSampleCmc({ identityProof: { secret } })
    const claim = readEnrollmentRequest(request).identityProof
    const covered = await buildSampleRequest(rsa)
    expect(claim).toBeDefined()
    if (claim === undefined) return
    expect(codeOf(() => verifyIdentityClaim({ ...claim, covered }, secret))).toBe('identity_proof_invalid')
  })
})

describe('a query after a pending request', () => {
  const key = sampleKey('P-256')
  const plan = {
    pendToken: Buffer.from('17'),
    keyId: key.publicKey.keyId,
    transactionId: Buffer.of(7),
    senderNonce: Buffer.from('nonce'),
    scheme: key.scheme,
    sign: (data: Uint8Array) => Promise.resolve(signSample(key, data))
  }

  it('is found with its token and verifies with the requested key only', async () => {
    const query = findPendingQuery(await buildPendingQuery(plan))
    expect(query).toMatchObject({ transactionId: Buffer.of(7), senderNonce: Buffer.from('nonce') })
    expect(query?.token).toEqual(Buffer.from('17'))
    expect(query?.verify(key.publicKey)).toEqual({ digest: 'sha256' })
    expect(codeOf(() => query?.verify(sampleKey('P-384').publicKey))).toBe('cms_signature_invalid')
  })

  it('is not found in a request, and is no request', async () => {
    const { request } = await buildSampleCmc()
    expect(findPendingQuery(request)).toBeUndefined()
    expect(findPendingQuery(await buildSampleRequest(key))).toBeUndefined()
    const query = await buildPendingQuery(plan)
    expect(codeOf(() => readEnrollmentRequest(query))).toBe('cmc_request_count')
  })

  it('is signed over what it says', async () => {
    const bytes = await buildPendingQuery(plan)
    const [signer] = decodeSignedData(bytes).signerInfos
    expect(signer && verifySignerInfo(decodeSignedData(bytes), signer, key.publicKey)).toEqual({ digest: 'sha256' })
    expect(DerReader.over(bytes).any('message').raw).toHaveLength(bytes.length)
  })
})
