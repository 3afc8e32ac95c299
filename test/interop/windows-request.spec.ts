import { CR_IN_CMC, CR_IN_KEYGEN, CR_IN_PKCS10, CR_IN_PKCS7, type RequestStatus } from '@app/client'
import { builtInTemplates, type CertificateTemplate } from '@app/templates'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { importExchangeKey } from '../../apps/cli/src/administration/ca-actions.js'
import { administer, offerTemplate } from '../helpers/administration.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { exchangeCmc, fullResponseOf, requestRowOf, submitBytes } from '../helpers/submission.js'
import { runJava, runOpenssl } from './programs.js'
import { openSealedKeyWithOpenssl } from './sealed-keys.js'
import { readVector, vectorPath } from '../helpers/vectors.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

const windowsRequest = 'adcs/windows-archival-rsa2048-user.der'
const exchangeKey = vectorPath('adcs/windows-archival-exchange-key.pkcs8.der')

/** What the client knew of its template: the identifier and version that its request names. */
const windowsTemplate = {
  oid: '1.3.6.1.4.1.311.21.8.10998015.4198218.6898329.11679014.10423712.128.12396513.1783547',
  majorVersion: 100,
  minorVersion: 135
} as const

/** The key hash control of the request; Windows hashes by SHA-1. */
const windowsKeyHash = '74eaf8108c8bc6e2fba7289975b440ce293d037f'

let directory: WorkDirectory

beforeAll(async () => {
  directory = await makeWorkDirectory()
  // The request names its recipient as CN=Issuer2 with this number. The certificate itself is not public.
  await runOpenssl([
    ['req', '-x509', '-utf8', '-subj', '/CN=Issuer2', '-set_serial', '0x57DE0E626D8B863629BAFC07367785A1E2319737'],
    ['-key', exchangeKey, '-keyform', 'DER', '-days', '7', '-out', directory.at('exchange.pem')],
    ['-addext', 'keyUsage=critical,keyEncipherment', '-addext', 'extendedKeyUsage=1.3.6.1.4.1.311.21.5']
  ])
})

afterAll(() => directory.remove())

/** A server that has taken over the exchange key of the request, as `ca exchange-cert` does. */
async function startWithExchangeKey(): Promise<TestServer> {
  const server = await startTestServer({ key: 'rsa-2048' })
  const files = { certificate: directory.at('exchange.pem'), key: exchangeKey }
  await administer(server, () => importExchangeKey({ ca: server.ca.name, ...files }))
  return server
}

function windowsUser(changes: Partial<CertificateTemplate> = {}): CertificateTemplate {
  const base = builtInTemplates().find(({ name }) => name === 'UserEncryption')
  if (base === undefined) throw new Error('There is no template UserEncryption.')
  const archival = { mode: 'any-agent', agentCount: 3 } as const
  return { ...base, ...windowsTemplate, name: 'WindowsUser', allowSha1ProofOfPossession: true, archival, ...changes }
}

async function publicKeyOf(certificate: string): Promise<Buffer> {
  const pem = await runOpenssl(['x509', '-in', certificate, '-inform', 'DER', '-noout', '-pubkey'])
  return runOpenssl(['pkey', '-pubin', '-outform', 'DER'], pem)
}

type Submit = (server: TestServer, requester: TestPrincipal, bytes: Uint8Array) => Promise<RequestStatus>

const ways: readonly (readonly [way: string, submit: Submit])[] = [
  ['Submit, as application/pkcs7-mime', submitBytes],
  [
    'CMC over HTTP',
    async (server, requester, bytes) => {
      const response = await exchangeCmc(server, requester, bytes)
      // The same bytes again are the same request, so this asks which one it was.
      const status = await submitBytes(server, requester, bytes)
      expect(Buffer.from(await fullResponseOf(server, requester, status.requestId)).equals(response)).toBe(true)
      return status
    }
  ]
]

describe.each(ways)('the archival request of a Windows client, sent by %s', (_, submit) => {
  let server: TestServer
  let requester: TestPrincipal
  let status: RequestStatus

  beforeAll(async () => {
    server = await startWithExchangeKey()
    await offerTemplate(server, windowsUser())
    requester = await server.addPrincipal()
    status = await submit(server, requester, readVector(windowsRequest))
  })

  afterAll(() => server.stop())

  it('is issued', () => {
    expect(status).toMatchObject({ dispositionName: 'issued', lastStatus: '0x00000000', archivedKey: true })
  })

  it('is answered with a full response that names certificate and key by the hashes the client knows', async () => {
    const bytes = await fullResponseOf(server, requester, status.requestId)
    const [response, ca] = [await directory.put('response.der', bytes), await directory.put('ca.pem', server.root)]
    const { request } = await runJava('DecodeRequest', [vectorPath(windowsRequest)])
    expect(await runJava('VerifyFullResponse', [response, ca])).toMatchObject({
      signerVerified: true,
      status: 0,
      statusString: 'Issued',
      statusInfoVersion: 1,
      encryptedKeyHash: windowsKeyHash,
      hashMatchesCertificate: true,
      issuedCertificate: { publicKeySha256: request.publicKeySha256, signedByCa: true }
    })
  })

  it('leaves a sealed key that OpenSSL opens for each agent and finds to be the key of the request', async () => {
    await using client = server.connect(requester)
    await client.retrievePending(status.requestId)
    const certificate = await directory.put('issued.der', await client.getCertificate())
    for (const agent of server.agents) {
      const blob = await openSealedKeyWithOpenssl(server, status.requestId, agent, directory)
      const file = await directory.put('recovered.blob', blob)
      const msblob = ['rsa', '-inform', 'MSBLOB', '-in', file]
      await runOpenssl([...msblob, '-check', '-noout'])
      const recovered = await runOpenssl([...msblob, '-pubout', '-outform', 'DER'])
      expect(recovered.equals(await publicKeyOf(certificate))).toBe(true)
      const modulus = await runOpenssl([...msblob, '-noout', '-modulus'])
      expect(modulus.toString()).toBe((await runOpenssl(['x509', '-in', certificate, '-noout', '-modulus'])).toString())
    }
  })

  it('is kept without the private key, and its signatures still verify', async () => {
    const { rawRequest, carriesKey } = await requestRowOf(server, status.requestId)
    const archivedKeyAttribute = Buffer.from('06092b060104018237150d', 'hex')
    expect(readVector(windowsRequest).includes(archivedKeyAttribute)).toBe(true)
    expect(rawRequest.includes(archivedKeyAttribute)).toBe(false)
    expect(carriesKey).toBe(true)
    const stored = await runJava('DecodeRequest', [await directory.put('stored.der', rawRequest)])
    expect(stored).toMatchObject({
      encryptedKeyHash: windowsKeyHash,
      request: { signatureVerified: true },
      signers: [{ keyFrom: 'request', verified: true }],
      archivedKey: null
    })
  })
})

describe('a request of a Windows client that is not granted', () => {
  let server: TestServer

  beforeAll(async () => {
    server = await startWithExchangeKey()
  })

  afterAll(() => server.stop())

  const unknownTemplate = {
    dispositionName: 'denied',
    lastStatus: '0x80094800',
    statusSymbol: 'CERTSRV_E_UNSUPPORTED_CERT_TYPE',
    failureCode: 'template_unknown'
  }
  const unsupportedForm = {
    dispositionName: 'error',
    lastStatus: '0x80091004',
    statusSymbol: 'CRYPT_E_INVALID_MSG_TYPE',
    failureCode: 'form_not_supported'
  }
  // Its one signer is the new key, and the old certificate is nowhere but in the attribute.
  const foreignRenewal = {
    dispositionName: 'denied',
    lastStatus: '0x8009400e',
    statusSymbol: 'CERTSRV_E_BAD_RENEWAL_CERT_ATTRIBUTE',
    failureCode: 'renewal_certificate'
  }
  const foreignAgent = {
    dispositionName: 'error',
    lastStatus: '0x800b0109',
    statusSymbol: 'CERT_E_UNTRUSTEDROOT',
    failureCode: 'signer_untrusted'
  }
  const unknownRecipient = {
    dispositionName: 'error',
    lastStatus: '0x8009100b',
    statusSymbol: 'CRYPT_E_RECIPIENT_NOT_FOUND',
    failureCode: 'exchange_recipient_unknown'
  }
  /** What Bouncy Castle reads in the full response of a refused request. */
  const signedRefusal = { signerVerified: true, status: 2, issuedCertificateHash: null, encryptedKeyHash: null }

  /** What becomes of a request that somebody new submits, and what its full response says. */
  async function submitted(name: string, flags: number): Promise<{ readonly told: object; readonly response: object }> {
    await using client = server.connect(await server.addPrincipal())
    await client.submit(readVector(name), { flags })
    const { requestId, dispositionName, lastStatus, statusSymbol } = client.status
    const { failureCode } = await requestRowOf(server, requestId)
    const response = await directory.put('refusal.der', await client.getFullResponse())
    return {
      told: { dispositionName, lastStatus, statusSymbol, failureCode },
      response: await runJava('VerifyFullResponse', [response, await directory.put('ca.pem', server.root)])
    }
  }

  it.each([
    [windowsRequest, CR_IN_CMC, unknownTemplate],
    ['adcs/certreq-archival-rsa1024.der', CR_IN_CMC, unknownRecipient],
    ['adcs/certreq-cmc-new.der', CR_IN_CMC, unknownTemplate],
    ['adcs/certreq-pkcs10.der', CR_IN_PKCS10, unknownTemplate],
    ['adcs/wstep-request-pkcs10.der', CR_IN_PKCS10, unknownTemplate],
    ['adcs/certreq-cmc-renewal.der', CR_IN_CMC, foreignRenewal],
    ['adcs/certreq-pkcs7-onbehalf.der', CR_IN_PKCS7, foreignAgent],
    ['adcs/keygen-spkac.der', CR_IN_KEYGEN, unsupportedForm],
    ['adcs/certreq-pkcs10.der', CR_IN_CMC, { ...unsupportedForm, failureCode: 'message_type_invalid' }]
  ])('has its number, the reason and a signed response: %s, as format %i', async (name, flags, refusal) => {
    const { told, response } = await submitted(name, flags)
    expect(told).toEqual(refusal)
    expect(response).toMatchObject(signedRefusal)
  })

  it('is refused when the template is older than the client knows it', async () => {
    await offerTemplate(server, windowsUser({ minorVersion: 134 }))
    const { told, response } = await submitted(windowsRequest, CR_IN_CMC)
    expect(told).toEqual({
      dispositionName: 'denied',
      lastStatus: '0x80094807',
      statusSymbol: 'CERTSRV_E_BAD_TEMPLATE_VERSION',
      failureCode: 'template_version'
    })
    expect(response).toMatchObject(signedRefusal)
  })

  it('is refused when the template does not allow a proof of possession by SHA-1', async () => {
    await offerTemplate(server, windowsUser({ allowSha1ProofOfPossession: false }))
    const { told, response } = await submitted(windowsRequest, CR_IN_CMC)
    expect(told).toEqual({
      dispositionName: 'denied',
      lastStatus: '0x80090029',
      statusSymbol: 'NTE_NOT_SUPPORTED',
      failureCode: 'legacy_digest_denied'
    })
    expect(response).toMatchObject(signedRefusal)
  })
})
