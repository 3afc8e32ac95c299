import {
  buildCmcRequest,
  encodePkcs10RequestSequence,
  encodeTaggedAttribute,
  type CmcRequestBuilt,
  type CmcRequestPlan
} from '@app/cmc'
import { buildEnvelopedData, type ContentEncryptionName, type KeyTransport } from '@app/cms'
import { encodeOctetString, encodeSequence, encodeSetOf } from '@app/der'
import { OID } from '@app/oid'
import {
  encodeAttribute,
  encodeCertificateTemplateName,
  encodeExtensions,
  encodeSubjectKeyIdentifier,
  type Certificate,
  type Extension
} from '@app/x509'
import { digestOf, forgeSignedData, makeIdentity, makeRsaIdentity, realEntropy, type Forgery } from './cms-messages.js'
import { buildSampleRequest, nameOf, sampleKey, signSample, type SampleKey } from './x509-samples.js'

/** A template by name, as a version 1 template extension. */
export const TEMPLATE_EXTENSION: Extension = {
  oid: OID.szOID_ENROLL_CERTTYPE_EXTENSION,
  critical: false,
  value: encodeCertificateTemplateName('UserEncryption')
}

let exchange: ReturnType<typeof makeRsaIdentity> | undefined

/** Whom archived keys are wrapped to; the same for every call in one test file. */
export function exchangeIdentity(): ReturnType<typeof makeRsaIdentity> {
  exchange ??= makeRsaIdentity({ name: 'Exchange', serialNumber: 7 })
  return exchange
}

/** How an archived key of a test is wrapped. */
export interface EnvelopeOptions {
  readonly certificates?: readonly Certificate[]
  readonly content?: Uint8Array
  readonly contentEncryption?: ContentEncryptionName
  readonly transport?: KeyTransport
}

/** An archived key's envelope: a ContentInfo element. */
export function sampleEnvelope(options: EnvelopeOptions = {}): Uint8Array {
  const { certificates = [exchangeIdentity().certificate], transport = { scheme: 'rsaes-pkcs1-v1_5' } } = options
  return buildEnvelopedData({
    content: options.content ?? Buffer.from('a private key'),
    recipients: certificates.map(certificate => ({ certificate, transport })),
    contentEncryption: options.contentEncryption ?? 'des-ede3-cbc',
    entropy: realEntropy
  })
}

/** What the request builder is given unless a test says otherwise: the Microsoft dialect, one template, no more. */
function samplePlan(key: SampleKey, parts: Partial<CmcRequestPlan> = {}): CmcRequestPlan {
  return {
    dialect: 'microsoft',
    subject: nameOf('CN=UserName,OU=UserUnit,O=UserOrg,L=UserCity,ST=WA,C=US'),
    publicKey: key.publicKey.raw,
    extensions: [TEMPLATE_EXTENSION],
    scheme: key.scheme,
    sign: data => Promise.resolve(signSample(key, data)),
    ...parts
  }
}

/** A CMC request for the P-256 sample key. */
export function buildSampleCmc(
  parts: Partial<CmcRequestPlan> = {},
  key = sampleKey('P-256')
): Promise<CmcRequestBuilt> {
  return buildCmcRequest(samplePlan(key, parts))
}

/** A PKCS#10 of the key with the template extension and a subject key identifier, and attributes besides. */
export function sampleCertificationRequest(
  key: SampleKey,
  attributes: readonly Uint8Array[] = [],
  extensions: readonly Extension[] = [TEMPLATE_EXTENSION]
): Promise<Uint8Array> {
  const keyId = {
    oid: OID.id_ce_subjectKeyIdentifier,
    critical: false,
    value: encodeSubjectKeyIdentifier(key.publicKey.keyId)
  }
  const request = encodeAttribute(OID.extensionRequest, [encodeExtensions([...extensions, keyId])])
  return buildSampleRequest(key, { attributes: [request, ...attributes] })
}

/** What a message forged with {@link forgeCmc} is to hold. `undefined` leaves a part sound. */
export interface CmcForgery extends Forgery {
  /** TaggedAttribute elements. */
  readonly controls?: readonly Uint8Array[]
  /** The reqSequence element. */
  readonly requestSequence?: Uint8Array
  /** TaggedContentInfo elements. */
  readonly contentInfos?: readonly Uint8Array[]
  /** OtherMsg elements. */
  readonly otherMessages?: readonly Uint8Array[]
  /** Follows the sound PKIData. */
  readonly trailing?: Uint8Array
}

/**
 * A CMC message with a correct signature of the P-256 sample key, named by its key identifier, over whatever it says.
 * Written apart from the builder under test.
 */
export async function forgeCmc(forgery: CmcForgery = {}, key = sampleKey('P-256')): Promise<Uint8Array> {
  const { controls = [], contentInfos = [], otherMessages = [], trailing = new Uint8Array() } = forgery
  const requestSequence =
    forgery.requestSequence ?? encodePkcs10RequestSequence(1, await sampleCertificationRequest(key))
  const content = Buffer.concat([
    encodeSequence(
      encodeSequence(...controls),
      requestSequence,
      encodeSequence(...contentInfos),
      encodeSequence(...otherMessages)
    ),
    trailing
  ])
  return forgeSignedData(makeIdentity({ privateKey: key.privateKey }), {
    content,
    certificates: [],
    sid: { kind: 'keyId', keyId: key.publicKey.keyId },
    ...forgery
  })
}

/** The control that states the hash of an envelope, with id 2 for request 1. */
export function keyHashControl(...values: readonly Uint8Array[]): Uint8Array {
  const attributes = encodeAttribute(OID.szOID_ENCRYPTED_KEY_HASH, values.map(encodeOctetString))
  return addAttributesControl(2, attributes)
}

/** The Microsoft control with attributes for request 1. */
export function addAttributesControl(bodyPartId: number, ...attributes: readonly Uint8Array[]): Uint8Array {
  const references = Buffer.from('0201003003020101', 'hex')
  const value = encodeSequence(references, encodeSetOf(attributes))
  return encodeTaggedAttribute(bodyPartId, OID.szOID_CMC_ADD_ATTRIBUTES, value)
}

/** The unsigned attribute that carries envelopes. */
export function archivedKeyAttribute(...envelopes: readonly Uint8Array[]): Uint8Array {
  return encodeAttribute(OID.szOID_ARCHIVED_KEY_ATTR, envelopes)
}

/** A sound archival message: the envelope as unsigned attribute and the control with its SHA-256. */
export function forgeArchival(forgery: CmcForgery = {}, envelope = sampleEnvelope()): Promise<Uint8Array> {
  return forgeCmc({
    controls: [keyHashControl(digestOf('sha256', envelope))],
    unsignedAttributes: [archivedKeyAttribute(envelope)],
    ...forgery
  })
}
