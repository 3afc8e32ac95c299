import { createPrivateKey, generateKeyPairSync, verify } from 'node:crypto'
import { isAppError, toHex } from '@app/core'
import type { KeyTransport } from '@app/cms'
import type { DigestName } from '@app/x509'
import { describe, expect, it } from 'vitest'
import { decrypterOf, generateKeyPairOf, privateKeyFromPkcs8, signerOf, type Decrypter } from './index.js'
import { readVector } from '../../../test/helpers/vectors.js'

interface DecryptionCase {
  readonly tcId: number
  readonly result: 'valid' | 'invalid' | 'acceptable'
  readonly msg: string
  readonly ct: string
  readonly label?: string
  readonly flags: readonly string[]
}

interface DecryptionGroup {
  readonly privateKeyPkcs8: string
  readonly keySize: number
  readonly sha?: string
  readonly mgfSha?: string
  readonly tests: readonly DecryptionCase[]
}

function groupsOf(file: string): readonly DecryptionGroup[] {
  const text = readVector(`wycheproof/${file}`).toString('utf8')
  return (JSON.parse(text) as { testGroups: readonly DecryptionGroup[] }).testGroups
}

function decrypterFor(group: DecryptionGroup): Decrypter {
  return decrypterOf(privateKeyFromPkcs8(Buffer.from(group.privateKeyPkcs8, 'hex')))
}

function unwrapToText(decrypter: Decrypter, ciphertext: string, transport: KeyTransport): Promise<string> {
  return decrypter
    .unwrap(Buffer.from(ciphertext, 'hex'), transport)
    .then(toHex, (error: unknown) => (isAppError(error, 'cms_decrypt_failed') ? 'refused' : String(error)))
}

const OAEP_DIGESTS: Readonly<Record<string, DigestName>> = {
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512'
}

describe('a signer for a key in memory', () => {
  it.each([
    ['p-256', undefined, 'ecdsa-sha256', 'sha256'],
    ['p-256', 'ecdsa-sha512', 'ecdsa-sha512', 'sha512'],
    ['p-384', undefined, 'ecdsa-sha384', 'sha384'],
    ['p-521', undefined, 'ecdsa-sha512', 'sha512'],
    ['rsa-2048', undefined, 'rsa-sha256', 'sha256'],
    ['rsa-2048', 'rsa-sha384', 'rsa-sha384', 'sha384'],
    ['ed25519', undefined, 'ed25519', null]
  ] as const)('signs with %s, asked for %s, by %s', async (spec, asked, scheme, digest) => {
    const { privateKey, publicKey } = await generateKeyPairOf(spec)
    const signer = signerOf(privateKey, asked)
    const signature = await signer.sign(Buffer.from('data'))
    expect(signer.scheme).toBe(scheme)
    expect(verify(digest, Buffer.from('data'), publicKey.keyObject, signature)).toBe(true)
    expect(verify(digest, Buffer.from('date'), publicKey.keyObject, signature)).toBe(false)
  })

  it('refuses a scheme that is not for its kind of key and a kind of key that nothing here uses', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    expect(() => signerOf(privateKey, 'ed25519')).toThrow('does not fit')
    expect(() => signerOf(generateKeyPairSync('x448').privateKey)).toThrow('not supported')
    expect(() => signerOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey)).toThrow('not supported')
  })
})

describe('a decrypter for a key in memory', () => {
  it('refuses a key that is not RSA', () => {
    expect(() => decrypterOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)).toThrow('Only an RSA')
  })

  it('unwraps every valid RSAES-PKCS1-v1_5 vector of Wycheproof and tells nothing of the padding of the others', async () => {
    let valid = 0
    for (const group of groupsOf('rsa_pkcs1_2048_test.json')) {
      const decrypter = decrypterFor(group)
      for (const { tcId, result, msg, ct, flags } of group.tests) {
        const unwrapped = await unwrapToText(decrypter, ct, { scheme: 'rsaes-pkcs1-v1_5' })
        const expected = result === 'valid' ? msg : flags.includes('InvalidPkcs1Padding') ? 'noise' : 'refused'
        const observed = unwrapped === msg || unwrapped === 'refused' ? unwrapped : 'noise'
        expect(observed, `case ${tcId}`).toBe(expected)
        if (result === 'valid') valid++
      }
    }
    expect(valid).toBeGreaterThan(10)
  })

  it('agrees with Wycheproof on every RSAES-OAEP vector without a label and with one digest', async () => {
    let checked = 0
    const groups = [...groupsOf('rsa_oaep_2048_sha256_mgf1sha256_test.json'), ...groupsOf('rsa_oaep_misc_test.json')]
    for (const group of groups) {
      const digest = OAEP_DIGESTS[group.sha ?? '']
      if (digest === undefined || group.sha !== group.mgfSha || group.keySize > 4096) continue
      const decrypter = decrypterFor(group)
      for (const { tcId, result, msg, ct, label = '' } of group.tests) {
        if (result === 'acceptable') continue
        const unwrapped = await unwrapToText(decrypter, ct, { scheme: 'rsaes-oaep', digest })
        expect(unwrapped, `case ${tcId} with ${digest}`).toBe(result === 'valid' && label === '' ? msg : 'refused')
        checked++
      }
    }
    expect(checked).toBeGreaterThan(50)
  })

  it('says the same of every OAEP failure', async () => {
    const { privateKey } = await generateKeyPairOf('rsa-2048')
    const decrypter = decrypterOf(createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })))
    const failures = [new Uint8Array(256), new Uint8Array(255), new Uint8Array(0), new Uint8Array(256).fill(0xff)]
    const messages = new Set<string>()
    for (const ciphertext of failures) {
      for (const digest of ['sha1', 'sha256'] as const) {
        const error: unknown = await decrypter
          .unwrap(ciphertext, { scheme: 'rsaes-oaep', digest })
          .catch((e: unknown) => e)
        if (isAppError(error, 'cms_decrypt_failed'))
          messages.add(JSON.stringify([error.message, error.evidence, error.cause]))
        else messages.add('another error')
      }
    }
    expect([...messages]).toEqual([...messages].slice(0, 1))
    expect([...messages][0]).not.toBe('another error')
  })
})
