import { sign } from 'node:crypto'
import { AppError, compareBytes, equalBytes, type ErrorCode } from '@app/core'
import { identifierOf } from '@app/cms'
import { DerReader, encodeNull, encodeOctetString, encodeOid, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import { buildCertificationRequest, encodeAttribute } from '@app/x509'
import { describe, expect, it } from 'vitest'
import {
  addAttributesControl,
  archivedKeyAttribute,
  buildSampleCmc,
  forgeCmc,
  sampleCertificationRequest,
  sampleEnvelope
} from '../../../test/helpers/cmc-messages.js'
import {
  digestOf,
  forgeSignedData,
  makeIdentity,
  messageDigestAttribute,
  type Forgery,
  type TestIdentity
} from '../../../test/helpers/cms-messages.js'
import { codeOf, nameOf, sampleKey } from '../../../test/helpers/x509-samples.js'
import { verifyEndorsements } from './endorsements.js'
import { decodeStoredRequest, readEnrollmentRequest } from './enrollment-request.js'
import { encodeTaggedAttribute } from './message-part.js'
import { encodeNameValuePairs } from './microsoft-attribute.js'
import { buildPkcs7Request } from './pkcs7-builder.js'
import { encodeRegistrationInfo } from './request-attributes.js'

const key = sampleKey('P-256')
const old = makeIdentity({ name: 'Old', serialNumber: 5 })
const agent = makeIdentity({ name: 'Agent', serialNumber: 6 })
const renewal = encodeAttribute(OID.szOID_RENEWAL_CERTIFICATE, [old.certificate.raw])
const requesterName = (account: string) => encodeNameValuePairs([{ name: 'RequesterName', value: account }])
const cosigner = (of: TestIdentity) => ({ certificate: of.certificate.raw, scheme: of.scheme, sign: of.sign })
const pkcs10 = (...attributes: Uint8Array[]) => sampleCertificationRequest(key, attributes)
const serials = (bytes: Uint8Array) => readEnrollmentRequest(bytes).signers.map(({ serialHex }) => serialHex)

/** With the last octet of the signature changed. */
function changed(request: Uint8Array): Uint8Array {
  const copy = Buffer.from(request)
  copy[copy.length - 1] = (copy[copy.length - 1] ?? 0) ^ 1
  return copy
}

/** A PKCS#7 around a PKCS#10 with a correct signature over whatever it says. */
function pkcs7(content: Uint8Array, signer: TestIdentity, forgery: Forgery = {}): Uint8Array {
  return forgeSignedData(signer, { eContentType: OID.id_data, content, version: 1, ...forgery })
}

/** The attributes that Certipy signs: no contentType. */
const withoutContentType = (content: Uint8Array, ...more: Uint8Array[]): Forgery => ({
  attributes: [...more, messageDigestAttribute(digestOf('sha256', content))].toSorted(compareBytes)
})

describe('a PKCS#7 request', () => {
  it('tells who signed it, and is stored as it came', async () => {
    const bytes = await buildPkcs7Request({ request: await pkcs10(), signers: [cosigner(old), cosigner(agent)] })
    const request = readEnrollmentRequest(bytes)
    expect(request).toMatchObject({ format: 'pkcs7', bodyPartId: 1, proof: { kind: 'signature', digest: 'sha256' } })
    expect(serials(bytes).toSorted()).toEqual(['05', '06'])
    expect(request.renewal).toBeUndefined()
    expect(request.onBehalfOf).toBeUndefined()
    expect(request.stored).toBe(bytes)
    expect(decodeStoredRequest(bytes)).toMatchObject({ isEndorsed: true })
  })

  it('renews the certificate that its PKCS#10 names', async () => {
    const bytes = await buildPkcs7Request({ request: await pkcs10(renewal), signers: [cosigner(old)] })
    expect(readEnrollmentRequest(bytes).renewal).toMatchObject({
      certificate: { serialHex: '05' },
      isEmbedded: true,
      isSigned: true
    })
    const byAnother = await buildPkcs7Request({ request: await pkcs10(renewal), signers: [cosigner(agent)] })
    expect(readEnrollmentRequest(byAnother).renewal).toMatchObject({ isEmbedded: false, isSigned: false })
  })

  it('names the account that those sign for whose signed attributes have it', async () => {
    const both = { request: await pkcs10(), signers: [cosigner(agent)], onBehalfOf: 'D\\u' }
    const { onBehalfOf } = readEnrollmentRequest(await buildPkcs7Request(both))
    expect(onBehalfOf).toMatchObject({ account: 'D\\u', signers: [{ serialHex: '06' }] })
    const inside = { request: await pkcs10(requesterName('D\\u')), signers: [cosigner(old), cosigner(agent)] }
    expect(readEnrollmentRequest(await buildPkcs7Request(inside)).onBehalfOf?.signers).toHaveLength(2)
  })

  it('may be signed over its content alone when it renews, as Windows does it', async () => {
    const content = await pkcs10(renewal)
    const bytes = pkcs7(content, old, { attributes: null })
    expect(readEnrollmentRequest(bytes).renewal).toMatchObject({ isEmbedded: true, isSigned: true })
  })

  it('may lack contentType when it renews or is for another, as Certipy does it', async () => {
    const content = await pkcs10(renewal)
    expect(serials(pkcs7(content, old, withoutContentType(content)))).toEqual(['05'])
    const plain = await pkcs10()
    expect(serials(pkcs7(plain, agent, withoutContentType(plain, requesterName('D\\u'))))).toEqual(['06'])
  })

  it('has either leniency for these purposes alone', async () => {
    const content = await pkcs10()
    expect(codeOf(() => readEnrollmentRequest(pkcs7(content, old, { attributes: null })))).toBe(
      'cms_signed_attributes_missing'
    )
    expect(codeOf(() => readEnrollmentRequest(pkcs7(content, old, withoutContentType(content))))).toBe(
      'cms_attribute_missing'
    )
    const forAnother = await pkcs10(requesterName('D\\u'))
    expect(codeOf(() => readEnrollmentRequest(pkcs7(forAnother, agent, { attributes: null })))).toBe(
      'cms_signed_attributes_missing'
    )
  })

  const refused: readonly (readonly [what: string, build: () => Promise<Uint8Array>, code: ErrorCode])[] = [
    ['whose PKCS#10 is changed', async () => pkcs7(changed(await pkcs10()), old), 'pkcs10_signature_invalid'],
    [
      'with the signature of another',
      async () => pkcs7(await pkcs10(renewal), old, { attributes: null, sign: () => Buffer.alloc(70, 0x30) }),
      'cms_signature_invalid'
    ],
    [
      'without its signer’s certificate',
      async () => pkcs7(await pkcs10(), old, { certificates: [] }),
      'cms_signer_not_found'
    ],
    [
      'for two accounts',
      async () =>
        buildPkcs7Request({
          request: await pkcs10(requesterName('D\\u')),
          signers: [cosigner(agent)],
          onBehalfOf: 'D\\v'
        }),
      'cms_attribute_repeated'
    ],
    [
      'that renews and is for another',
      async () => buildPkcs7Request({ request: await pkcs10(renewal), signers: [cosigner(agent)], onBehalfOf: 'D\\u' }),
      'form_not_supported'
    ],
    [
      'that renews two certificates',
      async () => {
        const both = encodeAttribute(OID.szOID_RENEWAL_CERTIFICATE, [old.certificate.raw, agent.certificate.raw])
        return buildPkcs7Request({ request: await pkcs10(both), signers: [cosigner(old)] })
      },
      'cms_attribute_values'
    ],
    [
      'that renews what is no certificate',
      async () =>
        buildPkcs7Request({
          request: await pkcs10(encodeAttribute(OID.szOID_RENEWAL_CERTIFICATE, [encodeNull()])),
          signers: [cosigner(old)]
        }),
      'der_tag_unexpected'
    ],
    [
      'with a key to archive',
      async () => pkcs7(await pkcs10(), old, { unsignedAttributes: [archivedKeyAttribute(sampleEnvelope())] }),
      'archived_key_misplaced'
    ]
  ]

  it.each(refused)('%s is refused', async (_what, build, code) => {
    const bytes = await build()
    expect(codeOf(() => readEnrollmentRequest(bytes))).toBe(code)
  })

  it('may have a null signature only when the requested key signs it', async () => {
    const parts = { subject: nameOf('CN=Sample'), publicKey: key.publicKey.raw, attributes: [] }
    const signed = await buildCertificationRequest(parts, key.scheme, info => Promise.resolve(digestOf('sha256', info)))
    const body = DerReader.over(signed).sequence('request')
    const info = body.any('info').raw
    body.any('algorithm')
    const hashed = encodeSequence(info, encodeSequence(encodeOid(OID.id_sha256), encodeNull()), body.any('hash').raw)
    expect(codeOf(() => readEnrollmentRequest(pkcs7(hashed, old)))).toBe('pkcs10_null_signature')
    const own = makeIdentity({ privateKey: key.privateKey })
    const bySelf = pkcs7(hashed, own, { sid: { kind: 'keyId', keyId: key.publicKey.keyId }, certificates: [] })
    expect(readEnrollmentRequest(bySelf).signers).toEqual([])
  })
})

describe('a CMC request', () => {
  const regInfo = (account: string): Uint8Array =>
    encodeTaggedAttribute(
      2,
      OID.id_cmc_regInfo,
      encodeOctetString(encodeRegistrationInfo([{ name: 'RequesterName', value: account }]))
    )

  it('is signed by the requested key and an agent, both over the account’s name', async () => {
    const registrationInfo = [{ name: 'RequesterName', value: 'D\\u' }]
    const { request: bytes } = await buildSampleCmc({ registrationInfo, cosigners: [cosigner(agent)] })
    const request = readEnrollmentRequest(bytes)
    expect(request.onBehalfOf).toMatchObject({ account: 'D\\u', signers: [{ serialHex: '06' }] })
    expect(request.proof.digests).toEqual(['sha256'])
  })

  it('renews with the signature of the old key, or by keeping it', async () => {
    const renewedCertificate = old.certificate.raw
    const { request: fresh } = await buildSampleCmc({ renewedCertificate, cosigners: [cosigner(old)] })
    expect(readEnrollmentRequest(fresh).renewal).toMatchObject({ isEmbedded: true, isSigned: true })
    const kept = makeIdentity({ privateKey: key.privateKey, serialNumber: 9 })
    const { request: same } = await buildSampleCmc({ renewedCertificate: kept.certificate.raw })
    expect(readEnrollmentRequest(same)).toMatchObject({ signers: [], renewal: { isEmbedded: true, isSigned: true } })
    const { request: unsigned } = await buildSampleCmc({ renewedCertificate })
    expect(readEnrollmentRequest(unsigned).renewal).toMatchObject({ isEmbedded: true, isSigned: false })
  })

  it('is for nobody else when nobody but its own key signs the name', async () => {
    const request = readEnrollmentRequest(await forgeCmc({ controls: [regInfo('D\\u')] }))
    expect(request).toMatchObject({ signers: [], onBehalfOf: { account: 'D\\u', signers: [] } })
  })

  it('may be signed by a registration authority alone, when the request inside has its own proof', async () => {
    const bytes = await forgeCmc({
      sid: identifierOf(old.certificate),
      certificates: [old.certificate.raw],
      sign: signBy(old)
    })
    expect(serials(bytes)).toEqual(['05'])
  })

  it.each([
    ['no signed attributes', { attributes: null }, 'cms_signed_attributes_missing'],
    ['no contentType', withoutContentType(Buffer.from('x')), 'cms_attribute_missing']
  ] as const)('that renews gets no leniency: %s', async (_what, forgery, code) => {
    const bytes = await forgeCmc({ controls: [addAttributesControl(2, renewal)], ...forgery })
    expect(codeOf(() => readEnrollmentRequest(bytes))).toBe(code)
  })

  it('with the name of another account added, or a second certificate to renew, is refused', async () => {
    const twoNames = await forgeCmc({ controls: [regInfo('D\\u'), addAttributesControl(3, requesterName('D\\v'))] })
    expect(codeOf(() => readEnrollmentRequest(twoNames))).toBe('cms_attribute_repeated')
    const second = encodeAttribute(OID.szOID_RENEWAL_CERTIFICATE, [agent.certificate.raw])
    const two = await forgeCmc({ controls: [addAttributesControl(2, renewal), addAttributesControl(3, second)] })
    expect(codeOf(() => readEnrollmentRequest(two))).toBe('cms_attribute_repeated')
  })

  it('counts no signer twice, and takes no more than eight', async () => {
    const { request: bytes } = await buildSampleCmc({ cosigners: [cosigner(agent), cosigner(agent)] })
    expect(codeOf(() => readEnrollmentRequest(bytes))).toBe('cms_signer_count')
    const many = Array.from({ length: 8 }, (_, index) => cosigner(makeIdentity({ serialNumber: 10 + index })))
    const { request: crowd } = await buildSampleCmc({ cosigners: many })
    expect(codeOf(() => readEnrollmentRequest(crowd))).toBe('cms_signer_count')
    const { request: few } = await buildSampleCmc({ cosigners: many.slice(1) })
    expect(serials(few)).toHaveLength(7)
  })

  it('keeps its key’s place when a key is archived, and has no other signer when the key is inside', async () => {
    const archivedKeyEnvelope = sampleEnvelope()
    const plan = { archivedKeyEnvelope, cosigners: [cosigner(old)], renewedCertificate: old.certificate.raw }
    const { request: bytes } = await buildSampleCmc(plan)
    const request = readEnrollmentRequest(bytes)
    expect(request).toMatchObject({ archivedKey: { placement: 'unsigned-attribute' }, renewal: { isSigned: true } })
    // Whoever judges it has the stored form, without the key, and the signatures hold there too.
    expect(verifyEndorsements(request.stored)).toMatchObject({ renewal: { isSigned: true, isEmbedded: true } })
    const inside = { dialect: 'standard-crmf', archivedKeyEnvelope, cosigners: [cosigner(agent)] } as const
    const { request: crmf } = await buildSampleCmc(inside)
    expect(codeOf(() => readEnrollmentRequest(crmf))).toBe('form_not_supported')
  })
})

describe('the endorsements of a stored message', () => {
  it('are none for a PKCS#10', async () => {
    expect(verifyEndorsements(await pkcs10())).toEqual({ signers: [] })
  })

  it('are verified again: a changed message has none', async () => {
    const bytes = await buildPkcs7Request({ request: await pkcs10(), signers: [cosigner(agent)], onBehalfOf: 'D\\u' })
    const forged = Buffer.from(bytes)
    const at = forged.indexOf(Buffer.from('D\\u', 'utf16le').swap16())
    forged[at + 1] = 0x45
    expect(() => verifyEndorsements(forged)).toThrow(AppError)
    expect(equalBytes(forged, bytes)).toBe(false)
  })
})

function signBy({ privateKey }: TestIdentity): NonNullable<Forgery['sign']> {
  return data => sign('sha256', data, privateKey)
}
