import type { CertRequest, Console } from '@app/client'
import type { KeySpec } from '@app/keys'
import { decodeCertificate, decodeCrl, encodeOcspCertId, encodeOcspRequest, ocspIssuerOf } from '@app/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callPlain } from '../helpers/http-calls.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { runJava, runOpenssl } from './programs.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

let directory: WorkDirectory

beforeAll(async () => {
  directory = await makeWorkDirectory()
})

afterAll(() => directory.remove())

interface Enrolled {
  readonly serial: string
  readonly serialNumber: Uint8Array
  /** PEM */
  readonly file: string
}

async function enroll(client: CertRequest, name: string): Promise<Enrolled> {
  if ((await client.submit(await pkcs10Request({ template: 'UserSignature' }))) !== 3) {
    throw new Error(client.dispositionMessage)
  }
  const certificate = decodeCertificate(await client.getCertificate())
  const file = await directory.putCertificates(`${name}.pem`, certificate.raw)
  return { serial: certificate.serialHex, serialNumber: certificate.serialNumber, file }
}

/** The newest CRL as PEM, once it is as wanted. */
async function crlFile(
  server: TestServer,
  name: string,
  isWanted: (serials: readonly string[]) => boolean,
  ending = '.crl'
): Promise<string> {
  let body: Uint8Array = new Uint8Array()
  const serials = async () => {
    const answer = await callPlain(server.httpUrl, { path: `/crl/${server.ca.id}-0${ending}` })
    body = answer.body
    return answer.status === 200 ? decodeCrl(body).entries.map(({ serialHex }) => serialHex) : ['none']
  }
  await expect.poll(async () => isWanted(await serials()), { timeout: 20_000 }).toBe(true)
  return directory.put(name, await runOpenssl(['crl', '-inform', 'DER'], body))
}

const complaintOf = (run: Promise<unknown>): Promise<string> =>
  run.then(
    () => 'none',
    (error: Error) => error.message
  )

describe.each<KeySpec>(['rsa-2048', 'p-384', 'ed25519'])('a CA with a key of the kind %s', key => {
  let server: TestServer
  let client: CertRequest
  let officer: Console
  let root: string
  let good: Enrolled
  let lost: Enrolled
  let held: Enrolled

  beforeAll(async () => {
    server = await startTestServer({ key, agents: 0, settings: { crl: { revocationDelaySeconds: 0 } } })
    client = server.connect(await server.addPrincipal())
    officer = server.operate(await server.addOperator('officer'))
    root = await directory.put(`root-${key}.pem`, server.root)
    good = await enroll(client, `good-${key}`)
    lost = await enroll(client, `lost-${key}`)
    held = await enroll(client, `held-${key}`)
    await officer.certificates.revoke(lost.serial, {
      reason: 'keyCompromise',
      invalidityDate: '2026-01-02T03:04:05.000Z'
    })
    await officer.certificates.revoke(held.serial, { reason: 'certificateHold' })
  })

  afterAll(async () => {
    await Promise.all([client[Symbol.asyncDispose](), officer[Symbol.asyncDispose]()])
    await server.stop()
  })

  const isBoth = (serials: readonly string[]) => serials.includes(lost.serial) && serials.includes(held.serial)
  const verify = (crl: string, { file }: Enrolled) =>
    runOpenssl([['verify', '-x509_strict', '-CAfile', root, '-crl_check', '-CRLfile', crl, file]])

  it('makes CRLs by which OpenSSL refuses what is revoked, and shows what they say', async () => {
    const crl = await crlFile(server, `both-${key}.crl`, isBoth)
    await runOpenssl(['crl', '-verify', '-in', crl, '-CAfile', root, '-noout'])
    expect((await verify(crl, good)).toString()).toContain(': OK')
    for (const revoked of [lost, held]) expect(await complaintOf(verify(crl, revoked))).toContain('certificate revoked')
    const text = (await runOpenssl(['crl', '-in', crl, '-noout', '-text'])).toString()
    expect(text).toMatch(/X509v3 CRL Number: \s+\d+\n/)
    expect(text).toMatch(/X509v3 Freshest CRL: \s+Full Name:\s+URI:\S+\/crl\/1-0\+\.crl/)
    expect(text).toMatch(/X509v3 Authority Key Identifier/)
    for (const oid of ['1.3.6.1.4.1.311.21.1', '1.3.6.1.4.1.311.21.4', '1.3.6.1.4.1.311.21.14']) {
      expect(text).toContain(oid)
    }
    expect(text).toMatch(/X509v3 CRL Reason Code: \s+Key Compromise/)
    expect(text).toMatch(/Invalidity Date: \s+Jan {2}2 03:04:05 2026 GMT/)
    expect(text).toMatch(/X509v3 CRL Reason Code: \s+Certificate Hold/)
  })

  it.each([
    ['sha1', '-nonce'],
    ['sha1', '-no_nonce'],
    ['sha256', '-nonce'],
    ['sha256', '-no_nonce']
  ])('answers OpenSSL over OCSP, the issuer named by %s, with %s', async (digest, nonce) => {
    const files = [good, lost, held].flatMap(({ file }) => ['-cert', file])
    const url = `${server.httpUrl}/ocsp/${server.ca.id}-0`
    const answer = directory.at(`answer-${key}-${digest}${nonce}.der`)
    const output = (
      await runOpenssl([
        ['ocsp', '-issuer', root, `-${digest}`, ...files],
        ['-url', url, '-CAfile', root, nonce, '-respout', answer]
      ])
    ).toString()
    expect(output).toContain(`${good.file}: good`)
    expect(output).toMatch(new RegExp(`${lost.file}: revoked[^]*?Reason: keyCompromise`))
    expect(output).toMatch(new RegExp(`${held.file}: revoked[^]*?Reason: certificateHold`))
    const text = (
      await runOpenssl([['ocsp', '-respin', answer, '-CAfile', root, '-issuer', root, '-resp_text']])
    ).toString()
    expect(text).toContain('OCSP Response Status: successful')
    expect(text).toContain('OCSP Signing')
    expect(text.includes('OCSP Nonce')).toBe(nonce === '-nonce')
  })

  it('answers a request that is in the address, as OpenSSL reads it', async () => {
    const certId = encodeOcspCertId('sha1', ocspIssuerOf(server.ca.certificate, 'sha1'), lost.serialNumber)
    const request = Buffer.from(encodeOcspRequest([certId])).toString('base64')
    const { body } = await callPlain(server.httpUrl, { path: `/ocsp/1-0/${encodeURIComponent(request)}` })
    const answer = await directory.put(`get-${key}.der`, body)
    const chosen = ['-issuer', root, '-cert', lost.file]
    const output = await runOpenssl([['ocsp', '-respin', answer, '-CAfile', root, ...chosen, '-no_nonce']])
    expect(output.toString()).toContain(`${lost.file}: revoked`)
  })

  it('is understood by Bouncy Castle', async () => {
    const certId = encodeOcspCertId('sha256', ocspIssuerOf(server.ca.certificate, 'sha256'), lost.serialNumber)
    const nonce = Buffer.from('00112233445566778899aabbccddeeff', 'hex')
    const { body } = await callPlain(server.httpUrl, {
      method: 'POST',
      path: '/ocsp/1-0',
      headers: { 'content-type': 'application/ocsp-request' },
      body: encodeOcspRequest([certId], nonce)
    })
    const file = await directory.put(`bc-${key}.der`, body)
    expect(await runJava('VerifyOcspResponse', [file, root, lost.file])).toMatchObject({
      signatureVerified: true,
      responderVerified: true,
      ocspSigning: true,
      noCheck: true,
      nonce: nonce.toString('hex'),
      statuses: [{ matches: true, status: 'revoked', reason: 1 }]
    })
  })

  it('takes a certificate off hold, for OCSP at once and for the next CRL', async () => {
    await officer.certificates.unrevoke(held.serial)
    const url = `${server.httpUrl}/ocsp/${server.ca.id}-0`
    const chosen = ['-issuer', root, '-cert', held.file]
    const output = await runOpenssl([['ocsp', ...chosen, '-url', url, '-CAfile', root]])
    expect(output.toString()).toContain(`${held.file}: good`)
    const crl = await crlFile(server, `off-${key}.crl`, serials => !serials.includes(held.serial))
    expect((await verify(crl, held)).toString()).toContain(': OK')
    expect(await complaintOf(verify(crl, lost))).toContain('certificate revoked')
  })
})

describe('a delta CRL', () => {
  let server: TestServer
  let client: CertRequest
  let officer: Console
  let root: string

  beforeAll(async () => {
    const crl = { onRevocation: 'delta', revocationDelaySeconds: 0 } as const
    server = await startTestServer({ agents: 0, settings: { crl } })
    client = server.connect(await server.addPrincipal())
    officer = server.operate(await server.addOperator('officer'))
    root = await directory.put('root.pem', server.root)
  })

  afterAll(async () => {
    await Promise.all([client[Symbol.asyncDispose](), officer[Symbol.asyncDispose]()])
    await server.stop()
  })

  it('takes effect upon its base, for OpenSSL too: revocation, hold and release', async () => {
    const lost = await enroll(client, 'delta-lost')
    const held = await enroll(client, 'delta-held')
    const verify = (base: string, delta: string, { file }: Enrolled) =>
      runOpenssl([
        ['verify', '-CAfile', root, '-crl_check', '-extended_crl', '-use_deltas'],
        ['-CRLfile', base, '-CRLfile', delta, file]
      ])
    const base = await crlFile(server, 'base.crl', () => true)
    await officer.certificates.revoke(lost.serial, { reason: 'keyCompromise' })
    await officer.certificates.revoke(held.serial, { reason: 'certificateHold' })
    const isOn = (serial: string) => (serials: readonly string[]) => serials.includes(serial)
    const first = await crlFile(server, 'first.crl', isOn(held.serial), '+.crl')
    const plain = ['verify', '-CAfile', root, '-crl_check', '-CRLfile', base]
    expect((await runOpenssl([plain, [lost.file]])).toString()).toContain(': OK')
    for (const one of [lost, held]) expect(await complaintOf(verify(base, first, one))).toContain('certificate revoked')

    // A base with the hold, and a delta that takes it off.
    await using admin = server.operate(await server.addOperator('administrator'))
    await admin.crls.publish(server.ca.name)
    const second = await crlFile(server, 'second.crl', isOn(held.serial))
    await officer.certificates.unrevoke(held.serial)
    const reasonOf = async () => {
      const { body } = await callPlain(server.httpUrl, { path: '/crl/1-0+.crl' })
      return decodeCrl(body).entries.find(({ serialHex }) => serialHex === held.serial)?.reason
    }
    await expect.poll(reasonOf, { timeout: 20_000 }).toBe('removeFromCRL')
    const third = await crlFile(server, 'third.crl', isOn(held.serial), '+.crl')
    for (const known of [base, second]) {
      expect((await verify(known, third, held)).toString()).toContain(': OK')
      expect(await complaintOf(verify(known, third, lost))).toContain('certificate revoked')
    }
    const text = (await runOpenssl(['crl', '-in', third, '-noout', '-text'])).toString()
    expect(text).toMatch(/X509v3 Delta CRL Indicator: critical\s+\d+\n/)
    expect(text).toMatch(/X509v3 CRL Reason Code: \s+Remove From CRL/)
    expect(text).toContain('1.3.6.1.4.1.311.21.3')
    expect(text).not.toContain('Freshest')
  })
})
