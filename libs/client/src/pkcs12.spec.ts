import { createPrivateKey } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { issueCertificate, makeCa } from '../../../test/helpers/enrollment-ca.js'
import { sampleKey } from '../../../test/helpers/x509-samples.js'
import { buildPkcs12 } from './pkcs12.js'
import { deriveFromPassword } from './pkcs12-profile.js'
import { readPkcs12 } from './pkcs12-reader.js'

const root = makeCa('CN=Sample Root')
const password = 'pass-Wörter ✓'

function buildFor(kind: 'rsa' | 'P-256', secret = password): Promise<Uint8Array> {
  const { privateKey } = sampleKey(kind)
  return buildPkcs12({
    privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }),
    certificate: issueCertificate(root, sampleKey(kind)).raw,
    chain: [root.certificate.raw],
    friendlyName: 'CN=Sample',
    password: secret,
    iterations: 1000
  })
}

describe('a PKCS#12 file', () => {
  it.each(['rsa', 'P-256'] as const)('gives back the %s key, its certificate and the chain', async kind => {
    const identity = await readPkcs12(await buildFor(kind), password)
    expect(
      identity.privateKey.equals(createPrivateKey(sampleKey(kind).privateKey.export({ type: 'pkcs8', format: 'pem' })))
    ).toBe(true)
    expect(identity.certificate).toBeDefined()
    expect(identity.otherCertificates).toEqual([new Uint8Array(root.certificate.raw)])
  })

  it('is refused with another password, when damaged and when it is something else', async () => {
    const file = await buildFor('P-256')
    await expect(readPkcs12(file, 'other')).rejects.toMatchObject({ code: 'key_store_locked' })
    const damaged = Buffer.from(file)
    damaged[200] = (damaged[200] ?? 0) ^ 1
    await expect(readPkcs12(damaged, password)).rejects.toMatchObject({
      code: expect.stringMatching(/^key_store_/) as string
    })
    await expect(readPkcs12(root.certificate.raw, password)).rejects.toMatchObject({ code: 'key_store_invalid' })
  })
})

describe('a PKCS#12 file with 3DES, as older programs write it', () => {
  it('is refused with what there is to do', async () => {
    const { privateKey } = sampleKey('P-256')
    const old = await buildPkcs12({
      privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }),
      certificate: issueCertificate(root, sampleKey('P-256')).raw,
      chain: [],
      friendlyName: 'CN=Old',
      password,
      profile: 'legacy'
    })
    await expect(readPkcs12(old, password)).rejects.toMatchObject({
      code: 'key_store_invalid',
      message: expect.stringContaining('openssl pkcs12 -legacy -in') as string
    })
  })
})

describe('a key derived from a password as PKCS#12 has it', () => {
  // The test vectors that implementations share, by Peter Gutmann.
  it.each([
    ['smeg', '0a58cf64530d823f', 'key', 1, '8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3'],
    ['smeg', '0a58cf64530d823f', 'iv', 1, '79993dfe048d3b76'],
    ['smeg', '3d83c0e4546ac140', 'mac', 1, '8d967d88f6caa9d714800ab3d48051d63f73a312'],
    ['queeg', '05dec959acff72f7', 'key', 1000, 'ed2034e36328830ff09df1e1a07dd357185dac0d4f9eb3d4'],
    ['queeg', '05dec959acff72f7', 'iv', 1000, '11dedad7758d4860']
  ] as const)('is that of the vector: %s, salt %s, %s', (password, salt, purpose, iterations, expected) => {
    const length = expected.length / 2
    const derivation = {
      digest: 'sha1',
      purpose,
      password,
      salt: Buffer.from(salt, 'hex'),
      iterations,
      length
    } as const
    expect(Buffer.from(deriveFromPassword(derivation)).toString('hex')).toBe(expected)
  })
})
