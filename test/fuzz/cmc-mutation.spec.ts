import {
  buildFullResponse,
  decodeFullResponse,
  decodeStoredRequest,
  encodePendToken,
  findIssuedCertificate,
  findPendingQuery,
  FR_PROPERTIES,
  inspectRequest,
  parseRequestAttributes,
  readEnrollmentRequest,
  readFullResponseProperty,
  verifyFullResponse,
  verifyIdentityClaim
} from '@app/cmc'
import { decodeSignedData } from '@app/cms'
import { decodeCertificate } from '@app/x509'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildSampleCmc, exchangeIdentity, sampleEnvelope } from '../helpers/cmc-messages.js'
import { attempt } from '../helpers/damaged-messages.js'
import { buildSampleCertificate, mutationsOf, sampleKey, signSample } from '../helpers/x509-samples.js'
import { readVector } from '../helpers/vectors.js'

const RUNS = 1000
const key = sampleKey('P-256')
const ca = decodeCertificate(buildSampleCertificate(key))
const secret = Buffer.from('a shared secret of some length')

const archivedKeyEnvelope = sampleEnvelope()
const built = await Promise.all([
  buildSampleCmc({ archivedKeyEnvelope, senderNonce: Buffer.from('nonce'), transactionId: Buffer.of(7) }),
  buildSampleCmc({
    dialect: 'standard-crmf',
    archivedKeyEnvelope,
    identityProof: { secret, identification: 'me' }
  })
])
const vectors = [
  'certreq-archival-rsa1024',
  'certreq-cmc-renewal',
  'certreq-pkcs10',
  'certreq-pkcs7-onbehalf',
  'keygen-spkac',
  'microsoft-full-response-issued'
].map(name => readVector(`adcs/${name}.der`))
const response = await buildFullResponse({
  dialect: 'standard',
  status: 'pending',
  statusString: 'Taken Under Submission',
  pendToken: encodePendToken(17),
  pendTime: new Date('2026-03-04T05:06:07Z'),
  senderNonce: Buffer.from('nonce'),
  ownNonce: Buffer.from('other'),
  bodyPartId: 1,
  certificates: [ca.raw],
  signer: { certificate: ca, scheme: key.scheme, sign: data => Promise.resolve(signSample(key, data)) }
})
const messages = [...built.map(({ request }) => request), ...vectors, response]

function useRequest(bytes: Uint8Array): void {
  const request = readEnrollmentRequest(bytes, { allowSha1: true })
  decodeStoredRequest(request.stored)
  if (request.identityProof !== undefined) verifyIdentityClaim(request.identityProof, secret)
}

async function useResponse(bytes: Uint8Array): Promise<void> {
  const decoded = decodeFullResponse(bytes)
  for (const { id } of FR_PROPERTIES) await attempt(() => readFullResponseProperty(decoded, id))
  findIssuedCertificate(decoded)
  verifyFullResponse(decoded, { caCertificate: ca, responderAt: new Date('2025-06-01T00:00:00Z') })
}

describe('damaged messages', () => {
  it.each(messages.map((message, index) => [index, message] as const))(
    'made from message %i are refused with an AppError or read',
    async (_index, message) => {
      expect.hasAssertions()
      await fc.assert(
        fc.asyncProperty(mutationsOf(message), async bytes => {
          await attempt(() => useRequest(bytes))
          await attempt(() => useResponse(bytes))
          await attempt(() => findPendingQuery(bytes))
          await attempt(() => inspectRequest(bytes))
        }),
        { numRuns: RUNS }
      )
    }
  )

  it('that are arbitrary octets are refused with an AppError', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async bytes => {
        expect(await attempt(() => useRequest(bytes))).toBe(false)
        expect(await attempt(() => useResponse(bytes))).toBe(false)
        expect(await attempt(() => inspectRequest(bytes))).toBe(false)
      }),
      { numRuns: RUNS }
    )
  })

  it('that end early are refused, wherever that is', async () => {
    for (const message of messages.slice(0, 2)) {
      for (let length = 0; length < message.length; length++) {
        expect(await attempt(() => useRequest(message.subarray(0, length)))).toBe(false)
      }
    }
  })
})

describe('a changed bit in what a request’s signature covers', () => {
  it.each([0, 1])('is never accepted in message %i', async index => {
    const message = messages[index] as Uint8Array
    const { eContent = new Uint8Array() } = decodeSignedData(message)
    const start = Buffer.from(message).indexOf(eContent)
    expect(start).toBeGreaterThan(0)
    for (let bit = 0; bit < eContent.length * 8; bit++) {
      const changed = Uint8Array.from(message)
      changed[start + (bit >> 3)] = (changed[start + (bit >> 3)] ?? 0) ^ (1 << (bit & 7))
      expect(await attempt(() => useRequest(changed)), `bit ${bit}`).toBe(false)
    }
  })

  it('is never accepted in the archived key that the request is bound to', async () => {
    const message = messages[0] as Uint8Array
    const start = Buffer.from(message).indexOf(archivedKeyEnvelope)
    expect(start).toBeGreaterThan(0)
    for (let bit = 0; bit < archivedKeyEnvelope.length * 8; bit++) {
      const changed = Uint8Array.from(message)
      changed[start + (bit >> 3)] = (changed[start + (bit >> 3)] ?? 0) ^ (1 << (bit & 7))
      expect(await attempt(() => useRequest(changed)), `bit ${bit}`).toBe(false)
    }
  })
})

describe('what is stored of a request', () => {
  it('holds no part of the archived key, whatever the key is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 64, maxLength: 400 }),
        fc.constantFrom('microsoft', 'standard-crmf'),
        async (content, dialect) => {
          const envelope = sampleEnvelope({ content, certificates: [exchangeIdentity().certificate] })
          const { request } = await buildSampleCmc({ dialect, archivedKeyEnvelope: envelope })
          const { stored } = readEnrollmentRequest(request)
          const pieces = Array.from({ length: 8 }, (_, index) =>
            Buffer.from(envelope)
              .subarray(-16 * (index + 1))
              .subarray(0, 16)
          )
          for (const piece of pieces) expect(Buffer.from(stored).includes(piece)).toBe(false)
        }
      ),
      { numRuns: 40 }
    )
  })
})

describe('any attribute string', () => {
  it('is parsed without an error', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 1500 }), text => {
        for (const { name } of parseRequestAttributes(text)) expect(name).not.toMatch(/[\s-]/)
      }),
      { numRuns: RUNS }
    )
  })
})
