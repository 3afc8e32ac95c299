import { createHash, type BinaryLike } from 'node:crypto'
import { Enrollment, type EnrollmentSettings, type RequestType } from '@app/client'
import { builtInTemplates, ENROLLMENT_FLAG, flagWord, type CertificateTemplate } from '@app/templates'
import { decodeCertificate } from '@app/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { offerTemplate, sealToAnyAgent } from '../helpers/administration.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { exchangeCmc, requestRowOf, submitBytes, fullResponseOf } from '../helpers/submission.js'
import { runJava, runOpenssl } from './programs.js'
import { openSealedKeyWithOpenssl } from './sealed-keys.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

let directory: WorkDirectory
let server: TestServer
let ca: string
let exchange: Uint8Array

const heldTemplate = { name: 'HeldEncryption', oid: '2.25.1795219200000' }

beforeAll(async () => {
  directory = await makeWorkDirectory()
  server = await startTestServer()
  ca = await directory.put('ca.pem', server.root)
  const held = {
    ...heldTemplate,
    displayName: 'Held Encryption',
    enrollmentFlags: flagWord(ENROLLMENT_FLAG.INCLUDE_SYMMETRIC_ALGORITHMS, ENROLLMENT_FLAG.PEND_ALL_REQUESTS)
  }
  await sealToAnyAgent(server)
  await offerTemplate(server, { ...userEncryption(), ...held })
  await using client = server.connect(await server.addPrincipal())
  exchange = await client.getCACertificate({ exchange: true })
})

afterAll(async () => {
  await server.stop()
  await directory.remove()
})

function userEncryption(): CertificateTemplate {
  const found = builtInTemplates().find(({ name }) => name === 'UserEncryption')
  if (found === undefined) throw new Error('There is no template UserEncryption.')
  return found
}

function digest(algorithm: 'sha1' | 'sha256', data: BinaryLike): string {
  return createHash(algorithm).update(data).digest('hex')
}

/** An enrollment that archives its key unless told otherwise. */
function newEnrollment(settings: Partial<EnrollmentSettings> = {}): Enrollment {
  return new Enrollment({ trust: server.root, privateKeyArchiveCertificate: exchange, ...settings })
}

describe('a request of the SDK', () => {
  const subject = 'CN=Jürgen Meier,O=Interop\\, Inc.,C=DE'
  // Bouncy Castle prints names in the order of their encoding, which is the reverse of RFC 4514's text.
  const encodedSubject = 'C=DE,O=Interop\\, Inc.,CN=Jürgen Meier'
  const microsoftControls = ['1.3.6.1.4.1.311.10.10.1', '1.3.6.1.5.5.7.7.5', '1.3.6.1.5.5.7.7.6']
  const standardControls = ['1.3.6.1.5.5.7.7.5', '1.3.6.1.5.5.7.7.6']
  const [rsaEncryption, ecPublicKey] = ['1.2.840.113549.1.1.1', '1.2.840.10045.2.1']
  const [des3, aes256] = ['1.2.840.113549.3.7', '2.16.840.1.101.3.4.1.42']

  it.each<readonly [RequestType, Partial<EnrollmentSettings>, object]>([
    ['cmc', {}, { publicKeyAlgorithm: rsaEncryption, contentEncryption: aes256, keyTransport: rsaEncryption }],
    [
      'cmc',
      { contentEncryption: 'des-ede3-cbc', keyTransport: { scheme: 'rsaes-oaep', digest: 'sha256' } },
      { publicKeyAlgorithm: rsaEncryption, contentEncryption: des3, keyTransport: '1.2.840.113549.1.1.7' }
    ],
    [
      'cmc',
      { key: { algorithm: 'p-256' } },
      { publicKeyAlgorithm: ecPublicKey, contentEncryption: aes256, keyTransport: rsaEncryption }
    ],
    [
      'cmc',
      { key: { algorithm: 'p-521' } },
      { publicKeyAlgorithm: ecPublicKey, contentEncryption: aes256, keyTransport: rsaEncryption }
    ],
    ['crmf', {}, { publicKeyAlgorithm: rsaEncryption, contentEncryption: aes256, keyTransport: rsaEncryption }],
    [
      'crmf',
      { key: { algorithm: 'p-384' } },
      { publicKeyAlgorithm: ecPublicKey, contentEncryption: aes256, keyTransport: rsaEncryption }
    ]
  ])('is read and verified by Bouncy Castle: %s, %j', async (type, settings, expected) => {
    const request = await newEnrollment(settings).createRequest({ type, subject, template: { name: 'UserEncryption' } })
    const report = await runJava('DecodeRequest', [await directory.put('request.der', request)])
    const isMicrosoft = type === 'cmc'
    expect(report).toMatchObject({
      contentType: '1.3.6.1.5.5.7.12.2',
      der: true,
      controls: isMicrosoft ? microsoftControls : standardControls,
      request: { form: isMicrosoft ? 'pkcs10' : 'crmf', subject: encodedSubject, signatureVerified: true },
      signers: [{ keyFrom: 'request', keyId: report.request.keyId, verified: true }],
      archivedKey: {
        placement: isMicrosoft ? 'unsigned-attribute' : 'crmf-control',
        version: 0,
        recipients: [{ issuer: 'CN=Test CA', serialNumber: decodeCertificate(exchange).serialHex.replace(/^0+/, '') }],
        contentType: isMicrosoft ? '1.2.840.113549.1.7.1' : '1.2.840.113549.1.9.16.1.21',
        hashMatches: isMicrosoft ? true : null
      }
    })
    const { recipients = [], contentEncryption } = report.archivedKey ?? {}
    const { publicKeyAlgorithm } = report.request
    expect({ publicKeyAlgorithm, contentEncryption, keyTransport: recipients[0]?.keyTransport }).toEqual(expected)
    expect(BigInt(report.transactionId ?? '0').toString(16)).toMatch(/^[4-7][0-9a-f]{31}$/)
    expect(report.senderNonce).toMatch(/^[0-9a-f]{32}$/)
  })
})

describe.each<RequestType>(['cmc', 'crmf'])('a full response to a request of the form %s', type => {
  /** Enrolls by the SDK; gives what Bouncy Castle reads in the request and in the response. */
  async function enroll(template: string, settings?: Partial<EnrollmentSettings>) {
    const enrollment = newEnrollment(settings)
    const request = await enrollment.createRequest({ type, subject: 'CN=Jane', template: { name: template } })
    const client = server.connect(await server.addPrincipal())
    await client.submit(request)
    const response = await client.getFullResponse()
    const asked = await runJava('DecodeRequest', [await directory.put('request.der', request)])
    const told = await runJava('VerifyFullResponse', [await directory.put('response.der', response), ca])
    return { enrollment, client, response, asked, told }
  }

  type Enrolled = Awaited<ReturnType<typeof enroll>>

  /** What every response has in common: who signed it, and which request it answers. */
  function addressed({ asked, told }: Enrolled): object {
    expect(told.senderNonce).toMatch(/^[0-9a-f]{32}$/)
    expect(told.senderNonce).not.toBe(asked.senderNonce)
    return {
      der: true,
      signerVerified: true,
      statusInfoVersion: type === 'cmc' ? 1 : 2,
      bodyList: [asked.request.bodyPartId],
      transactionId: asked.transactionId,
      recipientNonce: asked.senderNonce
    }
  }

  it('tells of an issued certificate, and by its hash of the archived key', async () => {
    const enrolled = await enroll('UserEncryption')
    const { asked, told, client, enrollment, response } = enrolled
    const certificate = await client.getCertificate()
    const envelope = Buffer.from(asked.archivedKey?.envelope ?? '', 'base64')
    expect(told).toMatchObject({
      ...addressed(enrolled),
      status: 0,
      statusString: 'Issued',
      failInfo: null,
      pendToken: null,
      issuedCertificateHash: digest('sha1', certificate),
      encryptedKeyHash: digest('sha256', envelope),
      hashMatchesCertificate: true,
      issuedCertificate: {
        sha256: digest('sha256', certificate),
        publicKeySha256: asked.request.publicKeySha256,
        signedByCa: true
      }
    })
    expect(Buffer.from((await enrollment.acceptResponse(response)).certificate).equals(certificate)).toBe(true)
    await client[Symbol.asyncDispose]()
  })

  it('tells of a request that waits for an officer, with the token to ask by', async () => {
    const enrolled = await enroll(heldTemplate.name)
    const { told, client } = enrolled
    expect(told).toMatchObject({
      ...addressed(enrolled),
      status: 3,
      statusString: 'Taken Under Submission',
      failInfo: null,
      pendToken: String(client.requestId),
      issuedCertificateHash: null,
      encryptedKeyHash: null,
      issuedCertificate: null
    })
    const submitted = client.status.submittedAt.replace(/\D/g, '').slice(0, 14)
    expect(told.pendTime?.replace(/\D/g, '').slice(0, 14)).toBe(submitted)
    await client[Symbol.asyncDispose]()
  })

  it('tells of a refusal, in the standard dialect with its reason', async () => {
    // The template archives no keys, and the request brings one.
    const enrolled = await enroll('UserSignature')
    const { told, client } = enrolled
    expect(client.status.statusSymbol).toBe('CERTSRV_E_ARCHIVED_KEY_UNEXPECTED')
    expect(told).toMatchObject({
      ...addressed(enrolled),
      status: 2,
      // badRequest; Microsoft's dialect has no failInfo.
      failInfo: type === 'cmc' ? null : 2,
      issuedCertificateHash: null,
      encryptedKeyHash: null,
      issuedCertificate: null
    })
    await client[Symbol.asyncDispose]()
  })
})

describe('a request without a key where the template demands one', () => {
  it.each<RequestType>(['cmc', 'crmf'])('is answered with mustArchiveKeys: %s', async type => {
    const enrollment = new Enrollment({ trust: server.root })
    const request = await enrollment.createRequest({ type, subject: 'CN=Jane', template: { name: 'UserEncryption' } })
    await using client = server.connect(await server.addPrincipal())
    await client.submit(request)
    expect(client.status.statusSymbol).toBe('CERTSRV_E_ARCHIVED_KEY_REQUIRED')
    const response = await directory.put('response.der', await client.getFullResponse())
    // Without Microsoft's own controls even a PKCS#10 in CMC is answered as the standard has it.
    expect(await runJava('VerifyFullResponse', [response, ca])).toMatchObject({
      signerVerified: true,
      status: 2,
      statusInfoVersion: 2,
      failInfo: 6
    })
  })
})

describe('a CRMF request that Bouncy Castle has made', () => {
  const subject = 'CN=Bouncy Castle,O=Interop'

  it.each(['Submit', 'CMC over HTTP'])('is issued, answered and its key sealed, sent by %s', async way => {
    const requester = await server.addPrincipal()
    const exchangeFile = await directory.putCertificates('exchange.pem', exchange)
    const files = [exchangeFile, subject, directory.at('crmf.der'), directory.at('crmf.key')]
    const made = await runJava('MakeCrmfArchival', [...files, userEncryption().oid])
    const request = await directory.read('crmf.der')
    const exchanged = way === 'Submit' ? undefined : await exchangeCmc(server, requester, request)
    // The same bytes again give the same request.
    const status = await submitBytes(server, requester, request)
    expect(status).toMatchObject({ dispositionMessage: 'Issued', archivedKey: true })

    const response = exchanged ?? (await fullResponseOf(server, requester, status.requestId))
    const asked = await runJava('DecodeRequest', [directory.at('crmf.der')])
    const told = await runJava('VerifyFullResponse', [await directory.put('response.der', response), ca])
    expect(told).toMatchObject({
      der: true,
      signerVerified: true,
      status: 0,
      statusInfoVersion: 2,
      bodyList: [made.bodyPartId],
      transactionId: made.transactionId,
      recipientNonce: made.nonce,
      hashMatchesCertificate: true,
      encryptedKeyHash: digest('sha256', Buffer.from(asked.archivedKey?.envelope ?? '', 'base64')),
      issuedCertificate: { publicKeySha256: made.publicKeySha256, signedByCa: true }
    })
    const kept = await runOpenssl(['pkey', '-in', directory.at('crmf.key'), '-outform', 'DER'])
    for (const agent of server.agents) {
      const sealed = await openSealedKeyWithOpenssl(server, status.requestId, agent, directory)
      const recovered = await runOpenssl(['pkey', '-inform', 'DER', '-outform', 'DER'], sealed)
      expect(recovered.equals(kept)).toBe(true)
    }
  })

  it('is kept without the key, as ASN.1 that OpenSSL still reads to its end', async () => {
    const requester = await server.addPrincipal()
    const exchangeFile = await directory.putCertificates('exchange.pem', exchange)
    const files = [exchangeFile, subject, directory.at('crmf.der'), directory.at('crmf.key')]
    await runJava('MakeCrmfArchival', [...files, userEncryption().oid])
    const { requestId } = await submitBytes(server, requester, await directory.read('crmf.der'))
    const { rawRequest } = await requestRowOf(server, requestId)
    const sent = await runJava('DecodeRequest', [directory.at('crmf.der')])
    const ciphertext = Buffer.from(sent.archivedKey?.envelope ?? '', 'base64').subarray(-200)
    expect((await directory.read('crmf.der')).includes(ciphertext)).toBe(true)
    expect(rawRequest.includes(ciphertext)).toBe(false)

    const parse = ['asn1parse', '-inform', 'DER', '-in', await directory.put('stored.der', rawRequest)]
    const content = /^ *(\d+):.*prim: OCTET STRING/m.exec((await runOpenssl(parse)).toString())?.[1] ?? ''
    const pkiData = (await runOpenssl([...parse, '-strparse', content])).toString()
    expect(pkiData).toContain('Bouncy Castle')
    // Zeros where elements are expected are read as ends of contents.
    expect(pkiData).not.toContain('EOC')
  })
})

describe('an elliptic-curve key that the SDK archives as Windows does', () => {
  it('is in the sealed key with the private number that OpenSSL prints of it', async () => {
    const enrollment = newEnrollment({ key: { algorithm: 'p-384' } })
    const request = await enrollment.createRequest({ type: 'cmc', template: { name: 'UserEncryption' } })
    await using client = server.connect(await server.addPrincipal())
    await client.submit(request)
    expect(client.dispositionMessage).toBe('Issued')
    const { privateKey } = await enrollment.acceptResponse(await client.getFullResponse())
    const text = await runOpenssl(['pkey', '-noout', '-text', '-in', await directory.putKey('ec.key', privateKey)])
    const number = /priv:([\s0-9a-f:]+)pub:/.exec(text.toString())?.[1]?.replace(/[^0-9a-f]/g, '')
    for (const agent of server.agents) {
      const blob = await openSealedKeyWithOpenssl(server, client.requestId, agent, directory)
      // BCRYPT_ECDH_PRIVATE_P384_MAGIC, the length, X, Y and the number, 48 octets each.
      expect([blob.subarray(0, 4).toString(), blob.readUInt32LE(4), blob.length]).toEqual(['ECK4', 48, 8 + 3 * 48])
      expect(blob.subarray(-48).toString('hex')).toBe(number?.padStart(96, '0').slice(-96))
    }
  })
})
