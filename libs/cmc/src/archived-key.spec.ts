import type { ErrorCode } from '@app/core'
import { encodeContentInfo } from '@app/cms'
import { DerReader, encodeNull, encodeOctetString, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import { encodeAttribute } from '@app/x509'
import { describe, expect, it } from 'vitest'
import {
  addAttributesControl,
  archivedKeyAttribute,
  buildSampleCmc,
  exchangeIdentity,
  forgeArchival,
  forgeCmc,
  keyHashControl,
  sampleCertificationRequest,
  sampleEnvelope,
  type CmcForgery
} from '../../../test/helpers/cmc-messages.js'
import {
  contentTypeAttribute,
  digestOf,
  makeRsaIdentity,
  messageDigestAttribute
} from '../../../test/helpers/cms-messages.js'
import { codeOf, sampleKey, SAMPLE_KEY_KINDS } from '../../../test/helpers/x509-samples.js'
import { decodeStoredRequest, readEnrollmentRequest } from './enrollment-request.js'
import { encodePkcs10RequestSequence } from './pki-data.js'

const envelope = sampleEnvelope()
const another = sampleEnvelope()
const key = sampleKey('P-256')

function hashOf(bytes: Uint8Array): Uint8Array {
  return keyHashControl(digestOf('sha256', bytes))
}

async function inPkcs10(): Promise<CmcForgery> {
  const request = await sampleCertificationRequest(key, [archivedKeyAttribute(envelope)])
  return { controls: [hashOf(envelope)], requestSequence: encodePkcs10RequestSequence(1, request) }
}

describe('an archived key beside a request', () => {
  it.each(SAMPLE_KEY_KINDS)('is found with its recipient and hash in a request for a %s key', async kind => {
    const built = await buildSampleCmc({ archivedKeyEnvelope: envelope }, sampleKey(kind))
    const request = readEnrollmentRequest(built.request)
    expect(request.dialect).toBe('microsoft')
    expect(request.archivedKey?.placement).toBe('unsigned-attribute')
    expect(Buffer.from(request.archivedKey?.envelope ?? [])).toEqual(Buffer.from(envelope))
    expect(request.archivedKey?.recipient).toMatchObject({
      kind: 'issuerAndSerial',
      serialNumber: exchangeIdentity().certificate.serialNumber
    })
    expect(request.archivedKey?.hash.algorithm).toBe(built.keyHash?.algorithm)
    expect(Buffer.from(request.archivedKey?.hash.value ?? [])).toEqual(Buffer.from(built.keyHash?.value ?? []))
  })

  it('is not in what is stored, whose signature remains valid', async () => {
    const { request: bytes } = await buildSampleCmc({ archivedKeyEnvelope: envelope })
    const { stored, storedIsRedacted } = readEnrollmentRequest(bytes)
    expect(storedIsRedacted).toBe(false)
    expect(Buffer.from(stored).includes(Buffer.from(envelope).subarray(-64))).toBe(false)
    expect(Buffer.from(bytes).includes(Buffer.from(envelope).subarray(-64))).toBe(true)
    // Only the missing key is wrong with it: the hash is signed and the key is gone.
    expect(codeOf(() => readEnrollmentRequest(stored))).toBe('cmc_key_hash_mismatch')
    expect(decodeStoredRequest(stored).keyHash?.value).toEqual(digestOf('sha256', envelope))
  })

  it.each(['sha1', 'sha256'] as const)(
    'may be hashed with %s by a request that is signed with SHA-256',
    async digest => {
      const bytes = await forgeArchival({ controls: [keyHashControl(digestOf(digest, envelope))] }, envelope)
      expect(readEnrollmentRequest(bytes).archivedKey?.hash.algorithm).toBe(digest)
    }
  )

  it('may be wrapped with OAEP and AES', async () => {
    const modern = sampleEnvelope({
      transport: { scheme: 'rsaes-oaep', digest: 'sha256' },
      contentEncryption: 'aes-256-gcm'
    })
    expect(readEnrollmentRequest(await forgeArchival({}, modern)).archivedKey).toBeDefined()
  })

  const refused: readonly (readonly [what: string, forge: () => CmcForgery | Promise<CmcForgery>, code: ErrorCode])[] =
    [
      ['in the PKCS#10', inPkcs10, 'archived_key_misplaced'],
      [
        'in a control',
        () => ({ controls: [addAttributesControl(2, archivedKeyAttribute(envelope))] }),
        'archived_key_misplaced'
      ],
      [
        'among the signed attributes',
        () => ({
          attributes: [
            contentTypeAttribute(OID.id_cct_PKIData),
            messageDigestAttribute(Buffer.alloc(32)),
            archivedKeyAttribute(envelope)
          ]
        }),
        'archived_key_misplaced'
      ],
      [
        'twice in one attribute',
        () => ({ controls: [hashOf(envelope)], unsignedAttributes: [archivedKeyAttribute(envelope, another)] }),
        'archived_key_repeated'
      ],
      [
        'in two attributes',
        () => ({
          controls: [hashOf(envelope)],
          unsignedAttributes: [archivedKeyAttribute(envelope), archivedKeyAttribute(another)]
        }),
        'archived_key_repeated'
      ],
      ['without a value', () => ({ unsignedAttributes: [archivedKeyAttribute()] }), 'cms_attribute_values'],
      ['without a hash', () => ({ unsignedAttributes: [archivedKeyAttribute(envelope)] }), 'cmc_key_hash_missing'],
      [
        'with another’s hash',
        () => ({ controls: [hashOf(another)], unsignedAttributes: [archivedKeyAttribute(envelope)] }),
        'cmc_key_hash_mismatch'
      ],
      ['with a hash and no key', () => ({ controls: [hashOf(envelope)] }), 'cmc_key_hash_mismatch'],
      [
        'with the hash of what is inside',
        () => {
          const body = DerReader.over(envelope).sequence('ContentInfo')
          body.any('type')
          return {
            controls: [hashOf(body.explicit(0, 'content').any('EnvelopedData').raw)],
            unsignedAttributes: [archivedKeyAttribute(envelope)]
          }
        },
        'cmc_key_hash_mismatch'
      ],
      [
        'with a hash of another algorithm than the request’s',
        () => ({
          controls: [keyHashControl(digestOf('sha512', envelope))],
          unsignedAttributes: [archivedKeyAttribute(envelope)]
        }),
        'cmc_key_hash_algorithm'
      ],
      [
        'with a hash of no known length',
        () => ({
          controls: [keyHashControl(Buffer.alloc(16))],
          unsignedAttributes: [archivedKeyAttribute(envelope)]
        }),
        'cmc_key_hash_algorithm'
      ],
      [
        'with two hashes',
        () => ({
          controls: [keyHashControl(digestOf('sha256', envelope), digestOf('sha1', envelope))],
          unsignedAttributes: [archivedKeyAttribute(envelope)]
        }),
        'cms_attribute_values'
      ],
      [
        'with hashes in two controls',
        () => {
          const attribute = encodeAttribute(OID.szOID_ENCRYPTED_KEY_HASH, [
            encodeOctetString(digestOf('sha256', envelope))
          ])
          return {
            controls: [hashOf(envelope), addAttributesControl(3, attribute)],
            unsignedAttributes: [archivedKeyAttribute(envelope)]
          }
        },
        'cmc_control_repeated'
      ],
      [
        'for two recipients',
        () => {
          const certificates = [exchangeIdentity(), makeRsaIdentity({ serialNumber: 8 })].map(
            ({ certificate }) => certificate
          )
          const shared = sampleEnvelope({ certificates })
          return { controls: [hashOf(shared)], unsignedAttributes: [archivedKeyAttribute(shared)] }
        },
        'cms_recipient_count'
      ],
      [
        'that is no envelope',
        () => {
          const data = encodeContentInfo(OID.id_data, encodeOctetString(Buffer.of(1)))
          return { controls: [hashOf(data)], unsignedAttributes: [archivedKeyAttribute(data)] }
        },
        'cms_content_type_mismatch'
      ],
      [
        'that is no CMS message',
        () => ({ controls: [hashOf(encodeNull())], unsignedAttributes: [archivedKeyAttribute(encodeNull())] }),
        'der_tag_unexpected'
      ]
    ]

  it.each(refused)('is refused %s', async (_what, forge, code) => {
    const bytes = await forgeCmc(await forge())
    expect(codeOf(() => readEnrollmentRequest(bytes))).toBe(code)
  })
})

describe('an archived key inside of a CRMF request', () => {
  const plan = { dialect: 'standard-crmf', archivedKeyEnvelope: envelope } as const

  it('is found, with SHA-256 of the envelope for the response', async () => {
    const { request: bytes, keyHash } = await buildSampleCmc(plan)
    const request = readEnrollmentRequest(bytes)
    expect(request.dialect).toBe('standard')
    expect(request.proof).toMatchObject({ kind: 'crmf-signature', digest: 'sha256' })
    expect(request.archivedKey?.placement).toBe('crmf-control')
    expect(Buffer.from(request.archivedKey?.envelope ?? [])).toEqual(Buffer.from(envelope))
    expect(request.archivedKey?.hash).toEqual({ algorithm: 'sha256', value: digestOf('sha256', envelope) })
    expect(keyHash).toEqual(request.archivedKey?.hash)
  })

  it('is overwritten in what is stored, and nothing else is', async () => {
    const { request: bytes } = await buildSampleCmc({ ...plan, senderNonce: Buffer.from('nonce') })
    const received = Buffer.from(bytes)
    const request = readEnrollmentRequest(bytes)
    expect(request.storedIsRedacted).toBe(true)
    expect(request.stored.length).toBe(bytes.length)
    const differing = received.reduce((count, octet, index) => count + (octet === request.stored[index] ? 0 : 1), 0)
    expect(differing).toBeGreaterThan(250)
    expect(Buffer.from(request.stored).includes(Buffer.from(envelope).subarray(-16))).toBe(false)
    expect(Buffer.from(bytes)).toEqual(received)
    const stored = decodeStoredRequest(request.stored)
    expect(stored.template).toEqual(request.template)
    expect(stored.senderNonce).toEqual(Buffer.from('nonce'))
    expect(Buffer.from(stored.subject?.raw ?? [])).toEqual(Buffer.from(request.subject?.raw ?? []))
    expect(codeOf(() => readEnrollmentRequest(request.stored))).toBe('der_tag_unexpected')
  })

  it('is refused beside another one in the unsigned attributes', async () => {
    const { request } = await buildSampleCmc(plan)
    const body = DerReader.over(request).sequence('ContentInfo')
    body.any('type')
    const signedData = body.explicit(0, 'content').sequence('SignedData')
    signedData.any('version')
    signedData.any('digests')
    const content = signedData.sequence('content')
    content.any('type')
    const pkiData = DerReader.over(content.explicit(0, 'content').octetString('PKIData')).sequence('PKIData')
    pkiData.any('controls')
    const requestSequence = pkiData.any('requests').raw
    const bytes = await forgeCmc({ requestSequence, unsignedAttributes: [archivedKeyAttribute(another)] })
    expect(codeOf(() => readEnrollmentRequest(bytes))).toBe('archived_key_repeated')
  })
})

describe('an empty sequence in the place of a key', () => {
  it('is refused', async () => {
    const bytes = await forgeCmc({ unsignedAttributes: [archivedKeyAttribute(encodeSequence())] })
    expect(codeOf(() => readEnrollmentRequest(bytes))).toBe('der_tag_unexpected')
  })
})
