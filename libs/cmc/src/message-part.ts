import { AppError } from '@app/core'
import { encodeInteger, encodeOid, encodeSequence, encodeSetOf, type DerReader } from '@app/der'
import { decodeBodyPartId } from './body-part.js'

/** A control as received, its value not yet read. */
export interface TaggedAttribute {
  readonly bodyPartId: number
  /** The control's object identifier. */
  readonly type: string
  /** Whole elements. */
  readonly values: readonly Uint8Array[]
}

/** A CMS message inside of a CMC message, not processed. */
export interface TaggedContentInfo {
  readonly bodyPartId: number
  /** The ContentInfo element. */
  readonly contentInfo: Uint8Array
}

/** Any other object inside of a CMC message, not processed. */
export interface OtherMessage {
  readonly bodyPartId: number
  readonly type: string
  /** The value's element. */
  readonly value: Uint8Array
}

/**
 * Reads a control without its meaning. Throws `cmc_body_part_id` or a `der_…` code.
 *
 * ```asn1
 * TaggedAttribute ::= SEQUENCE {
 *   bodyPartID  BodyPartID,
 *   attrType    OBJECT IDENTIFIER,
 *   attrValues  SET OF AttributeValue }
 * ```
 * RFC 10002 (RFC 5272), 3.2.1.1.
 */
export function decodeTaggedAttribute(reader: DerReader): TaggedAttribute {
  const body = reader.sequence('control')
  const bodyPartId = decodeBodyPartId(body, 'bodyPartID of a control')
  const type = body.oid('attrType of a control')
  const values = body.setOf(`values of control ${type}`).each(set => set.any(`value of control ${type}`).raw)
  body.end(`control ${type}`)
  return { bodyPartId, type, values }
}

/** A control with one value, as all controls of this program have. */
export function encodeTaggedAttribute(bodyPartId: number, type: string, value: Uint8Array): Uint8Array {
  return encodeSequence(encodeInteger(bodyPartId), encodeOid(type), encodeSetOf([value]))
}

/** The one value of a control. Throws `cmc_structure` when it has none or several. */
export function getControlValue(control: TaggedAttribute): Uint8Array {
  const [value] = control.values
  if (value === undefined || control.values.length > 1) {
    throw new AppError('cmc_structure', `The control ${control.type} has ${control.values.length} values, not one.`, {
      control: control.type,
      bodyPartId: control.bodyPartId,
      values: control.values.length
    })
  }
  return value
}

/**
 * Reads the cmsSequence. Throws `cmc_body_part_id` or a `der_…` code.
 *
 * ```asn1
 * TaggedContentInfo ::= SEQUENCE {
 *   bodyPartID   BodyPartID,
 *   contentInfo  ContentInfo }
 * ```
 * RFC 10002 (RFC 5272), 3.2.1.3.
 */
export function decodeContentInfos(reader: DerReader): TaggedContentInfo[] {
  return reader.sequence('cmsSequence').each(list => {
    const body = list.sequence('TaggedContentInfo')
    const bodyPartId = decodeBodyPartId(body, 'bodyPartID of a content info')
    const contentInfo = body.sequence('ContentInfo').raw
    body.end('TaggedContentInfo')
    return { bodyPartId, contentInfo }
  })
}

/**
 * Reads the otherMsgSequence. Throws `cmc_body_part_id` or a `der_…` code.
 *
 * ```asn1
 * OtherMsg ::= SEQUENCE {
 *   bodyPartID     BodyPartID,
 *   otherMsgType   OBJECT IDENTIFIER,
 *   otherMsgValue  ANY DEFINED BY otherMsgType }
 * ```
 * RFC 10002 (RFC 5272), 3.2.1.4.
 */
export function decodeOtherMessages(reader: DerReader): OtherMessage[] {
  return reader.sequence('otherMsgSequence').each(list => {
    const body = list.sequence('OtherMsg')
    const bodyPartId = decodeBodyPartId(body, 'bodyPartID of another message')
    const type = body.oid('otherMsgType')
    const value = body.any('otherMsgValue').raw
    body.end('OtherMsg')
    return { bodyPartId, type, value }
  })
}
