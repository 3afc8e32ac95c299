import { AppError, wipe, type Entropy } from '@app/core'
import {
  encodeContext,
  encodeInteger,
  encodeOctetString,
  encodeOid,
  encodePrimitiveContext,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  TAG
} from '@app/der'
import { OID } from '@app/oid'
import { encodeAttribute, type Certificate } from '@app/x509'
import {
  encodeContentEncryption,
  encryptContent,
  isAuthenticated,
  keyLengthOf,
  type ContentEncryptionName
} from './content-encryption.js'
import { encodeContentInfo } from './content-info.js'
import { encodeIdentifier, identifierOf, type SignerIdentifier } from './identifier.js'
import { encodeKeyTransport, wrapContentKey, type KeyTransport } from './key-transport.js'

/** Whom to encrypt to. */
export interface RecipientPlan {
  /** Its public key must be RSA. */
  readonly certificate: Certificate
  readonly transport: KeyTransport
  /** How the envelope names the certificate; by issuer and serial number when left out. */
  readonly identifier?: SignerIdentifier
}

/** What to encrypt, how and to whom. */
export interface EnvelopePlan {
  /** The caller wipes it when it is a secret. */
  readonly content: Uint8Array
  /** What the content is; id-data when left out. */
  readonly contentType?: string
  /** At least one. */
  readonly recipients: readonly RecipientPlan[]
  readonly contentEncryption: ContentEncryptionName
  /** Gives the content-encryption key and the initialization vector. */
  readonly entropy: Entropy
}

/**
 * A ContentInfo in DER with EnvelopedData for a CBC cipher (RFC 5652, 6) or AuthEnvelopedData for GCM (RFC 5083), which
 * each recipient can open. Throws `invalid_argument` without recipients, `public_key_unsupported` for a recipient whose
 * key is not RSA.
 */
export function buildEnvelopedData(plan: EnvelopePlan): Uint8Array {
  if (plan.recipients.length === 0) throw new AppError('invalid_argument', 'An envelope needs at least one recipient.')
  const key = plan.entropy.bytes(keyLengthOf(plan.contentEncryption))
  try {
    const recipients = encodeSetOf(plan.recipients.map(recipient => encodeRecipient(recipient, key)))
    return isAuthenticated(plan.contentEncryption)
      ? encodeAuthenticated(plan, key, recipients)
      : encodeEnveloped(plan, key, recipients)
  } finally {
    wipe(key)
  }
}

function encodeEnveloped(plan: EnvelopePlan, key: Uint8Array, recipients: Uint8Array): Uint8Array {
  const { info } = encodeEncryptedContentInfo(plan, key, undefined)
  // RFC 5652, 6.1: version 0 when every recipient has version 0.
  const version = plan.recipients.some(isNamedByKey) ? 2 : 0
  return encodeContentInfo(OID.id_envelopedData, encodeSequence(encodeInteger(version), recipients, info))
}

function encodeAuthenticated(plan: EnvelopePlan, key: Uint8Array, recipients: Uint8Array): Uint8Array {
  const { contentType = OID.id_data } = plan
  const attributes = contentType === OID.id_data ? [] : [encodeAttribute(OID.id_contentType, [encodeOid(contentType)])]
  const covered = attributes.length === 0 ? undefined : encodeTlv(TAG.set, ...attributes)
  const { info, tag } = encodeEncryptedContentInfo(plan, key, covered)
  return encodeContentInfo(
    OID.id_ct_authEnvelopedData,
    encodeSequence(
      encodeInteger(0),
      recipients,
      info,
      ...(attributes.length === 0 ? [] : [encodeContext(1, ...attributes)]),
      encodeOctetString(tag)
    )
  )
}

function encodeEncryptedContentInfo(
  plan: EnvelopePlan,
  key: Uint8Array,
  covered: Uint8Array | undefined
): { info: Uint8Array; tag: Uint8Array } {
  const { contentEncryption, content, contentType = OID.id_data, entropy } = plan
  const { encryption, encryptedContent } = encryptContent(contentEncryption, key, content, covered, entropy)
  const info = encodeSequence(
    encodeOid(contentType),
    encodeContentEncryption(encryption),
    encodePrimitiveContext(0, encryptedContent)
  )
  return { info, tag: 'tag' in encryption ? encryption.tag : new Uint8Array() }
}

/**
 * A KeyTransRecipientInfo in DER: a content-encryption key encrypted to one recipient. Throws `public_key_unsupported` for
 * one whose key is not RSA.
 */
export function encodeRecipient(recipient: RecipientPlan, key: Uint8Array): Uint8Array {
  const { certificate, transport, identifier = identifierOf(certificate) } = recipient
  const { publicKey } = certificate
  if (publicKey.algorithm !== 'rsa') {
    throw new AppError('public_key_unsupported', 'The key of a recipient is not RSA; key transport needs RSA.', {
      algorithm: publicKey.algorithm,
      serialNumber: certificate.serialHex
    })
  }
  return encodeSequence(
    encodeInteger(isNamedByKey(recipient) ? 2 : 0),
    encodeIdentifier(identifier),
    encodeKeyTransport(transport),
    encodeOctetString(wrapContentKey(publicKey.keyObject, key, transport))
  )
}

function isNamedByKey(recipient: RecipientPlan): boolean {
  return recipient.identifier?.kind === 'keyId'
}
