import { generateKeyPairSync } from 'node:crypto'
import * as fc from 'fast-check'
import { buildEnvelopedData, decodeEnvelopedData } from '@app/cms'
import { isAppError, toHex } from '@app/core'
import { decrypterOf } from '@app/keys'
import { describe, expect, it } from 'vitest'
import { freshEntropy, rejectionOf, sampleRsaKey, transportCertificate } from '../../../test/helpers/escrow-samples.js'
import { codeOf, mutationsOf } from '../../../test/helpers/x509-samples.js'
import {
  encodeCapiPrivateKeyBlob,
  openSealedKey,
  sealToAgents,
  verifySealedKey,
  type OpenedKey,
  type SealPlan
} from './index.js'

const blob = encodeCapiPrivateKeyBlob(sampleRsaKey(0))
const agents = [
  { key: sampleRsaKey(1), certificate: transportCertificate(sampleRsaKey(1), { serialNumber: 1 }) },
  { key: sampleRsaKey(2), certificate: transportCertificate(sampleRsaKey(2), { serialNumber: 2 }) }
] as const
const certificates = agents.map(({ certificate }) => certificate)
const stranger = sampleRsaKey(3)

function seal(changes: Partial<SealPlan> = {}): Uint8Array {
  return sealToAgents({ plaintext: blob, agents: certificates, entropy: freshEntropy, ...changes })
}

const contentOf = ({ format, plaintext }: OpenedKey): readonly string[] => [format, toHex(plaintext)]

describe('a sealed key', () => {
  it.each<readonly [string, Partial<SealPlan>]>([
    ['by default', {}],
    ['with AES-GCM', { contentEncryption: 'aes-256-gcm' }],
    ['by OAEP', { transport: { scheme: 'rsaes-oaep', digest: 'sha256' } }]
  ])('opens for each agent alone, sealed %s', async (_name, changes) => {
    const sealed = seal(changes)
    for (const { key, certificate } of agents) {
      const opening = { sealed, decrypter: decrypterOf(key), use: contentOf }
      expect(await openSealedKey({ ...opening, agentCertificate: certificate })).toEqual(['capi-rsa', toHex(blob)])
      expect(await openSealedKey(opening)).toEqual(['capi-rsa', toHex(blob)])
    }
  })

  it('is what certutil -recoverkey reads: RSAES-PKCS1-v1_5, AES-256-CBC, recipients by issuer and serial number', () => {
    const { kind, recipients, contentEncryption } = decodeEnvelopedData(seal())
    expect(kind).toBe('enveloped')
    expect(contentEncryption.algorithm).toBe('aes-256-cbc')
    expect(recipients.map(({ transport }) => transport.scheme)).toEqual(['rsaes-pkcs1-v1_5', 'rsaes-pkcs1-v1_5'])
    expect(recipients.map(({ identifier }) => identifier.kind)).toEqual(['issuerAndSerial', 'issuerAndSerial'])
  })

  it('shows nothing of the key', () => {
    const sealed = Buffer.from(seal())
    for (let at = 20; at + 16 <= blob.length; at += 16)
      expect(sealed.includes(Buffer.from(blob.subarray(at, at + 16)))).toBe(false)
  })

  it('does not open for anyone else', async () => {
    const sealed = seal()
    const opening = { sealed, decrypter: decrypterOf(stranger), use: contentOf }
    const certificate = transportCertificate(stranger, { serialNumber: 9 })
    // A wrong key gives noise, which passes for padding once in 256 times and for a key never.
    expect(['cms_decrypt_failed', 'key_blob_invalid']).toContain(await rejectionOf(() => openSealedKey(opening)))
    expect(await rejectionOf(() => openSealedKey({ ...opening, agentCertificate: certificate }))).toBe('not_found')
  })

  it('is overwritten when its use ends, well or not', async () => {
    const lent: Uint8Array[] = []
    const opening = { sealed: seal(), decrypter: decrypterOf(agents[0].key) }
    const keep = ({ plaintext }: OpenedKey): number => lent.push(plaintext)
    const fail = (key: OpenedKey): never => {
      keep(key)
      throw new Error('no')
    }
    await openSealedKey({ ...opening, use: keep })
    await expect(openSealedKey({ ...opening, use: fail })).rejects.toThrow('no')
    expect(lent.map(plaintext => plaintext.every(octet => octet === 0))).toEqual([true, true])
  })

  it('says so when it holds no key', async () => {
    const sealed = seal({ plaintext: Buffer.from('no key') })
    const opening = { sealed, decrypter: decrypterOf(agents[0].key), agentCertificate: agents[0].certificate }
    expect(await rejectionOf(() => openSealedKey({ ...opening, use: contentOf }))).toBe('key_blob_invalid')
  })

  it('cannot be made without agents, with one twice, or with one whose key is not RSA', () => {
    const ec = transportCertificate(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
    expect(codeOf(() => seal({ agents: [] }))).toBe('no_valid_recovery_agent')
    expect(codeOf(() => seal({ agents: [...certificates, agents[0].certificate] }))).toBe('invalid_argument')
    expect(codeOf(() => seal({ agents: [ec] }))).toBe('public_key_unsupported')
  })

  it('opens or fails with an error of the program, however it is changed', async () => {
    const sealed = seal()
    const decrypter = decrypterOf(agents[1].key)
    await fc.assert(
      fc.asyncProperty(mutationsOf(sealed), async mutated => {
        const outcome = await openSealedKey({ sealed: mutated, decrypter, use: () => 'opened' }).catch(
          (e: unknown) => e
        )
        expect(outcome === 'opened' || isAppError(outcome)).toBe(true)
      }),
      { numRuns: 40 }
    )
  })
})

describe('reading a sealed key back', () => {
  it('accepts it for exactly the agents it was made for, in any order', () => {
    expect(codeOf(() => verifySealedKey(seal(), certificates))).toBeUndefined()
    expect(codeOf(() => verifySealedKey(seal(), certificates.toReversed()))).toBeUndefined()
  })

  it('refuses it with an agent missing, added or exchanged, in 3DES, or damaged', () => {
    const other = transportCertificate(stranger, { serialNumber: 3 })
    const sealed = seal()
    const weakly = buildEnvelopedData({
      content: blob,
      recipients: certificates.map(certificate => ({ certificate, transport: { scheme: 'rsaes-pkcs1-v1_5' } })),
      contentEncryption: 'des-ede3-cbc',
      entropy: freshEntropy
    })
    const cases: readonly (readonly [Uint8Array, typeof certificates])[] = [
      [sealed, certificates.slice(1)],
      [sealed, [...certificates, other]],
      [sealed, [agents[0].certificate, other]],
      [weakly, certificates],
      [sealed.subarray(0, -1), certificates],
      [new Uint8Array(), certificates]
    ]
    expect(cases.map(([bytes, expected]) => codeOf(() => verifySealedKey(bytes, expected)))).toEqual(
      cases.map(() => 'internal')
    )
  })
})
