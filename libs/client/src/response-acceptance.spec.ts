import { beforeAll, describe, expect, it } from 'vitest'
import { buildCertificateBundle, buildSignedData, identifierOf } from '@app/cms'
import { decodeFullResponse, type FullResponsePlan, type KeyHash } from '@app/cmc'
import type { ErrorCode } from '@app/core'
import { encodePem } from '@app/der'
import { OID } from '@app/oid'
import type { Certificate } from '@app/x509'
import {
  answerRequest,
  freshKey,
  issueCertificate,
  issueExchangeCertificate,
  makeCa,
  pemOf,
  SAMPLE_NOW,
  signerOf
} from '../../../test/helpers/enrollment-ca.js'
import { sampleKey } from '../../../test/helpers/x509-samples.js'
import { Enrollment, type EnrollmentSettings } from './enrollment.js'
import type { RequestType } from './request-creation.js'

const root = makeCa('CN=Sample Root')
const ca = makeCa('CN=Sample Issuing CA', root)
const strangerRoot = makeCa('CN=Sample Root')
const stranger = makeCa('CN=Sample Issuing CA', strangerRoot)
const key = freshKey()
const settings: EnrollmentSettings = {
  trust: pemOf(root.certificate),
  key: { privateKey: key.privateKey },
  clock: { now: () => SAMPLE_NOW }
}
const archiving: EnrollmentSettings = {
  ...settings,
  privateKeyArchiveCertificate: issueExchangeCertificate(ca).raw,
  chain: [ca.certificate.raw]
}

interface Pending {
  readonly enrollment: Enrollment
  readonly request: Uint8Array
}

async function pendingOf(enrollmentSettings: EnrollmentSettings, type: RequestType = 'cmc'): Promise<Pending> {
  const enrollment = new Enrollment(enrollmentSettings)
  return { enrollment, request: await enrollment.createRequest({ type, subject: 'CN=Sample' }) }
}

type Changes = Partial<FullResponsePlan>

function answer({ request }: Pending, changes: Changes = {}): Promise<Uint8Array> {
  return answerRequest(ca, [root], request, changes)
}

let archived: Pending
let plain: Pending

beforeAll(async () => {
  archived = await pendingOf(archiving)
  plain = await pendingOf(settings)
})

/** The certificates of a response that issues these. */
function withCertificates(...issued: readonly Certificate[]): Changes {
  return {
    certificates: [...issued, ca.certificate, root.certificate].map(({ raw }) => raw),
    issuedCertificate: (issued[0] as Certificate).raw
  }
}

const otherHash: KeyHash = { algorithm: 'sha256', value: new Uint8Array(32) }
const leaf = freshKey()
const leafCertificate = issueCertificate(ca, leaf)
const forged = issueCertificate({ ...ca, key: stranger.key }, key)

type Refusal = readonly [what: string, code: ErrorCode, changes: Changes, evidence?: Readonly<Record<string, string>>]

const refusals: readonly Refusal[] = [
  ['of a CA of the same name under another root', 'response_signature', { signer: signerOf(stranger), ...chainOf() }],
  ['signed by the holder of a certificate of the CA', 'response_signature', signedByLeaf()],
  ['whose signer is not in it', 'response_signature', { certificates: [root.certificate.raw] }],
  ['to another transaction', 'response_transaction', { transactionId: Uint8Array.of(7) }, { what: 'transaction id' }],
  ['with another nonce', 'response_transaction', { senderNonce: new Uint8Array(16) }, { what: 'nonce' }],
  ['that reports a denial', 'response_status', { status: 'failed', statusString: 'Denied' }, { status: 'failed' }],
  ['that reports a pending request', 'response_status', { status: 'pending' }, { status: 'pending' }],
  ['that reports success in part', 'response_status', { status: 'partial' }, { status: 'partial' }],
  ['without a certificate', 'response_certificate_count', { certificates: [ca.certificate.raw] }],
  [
    'with two certificates',
    'response_certificate_count',
    withCertificates(issueCertificate(ca, key), issueCertificate(ca, key))
  ],
  ['with a certificate that the CA did not sign', 'response_certificate_count', withCertificates(forged)],
  ['with a certificate for another key', 'response_key_mismatch', withCertificates(leafCertificate)],
  ['with the hash of another certificate', 'response_certificate_hash', { issuedCertificate: leafCertificate.raw }],
  ['with the hash of another archived key', 'response_key_hash', { keyHash: otherHash }]
]

function chainOf(): Changes {
  return { certificates: [stranger.certificate.raw, strangerRoot.certificate.raw] }
}

function signedByLeaf(): Changes {
  return {
    signer: signerOf({ key: leaf, certificate: leafCertificate }),
    certificates: [leafCertificate, ca.certificate, root.certificate].map(({ raw }) => raw)
  }
}

/** A response without one of the things that a plan cannot leave out of its own accord. */
async function answerWithout(pending: Pending, ...left: (keyof FullResponsePlan)[]): Promise<Uint8Array> {
  return answer(pending, Object.fromEntries(left.map(name => [name, undefined])))
}

describe('a response', () => {
  it('that is the answer to the request gives the certificate, its chain and the key', async () => {
    const accepted = await archived.enrollment.acceptResponse(await answer(archived))
    expect(accepted.chain).toEqual([ca.certificate.raw, root.certificate.raw])
    expect(accepted.privateKey).toBe(key.privateKey)
    expect(decodeFullResponse(await answer(archived)).certificates).toHaveLength(3)
  })

  it.each([
    ['PEM', (der: Uint8Array) => encodePem('PKCS7', der)],
    ['base64', (der: Uint8Array) => Buffer.from(der).toString('base64')]
  ])('is taken as %s', async (_what, encode) => {
    const text = encode(await answer(plain))
    await expect(plain.enrollment.acceptResponse(text)).resolves.toMatchObject({ chain: { length: 2 } })
  })

  it.each(['crmf', 'pkcs10'] as const)('to a request of the type %s is accepted', async type => {
    const pending = await pendingOf(settings, type)
    await expect(pending.enrollment.acceptResponse(await answer(pending))).resolves.toBeDefined()
  })

  it('in the standard form may lack the certificate hash when no key was archived', async () => {
    const { enrollment, request } = await pendingOf(settings, 'crmf')
    const response = await answerRequest(ca, [root], request)
    expect(decodeFullResponse(response).issuedCertificateHash).toBeUndefined()
    await expect(enrollment.acceptResponse(response)).resolves.toBeDefined()
  })

  it.each(refusals.map(([what, code, changes, evidence = {}]) => ({ what, code, changes, evidence })))(
    '$what is refused',
    async ({ code, changes, evidence }) => {
      const error = { code, evidence: expect.objectContaining(evidence) as object }
      await expect(archived.enrollment.acceptResponse(await answer(archived, changes))).rejects.toMatchObject(error)
    }
  )

  it.each([
    ['transaction id', 'response_transaction', ['transactionId']],
    ['nonce', 'response_transaction', ['senderNonce']],
    ['certificate hash', 'response_certificate_hash', ['issuedCertificate']],
    ['archived-key hash', 'response_key_hash', ['keyHash']]
  ] as const)('without its %s is refused', async (_what, code, left) => {
    const response = await answerWithout(archived, ...left)
    await expect(archived.enrollment.acceptResponse(response)).rejects.toMatchObject({ code })
  })

  it('that tells of an archived key where none was sent is refused', async () => {
    const response = await answer(plain, { dialect: 'microsoft', keyHash: otherHash })
    await expect(plain.enrollment.acceptResponse(response)).rejects.toMatchObject({ code: 'response_key_hash' })
  })

  it('in Microsoft form without the certificate hash is refused', async () => {
    const response = await answer(plain, { dialect: 'microsoft', issuedCertificate: undefined } as unknown as Changes)
    await expect(plain.enrollment.acceptResponse(response)).rejects.toMatchObject({ code: 'response_certificate_hash' })
  })

  it('with other content is refused even when the CA signed it', async () => {
    const { certificate, scheme, sign } = signerOf(ca)
    const response = await buildSignedData({
      eContentType: OID.id_data,
      eContent: Uint8Array.of(0x30, 0),
      certificates: [certificate.raw, root.certificate.raw],
      signers: [{ sid: identifierOf(certificate), scheme, sign }]
    })
    await expect(plain.enrollment.acceptResponse(response)).rejects.toMatchObject({ code: 'response_content_type' })
  })

  it('without a signature is refused', async () => {
    const content = decodeFullResponse(await answer(plain)).content
    const certificates = [ca.certificate.raw, root.certificate.raw]
    const response = buildCertificateBundle({ certificates, content, contentType: OID.id_cct_PKIResponse })
    await expect(plain.enrollment.acceptResponse(response)).rejects.toMatchObject({ code: 'response_signature' })
  })

  it('that was changed after it was signed is refused', async () => {
    const response = Buffer.from(await answer(plain))
    response.write('issued', response.indexOf('Issued'))
    await expect(plain.enrollment.acceptResponse(response)).rejects.toMatchObject({ code: 'response_signature' })
  })

  it('of a CA that has expired is refused', async () => {
    const expired = { ...settings, clock: { now: () => new Date('2026-06-01T00:00:00Z') } }
    const pending = await pendingOf(expired)
    const response = await answer(pending)
    await expect(pending.enrollment.acceptResponse(response)).rejects.toMatchObject({ code: 'response_signature' })
  })

  it('to another enrollment is refused', async () => {
    const other = await pendingOf({ ...settings, key: { privateKey: sampleKey('P-256').privateKey } })
    const response = await answer(other)
    await expect(plain.enrollment.acceptResponse(response)).rejects.toMatchObject({ code: 'response_transaction' })
  })

  it('is refused for the first of several faults', async () => {
    const order = refusals.filter(([, code]) => code !== 'response_signature')
    for (const [position, [, code]] of order.entries()) {
      const changes = Object.assign(
        {},
        ...order
          .slice(position)
          .toReversed()
          .map(refusal => refusal[2])
      ) as Changes
      await expect(archived.enrollment.acceptResponse(await answer(archived, changes))).rejects.toMatchObject({ code })
    }
  })

  it('needs a request', async () => {
    await expect(new Enrollment(settings).acceptResponse('AAAA')).rejects.toMatchObject({ code: 'conflict' })
  })
})
