import { AppError } from '@app/core'

/**
 * The 4 or 16 octets of an IP address in text: dotted decimal, or the forms of RFC 4291, 2.2. A zone is not part of an
 * address. Throws `invalid_argument`.
 */
export function ipAddressOctets(text: string): Uint8Array {
  const octets = text.includes(':') ? v6Octets(text) : v4Octets(text)
  if (octets === undefined) throw new AppError('invalid_argument', `"${text}" is no IP address.`)
  return Uint8Array.from(octets)
}

function v4Octets(text: string): number[] | undefined {
  if (!/^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/.test(text)) return undefined
  const octets = text.split('.').map(Number)
  return octets.every(octet => octet <= 255) ? octets : undefined
}

function v6Octets(text: string): number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map((half, index) => groupOctets(half, index === halves.length - 1))
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined
  if (tail === undefined) return head.length === 16 ? head : undefined
  const missing = 16 - head.length - tail.length
  return missing >= 2 ? [...head, ...Array<number>(missing).fill(0), ...tail] : undefined
}

/** Groups of 16 bits; the last one of an address may be an IPv4 address. */
function groupOctets(text: string, isLast: boolean): number[] | undefined {
  if (text === '') return []
  const groups = text.split(':')
  const octets: number[] = []
  for (const [index, group] of groups.entries()) {
    const v4 = isLast && index === groups.length - 1 && group.includes('.') ? v4Octets(group) : undefined
    if (v4 !== undefined) octets.push(...v4)
    else if (/^[0-9a-f]{1,4}$/i.test(group)) octets.push(parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff)
    else return undefined
  }
  return octets
}
