import { constants, createPrivateKey, generateKeyPairSync, publicEncrypt, type KeyObject } from 'node:crypto'
import * as fc from 'fast-check'
import { readEnrollmentRequest } from '@app/cmc'
import { buildEnvelopedData, decodeEnvelopedData, type ContentEncryptionName, type KeyTransport } from '@app/cms'
import { AppError, isAppError, toHex } from '@app/core'
import { encodeSequence, encodeUtf8String } from '@app/der'
import { decrypterOf, publicHalfOf, type Decrypter } from '@app/keys'
import { OID } from '@app/oid'
import type { PublicKeyInfo } from '@app/x509'
import { describe, expect, it } from 'vitest'
import {
  complaintOf,
  freshEntropy,
  rejectionOf,
  rsaNumbersOf,
  rsaPkcs8,
  sampleRsaKey,
  transportCertificate
} from '../../../test/helpers/escrow-samples.js'
import { mutationsOf, readAdcsVector } from '../../../test/helpers/x509-samples.js'
import {
  archivedKeyRecipient,
  encodeCapiPrivateKeyBlob,
  encodeCngEccBlob,
  encodePkcs8KeyBlob,
  openArchivedKey,
  type OpenedKey
} from './index.js'

const exchangeKey = sampleRsaKey(0)
const exchange = transportCertificate(exchangeKey, { purposes: [OID.szOID_KP_CA_EXCHANGE] })
const decrypter = decrypterOf(exchangeKey)
const subject = sampleRsaKey(1)
const subjectBlob = encodeCapiPrivateKeyBlob(subject)
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
const PKCS1: KeyTransport = { scheme: 'rsaes-pkcs1-v1_5' }

interface EnvelopeOptions {
  readonly contentType?: string
  readonly contentEncryption?: ContentEncryptionName
  readonly transport?: KeyTransport
}

/** An envelope to the exchange certificate; 3DES and RSAES-PKCS1-v1_5, as Windows has it, unless told. */
function envelopeOf(content: Uint8Array, options: EnvelopeOptions = {}): Uint8Array {
  const { contentEncryption = 'des-ede3-cbc', transport = PKCS1, contentType = OID.id_data } = options
  const recipients = [{ certificate: exchange, transport }]
  return buildEnvelopedData({ content, contentType, recipients, contentEncryption, entropy: freshEntropy })
}

/** Opens an envelope as one for the subject's RSA key and tells what was in it. */
function open(
  envelope: Uint8Array,
  requestedPublicKey: PublicKeyInfo = publicHalfOf(subject),
  use: (key: OpenedKey) => unknown = ({ format, bits, plaintext }) => [format, bits, toHex(plaintext)]
): Promise<unknown> {
  return openArchivedKey({ envelope, requestedPublicKey, decrypter, use })
}

/** The parts of an envelope that are changed to see what happens. */
function partsOf(envelope: Uint8Array): { readonly encryptedContent: Uint8Array; readonly wrapped: Uint8Array } {
  const { encryptedContent, recipients } = decodeEnvelopedData(envelope)
  return { encryptedContent, wrapped: recipients[0]?.encryptedKey ?? new Uint8Array() }
}

/** The envelope with one bit or two of a part changed. */
function changed(envelope: Uint8Array, part: Uint8Array, at: number): Uint8Array {
  const changed = Uint8Array.from(part)
  changed[at] = (changed[at] as number) ^ 0x41
  return replaced(envelope, part, changed)
}

/** The envelope with other bytes in the place of a part. */
function replaced(envelope: Uint8Array, part: Uint8Array, other: Uint8Array): Uint8Array {
  const copy = Buffer.from(envelope)
  copy.set(other, copy.indexOf(Buffer.from(part)))
  return copy
}

/** An envelope with EncKeyWithID around a key and so many names. */
function encKeyWithId(key: Uint8Array, identifiers: number): Uint8Array {
  const members = Array.from({ length: identifiers }, () => encodeUtf8String('x'))
  return envelopeOf(encodeSequence(key, ...members), { contentType: OID.id_ct_encKeyWithID })
}

const opened = (): string => 'opened'

describe('an archived key of a Windows client', () => {
  const request = readEnrollmentRequest(readAdcsVector('windows-archival-rsa2048-user.der'), { allowSha1: true })
  const envelope = request.archivedKey?.envelope ?? new Uint8Array()
  const pkcs8 = Buffer.from(readAdcsVector('windows-archival-exchange-key.pkcs8.der'))
  const windowsDecrypter = decrypterOf(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))

  it('opens with the exchange key it was made for, and is the key of its request', async () => {
    const found = await openArchivedKey({
      envelope,
      requestedPublicKey: request.publicKey,
      decrypter: windowsDecrypter,
      use: ({ format, algorithm, bits, plaintext }) => ({ format, algorithm, bits, length: plaintext.length })
    })
    expect(found).toEqual({ format: 'capi-rsa', algorithm: 'rsa', bits: 2048, length: 1172 })
    expect(archivedKeyRecipient(envelope).kind).toBe('issuerAndSerial')
    expect(decodeEnvelopedData(envelope).contentEncryption.algorithm).toBe('des-ede3-cbc')
  })

  it('is not the key of another request, and does not open with another exchange key', async () => {
    const requestedPublicKey = request.publicKey
    expect(
      await rejectionOf(() =>
        openArchivedKey({
          envelope,
          requestedPublicKey: publicHalfOf(subject),
          decrypter: windowsDecrypter,
          use: opened
        })
      )
    ).toBe('archived_key_mismatch')
    expect(await rejectionOf(() => openArchivedKey({ envelope, requestedPublicKey, decrypter, use: opened }))).toBe(
      'archived_key_mismatch'
    )
  })
})

describe('an archived key', () => {
  it.each<readonly [string, Uint8Array, KeyObject, EnvelopeOptions, string]>([
    ['CAPI in 3DES', subjectBlob, subject, {}, 'capi-rsa'],
    ['CAPI in AES-256', subjectBlob, subject, { contentEncryption: 'aes-256-cbc' }, 'capi-rsa'],
    [
      'PKCS#8 in AES-GCM by OAEP',
      encodePkcs8KeyBlob(subject),
      subject,
      { contentEncryption: 'aes-256-gcm', transport: { scheme: 'rsaes-oaep', digest: 'sha256' } },
      'pkcs8'
    ],
    ['CNG ECC', encodeCngEccBlob(p384), p384, { contentEncryption: 'aes-128-cbc' }, 'cng-ecc'],
    ['PKCS#8 of a P-384 key', encodePkcs8KeyBlob(p384), p384, {}, 'pkcs8']
  ])('opens as %s', async (_name, blob, key, options, format) => {
    expect(await open(envelopeOf(blob, options), publicHalfOf(key))).toEqual([
      format,
      publicHalfOf(key).bits,
      toHex(blob)
    ])
  })

  it.each([
    ['alone', []],
    ['with the name of its owner', [encodeUtf8String('user@example.test')]]
  ])('opens as EncKeyWithID %s, and gives the PKCS#8 key inside', async (_name, identifier) => {
    const pkcs8 = encodePkcs8KeyBlob(subject)
    const envelope = envelopeOf(encodeSequence(pkcs8, ...identifier), { contentType: OID.id_ct_encKeyWithID })
    expect(await open(envelope)).toEqual(['pkcs8', 2048, toHex(pkcs8)])
  })

  it('is overwritten when its use ends, well or not', async () => {
    const lent: Uint8Array[] = []
    const keep = ({ plaintext }: OpenedKey): boolean => {
      lent.push(plaintext)
      return plaintext.some(octet => octet !== 0)
    }
    expect(await open(envelopeOf(subjectBlob), publicHalfOf(subject), keep)).toBe(true)
    const failure = new Error('the database is away')
    const fail = (key: OpenedKey): never => {
      keep(key)
      throw failure
    }
    await expect(open(envelopeOf(subjectBlob), publicHalfOf(subject), fail)).rejects.toBe(failure)
    const wait = async (key: OpenedKey): Promise<boolean> => {
      await new Promise(resolve => setImmediate(resolve))
      return keep(key)
    }
    expect(await open(envelopeOf(subjectBlob), publicHalfOf(subject), wait)).toBe(true)
    expect(lent.map(plaintext => plaintext.every(octet => octet === 0))).toEqual([true, true, true])
  })
})

describe('an archived key is refused', () => {
  it('in the same words whether it does not decrypt, is no key, or is another one', async () => {
    const numbers = rsaNumbersOf(subject)
    const sound = envelopeOf(subjectBlob)
    const { encryptedContent, wrapped } = partsOf(sound)
    const oaep = envelopeOf(subjectBlob, { transport: { scheme: 'rsaes-oaep', digest: 'sha1' } })
    const gcm = envelopeOf(subjectBlob, { contentEncryption: 'aes-256-gcm' })
    const another = publicEncrypt({ key: sampleRsaKey(2), padding: constants.RSA_PKCS1_PADDING }, Buffer.alloc(24))
    const shortKey = publicEncrypt({ key: exchangeKey, padding: constants.RSA_PKCS1_PADDING }, Buffer.alloc(16))
    const hopeless: readonly (readonly [string, Uint8Array])[] = [
      ['a changed encrypted key', changed(sound, wrapped, 100)],
      ['an encrypted key for another recipient', replaced(sound, wrapped, another)],
      ['a content key of another length', replaced(sound, wrapped, shortKey)],
      ['an encrypted key above the modulus', replaced(sound, wrapped, Buffer.alloc(256, 0xff))],
      ['bad padding', changed(sound, encryptedContent, encryptedContent.length - 9)],
      ['a changed header of the blob', changed(sound, encryptedContent, 0)],
      ['a changed modulus', changed(sound, encryptedContent, 40)],
      ['a changed private exponent', changed(sound, encryptedContent, encryptedContent.length - 100)],
      ['an empty content', envelopeOf(new Uint8Array())],
      ['a content that is no key', envelopeOf(Buffer.from('no key at all'))],
      ['a blob and a byte', envelopeOf(Buffer.concat([subjectBlob, Uint8Array.of(0)]))],
      ['the key of someone else', envelopeOf(encodeCapiPrivateKeyBlob(sampleRsaKey(2)))],
      ['a key of another kind', envelopeOf(encodeCngEccBlob(p384))],
      ['a key with another exponent', envelopeOf(rsaPkcs8({ ...numbers, d: numbers.d + 2n }))],
      ['GCM with a changed content', changed(gcm, partsOf(gcm).encryptedContent, 30)],
      ['a changed encrypted key by OAEP', changed(oaep, partsOf(oaep).wrapped, 100)],
      ['EncKeyWithID with more than two members', encKeyWithId(encodePkcs8KeyBlob(subject), 2)],
      ['EncKeyWithID around no key', encKeyWithId(encodeSequence(), 0)]
    ]
    const complaints = new Map<string, string[]>()
    for (const [name, envelope] of hopeless) {
      const complaint = await complaintOf(() => open(envelope))
      complaints.set(complaint, [...(complaints.get(complaint) ?? []), name])
    }
    expect([...complaints.values()]).toEqual([hopeless.map(([name]) => name)])
    expect([...complaints.keys()][0]).toMatch(/^\["archived_key_mismatch",".*",{},"undefined"\]$/)
  })

  it('before it is opened when the requested key is weak', async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
    const untouched: Decrypter = {
      publicKey: decrypter.publicKey,
      unwrap: () => Promise.reject(new Error('The envelope was opened.'))
    }
    const opening = {
      envelope: envelopeOf(encodeCapiPrivateKeyBlob(weak)),
      requestedPublicKey: publicHalfOf(weak),
      use: opened
    }
    expect(await rejectionOf(() => openArchivedKey({ ...opening, decrypter: untouched }))).toBe('archived_key_weak')
    expect(await openArchivedKey({ ...opening, decrypter, minimumRsaBits: 1024 })).toBe('opened')
  })

  it('for what anyone can see of its envelope, by that name', async () => {
    const two = [exchange, transportCertificate(sampleRsaKey(2), { serialNumber: 2 })]
    const forTwo = buildEnvelopedData({
      content: subjectBlob,
      recipients: two.map(certificate => ({ certificate, transport: PKCS1 })),
      contentEncryption: 'aes-256-cbc',
      entropy: freshEntropy
    })
    const signedContent = envelopeOf(subjectBlob, { contentType: OID.id_signedData })
    expect(await rejectionOf(() => open(forTwo))).toBe('cms_recipient_count')
    expect(await rejectionOf(() => open(signedContent))).toBe('cms_content_type_mismatch')
    expect(await rejectionOf(() => open(Buffer.concat([envelopeOf(subjectBlob), Uint8Array.of(0)])))).toBe(
      'der_trailing_bytes'
    )
  })

  it('without a verdict on it when the exchange key is out of reach', async () => {
    for (const code of ['unavailable', 'key_store_locked', 'not_found'] as const) {
      const away: Decrypter = {
        publicKey: decrypter.publicKey,
        unwrap: () => Promise.reject(new AppError(code, 'The module does not answer.'))
      }
      const opening = { envelope: envelopeOf(subjectBlob), requestedPublicKey: publicHalfOf(subject), use: () => 1 }
      expect(await rejectionOf(() => openArchivedKey({ ...opening, decrypter: away }))).toBe(code)
    }
  })

  it('with an error of the program, however its envelope is changed', async () => {
    const sound = envelopeOf(subjectBlob)
    await fc.assert(
      fc.asyncProperty(mutationsOf(sound), async mutated => {
        const outcome = await open(mutated, publicHalfOf(subject), opened).catch((error: unknown) => error)
        expect(outcome === 'opened' || isAppError(outcome)).toBe(true)
      }),
      { numRuns: 60 }
    )
  })
})
