import { createPrivateKey, type KeyObject } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  decodeKeyBlob,
  encodeCapiPrivateKeyBlob,
  keyBlobToPkcs8,
  openArchivedKey,
  sealToAgents,
  type SealPlan
} from '@app/escrow'
import { decrypterOf, publicHalfOf } from '@app/keys'
import { decodeCertificate, type Certificate } from '@app/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshEntropy } from '../helpers/escrow-samples.js'
import { runOpenssl } from './programs.js'

let directory: string

const at = (name: string): string => join(directory, name)

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'archived-key-'))
  for (const name of ['exchange', 'agent-1', 'agent-2']) {
    const subject = `/O=Interop/CN=${name}`
    await runOpenssl([
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      subject,
      '-keyout',
      at(`${name}.pem`),
      ['-addext', 'keyUsage=critical,keyEncipherment', '-out', at(`${name}.crt`)]
    ])
  }
  await runOpenssl(['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', at('rsa.pem')])
  await runOpenssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384', '-out', at('ec.pem')])
})

afterAll(() => rm(directory, { recursive: true, force: true }))

async function keyOf(name: string): Promise<KeyObject> {
  return createPrivateKey(await readFile(at(`${name}.pem`)))
}

async function certificateOf(name: string): Promise<Certificate> {
  return decodeCertificate(await runOpenssl(['x509', '-in', at(`${name}.crt`), '-outform', 'DER']))
}

describe('an archived key made by OpenSSL', () => {
  it.each([
    ['rsa', ['rsa', '-outform', 'MSBLOB'], '-des3', 'capi-rsa'],
    ['rsa', ['rsa', '-outform', 'MSBLOB'], '-aes128', 'capi-rsa'],
    ['rsa', ['pkcs8', '-topk8', '-nocrypt', '-outform', 'DER'], '-aes256', 'pkcs8'],
    ['ec', ['pkcs8', '-topk8', '-nocrypt', '-outform', 'DER'], '-aes192', 'pkcs8']
  ])('opens: %s by %j, encrypted with %s', async (name, command, cipher, format) => {
    await runOpenssl([...command, '-in', at(`${name}.pem`), '-out', at('blob.bin')])
    const envelope = await runOpenssl([
      ['cms', '-encrypt', '-binary', '-outform', 'DER', cipher, '-in', at('blob.bin')],
      at('exchange.crt')
    ])
    const opened = await openArchivedKey({
      envelope,
      requestedPublicKey: publicHalfOf(await keyOf(name)),
      decrypter: decrypterOf(await keyOf('exchange')),
      use: key => [key.format, Buffer.from(key.plaintext).toString('hex')]
    })
    expect(opened).toEqual([format, (await readFile(at('blob.bin'))).toString('hex')])
  })

  it('opens when its content key is wrapped by OAEP', async () => {
    await runOpenssl(['rsa', '-outform', 'MSBLOB', '-in', at('rsa.pem'), '-out', at('blob.bin')])
    const envelope = await runOpenssl([
      ['cms', '-encrypt', '-binary', '-outform', 'DER', '-aes256', '-in', at('blob.bin')],
      ['-recip', at('exchange.crt'), '-keyopt', 'rsa_padding_mode:oaep', '-keyopt', 'rsa_oaep_md:sha256']
    ])
    const opened = await openArchivedKey({
      envelope,
      requestedPublicKey: publicHalfOf(await keyOf('rsa')),
      decrypter: decrypterOf(await keyOf('exchange')),
      use: key => key.bits
    })
    expect(opened).toBe(2048)
  })
})

describe('a sealed key', () => {
  it.each<readonly [string, Partial<SealPlan>]>([
    ['by default', {}],
    ['with AES-128-CBC', { contentEncryption: 'aes-128-cbc' }],
    ['by OAEP with SHA-256', { transport: { scheme: 'rsaes-oaep', digest: 'sha256' } }],
    ['with AES-256-GCM', { contentEncryption: 'aes-256-gcm' }]
  ])('opens for each agent with OpenSSL, which finds the key inside sound: %s', async (_name, changes) => {
    const plaintext = encodeCapiPrivateKeyBlob(await keyOf('rsa'))
    const agents = [await certificateOf('agent-1'), await certificateOf('agent-2')]
    await writeFile(at('sealed.der'), sealToAgents({ plaintext, agents, entropy: freshEntropy, ...changes }))
    for (const agent of ['agent-1', 'agent-2']) {
      const opened = await runOpenssl([
        ['cms', '-decrypt', '-binary', '-inform', 'DER', '-in', at('sealed.der')],
        ['-inkey', at(`${agent}.pem`), '-recip', at(`${agent}.crt`)]
      ])
      expect(opened.equals(plaintext)).toBe(true)
      await writeFile(at('opened.bin'), opened)
      const verdict = await runOpenssl(['rsa', '-inform', 'MSBLOB', '-in', at('opened.bin'), '-check', '-noout'])
      expect(verdict.toString()).toContain('RSA key ok')
    }
  })
})

describe('a key blob turned into PKCS#8', () => {
  it.each(['rsa', 'ec'])('is the key that OpenSSL has: %s', async name => {
    const der = await runOpenssl(['pkcs8', '-topk8', '-nocrypt', '-outform', 'DER', '-in', at(`${name}.pem`)])
    expect(decodeKeyBlob(der).format).toBe('pkcs8')
    await writeFile(at('key.der'), keyBlobToPkcs8(der))
    const text = ['pkey', '-noout', '-text', '-in']
    const [expected, found] = [
      await runOpenssl([...text, at(`${name}.pem`)]),
      await runOpenssl([...text, at('key.der'), '-inform', 'DER'])
    ]
    expect(found.toString()).toBe(expected.toString())
  })
})
