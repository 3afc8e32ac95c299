import { createPrivateKey } from 'node:crypto'
import type { RequestStatus } from '@app/client'
import { buildCmcRequest } from '@app/cmc'
import type { KeySpec } from '@app/keys'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TEMPLATE_EXTENSION } from '../helpers/cmc-messages.js'
import { sealToAnyAgent } from '../helpers/administration.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { fullResponseOf, requestRowOf, submitBytes } from '../helpers/submission.js'
import { nameOf, signSample, toSampleKey } from '../helpers/x509-samples.js'
import { runJava, runOpenssl } from './programs.js'
import { openSealedKeyWithOpenssl } from './sealed-keys.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

type KeyKind = 'rsa' | 'ec'

const newKey: Readonly<Record<KeyKind, readonly string[]>> = {
  rsa: ['genrsa', '-out'],
  ec: ['ecparam', '-genkey', '-noout', '-name', 'prime256v1', '-out']
}
const msblob = ['rsa', '-outform', 'MSBLOB']
const pkcs8 = ['pkcs8', '-topk8', '-nocrypt', '-outform', 'DER']

function oaep(digest: string): readonly string[] {
  return ['-keyopt', 'rsa_padding_mode:oaep', '-keyopt', `rsa_oaep_md:${digest}`]
}

let directory: WorkDirectory

beforeAll(async () => {
  directory = await makeWorkDirectory()
})

afterAll(() => directory.remove())

/** An archived key as only OpenSSL makes it. */
interface OpensslKey {
  /** PEM of the key. */
  readonly pem: string
  readonly blob: Buffer
  readonly envelope: Buffer
}

async function makeArchivedKey(
  server: TestServer,
  kind: KeyKind,
  plaintext: readonly string[],
  encryption: readonly string[]
): Promise<OpensslKey> {
  await using client = server.connect(await server.addPrincipal())
  const exchange = await directory.putCertificates('exchange.pem', await client.getCACertificate({ exchange: true }))
  const pem = directory.at('key.pem')
  await runOpenssl([...newKey[kind], pem])
  const blob = await runOpenssl([...plaintext, '-in', pem])
  const file = await directory.put('key.blob', blob)
  const [cipher = '', ...options] = encryption
  const envelope = await runOpenssl([
    ['cms', '-encrypt', '-binary', '-outform', 'DER', '-in', file, cipher],
    ['-recip', exchange, ...options]
  ])
  return { pem: (await directory.read('key.pem')).toString(), blob, envelope }
}

async function requestFor({ pem, envelope }: Pick<OpensslKey, 'pem' | 'envelope'>): Promise<Uint8Array> {
  const key = toSampleKey(createPrivateKey(pem))
  const { request } = await buildCmcRequest({
    dialect: 'microsoft',
    subject: nameOf('CN=OpenSSL'),
    publicKey: key.publicKey.raw,
    extensions: [TEMPLATE_EXTENSION],
    archivedKeyEnvelope: envelope,
    scheme: key.scheme,
    sign: data => Promise.resolve(signSample(key, data))
  })
  return request
}

function element(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const length = Buffer.of(0x82, content.length >> 8, content.length & 0xff)
  return Buffer.concat([Buffer.of(tag), length, content])
}

/** The same envelope with its outer elements in definite lengths, and only the content left in segments. */
function withDefiniteOuterLengths(streamed: Buffer): Buffer {
  // 30 80, the content type, a0 80, 30 80, the version, the recipients, 30 80, the encrypted content, 00 00 four times
  const version = 17
  expect(streamed.subarray(13, version + 4).toString('hex')).toBe('a080308002010031')
  expect(streamed[version + 4]).toBe(0x82)
  const content = version + 3 + 4 + streamed.readUInt16BE(version + 5)
  expect(streamed.subarray(content, content + 2).toString('hex')).toBe('3080')
  const encrypted = element(0x30, streamed.subarray(content + 2, -8))
  const enveloped = element(0x30, streamed.subarray(version, content), encrypted)
  return element(0x30, streamed.subarray(2, 13), element(0xa0, enveloped))
}

describe('a key that OpenSSL has generated and encrypted', () => {
  let server: TestServer
  let requester: TestPrincipal

  beforeAll(async () => {
    server = await startTestServer()
    await sealToAnyAgent(server)
    requester = await server.addPrincipal()
  })

  afterAll(() => server.stop())

  async function expectSealed({ requestId }: RequestStatus, blob: Buffer): Promise<void> {
    for (const agent of server.agents) {
      const recovered = await openSealedKeyWithOpenssl(server, requestId, agent, directory)
      expect(recovered.equals(blob)).toBe(true)
    }
  }

  it.each<readonly [KeyKind, readonly string[], readonly string[], readonly string[]]>([
    ['rsa', msblob, ['-des3'], ['rsa', '-inform', 'MSBLOB', '-check', '-noout']],
    ['rsa', msblob, ['-aes128'], ['rsa', '-inform', 'MSBLOB', '-check', '-noout']],
    ['rsa', msblob, ['-aes192'], ['rsa', '-inform', 'MSBLOB', '-check', '-noout']],
    ['rsa', msblob, ['-aes256'], ['rsa', '-inform', 'MSBLOB', '-check', '-noout']],
    ['rsa', msblob, ['-aes-128-gcm'], ['rsa', '-inform', 'MSBLOB', '-check', '-noout']],
    ['rsa', msblob, ['-aes-256-gcm'], ['rsa', '-inform', 'MSBLOB', '-check', '-noout']],
    ['rsa', msblob, ['-aes256', ...oaep('sha1')], ['rsa', '-inform', 'MSBLOB', '-check', '-noout']],
    ['rsa', msblob, ['-aes256', ...oaep('sha256')], ['rsa', '-inform', 'MSBLOB', '-check', '-noout']],
    ['rsa', msblob, ['-aes256', ...oaep('sha512')], ['rsa', '-inform', 'MSBLOB', '-check', '-noout']],
    ['rsa', pkcs8, ['-aes256'], ['pkey', '-inform', 'DER', '-check', '-noout']],
    ['ec', pkcs8, ['-aes256'], ['pkey', '-inform', 'DER', '-check', '-noout']],
    ['ec', pkcs8, ['-aes-256-gcm', ...oaep('sha256')], ['pkey', '-inform', 'DER', '-check', '-noout']]
  ])('is certified and sealed: %s by %j, encrypted by %j', async (kind, plaintext, encryption, check) => {
    const key = await makeArchivedKey(server, kind, plaintext, encryption)
    const status = await submitBytes(server, requester, await requestFor(key))
    expect(status).toMatchObject({ dispositionMessage: 'Issued', archivedKey: true })
    await expectSealed(status, key.blob)
    await runOpenssl([...check, '-in', await directory.put('recovered.blob', key.blob)])
  })

  it('is certified when only its content was written as a stream', async () => {
    const streamed = await makeArchivedKey(server, 'rsa', msblob, ['-aes256', '-stream'])
    const envelope = withDefiniteOuterLengths(streamed.envelope)
    const status = await submitBytes(server, requester, await requestFor({ ...streamed, envelope }))
    expect(status).toMatchObject({ dispositionMessage: 'Issued', archivedKey: true })
    await expectSealed(status, streamed.blob)
  })

  it('is refused as OpenSSL streams it, with indefinite lengths all the way out', async () => {
    const key = await makeArchivedKey(server, 'rsa', msblob, ['-aes256', '-stream'])
    expect(key.envelope.subarray(0, 2).toString('hex')).toBe('3080')
    const status = await submitBytes(server, requester, await requestFor(key))
    expect(status).toMatchObject({ dispositionName: 'error', statusSymbol: 'CRYPT_E_BAD_ENCODE', archivedKey: false })
    expect((await requestRowOf(server, status.requestId)).failureCode).toBe('der_length_indefinite')
  })

  it('is refused when the recipient is named by its key identifier', async () => {
    const key = await makeArchivedKey(server, 'rsa', msblob, ['-aes256', '-keyid'])
    const status = await submitBytes(server, requester, await requestFor(key))
    expect(status).toMatchObject({ statusSymbol: 'CRYPT_E_RECIPIENT_NOT_FOUND', archivedKey: false })
  })

  it('is refused when it is another key than the one to be certified', async () => {
    const { pem } = await makeArchivedKey(server, 'rsa', msblob, ['-aes256'])
    const { envelope } = await makeArchivedKey(server, 'rsa', msblob, ['-aes256'])
    const status = await submitBytes(server, requester, await requestFor({ pem, envelope }))
    expect(status).toMatchObject({ dispositionName: 'error', archivedKey: false })
    expect((await requestRowOf(server, status.requestId)).failureCode).toBe('archived_key_mismatch')
  })
})

/** Verifies a full response and returns its status text. */
type ResponseVerifier = (response: Uint8Array, root: string) => Promise<string | null>

async function verifyWithOpenssl(response: Uint8Array, root: string): Promise<string | null> {
  const verify = ['cms', '-verify', '-binary', '-inform', 'DER', '-CAfile', root, '-purpose', 'any', '-check_ss_sig']
  const content = await runOpenssl(verify, response)
  // In PKIResponse, the text is the only UTF8String.
  return /\x0c\x06(Issued)/.exec(content.toString('latin1'))?.[1] ?? null
}

async function verifyWithBouncyCastle(response: Uint8Array, root: string): Promise<string | null> {
  const report = await runJava('VerifyFullResponse', [await directory.put('response.der', response), root])
  return report.signerVerified ? report.statusString : report.signerRefusal
}

// OpenSSL 3.0 verifies certificates and CRLs with Ed25519, and no CMS.
describe.each<readonly [KeySpec, string, ResponseVerifier]>([
  ['rsa-2048', 'OpenSSL', verifyWithOpenssl],
  ['p-256', 'OpenSSL', verifyWithOpenssl],
  ['ed25519', 'Bouncy Castle', verifyWithBouncyCastle]
])('a CA with a key of the kind %s', (key, verifierName, verifyResponse) => {
  let server: TestServer
  let requester: TestPrincipal
  let status: RequestStatus
  let root: string

  beforeAll(async () => {
    server = await startTestServer({ key })
    root = await directory.put('root.pem', server.root)
    requester = await server.addPrincipal()
    const archived = await makeArchivedKey(server, 'rsa', msblob, ['-aes256'])
    status = await submitBytes(server, requester, await requestFor(archived))
    if (status.dispositionName !== 'issued') throw new Error(status.dispositionMessage)
  })

  afterAll(() => server.stop())

  async function fetchCrl(): Promise<string> {
    const response = await fetch(`${server.httpUrl}/crl/${server.ca.id}-0.crl`)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/pkix-crl'])
    return directory.put('ca.crl', new Uint8Array(await response.arrayBuffer()))
  }

  it('makes certificates that OpenSSL verifies strictly, with the CRL', async () => {
    await using client = server.connect(requester)
    await client.retrievePending(status.requestId)
    const issued = await directory.putCertificates('issued.pem', await client.getCertificate())
    const exchange = await directory.putCertificates('exchange.pem', await client.getCACertificate({ exchange: true }))
    const crl = await runOpenssl(['crl', '-inform', 'DER', '-in', await fetchCrl()])
    const crlFile = await directory.put('crl.pem', crl)
    for (const file of [issued, exchange]) {
      const strict = ['verify', '-x509_strict', '-check_ss_sig', '-policy_check', '-CAfile', root]
      const verdict = await runOpenssl([...strict, '-crl_check', '-CRLfile', crlFile, file])
      expect(verdict.toString()).toBe(`${file}: OK\n`)
    }
  })

  it('makes a CRL that OpenSSL verifies', async () => {
    const printed = await runOpenssl([
      ['crl', '-verify', '-inform', 'DER', '-in', await fetchCrl(), '-CAfile', root, '-noout', '-crlnumber']
    ])
    expect(printed.toString()).toMatch(/^crlNumber=0x[0-9a-f]+\n/i)
  })

  it(`makes full responses that ${verifierName} verifies`, async () => {
    const response = await fullResponseOf(server, requester, status.requestId)
    expect(await verifyResponse(response, root)).toBe('Issued')
  })
})
