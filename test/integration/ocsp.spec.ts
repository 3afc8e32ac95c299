import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { CertRequest } from '@app/client'
import { OID } from '@app/oid'
import { RevocationStore } from '@app/storage'
import {
  decodeAuthorityInfoAccess,
  decodeCertificate,
  decodeExtendedKeyUsage,
  decodeOcspResponse,
  encodeOcspCertId,
  encodeOcspRequest,
  findExtension,
  formatName,
  ocspIssuerOf,
  verifyCertificateSignature,
  verifySignature,
  type DigestName,
  type OcspBasicResponse,
  type OcspCertStatus
} from '@app/x509'
import { callPlain, type HttpAnswer } from '../helpers/http-calls.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let user: TestPrincipal
let client: CertRequest
/** What an officer's console may do, in a process of its own. */
let elsewhere: RevocationStore

beforeAll(async () => {
  server = await startTestServer()
  user = await server.addPrincipal()
  client = server.connect(user)
  elsewhere = new RevocationStore((await server.database.open('console')).dataSource)
})

afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await server.stop()
})

const officer = { actor: 'EXAMPLE\\officer' }

async function enroll(): Promise<Uint8Array> {
  expect(await client.submit(await pkcs10Request({ template: 'UserSignature' }))).toBe(3)
  return decodeCertificate(await client.getCertificate()).serialNumber
}

const certIdOf = (serial: Uint8Array, digest: DigestName = 'sha1') =>
  encodeOcspCertId(digest, ocspIssuerOf(server.ca.certificate, digest), serial)

const post = (body: Uint8Array, path = '/ocsp/1-0', type = 'application/ocsp-request'): Promise<HttpAnswer> =>
  callPlain(server.httpUrl, { method: 'POST', path, headers: { 'content-type': type }, body })

const getPath = (request: Uint8Array) => `/ocsp/1-0/${encodeURIComponent(Buffer.from(request).toString('base64'))}`

/** What a client that trusts the CA alone makes of an answer; fails when it should not be trusted. */
function trusted(answer: HttpAnswer): OcspBasicResponse {
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/ocsp-response'])
  const response = decodeOcspResponse(answer.body)
  if (response.status !== 'successful') throw new Error(response.status)
  const { basic } = response
  const [der = new Uint8Array()] = basic.certificates
  const responder = decodeCertificate(der)
  verifyCertificateSignature(responder, server.ca.certificate.publicKey)
  const { responseData: data, signatureAlgorithm, signature } = basic
  expect(verifySignature({ publicKey: responder.publicKey, data, signatureAlgorithm, signature }).valid).toBe(true)
  return basic
}

async function statusOf(serial: Uint8Array, nonce?: Uint8Array): Promise<OcspCertStatus | undefined> {
  return trusted(await post(encodeOcspRequest([certIdOf(serial)], nonce))).responses[0]?.status
}

describe('an OCSP answer', () => {
  it('is signed by a short-lived responder that the CA has named for it', async () => {
    const serial = await enroll()
    const basic = trusted(await post(encodeOcspRequest([certIdOf(serial)])))
    const responder = decodeCertificate(basic.certificates[0] ?? new Uint8Array())
    expect(formatName(responder.subject)).toBe('CN=Test CA OCSP')
    expect(basic.responder).toEqual({ keyId: Buffer.from(responder.publicKey.keyId) })
    const valueOf = (oid: string) => findExtension(responder, oid)?.value ?? new Uint8Array()
    expect(decodeExtendedKeyUsage(valueOf(OID.id_ce_extKeyUsage))).toEqual([OID.id_kp_OCSPSigning])
    expect(findExtension(responder, OID.id_pkix_ocsp_nocheck)).toBeDefined()
    expect(findExtension(responder, OID.id_ce_cRLDistributionPoints)).toBeUndefined()
    expect(responder.notAfter.getTime() - Date.now()).toBeLessThanOrEqual(168 * 3_600_000)
    const [single] = basic.responses
    expect(single?.status).toEqual({ kind: 'good' })
    expect((single?.nextUpdate?.getTime() ?? 0) - (single?.thisUpdate.getTime() ?? 0)).toBe(3_600_000)
  })

  it.each(['sha1', 'sha256', 'sha384', 'sha512'] as const)('is given for an issuer named by %s', async digest => {
    const serial = await enroll()
    const basic = trusted(await post(encodeOcspRequest([certIdOf(serial, digest)])))
    expect(basic.responses.map(({ status }) => status.kind)).toEqual(['good'])
  })

  it('is where certificates say it is, and the other way round', async () => {
    await client.submit(await pkcs10Request({ template: 'UserSignature' }))
    const access = findExtension(decodeCertificate(await client.getCertificate()), OID.id_pe_authorityInfoAccess)
    expect(decodeAuthorityInfoAccess(access?.value ?? new Uint8Array()).ocsp).toEqual([
      `${server.config.httpBaseUrl}/ocsp/1-0`
    ])
  })

  it('echoes the nonce and is never given twice then', async () => {
    const serial = await enroll()
    const nonces = [1, 16, 32, 128].map(octets => randomBytes(octets))
    for (const nonce of nonces) {
      const basic = trusted(await post(encodeOcspRequest([certIdOf(serial)], nonce)))
      expect(Buffer.from(basic.nonce ?? []).equals(nonce)).toBe(true)
    }
    const first = await post(encodeOcspRequest([certIdOf(serial)], nonces[1]))
    expect(first.headers['cache-control']).toBe('no-store')
  })

  it('without a nonce is the same until the status changes, at once also when another process changes it', async () => {
    const serial = await enroll()
    const request = encodeOcspRequest([certIdOf(serial)])
    const first = await post(request)
    expect((await post(request)).body.equals(first.body)).toBe(true)
    const certificate = { caId: server.ca.id, serialNumber: serial }
    await elsewhere.revoke(certificate, { reason: 6 }, officer, new Date())
    // Within this process it is told; others look within a second.
    await vi.waitFor(async () => expect(await statusOf(serial)).toMatchObject({ kind: 'revoked' }), { timeout: 2000 })
    await elsewhere.release(certificate, undefined, officer, new Date())
    server.running.runtime.statusChanges.notify(server.ca.id)
    expect(await statusOf(serial)).toEqual({ kind: 'good' })
    await elsewhere.revoke(certificate, { reason: 1 }, officer, new Date())
    expect(await statusOf(serial, randomBytes(16))).toMatchObject({ kind: 'revoked', reason: 'keyCompromise' })
    server.running.runtime.statusChanges.notify(server.ca.id)
    expect(await statusOf(serial)).toMatchObject({ kind: 'revoked', reason: 'keyCompromise' })
  })

  it('tells of several certificates, those of other issuers and those never issued as unknown', async () => {
    const serial = await enroll()
    const other = await server.addCa('Other CA')
    const foreign = encodeOcspCertId('sha1', ocspIssuerOf(other.certificate, 'sha1'), serial)
    const ids = [certIdOf(serial), certIdOf(randomBytes(16).fill(1, 0, 1), 'sha256'), foreign, certIdOf(Buffer.of(0))]
    const basic = trusted(await post(encodeOcspRequest(ids)))
    expect(basic.responses.map(({ status }) => status.kind)).toEqual(['good', 'unknown', 'unknown', 'unknown'])
    expect(basic.responses.map(({ certId }) => Buffer.from(certId.raw).toString('hex'))).toEqual(
      ids.map(id => Buffer.from(id).toString('hex'))
    )
  })

  it('is unauthorized for nothing but certificates of other issuers, and for broken requests malformed', async () => {
    const stranger = encodeOcspCertId('sha1', { nameHash: randomBytes(20), keyHash: randomBytes(20) }, Buffer.of(5))
    const statusFor = async (body: Uint8Array) => decodeOcspResponse((await post(body)).body).status
    expect(await statusFor(encodeOcspRequest([stranger]))).toBe('unauthorized')
    expect(await statusFor(Buffer.from('nonsense'))).toBe('malformedRequest')
    expect(await statusFor(encodeOcspRequest([]))).toBe('malformedRequest')
    expect(await statusFor(encodeOcspRequest([certIdOf(Buffer.of(5))], Buffer.alloc(0)))).toBe('malformedRequest')
  })

  it('of a number that a crash left unexplained is revoked, and of one in flight unknown', async () => {
    const serial = await enroll()
    const other = await enroll()
    const state = (to: string, of: Uint8Array) =>
      server.sql(
        `ALTER TABLE certkeep.certificate DISABLE TRIGGER USER;
         UPDATE certkeep.certificate SET state = '${to}', certificate = NULL, sha1 = NULL, sha256 = NULL, issued_at = NULL
         WHERE serial_number = decode('${Buffer.from(of).toString('hex')}', 'hex');
         ALTER TABLE certkeep.certificate ENABLE TRIGGER USER`
      )
    await state('abandoned', serial)
    await state('reserved', other)
    expect(await statusOf(serial)).toMatchObject({ kind: 'revoked' })
    expect(await statusOf(other)).toEqual({ kind: 'unknown' })
  })
})

describe('the responder', () => {
  it('answers GET with what caches need, and not again to who has it', async () => {
    const request = encodeOcspRequest([certIdOf(await enroll())])
    const answer = await callPlain(server.httpUrl, { path: getPath(request) })
    const { thisUpdate, nextUpdate } = trusted(answer).responses[0] ?? {}
    expect(answer.headers).toMatchObject({
      'last-modified': thisUpdate?.toUTCString(),
      expires: nextUpdate?.toUTCString(),
      etag: `"${createHash('sha1').update(answer.body).digest('hex')}"`
    })
    expect(answer.headers['cache-control']).toMatch(/^max-age=\d+, public, no-transform, must-revalidate$/)
    const headers = { 'if-none-match': String(answer.headers['etag']) }
    const again = await callPlain(server.httpUrl, { path: getPath(request), headers })
    expect([again.status, again.body.length]).toEqual([304, 0])
    const bare = await callPlain(server.httpUrl, { path: `/ocsp/1-0/${Buffer.from(request).toString('base64')}` })
    expect(bare.body.equals(answer.body)).toBe(true)
    const broken = await callPlain(server.httpUrl, { path: '/ocsp/1-0/@@@' })
    expect(decodeOcspResponse(broken.body).status).toBe('malformedRequest')
  })

  it('takes no other type, size, path or method', async () => {
    const request = encodeOcspRequest([certIdOf(Buffer.of(5))])
    expect((await post(request, '/ocsp/1-0', 'application/octet-stream')).status).toBe(415)
    expect((await post(Buffer.alloc(8193))).status).toBe(413)
    expect((await post(request, '/ocsp/1-1')).status).toBe(404)
    expect((await post(request, '/ocsp/9-0')).status).toBe(404)
    expect((await post(request, '/crl/1')).status).toBe(404)
    expect((await callPlain(server.httpUrl, { path: '/ocsp/1-0' })).status).toBe(404)
    expect((await callPlain(server.httpUrl, { method: 'PUT', path: '/ocsp/1-0', body: request })).status).toBe(404)
  })

  it('has one certificate for many answers, and a new one before it ends and after a restart', async () => {
    const certificates = async () =>
      (
        await server.sql<{ serial: Buffer }>(
          `SELECT serial_number AS serial FROM certkeep.certificate WHERE template_name = 'OCSPResponseSigning'`
        )
      ).length
    expect(await certificates()).toBe(1)
    const serial = await enroll()
    await client[Symbol.asyncDispose]()
    await server.restart()
    client = server.connect(user)
    expect(await statusOf(serial)).toEqual({ kind: 'good' })
    expect(await certificates()).toBe(2)
  })

  it('says try later when it gets no certificate', async () => {
    const serial = await enroll()
    await client[Symbol.asyncDispose]()
    await server.restart()
    client = server.connect(user)
    await server.sql(`UPDATE certkeep.template SET state = 'retired' WHERE name = 'OCSPResponseSigning'`)
    const answer = await post(encodeOcspRequest([certIdOf(serial)]))
    expect(decodeOcspResponse(answer.body)).toEqual({ status: 'tryLater' })
  })
})
