import { AppError } from '@app/core'
import {
  contextTag,
  encodeContext,
  encodeGeneralizedTime,
  encodeInteger,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeUtf8String,
  TAG,
  type DerReader
} from '@app/der'
import { decodeBodyPartReference, encodeBodyPartReference, type BodyPartReference } from './body-part.js'

/** Where and when to ask again for a pending request. */
export interface PendInfo {
  readonly token: Uint8Array
  readonly time: Date
}

/** What a status says beyond its value. */
export type OtherInfo =
  | { readonly kind: 'failInfo'; readonly failInfo: number }
  | { readonly kind: 'pendInfo'; readonly pendInfo: PendInfo }
  /** `value` is a whole element. */
  | { readonly kind: 'extendedFailInfo'; readonly type: string; readonly value: Uint8Array }

/** The status of one or more body parts of a request. */
export interface StatusInfo {
  readonly version: 1 | 2
  /** A CMCStatus. */
  readonly status: number
  readonly bodyList: readonly BodyPartReference[]
  readonly statusString?: string
  readonly otherInfo?: OtherInfo
}

/**
 * Reads the value of a status control of either version. Throws `cmc_structure`, `cmc_body_part_id` or a `der_…` code.
 *
 * ```asn1
 * CMCStatusInfo ::= SEQUENCE {
 *   cMCStatus     CMCStatus,
 *   bodyList      SEQUENCE SIZE (1..MAX) OF BodyPartID,
 *   statusString  UTF8String OPTIONAL,
 *   otherInfo     CHOICE {
 *     failInfo  CMCFailInfo,
 *     pendInfo  PendInfo } OPTIONAL }
 * CMCStatusInfoV2 ::= SEQUENCE {
 *   cMCStatus     CMCStatus,
 *   bodyList      SEQUENCE SIZE (1..MAX) OF BodyPartReference,
 *   statusString  UTF8String OPTIONAL,
 *   otherInfo     CHOICE {
 *     failInfo          CMCFailInfo,
 *     pendInfo          PendInfo,
 *     extendedFailInfo  [1] ExtendedFailInfo } OPTIONAL }
 * PendInfo ::= SEQUENCE {
 *   pendToken  OCTET STRING,
 *   pendTime   GeneralizedTime }
 * ExtendedFailInfo ::= SEQUENCE {
 *   failInfoOID    OBJECT IDENTIFIER,
 *   failInfoValue  ANY DEFINED BY failInfoOID }
 * ```
 * RFC 10002 (RFC 5272), 6.1.1 and 6.1.2. The text of 6.1.1 writes extendedFailInfo without its tag, the module with it:
 * both are read.
 */
export function decodeStatusInfo(reader: DerReader, version: 1 | 2): StatusInfo {
  const body = reader.sequence('CMCStatusInfo')
  const status = body.smallInteger('cMCStatus')
  const bodyList = body.sequence('bodyList').each(list => decodeBodyPartReference(list, 'bodyList'))
  if (bodyList.length === 0 || (version === 1 && bodyList.some(reference => reference.length > 1))) {
    throw new AppError(
      'cmc_structure',
      'The bodyList of a status is empty or has a path that its version does not allow.'
    )
  }
  const statusString = body.nextTag === TAG.utf8String ? body.string('statusString') : undefined
  const otherInfo = body.isEnd ? undefined : decodeOtherInfo(body, version)
  body.end('CMCStatusInfo')
  return {
    version,
    status,
    bodyList,
    ...(statusString === undefined ? {} : { statusString }),
    ...(otherInfo === undefined ? {} : { otherInfo })
  }
}

function decodeOtherInfo(body: DerReader, version: 1 | 2): OtherInfo {
  if (body.nextTag === TAG.integer) return { kind: 'failInfo', failInfo: body.smallInteger('failInfo') }
  if (version === 2 && body.nextTag === contextTag(1)) {
    return decodeExtendedFailInfo(body.enter(contextTag(1), 'extendedFailInfo'))
  }
  const info = body.sequence('otherInfo')
  if (version === 2 && info.nextTag === TAG.oid) return decodeExtendedFailInfo(info)
  const token = info.octetString('pendToken')
  if (info.nextTag !== TAG.generalizedTime) info.element(TAG.generalizedTime, 'pendTime')
  const time = info.time('pendTime')
  info.end('pendInfo')
  return { kind: 'pendInfo', pendInfo: { token, time } }
}

function decodeExtendedFailInfo(info: DerReader): OtherInfo {
  const type = info.oid('failInfoOID')
  const value = info.any('failInfoValue').raw
  info.end('extendedFailInfo')
  return { kind: 'extendedFailInfo', type, value }
}

/** The value of a status control in the version of `info`. */
export function encodeStatusInfo(info: StatusInfo): Uint8Array {
  return encodeSequence(
    encodeInteger(info.status),
    encodeSequence(...info.bodyList.map(encodeBodyPartReference)),
    ...(info.statusString === undefined ? [] : [encodeUtf8String(info.statusString)]),
    ...(info.otherInfo === undefined ? [] : [encodeOtherInfo(info.otherInfo)])
  )
}

function encodeOtherInfo(info: OtherInfo): Uint8Array {
  switch (info.kind) {
    case 'failInfo':
      return encodeInteger(info.failInfo)
    case 'pendInfo':
      return encodeSequence(encodeOctetString(info.pendInfo.token), encodeGeneralizedTime(info.pendInfo.time))
    case 'extendedFailInfo':
      return encodeContext(1, encodeOid(info.type), info.value)
  }
}

/** A pendToken that is the request id in ASCII decimal, the form that Windows clients are known to work with. */
export function encodePendToken(requestId: number): Uint8Array {
  return Buffer.from(String(requestId), 'latin1')
}

/** The request id in a pendToken of {@link encodePendToken}; undefined when the token is none of ours. */
export function decodePendToken(token: Uint8Array): number | undefined {
  const text = Buffer.from(token).toString('latin1')
  return /^[1-9]\d{0,9}$/.test(text) && Number(text) <= 0x7fff_ffff ? Number(text) : undefined
}
