import { createHash } from 'node:crypto'

/** An event as it is hashed: every field as the text that the database has of it. */
export interface HashedEvent {
  /** Decimal. */
  readonly seq: string
  /** ISO 8601 in UTC with six digits of the second. */
  readonly at: string
  readonly actor: string
  readonly action: string
  readonly objectType: string
  readonly objectId: string
  readonly outcome: string
  /** As PostgreSQL prints jsonb; {@link encodeDetail} writes the same. */
  readonly detail: string
}

/** The hash that the first link has for its predecessor: 32 octets of zero. */
export const FIRST_PREVIOUS: Uint8Array = new Uint8Array(32)

/**
 * The hash of a link: SHA-256 over the hash of the link before and the fields in the order of {@link HashedEvent}, each
 * as UTF-8 behind its length in four octets, the highest first. Lengths make two different events two different inputs.
 */
export function hashOfLink(previous: Uint8Array, event: HashedEvent): Uint8Array {
  const fields = [
    event.seq,
    event.at,
    event.actor,
    event.action,
    event.objectType,
    event.objectId,
    event.outcome,
    event.detail
  ]
  const input = Buffer.allocUnsafe(fields.reduce((sum, field) => sum + 4 + Buffer.byteLength(field), previous.length))
  input.set(previous)
  let offset = previous.length
  for (const field of fields) {
    const length = input.write(field, offset + 4)
    input.writeUInt32BE(length, offset)
    offset += 4 + length
  }
  return createHash('sha256').update(input).digest()
}

/**
 * JSON as PostgreSQL prints jsonb: the members of an object by the length of their names in octets, then by their octets,
 * with one space behind each colon and comma. Numbers are those that JavaScript writes without an exponent.
 */
export function encodeDetail(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(encodeDetail).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).map(([name, member]) => ({ octets: Buffer.from(name), name, member }))
  members.sort((a, b) => a.octets.length - b.octets.length || Buffer.compare(a.octets, b.octets))
  return `{${members.map(({ name, member }) => `${JSON.stringify(name)}: ${encodeDetail(member)}`).join(', ')}}`
}
