import {
  buildPkcs7Request,
  buildRevocationRequest,
  decodeStoredRequest,
  findRevocationRequest,
  inspectRequest,
  readEnrollmentRequest,
  verifyEndorsements
} from '@app/cmc'
import { decodeSignedData } from '@app/cms'
import { OID } from '@app/oid'
import { encodeAttribute } from '@app/x509'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildSampleCmc, sampleCertificationRequest, sampleEnvelope } from '../helpers/cmc-messages.js'
import { attempt } from '../helpers/damaged-messages.js'
import { forgeSignedData, makeIdentity, type TestIdentity } from '../helpers/cms-messages.js'
import { mutationsOf, sampleKey } from '../helpers/x509-samples.js'

const RUNS = 400
const old = makeIdentity({ name: 'Old', serialNumber: 5 })
const agent = makeIdentity({ name: 'Agent', serialNumber: 6 })
const cosigner = (of: TestIdentity) => ({ certificate: of.certificate.raw, scheme: of.scheme, sign: of.sign })
const renewal = encodeAttribute(OID.szOID_RENEWAL_CERTIFICATE, [old.certificate.raw])
const renewing = await sampleCertificationRequest(sampleKey('P-256'), [renewal])
const plain = await sampleCertificationRequest(sampleKey('P-256'))
/** Signed as Windows renews: directly over the PKCS#10. */
const direct = forgeSignedData(old, { eContentType: OID.id_data, content: renewing, version: 1, attributes: null })

const requests: readonly (readonly [what: string, message: Uint8Array])[] = [
  ['a renewal signed directly', direct],
  ['a PKCS#7 renewal', await buildPkcs7Request({ request: renewing, signers: [cosigner(old)] })],
  [
    'a PKCS#7 on behalf of another',
    await buildPkcs7Request({ request: plain, signers: [cosigner(agent)], onBehalfOf: 'D\\u' })
  ],
  [
    'a CMC renewal that archives its key',
    (
      await buildSampleCmc({
        archivedKeyEnvelope: sampleEnvelope(),
        renewedCertificate: old.certificate.raw,
        cosigners: [cosigner(old)]
      })
    ).request
  ]
]
const revocation = await buildRevocationRequest({
  certificate: old.certificate.raw,
  reason: 1,
  invalidityDate: new Date('2025-02-01T00:00:00Z'),
  transactionId: Buffer.of(7),
  signer: cosigner(old)
})

function useRequest(bytes: Uint8Array): void {
  const { stored } = readEnrollmentRequest(bytes)
  // What was accepted must be found again in what is kept.
  const kept = decodeStoredRequest(stored)
  const { signers } = verifyEndorsements(stored)
  if (signers.length > 0 && !kept.isEndorsed) throw new Error('A signer was lost.')
}

describe('damaged messages that others sign too', () => {
  it.each([...requests, ['a revocation', revocation] as const])(
    'made from %s are refused with an AppError or read',
    async (_what, message) => {
      expect.hasAssertions()
      await fc.assert(
        fc.asyncProperty(mutationsOf(message), async bytes => {
          await attempt(() => useRequest(bytes))
          await attempt(() => verifyEndorsements(bytes))
          await attempt(() => findRevocationRequest(bytes)?.verify(old.certificate))
          await attempt(() => inspectRequest(bytes))
        }),
        { numRuns: RUNS }
      )
    }
  )

  it('made from arbitrary octets are refused with an AppError', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async bytes => {
        expect(await attempt(() => verifyEndorsements(bytes))).toBe(false)
        await attempt(() => findRevocationRequest(bytes))
      }),
      { numRuns: RUNS }
    )
  })
})

describe('a changed bit in what is signed', () => {
  it.each(requests.slice(0, 3))('is never accepted in %s', async (_what, message) => {
    const { eContent = new Uint8Array() } = decodeSignedData(message)
    const start = Buffer.from(message).indexOf(eContent)
    expect(start).toBeGreaterThan(0)
    for (let bit = 0; bit < eContent.length * 8; bit += 3) {
      const changed = Uint8Array.from(message)
      changed[start + (bit >> 3)] = (changed[start + (bit >> 3)] ?? 0) ^ (1 << (bit & 7))
      expect(await attempt(() => readEnrollmentRequest(changed)), `bit ${bit}`).toBe(false)
    }
  })

  it('is never accepted in the name of the account', async () => {
    const message = requests[2]?.[1] ?? new Uint8Array()
    const name = Buffer.from('D\\u', 'utf16le').swap16()
    const start = Buffer.from(message).indexOf(name)
    expect(start).toBeGreaterThan(0)
    for (let bit = 0; bit < name.length * 8; bit++) {
      const changed = Uint8Array.from(message)
      changed[start + (bit >> 3)] = (changed[start + (bit >> 3)] ?? 0) ^ (1 << (bit & 7))
      expect(await attempt(() => readEnrollmentRequest(changed)), `bit ${bit}`).toBe(false)
    }
  })
})
