import { ACCESS, EXTENDED_RIGHT } from '@app/templates'

/** An entry of a list; an entry that allows where nothing is said. */
export interface AceParts {
  readonly sid: string
  readonly mask: number
  readonly objectType?: string
  readonly deny?: boolean
  readonly flags?: number
  /** In place of the type that the rest asks for. */
  readonly type?: number
}

/** The binary form of a security identifier. */
function sidBytes(sid: string): Buffer {
  const [, , authority, ...subs] = sid.split('-')
  const bytes = Buffer.alloc(8 + 4 * subs.length)
  bytes.writeUInt8(1, 0)
  bytes.writeUInt8(subs.length, 1)
  bytes.writeUIntBE(Number(authority), 2, 6)
  for (const [index, sub] of subs.entries()) bytes.writeUInt32LE(Number(sub), 8 + 4 * index)
  return bytes
}

/** The binary form of a GUID. */
function guidBytes(guid: string): Buffer {
  const bytes = Buffer.from(guid.replaceAll('-', ''), 'hex')
  bytes.subarray(0, 4).swap32()
  bytes.subarray(4, 6).swap16()
  bytes.subarray(6, 8).swap16()
  return bytes
}

function aceBytes({ sid, mask, objectType, deny = false, flags = 0, type }: AceParts): Buffer {
  const isObject = objectType !== undefined
  const head = Buffer.alloc(8)
  head.writeUInt8(type ?? (isObject ? 5 : 0) + (deny ? 1 : 0), 0)
  head.writeUInt8(flags, 1)
  head.writeUInt32LE(mask, 4)
  const object = isObject ? [Buffer.from([1, 0, 0, 0]), guidBytes(objectType)] : []
  const bytes = Buffer.concat([head, ...object, sidBytes(sid)])
  bytes.writeUInt16LE(bytes.length, 2)
  return bytes
}

/** A self-relative security descriptor (MS-DTYP 2.4.6), made apart from the program's own reader. */
export function securityDescriptorBytes(parts: {
  readonly owner?: string
  readonly aces?: readonly AceParts[]
}): Buffer {
  const { owner = 'S-1-5-21-1-2-3-519', aces } = parts
  const ownerBytes = sidBytes(owner)
  const head = Buffer.alloc(20)
  head.writeUInt8(1, 0)
  head.writeUInt16LE(0x8000 | (aces === undefined ? 0 : 0x4), 2)
  head.writeUInt32LE(20, 4)
  head.writeUInt32LE(20, 8)
  if (aces === undefined) return Buffer.concat([head, ownerBytes])
  head.writeUInt32LE(20 + ownerBytes.length, 16)
  const entries = aces.map(aceBytes)
  const list = Buffer.alloc(8)
  list.writeUInt8(4, 0)
  list.writeUInt16LE(8 + entries.reduce((sum, { length }) => sum + length, 0), 2)
  list.writeUInt16LE(entries.length, 4)
  return Buffer.concat([head, ownerBytes, list, ...entries])
}

/** The entry that lets somebody enroll. */
export function enrollAce(sid: string): AceParts {
  return { sid, mask: ACCESS.CONTROL_ACCESS, objectType: EXTENDED_RIGHT.ENROLL }
}
