import { Enrollment, FR_PROP_FULLRESPONSE } from '@app/client'
import type { KeySpec } from '@app/keys'
import { decodeCertificate, formatName } from '@app/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sealToAnyAgent } from '../helpers/administration.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { runJava, runOpenssl } from './programs.js'
import { openSealedKeyWithOpenssl } from './sealed-keys.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

let directory: WorkDirectory

beforeAll(async () => {
  directory = await makeWorkDirectory()
})

afterAll(() => directory.remove())

interface Enrolled {
  readonly requestId: number
  readonly enrollment: Enrollment
  readonly certificate: Uint8Array
  readonly exchange: Uint8Array
  /** DER of the CA's certificate and those above it. */
  readonly authorities: readonly Uint8Array[]
  readonly fullResponse: Uint8Array
}

/** Has an RSA key archived and certified, up to the response that is not accepted yet. */
async function enroll(server: TestServer): Promise<Enrolled> {
  await using client = server.connect(await server.addPrincipal())
  const exchange = await client.getCACertificate({ exchange: true })
  const { certificates: authorities } = await client.getAuthority()
  const settings = { trust: server.root, privateKeyArchiveCertificate: exchange, chain: authorities }
  const enrollment = new Enrollment(settings)
  const request = await enrollment.createRequest({ type: 'cmc', template: { name: 'UserEncryption' } })
  await client.submit(request)
  if (!client.isIssued) throw new Error(client.dispositionMessage)
  const fullResponse = await client.getFullResponseProperty(FR_PROP_FULLRESPONSE)
  const certificate = await client.getCertificate()
  return { requestId: client.requestId, enrollment, certificate, exchange, authorities, fullResponse }
}

/** The number that OpenSSL prints of an RSA key; the same for the private and the public half. */
async function modulusOf(...input: readonly string[]): Promise<string> {
  return (await runOpenssl([...input, '-noout', '-modulus'])).toString()
}

/** PEM of the newest CRL, from the plain HTTP listener. */
async function fetchCrl({ httpUrl, ca }: TestServer): Promise<Buffer> {
  const response = await fetch(`${httpUrl}/crl/${ca.id}-0.crl`)
  return runOpenssl(['crl', '-inform', 'DER'], new Uint8Array(await response.arrayBuffer()))
}

async function expectSealed(server: TestServer, { requestId }: Enrolled, certificate: string): Promise<void> {
  const modulus = await modulusOf('x509', '-in', certificate)
  for (const agent of server.agents) {
    const blob = await openSealedKeyWithOpenssl(server, requestId, agent, directory)
    const file = await directory.put('recovered.blob', blob)
    expect(await modulusOf('rsa', '-inform', 'MSBLOB', '-in', file)).toBe(modulus)
  }
}

describe.each<readonly [KeySpec, scheme: string]>([
  ['rsa-2048', 'sha256WithRSAEncryption'],
  ['p-256', 'ecdsa-with-SHA256'],
  ['p-384', 'ecdsa-with-SHA384'],
  ['ed25519', 'ED25519']
])('a root CA with a key of the kind %s', (key, scheme) => {
  let server: TestServer
  let enrolled: Enrolled

  beforeAll(async () => {
    server = await startTestServer({ key })
    await sealToAnyAgent(server)
    enrolled = await enroll(server)
  })

  afterAll(() => server.stop())

  it('hands out an RSA exchange certificate that OpenSSL verifies', async () => {
    const exchange = await directory.putCertificates('exchange.pem', enrolled.exchange)
    const root = await directory.put('root.pem', server.root)
    expect((await runOpenssl(['verify', '-x509_strict', '-CAfile', root, exchange])).toString()).toContain(': OK')
    const text = (await runOpenssl(['x509', '-in', exchange, '-noout', '-text'])).toString()
    expect(text).toContain(`Signature Algorithm: ${scheme}`)
    expect(text).toMatch(/Public Key Algorithm: rsaEncryption\s+Public-Key: \(2048 bit\)/)
    expect(text).toMatch(/Key Usage: critical\s+Key Encipherment\n/)
    expect(text).toContain('1.3.6.1.4.1.311.21.5')
  })

  it('certifies a key, has it archived, and answers so that the SDK accepts it', async () => {
    const accepted = await enrolled.enrollment.acceptResponse(enrolled.fullResponse)
    const certificate = await directory.putCertificates('issued.pem', accepted.certificate)
    const root = await directory.put('root.pem', server.root)
    expect((await runOpenssl(['verify', '-x509_strict', '-CAfile', root, certificate])).toString()).toContain(': OK')
    const text = (await runOpenssl(['x509', '-in', certificate, '-noout', '-text'])).toString()
    expect(text).toContain(`Signature Algorithm: ${scheme}`)
    await expectSealed(server, enrolled, certificate)
  })

  it('signs responses and a CRL that other programs verify', async () => {
    const response = await directory.put('response.der', enrolled.fullResponse)
    const root = await directory.put('root.pem', server.root)
    expect(await runJava('VerifyFullResponse', [response, root])).toMatchObject({ signerVerified: true, der: true })
    const crl = await directory.put('ca.crl', await fetchCrl(server))
    await runOpenssl(['crl', '-verify', '-in', crl, '-CAfile', root, '-noout'])
  })
})

/** A CA below an intermediate CA below a root, all of OpenSSL. */
async function certifyByOpenssl(request: Uint8Array): Promise<readonly Uint8Array[]> {
  const newRoot = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '90', '-subj', '/C=DE/O=Interop/CN=Root']
  const ca = 'basicConstraints=critical,CA:true'
  const signs = 'keyUsage=critical,keyCertSign,cRLSign'
  await runOpenssl([
    [...newRoot, '-keyout', directory.at('root.key'), '-out', directory.at('root.pem'), '-addext', signs]
  ])
  await runOpenssl([
    ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-nodes', '-subj', '/O=Interop/CN=Intermediate'],
    ['-keyout', directory.at('intermediate.key'), '-out', directory.at('intermediate.csr')]
  ])
  const identifiers = 'authorityKeyIdentifier=keyid\nsubjectKeyIdentifier'
  await directory.put('intermediate.ext', `${ca},pathlen:1\n${signs}\n${identifiers}=hash\n`)
  await signByOpenssl('root', 'intermediate')

  const pem = await runOpenssl(['req', '-inform', 'DER', '-verify', '-noout', '-text'], request)
  expect(pem.toString()).toContain('CA:TRUE')
  await directory.put('own.csr', await runOpenssl(['req', '-inform', 'DER'], request))
  // A parent names the key as it likes; here not by the SHA-1 of RFC 5280, 4.2.1.2.
  await directory.put('own.ext', `${ca},pathlen:0\n${signs},digitalSignature\n${identifiers}=${'5A'.repeat(32)}\n`)
  await signByOpenssl('intermediate', 'own')
  return Promise.all(
    // In no order.
    ['root', 'own', 'intermediate'].map(name =>
      runOpenssl(['x509', '-in', directory.at(`${name}.pem`), '-outform', 'DER'])
    )
  )
}

async function signByOpenssl(issuer: string, name: string): Promise<void> {
  await runOpenssl([
    ['x509', '-req', '-in', directory.at(`${name}.csr`), '-days', '60', '-extfile', directory.at(`${name}.ext`)],
    ['-CA', directory.at(`${issuer}.pem`), '-CAkey', directory.at(`${issuer}.key`), '-out', directory.at(`${name}.pem`)]
  ])
}

describe('a CA below others that are of OpenSSL', () => {
  let server: TestServer
  let enrolled: Enrolled
  let issued: string

  beforeAll(async () => {
    server = await startTestServer({ caName: 'Subordinate CA', key: 'p-256', certify: certifyByOpenssl })
    await sealToAnyAgent(server)
    enrolled = await enroll(server)
    issued = await directory.putCertificates('issued.pem', enrolled.certificate)
  })

  afterAll(() => server.stop())

  it('tells its chain up to the root', () => {
    const subjects = enrolled.authorities.map(der => formatName(decodeCertificate(der).subject))
    expect(subjects).toEqual(['CN=Subordinate CA', 'CN=Intermediate,O=Interop', 'CN=Root,O=Interop,C=DE'])
  })

  it('answers with its chain, and the SDK accepts it with the root of OpenSSL for its trust', async () => {
    const accepted = await enrolled.enrollment.acceptResponse(enrolled.fullResponse)
    expect(Buffer.from(accepted.certificate).equals(enrolled.certificate)).toBe(true)
    expect(accepted.chain.map(der => decodeCertificate(der).serialHex)).toEqual(
      enrolled.authorities.map(der => decodeCertificate(der).serialHex)
    )
    const response = await directory.put('response.der', enrolled.fullResponse)
    const own = await directory.putCertificates('signer.pem', server.ca.certificate.raw)
    const report = await runJava('VerifyFullResponse', [response, own])
    expect(report).toMatchObject({ signerVerified: true, hashMatchesCertificate: true })
    expect(report.certificates).toHaveLength(4)
    await expectSealed(server, enrolled, issued)
  })

  it('is not accepted by who trusts another root', async () => {
    const { privateKey, state } = await enrolled.enrollment.exportPending()
    const trust = (
      await runOpenssl([
        ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/C=DE/O=Interop/CN=Root', '-keyout', '/dev/null']
      ])
    ).toString()
    const other = Enrollment.restore({ privateKey, state }, { trust })
    await expect(other.acceptResponse(enrolled.fullResponse)).rejects.toMatchObject({ code: 'response_signature' })
  })

  it('makes certificates and a CRL that OpenSSL verifies up to its root', async () => {
    const [root, between] = [
      await directory.put('trust.pem', server.root),
      await directory.putCertificates('between.pem', ...enrolled.authorities.slice(0, -1))
    ]
    const crl = await directory.put('own.crl', await fetchCrl(server))
    const exchange = await directory.putCertificates('exchange.pem', enrolled.exchange)
    for (const file of [issued, exchange]) {
      const verdict = await runOpenssl([
        ['verify', '-x509_strict', '-CAfile', root, '-untrusted', between, '-crl_check', '-CRLfile', crl, file]
      ])
      expect(verdict.toString()).toBe(`${file}: OK\n`)
    }
  })

  it('names its key in what it signs as its own certificate does', async () => {
    const crl = await directory.put('own.crl', await fetchCrl(server))
    const named = '5A:'.repeat(32).slice(0, -1)
    expect((await runOpenssl(['crl', '-in', crl, '-noout', '-text'])).toString()).toContain(named)
    expect((await runOpenssl(['x509', '-in', issued, '-noout', '-text'])).toString()).toContain(named)
  })

  it('serves HTTPS with a certificate of its own that its chain connects to the root', async () => {
    const [root, address] = [await directory.put('trust.pem', server.root), server.url.replace('https://', '')]
    const session = await runOpenssl([
      ['s_client', '-connect', address, '-CAfile', root, '-verify_return_error', '-verify_ip', '127.0.0.1', '-brief']
    ])
    expect(session.length).toBe(0)
  })
})
