import { AppError } from '@app/core'
import { OID } from '@app/oid'
import { describe, expect, it } from 'vitest'
import { makeRsaIdentity, realEntropy, type TestIdentity } from '../../../test/helpers/cms-messages.js'
import type { ContentEncryptionName } from './content-encryption.js'
import { buildEnvelopedData, type EnvelopePlan } from './enveloped-data-builder.js'
import { openEnvelopedData, type KeyUnwrapper } from './enveloped-data-opening.js'
import { decodeEnvelopedData, findRecipient, type EnvelopedData } from './enveloped-data.js'
import { unwrapContentKey, type KeyTransport } from './key-transport.js'

const alice = makeRsaIdentity({ name: 'Alice' })
const bob = makeRsaIdentity({ name: 'Bob' })
const content = Buffer.from('the private key of somebody, at some length')
const pkcs1: KeyTransport = { scheme: 'rsaes-pkcs1-v1_5' }
const oaep: KeyTransport = { scheme: 'rsaes-oaep', digest: 'sha256' }
const algorithms: readonly ContentEncryptionName[] = [
  'des-ede3-cbc',
  'aes-128-cbc',
  'aes-192-cbc',
  'aes-256-cbc',
  'aes-128-gcm',
  'aes-256-gcm'
]

function envelope(changes: Partial<EnvelopePlan> = {}): EnvelopedData {
  const recipients = [{ certificate: alice.certificate, transport: pkcs1 }]
  const plan = { content, recipients, contentEncryption: 'aes-256-cbc', entropy: realEntropy } as const
  return decodeEnvelopedData(buildEnvelopedData({ ...plan, ...changes }))
}

function unwrapperOf(identity: TestIdentity): KeyUnwrapper {
  return (encryptedKey, transport) =>
    new Promise(resolve => resolve(unwrapContentKey(identity.privateKey, encryptedKey, transport)))
}

function keyOf(length: number): KeyUnwrapper {
  return () => Promise.resolve(realEntropy.bytes(length))
}

function failWith(reason: Error): KeyUnwrapper {
  return () => Promise.reject(reason)
}

function withEncryptedKey(enveloped: EnvelopedData, encryptedKey: Uint8Array): EnvelopedData {
  return { ...enveloped, recipients: enveloped.recipients.map(recipient => ({ ...recipient, encryptedKey })) }
}

function damaged(bytes: Uint8Array, position = bytes.length - 1): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[position] = (copy[position] as number) ^ 0x80
  return copy
}

async function failureOf(action: Promise<unknown>): Promise<unknown> {
  return action.then(
    () => 'no failure',
    (error: unknown) => error
  )
}

describe('opening an envelope', () => {
  it.each(algorithms.flatMap(algorithm => [[algorithm, pkcs1] as const, [algorithm, oaep] as const]))(
    'gives the content: %s, %o',
    async (contentEncryption, transport) => {
      const recipients = [{ certificate: alice.certificate, transport }]
      const opened = await openEnvelopedData(envelope({ contentEncryption, recipients }), unwrapperOf(alice))
      expect(Buffer.from(opened)).toEqual(content)
    }
  )

  it('covers the attributes of content other than id-data', async () => {
    const enveloped = envelope({ contentEncryption: 'aes-256-gcm', contentType: OID.id_ct_encKeyWithID })
    expect(Buffer.from(await openEnvelopedData(enveloped, unwrapperOf(alice)))).toEqual(content)
    const { authenticatedAttributes: attributes, ...bare } = enveloped
    expect(attributes?.encoded).toBeInstanceOf(Uint8Array)
    await expect(openEnvelopedData(bare, unwrapperOf(alice))).rejects.toMatchObject({ code: 'cms_decrypt_failed' })
  })

  it('gives content without a single octet', async () => {
    for (const contentEncryption of algorithms) {
      const enveloped = envelope({ contentEncryption, content: new Uint8Array() })
      expect(await openEnvelopedData(enveloped, unwrapperOf(alice))).toHaveLength(0)
    }
  })

  it('lets each of several recipients open it', async () => {
    const enveloped = envelope({
      recipients: [
        { certificate: alice.certificate, transport: pkcs1 },
        { certificate: bob.certificate, transport: oaep }
      ]
    })
    for (const identity of [alice, bob]) {
      const { issuer, serialNumber } = identity.certificate
      const recipient = findRecipient(enveloped, { issuer: issuer.raw, serialNumber })
      const opened = await openEnvelopedData(enveloped, unwrapperOf(identity), recipient)
      expect(Buffer.from(opened)).toEqual(content)
    }
    await expect(openEnvelopedData(enveloped, unwrapperOf(alice))).rejects.toMatchObject({
      code: 'cms_recipient_count'
    })
  })

  it('wipes the content-encryption key, whether it succeeds or fails', async () => {
    const enveloped = envelope()
    for (const candidate of [enveloped, { ...enveloped, encryptedContent: enveloped.encryptedContent.subarray(1) }]) {
      const keys: Uint8Array[] = []
      const unwrap: KeyUnwrapper = async (encryptedKey, transport) => {
        const key = await unwrapperOf(alice)(encryptedKey, transport)
        keys.push(key)
        return key
      }
      await failureOf(openEnvelopedData(candidate, unwrap))
      expect(keys).toEqual([Buffer.alloc(32)])
    }
  })
})

describe('an envelope that does not open', () => {
  // What depends on the key alone is shown with GCM: with CBC one wrong key in 256 gives rubbish instead of an error.
  const gcm = envelope({ contentEncryption: 'aes-256-gcm' })
  const cbc = envelope()
  const encryptedKey = gcm.recipients[0]?.encryptedKey ?? new Uint8Array()

  const failures: readonly (readonly [string, EnvelopedData, KeyUnwrapper])[] = [
    ['the wrong private key', gcm, unwrapperOf(bob)],
    ['a damaged encrypted key', withEncryptedKey(gcm, damaged(encryptedKey)), unwrapperOf(alice)],
    ['an encrypted key that is too short', withEncryptedKey(gcm, encryptedKey.subarray(1)), unwrapperOf(alice)],
    ['no encrypted key', withEncryptedKey(gcm, new Uint8Array()), unwrapperOf(alice)],
    ['no key', gcm, keyOf(0)],
    ['a key that is too short', gcm, keyOf(16)],
    ['a key that is too long', gcm, keyOf(33)],
    ['another key', gcm, keyOf(32)],
    ['the key of another envelope', { ...gcm, recipients: cbc.recipients }, unwrapperOf(alice)],
    ['OAEP where PKCS#1 v1.5 was used', withTransport(gcm, oaep), unwrapperOf(alice)],
    ['an unwrapper that fails', gcm, failWith(new Error('bad padding'))],
    [
      'an unwrapper that fails at once',
      gcm,
      () => {
        throw new Error('bad padding')
      }
    ],
    ['an unwrapper that calls it what it is', gcm, failWith(new AppError('cms_decrypt_failed', 'OAEP'))],
    [
      'content that its tag does not fit',
      { ...gcm, encryptedContent: damaged(gcm.encryptedContent) },
      unwrapperOf(alice)
    ],
    [
      'damaged padding of the content',
      { ...cbc, encryptedContent: damaged(cbc.encryptedContent, cbc.encryptedContent.length - 17) },
      unwrapperOf(alice)
    ],
    ['content that is no whole block', { ...cbc, encryptedContent: new Uint8Array(33) }, unwrapperOf(alice)],
    ['no content', { ...cbc, encryptedContent: new Uint8Array() }, unwrapperOf(alice)]
  ]

  it.each(failures)('says one thing: %s', async (_name, enveloped, unwrap) => {
    const failure = await failureOf(openEnvelopedData(enveloped, unwrap))
    expect(failure).toBeInstanceOf(AppError)
    const { code, message, evidence, cause } = failure as AppError
    expect({ code, message, evidence, cause }).toEqual({
      code: 'cms_decrypt_failed',
      message:
        'The encrypted content could not be decrypted: it is damaged, or the key is not the one it was encrypted to.',
      evidence: {},
      cause: undefined
    })
  })

  it('is not blamed when the private key is out of reach', async () => {
    const unwrap = failWith(new AppError('unavailable', 'The token does not answer.'))
    await expect(openEnvelopedData(cbc, unwrap)).rejects.toMatchObject({ code: 'unavailable' })
  })
})

function withTransport(enveloped: EnvelopedData, transport: KeyTransport): EnvelopedData {
  return { ...enveloped, recipients: enveloped.recipients.map(recipient => ({ ...recipient, transport })) }
}
