import { AppError } from '@app/core'
import { DEFAULT_LIMITS, DerReader, encodeInteger, encodeSequence, encodeSetOf, TAG } from '@app/der'
import { OID } from '@app/oid'
import { encodeContentInfo, enterContentInfo } from './content-info.js'
import { decodeRecipient, type KeyTransRecipient } from './enveloped-data.js'
import { isIdentifiedBy, type IdentifiedCertificate } from './identifier.js'

/** Reads a KeyTransRecipientInfo that stands by itself. Throws as `decodeEnvelopedData`. */
export function decodeKeyTransRecipient(bytes: Uint8Array): KeyTransRecipient {
  const reader = DerReader.over(bytes)
  const recipient = decodeRecipient(reader)
  reader.end('KeyTransRecipientInfo')
  return recipient
}

/**
 * The recipient of an envelope that is this certificate, as it stands there: a KeyTransRecipientInfo. Throws `not_found`
 * when none is, `cms_recipient_count` when several are, and what `decodeEnvelopedData` throws of recipients.
 */
export function getRecipientInfo(contentInfo: Uint8Array, certificate: IdentifiedCertificate): Uint8Array {
  const { recipients } = takeApart(contentInfo)
  return recipients[placeOf(recipients, certificate)] as Uint8Array
}

/**
 * The same envelope with another recipient in the place of the one that is this certificate; every other octet that says
 * something stays. `recipientInfo` is a KeyTransRecipientInfo. Throws as {@link getRecipientInfo}.
 */
export function replaceRecipientInfo(
  contentInfo: Uint8Array,
  certificate: IdentifiedCertificate,
  recipientInfo: Uint8Array
): Uint8Array {
  const { contentType, recipients, rest } = takeApart(contentInfo)
  const all = recipients.with(placeOf(recipients, certificate), recipientInfo)
  // RFC 5652, 6.1: version 0 when every recipient has version 0. RFC 5083, 2.1: always 0.
  const isNamedByKey = all.some(info => decodeKeyTransRecipient(info).identifier.kind === 'keyId')
  const version = contentType === OID.id_envelopedData && isNamedByKey ? 2 : 0
  return encodeContentInfo(contentType, encodeSequence(encodeInteger(version), encodeSetOf(all), ...rest))
}

function placeOf(recipients: readonly Uint8Array[], certificate: IdentifiedCertificate): number {
  const isFor = (info: Uint8Array): boolean => isIdentifiedBy(certificate, decodeKeyTransRecipient(info).identifier)
  const [place, ...others] = recipients.flatMap((info, index) => (isFor(info) ? [index] : []))
  if (place === undefined) {
    throw new AppError('not_found', 'The key was not sealed to this agent certificate.', {
      recipients: recipients.length
    })
  }
  if (others.length > 0) {
    throw new AppError('cms_recipient_count', `${others.length + 1} recipients of the envelope are one certificate.`, {
      recipients: others.length + 1
    })
  }
  return place
}

function takeApart(contentInfo: Uint8Array): {
  readonly contentType: string
  readonly recipients: readonly Uint8Array[]
  /** What follows the recipients, element by element. */
  readonly rest: readonly Uint8Array[]
} {
  const accepted = [OID.id_envelopedData, OID.id_ct_authEnvelopedData] as const
  const { contentType, body } = enterContentInfo(contentInfo, accepted, 'EnvelopedData', DEFAULT_LIMITS)
  body.smallInteger('version of EnvelopedData')
  const recipients = body.enter(TAG.set, 'recipientInfos').each(list => list.any('RecipientInfo').raw)
  const rest: Uint8Array[] = []
  while (!body.isEnd) rest.push(body.any('EnvelopedData').raw)
  return { contentType, recipients, rest }
}
