import { sign, type KeyObject } from 'node:crypto'
import {
  buildFullResponse,
  decodeFullResponse,
  encodePkcs10RequestSequence,
  encodeTaggedAttribute,
  readEnrollmentRequest,
  verifyFullResponse
} from '@app/cmc'
import { isAppError } from '@app/core'
import { encodeContext, encodeInteger, encodeNull, encodeOctetString, encodeSequence, encodeTlv, TAG } from '@app/der'
import { OID } from '@app/oid'
import { encodeAlgorithmIdentifier, encodeAttribute, encodeDigestAlgorithm } from '@app/x509'
import {
  addAttributesControl,
  archivedKeyAttribute,
  exchangeIdentity,
  forgeArchival,
  forgeCmc,
  keyHashControl,
  sampleCertificationRequest,
  sampleEnvelope,
  type CmcForgery
} from './cmc-messages.js'
import {
  contentTypeAttribute,
  digestOf,
  forgeSignedData,
  makeIdentity,
  makeRsaIdentity,
  messageDigestAttribute,
  replaceElement,
  withIndefiniteLength,
  type Forgery
} from './cms-messages.js'
import { sampleKey } from './x509-samples.js'

/** A message that must be refused, made of a sound one. Its signature is good, so that nothing else is wrong with it. */
export interface BadMessage {
  /** What is wrong, as the documents name it. */
  readonly what: string
  /** The code that this program refuses it with. */
  readonly code: string
  readonly message: Uint8Array
  /** Whether it shows in the CMS message itself, or only to who knows CMC. */
  readonly layer: 'cms' | 'cmc'
}

/** Makes a message that is wrong in one way. */
type Forge = () => Uint8Array | Promise<Uint8Array>

const key = sampleKey('P-256')
const own = makeIdentity({ privateKey: key.privateKey })
const certificates = [own.certificate.raw]
const envelope = sampleEnvelope()
const contentType = contentTypeAttribute(OID.id_cct_PKIData)
const bySerial = {
  kind: 'issuerAndSerial',
  issuer: own.certificate.issuer.raw,
  serialNumber: own.certificate.serialNumber
} as const

/** An archival request that is sound in everything, with the certificate of its key for programs that look there. */
export const soundMessage = await forgeArchival({ certificates }, envelope)
const content = decodeContent(soundMessage)

/** The code that the program refuses a message with: of a full response, the one that its refusal rests on. */
export function refusalOf(message: Uint8Array): string | undefined {
  try {
    if (isResponse(message)) verifyFullResponse(decodeFullResponse(message), { caCertificate: own.certificate })
    else readEnrollmentRequest(message)
    return undefined
  } catch (error) {
    if (!isAppError(error)) throw error
    return error.code === 'response_signature' && isAppError(error.cause) ? error.cause.code : error.code
  }
}

function isResponse(message: Uint8Array): boolean {
  return Buffer.from(message).includes(Buffer.from('06082b06010505070c03', 'hex'))
}

/** The content of a message that {@link forgeCmc} made. */
function decodeContent(message: Uint8Array): Uint8Array {
  let found = new Uint8Array()
  replaceElement(message, [1, 0, 2, 1, 0], element => {
    const header = (element[1] ?? 0) < 0x80 ? 2 : 2 + ((element[1] ?? 0) & 0x7f)
    found = Uint8Array.from(element.subarray(header))
    return [element]
  })
  return found
}

/** The sound message with other signed attributes, or none. */
function withAttributes(...attributes: readonly Uint8Array[]): Promise<Uint8Array> {
  return archival({ attributes })
}

/** The sound message, its content the same, with something else about it. */
function archival(forgery: CmcForgery): Promise<Uint8Array> {
  return forgeArchival({ certificates, content, ...forgery }, envelope)
}

function cmc(forgery: CmcForgery): Promise<Uint8Array> {
  return forgeCmc({ certificates, ...forgery })
}

/** The sound message with one element replaced outside of what is signed. */
function changed(path: readonly number[], replace: (element: Uint8Array) => readonly Uint8Array[]): Forge {
  return () => replaceElement(soundMessage, path, replace)
}

const messageDigest = messageDigestAttribute(digestOf('sha256', content))
const trailing = encodeNull()
const longLength = (element: Uint8Array): Uint8Array[] => {
  const [tag = 0, first = 0] = element
  const octets = first < 0x80 ? 0 : first & 0x7f
  const length = octets === 0 ? Uint8Array.of(first) : element.subarray(2, 2 + octets)
  return [Buffer.concat([Uint8Array.of(tag, 0x80 | (length.length + 1), 0), length, element.subarray(2 + octets)])]
}

function signedWith(digest: string, oid: string, privateKey: KeyObject = key.privateKey): Partial<Forgery> {
  return { signatureAlgorithm: encodeAlgorithmIdentifier(oid), sign: data => sign(digest, data, privateKey) }
}

/** The sound message by an algorithm that is not allowed: digest, its identifier, and that of the signature. */
function withDigest(name: string, digestOid: string, signatureOid: string): Promise<Uint8Array> {
  const algorithm = encodeAlgorithmIdentifier(digestOid)
  return archival({
    digestAlgorithm: algorithm,
    digestAlgorithms: [algorithm],
    // The builder knows no such digest, so the attribute is made apart.
    attributes: [contentType, messageDigestAttribute(digestOf(name as 'sha1', content))],
    ...signedWith(name, signatureOid)
  })
}

/** Content in segments of segments, which only BER has. */
function nested(depth: number): Uint8Array {
  let element = encodeOctetString(content)
  for (let level = 0; level < depth; level++) element = encodeTlv(0x24, element)
  return element
}

async function twoRequests(): Promise<Uint8Array> {
  const request = await sampleCertificationRequest(key)
  const tagged = [1, 9].map(id => encodeContext(0, encodeInteger(id), request))
  return encodeSequence(...tagged)
}

async function inPkcs10(): Promise<Uint8Array> {
  const request = await sampleCertificationRequest(key, [archivedKeyAttribute(envelope)])
  const controls = [keyHashControl(digestOf('sha256', envelope))]
  return cmc({ controls, requestSequence: encodePkcs10RequestSequence(1, request) })
}

async function pkcs7(forgery: Forgery): Promise<Uint8Array> {
  const request = await sampleCertificationRequest(key)
  return forgeSignedData(own, { eContentType: OID.id_data, content: request, version: 1, ...forgery })
}

async function pkcs7WithoutContentType(): Promise<Uint8Array> {
  const request = await sampleCertificationRequest(key)
  const attributes = [messageDigestAttribute(digestOf('sha256', request))]
  return forgeSignedData(own, { eContentType: OID.id_data, content: request, version: 1, attributes })
}

/** A renewal as Windows writes it, without signed attributes; but in CMC, which gets no such leniency. */
async function directCmcRenewal(): Promise<Uint8Array> {
  const renewal = encodeAttribute(OID.szOID_RENEWAL_CERTIFICATE, [own.certificate.raw])
  const request = await sampleCertificationRequest(key, [renewal])
  return cmc({ requestSequence: encodePkcs10RequestSequence(1, request), sid: bySerial, attributes: null })
}

async function responseWithoutAttributes(): Promise<Uint8Array> {
  const response = await buildFullResponse({
    dialect: 'standard',
    status: 'success',
    statusString: 'Issued',
    bodyPartId: 1,
    certificates,
    signer: { certificate: own.certificate, scheme: own.scheme, sign: own.sign }
  })
  const eContentType = OID.id_cct_PKIResponse
  return forgeSignedData(own, { eContentType, content: decodeContent(response), attributes: null })
}

function withKey(stated: readonly Uint8Array[], ...values: readonly Uint8Array[]): Forge {
  return () => cmc({ controls: stated, unsignedAttributes: [archivedKeyAttribute(...values)] })
}

const statedHash = keyHashControl(digestOf('sha256', envelope))
const attribute = archivedKeyAttribute(envelope)

const CMS: readonly (readonly [what: string, code: string, forge: Forge])[] = [
  [
    'contentType names other content than eContentType',
    'cms_content_type_mismatch',
    () => withAttributes(contentTypeAttribute(OID.id_data), messageDigest)
  ],
  ['PKIData without signed attributes', 'cms_signed_attributes_missing', () => archival({ attributes: null })],
  ['PKIResponse without signed attributes', 'cms_signed_attributes_missing', responseWithoutAttributes],
  ['no contentType among the signed attributes', 'cms_attribute_missing', () => withAttributes(messageDigest)],
  ['no messageDigest among the signed attributes', 'cms_attribute_missing', () => withAttributes(contentType)],
  ['contentType twice', 'cms_attribute_repeated', () => withAttributes(contentType, contentType, messageDigest)],
  ['messageDigest twice', 'cms_attribute_repeated', () => withAttributes(contentType, messageDigest, messageDigest)],
  [
    'contentType with two values',
    'cms_attribute_values',
    () => withAttributes(contentTypeAttribute(OID.id_data, OID.id_cct_PKIData), messageDigest)
  ],
  [
    'messageDigest with two values',
    'cms_attribute_values',
    () => withAttributes(contentType, messageDigestAttribute(digestOf('sha256', content), Buffer.alloc(32, 0xff)))
  ],
  [
    'the digest algorithm is not that of the signature algorithm',
    'cms_digest_algorithm_mismatch',
    () => archival({ digest: 'sha512', ...signedWith('sha512', OID.ecdsa_with_SHA256) })
  ],
  [
    'the digest algorithm is not listed in digestAlgorithms',
    'cms_digest_algorithm_mismatch',
    () => archival({ digestAlgorithms: [encodeDigestAlgorithm('sha512')] })
  ],
  [
    'SHA-1, which only a setting for legacy clients lets pass',
    'cms_algorithm_not_allowed',
    () => withDigest('sha1', '1.3.14.3.2.26', '1.2.840.10045.4.1')
  ],
  [
    'an algorithm outside of the allow-list: SHA-224',
    'cms_algorithm_not_allowed',
    () => withDigest('sha224', '2.16.840.1.101.3.4.2.4', '1.2.840.10045.4.3.1')
  ],
  [
    'an algorithm outside of the allow-list: SHA3-256',
    'cms_algorithm_not_allowed',
    () => withDigest('sha3-256', '2.16.840.1.101.3.4.2.8', '2.16.840.1.101.3.4.3.10')
  ],
  [
    'a signer identifier that no certificate fits',
    'cms_signer_not_found',
    () => archival({ sid: { kind: 'keyId', keyId: Buffer.alloc(20, 7) } })
  ],
  [
    'a signer identifier that two certificates fit',
    'cms_signer_ambiguous',
    () =>
      archival({ sid: bySerial, certificates: [...certificates, makeIdentity({ serialNumber: 1 }).certificate.raw] })
  ],
  [
    'content that is not embedded',
    'cms_content_missing',
    () => archival({ content: null, attributes: [contentType, messageDigest] })
  ],
  ['bytes after the message', 'der_trailing_bytes', () => Buffer.concat([soundMessage, trailing])],
  ['an element after signerInfos', 'der_trailing_bytes', changed([1, 0, 4], element => [element, trailing])],
  ['an element after the unsigned attributes', 'der_trailing_bytes', changed([1, 0, 4, 0, 6], e => [e, trailing])],
  ['an indefinite length around the message', 'der_length_indefinite', () => withIndefiniteLength(soundMessage)],
  [
    'an indefinite length around a signer',
    'der_length_indefinite',
    changed([1, 0, 4, 0], element => [withIndefiniteLength(element)])
  ],
  ['a length in more octets than needed', 'der_length_not_minimal', changed([1, 0, 3], longLength)],
  [
    'an INTEGER with a superfluous octet',
    'der_integer_not_minimal',
    changed([1, 0, 0], () => [Uint8Array.of(TAG.integer, 2, 0, 3)])
  ],
  [
    'signed attributes out of order, signed as they stand',
    'der_set_order',
    () => withAttributes(messageDigest, contentType)
  ],
  [
    'signed attributes out of order, signed in order',
    'der_set_order',
    changed([1, 0, 4, 0, 3], element => [swapped(element)])
  ],
  ['content nested deeper than allowed', 'der_too_deep', changed([1, 0, 2, 1, 0], () => [nested(40)])],
  [
    'a PKCS#7 request, no renewal, without signed attributes',
    'cms_signed_attributes_missing',
    () => pkcs7({ attributes: null })
  ],
  [
    'a PKCS#7 request, no renewal and for nobody else, without contentType',
    'cms_attribute_missing',
    pkcs7WithoutContentType
  ],
  ['a renewal in CMC without signed attributes', 'cms_signed_attributes_missing', directCmcRenewal]
]

function swapped(set: Uint8Array): Uint8Array {
  const members: Uint8Array[] = []
  for (const position of [0, 1]) {
    replaceElement(set, [position], element => {
      members.unshift(element)
      return [element]
    })
  }
  return encodeTlv(set[0] ?? 0, ...members)
}

const CMC: readonly (readonly [what: string, code: string, forge: Forge])[] = [
  ['bytes after PKIData', 'der_trailing_bytes', () => cmc({ trailing })],
  ['two certification requests', 'cmc_request_count', async () => cmc({ requestSequence: await twoRequests() })],
  [
    'a control that is not known',
    'cmc_unknown_control',
    () => cmc({ controls: [encodeTaggedAttribute(2, '1.2.3.4', encodeNull())] })
  ],
  [
    'an archived key among the signed attributes',
    'archived_key_misplaced',
    async () => {
      const bytes = decodeContent(await cmc({ controls: [statedHash] }))
      const attributes = [contentType, messageDigestAttribute(digestOf('sha256', bytes)), attribute]
      return cmc({ content: bytes, attributes })
    }
  ],
  ['an archived key in the PKCS#10', 'archived_key_misplaced', inPkcs10],
  [
    'an archived key in a control',
    'archived_key_misplaced',
    () => cmc({ controls: [statedHash, addAttributesControl(3, attribute)] })
  ],
  [
    'an archived key beside a PKCS#7 request',
    'archived_key_misplaced',
    () => pkcs7({ unsignedAttributes: [attribute] })
  ],
  [
    'an archived key in a message inside of the message',
    'form_not_supported',
    () => cmc({ contentInfos: [encodeSequence(encodeInteger(9), soundMessage)] })
  ],
  ['a second archived key', 'archived_key_repeated', withKey([statedHash], envelope, sampleEnvelope())],
  [
    'a second attribute with an archived key',
    'archived_key_repeated',
    () => cmc({ controls: [statedHash], unsignedAttributes: [attribute, archivedKeyAttribute(sampleEnvelope())] })
  ],
  [
    'an archived key for two recipients',
    'cms_recipient_count',
    () => {
      const recipients = [exchangeIdentity(), makeRsaIdentity({ serialNumber: 8 })]
      const shared = sampleEnvelope({ certificates: recipients.map(({ certificate }) => certificate) })
      return withKey([keyHashControl(digestOf('sha256', shared))], shared)()
    }
  ],
  ['an archived key without its hash', 'cmc_key_hash_missing', withKey([], envelope)],
  [
    'the hash of the archived key by another algorithm than the request’s or SHA-1',
    'cmc_key_hash_algorithm',
    withKey([keyHashControl(digestOf('sha512', envelope))], envelope)
  ],
  [
    'the hash of another archived key',
    'cmc_key_hash_mismatch',
    withKey([keyHashControl(digestOf('sha256', sampleEnvelope()))], envelope)
  ],
  ['the hash of an archived key and no key', 'cmc_key_hash_mismatch', () => cmc({ controls: [statedHash] })]
]

async function make(rows: typeof CMS, layer: BadMessage['layer']): Promise<readonly BadMessage[]> {
  return Promise.all(rows.map(async ([what, code, forge]) => ({ what, code, layer, message: await forge() })))
}

/** One message for every reason to refuse one. */
export async function makeBadMessages(): Promise<readonly BadMessage[]> {
  return [...(await make(CMS, 'cms')), ...(await make(CMC, 'cmc'))]
}
