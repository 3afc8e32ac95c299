import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { chmod } from 'node:fs/promises'
import { Enrollment } from '@app/client'
import { encodeOid } from '@app/der'
import { generateKeyPairOf, type KeySpec } from '@app/keys'
import { OID } from '@app/oid'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openKey, type OpenKeyCommand } from '../../apps/cli/src/client/open-key.js'
import { handOverShare } from '../../apps/cli/src/client/recovery-approval.js'
import { fetchPackage } from '../../apps/cli/src/client/recovery-fetch.js'
import { askForKey } from '../../apps/cli/src/client/recovery-request.js'
import { fingerprintOf } from '../../apps/cli/src/client/recipient-keys.js'
import { offerVariant } from '../helpers/endorsed-requests.js'
import type { AgentHolder } from '../helpers/recoveries.js'
import { addRecoveryParties, type RecoveryParties } from '../helpers/recovery-parties.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { runJava, runOpenssl } from './programs.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

const password = 'correct horse & "battery"'
const silent = { say: () => undefined, progress: () => undefined }
const spki = { type: 'spki', format: 'der' } as const

let directory: WorkDirectory
let server: TestServer
let parties: RecoveryParties
let user: TestPrincipal
let passwordFile: string
const keys = new Map<KeySpec, KeyObject>()
/** A recovered PKCS#12 file and the SHA-256 of the public key that must be in it. */
const files: { readonly file: string; readonly publicKeySha256: string }[] = []

beforeAll(async () => {
  directory = await makeWorkDirectory()
  vi.stubEnv('CERTKEEP_PROFILE', directory.at('profile.json'))
  passwordFile = await directory.put('password', password)
  await chmod(passwordFile, 0o600)
  server = await startTestServer({ key: 'rsa-2048' })
  await offerVariant(server, 'UserEncryption', { name: 'AnyAgent', archival: { mode: 'any-agent', agentCount: 3 } })
  parties = await addRecoveryParties(server)
  user = await server.addPrincipal()
})

afterAll(async () => {
  vi.unstubAllEnvs()
  await server.stop()
  await directory.remove()
})

async function keyOf(kind: KeySpec): Promise<KeyObject> {
  const known = keys.get(kind) ?? (await generateKeyPairOf(kind)).privateKey
  keys.set(kind, known)
  return known
}

/** Has a key archived and certified. Gives the number of the request. */
async function enroll(template: string, privateKey: KeyObject): Promise<number> {
  await using client = server.connect(user)
  const exchange = await client.getCACertificate({ exchange: true })
  const enrollment = new Enrollment({ trust: server.root, privateKeyArchiveCertificate: exchange, key: { privateKey } })
  await client.submit(await enrollment.createRequest({ type: 'cmc', template: { name: template } }), { wait: 20 })
  expect(client.dispositionMessage).toBe('Issued')
  return client.requestId
}

async function agentFiles(agent: AgentHolder): Promise<{ readonly key: string; readonly cert: string }> {
  const key = await directory.putKey(`${agent.name}.key`, agent.privateKey)
  return { key, cert: await directory.putCertificates(`${agent.name}.pem`, agent.certificate.raw) }
}

/** Asks for a key, has two agents approve, and fetches what is delivered, by what the commands of the same names do. */
async function recover(request: number): Promise<string> {
  await using officer = server.operate(parties.officer)
  const asked = await askForKey(officer, { request, reason: 'The laptop is lost.', ticket: `T-${request}` }, silent)
  const { id } = asked.recovery
  for (const holder of parties.holders.slice(0, 2)) {
    await using console = server.operate(holder.person)
    const { key: agentKey, cert: agentCert } = await agentFiles(holder)
    const told = asked.recipient === undefined ? { yes: true } : { recipientSha256: fingerprintOf(asked.recipient) }
    await handOverShare(console, id, { agentKey, agentCert, ...told }, silent)
  }
  const out = directory.at(`recovery-${id}`)
  expect(await fetchPackage(officer, id, { trust: server.root, out }, silent)).toBe(out)
  return out
}

describe('a key that agents have recovered', () => {
  it.each([
    ['rsa-2048', 'UserEncryption', 'modern'],
    ['rsa-2048', 'AnyAgent', 'legacy'],
    ['rsa-4096', 'UserEncryption', 'legacy'],
    ['rsa-4096', 'AnyAgent', 'modern'],
    ['p-256', 'UserEncryption', 'modern'],
    ['p-256', 'AnyAgent', 'legacy'],
    ['p-384', 'UserEncryption', 'legacy'],
    ['p-384', 'AnyAgent', 'modern']
  ] as const)(
    'is in a PKCS#12 file that OpenSSL opens, beside its certificate: %s, %s, %s',
    async (kind, template, profile) => {
      const privateKey = await keyOf(kind)
      const sealed = await recover(await enroll(template, privateKey))
      const file = `${sealed}.p12`
      // The third agent, who was not asked, opens it where one alone does.
      const third = parties.holders[2] as AgentHolder
      const agent = template === 'AnyAgent' ? await agentFiles(third) : {}
      const options: OpenKeyCommand = {
        out: file,
        outPasswordFile: passwordFile,
        legacy: profile === 'legacy',
        ...agent
      }
      await openKey(sealed, options, silent)

      const opened = await runOpenssl(['pkcs12', '-in', file, '-passin', `file:${passwordFile}`, '-nodes'])
      const [own = ''] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(opened.toString()) ?? []
      const pem = await directory.put('opened.pem', opened)
      expect(createPrivateKey(opened.toString()).equals(privateKey)).toBe(true)
      const certified = await runOpenssl(['x509', '-noout', '-pubkey'], own)
      expect((await runOpenssl(['pkey', '-in', pem, '-pubout'])).toString()).toBe(certified.toString())
      const isTripleDes = (await directory.read(file.replace(/^.*\//, ''))).includes(
        Buffer.from(encodeOid(OID.pbeWithSHAAnd3_KeyTripleDES_CBC))
      )
      expect(isTripleDes).toBe(profile === 'legacy')
      const publicKeySha256 = createHash('sha256').update(createPublicKey(certified).export(spki)).digest('hex')
      files.push({ file, publicKeySha256 })
    }
  )

  it('opens in a Java key store, and signs what the certificate verifies', async () => {
    expect(files).toHaveLength(8)
    const reports = await runJava('KeystoreCheck', [password, ...files.map(({ file }) => file)])
    expect(reports).toEqual(
      files.map(({ publicKeySha256 }) => ({
        alias: `cn=${user.row.displayName}`.toLowerCase(),
        keyAlgorithm: expect.stringMatching(/^(?:RSA|EC)$/) as string,
        keyMatchesCertificate: true,
        publicKeySha256,
        chain: [`CN=${user.row.displayName}`, 'CN=Test CA']
      }))
    )
  })
})

describe('the blob of a key that any agent opens', () => {
  it('is opened by OpenSSL alone, with the CA’s signature verified', async () => {
    const privateKey = await keyOf('rsa-2048')
    const blob = await recover(await enroll('AnyAgent', privateKey))
    const root = await directory.put('root.pem', server.root)
    const verify = ['cms', '-verify', '-binary', '-inform', 'DER', '-in', blob, '-CAfile', root, '-purpose', 'any']
    const sealed = await directory.put('sealed.der', await runOpenssl(verify))
    for (const holder of parties.holders) {
      const { key } = await agentFiles(holder)
      const opened = await runOpenssl(['cms', '-decrypt', '-binary', '-inform', 'DER', '-in', sealed, '-inkey', key])
      const recovered = await runOpenssl(['rsa', '-inform', 'MSBLOB', '-in', await directory.put('key.blob', opened)])
      expect(createPrivateKey(recovered.toString()).equals(privateKey)).toBe(true)
    }
  })

  it('is opened by each of its agents when OpenSSL alone has made it, bare and signed', async () => {
    const names = ['kra1', 'kra2', 'user']
    for (const name of names) {
      await runOpenssl([
        ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, '-days', '2'],
        ['-keyout', directory.at(`${name}.key`), '-out', directory.at(`${name}.crt`)]
      ])
    }
    const [first, second, own] = names.map(name => directory.at(`${name}.crt`)) as [string, string, string]
    const userKey = directory.at('user.key')
    const blob = await directory.put('user.blob', await runOpenssl(['rsa', '-outform', 'MSBLOB', '-in', userKey]))
    const bare = directory.at('bare.der')
    const encrypt = ['cms', '-encrypt', '-binary', '-outform', 'DER', '-aes256', '-in', blob, '-out', bare]
    await runOpenssl([...encrypt, first, second])
    const signed = directory.at('signed.der')
    await runOpenssl([
      ['cms', '-sign', '-binary', '-nodetach', '-outform', 'DER', '-in', bare, '-out', signed],
      ['-signer', first, '-inkey', directory.at('kra1.key'), '-certfile', own]
    ])
    for (const [file, agent] of [
      [bare, 'kra1'],
      [bare, 'kra2'],
      [signed, 'kra1'],
      [signed, 'kra2']
    ] as const) {
      const out = directory.at(`${agent}-${file === bare ? 'bare' : 'signed'}.pem`)
      const beside = file === bare ? { certificate: own } : {}
      await openKey(file, { key: directory.at(`${agent}.key`), out, ...beside }, silent)
      const [found, kept] = [await runOpenssl(['rsa', '-in', out]), await runOpenssl(['rsa', '-in', userKey])]
      expect(found.toString()).toBe(kept.toString())
    }
  })
})
