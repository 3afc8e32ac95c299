import { constants, publicEncrypt, randomBytes, randomInt } from 'node:crypto'
import { buildEnvelopedData, decodeEnvelopedData } from '@app/cms'
import { isAppError } from '@app/core'
import { encodeCapiPrivateKeyBlob, openArchivedKey } from '@app/escrow'
import { decrypterOf, publicHalfOf } from '@app/keys'
import { OID } from '@app/oid'
import { describe, expect, it } from 'vitest'
import { freshEntropy, sampleRsaKey, transportCertificate } from '../helpers/escrow-samples.js'

/** Of each kind of failure. More of them show smaller differences: CERTKEEP_TIMING_SAMPLES=20000. */
const SAMPLES = Number(process.env['CERTKEEP_TIMING_SAMPLES'] ?? 200)

/** How far the chance that one kind takes longer than another may be from a half: six times what 200 samples show by chance. */
const MAX_BIAS = 0.17

const exchangeKey = sampleRsaKey(0)
const exchange = transportCertificate(exchangeKey, { purposes: [OID.szOID_KP_CA_EXCHANGE] })
const decrypter = decrypterOf(exchangeKey)
const subject = sampleRsaKey(1)
const requestedPublicKey = publicHalfOf(subject)
const blob = encodeCapiPrivateKeyBlob(subject)
const other = encodeCapiPrivateKeyBlob(sampleRsaKey(2))

function envelopeOf(content: Uint8Array): Uint8Array {
  return buildEnvelopedData({
    content,
    recipients: [{ certificate: exchange, transport: { scheme: 'rsaes-pkcs1-v1_5' } }],
    contentEncryption: 'aes-256-cbc',
    entropy: freshEntropy
  })
}

function replaced(envelope: Uint8Array, part: Uint8Array, bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(envelope)
  copy.set(bytes, copy.indexOf(Buffer.from(part)))
  return copy
}

function withWrapped(bytes: Uint8Array): Uint8Array {
  const envelope = envelopeOf(blob)
  return replaced(envelope, decodeEnvelopedData(envelope).recipients[0]?.encryptedKey ?? new Uint8Array(), bytes)
}

function withChange(fromEnd: number): Uint8Array {
  const envelope = envelopeOf(blob)
  const { encryptedContent } = decodeEnvelopedData(envelope)
  const changed = Uint8Array.from(encryptedContent)
  const at = changed.length - fromEnd
  changed[at] = (changed[at] ?? 0) ^ 0x41
  return replaced(envelope, encryptedContent, changed)
}

const encrypted = (bytes: Uint8Array): Uint8Array =>
  publicEncrypt({ key: exchangeKey, padding: constants.RSA_PKCS1_PADDING }, bytes)

/** Every way in which opening fails once the private key is used; each makes a new envelope. */
const FAILURES: Readonly<Record<string, () => Uint8Array>> = {
  'the encrypted key has no padding': () => withWrapped(Buffer.concat([Uint8Array.of(0), randomBytes(255)])),
  'the encrypted key is of another length': () => withWrapped(encrypted(randomBytes(16))),
  'the encrypted key is another': () => withWrapped(encrypted(randomBytes(32))),
  'the content has no padding': () => withChange(17),
  'the content is no key': () => envelopeOf(randomBytes(blob.length)),
  'the content is a damaged key': () => withChange(200),
  'the content is another key': () => envelopeOf(other)
}

async function timeOf(envelope: Uint8Array): Promise<number> {
  const start = process.hrtime.bigint()
  try {
    await openArchivedKey({ envelope, requestedPublicKey, decrypter, use: () => undefined })
  } catch (error) {
    if (!isAppError(error, 'archived_key_mismatch')) throw error
    return Number(process.hrtime.bigint() - start)
  }
  throw new Error('The envelope opened.')
}

/**
 * Times of every kind, in an order of chance, so that what else the machine does falls on all alike. All envelopes are
 * made before: making one leaves its traces in the caches.
 */
async function measure(samples: number): Promise<ReadonlyMap<string, readonly number[]>> {
  const kinds = Object.entries(FAILURES)
  const order = kinds.flatMap(([name, make]) => Array.from({ length: samples }, () => [name, make()] as const))
  for (let last = order.length - 1; last > 0; last--) {
    const at = randomInt(last + 1)
    const [one, another] = [order[last], order[at]] as [(typeof order)[0], (typeof order)[0]]
    order[last] = another
    order[at] = one
  }
  const times = new Map<string, number[]>(kinds.map(([name]) => [name, []]))
  for (const [name, envelope] of order) times.get(name)?.push(await timeOf(envelope))
  return times
}

/** The chance that one of the first takes longer than one of the others, less a half (Mann and Whitney's U). */
function biasOf(ones: readonly number[], others: readonly number[]): number {
  const sorted = others.toSorted((a, b) => a - b)
  let longer = 0
  for (const one of ones) {
    let [low, high] = [0, sorted.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sorted[middle] as number) < one) low = middle + 1
      else high = middle
    }
    longer += low
  }
  return longer / (ones.length * others.length) - 0.5
}

describe('an archived key that does not open', () => {
  it('takes the same time whatever the reason', async () => {
    await measure(20)
    const times = [...(await measure(SAMPLES))]
    const told = times.flatMap(([one, first], index) =>
      times.slice(index + 1).flatMap(([another, second]) => {
        const bias = biasOf(first, second)
        return Math.abs(bias) > MAX_BIAS ? [{ one, another, bias }] : []
      })
    )
    expect(told).toEqual([])
  })
})
