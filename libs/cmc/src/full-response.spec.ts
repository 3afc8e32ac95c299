import { decodeSignedData } from '@app/cms'
import { encodeNull, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeCertificate,
  decodeCertificationRequest,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  type Certificate,
  type TbsCertificateParts
} from '@app/x509'
import { describe, expect, it } from 'vitest'
import { digestOf, forgeSignedData, makeIdentity } from '../../../test/helpers/cms-messages.js'
import { buildSampleCertificate, codeOf, nameOf, sampleKey, signSample } from '../../../test/helpers/x509-samples.js'
import { buildFullResponse, type FullResponsePlan } from './full-response-builder.js'
import { readFullResponseProperty } from './full-response-property.js'
import {
  decodeFullResponse,
  findIssuedCertificate,
  findIssuedChain,
  isSuccess,
  verifyFullResponse
} from './full-response.js'
import { encodeTaggedAttribute } from './message-part.js'
import { encodePendToken } from './status-info.js'

const caKey = sampleKey('rsa')
const ca = decodeCertificate(buildSampleCertificate(caKey))
const userKey = sampleKey('P-256')

const keyUsage = { oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(['digitalSignature']) }

function certificateOf(parts: Partial<TbsCertificateParts>, key = userKey): Certificate {
  const subject = nameOf('CN=User')
  return decodeCertificate(
    buildSampleCertificate(key, { serialNumber: Uint8Array.of(5), subject, extensions: [keyUsage], ...parts }, caKey)
  )
}

const issued = certificateOf({})
const keyHash = { algorithm: 'sha256', value: digestOf('sha256', Buffer.from('envelope')) } as const
const signer = {
  certificate: ca,
  scheme: caKey.scheme,
  sign: (data: Uint8Array) => Promise.resolve(signSample(caKey, data))
}
const base: FullResponsePlan = {
  dialect: 'microsoft',
  status: 'success',
  statusString: 'Issued',
  issuedCertificate: issued.raw,
  keyHash,
  bodyPartId: 1,
  certificates: [ca.raw, issued.raw],
  signer
}
const pending: Partial<FullResponsePlan> = {
  status: 'pending',
  statusString: 'Taken Under Submission',
  pendToken: encodePendToken(17),
  pendTime: new Date('2026-03-04T05:06:07Z')
}
const { issuedCertificate: _issued, keyHash: _keyHash, ...withoutCertificate } = base

async function respond(parts: Partial<FullResponsePlan> = {}): Promise<ReturnType<typeof decodeFullResponse>> {
  return decodeFullResponse(await buildFullResponse({ ...base, ...parts }))
}

describe('a full response in the Microsoft dialect', () => {
  it('has the shape that a Microsoft CA sends', async () => {
    const response = await respond()
    const [signerInfo] = response.signedData.signerInfos
    expect(response.signedData).toMatchObject({ version: 3, eContentType: OID.id_cct_PKIResponse })
    expect(signerInfo).toMatchObject({
      version: 1,
      sid: { kind: 'issuerAndSerial', serialNumber: ca.serialNumber },
      signatureAlgorithm: { oid: OID.rsaEncryption },
      unsignedAttributes: []
    })
    expect(response.statusInfos).toEqual([{ version: 1, status: 0, bodyList: [[1]], statusString: 'Issued' }])
    expect(response.body.controls.map(({ bodyPartId, kind }) => [bodyPartId, kind])).toEqual([
      [1, 'statusInfo'],
      [2, 'addAttributes']
    ])
    expect(response.issuedCertificateHash).toEqual(digestOf('sha1', issued.raw))
    expect(response.encryptedKeyHash).toEqual(keyHash)
  })

  it('has no second control without a certificate and tells no reason of a failure', async () => {
    const failed = decodeFullResponse(
      await buildFullResponse({
        ...withoutCertificate,
        status: 'failed',
        statusString: 'Denied',
        failInfo: 'badRequest'
      })
    )
    expect(failed.body.controls).toHaveLength(1)
    expect(failed.statusInfos).toEqual([{ version: 1, status: 2, bodyList: [[1]], statusString: 'Denied' }])
    expect(isSuccess(failed)).toBe(false)
  })

  it('returns transaction and nonce only to a client that sent them', async () => {
    const silent = await respond({ ownNonce: Buffer.from('ours') })
    expect(silent.senderNonce ?? silent.recipientNonce ?? silent.transactionId).toBeUndefined()
    const echoed = await respond({
      transactionId: Buffer.of(7),
      senderNonce: Buffer.from('theirs'),
      ownNonce: Buffer.from('ours')
    })
    expect(echoed).toMatchObject({ transactionId: Buffer.of(7) })
    expect(echoed.recipientNonce).toEqual(Buffer.from('theirs'))
    expect(echoed.senderNonce).toEqual(Buffer.from('ours'))
  })
})

describe('a full response in the standard dialect', () => {
  it('has a status of version 2 with a reason, for the request by its id', async () => {
    const parts = { dialect: 'standard', status: 'failed', failInfo: 'mustArchiveKeys', bodyPartId: 9 } as const
    const response = decodeFullResponse(await buildFullResponse({ ...withoutCertificate, ...parts }))
    expect(response.statusInfos).toMatchObject([
      { version: 2, status: 2, bodyList: [[9]], otherInfo: { kind: 'failInfo', failInfo: 6 } }
    ])
  })

  it('tells where to ask again while it is pending', async () => {
    const response = decodeFullResponse(
      await buildFullResponse({ ...withoutCertificate, ...pending, dialect: 'standard' })
    )
    expect(response.statusInfos[0]?.otherInfo).toEqual({
      kind: 'pendInfo',
      pendInfo: { token: Buffer.from('17'), time: pending.pendTime }
    })
  })

  it('returns what it was asked to return, and the hash of the key only when one was archived', async () => {
    const { keyHash: _none, ...plain } = base
    const withoutKey = decodeFullResponse(
      await buildFullResponse({ ...plain, dialect: 'standard', dataReturn: Buffer.from('mine') })
    )
    expect(withoutKey.dataReturn).toEqual(Buffer.from('mine'))
    expect(withoutKey.issuedCertificateHash).toBeUndefined()
    expect((await respond({ dialect: 'standard' })).encryptedKeyHash).toEqual(keyHash)
  })
})

describe('the signature of a full response', () => {
  it('verifies with the certificate of the CA', async () => {
    const { signer: found, digest } = verifyFullResponse(await respond(), { caCertificate: ca })
    expect(found).toBe(ca)
    expect(digest).toBe('sha256')
  })

  it.each([
    ['another certificate of the same name', certificateOf({ subject: nameOf('CN=Sample CA,O=Sample,C=DE') })],
    ['another CA', decodeCertificate(buildSampleCertificate(sampleKey('P-384'), { serialNumber: Uint8Array.of(2) }))]
  ])('does not verify with %s', async (_what, caCertificate) => {
    const response = await respond()
    expect(codeOf(() => verifyFullResponse(response, { caCertificate }))).toBe('response_signature')
  })

  it('does not verify when the CA’s name and number are on another key', async () => {
    const impostor = sampleKey('P-384')
    const response = await respond({
      signer: { certificate: ca, scheme: impostor.scheme, sign: data => Promise.resolve(signSample(impostor, data)) }
    })
    expect(codeOf(() => verifyFullResponse(response, { caCertificate: ca }))).toBe('response_signature')
  })

  it('does not verify with an embedded certificate that nobody trusts', async () => {
    const stranger = makeIdentity()
    const bytes = forgeSignedData(stranger, {
      eContentType: OID.id_cct_PKIResponse,
      content: encodeSequence(encodeSequence(), encodeSequence(), encodeSequence())
    })
    const response = decodeFullResponse(bytes)
    expect(codeOf(() => verifyFullResponse(response, { caCertificate: ca }))).toBe('response_signature')
  })

  it('does not verify without signed attributes', () => {
    const identity = makeIdentity({ privateKey: caKey.privateKey })
    const content = encodeSequence(encodeSequence(), encodeSequence(), encodeSequence())
    const bytes = forgeSignedData(identity, { eContentType: OID.id_cct_PKIResponse, content, attributes: null })
    const verify = (): unknown => verifyFullResponse(decodeFullResponse(bytes), { caCertificate: identity.certificate })
    expect(verify).toThrow(
      expect.objectContaining({ code: 'response_signature', evidence: { cause: 'cms_signed_attributes_missing' } })
    )
  })

  describe('made by a responder', () => {
    const responderKey = sampleKey('P-384')
    const usage = { oid: OID.id_ce_extKeyUsage, critical: false, value: encodeExtendedKeyUsage([OID.id_kp_cmcCA]) }
    const subject = nameOf('CN=Responder')
    const responderOf = (parts: Partial<TbsCertificateParts>): Certificate =>
      certificateOf({ serialNumber: Uint8Array.of(9), subject, extensions: [usage], ...parts }, responderKey)
    const responder = responderOf({})
    const sign = (data: Uint8Array): Promise<Uint8Array> => Promise.resolve(signSample(responderKey, data))
    const at = new Date('2025-06-01T00:00:00Z')

    async function respondAs(certificate: Certificate): Promise<ReturnType<typeof decodeFullResponse>> {
      const delegated = { certificate, scheme: responderKey.scheme, sign }
      return respond({ signer: delegated, certificates: [...base.certificates, certificate.raw] })
    }

    it('verifies when the caller takes responders', async () => {
      const response = await respondAs(responder)
      const { signer: found } = verifyFullResponse(response, { caCertificate: ca, responderAt: at })
      expect(found.serialHex).toBe('09')
      expect(codeOf(() => verifyFullResponse(response, { caCertificate: ca }))).toBe('response_signature')
    })

    const selfMade = decodeCertificate(
      buildSampleCertificate(responderKey, { serialNumber: Uint8Array.of(9), extensions: [usage] }, responderKey)
    )
    it.each([
      ['is not for this', responderOf({ extensions: [keyUsage] }), at, 'cms_signer_not_found'],
      ['has expired', responder, new Date('2027-06-01T00:00:00Z'), 'chain_invalid'],
      ['is not valid yet', responder, new Date('2024-06-01T00:00:00Z'), 'chain_invalid'],
      ['is of another issuer', responderOf({ issuer: nameOf('CN=Other CA') }), at, 'cms_signer_not_found'],
      ['only says that the CA issued it', selfMade, at, 'chain_invalid']
    ] as const)('does not verify when its certificate %s', async (_what, certificate, responderAt, cause) => {
      const response = await respondAs(certificate)
      expect(() => verifyFullResponse(response, { caCertificate: ca, responderAt })).toThrow(
        expect.objectContaining({ code: 'response_signature', evidence: { cause } })
      )
    })
  })
})

describe('the certificate in a full response', () => {
  it('is the one whose hash is stated', async () => {
    expect(findIssuedCertificate(await respond())?.serialHex).toBe('05')
    const other = await respond({ certificates: [ca.raw] })
    expect(findIssuedCertificate(other)).toBeUndefined()
  })

  it('is the only leaf when no hash is stated', async () => {
    const { keyHash: _none, ...plain } = base
    const response = decodeFullResponse(await buildFullResponse({ ...plain, dialect: 'standard' }))
    expect(findIssuedCertificate(response)?.serialHex).toBe('05')
    expect(findIssuedChain(response).map(({ serialHex }) => serialHex)).toEqual(['05', '01'])
    const two = certificateOf({ serialNumber: Uint8Array.of(6), subject: nameOf('CN=Other') })
    const ambiguous = decodeFullResponse(
      await buildFullResponse({ ...plain, dialect: 'standard', certificates: [...plain.certificates, two.raw] })
    )
    expect(findIssuedCertificate(ambiguous)).toBeUndefined()
  })

  it('is none unless the status is success', async () => {
    expect(findIssuedCertificate(await respond(pending))).toBeUndefined()
  })
})

describe('a message that is no full response', () => {
  it.each([
    ['other content', forgeSignedData(makeIdentity(), {}), 'response_content_type'],
    [
      'detached content',
      forgeSignedData(makeIdentity(), { eContentType: OID.id_cct_PKIResponse, content: null }),
      'cms_content_missing'
    ],
    [
      'content that is no PKIResponse',
      forgeSignedData(makeIdentity(), { eContentType: OID.id_cct_PKIResponse, content: encodeNull() }),
      'der_tag_unexpected'
    ],
    [
      'an id that occurs twice',
      forgeSignedData(makeIdentity(), {
        eContentType: OID.id_cct_PKIResponse,
        content: encodeSequence(
          encodeSequence(
            encodeTaggedAttribute(1, '1.2.3', encodeNull()),
            encodeTaggedAttribute(1, '1.2.4', encodeNull())
          ),
          encodeSequence(),
          encodeSequence()
        )
      }),
      'cmc_body_part_id'
    ]
  ] as const)('but %s is refused', (_what, bytes, code) => {
    expect(codeOf(() => decodeFullResponse(bytes))).toBe(code)
  })

  it('may carry controls that are not known', () => {
    const content = encodeSequence(
      encodeSequence(encodeTaggedAttribute(1, '1.2.3', encodeNull())),
      encodeSequence(),
      encodeSequence()
    )
    const bytes = forgeSignedData(makeIdentity(), { eContentType: OID.id_cct_PKIResponse, content })
    expect(decodeFullResponse(bytes).body.unknownControls).toMatchObject([{ type: '1.2.3' }])
  })
})

describe('a property of a full response', () => {
  it.each([
    ['FR_PROP_STATUSINFOCOUNT', 1],
    ['FR_PROP_BODYPARTSTRING', '1'],
    [4, 0],
    ['STATUSSTRING', 'Issued'],
    [6, 0],
    ['FR_PROP_ISSUEDCERTIFICATEHASH', digestOf('sha1', issued.raw)],
    [14, keyHash.value]
  ])('%s of an issued request is %s', async (property, value) => {
    expect(readFullResponseProperty(await respond(), property)).toEqual(value)
  })

  it.each([
    [4, 3],
    [6, 2],
    [8, Buffer.from('17')],
    [9, pending.pendTime]
  ])('%s of a pending request is %s', async (property, value) => {
    expect(readFullResponseProperty(await respond(pending), property)).toEqual(value)
  })

  it('is the whole response, its content, the certificate or the chain', async () => {
    const response = await respond({ crls: [] })
    expect(readFullResponseProperty(response, 1)).toBe(response.raw)
    expect(readFullResponseProperty(response, 15)).toBe(response.content)
    expect(readFullResponseProperty(response, 11)).toEqual(findIssuedCertificate(response)?.raw)
    for (const property of [12, 13]) {
      const chain = decodeSignedData(readFullResponseProperty(response, property) as Uint8Array)
      expect(chain.signerInfos).toEqual([])
      expect(chain.certificates.map(bytes => decodeCertificate(bytes).serialHex).toSorted()).toEqual(['01', '05'])
    }
  })

  it('tells the reason of a failure, an extended one as a failure of the CA', async () => {
    const parts = { dialect: 'standard', status: 'failed', failInfo: 'popFailed' } as const
    const response = decodeFullResponse(await buildFullResponse({ ...withoutCertificate, ...parts }))
    expect(readFullResponseProperty(response, 'FAILINFO')).toBe(9)
    expect(readFullResponseProperty(response, 'OTHERINFOCHOICE')).toBe(1)
    const extended = {
      ...response,
      statusInfos: [
        {
          version: 2,
          status: 2,
          bodyList: [[1, 2]],
          otherInfo: { kind: 'extendedFailInfo', type: '1.2.3', value: encodeNull() }
        }
      ]
    } as const
    expect(readFullResponseProperty(extended, 'FAILINFO')).toBe(11)
    expect(readFullResponseProperty(extended, 'BODYPARTSTRING')).toBe('1.2')
  })

  it.each([
    [0, 0, undefined, 'invalid_argument'],
    [23, 0, undefined, 'invalid_argument'],
    ['NOTHING', 0, undefined, 'invalid_argument'],
    [4, 1, undefined, 'invalid_argument'],
    [4, -1, undefined, 'invalid_argument'],
    [1, 1, undefined, 'invalid_argument'],
    [1, 0, 4, 'invalid_argument'],
    [7, 0, undefined, 'property_empty'],
    [8, 0, undefined, 'property_empty'],
    [16, 0, undefined, 'property_empty'],
    [20, 0, undefined, 'property_empty'],
    [22, 0, undefined, 'property_empty']
  ] as const)('%s with index %s and type %s is refused', async (property, index, type, code) => {
    const response = await respond()
    expect(codeOf(() => readFullResponseProperty(response, property, index, type))).toBe(code)
  })

  it('is given when its type is asked for', async () => {
    expect(readFullResponseProperty(await respond(), 1, 0, 3)).toBeInstanceOf(Uint8Array)
  })
})

describe('a request', () => {
  it('is never mistaken for a response', async () => {
    expect(codeOf(() => decodeFullResponse(encodeSequence()))).toBe('der_tag_unexpected')
    expect(codeOf(() => decodeCertificationRequest(issued.raw))).not.toBeUndefined()
  })
})
