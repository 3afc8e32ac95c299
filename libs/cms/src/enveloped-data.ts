import { AppError } from '@app/core'
import { contextTag, DEFAULT_LIMITS, primitiveContextTag, TAG, type DerLimits, type DerReader } from '@app/der'
import { OID } from '@app/oid'
import { decodeAlgorithmIdentifier, decodeAttributes, type AlgorithmIdentifier, type Attribute } from '@app/x509'
import { decodeCbc, decodeGcm, type ContentEncryption } from './content-encryption.js'
import { enterContentInfo } from './content-info.js'
import { decodeIdentifier, isIdentifiedBy, type IdentifiedCertificate, type SignerIdentifier } from './identifier.js'
import { decodeKeyTransport, type KeyTransport } from './key-transport.js'
import {
  decodeProtectedAttributes,
  findSingleValue,
  verifyContentType,
  type ProtectedAttributes
} from './protected-attributes.js'

/** A recipient of the only kind that is read: the content-encryption key encrypted to an RSA key. */
export interface KeyTransRecipient {
  readonly identifier: SignerIdentifier
  readonly transport: KeyTransport
  readonly encryptedKey: Uint8Array
}

/** Encrypted content with its recipients, as EnvelopedData (RFC 5652, 6) or AuthEnvelopedData (RFC 5083). */
export interface EnvelopedData {
  readonly kind: 'enveloped' | 'auth-enveloped'
  /** The ContentInfo as received. */
  readonly raw: Uint8Array
  /** At least one, in the order received. */
  readonly recipients: readonly KeyTransRecipient[]
  /** What the content is, in dotted decimal. */
  readonly contentType: string
  readonly contentEncryption: ContentEncryption
  readonly encryptedContent: Uint8Array
  /** AuthEnvelopedData only: the attributes that the tag covers. */
  readonly authenticatedAttributes?: ProtectedAttributes
  /** Attributes that nothing protects. */
  readonly unprotectedAttributes: readonly Attribute[]
}

/**
 * Reads a ContentInfo with EnvelopedData or AuthEnvelopedData, however many recipients there are; who wants exactly one
 * looks at `recipients`. `encryptedContent` alone may be BER. Throws `cms_content_type_mismatch` for other content,
 * `cms_algorithm_not_allowed` for other kinds of recipients and other algorithms than {@link KeyTransport} and
 * {@link ContentEncryption}, `cms_content_missing` without encrypted content, `cms_structure` or a `der_…` code for
 * broken syntax.
 *
 * ```asn1
 * EnvelopedData ::= SEQUENCE {
 *   version               CMSVersion,
 *   originatorInfo        [0] IMPLICIT OriginatorInfo OPTIONAL,
 *   recipientInfos        SET SIZE (1..MAX) OF RecipientInfo,
 *   encryptedContentInfo  EncryptedContentInfo,
 *   unprotectedAttrs      [1] IMPLICIT SET SIZE (1..MAX) OF Attribute OPTIONAL }
 * AuthEnvelopedData ::= SEQUENCE {
 *   version                   CMSVersion,
 *   originatorInfo            [0] IMPLICIT OriginatorInfo OPTIONAL,
 *   recipientInfos            SET SIZE (1..MAX) OF RecipientInfo,
 *   authEncryptedContentInfo  EncryptedContentInfo,
 *   authAttrs                 [1] IMPLICIT SET SIZE (1..MAX) OF Attribute OPTIONAL,
 *   mac                       OCTET STRING,
 *   unauthAttrs               [2] IMPLICIT SET SIZE (1..MAX) OF Attribute OPTIONAL }
 * ```
 * RFC 5652, 6.1; RFC 5083, 2.1. The recipients' order is free: only authAttrs must be DER.
 */
export function decodeEnvelopedData(contentInfo: Uint8Array, limits: DerLimits = DEFAULT_LIMITS): EnvelopedData {
  const accepted = [OID.id_envelopedData, OID.id_ct_authEnvelopedData] as const
  const { contentType, body } = enterContentInfo(contentInfo, accepted, 'EnvelopedData', limits)
  const authenticated = contentType === OID.id_ct_authEnvelopedData
  const version = body.smallInteger('version of EnvelopedData')
  // Versions 3 and 4 announce recipients and certificates that are refused anyway (RFC 5652, 6.1).
  if (version !== 0 && (authenticated || version !== 2)) throw broken(`EnvelopedData has version ${version}`)
  if (body.nextTag === contextTag(0)) throw broken('EnvelopedData has an originatorInfo, which is not accepted')
  const recipients = body.enter(TAG.set, 'recipientInfos').each(decodeRecipient)
  if (recipients.length === 0) throw broken('EnvelopedData has no recipient')
  const encrypted = decodeEncryptedContentInfo(body)
  const common = {
    raw: contentInfo,
    recipients,
    contentType: encrypted.contentType,
    encryptedContent: encrypted.encryptedContent
  }
  if (!authenticated) {
    const unprotectedAttributes = decodeOptionalAttributes(body, 1, 'unprotectedAttrs')
    body.end('EnvelopedData')
    return {
      kind: 'enveloped',
      ...common,
      contentEncryption: decodeCbc(encrypted.algorithm),
      unprotectedAttributes
    }
  }
  const authenticatedAttributes = decodeAuthenticatedAttributes(body, encrypted.contentType)
  const contentEncryption = decodeGcm(encrypted.algorithm, body.octetString('mac'))
  const unprotectedAttributes = decodeOptionalAttributes(body, 2, 'unauthAttrs')
  body.end('AuthEnvelopedData')
  return {
    kind: 'auth-enveloped',
    ...common,
    contentEncryption,
    ...(authenticatedAttributes === undefined ? {} : { authenticatedAttributes }),
    unprotectedAttributes
  }
}

/** The one recipient. Throws `cms_recipient_count` when there are several. */
export function getOnlyRecipient(enveloped: EnvelopedData): KeyTransRecipient {
  const [only] = enveloped.recipients
  if (only === undefined || enveloped.recipients.length > 1) {
    const { length } = enveloped.recipients
    throw new AppError('cms_recipient_count', `The envelope has ${length} recipients; exactly one is accepted here.`, {
      recipients: length
    })
  }
  return only
}

/** The recipient that is this certificate; undefined when none is. Throws `cms_recipient_count` when several are. */
export function findRecipient(
  enveloped: EnvelopedData,
  certificate: IdentifiedCertificate
): KeyTransRecipient | undefined {
  const found = enveloped.recipients.filter(({ identifier }) => isIdentifiedBy(certificate, identifier))
  if (found.length > 1) {
    throw new AppError('cms_recipient_count', `${found.length} recipients of the envelope are the same certificate.`, {
      recipients: found.length
    })
  }
  return found[0]
}

/**
 * Reads the next recipient; throws as {@link decodeEnvelopedData}.
 *
 * ```asn1
 * RecipientInfo ::= CHOICE {
 *   ktri   KeyTransRecipientInfo,
 *   kari   [1] KeyAgreeRecipientInfo,
 *   kekri  [2] KEKRecipientInfo,
 *   pwri   [3] PasswordRecipientInfo,
 *   ori    [4] OtherRecipientInfo }
 * KeyTransRecipientInfo ::= SEQUENCE {
 *   version                 CMSVersion,  -- 0 with issuerAndSerialNumber, 2 with subjectKeyIdentifier
 *   rid                     RecipientIdentifier,
 *   keyEncryptionAlgorithm  AlgorithmIdentifier,
 *   encryptedKey            OCTET STRING }
 * ```
 */
export function decodeRecipient(reader: DerReader): KeyTransRecipient {
  const other = REFUSED_RECIPIENTS.get(reader.nextTag)
  if (other !== undefined) {
    throw new AppError(
      'cms_algorithm_not_allowed',
      `A recipient of kind ${other} is not accepted; use key transport.`,
      {
        recipient: other
      }
    )
  }
  const body = reader.sequence('KeyTransRecipientInfo')
  const version = body.smallInteger('version of KeyTransRecipientInfo')
  const identifier = decodeIdentifier(body, 'the recipient')
  if (version !== (identifier.kind === 'keyId' ? 2 : 0)) {
    throw broken(`KeyTransRecipientInfo has version ${version}, which does not fit its recipient identifier`)
  }
  const transport = decodeKeyTransport(decodeAlgorithmIdentifier(body, 'keyEncryptionAlgorithm'))
  const encryptedKey = body.octetString('encryptedKey')
  body.end('KeyTransRecipientInfo')
  return { identifier, transport, encryptedKey }
}

const REFUSED_RECIPIENTS: ReadonlyMap<number, string> = new Map([
  [contextTag(1), 'KeyAgreeRecipientInfo'],
  [contextTag(2), 'KEKRecipientInfo'],
  [contextTag(3), 'PasswordRecipientInfo'],
  [contextTag(4), 'OtherRecipientInfo']
])

/**
 * ```asn1
 * EncryptedContentInfo ::= SEQUENCE {
 *   contentType                 ContentType,
 *   contentEncryptionAlgorithm  AlgorithmIdentifier,
 *   encryptedContent            [0] IMPLICIT OCTET STRING OPTIONAL }
 * ```
 */
function decodeEncryptedContentInfo(reader: DerReader): {
  readonly contentType: string
  readonly algorithm: AlgorithmIdentifier
  readonly encryptedContent: Uint8Array
} {
  const body = reader.sequence('EncryptedContentInfo')
  const contentType = body.oid('contentType of EncryptedContentInfo')
  const algorithm = decodeAlgorithmIdentifier(body, 'contentEncryptionAlgorithm')
  if (body.isEnd) {
    throw new AppError('cms_content_missing', 'The envelope is without its encrypted content; embed it.')
  }
  const encryptedContent = body.berOctetString(primitiveContextTag(0), 'encryptedContent')
  body.end('EncryptedContentInfo')
  return { contentType, algorithm, encryptedContent }
}

/** RFC 5083, 2.1: with content other than id-data the attributes must be there and name it. */
function decodeAuthenticatedAttributes(body: DerReader, contentType: string): ProtectedAttributes | undefined {
  const element = body.optional(contextTag(1), 'authAttrs')
  const attributes = element === undefined ? undefined : decodeProtectedAttributes(element.content, 'authAttrs')
  const attributed = findSingleValue(attributes?.list ?? [], OID.id_contentType, 'contentType')
  if (attributed !== undefined) verifyContentType(attributed, contentType)
  else if (contentType !== OID.id_data) {
    throw new AppError('cms_attribute_missing', `The authenticated attributes do not name the content ${contentType}.`)
  }
  return attributes
}

function decodeOptionalAttributes(body: DerReader, tag: number, what: string): Attribute[] {
  if (body.nextTag !== contextTag(tag)) return []
  const list = decodeAttributes(body, what, { tag: contextTag(tag), order: 'unchecked' })
  if (list.length === 0) throw broken(`${what} is present and empty`)
  return list
}

function broken(why: string): AppError {
  return new AppError('cms_structure', `${why}.`)
}
