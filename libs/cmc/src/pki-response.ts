import { hash } from 'node:crypto'
import { DEFAULT_LIMITS, DerReader, encodeOctetString, encodeSequence, encodeTlv, TAG, type DerLimits } from '@app/der'
import { OID } from '@app/oid'
import { encodeAttribute } from '@app/x509'
import { encodeAddAttributes } from './add-controls.js'
import type { KeyHash } from './archived-key.js'
import { verifyBodyPartIds } from './body-part.js'
import { CMC_FAIL_INFO, CMC_STATUS, type CmcFailInfoName, type CmcStatusName } from './cmc-status.js'
import { decodeControls, isKnownControl, type Control } from './control.js'
import {
  decodeContentInfos,
  decodeOtherMessages,
  decodeTaggedAttribute,
  encodeTaggedAttribute,
  type OtherMessage,
  type TaggedAttribute,
  type TaggedContentInfo
} from './message-part.js'
import type { Dialect } from './request-facts.js'
import { encodeStatusInfo, type OtherInfo } from './status-info.js'

/** The content of a full PKI response. */
export interface PkiResponse {
  readonly controls: readonly Control[]
  /** Controls that are not known; a client may ignore them. */
  readonly unknownControls: readonly TaggedAttribute[]
  readonly contentInfos: readonly TaggedContentInfo[]
  readonly otherMessages: readonly OtherMessage[]
}

/**
 * Reads a PKIResponse; nothing may follow it. Throws `cmc_body_part_id` for an id that is zero or repeated, what
 * `decodeControls` throws for known controls, or a `der_…` code.
 *
 * ```asn1
 * PKIResponse ::= SEQUENCE {  -- ResponseBody in RFC 2797
 *   controlSequence   SEQUENCE SIZE (0..MAX) OF TaggedAttribute,
 *   cmsSequence       SEQUENCE SIZE (0..MAX) OF TaggedContentInfo,
 *   otherMsgSequence  SEQUENCE SIZE (0..MAX) OF OtherMsg }
 * ```
 * RFC 10002 (RFC 5272), 4.2.1.
 */
export function decodePkiResponse(bytes: Uint8Array, limits: DerLimits = DEFAULT_LIMITS): PkiResponse {
  const message = DerReader.over(bytes, limits)
  const body = message.sequence('PKIResponse')
  message.end('PKIResponse')
  const tagged = body.sequence('controlSequence').each(decodeTaggedAttribute)
  const contentInfos = decodeContentInfos(body)
  const otherMessages = decodeOtherMessages(body)
  body.end('PKIResponse')
  verifyBodyPartIds([...tagged, ...contentInfos, ...otherMessages].map(part => part.bodyPartId))
  return {
    controls: decodeControls(tagged.filter(({ type }) => isKnownControl(type))),
    unknownControls: tagged.filter(({ type }) => !isKnownControl(type)),
    contentInfos,
    otherMessages
  }
}

/** What a response says. */
export interface ResponseParts {
  readonly dialect: Dialect
  readonly status: CmcStatusName
  readonly statusString: string
  /** Only told with a status of failed, and only in the standard dialect: a Microsoft CA tells none. */
  readonly failInfo?: CmcFailInfoName
  /** With `pendTime`, told when the status is pending. */
  readonly pendToken?: Uint8Array
  readonly pendTime?: Date
  /** The issued certificate's element. */
  readonly issuedCertificate?: Uint8Array
  /** The hash of the key that was archived with this request. */
  readonly keyHash?: KeyHash
  /** As received: the content octets of the INTEGER. */
  readonly transactionId?: Uint8Array
  /** The sender nonce of the request; it becomes the recipient nonce. */
  readonly senderNonce?: Uint8Array
  /** This response's own nonce; told only to a client that sent one. */
  readonly ownNonce?: Uint8Array
  /** As received. */
  readonly dataReturn?: Uint8Array
  /** The id of the request in the message that is answered. */
  readonly bodyPartId: number
}

/**
 * A PKIResponse element. The Microsoft dialect has a status of version 1 and, beside a certificate, the control with the
 * hashes of certificate and archived key (MS-WCCE 3.2.1.4.2.1.4.8.2); the standard dialect has a status of version 2 and
 * those hashes only when a key was archived. Both return transaction id, nonce and returned data when the request had
 * them (RFC 10002 (RFC 5272), 6.4 and 6.6).
 */
export function buildResponseBody(parts: ResponseParts): Uint8Array {
  const controls: (readonly [type: string, value: Uint8Array])[] = [
    [parts.dialect === 'microsoft' ? OID.id_cmc_statusInfo : OID.id_cmc_statusInfoV2, encodeStatus(parts)],
    ...encodeHashes(parts)
  ]
  const { transactionId, senderNonce, ownNonce, dataReturn } = parts
  if (transactionId !== undefined) controls.push([OID.id_cmc_transactionId, encodeTlv(TAG.integer, transactionId)])
  if (senderNonce !== undefined) {
    if (ownNonce !== undefined) controls.push([OID.id_cmc_senderNonce, encodeOctetString(ownNonce)])
    controls.push([OID.id_cmc_recipientNonce, encodeOctetString(senderNonce)])
  }
  if (dataReturn !== undefined) controls.push([OID.id_cmc_dataReturn, encodeOctetString(dataReturn)])
  const tagged = controls.map(([type, value], index) => encodeTaggedAttribute(index + 1, type, value))
  return encodeSequence(encodeSequence(...tagged), encodeSequence(), encodeSequence())
}

function encodeStatus(parts: ResponseParts): Uint8Array {
  const otherInfo = otherInfoOf(parts)
  return encodeStatusInfo({
    version: parts.dialect === 'microsoft' ? 1 : 2,
    status: CMC_STATUS[parts.status],
    bodyList: [[parts.bodyPartId]],
    statusString: parts.statusString,
    ...(otherInfo === undefined ? {} : { otherInfo })
  })
}

function otherInfoOf(parts: ResponseParts): OtherInfo | undefined {
  const { dialect, status, failInfo, pendToken: token, pendTime: time } = parts
  if (status === 'pending' && token !== undefined && time !== undefined) {
    return { kind: 'pendInfo', pendInfo: { token, time } }
  }
  if (status === 'failed' && dialect === 'standard' && failInfo !== undefined) {
    return { kind: 'failInfo', failInfo: CMC_FAIL_INFO[failInfo] }
  }
  return undefined
}

/** Without a certificate there is no such control: a second control without content is what no real sample shows. */
function encodeHashes(parts: ResponseParts): (readonly [string, Uint8Array])[] {
  const { issuedCertificate, keyHash, dialect, bodyPartId } = parts
  if (issuedCertificate === undefined || (dialect === 'standard' && keyHash === undefined)) return []
  const certificateHash = encodeOctetString(hash('sha1', issuedCertificate, 'buffer'))
  const attributes = [encodeAttribute(OID.szOID_ISSUED_CERT_HASH, [certificateHash])]
  if (keyHash !== undefined) {
    attributes.push(encodeAttribute(OID.szOID_ENCRYPTED_KEY_HASH, [encodeOctetString(keyHash.value)]))
  }
  return [[OID.szOID_CMC_ADD_ATTRIBUTES, encodeAddAttributes([bodyPartId], attributes)]]
}
