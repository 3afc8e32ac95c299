import { encodeInteger, encodeNull, encodeOid, encodeSequence, encodeTlv } from '@app/der'
import { withIndefiniteLength } from './cms-messages.js'

export const MEBIBYTE = 1024 * 1024

/** A tag with a length and, behind it, less than that. */
function claimed(tag: number, ...length: readonly number[]): Uint8Array {
  return Uint8Array.of(tag, ...length, 0x30, 0x03, 0x02, 0x01, 0x07)
}

function nested(depth: number, tag = 0x30): Uint8Array {
  const parts: Uint8Array[] = []
  let length = 0
  for (let level = 0; level < depth; level++) {
    const octets = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 3
    const header = Buffer.alloc(2 + octets)
    header[0] = tag
    if (octets === 0) header[1] = length
    else {
      header[1] = 0x80 | octets
      header.writeUIntBE(length, 2, octets)
    }
    parts.unshift(header)
    length += header.length
  }
  return Buffer.concat(parts)
}

const wide = (element: Uint8Array, count: number): Uint8Array =>
  encodeSequence(Buffer.concat(Array.from({ length: count }, () => element)))

const empty = Array.from({ length: 12 }, () => encodeSequence())
/** Messages that are cheap to send and meant to be dear to read: what each is, and its bytes. */
export const BOMBS: readonly (readonly [string, Uint8Array])[] = [
  ['nothing', new Uint8Array()],
  ['one octet', Uint8Array.of(0x30)],
  ['a length of 4 GiB', claimed(0x30, 0x84, 0xff, 0xff, 0xff, 0xff)],
  ['a length of 2 GiB in an OCTET STRING', claimed(0x04, 0x84, 0x7f, 0xff, 0xff, 0xff)],
  ['a length of eight octets', claimed(0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)],
  ['a length of 126 octets', claimed(0x30, 0xfe, ...Array.from({ length: 126 }, () => 0xff))],
  ['a tag number without end', Buffer.alloc(60_000, 0xbf)],
  ['SEQUENCEs 15,000 deep', nested(15_000)],
  ['SETs 15,000 deep', nested(15_000, 0x31)],
  ['segments 15,000 deep', nested(15_000, 0x24)],
  ['indefinite lengths 30,000 deep', Buffer.alloc(60_000, Buffer.from('3080', 'hex'))],
  ['indefinite segments 30,000 deep', Buffer.alloc(60_000, Buffer.from('2480', 'hex'))],
  ['30,000 ends of contents', withIndefiniteLength(encodeSequence(Buffer.alloc(60_000)))],
  ['30,000 NULLs', wide(encodeNull(), 30_000)],
  ['20,000 INTEGERs', wide(encodeInteger(7), 20_000)],
  ['10,000 object identifiers', wide(encodeOid('1.2.3.4'), 10_000)],
  ['an INTEGER of 60,000 octets', encodeSequence(encodeTlv(0x02, Buffer.alloc(60_000, 0x7f)))],
  ['an object identifier of 60,000 octets', encodeSequence(encodeTlv(0x06, Buffer.alloc(60_000, 0x81)))],
  ['an empty SEQUENCE', encodeSequence()],
  ['empty SEQUENCEs', encodeSequence(...empty)],
  ['empty SEQUENCEs in each other', encodeSequence(encodeSequence(...empty), encodeSequence(encodeSequence(...empty)))],
  ['4 MiB of zeros', new Uint8Array(4 * MEBIBYTE)],
  ['4 MiB of SEQUENCEs', Buffer.alloc(4 * MEBIBYTE, 0x30)],
  ['4 MiB of letters', Buffer.alloc(4 * MEBIBYTE, 'A')],
  ['4 MiB of periods', Buffer.alloc(4 * MEBIBYTE, '.')],
  ['4 MiB of elements in each other', Buffer.alloc(4 * MEBIBYTE, '<a>')],
  ['entities of entities', Buffer.from(billionLaughs())],
  [
    'an element with 40,000 attributes',
    Buffer.from(`<a ${Array.from({ length: 40_000 }, (_, i) => `a${i}=""`).join(' ')}/>`)
  ],
  ['100,000 lines that go on', Buffer.from(`dn: a${'\n b'.repeat(100_000)}\n`)],
  ['100,000 empty lines', Buffer.alloc(100_000, '\n')],
  ['100,000 parts of a name', Buffer.from(Array.from({ length: 100_000 }, () => 'a=b').join('+'))],
  ['100,000 backslashes', Buffer.alloc(100_000, '\\')],
  ['JSON 50,000 deep', Buffer.from(`{"a":${'['.repeat(50_000)}`)]
]

function billionLaughs(): string {
  const entities = Array.from({ length: 9 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join('')
  return `<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "lol">${entities}]><l>&l9;</l>`
}
