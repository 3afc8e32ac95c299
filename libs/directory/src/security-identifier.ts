import { AppError } from '@app/core'

const REVISION = 1
const MOST_PARTS = 15
const MOST_AUTHORITY = 2 ** 48

/** The domain that a SID is under, `S-1-5-21-a-b-c`; undefined for one of no domain, such as a local service's. */
export function domainOfSid(sid: string): string | undefined {
  return /^(S-1-5-21-\d{1,10}-\d{1,10}-\d{1,10})-\d{1,10}$/.exec(sid)?.[1]
}

/** A SID in the binary form of objectSid (MS-DTYP 2.4.2.2). Throws `invalid_argument` when the text is no SID. */
export function encodeSid(sid: string): Uint8Array {
  const [authority = Number.NaN, ...parts] = /^S-1-\d{1,15}(-\d{1,10}){1,15}$/.test(sid)
    ? sid.slice(4).split('-').map(Number)
    : []
  const fits = authority < MOST_AUTHORITY && parts.every(part => part <= 0xffffffff)
  if (!fits) throw new AppError('invalid_argument', `"${sid}" is no security identifier.`)
  const bytes = Buffer.alloc(8 + 4 * parts.length)
  bytes.writeUInt8(REVISION, 0)
  bytes.writeUInt8(parts.length, 1)
  bytes.writeUIntBE(authority, 2, 6)
  for (const [index, part] of parts.entries()) bytes.writeUInt32LE(part, 8 + 4 * index)
  return bytes
}

/** The text of a binary SID (MS-DTYP 2.4.2.2). Throws `invalid_argument`. */
export function decodeSid(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes)
  const count = buffer[1] ?? 0
  if (buffer[0] !== REVISION || count < 1 || count > MOST_PARTS || buffer.length !== 8 + 4 * count) {
    throw new AppError('invalid_argument', 'The bytes are no security identifier.', { length: buffer.length })
  }
  const parts = Array.from({ length: count }, (_, index) => buffer.readUInt32LE(8 + 4 * index))
  return ['S', REVISION, buffer.readUIntBE(2, 6), ...parts].join('-')
}

/** A GUID in the binary form of objectGUID: the first three fields little-endian (MS-DTYP 2.3.4.2). */
export function encodeGuid(guid: string): Uint8Array {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(guid)) {
    throw new AppError('invalid_argument', `"${guid}" is no GUID.`)
  }
  return swapFields(Buffer.from(guid.replaceAll('-', ''), 'hex'))
}

/** The text of a binary GUID. Throws `invalid_argument` unless it has 16 bytes. */
export function decodeGuid(bytes: Uint8Array): string {
  if (bytes.length !== 16) {
    throw new AppError('invalid_argument', 'The bytes are no GUID.', { length: bytes.length })
  }
  const hex = swapFields(Buffer.from(bytes)).toString('hex')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function swapFields(bytes: Buffer): Buffer {
  bytes.subarray(0, 4).reverse()
  bytes.subarray(4, 6).reverse()
  bytes.subarray(6, 8).reverse()
  return bytes
}
