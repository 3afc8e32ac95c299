import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { decodeEnvelopedData } from '@app/cms'
import { isAppError, toHex } from '@app/core'
import { decrypterOf, publicHalfOf } from '@app/keys'
import { beforeAll, describe, expect, it } from 'vitest'
import { freshEntropy, rejectionOf, sampleRsaKey, transportCertificate } from '../../../test/helpers/escrow-samples.js'
import { codeOf, mutationsOf } from '../../../test/helpers/x509-samples.js'
import {
  decodeThresholdSealedKey,
  encodeCapiPrivateKeyBlob,
  isThresholdSealed,
  openWithShares,
  replaceShareEnvelope,
  sealToAgents,
  sealToThreshold,
  transferShare,
  verifyThresholdSealedKey,
  type OpenedKey,
  type ThresholdSealPlan
} from './index.js'

const archived = sampleRsaKey(0)
const blob = encodeCapiPrivateKeyBlob(archived)
const publicKey = publicHalfOf(archived)
const agents = [1, 2, 3].map(number => personOf(number))
const recipient = personOf(4)
const successor = personOf(5)
const certificates = agents.map(({ certificate }) => certificate)

function personOf(number: number) {
  const key = sampleRsaKey(number)
  return { decrypter: decrypterOf(key), certificate: transportCertificate(key, { serialNumber: number }) }
}

function seal(changes: Partial<ThresholdSealPlan> = {}): Promise<Uint8Array> {
  return sealToThreshold({
    plaintext: blob,
    publicKey,
    agents: certificates,
    threshold: 2,
    entropy: freshEntropy,
    ...changes
  })
}

function transferOf(sealed: Uint8Array, agent: (typeof agents)[number], to = recipient): Promise<Uint8Array> {
  const { decrypter, certificate } = agent
  return transferShare({ sealed, decrypter, agent: certificate, recipient: to.certificate, entropy: freshEntropy })
}

function open(sealed: Uint8Array, transferred: readonly Uint8Array[], by = recipient): Promise<string> {
  const use = ({ format, plaintext }: OpenedKey): string => `${format} ${toHex(plaintext)}`
  return openWithShares({ sealed, transferred, decrypter: by.decrypter, use })
}

describe('a key that is sealed to a threshold of agents', () => {
  let sealed: Uint8Array
  let transferred: readonly Uint8Array[]
  beforeAll(async () => {
    sealed = await seal()
    transferred = await Promise.all(agents.map(agent => transferOf(sealed, agent)))
  })

  it.each([
    ['the first two', [0, 1]],
    ['the last two', [1, 2]],
    ['the outer two', [2, 0]],
    ['all three', [0, 1, 2]]
  ])('opens for the recipient with the shares of %s', async (_who, chosen) => {
    const shares = chosen.map(index => transferred[index] as Uint8Array)
    expect(await open(sealed, shares)).toBe(`capi-rsa ${toHex(blob)}`)
  })

  it('says what it is for, how many open it, and who has a share', () => {
    const { threshold, keyHash, shares } = decodeThresholdSealedKey(sealed)
    expect(threshold).toBe(2)
    expect(toHex(keyHash)).toBe(createHash('sha256').update(publicKey.raw).digest('hex'))
    const recipients = shares.map(({ envelope }) => decodeEnvelopedData(envelope).recipients.length)
    expect(recipients).toEqual([1, 1, 1])
    expect(isThresholdSealed(sealed)).toBe(true)
    const forAnyAgent = sealToAgents({ plaintext: blob, agents: certificates, entropy: freshEntropy })
    expect(isThresholdSealed(forAnyAgent)).toBe(false)
  })

  it('shows nothing of the key, sealed or on its way to the recipient', () => {
    const seen = toHex(Buffer.concat([sealed, ...transferred]))
    for (let at = 20; at + 16 <= blob.length; at += 16) {
      expect(seen).not.toContain(toHex(blob.subarray(at, at + 16)))
    }
  })

  it('does not open with one share, or with the same share twice', async () => {
    const [first] = transferred as [Uint8Array, Uint8Array, Uint8Array]
    const again = await transferOf(sealed, agents[0] as (typeof agents)[number])
    for (const shares of [[], [first], [first, first], [first, again]]) {
      expect(await rejectionOf(() => open(sealed, shares))).toBe('recovery_shares_missing')
    }
  })

  it('refuses a share of another key, even of another sealing of the same key', async () => {
    const other = await transferOf(await seal(), agents[1] as (typeof agents)[number])
    const foreignKey = await seal({ publicKey: publicHalfOf(sampleRsaKey(6)) })
    const foreign = await transferOf(foreignKey, agents[1] as (typeof agents)[number])
    for (const wrong of [other, foreign]) {
      const shares = [transferred[0] as Uint8Array, wrong, transferred[2] as Uint8Array]
      expect(await rejectionOf(() => open(sealed, shares))).toBe('recovery_share_invalid')
    }
  })

  it('gives its shares to nobody but whom they were handed to', async () => {
    const shares = transferred.slice(0, 2)
    expect(await rejectionOf(() => open(sealed, shares, successor))).toBe('cms_decrypt_failed')
    expect(await rejectionOf(() => transferOf(sealed, recipient))).toBe('not_found')
    const thief = { decrypter: recipient.decrypter, certificate: certificates[0] as (typeof certificates)[number] }
    expect(await rejectionOf(() => transferOf(sealed, thief))).toBe('cms_decrypt_failed')
  })

  it('never opens to anything but the key, whichever byte of it or of a share is changed', async () => {
    const [first, second] = transferred as [Uint8Array, Uint8Array, Uint8Array]
    const changing = fc.tuple(fc.boolean(), fc.nat(), fc.integer({ min: 1, max: 255 }))
    await fc.assert(
      fc.asyncProperty(changing, async ([inShare, place, flip]) => {
        const changed = Uint8Array.from(inShare ? first : sealed)
        const at = place % changed.length
        changed[at] = (changed[at] as number) ^ flip
        const opening = inShare ? open(sealed, [changed, second]) : open(changed, [first, second])
        // What names an agent or the recipient is no part of what is opened.
        const outcome = await opening.catch((error: unknown) => isAppError(error))
        expect([true, `capi-rsa ${toHex(blob)}`]).toContain(outcome)
      }),
      { numRuns: 150 }
    )
  })

  it('is decoded or refused, and nothing else, whatever comes', () => {
    fc.assert(
      fc.property(mutationsOf(sealed), bytes => {
        expect(codeOf(() => decodeThresholdSealedKey(bytes))).not.toBe('internal')
      }),
      { numRuns: 300 }
    )
  })

  it('reads back as it was meant, or is not used', async () => {
    const plan = { agents: certificates, threshold: 2, publicKey }
    expect(codeOf(() => verifyThresholdSealedKey(sealed, plan))).toBeUndefined()
    const wrong: readonly Partial<typeof plan>[] = [
      { threshold: 3 },
      { agents: certificates.toReversed() },
      { agents: certificates.slice(0, 2) },
      { publicKey: publicHalfOf(sampleRsaKey(6)) }
    ]
    for (const changes of wrong) {
      expect(codeOf(() => verifyThresholdSealedKey(sealed, { ...plan, ...changes }))).toBe('internal')
    }
  })

  it('opens with the successor of an agent in the place of that agent', async () => {
    const [first, second] = agents as [(typeof agents)[number], (typeof agents)[number]]
    const handedOn = await transferOf(sealed, first, successor)
    const resealed = replaceShareEnvelope(sealed, first.certificate, successor.certificate, handedOn)
    const shares = [await transferOf(resealed, successor), await transferOf(resealed, second)]
    expect(await open(resealed, shares)).toBe(`capi-rsa ${toHex(blob)}`)
    expect(await rejectionOf(() => transferOf(resealed, first))).toBe('not_found')
    const toAnother = await transferOf(sealed, first, recipient)
    const replacing = () => replaceShareEnvelope(sealed, first.certificate, successor.certificate, toAnother)
    expect(codeOf(replacing)).toBe('cms_structure')
  })
})

describe('sealing to a threshold of agents', () => {
  it.each<readonly [string, Partial<ThresholdSealPlan>, string]>([
    ['fewer agents than the threshold', { threshold: 4 }, 'no_valid_recovery_agent'],
    ['no agent', { agents: [] }, 'no_valid_recovery_agent'],
    ['a threshold of one', { threshold: 1 }, 'invalid_argument'],
    ['half an agent', { threshold: 2.5 }, 'invalid_argument'],
    ['the same agent twice', { agents: [...certificates, ...certificates.slice(0, 1)] }, 'invalid_argument']
  ])('refuses %s', async (_what, changes, code) => {
    expect(await rejectionOf(() => seal(changes))).toBe(code)
  })
})
