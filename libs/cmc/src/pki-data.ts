import { AppError } from '@app/core'
import {
  contextTag,
  DerReader,
  encodeContext,
  encodeInteger,
  encodeSequence,
  type DerLimits,
  DEFAULT_LIMITS
} from '@app/der'
import { decodeBodyPartId, verifyBodyPartIds } from './body-part.js'
import { decodeCertReqMsg, type CertReqMsg } from './crmf.js'
import {
  decodeContentInfos,
  decodeOtherMessages,
  decodeTaggedAttribute,
  type OtherMessage,
  type TaggedAttribute,
  type TaggedContentInfo
} from './message-part.js'

/** A certification request inside of PKIData, in one of its three forms. */
export type TaggedRequest =
  | {
      readonly kind: 'pkcs10'
      readonly bodyPartId: number
      /** The CertificationRequest element. */
      readonly request: Uint8Array
    }
  | { readonly kind: 'crmf'; readonly bodyPartId: number; readonly message: CertReqMsg }
  | { readonly kind: 'other'; readonly bodyPartId: number; readonly type: string; readonly value: Uint8Array }

/** The content of a full PKI request. All parts share the memory of the bytes it was read from. */
export interface PkiData {
  readonly controls: readonly TaggedAttribute[]
  readonly requests: readonly TaggedRequest[]
  /** The reqSequence element as received: what an identity proof covers. */
  readonly requestSequence: Uint8Array
  readonly contentInfos: readonly TaggedContentInfo[]
  readonly otherMessages: readonly OtherMessage[]
}

/**
 * Reads PKIData; nothing may follow it. Whether the controls are known and the requests as many as wanted is for the
 * caller to judge. Throws `cmc_body_part_id` for an id that is zero or repeated, `cmc_structure` for another form of
 * request than the three, what {@link decodeCertReqMsg} throws, or a `der_…` code.
 *
 * ```asn1
 * PKIData ::= SEQUENCE {
 *   controlSequence   SEQUENCE SIZE (0..MAX) OF TaggedAttribute,
 *   reqSequence       SEQUENCE SIZE (0..MAX) OF TaggedRequest,
 *   cmsSequence       SEQUENCE SIZE (0..MAX) OF TaggedContentInfo,
 *   otherMsgSequence  SEQUENCE SIZE (0..MAX) OF OtherMsg }
 * ```
 * RFC 10002 (RFC 5272), 3.2.1.
 */
export function decodePkiData(bytes: Uint8Array, limits: DerLimits = DEFAULT_LIMITS): PkiData {
  const message = DerReader.over(bytes, limits)
  const body = message.sequence('PKIData')
  message.end('PKIData')
  const controls = body.sequence('controlSequence').each(decodeTaggedAttribute)
  const requestReader = body.sequence('reqSequence')
  const requestSequence = requestReader.raw
  const requests = requestReader.each(decodeTaggedRequest)
  const contentInfos = decodeContentInfos(body)
  const otherMessages = decodeOtherMessages(body)
  body.end('PKIData')
  verifyBodyPartIds([...controls, ...requests, ...contentInfos, ...otherMessages].map(part => part.bodyPartId))
  return { controls, requests, requestSequence, contentInfos, otherMessages }
}

/**
 * ```asn1
 * TaggedRequest ::= CHOICE {
 *   tcr  [0] TaggedCertificationRequest,
 *   crm  [1] CertReqMsg,
 *   orm  [2] SEQUENCE {
 *     bodyPartID           BodyPartID,
 *     requestMessageType   OBJECT IDENTIFIER,
 *     requestMessageValue  ANY DEFINED BY requestMessageType } }
 * TaggedCertificationRequest ::= SEQUENCE {
 *   bodyPartID            BodyPartID,
 *   certificationRequest  CertificationRequest }
 * ```
 * RFC 10002 (RFC 5272), 3.2.1.2; the tags are implicit.
 */
function decodeTaggedRequest(reader: DerReader): TaggedRequest {
  switch (reader.nextTag) {
    case contextTag(0): {
      const body = reader.enter(contextTag(0), 'TaggedCertificationRequest')
      const bodyPartId = decodeBodyPartId(body, 'bodyPartID of a request')
      const request = body.sequence('CertificationRequest').raw
      body.end('TaggedCertificationRequest')
      return { kind: 'pkcs10', bodyPartId, request }
    }
    case contextTag(1): {
      const message = decodeCertReqMsg(reader.enter(contextTag(1), 'CertReqMsg'))
      return { kind: 'crmf', bodyPartId: message.certReqId, message }
    }
    case contextTag(2): {
      const body = reader.enter(contextTag(2), 'request of another form')
      const bodyPartId = decodeBodyPartId(body, 'bodyPartID of a request')
      const type = body.oid('requestMessageType')
      const value = body.any('requestMessageValue').raw
      body.end('request of another form')
      return { kind: 'other', bodyPartId, type, value }
    }
    default:
      throw new AppError('cmc_structure', 'reqSequence has a member that is none of the three forms of request.', {
        tag: reader.nextTag
      })
  }
}

/** What PKIData to encode holds; all parts are whole elements. */
export interface PkiDataParts {
  /** TaggedAttribute elements. */
  readonly controls: readonly Uint8Array[]
  /** The reqSequence element. */
  readonly requestSequence: Uint8Array
}

/** PKIData with empty cmsSequence and otherMsgSequence, as Windows clients write it. */
export function encodePkiData(parts: PkiDataParts): Uint8Array {
  return encodeSequence(encodeSequence(...parts.controls), parts.requestSequence, encodeSequence(), encodeSequence())
}

/** A reqSequence with one PKCS#10. */
export function encodePkcs10RequestSequence(bodyPartId: number, request: Uint8Array): Uint8Array {
  return encodeSequence(encodeContext(0, encodeInteger(bodyPartId), request))
}

/** A reqSequence with one CRMF message, given as the parts of its CertReqMsg (certReq, then popo). */
export function encodeCrmfRequestSequence(...parts: readonly Uint8Array[]): Uint8Array {
  return encodeSequence(encodeContext(1, ...parts))
}
