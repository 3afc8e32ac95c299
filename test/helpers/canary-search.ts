import { createReadStream, readdirSync, statSync, type Dirent } from 'node:fs'
import { join } from 'node:path'
import type { KeyObject } from 'node:crypto'

/** Something that must not be found: bytes, in whatever form a program writes them. */
export interface Needle {
  /** What it is of, as `d of alice`, and in which form. */
  readonly name: string
  readonly bytes: Buffer
}

/** Where a needle was found. */
export interface Found {
  readonly needle: string
  readonly place: string
}

const WINDOW = 24

/**
 * The secret numbers of a private key, cut into windows of 24 octets, so that one of them is whole wherever a page or a chunk
 * of a row ends, each in every form that bytes are written in: raw as DER has them and in the order of CAPI, hexadecimal,
 * base64 and base64url at each of three alignments, and as a list of decimal numbers.
 */
export function needlesOf(name: string, privateKey: KeyObject): Needle[] {
  const jwk = privateKey.export({ format: 'jwk' }) as Readonly<Record<string, string>>
  const secrets = ['d', 'p', 'q', 'dp', 'dq', 'qi'].filter(member => jwk[member] !== undefined)
  return secrets.flatMap(member => needlesOfNumber(`${member} of ${name}`, Buffer.from(jwk[member] ?? '', 'base64url')))
}

/** As {@link needlesOf}, of any bytes. */
export function needlesOfNumber(name: string, number: Buffer): Needle[] {
  const needles: Needle[] = []
  for (let start = 0; start + WINDOW <= number.length; start += WINDOW) {
    const window = number.subarray(start, start + WINDOW)
    for (const [form, bytes] of formsOf(window)) needles.push({ name: `${name} from octet ${start}, ${form}`, bytes })
  }
  return needles
}

function formsOf(window: Buffer): readonly (readonly [string, Buffer])[] {
  const hex = window.toString('hex')
  const base64 = [0, 1, 2].flatMap(alignment => {
    // What comes before and after shares characters with the window's ends; those are left out.
    const text = Buffer.concat([Buffer.alloc(alignment), window]).toString('base64')
    const own = text.slice(Math.ceil((alignment * 4) / 3), Math.floor(((alignment + WINDOW) * 4) / 3))
    return [
      [`base64 at ${alignment}`, Buffer.from(own)],
      [`base64url at ${alignment}`, Buffer.from(own.replaceAll('+', '-').replaceAll('/', '_'))]
    ] as const
  })
  return [
    ['raw', Buffer.from(window)],
    ['reversed', Buffer.from(window.toReversed())],
    ['hexadecimal', Buffer.from(hex)],
    ['upper-case hexadecimal', Buffer.from(hex.toUpperCase())],
    ['decimal', Buffer.from([...window].join(','))],
    ...base64
  ]
}

/** Looks for many needles at once. */
export class CanarySearch {
  /** By their first four octets; a needle is longer. */
  private readonly byStart = new Map<number, Needle[]>()
  /** Which pairs of first octets there are: most places are passed by with one look. */
  private readonly pairs = new Uint8Array(65_536)
  private readonly longest: number

  constructor(needles: readonly Needle[]) {
    for (const needle of needles) {
      const start = needle.bytes.readUInt32LE(0)
      this.byStart.set(start, [...(this.byStart.get(start) ?? []), needle])
      this.pairs[start & 0xffff] = 1
    }
    this.longest = Math.max(...needles.map(({ bytes }) => bytes.length))
  }

  /** The needles in these bytes. */
  search(place: string, bytes: Buffer): Found[] {
    const found: Found[] = []
    const { pairs, byStart } = this
    for (let at = 0; at + 4 <= bytes.length; at++) {
      if (pairs[(bytes[at] as number) | ((bytes[at + 1] as number) << 8)] === 0) continue
      for (const needle of byStart.get(bytes.readUInt32LE(at)) ?? []) {
        if (bytes.subarray(at, at + needle.bytes.length).equals(needle.bytes)) {
          found.push({ needle: needle.name, place })
        }
      }
    }
    return found
  }

  /** The needles in every file below a directory, and how many bytes were looked at. */
  async searchDirectory(directory: string): Promise<{ readonly found: readonly Found[]; readonly bytes: number }> {
    const found: Found[] = []
    let bytes = 0
    for (const path of filesBelow(directory)) {
      let rest = Buffer.alloc(0)
      for await (const chunk of createReadStream(path, { highWaterMark: 1 << 22 })) {
        bytes += (chunk as Buffer).length
        const part = Buffer.concat([rest, chunk as Buffer])
        found.push(...this.search(path, part))
        // A needle that the next chunk completes begins in here.
        rest = part.subarray(Math.max(0, part.length - this.longest + 1))
      }
    }
    return { found: distinct(found), bytes }
  }
}

function distinct(found: readonly Found[]): Found[] {
  return [...new Map(found.map(each => [`${each.needle}\0${each.place}`, each])).values()]
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry: Dirent) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.isFile() && statSync(path).size > 0 ? [path] : []
  })
}
