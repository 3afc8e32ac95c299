import {
  buildEnvelopedData,
  decodeEnvelopedData,
  decodeSignedData,
  findRecipient,
  findSignerCertificate,
  openEnvelopedData,
  removeUnsignedAttribute,
  unwrapContentKey,
  verifySignerInfo,
  withUnsignedAttributes,
  type ContentEncryptionName,
  type KeyUnwrapper
} from '@app/cms'
import { isAppError } from '@app/core'
import { encodeNull } from '@app/der'
import { OID } from '@app/oid'
import { encodeAttribute, findAttribute } from '@app/x509'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { forgeSignedData, makeIdentity, makeRsaIdentity, realEntropy } from '../helpers/cms-messages.js'
import { attempt } from '../helpers/damaged-messages.js'
import { readVector } from '../helpers/vectors.js'

const RUNS = 2000

const signer = makeIdentity()
const rsa = makeRsaIdentity()
const extra = encodeAttribute('1.2.3', [encodeNull()])

const signedMessages = [
  forgeSignedData(signer, { unsignedAttributes: [extra] }),
  ...['microsoft-full-response-issued', 'windows-archival-rsa2048-user', 'certreq-pkcs7-onbehalf'].map(name =>
    readVector(`adcs/${name}.der`)
  )
]

function envelope(contentEncryption: ContentEncryptionName): Uint8Array {
  const recipients = [{ certificate: rsa.certificate, transport: { scheme: 'rsaes-oaep', digest: 'sha256' } as const }]
  const content = Buffer.from('fifteen octets.')
  return buildEnvelopedData({ content, recipients, contentEncryption, entropy: realEntropy })
}

const unwrap: KeyUnwrapper = async (encryptedKey, transport) =>
  unwrapContentKey(rsa.privateKey, encryptedKey, transport)

const [windowsSigner] = decodeSignedData(readVector('adcs/windows-archival-rsa2048-user.der')).signerInfos
const windowsEnvelope =
  findAttribute(windowsSigner?.unsignedAttributes ?? [], OID.szOID_ARCHIVED_KEY_ATTR)?.values[0] ?? new Uint8Array()
const envelopes = [envelope('aes-256-cbc'), envelope('aes-128-gcm'), windowsEnvelope]

type Edit = readonly [kind: 'set' | 'insert' | 'remove' | 'copy', position: number, value: number]

/** A message with some octets changed, put in, taken out or repeated, more often near its start where the headers are. */
function mutationsOf(messages: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const position = fc.oneof(fc.nat(200), fc.nat(5000))
  const edit: fc.Arbitrary<Edit> = fc.tuple(fc.constantFrom('set', 'insert', 'remove', 'copy'), position, fc.nat(255))
  return fc
    .tuple(fc.constantFrom(...messages), fc.array(edit, { minLength: 1, maxLength: 4 }))
    .map(([message, edits]) => edits.reduce(applyEdit, message))
}

function applyEdit(message: Uint8Array, [kind, at, value]: Edit): Uint8Array {
  const position = at % message.length
  const before = message.subarray(0, position)
  const after = message.subarray(position)
  switch (kind) {
    case 'set':
      return Buffer.concat([before, Uint8Array.of(value), after.subarray(1)])
    case 'insert':
      return Buffer.concat([before, Uint8Array.of(value), after])
    case 'remove':
      return Buffer.concat([before, after.subarray(1 + (value % 8))])
    case 'copy':
      return Buffer.concat([before, after.subarray(0, value), after])
  }
}

function useSignedData(message: Uint8Array): void {
  const signedData = decodeSignedData(message)
  removeUnsignedAttribute(message, '1.2.3')
  for (const [index, signerInfo] of signedData.signerInfos.entries()) {
    decodeSignedData(withUnsignedAttributes(message, index, [extra]))
    const { publicKey } = findSignerCertificate(signedData, signerInfo.sid)
    verifySignerInfo(signedData, signerInfo, publicKey, { allowSha1: true })
  }
}

async function useEnvelope(message: Uint8Array): Promise<void> {
  const enveloped = decodeEnvelopedData(message)
  const { issuer, serialNumber } = rsa.certificate
  const recipient = findRecipient(enveloped, { issuer: issuer.raw, serialNumber, keyId: rsa.publicKey.keyId })
  await openEnvelopedData(enveloped, unwrap, recipient)
}

describe('damaged CMS messages', () => {
  it('are refused with an AppError or read, when they are SignedData', async () => {
    await fc.assert(
      fc.asyncProperty(mutationsOf(signedMessages), async message => {
        expect(await attempt(() => useSignedData(message))).toBeTypeOf('boolean')
      }),
      { numRuns: RUNS }
    )
  })

  it('are refused with an AppError or read, when they are envelopes', async () => {
    await fc.assert(
      fc.asyncProperty(mutationsOf(envelopes), async message => {
        expect(await attempt(() => useEnvelope(message))).toBeTypeOf('boolean')
      }),
      { numRuns: RUNS }
    )
  })

  it('are refused with an AppError when they are arbitrary octets', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async message => {
        expect(await attempt(() => useSignedData(message))).toBe(false)
        expect(await attempt(() => useEnvelope(message))).toBe(false)
      }),
      { numRuns: RUNS }
    )
  })

  it('are refused when they end early, wherever that is', async () => {
    for (const message of [signedMessages[0], envelopes[0], envelopes[1]]) {
      for (let length = 0; length < (message?.length ?? 0); length++) {
        const cut = message?.subarray(0, length) ?? new Uint8Array()
        expect(await attempt(() => useSignedData(cut))).toBe(false)
        expect(await attempt(() => useEnvelope(cut))).toBe(false)
      }
    }
  })

  it('never verify when a bit of what is signed has changed', async () => {
    const [sound = new Uint8Array()] = signedMessages
    const { signerInfos, eContent = new Uint8Array() } = decodeSignedData(sound)
    const signature = Buffer.from(sound).indexOf(signerInfos[0]?.signature ?? 'absent')
    const attributes = Buffer.from(sound).indexOf(signerInfos[0]?.signedAttributes?.encoded.subarray(1) ?? 'absent')
    const content = Buffer.from(sound).indexOf(eContent)
    const ranges = [
      [content, eContent.length],
      [attributes, signerInfos[0]?.signedAttributes?.encoded.length ?? 0],
      [signature, signerInfos[0]?.signature.length ?? 0]
    ] as const
    for (const [start, length] of ranges) {
      expect(start).toBeGreaterThan(0)
      for (let bit = 0; bit < length * 8; bit++) {
        const changed = Uint8Array.from(sound)
        changed[start + (bit >> 3)] = (changed[start + (bit >> 3)] ?? 0) ^ (1 << (bit & 7))
        expect(await attempt(() => useSignedData(changed)), `bit ${bit} from ${start}`).toBe(false)
      }
    }
  })
})

describe('a content-encryption key of the wrong length', () => {
  it.each(['des-ede3-cbc', 'aes-256-cbc'] as const)(
    'is replaced by a random one: %s then ends in valid padding now and then, as any wrong key does',
    async contentEncryption => {
      const enveloped = decodeEnvelopedData(envelope(contentEncryption))
      let opened = 0
      // One wrong key in 256 is taken; that 5000 in a row are not happens once in 10^8 runs.
      for (let run = 0; run < 5000; run++) {
        const opening = openEnvelopedData(enveloped, () => Promise.resolve(new Uint8Array(5)))
        await opening.then(
          () => opened++,
          (error: unknown) => {
            if (!isAppError(error, 'cms_decrypt_failed')) throw error
          }
        )
      }
      expect(opened).toBeGreaterThan(0)
      expect(opened).toBeLessThan(200)
    }
  )
})
