import { generateKeyPairSync, hash } from 'node:crypto'
import { OID } from '@app/oid'
import { ENROLLMENT_FLAG } from '@app/templates'
import { decodeCertificate, encodeAttribute, encodeExtensions, formatName } from '@app/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SigningIdentity } from '@app/client'
import { wishesOf } from '../helpers/archival-requests.js'
import {
  AGENT_TEMPLATE,
  allowAgent,
  identityOf,
  offerAgentTemplate,
  offerVariant
} from '../helpers/endorsed-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { submitBytes } from '../helpers/submission.js'
import { buildSampleRequest, nameOf, toSampleKey } from '../helpers/x509-samples.js'
import { runJava, runOpenssl } from './programs.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

let server: TestServer
let directory: WorkDirectory
let user: TestPrincipal
let old: SigningIdentity
const signature = { template: { name: 'UserSignature' } }

beforeAll(async () => {
  server = await startTestServer()
  directory = await makeWorkDirectory()
  user = await server.addPrincipal()
  old = await identityOf(server, user, signature)
})

afterAll(async () => {
  await directory.remove()
  await server.stop()
})

async function issuedFor(requestId: number, to: TestPrincipal): Promise<ReturnType<typeof decodeCertificate>> {
  await using client = server.connect(to)
  await client.retrievePending(requestId)
  return decodeCertificate(await client.getCertificate())
}

describe('a PKCS#7 request that OpenSSL signs with the old key', () => {
  /** A PKCS#10 for a new key; OpenSSL has no way to put a certificate among its attributes. */
  async function pkcs10(isRenewal: boolean): Promise<string> {
    const key = toSampleKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
    const extensions = encodeExtensions(wishesOf({ template: 'UserSignature' }))
    const attributes = [encodeAttribute(OID.extensionRequest, [extensions])]
    if (isRenewal) attributes.push(encodeAttribute(OID.szOID_RENEWAL_CERTIFICATE, [old.certificate]))
    return directory.put('request.der', await buildSampleRequest(key, { subject: nameOf('CN=Whoever'), attributes }))
  }

  async function signed(command: 'cms' | 'smime', isRenewal: boolean, ...more: string[]): Promise<Buffer> {
    const signer = ['-signer', await directory.putCertificates('old.pem', old.certificate)]
    const key = ['-inkey', await directory.putKey('old.key', old.privateKey)]
    const content = ['-sign', '-binary', '-nodetach', '-md', 'sha256', '-in', await pkcs10(isRenewal)]
    const out = directory.at('signed.der')
    await runOpenssl([command, content, signer, key, '-outform', 'DER', '-out', out, more])
    return directory.read('signed.der')
  }

  it.each([
    ['cms', []],
    ['cms', ['-noattr']],
    ['cms', ['-nosmimecap']],
    ['smime', []],
    ['smime', ['-noattr']]
  ] as const)('by %s %j is a renewal that is issued', async (command, more) => {
    const { dispositionName, requestId } = await submitBytes(server, user, await signed(command, true, ...more))
    expect(dispositionName).toBe('issued')
    const certificate = await issuedFor(requestId, user)
    expect(formatName(certificate.subject)).toBe(formatName(decodeCertificate(old.certificate).subject))
  })

  it('is a new request without the attribute, and must have signed attributes then', async () => {
    expect(await submitBytes(server, user, await signed('cms', false))).toMatchObject({ dispositionName: 'issued' })
    expect(await submitBytes(server, user, await signed('cms', false, '-noattr'))).toMatchObject({
      dispositionName: 'error',
      statusSymbol: 'NTE_BAD_SIGNATURE'
    })
  })
})

describe('a CMC request on behalf of another that Bouncy Castle makes', () => {
  it('is signed by the new key and the agent, and gives the account its certificate', async () => {
    const agent = await server.addPrincipal()
    const target = await server.addPrincipal({ displayName: 'Target' })
    await offerAgentTemplate(server)
    await offerVariant(server, 'UserSignature', {
      name: 'ForOthers',
      enrollmentFlags: ENROLLMENT_FLAG.ALLOW_ENROLL_ON_BEHALF_OF,
      raSignatures: 1,
      raApplicationPolicies: [OID.szOID_ENROLLMENT_AGENT]
    })
    await allowAgent(server, agent, 'ForOthers')
    const identity = await identityOf(server, agent, { template: { name: AGENT_TEMPLATE } })
    const { publicKeySha256 } = await runJava('MakeOnBehalf', [
      await directory.putCertificates('agent.pem', identity.certificate),
      await directory.putKey('agent.key', identity.privateKey),
      `EXAMPLE\\${target.row.accountName}`,
      'ForOthers',
      directory.at('behalf.der')
    ])
    const read = await runJava('DecodeRequest', [directory.at('behalf.der')])
    expect(new Set(read.signers.map(({ keyFrom }) => keyFrom))).toEqual(new Set(['certificate', 'request']))
    expect(read.signers.every(({ verified }) => verified)).toBe(true)
    const status = await submitBytes(server, agent, await directory.read('behalf.der'))
    expect(status).toMatchObject({ dispositionName: 'issued', template: 'ForOthers' })
    const certificate = await issuedFor(status.requestId, target)
    expect(formatName(certificate.subject)).toBe('CN=Target')
    expect(hash('sha256', certificate.publicKey.raw)).toBe(publicKeySha256)
  })
})
