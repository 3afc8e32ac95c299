import { createPrivateKey, type KeyObject } from 'node:crypto'
import {
  decodeKeyTransport,
  openEnvelopedData,
  unwrapContentKey,
  type ContentEncryption,
  type EnvelopedData,
  type KeyTransport,
  type KeyUnwrapper
} from '@app/cms'
import { isAppError } from '@app/core'
import { DerReader, encodeContext, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import { decodeAlgorithmIdentifier, digestOid, encodeAlgorithmIdentifier, type DigestName } from '@app/x509'
import { describe, expect, it } from 'vitest'
import { readVector } from '../helpers/vectors.js'

interface Case {
  readonly tcId: number
  readonly comment: string
  readonly flags: readonly string[]
  readonly msg: string
  readonly ct: string
  readonly result: 'valid' | 'acceptable' | 'invalid'
}

type CipherCase = Case & { readonly key: string; readonly iv: string; readonly aad?: string; readonly tag?: string }
type RsaCase = Case & { readonly label?: string }

interface Group<C extends Case> {
  readonly keySize: number
  readonly ivSize?: number
  readonly sha?: string
  readonly mgfSha?: string
  readonly privateKeyPkcs8?: string
  readonly tests: readonly C[]
}

function groupsOf<C extends Case>(name: string): readonly Group<C>[] {
  const file = JSON.parse(readVector(`wycheproof/${name}_test.json`).toString('utf8')) as {
    readonly testGroups: readonly Group<C>[]
  }
  return file.testGroups
}

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex')

function envelope(
  contentEncryption: ContentEncryption,
  encryptedContent: Uint8Array,
  covered: Uint8Array | undefined
): EnvelopedData {
  const identifier = { kind: 'keyId', keyId: new Uint8Array() } as const
  return {
    kind: 'tag' in contentEncryption ? 'auth-enveloped' : 'enveloped',
    raw: new Uint8Array(),
    recipients: [{ identifier, transport: { scheme: 'rsaes-pkcs1-v1_5' }, encryptedKey: new Uint8Array() }],
    contentType: OID.id_data,
    contentEncryption,
    encryptedContent,
    ...(covered === undefined ? {} : { authenticatedAttributes: { encoded: covered, list: [] } }),
    unprotectedAttributes: []
  }
}

/** The content in hexadecimal, or the code of the program's error. */
async function openingOf(enveloped: EnvelopedData, unwrap: KeyUnwrapper): Promise<string> {
  try {
    return Buffer.from(await openEnvelopedData(enveloped, unwrap)).toString('hex')
  } catch (error) {
    if (isAppError(error)) return error.code
    throw error
  }
}

function expectedOpening(test: Case): string {
  return test.result === 'invalid' ? 'cms_decrypt_failed' : test.msg
}

/** The key in hexadecimal, or `refused`, as OpenSSL does it. */
function unwrappingOf(privateKey: KeyObject, test: Case, transport: KeyTransport): string {
  try {
    return Buffer.from(unwrapContentKey(privateKey, bytes(test.ct), transport)).toString('hex')
  } catch {
    return 'refused'
  }
}

const privateKeys = new Map<string, KeyObject>()

function keyOf({ privateKeyPkcs8 = '' }: Group<RsaCase>): KeyObject {
  const key =
    privateKeys.get(privateKeyPkcs8) ?? createPrivateKey({ key: bytes(privateKeyPkcs8), format: 'der', type: 'pkcs8' })
  privateKeys.set(privateKeyPkcs8, key)
  return key
}

function digestNamed(name = ''): DigestName | undefined {
  return (['sha1', 'sha256', 'sha384', 'sha512'] as const).find(
    digest => digest === name.toLowerCase().replace('-', '')
  )
}

describe('content encryption', () => {
  it.each(groupsOf<CipherCase>('aes_cbc_pkcs5').map(group => [group.keySize, group] as const))(
    'opens AES-%d-CBC exactly where it should',
    async (keySize, { tests }) => {
      const algorithm = `aes-${keySize as 128 | 192 | 256}-cbc` as const
      for (const test of tests) {
        const enveloped = envelope({ algorithm, iv: bytes(test.iv) }, bytes(test.ct), undefined)
        const opening = await openingOf(enveloped, () => Promise.resolve(bytes(test.key)))
        expect(opening, `case ${test.tcId}`).toBe(expectedOpening(test))
      }
      expect(tests.length).toBe(72)
    }
  )

  // Other nonces than of 96 bits, and AES-192-GCM, are refused before anything is decrypted.
  const gcm = groupsOf<CipherCase>('aes_gcm').filter(({ ivSize, keySize }) => ivSize === 96 && keySize !== 192)

  it.each(gcm.map(group => [group.keySize, group] as const))(
    'opens AES-%d-GCM exactly where it should',
    async (keySize, { tests }) => {
      const algorithm = `aes-${keySize as 128 | 256}-gcm` as const
      for (const test of tests) {
        const { aad = '', tag = '' } = test
        const encryption = { algorithm, nonce: bytes(test.iv), tag: bytes(tag) }
        const enveloped = envelope(encryption, bytes(test.ct), aad === '' ? undefined : bytes(aad))
        const opening = await openingOf(enveloped, () => Promise.resolve(bytes(test.key)))
        expect(opening, `case ${test.tcId}`).toBe(expectedOpening(test))
      }
      expect(tests.length).toBeGreaterThan(50)
    }
  )
})

describe('key transport', () => {
  const oaepGroups = [
    ...groupsOf<RsaCase>('rsa_oaep_2048_sha256_mgf1sha256'),
    ...groupsOf<RsaCase>('rsa_oaep_misc')
  ].filter(({ sha, mgfSha }) => digestNamed(sha) !== undefined && digestNamed(mgfSha) !== undefined)

  it('opens RSAES-OAEP exactly where it should, without a label', () => {
    let cases = 0
    for (const group of oaepGroups.filter(({ sha, mgfSha }) => sha === mgfSha)) {
      const transport: KeyTransport = { scheme: 'rsaes-oaep', digest: digestNamed(group.sha) ?? 'sha1' }
      for (const test of group.tests) {
        const isOpened = test.result !== 'invalid' && (test.label ?? '') === ''
        expect(unwrappingOf(keyOf(group), test, transport), `case ${test.tcId}`).toBe(isOpened ? test.msg : 'refused')
        cases++
      }
    }
    expect(cases).toBeGreaterThan(100)
  })

  it('refuses RSAES-OAEP whose two digests differ, before anything is decrypted', () => {
    const mixed = oaepGroups.filter(({ sha, mgfSha }) => sha !== mgfSha)
    for (const { sha, mgfSha } of mixed) {
      const hash = encodeAlgorithmIdentifier(digestOid(digestNamed(sha) ?? 'sha1'))
      const mask = encodeAlgorithmIdentifier(
        OID.id_mgf1,
        encodeAlgorithmIdentifier(digestOid(digestNamed(mgfSha) ?? 'sha1'))
      )
      const parameters = encodeSequence(encodeContext(0, hash), encodeContext(1, mask))
      const reader = DerReader.over(encodeAlgorithmIdentifier(OID.id_RSAES_OAEP, parameters))
      const algorithm = decodeAlgorithmIdentifier(reader, 'key transport')
      expect(() => decodeKeyTransport(algorithm)).toThrow(
        expect.objectContaining({ code: 'cms_algorithm_not_allowed' })
      )
    }
    expect(mixed.length).toBeGreaterThan(20)
  })

  const pkcs1 = { scheme: 'rsaes-pkcs1-v1_5' } as const
  const pkcs1Cases = groupsOf<RsaCase>('rsa_pkcs1_2048').flatMap(group =>
    group.tests.map(test => ({ test, privateKey: keyOf(group) }))
  )

  it('opens RSAES-PKCS1-v1_5 where it should', () => {
    const valid = pkcs1Cases.filter(({ test }) => test.result === 'valid')
    for (const { test, privateKey } of valid) {
      expect(unwrappingOf(privateKey, test, pkcs1), `case ${test.tcId}`).toBe(test.msg)
    }
    expect(valid.length).toBe(42)
  })

  it('never tells a bad RSAES-PKCS1-v1_5 padding from a wrong key', async () => {
    const encryption = { algorithm: 'aes-256-gcm', nonce: new Uint8Array(12), tag: new Uint8Array(16) } as const
    const enveloped = envelope(encryption, new Uint8Array(32), undefined)
    const messages = new Set<string>()
    for (const { test, privateKey } of pkcs1Cases) {
      const unwrap: KeyUnwrapper = async () => unwrapContentKey(privateKey, bytes(test.ct), pkcs1)
      await openEnvelopedData(enveloped, unwrap).catch((error: Error) => messages.add(error.message))
    }
    expect([...messages]).toEqual([expect.stringMatching(/could not be decrypted/)])
  })

  it('gives random bytes for a bad RSAES-PKCS1-v1_5 padding, not the message and not an error', () => {
    const padded = pkcs1Cases.filter(
      ({ test, privateKey }) =>
        test.result === 'invalid' && test.ct.length === 512 && BigInt(`0x${test.ct}`) < modulusOf(privateKey)
    )
    for (const { test, privateKey } of padded) {
      const opened = unwrappingOf(privateKey, test, pkcs1)
      expect(['refused', test.msg === '' ? 'no message' : test.msg], `case ${test.tcId}`).not.toContain(opened)
    }
    expect(padded.length).toBeGreaterThan(10)
  })
})

function modulusOf(privateKey: KeyObject): bigint {
  const { n = '' } = privateKey.export({ format: 'jwk' })
  return BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`)
}
