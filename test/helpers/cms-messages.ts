import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { encodeContentInfo, encodeIdentifier, identifierOf, type SignerIdentifier } from '@app/cms'
import type { Entropy } from '@app/core'
import {
  contextTag,
  DerReader,
  encodeContext,
  encodeInteger,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  TAG
} from '@app/der'
import { OID } from '@app/oid'
import {
  decodeCertificate,
  decodePublicKey,
  encodeAttribute,
  encodeCertificate,
  encodeDigestAlgorithm,
  encodeName,
  encodeSignatureAlgorithm,
  encodeTbsCertificate,
  schemeFor,
  type Certificate,
  type DigestName,
  type PublicKeyInfo,
  type SignatureScheme
} from '@app/x509'

/** The machine's random numbers. */
export const realEntropy: Entropy = { bytes: length => randomBytes(length) }

/** A self-signed certificate with its private key, and what it signs with. */
export interface TestIdentity {
  readonly privateKey: KeyObject
  readonly publicKey: PublicKeyInfo
  readonly certificate: Certificate
  readonly scheme: SignatureScheme
  readonly sign: (data: Uint8Array) => Promise<Uint8Array>
}

/** What a test identity is to have; a P-256 key, serial number 1 and a subject key identifier unless told. */
export interface IdentityOptions {
  readonly privateKey?: KeyObject
  readonly serialNumber?: number
  readonly name?: string
  readonly hasKeyIdentifier?: boolean
}

/** A new identity. */
export function makeIdentity(options: IdentityOptions = {}): TestIdentity {
  const { privateKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey } = options
  const publicKey = decodePublicKey(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }))
  const scheme = schemeFor(publicKey)
  const name = encodeName([[{ type: OID.id_at_commonName, value: options.name ?? 'Signer' }]])
  const keyIdentifier = {
    oid: OID.id_ce_subjectKeyIdentifier,
    critical: false,
    value: encodeOctetString(publicKey.keyId)
  }
  const basicConstraints = { oid: OID.id_ce_basicConstraints, critical: true, value: encodeSequence() }
  const tbs = encodeTbsCertificate({
    serialNumber: Uint8Array.of(options.serialNumber ?? 1),
    scheme,
    issuer: name,
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date('2036-01-01T00:00:00Z'),
    subject: name,
    publicKey: publicKey.raw,
    extensions: (options.hasKeyIdentifier ?? true) ? [keyIdentifier, basicConstraints] : [basicConstraints]
  })
  const certificate = decodeCertificate(encodeCertificate(tbs, scheme, signBy(scheme, privateKey, tbs)))
  const signAsync = (data: Uint8Array): Promise<Uint8Array> => Promise.resolve(signBy(scheme, privateKey, data))
  return { privateKey, publicKey, certificate, scheme, sign: signAsync }
}

/** A new identity with an RSA key of 2048 bits. */
export function makeRsaIdentity(options: Omit<IdentityOptions, 'privateKey'> = {}): TestIdentity {
  return makeIdentity({ ...options, privateKey: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey })
}

/** A raw signature by a scheme. */
function signBy(scheme: SignatureScheme, privateKey: KeyObject, data: Uint8Array): Uint8Array {
  const digest = scheme === 'ed25519' ? null : scheme.slice(scheme.indexOf('-') + 1)
  return sign(digest, data, privateKey)
}

/** How a message is to differ from a sound one. `undefined` leaves a field sound, `null` leaves it out. */
export interface Forgery {
  readonly version?: number
  readonly eContentType?: string
  readonly content?: Uint8Array | null
  /** The whole TLV in place of the primitive OCTET STRING. */
  readonly encodedContent?: Uint8Array
  readonly certificates?: readonly Uint8Array[]
  /** Signed attributes in the order given, without the two that would be there. */
  readonly attributes?: readonly Uint8Array[] | null
  readonly digestAlgorithms?: readonly Uint8Array[]
  readonly digest?: DigestName
  readonly digestAlgorithm?: Uint8Array
  readonly signatureAlgorithm?: Uint8Array
  readonly sid?: SignerIdentifier
  readonly signerVersion?: number
  readonly unsignedAttributes?: readonly Uint8Array[]
  /** Signs instead of the identity's own key and scheme. */
  readonly sign?: (data: Uint8Array) => Uint8Array
}

/** Content of the messages that the tests make. */
export const SOUND_CONTENT: Uint8Array = Buffer.of(0x30, 0x03, 0x02, 0x01, 0x07)

/** A contentType attribute. */
export function contentTypeAttribute(...contentTypes: readonly string[]): Uint8Array {
  return encodeAttribute(OID.id_contentType, contentTypes.map(encodeOid))
}

/** A messageDigest attribute with these values. */
export function messageDigestAttribute(...digests: readonly Uint8Array[]): Uint8Array {
  return encodeAttribute(OID.id_messageDigest, digests.map(encodeOctetString))
}

/** The digest of bytes. */
export function digestOf(digest: DigestName, data: Uint8Array): Uint8Array {
  return createHash(digest).update(data).digest()
}

/**
 * A SignedData with one signer, correctly signed over whatever it says. Written apart from the builder under test, so
 * that it can say anything.
 */
export function forgeSignedData(signer: TestIdentity, forgery: Forgery = {}): Uint8Array {
  const { eContentType = OID.id_cct_PKIData, digest = 'sha256' } = forgery
  const content = forgery.content === undefined ? SOUND_CONTENT : (forgery.content ?? new Uint8Array())
  const attributes =
    forgery.attributes === undefined
      ? [contentTypeAttribute(eContentType), messageDigestAttribute(digestOf(digest, content))]
      : forgery.attributes
  const signed = attributes === null ? content : encodeTlv(TAG.set, ...attributes)
  const signature = (forgery.sign ?? (data => signBy(signer.scheme, signer.privateKey, data)))(signed)
  const sid = forgery.sid ?? identifierOf(signer.certificate)
  const signerInfo = encodeSequence(
    encodeInteger(forgery.signerVersion ?? (sid.kind === 'keyId' ? 3 : 1)),
    encodeIdentifier(sid),
    forgery.digestAlgorithm ?? encodeDigestAlgorithm(digest),
    ...(attributes === null ? [] : [encodeContext(0, ...attributes)]),
    forgery.signatureAlgorithm ?? encodeSignatureAlgorithm(signer.scheme),
    encodeOctetString(signature),
    ...(forgery.unsignedAttributes === undefined ? [] : [encodeContext(1, ...forgery.unsignedAttributes)])
  )
  const encodedContent = forgery.encodedContent ?? encodeOctetString(content)
  return encodeContentInfo(
    OID.id_signedData,
    encodeSequence(
      encodeInteger(forgery.version ?? 3),
      encodeSetOf(forgery.digestAlgorithms ?? [encodeDigestAlgorithm(digest)]),
      encodeSequence(encodeOid(eContentType), ...(forgery.content === null ? [] : [encodeContext(0, encodedContent)])),
      encodeTlv(contextTag(0), ...(forgery.certificates ?? [signer.certificate.raw])),
      encodeTlv(TAG.set, signerInfo)
    )
  )
}

/** The message with the element at a path (positions in constructed elements, from 0) replaced by others. */
export function replaceElement(
  message: Uint8Array,
  path: readonly number[],
  replace: (element: Uint8Array) => readonly Uint8Array[]
): Uint8Array {
  const [position, ...rest] = path
  if (position === undefined) return Buffer.concat(replace(message))
  const tag = message[0] ?? 0
  const members = DerReader.over(message)
    .enter(tag, 'element to change')
    .each(reader => reader.any('member').raw)
  const member = members[position]
  if (member === undefined) throw new Error(`There is no member ${position} of ${members.length}.`)
  members.splice(position, 1, replaceElement(member, rest, replace))
  return encodeTlv(tag, ...members)
}

/** A constructed element in the indefinite form, which only BER has. */
export function withIndefiniteLength(element: Uint8Array): Uint8Array {
  const { content, tag } = DerReader.over(element).any('element')
  return Buffer.concat([Uint8Array.of(tag, 0x80), content, Uint8Array.of(0, 0)])
}
