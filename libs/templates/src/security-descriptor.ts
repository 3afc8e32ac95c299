import { AppError } from '@app/core'

/** One entry of an access control list (MS-DTYP 2.4.4). */
export interface AccessEntry {
  readonly effect: 'allow' | 'deny'
  /** The access mask (MS-DTYP 2.4.3; MS-ADTS 5.1.3.2). */
  readonly mask: number
  readonly sid: string
  /** What an object entry is limited to: an extended right, a property or a class. */
  readonly objectType?: string
  /** Whether it is only for the objects below. */
  readonly isInheritOnly: boolean
  /** Whether a condition decides if it counts (a callback entry). */
  readonly isConditional: boolean
}

/** A security descriptor, as far as it says who may do what. */
export interface SecurityDescriptor {
  readonly owner: string | undefined
  readonly group: string | undefined
  /** In their order. Undefined where there is no list, which lets everybody do everything. */
  readonly access: readonly AccessEntry[] | undefined
}

const CONTROL = { DACL_PRESENT: 0x4, SELF_RELATIVE: 0x8000 } as const
const INHERIT_ONLY = 0x8
const OBJECT_TYPE_PRESENT = 0x1
const INHERITED_OBJECT_TYPE_PRESENT = 0x2

/** ACE types that a discretionary list may have (MS-DTYP 2.4.4.1). */
const ACE_TYPES: Readonly<Record<number, Pick<AccessEntry, 'effect' | 'isConditional'> & { isObject: boolean }>> = {
  0x0: { effect: 'allow', isObject: false, isConditional: false },
  0x1: { effect: 'deny', isObject: false, isConditional: false },
  0x5: { effect: 'allow', isObject: true, isConditional: false },
  0x6: { effect: 'deny', isObject: true, isConditional: false },
  0x9: { effect: 'allow', isObject: false, isConditional: true },
  0xa: { effect: 'deny', isObject: false, isConditional: true },
  0xb: { effect: 'allow', isObject: true, isConditional: true },
  0xc: { effect: 'deny', isObject: true, isConditional: true }
}

/**
 * Reads a security descriptor in its self-relative form (MS-DTYP 2.4.6), the value of `ntSecurityDescriptor`. The
 * system list, which only says what is audited, is not read. Strict: throws `security_descriptor_invalid`.
 */
export function decodeSecurityDescriptor(bytes: Uint8Array): SecurityDescriptor {
  const data = new Octets(Buffer.from(bytes))
  if (data.u8(0) !== 1) throw fault('its revision is not 1')
  const control = data.u16(2)
  if ((control & CONTROL.SELF_RELATIVE) === 0) throw fault('it is not self-relative')
  const daclOffset = data.u32(16)
  if ((control & CONTROL.DACL_PRESENT) === 0 && daclOffset !== 0) throw fault('it has a list that it says is not there')
  return {
    owner: sidAt(data, data.u32(4)),
    group: sidAt(data, data.u32(8)),
    access: daclOffset === 0 ? undefined : accessListAt(data, daclOffset)
  }
}

function sidAt(data: Octets, offset: number): string | undefined {
  return offset === 0 ? undefined : decodeSid(data.from(offset)).sid
}

/** A security identifier as text (MS-DTYP 2.4.2.2) and how many octets it takes. */
export function decodeSid(bytes: Uint8Array): { readonly sid: string; readonly length: number } {
  const data = new Octets(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  const count = data.u8(1)
  if (data.u8(0) !== 1 || count > 15) throw fault('a security identifier has another form')
  const authority = data.u16BE(2) * 2 ** 32 + data.u32BE(4)
  const authorities = Array.from({ length: count }, (_, index) => data.u32(8 + 4 * index))
  return { sid: ['S-1', authority, ...authorities].join('-'), length: 8 + 4 * count }
}

function accessListAt(data: Octets, offset: number): AccessEntry[] {
  const revision = data.u8(offset)
  if (revision !== 2 && revision !== 4) throw fault('its list has an unknown revision')
  const end = offset + data.u16(offset + 2)
  if (end > data.length) throw fault('its list ends after it')
  const entries: AccessEntry[] = []
  let at = offset + 8
  for (let left = data.u16(offset + 4); left > 0; left -= 1) {
    const size = data.u16(at + 2)
    if (size < 12 || size % 4 !== 0 || at + size > end) throw fault('an entry has a wrong size')
    entries.push(entryOf(new Octets(data.from(at).subarray(0, size))))
    at += size
  }
  return entries
}

function entryOf(data: Octets): AccessEntry {
  const type = ACE_TYPES[data.u8(0)]
  if (type === undefined) throw fault(`an entry has the type ${data.u8(0)}, which its list may not have`)
  const { effect, isObject, isConditional } = type
  const common = { effect, mask: data.u32(4), isInheritOnly: (data.u8(1) & INHERIT_ONLY) !== 0, isConditional }
  let at = 8
  let objectType: string | undefined
  if (isObject) {
    const present = data.u32(at)
    at += 4
    if ((present & OBJECT_TYPE_PRESENT) !== 0) {
      objectType = data.guid(at)
      at += 16
    }
    if ((present & INHERITED_OBJECT_TYPE_PRESENT) !== 0) at += 16
  }
  const { sid, length } = decodeSid(data.from(at))
  // Behind the identifier a callback entry has its condition, and any other has nothing.
  if (!isConditional && at + length !== data.length) throw fault('bytes follow the security identifier of an entry')
  return objectType === undefined ? { ...common, sid } : { ...common, sid, objectType }
}

/** Reads numbers within bounds, little-endian where nothing is said. */
class Octets {
  constructor(private readonly bytes: Buffer) {}

  get length(): number {
    return this.bytes.length
  }

  u8(at: number): number {
    return this.need(at, 1).readUInt8(at)
  }

  u16(at: number): number {
    return this.need(at, 2).readUInt16LE(at)
  }

  u32(at: number): number {
    return this.need(at, 4).readUInt32LE(at)
  }

  u16BE(at: number): number {
    return this.need(at, 2).readUInt16BE(at)
  }

  u32BE(at: number): number {
    return this.need(at, 4).readUInt32BE(at)
  }

  from(at: number): Buffer {
    return this.need(at, 0).subarray(at)
  }

  /** MS-DTYP 2.3.4.2: the first three fields are little-endian. */
  guid(at: number): string {
    const octets = Buffer.from(this.need(at, 16).subarray(at, at + 16))
    octets.subarray(0, 4).swap32()
    octets.subarray(4, 6).swap16()
    octets.subarray(6, 8).swap16()
    return octets.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  }

  private need(at: number, count: number): Buffer {
    if (at + count > this.bytes.length) throw fault('it ends too early')
    return this.bytes
  }
}

function fault(what: string): AppError {
  return new AppError('security_descriptor_invalid', `The security descriptor cannot be read: ${what}.`)
}
