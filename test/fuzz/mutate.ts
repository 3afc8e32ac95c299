import { DerReader, encodeTlv } from '@app/der'
import type { Decoder } from '../helpers/decoders.js'

/** Numbers that a seed makes again: mulberry32. */
export class Random {
  constructor(private state: number) {}

  /** From 0 to below the limit. */
  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % Math.max(1, limit)
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
}

const ODD_OCTETS = [0x00, 0x01, 0x7f, 0x80, 0x81, 0x84, 0xff, 0x30, 0x31, 0xa0, 0xa1, 0x24]
const ODD_TEXT = [
  '\0',
  '\r\n',
  '"',
  '<',
  '&',
  ']]>',
  '<!DOCTYPE x [<!ENTITY e "e">]>',
  '&#x0;',
  '%00',
  '{',
  '..',
  '\u{1f600}'
]
const ODD_TEXTS = [
  ...ODD_TEXT,
  ':'.repeat(300),
  'A'.repeat(5000),
  '<a>'.repeat(400),
  '='.repeat(70),
  '-----BEGIN X-----\n'
]
const ODD_TAGS = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x1e, 0x30, 0x31, 0x80, 0xa0, 0xa1
]
const MOST_OCTETS = 64 * 1024

/** A changed input of a decoder: its structure kept and something in it changed, or some octets of it. */
export function mutate(
  { kind }: Pick<Decoder, 'kind'>,
  input: Uint8Array,
  pool: readonly Uint8Array[],
  random: Random
): Uint8Array {
  let changed = input
  for (let times = 1 + random.below(3); times > 0; times--) {
    const structured = kind === 'der' && random.below(3) > 0
    if (structured) changed = mutateElement(changed, pool, random)
    else if (kind === 'text') changed = mutateText(changed, pool, random)
    else changed = mutateOctets(changed, pool, random)
  }
  return changed.length > MOST_OCTETS ? changed.subarray(0, MOST_OCTETS) : changed
}

function mutateOctets(input: Uint8Array, pool: readonly Uint8Array[], random: Random): Uint8Array {
  const at = random.below(input.length + 1)
  const [before, after] = [input.subarray(0, at), input.subarray(at)]
  switch (random.below(6)) {
    case 0:
      return Buffer.concat([before, Uint8Array.of(random.of(ODD_OCTETS)), after.subarray(1)])
    case 1:
      return Buffer.concat([before, Uint8Array.of((after[0] ?? 0) ^ (1 << random.below(8))), after.subarray(1)])
    case 2:
      return Buffer.concat([before, after.subarray(1 + random.below(16))])
    case 3:
      return Buffer.concat([before, after.subarray(0, random.below(64)), after])
    case 4: {
      const other = random.of(pool)
      const from = random.below(other.length)
      return Buffer.concat([before, other.subarray(from, from + random.below(128)), after])
    }
    default:
      return Buffer.concat([before, Buffer.alloc(4, random.of(ODD_OCTETS)), after.subarray(4)])
  }
}

function mutateText(input: Uint8Array, pool: readonly Uint8Array[], random: Random): Uint8Array {
  if (random.below(2) === 0) return mutateOctets(input, pool, random)
  const at = random.below(input.length + 1)
  return Buffer.concat([input.subarray(0, at), Buffer.from(random.of(ODD_TEXTS)), input.subarray(at + random.below(3))])
}

/** An element somewhere in the input is changed, and the lengths around it with it, so that its container still fits. */
function mutateElement(input: Uint8Array, pool: readonly Uint8Array[], random: Random): Uint8Array {
  const members = membersOf(input)
  if (members === undefined || members.length === 0 || random.below(4) === 0) return changeElement(input, pool, random)
  const at = random.below(members.length)
  const tag = input[0] ?? 0x30
  const next =
    random.below(8) === 0
      ? listChanged(members, at, random)
      : members.with(at, mutateElement(members[at] as Uint8Array, pool, random))
  return encodeTlv(tag, ...next)
}

/** The members of a constructed element, or of an octet string that holds one; undefined for what is neither. */
function membersOf(element: Uint8Array): Uint8Array[] | undefined {
  const tag = element[0] ?? 0
  if ((tag & 0x20) === 0 && tag !== 0x04) return undefined
  try {
    const reader = DerReader.over(element).enter(tag, 'element')
    return reader.each(list => list.any('member').raw)
  } catch {
    return undefined
  }
}

function listChanged(members: readonly Uint8Array[], at: number, random: Random): readonly Uint8Array[] {
  const one = members[at] as Uint8Array
  switch (random.below(4)) {
    case 0:
      return members.toSpliced(at, 1)
    case 1:
      return members.toSpliced(at, 0, one)
    case 2:
      return members.toReversed()
    default:
      return [...members, ...Array.from({ length: 200 }, () => one)]
  }
}

function changeElement(element: Uint8Array, pool: readonly Uint8Array[], random: Random): Uint8Array {
  const content = contentOf(element)
  switch (random.below(6)) {
    case 0:
      return encodeTlv(random.of(ODD_TAGS), content)
    case 1:
      return encodeTlv(element[0] ?? 0x30)
    case 2:
      return encodeTlv(element[0] ?? 0x30, mutateOctets(content, pool, random))
    case 3:
      return elementOf(random.of(pool), random)
    case 4:
      return encodeTlv(element[0] ?? 0x30, element)
    default:
      return Buffer.concat([element, elementOf(random.of(pool), random)])
  }
}

function contentOf(element: Uint8Array): Uint8Array {
  try {
    return DerReader.over(element).any('element').content
  } catch {
    return element
  }
}

/** Any element of an input. */
function elementOf(input: Uint8Array, random: Random): Uint8Array {
  let element = input
  for (let depth = random.below(8); depth > 0; depth--) {
    const members = membersOf(element)
    if (members === undefined || members.length === 0) break
    element = random.of(members)
  }
  return element
}
