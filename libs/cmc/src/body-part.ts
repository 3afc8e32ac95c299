import { AppError } from '@app/core'
import { encodeInteger, encodeSequence, TAG, type DerReader } from '@app/der'

/** The largest body part id (RFC 10002 (RFC 5272), 3.2.2). */
const MAX_BODY_PART_ID = 0xffff_ffff

/**
 * Reads a body part id; zero is left for the caller to judge. Throws `cmc_body_part_id` outside of its range.
 *
 * ```asn1
 * bodyIdMax   INTEGER ::= 4294967295
 * BodyPartID  ::= INTEGER (0..bodyIdMax)
 * ```
 * RFC 10002 (RFC 5272), 3.2.2.
 */
export function decodeBodyPartId(reader: DerReader, what: string): number {
  const id = reader.integer(what)
  if (id < 0n || id > BigInt(MAX_BODY_PART_ID)) {
    throw new AppError('cmc_body_part_id', `${what} is not a body part id (0 to ${MAX_BODY_PART_ID}).`, { what })
  }
  return Number(id)
}

/** A path of body part ids from the outermost message inward; a single id is a path of one. */
export type BodyPartReference = readonly number[]

/**
 * Reads a reference to a body part. Throws `cmc_body_part_id` or a `der_…` code.
 *
 * ```asn1
 * BodyPartReference ::= CHOICE {
 *   bodyPartID    BodyPartID,
 *   bodyPartPath  SEQUENCE SIZE (1..MAX) OF BodyPartID }
 * ```
 * RFC 10002 (RFC 5272), 6.1.1.
 */
export function decodeBodyPartReference(reader: DerReader, what: string): BodyPartReference {
  if (reader.nextTag !== TAG.sequence) return [decodeBodyPartId(reader, what)]
  const path = reader.sequence(what).each(list => decodeBodyPartId(list, what))
  if (path.length === 0) throw new AppError('cmc_body_part_id', `${what} is an empty path.`, { what })
  return path
}

/** A reference in its shortest form: an id for a path of one. */
export function encodeBodyPartReference(reference: BodyPartReference): Uint8Array {
  const ids = reference.map(id => encodeInteger(id))
  return ids.length === 1 ? (ids[0] as Uint8Array) : encodeSequence(...ids)
}

/** Reads a SEQUENCE OF BodyPartID. */
export function decodeBodyPartList(reader: DerReader, what: string): number[] {
  return reader.sequence(what).each(list => decodeBodyPartId(list, what))
}

/** A SEQUENCE OF BodyPartID. */
export function encodeBodyPartList(ids: readonly number[]): Uint8Array {
  return encodeSequence(...ids.map(id => encodeInteger(id)))
}

/**
 * Demands that every body part of one message has an id of its own and none has 0, which stands for the message
 * itself (RFC 10002 (RFC 5272), 3.2.2). Throws `cmc_body_part_id`.
 */
export function verifyBodyPartIds(ids: readonly number[]): void {
  const seen = new Set<number>()
  for (const bodyPartId of ids) {
    if (bodyPartId === 0) throw new AppError('cmc_body_part_id', 'A body part has the reserved id 0.', { bodyPartId })
    if (seen.has(bodyPartId)) {
      throw new AppError('cmc_body_part_id', `Two body parts have the id ${bodyPartId}.`, { bodyPartId })
    }
    seen.add(bodyPartId)
  }
}
