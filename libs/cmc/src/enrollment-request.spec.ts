import type { ErrorCode } from '@app/core'
import {
  DerReader,
  encodeBmpString,
  encodeContext,
  encodeInteger,
  encodeNull,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeUtf8String
} from '@app/der'
import { OID } from '@app/oid'
import {
  buildCertificationRequest,
  encodeAttribute,
  encodeCertificateTemplateId,
  encodeExtension,
  encodeExtensions,
  type Extension
} from '@app/x509'
import { describe, expect, it } from 'vitest'
import {
  addAttributesControl,
  buildSampleCmc,
  forgeCmc,
  sampleCertificationRequest,
  TEMPLATE_EXTENSION,
  type CmcForgery
} from '../../../test/helpers/cmc-messages.js'
import { digestOf, forgeSignedData, makeIdentity } from '../../../test/helpers/cms-messages.js'
import {
  buildSampleCertificate,
  buildSampleRequest,
  codeOf,
  nameOf,
  sampleKey,
  signSample
} from '../../../test/helpers/x509-samples.js'
import { decodeStoredRequest, readEnrollmentRequest } from './enrollment-request.js'
import { encodeTaggedAttribute } from './message-part.js'
import { encodeNameValuePairs, encodeRequestClientInfo } from './microsoft-attribute.js'
import { encodeCrmfRequestSequence, encodePkcs10RequestSequence } from './pki-data.js'
import { encodeRegistrationInfo } from './request-attributes.js'

const key = sampleKey('P-256')
const other = sampleKey('P-384')
const identity = makeIdentity({ privateKey: key.privateKey })
const templateId: Extension = {
  oid: OID.szOID_CERTIFICATE_TEMPLATE,
  critical: false,
  value: encodeCertificateTemplateId({ oid: '1.3.6.1.4.1.311.21.8.1.2', major: 100, minor: 7 })
}

function regInfo(name: string, value: string): Uint8Array {
  return encodeTaggedAttribute(3, OID.id_cmc_regInfo, encodeOctetString(encodeRegistrationInfo([{ name, value }])))
}

function nonceControl(bodyPartId: number): Uint8Array {
  return encodeTaggedAttribute(bodyPartId, OID.id_cmc_senderNonce, encodeOctetString(Buffer.from('nonce')))
}

function addExtensions(bodyPartId: number, references: readonly number[], ...extensions: readonly Extension[]) {
  const value = encodeSequence(
    encodeInteger(0),
    encodeSequence(...references.map(id => encodeInteger(id))),
    encodeSequence(...extensions.map(encodeExtension))
  )
  return encodeTaggedAttribute(bodyPartId, OID.id_cmc_addExtensions, value)
}

/** A PKCS#10 whose signature is the hash of what should be signed. */
function nullSigned(algorithm: string = OID.id_sha256, digest: 'sha256' | 'sha1' = 'sha256'): Promise<Uint8Array> {
  const parts = { subject: nameOf('CN=Sample'), publicKey: key.publicKey.raw, attributes: [] }
  return buildCertificationRequest(parts, key.scheme, info => Promise.resolve(digestOf(digest, info))).then(request => {
    const body = DerReader.over(request).sequence('request')
    const info = body.any('info').raw
    body.any('algorithm')
    return encodeSequence(info, encodeSequence(encodeOid(algorithm), encodeNull()), body.any('signature').raw)
  })
}

describe('a PKCS#10 alone', () => {
  it('is accepted with what it says, and stored as it came', async () => {
    const pairs = encodeNameValuePairs([{ name: 'CertificateTemplate', value: 'Other' }])
    const osVersion = encodeAttribute(OID.szOID_OS_VERSION, [encodeUtf8String('10.0')])
    const clientInfo = encodeRequestClientInfo({ clientId: 9, machine: 'm', user: 'D\\u', process: 'certreq' })
    const bytes = await sampleCertificationRequest(
      key,
      [pairs, osVersion, clientInfo],
      [TEMPLATE_EXTENSION, templateId]
    )
    const request = readEnrollmentRequest(bytes)
    expect(request).toMatchObject({
      format: 'pkcs10',
      dialect: 'microsoft',
      bodyPartId: 1,
      template: { names: ['UserEncryption', 'Other'], oid: '1.3.6.1.4.1.311.21.8.1.2', major: 100, minor: 7 },
      osVersion: '10.0',
      clientInfo: { clientId: 9, machine: 'm', user: 'D\\u', process: 'certreq' },
      registrationInfo: [],
      storedIsRedacted: false,
      proof: { kind: 'signature', digest: 'sha256', digests: ['sha256'] }
    })
    expect(request.stored).toBe(bytes)
    expect(request.archivedKey).toBeUndefined()
  })

  it('is of the standard dialect when nothing in it is Microsoft’s', async () => {
    expect(readEnrollmentRequest(await buildSampleRequest(key)).dialect).toBe('standard')
  })

  it.each([
    [encodeBmpString('User'), ['User']],
    [encodeUtf8String('User'), ['User']],
    [encodeSequence(encodeUtf8String('User')), ['User']]
  ])('may name its template in any known encoding', async (value, names) => {
    const extension = { oid: OID.szOID_ENROLL_CERTTYPE_EXTENSION, critical: false, value }
    const request = readEnrollmentRequest(await sampleCertificationRequest(key, [], [extension]))
    expect(request.template.names).toEqual(names)
  })

  it('lists a template name once, whatever its letter case', async () => {
    const pairs = encodeNameValuePairs([{ name: 'certificate-template', value: 'userENCRYPTION' }])
    const request = readEnrollmentRequest(await sampleCertificationRequest(key, [pairs]))
    expect(request.template.names).toEqual(['UserEncryption'])
  })

  it.each([
    ['a null signature', () => nullSigned(), 'pkcs10_null_signature'],
    ['the standard’s null signature', () => nullSigned(OID.id_alg_noSignature), 'pkcs10_null_signature'],
    [
      'an archived key',
      () => sampleCertificationRequest(key, [encodeAttribute(OID.szOID_ARCHIVED_KEY_ATTR, [encodeNull()])]),
      'archived_key_misplaced'
    ],
    [
      'a certificate to renew',
      () =>
        sampleCertificationRequest(key, [
          encodeAttribute(OID.szOID_RENEWAL_CERTIFICATE, [buildSampleCertificate(key)])
        ]),
      'message_type_invalid'
    ],
    [
      'another requester’s name',
      () => sampleCertificationRequest(key, [encodeNameValuePairs([{ name: 'RequesterName', value: 'D\\u' }])]),
      'message_type_invalid'
    ],
    [
      'the signature of another key',
      () =>
        buildCertificationRequest(
          { subject: nameOf('CN=Sample'), publicKey: key.publicKey.raw, attributes: [] },
          'ecdsa-sha256',
          info => Promise.resolve(signSample(other, info, 'ecdsa-sha256'))
        ),
      'pkcs10_signature_invalid'
    ]
  ] as const)('with %s is refused', async (_what, build, code) => {
    const bytes = await build()
    expect(codeOf(() => readEnrollmentRequest(bytes))).toBe(code)
  })
})

describe('the form of a request', () => {
  const keygen = encodeSequence(
    encodeSequence(key.publicKey.raw, Buffer.from('160378797a', 'hex')),
    encodeSequence(encodeOid(OID.ecdsa_with_SHA256)),
    Buffer.of(3, 2, 0, 1)
  )
  const forms: readonly (readonly [what: string, build: () => Uint8Array | Promise<Uint8Array>, code: ErrorCode])[] = [
    ['KEYGEN', () => keygen, 'form_not_supported'],
    ['a certificate', () => buildSampleCertificate(key), 'message_type_invalid'],
    [
      'a full response',
      () => forgeSignedData(identity, { eContentType: OID.id_cct_PKIResponse }),
      'message_type_invalid'
    ],
    ['other signed content', () => forgeSignedData(identity, { eContentType: '1.2.3' }), 'message_type_invalid'],
    [
      'enveloped content',
      () => encodeSequence(encodeOid(OID.id_envelopedData), encodeContext(0, encodeSequence())),
      'message_type_invalid'
    ],
    ['an integer', () => encodeSequence(encodeInteger(1)), 'message_type_invalid'],
    ['text', () => Buffer.from('-----BEGIN CERTIFICATE REQUEST-----'), 'der_tag_unexpected'],
    ['nothing', () => new Uint8Array(), 'der_tag_unexpected'],
    ['detached CMC', () => forgeSignedData(identity, { content: null }), 'cms_content_missing'],
    [
      'detached PKCS#7',
      () => forgeSignedData(identity, { eContentType: OID.id_data, content: null }),
      'cms_content_missing'
    ]
  ]

  it.each(forms)('that is %s is told by its bytes and refused', async (_what, build, code) => {
    const bytes = await build()
    expect(codeOf(() => readEnrollmentRequest(bytes))).toBe(code)
  })

  it('must be the announced one', async () => {
    const bytes = await buildSampleRequest(key)
    expect(codeOf(() => readEnrollmentRequest(bytes, { expectFormat: 'cmc' }))).toBe('message_type_invalid')
    expect(codeOf(() => readEnrollmentRequest(bytes, { expectFormat: 'pkcs10' }))).toBeUndefined()
    const { request } = await buildSampleCmc()
    expect(codeOf(() => readEnrollmentRequest(request, { expectFormat: 'pkcs7' }))).toBe('message_type_invalid')
  })
})

describe('a CMC request', () => {
  it('may be proven by its outer signature alone', async () => {
    const bytes = await forgeCmc({ requestSequence: encodePkcs10RequestSequence(1, await nullSigned()) })
    expect(readEnrollmentRequest(bytes).proof).toEqual({
      kind: 'null-signature-in-cmc',
      digest: 'sha256',
      digests: ['sha256']
    })
  })

  it('collects extensions and attributes from the controls that add to it', async () => {
    const extensions = encodeAttribute(OID.extensionRequest, [encodeExtensions([TEMPLATE_EXTENSION, templateId])])
    const added = { oid: '1.2.3', critical: true, value: encodeNull() }
    const clientInfo = encodeRequestClientInfo({ process: 'certreq' })
    const bytes = await forgeCmc({
      controls: [addAttributesControl(2, clientInfo, extensions), addExtensions(3, [1], added, TEMPLATE_EXTENSION)]
    })
    const request = readEnrollmentRequest(bytes)
    expect(request.dialect).toBe('microsoft')
    expect(request.clientInfo).toMatchObject({ process: 'certreq' })
    expect(request.template).toMatchObject({ names: ['UserEncryption'], major: 100 })
    const oids = request.extensions.map(({ oid }) => oid)
    expect(oids).toContain('1.2.3')
    expect(new Set(oids).size).toBe(oids.length)
  })

  it('tells transaction, nonce and data to return', async () => {
    const bytes = await forgeCmc({
      controls: [
        nonceControl(2),
        encodeTaggedAttribute(3, OID.id_cmc_transactionId, encodeInteger(258)),
        encodeTaggedAttribute(4, OID.id_cmc_dataReturn, encodeOctetString(Buffer.from('mine')))
      ]
    })
    const request = readEnrollmentRequest(bytes)
    expect(request.dialect).toBe('standard')
    expect(request.transactionId).toEqual(Buffer.of(1, 2))
    expect(request.senderNonce).toEqual(Buffer.from('nonce'))
    expect(request.dataReturn).toEqual(Buffer.from('mine'))
  })

  it('names its template in the registration information too', async () => {
    const bytes = await forgeCmc({ controls: [regInfo('CertificateTemplate', 'Mail')] })
    expect(readEnrollmentRequest(bytes).template.names).toEqual(['UserEncryption', 'Mail'])
  })

  it('is read again from what is stored, with the same facts', async () => {
    const bytes = await forgeCmc({ controls: [nonceControl(2), regInfo('cdc', 'dc1')] })
    const request = readEnrollmentRequest(bytes)
    const stored = decodeStoredRequest(request.stored)
    expect(stored.template).toEqual(request.template)
    expect(stored.registrationInfo).toEqual([{ name: 'cdc', value: 'dc1' }])
    expect(stored.extensions).toEqual(request.extensions)
    expect(Buffer.from(stored.publicKey.raw)).toEqual(Buffer.from(request.publicKey.raw))
  })

  const sound = sampleCertificationRequest(key)
  const twoRequests = async () =>
    encodeSequence(encodeContext(0, encodeInteger(1), await sound), encodeContext(0, encodeInteger(2), await sound))
  const refused: readonly (readonly [
    what: string,
    forgery: () => CmcForgery | Promise<CmcForgery>,
    code: ErrorCode
  ])[] = [
    ['two PKCS#10', async () => ({ requestSequence: await twoRequests() }), 'cmc_request_count'],
    ['no request', () => ({ requestSequence: encodeSequence() }), 'cmc_request_count'],
    [
      'a request of an external form',
      () => ({ requestSequence: encodeSequence(encodeContext(2, encodeInteger(1), encodeOid('1.2.3'), encodeNull())) }),
      'form_not_supported'
    ],
    [
      'an unknown control',
      () => ({ controls: [encodeTaggedAttribute(2, '1.2.3', encodeNull())] }),
      'cmc_unknown_control'
    ],
    ['a repeated control', () => ({ controls: [nonceControl(2), nonceControl(3)] }), 'cmc_control_repeated'],
    ['an id that occurs twice', () => ({ controls: [nonceControl(1)] }), 'cmc_body_part_id'],
    ['a control for another request', () => ({ controls: [addExtensions(2, [4], templateId)] }), 'cmc_body_part_id'],
    ['a control for no request', () => ({ controls: [addExtensions(2, [], templateId)] }), 'cmc_body_part_id'],
    [
      'a contradiction between extensions',
      () => ({ controls: [addExtensions(2, [1], { ...TEMPLATE_EXTENSION, critical: true })] }),
      'cmc_structure'
    ],
    [
      'a query after a pending request',
      () => ({ controls: [encodeTaggedAttribute(2, OID.id_cmc_queryPending, encodeOctetString(Buffer.of(1)))] }),
      'form_not_supported'
    ],
    [
      'an identification that nothing proves',
      () => ({ controls: [encodeTaggedAttribute(2, OID.id_cmc_identification, encodeUtf8String('me'))] }),
      'form_not_supported'
    ],
    [
      'a message inside',
      () => ({ contentInfos: [encodeSequence(encodeInteger(9), encodeSequence(encodeOid(OID.id_data)))] }),
      'form_not_supported'
    ],
    [
      'another object inside',
      () => ({ otherMessages: [encodeSequence(encodeInteger(9), encodeOid('1.2.3'), encodeNull())] }),
      'form_not_supported'
    ],
    [
      'a requester’s name in place of the attributes that must be signed',
      () => ({ attributes: [encodeNameValuePairs([{ name: 'requestername', value: 'D\\u' }])] }),
      'cms_attribute_missing'
    ],
    ['bytes after PKIData', () => ({ trailing: Buffer.of(0) }), 'der_trailing_bytes'],
    ['no signed attributes', () => ({ attributes: null }), 'cms_signed_attributes_missing'],
    [
      'another content type signed',
      () => ({ attributes: [encodeAttribute(OID.id_contentType, [encodeOid(OID.id_data)])] }),
      'cms_content_type_mismatch'
    ],
    [
      'a signature by another key',
      () => ({ sign: data => signSample(other, data, 'ecdsa-sha256') }),
      'cms_signature_invalid'
    ],
    ['another signer', () => ({ sid: { kind: 'keyId', keyId: other.publicKey.keyId } }), 'cms_signer_not_found'],
    [
      'a signer whose certificate is not in the message',
      () => ({
        sid: {
          kind: 'issuerAndSerial',
          issuer: identity.certificate.issuer.raw,
          serialNumber: identity.certificate.serialNumber
        }
      }),
      'cms_signer_not_found'
    ],
    [
      'a null signature that is another hash',
      async () => ({ requestSequence: encodePkcs10RequestSequence(1, await nullSigned(OID.id_sha256, 'sha1')) }),
      'pkcs10_signature_invalid'
    ],
    [
      'a CRMF control that is not known',
      () => {
        const spki = DerReader.over(key.publicKey.raw).any('key').content
        const control = encodeSequence(encodeOid('1.3.6.1.5.5.7.5.1.1'), encodeUtf8String('token'))
        const request = encodeSequence(
          encodeInteger(1),
          encodeSequence(encodeContext(5, nameOf('CN=Sample')), encodeContext(6, spki)),
          encodeSequence(control)
        )
        return { requestSequence: encodeCrmfRequestSequence(request) }
      },
      'cmc_unknown_control'
    ]
  ]

  it.each(refused)('with %s is refused', async (_what, forge, code) => {
    const bytes = await forgeCmc(await forge())
    expect(codeOf(() => readEnrollmentRequest(bytes))).toBe(code)
  })

  it('without a signer, or with two, is refused', async () => {
    const bytes = await forgeCmc()
    const body = DerReader.over(bytes).sequence('ContentInfo')
    const type = body.any('type').raw
    const members = body
      .explicit(0, 'content')
      .sequence('SignedData')
      .each(list => list.any('member').raw)
    const signers = members.pop() ?? new Uint8Array()
    const signer = DerReader.over(signers).any('signers').content
    const rebuilt = (set: Uint8Array) => encodeSequence(type, encodeContext(0, encodeSequence(...members, set)))
    const length = signer.length
    const twice = Buffer.concat([Buffer.of(0x31, 0x82, (2 * length) >> 8, (2 * length) & 0xff), signer, signer])
    expect(codeOf(() => readEnrollmentRequest(rebuilt(Buffer.of(0x31, 0))))).toBe('cms_no_signer')
    expect(codeOf(() => readEnrollmentRequest(rebuilt(twice)))).toBe('cms_signer_count')
  })
})

describe('SHA-1 in a proof of possession', () => {
  const forgery: CmcForgery = {
    digest: 'sha1',
    signatureAlgorithm: encodeSequence(encodeOid(OID.ecdsa_with_SHA1)),
    sign: data => signSample(key, data, 'ecdsa-sha256')
  }

  it('is refused unless it is allowed', async () => {
    const bytes = await forgeCmc(forgery)
    expect(codeOf(() => readEnrollmentRequest(bytes))).toBe('cms_algorithm_not_allowed')
    // Allowed, the algorithm is taken; the signature is still checked.
    expect(codeOf(() => readEnrollmentRequest(bytes, { allowSha1: true }))).toBe('cms_signature_invalid')
  })
})
