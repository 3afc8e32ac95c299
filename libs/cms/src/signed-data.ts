import { AppError } from '@app/core'
import { contextTag, DEFAULT_LIMITS, TAG, type DerLimits, type DerReader } from '@app/der'
import { OID } from '@app/oid'
import { decodeAlgorithmIdentifier, decodeAttributes, type AlgorithmIdentifier, type Attribute } from '@app/x509'
import { enterContentInfo } from './content-info.js'
import { decodeIdentifier, type SignerIdentifier } from './identifier.js'
import { decodeProtectedAttributes, type ProtectedAttributes } from './protected-attributes.js'

/** One signer of a SignedData, as received (RFC 5652, 5.3). */
export interface SignerInfo {
  readonly raw: Uint8Array
  /** 1 when the signer is named by issuer and serial number, 3 by key identifier. */
  readonly version: number
  readonly sid: SignerIdentifier
  readonly digestAlgorithm: AlgorithmIdentifier
  /** Absent when the signature is directly over the content. */
  readonly signedAttributes?: ProtectedAttributes
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
  /** In the order received. */
  readonly unsignedAttributes: readonly Attribute[]
}

/** A SignedData as received; nothing in it has been verified. */
export interface SignedData {
  /** The ContentInfo. */
  readonly raw: Uint8Array
  readonly version: number
  /** In dotted decimal. */
  readonly digestAlgorithms: readonly string[]
  /** What the content is, in dotted decimal. */
  readonly eContentType: string
  /** The content octets, joined when they came in segments; absent when the content is detached. */
  readonly eContent?: Uint8Array
  /** Certificate elements in the order received, not decoded. */
  readonly certificates: readonly Uint8Array[]
  /** CertificateList elements in the order received, not decoded. */
  readonly crls: readonly Uint8Array[]
  readonly signerInfos: readonly SignerInfo[]
}

/**
 * Reads a ContentInfo with SignedData. `eContent` alone may be BER. Certificates are X.509 certificates, `crls` are
 * X.509 CRLs, nothing else. Signed attributes must be in order; the other sets may be in any, since RFC 5652 demands DER
 * of signed attributes only (5.3) and programs in use leave certificates and signers as they were added. A message that
 * was written as a stream, with indefinite lengths all the way out, is refused. Throws `cms_content_type_mismatch` for
 * another ContentInfo, `cms_structure` or a `der_…` code for broken syntax.
 *
 * ```asn1
 * SignedData ::= SEQUENCE {
 *   version           CMSVersion,
 *   digestAlgorithms  SET OF DigestAlgorithmIdentifier,
 *   encapContentInfo  EncapsulatedContentInfo,
 *   certificates      [0] IMPLICIT SET OF CertificateChoices OPTIONAL,
 *   crls              [1] IMPLICIT SET OF RevocationInfoChoice OPTIONAL,
 *   signerInfos       SET OF SignerInfo }
 * ```
 * RFC 5652, 5.1.
 */
export function decodeSignedData(bytes: Uint8Array, limits: DerLimits = DEFAULT_LIMITS): SignedData {
  const { body } = enterContentInfo(bytes, [OID.id_signedData], 'SignedData', limits)
  const version = body.smallInteger('version of SignedData')
  // 4 and 5 announce attribute certificates and other formats, which are refused anyway. Real clients write 3 where
  // RFC 5652 has 1, so the two are not told apart.
  if (version !== 1 && version !== 3) throw broken(`SignedData has version ${version}; 1 and 3 are accepted`)
  const digestAlgorithms = body
    .enter(TAG.set, 'digestAlgorithms')
    .each(members => decodeAlgorithmIdentifier(members, 'digest algorithm').oid)
  const content = decodeEncapsulatedContent(body)
  const certificates = decodeSignedObjects(body, 0, 'certificates')
  const crls = decodeSignedObjects(body, 1, 'crls')
  const signerInfos = body.enter(TAG.set, 'signerInfos').each(decodeSignerInfo)
  body.end('SignedData')
  return { raw: bytes, version, digestAlgorithms, ...content, certificates, crls, signerInfos }
}

/**
 * ```asn1
 * EncapsulatedContentInfo ::= SEQUENCE {
 *   eContentType  ContentType,
 *   eContent      [0] EXPLICIT OCTET STRING OPTIONAL }
 * ```
 */
function decodeEncapsulatedContent(reader: DerReader): Pick<SignedData, 'eContentType' | 'eContent'> {
  const body = reader.sequence('encapContentInfo')
  const eContentType = body.oid('eContentType')
  const wrapper = body.optionalExplicit(0, 'eContent')
  body.end('encapContentInfo')
  if (wrapper === undefined) return { eContentType }
  const eContent = wrapper.berOctetString(TAG.octetString, 'eContent')
  wrapper.end('eContent')
  return { eContentType, eContent }
}

/**
 * Both sets hold X.509's SIGNED form in their untagged choice; tagged choices are other formats.
 *
 * ```asn1
 * CertificateChoices ::= CHOICE {
 *   certificate          Certificate,
 *   extendedCertificate  [0] IMPLICIT ExtendedCertificate,
 *   v1AttrCert           [1] IMPLICIT AttributeCertificateV1,
 *   v2AttrCert           [2] IMPLICIT AttributeCertificateV2,
 *   other                [3] IMPLICIT OtherCertificateFormat }
 * RevocationInfoChoice ::= CHOICE {
 *   crl    CertificateList,
 *   other  [1] IMPLICIT OtherRevocationInfoFormat }
 * ```
 */
function decodeSignedObjects(reader: DerReader, tag: number, what: string): Uint8Array[] {
  if (reader.nextTag !== contextTag(tag)) return []
  return reader.enter(contextTag(tag), what).each(members => {
    if (members.nextTag !== TAG.sequence) {
      throw broken(`The set of ${what} has a member that is not an X.509 object (tag ${members.nextTag})`)
    }
    const member = members.sequence(`member of ${what}`)
    member.element(TAG.sequence, `signed part of a member of ${what}`)
    decodeAlgorithmIdentifier(member, `signature algorithm of a member of ${what}`)
    member.bitString(`signature of a member of ${what}`)
    member.end(`member of ${what}`)
    return member.raw
  })
}

/**
 * ```asn1
 * SignerInfo ::= SEQUENCE {
 *   version             CMSVersion,  -- 1 with issuerAndSerialNumber, 3 with subjectKeyIdentifier
 *   sid                 SignerIdentifier,
 *   digestAlgorithm     DigestAlgorithmIdentifier,
 *   signedAttrs         [0] IMPLICIT SET SIZE (1..MAX) OF Attribute OPTIONAL,
 *   signatureAlgorithm  SignatureAlgorithmIdentifier,
 *   signature           OCTET STRING,
 *   unsignedAttrs       [1] IMPLICIT SET SIZE (1..MAX) OF Attribute OPTIONAL }
 * ```
 */
function decodeSignerInfo(reader: DerReader): SignerInfo {
  const body = reader.sequence('SignerInfo')
  const version = body.smallInteger('version of SignerInfo')
  const sid = decodeIdentifier(body, 'the signer')
  if (version !== (sid.kind === 'keyId' ? 3 : 1)) {
    throw broken(`SignerInfo has version ${version}, which does not fit its signer identifier`)
  }
  const digestAlgorithm = decodeAlgorithmIdentifier(body, 'digestAlgorithm')
  const signed = body.optional(contextTag(0), 'signedAttrs')
  const signedAttributes = signed === undefined ? undefined : decodeProtectedAttributes(signed.content, 'signedAttrs')
  const signatureAlgorithm = decodeAlgorithmIdentifier(body, 'signatureAlgorithm')
  const signature = body.octetString('signature')
  const unsignedAttributes = decodeUnsignedAttributes(body)
  body.end('SignerInfo')
  return {
    raw: body.raw,
    version,
    sid,
    digestAlgorithm,
    ...(signedAttributes === undefined ? {} : { signedAttributes }),
    signatureAlgorithm,
    signature,
    unsignedAttributes
  }
}

function decodeUnsignedAttributes(body: DerReader): Attribute[] {
  const tag = contextTag(1)
  if (body.nextTag !== tag) return []
  const list = decodeAttributes(body, 'unsignedAttrs', { tag, order: 'unchecked' })
  if (list.length === 0) throw broken('unsignedAttrs is present and empty')
  return list
}

function broken(why: string): AppError {
  return new AppError('cms_structure', `${why}.`)
}
