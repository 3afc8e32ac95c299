import { createHash, createPublicKey } from 'node:crypto'
import { Enrollment, readPkcs12 } from '@app/client'
import type { KeySpec } from '@app/keys'
import { decodeCertificate, formatName } from '@app/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { runJava, runOpenssl } from './programs.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

const password = 'correct horse & "battery"'
/** The key store of the JDK takes none but ASCII passwords; others do. */
const wordsWithUmlauts = 'pässwörd & möre'

let directory: WorkDirectory
let server: TestServer

beforeAll(async () => {
  directory = await makeWorkDirectory()
  server = await startTestServer()
})

afterAll(async () => {
  await server.stop()
  await directory.remove()
})

/** An enrollment whose certificate has been issued and accepted. */
async function enroll(algorithm: KeySpec): Promise<Enrollment> {
  // A person whose name is not ASCII, as the name that people see in a list of keys comes from it.
  const requester = await server.addPrincipal({ displayName: 'Jürgen Meier' })
  await using client = server.connect(requester)
  const enrollment = new Enrollment({ trust: server.root, key: { algorithm } })
  await client.submit(await enrollment.createRequest({ type: 'cmc', template: { name: 'UserSignature' } }))
  await enrollment.acceptResponse(await client.getFullResponse())
  return enrollment
}

describe('a PKCS#12 file that the SDK installs', () => {
  it.each<readonly [KeySpec, string]>([
    ['rsa-2048', 'RSA'],
    ['p-384', 'EC'],
    ['ed25519', 'EdDSA']
  ])('opens in OpenSSL and in a Java key store: %s', async (algorithm, keyAlgorithm) => {
    const file = directory.at(`${algorithm}.p12`)
    await (await enroll(algorithm)).installAsPkcs12(file, password)

    // Once only, for deriving the keys takes OpenSSL seconds.
    const passwordFile = await directory.put('password', password)
    const opened = await runOpenssl(['pkcs12', '-in', file, '-passin', `file:${passwordFile}`, '-nodes'])
    const blocks = opened.toString().match(/-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----/g) ?? []
    const [certificates, keys] = ['CERTIFICATE', 'PRIVATE KEY'].map(label =>
      blocks.filter(block => block.includes(`BEGIN ${label}`))
    )
    expect([certificates?.length, keys?.length]).toEqual([2, 1])

    const own = await directory.put('own.pem', certificates?.[0] ?? '')
    const issuer = await directory.put('issuer.pem', certificates?.[1] ?? '')
    expect((await runOpenssl(['verify', '-x509_strict', '-CAfile', issuer, own])).toString()).toBe(`${own}: OK\n`)
    const ofKey = await runOpenssl(['pkey', '-in', await directory.put('own.key', keys?.[0] ?? ''), '-pubout'])
    expect(ofKey.toString()).toBe((await runOpenssl(['x509', '-in', own, '-noout', '-pubkey'])).toString())

    const spki = createPublicKey(ofKey).export({ type: 'spki', format: 'der' })
    expect(await runJava('KeystoreCheck', [password, file])).toEqual([
      {
        alias: 'cn=jürgen meier',
        keyAlgorithm,
        keyMatchesCertificate: true,
        publicKeySha256: createHash('sha256').update(spki).digest('hex'),
        chain: ['CN=Jürgen Meier', 'CN=Test CA']
      }
    ])
  })

  it('opens with a password that is not ASCII, and with no other', async () => {
    const file = directory.at('umlauts.p12')
    await (await enroll('p-256')).installAsPkcs12(file, wordsWithUmlauts)
    const open = ['pkcs12', '-in', file, '-nocerts', '-nodes', '-passin']
    const key = await runOpenssl([...open, `file:${await directory.put('password', wordsWithUmlauts)}`])
    expect(key.toString()).toContain('BEGIN PRIVATE KEY')
    await expect(runOpenssl([...open, `file:${await directory.put('other', password)}`])).rejects.toThrow(/mac verify/i)
    await expect(runJava('KeystoreCheck', [password, file])).rejects.toThrow('password was incorrect')
  })
})

describe('a PKCS#12 file of OpenSSL', () => {
  it.each([
    ['as it writes them by default', []],
    ['with AES-128 and a MAC by SHA-512', ['-keypbe', 'AES-128-CBC', '-certpbe', 'AES-128-CBC', '-macalg', 'sha512']]
  ])('is read by the SDK: %s', async (_, options) => {
    const [key, certificate] = [directory.at('agent.key'), directory.at('agent.pem')]
    await runOpenssl([
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-utf8', '-subj', '/CN=Jürgen', '-keyout', key],
      ['-out', certificate]
    ])
    const out = directory.at('agent.p12')
    const passwordFile = await directory.put('password', wordsWithUmlauts)
    await runOpenssl([
      ['pkcs12', '-export', '-inkey', key, '-in', certificate, '-passout', `file:${passwordFile}`, '-out', out],
      options
    ])
    const identity = await readPkcs12(await directory.read('agent.p12'), wordsWithUmlauts)
    const own = await runOpenssl(['pkcs8', '-topk8', '-nocrypt', '-in', key, '-outform', 'DER'])
    expect(identity.privateKey.export({ type: 'pkcs8', format: 'der' }).equals(own)).toBe(true)
    expect(formatName(decodeCertificate(identity.certificate ?? new Uint8Array()).subject)).toBe('CN=Jürgen')
  })
})

describe('the PEM files that the SDK installs', () => {
  it('are read by OpenSSL, the key by its passphrase', async () => {
    const files = await (await enroll('rsa-2048')).installAsPem(directory.at('pem'), { passphrase: wordsWithUmlauts })
    const passwordFile = await directory.put('password', wordsWithUmlauts)
    const ofKey = await runOpenssl(['pkey', '-in', files.key, '-passin', `file:${passwordFile}`, '-pubout'])
    const ofCertificate = await runOpenssl(['x509', '-in', files.certificate, '-noout', '-pubkey'])
    expect(ofKey.toString()).toBe(ofCertificate.toString())
    const verdict = await runOpenssl(['verify', '-x509_strict', '-CAfile', files.chain ?? '', files.certificate])
    expect(verdict.toString()).toBe(`${files.certificate}: OK\n`)
  })
})
