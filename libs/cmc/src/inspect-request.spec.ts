import { encodeUtf8String } from '@app/der'
import { OID } from '@app/oid'
import { decodeCertificate, encodeAttribute } from '@app/x509'
import { describe, expect, it } from 'vitest'
import {
  archivedKeyAttribute,
  buildSampleCmc,
  forgeArchival,
  forgeCmc,
  keyHashControl,
  sampleCertificationRequest,
  sampleEnvelope
} from '../../../test/helpers/cmc-messages.js'
import { digestOf } from '../../../test/helpers/cms-messages.js'
import { buildSampleCertificate, sampleKey, signSample } from '../../../test/helpers/x509-samples.js'
import { buildFullResponse } from './full-response-builder.js'
import { inspectRequest } from './inspect-request.js'
import { encodePkcs10RequestSequence } from './pki-data.js'

const key = sampleKey('P-256')
const envelope = sampleEnvelope()
const opened = { format: 'capi', algorithm: 'rsa', bits: 2048, matchesRequest: true }

describe('an inspection', () => {
  it('tells everything of an archival request', async () => {
    const { request } = await buildSampleCmc({ archivedKeyEnvelope: envelope, senderNonce: Buffer.from('nonce') })
    expect(await inspectRequest(request)).toMatchObject({
      format: 'cmc',
      subject: 'CN=UserName,OU=UserUnit,O=UserOrg,L=UserCity,ST=WA,C=US',
      template: { name: 'UserEncryption' },
      publicKey: { algorithm: 'ec', bits: 256, curve: 'P-256' },
      signature: { valid: true, signer: { kind: 'request-key' }, digestAlgorithm: 'sha256' },
      proofOfPossession: { valid: true, kind: 'signature' },
      renewal: null,
      onBehalfOf: null,
      senderNonce: '6e6f6e6365',
      archivedKey: {
        present: true,
        placement: 'unsigned-attribute',
        recipient: { issuer: 'CN=Exchange', serialNumber: '07' },
        keyTransport: 'rsaes-pkcs1-v1_5',
        contentEncryption: 'des-ede3-cbc',
        keyHash: { algorithm: 'sha256', matches: true }
      }
    })
  })

  it('is JSON as it stands', async () => {
    const { request } = await buildSampleCmc({ archivedKeyEnvelope: envelope })
    const inspection = await inspectRequest(request)
    expect(JSON.parse(JSON.stringify(inspection))).toEqual(inspection)
  })

  it('tells of a key what the caller finds in it', async () => {
    const { request } = await buildSampleCmc({ archivedKeyEnvelope: envelope })
    const seen: Uint8Array[] = []
    const inspection = await inspectRequest(request, {
      openArchivedKey: bytes => {
        seen.push(Buffer.from(bytes))
        return Promise.resolve(opened)
      }
    })
    expect(inspection).toMatchObject({ archivedKey: { opened } })
    expect(seen).toEqual([Buffer.from(envelope)])
  })

  it('reports a hash that does not match', async () => {
    const bytes = await forgeArchival(
      { controls: [keyHashControl(digestOf('sha256', Buffer.from('other')))] },
      envelope
    )
    expect(await inspectRequest(bytes)).toMatchObject({ archivedKey: { keyHash: { matches: false } } })
  })

  it('reports a key without a hash, and one in the wrong place', async () => {
    const bare = await forgeCmc({ unsignedAttributes: [archivedKeyAttribute(envelope)] })
    expect(await inspectRequest(bare)).toMatchObject({ archivedKey: { present: true, keyHash: null } })
    const misplaced = await forgeCmc({
      requestSequence: encodePkcs10RequestSequence(
        1,
        await sampleCertificationRequest(key, [archivedKeyAttribute(envelope)])
      )
    })
    expect(await inspectRequest(misplaced)).toMatchObject({
      archivedKey: { present: true, error: { code: 'archived_key_misplaced' } }
    })
  })

  it('reports signatures and proofs that do not verify', async () => {
    const bytes = await forgeCmc({ sign: data => signSample(sampleKey('P-384'), data, 'ecdsa-sha256') })
    expect(await inspectRequest(bytes)).toMatchObject({
      signature: { valid: false, error: { code: 'cms_signature_invalid' } },
      proofOfPossession: { valid: true }
    })
    const stranger = await forgeCmc({ sid: { kind: 'keyId', keyId: Buffer.from('nobody') } })
    expect(await inspectRequest(stranger)).toMatchObject({
      signature: { valid: false, signer: { kind: 'key-identifier' }, error: { code: 'cms_signer_not_found' } }
    })
  })

  it('never prints a password', async () => {
    const password = encodeAttribute(OID.challengePassword, [encodeUtf8String('hunter2')])
    const inspection = await inspectRequest(await sampleCertificationRequest(key, [password]))
    expect(inspection).toMatchObject({
      format: 'pkcs10',
      attributes: [{ name: 'challengePassword', value: 'present' }]
    })
    expect(JSON.stringify(inspection)).not.toContain(Buffer.from('hunter2').toString('hex'))
  })

  it('describes a CRMF request with its key', async () => {
    const { request } = await buildSampleCmc({ dialect: 'standard-crmf', archivedKeyEnvelope: envelope })
    expect(await inspectRequest(request)).toMatchObject({
      dialect: 'standard',
      proofOfPossession: { kind: 'crmf-signature', valid: true },
      archivedKey: { placement: 'crmf-control', keyHash: null }
    })
  })

  it('describes a renewal by the certificate it renews', async () => {
    const renewed = encodeAttribute(OID.szOID_RENEWAL_CERTIFICATE, [buildSampleCertificate(key)])
    const inspection = await inspectRequest(await sampleCertificationRequest(key, [renewed]))
    expect(inspection).toMatchObject({
      renewal: { subject: 'CN=Sample CA,O=Sample,C=DE', serialNumber: '01', notBefore: '2025-01-01T00:00:00.000Z' }
    })
  })

  it('describes a full response', async () => {
    const ca = decodeCertificate(buildSampleCertificate(key))
    const bytes = await buildFullResponse({
      dialect: 'microsoft',
      status: 'pending',
      statusString: 'Taken Under Submission',
      pendToken: Buffer.from('17'),
      pendTime: new Date('2026-03-04T05:06:07Z'),
      bodyPartId: 1,
      certificates: [ca.raw],
      signer: { certificate: ca, scheme: key.scheme, sign: data => Promise.resolve(signSample(key, data)) }
    })
    expect(await inspectRequest(bytes)).toMatchObject({
      format: 'full-response',
      signature: { valid: true, digestAlgorithm: 'sha256', signer: { kind: 'certificate', serialNumber: '01' } },
      status: {
        value: 3,
        name: 'pending',
        string: 'Taken Under Submission',
        pendInfo: { token: '3137', time: '2026-03-04T05:06:07.000Z' }
      },
      issuedCertificateHash: null,
      encryptedKeyHash: null,
      certificates: [{ subject: 'CN=Sample CA,O=Sample,C=DE' }]
    })
  })

  it('refuses a message that cannot be read', async () => {
    await expect(inspectRequest(Buffer.from('nothing'))).rejects.toMatchObject({ code: 'der_tag_unexpected' })
  })
})
