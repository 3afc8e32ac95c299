import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  buildFullResponse,
  encodePendToken,
  hashEnvelope,
  readEnrollmentRequest,
  type CmcRequestPlan,
  type FullResponsePlan
} from '@app/cmc'
import { encodePem } from '@app/der'
import { decodeCertificate } from '@app/x509'
import { toHex } from '@app/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildSampleCmc, exchangeIdentity, sampleEnvelope } from '../helpers/cmc-messages.js'
import { digestOf } from '../helpers/cms-messages.js'
import { buildSampleCertificate, nameOf, sampleKey, signSample } from '../helpers/x509-samples.js'
import { runJava } from './programs.js'

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cmc-messages-'))
})

afterAll(() => rm(directory, { recursive: true, force: true }))

async function put(name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, bytes)
  return path
}

describe('Bouncy Castle', () => {
  const archivedKeyEnvelope = sampleEnvelope()
  const requests: readonly (readonly [dialect: CmcRequestPlan['dialect'], kind: 'rsa' | 'P-256' | 'P-384'])[] = [
    ['microsoft', 'rsa'],
    ['microsoft', 'P-384'],
    ['standard-crmf', 'rsa'],
    ['standard-crmf', 'P-256']
  ]

  it.each(requests)('reads and verifies a request in the %s dialect for a key of kind %s', async (dialect, kind) => {
    const key = sampleKey(kind)
    const { request, keyHash } = await buildSampleCmc(
      {
        dialect,
        archivedKeyEnvelope,
        transactionId: Buffer.of(0x12, 0x34),
        senderNonce: Buffer.from('nonce'),
        registrationInfo: [{ name: 'cdc', value: 'dc 1' }]
      },
      key
    )
    const report = await runJava('DecodeRequest', [await put(`${dialect}-${kind}.der`, request)])
    expect(report).toMatchObject({
      der: true,
      transactionId: '4660',
      senderNonce: '6e6f6e6365',
      registrationInfo: 'cdc=dc%201&',
      request: {
        form: dialect === 'microsoft' ? 'pkcs10' : 'crmf',
        bodyPartId: 1,
        keyId: toHex(key.publicKey.keyId),
        signatureVerified: true
      },
      signers: [{ keyFrom: 'request', keyId: toHex(key.publicKey.keyId), verified: true }],
      archivedKey: { placement: dialect === 'microsoft' ? 'unsigned-attribute' : 'crmf-control' }
    })
    const stated = dialect === 'microsoft' ? toHex(keyHash?.value ?? new Uint8Array()) : null
    expect(report.encryptedKeyHash).toBe(stated)
  })

  it('makes a CRMF request with an archived key that is accepted', async () => {
    const exchange = await put('exchange.pem', encodePem('CERTIFICATE', exchangeIdentity().certificate.raw))
    const out = join(directory, 'bouncy-castle.der')
    await runJava('MakeCrmfArchival', [exchange, 'CN=Interop', out, join(directory, 'bouncy-castle.pem'), '1.2.3.4'])
    const request = readEnrollmentRequest(await readFile(out))
    expect(request).toMatchObject({
      format: 'cmc',
      dialect: 'standard',
      template: { names: [], oid: '1.2.3.4' },
      proof: { kind: 'crmf-signature', digest: 'sha256' },
      storedIsRedacted: true,
      archivedKey: {
        placement: 'crmf-control',
        recipient: { kind: 'issuerAndSerial', serialNumber: exchangeIdentity().certificate.serialNumber }
      }
    })
    expect(request.archivedKey?.hash).toEqual(hashEnvelope(request.archivedKey?.envelope ?? new Uint8Array(), 'sha256'))
  })

  const caKey = sampleKey('rsa')
  const ca = decodeCertificate(buildSampleCertificate(caKey))
  const userKey = sampleKey('P-256')
  const issued = buildSampleCertificate(userKey, { serialNumber: Uint8Array.of(5), subject: nameOf('CN=User') }, caKey)
  const keyHash = { algorithm: 'sha256', value: digestOf('sha256', archivedKeyEnvelope) } as const
  const answered: Omit<FullResponsePlan, 'dialect' | 'status' | 'statusString'> = {
    bodyPartId: 1,
    certificates: [ca.raw],
    signer: { certificate: ca, scheme: caKey.scheme, sign: data => Promise.resolve(signSample(caKey, data)) },
    transactionId: Buffer.of(0x12, 0x34),
    senderNonce: Buffer.from('theirs'),
    ownNonce: Buffer.from('ours')
  }
  const responses: readonly (readonly [
    name: string,
    parts: Pick<FullResponsePlan, 'status' | 'statusString'> & Partial<FullResponsePlan>,
    facts: object
  ])[] = [
    [
      'issued',
      {
        status: 'success',
        statusString: 'Issued',
        issuedCertificate: issued,
        keyHash,
        certificates: [ca.raw, issued]
      },
      {
        status: 0,
        statusString: 'Issued',
        encryptedKeyHash: toHex(keyHash.value),
        hashMatchesCertificate: true,
        issuedCertificate: { subject: new X509Certificate(issued).subject, signedByCa: true }
      }
    ],
    [
      'pending',
      {
        status: 'pending',
        statusString: 'Taken Under Submission',
        pendToken: encodePendToken(17),
        pendTime: new Date('2026-03-04T05:06:07Z')
      },
      { status: 3, pendToken: '17', issuedCertificate: null }
    ],
    ['failed', { status: 'failed', statusString: 'Denied', failInfo: 'mustArchiveKeys' }, { status: 2 }]
  ]

  it.each(['microsoft', 'standard'] as const)('reads and verifies full responses in the %s dialect', async dialect => {
    const caPath = await put('ca.pem', encodePem('CERTIFICATE', ca.raw))
    for (const [name, parts, facts] of responses) {
      const bytes = await buildFullResponse({ dialect, ...answered, ...parts })
      const report = await runJava('VerifyFullResponse', [await put(`${name}-${dialect}.der`, bytes), caPath])
      expect(report).toMatchObject({
        der: true,
        signerVerified: true,
        statusInfoVersion: dialect === 'microsoft' ? 1 : 2,
        bodyList: [1],
        transactionId: '4660',
        recipientNonce: Buffer.from('theirs').toString('hex'),
        senderNonce: Buffer.from('ours').toString('hex'),
        failInfo: name === 'failed' && dialect === 'standard' ? 6 : null,
        ...facts
      })
    }
  })
})
