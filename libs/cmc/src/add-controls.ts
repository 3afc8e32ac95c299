import { AppError } from '@app/core'
import { encodeInteger, encodeSequence, encodeSetOf, type DerReader } from '@app/der'
import { decodeAttributes, decodeExtensions, type Attribute, type Extension } from '@app/x509'
import { decodeBodyPartId, decodeBodyPartList, encodeBodyPartList } from './body-part.js'

/** To which requests of a message a control adds something. */
export interface AddReferences {
  /** The message the requests are in: 0 for this one. */
  readonly pkiDataReference: number
  /** Body part ids of requests, or in a response of the requests of the message that is answered. */
  readonly certReferences: readonly number[]
}

/**
 * Reads the value of the Microsoft control that adds attributes. Throws `cmc_body_part_id` or a `der_…` code.
 *
 * ```asn1
 * AddAttributes ::= SEQUENCE {
 *   pkiDataReference  BodyPartID,
 *   certReferences    SEQUENCE OF BodyPartID,
 *   attributes        SET OF Attribute }
 * ```
 * MS-WCCE 2.2.2.6 (szOID_CMC_ADD_ATTRIBUTES).
 */
export function decodeAddAttributes(reader: DerReader): AddReferences & { readonly attributes: readonly Attribute[] } {
  const body = reader.sequence('AddAttributes')
  const references = decodeReferences(body)
  const attributes = decodeAttributes(body, 'added attributes')
  body.end('AddAttributes')
  return { ...references, attributes }
}

/** The value of the Microsoft control that adds attributes (whole elements, put in order) to requests of this message. */
export function encodeAddAttributes(certReferences: readonly number[], attributes: readonly Uint8Array[]): Uint8Array {
  return encodeSequence(encodeInteger(0), encodeBodyPartList(certReferences), encodeSetOf(attributes))
}

/**
 * Reads the value of the control that adds extensions. Throws `cmc_body_part_id`, `x509_structure` or a `der_…` code.
 *
 * ```asn1
 * AddExtensions ::= SEQUENCE {
 *   pkiDataReference  BodyPartID,
 *   certReferences    SEQUENCE OF BodyPartID,
 *   extensions        SEQUENCE OF Extension }
 * ```
 * RFC 10002 (RFC 5272), 6.5.2.
 */
export function decodeAddExtensions(reader: DerReader): AddReferences & { readonly extensions: readonly Extension[] } {
  const body = reader.sequence('AddExtensions')
  const references = decodeReferences(body)
  const extensions = decodeExtensions(body, 'added extensions')
  body.end('AddExtensions')
  return { ...references, extensions }
}

function decodeReferences(body: DerReader): AddReferences {
  const pkiDataReference = decodeBodyPartId(body, 'pkiDataReference')
  const certReferences = decodeBodyPartList(body, 'certReferences')
  if (certReferences.length === 0) {
    throw new AppError('cmc_body_part_id', 'A control that adds to requests names none of them.')
  }
  return { pkiDataReference, certReferences }
}

/**
 * Demands that a control adds to the one request of this message and to nothing else (RFC 10002 (RFC 5272), 6.5.2).
 * Throws `cmc_body_part_id`.
 */
export function verifyReferences(references: AddReferences, requestId: number, controlId: number): void {
  const unknown = references.certReferences.find(id => id !== requestId)
  if (references.pkiDataReference !== 0 || unknown !== undefined) {
    throw new AppError(
      'cmc_body_part_id',
      `Control ${controlId} adds to a request that is not in this message; its request is ${requestId} of message 0.`,
      { bodyPartId: controlId, pkiDataReference: references.pkiDataReference, certReference: unknown }
    )
  }
}
