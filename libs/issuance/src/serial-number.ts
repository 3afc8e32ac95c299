import type { Entropy } from '@app/core'

const OCTETS = 19

/**
 * A fresh serial number as the content octets of its INTEGER: 19 octets, positive, of which 150 bits are random
 * (RFC 5280, 4.1.2.2 allows 20 octets and demands uniqueness). Two of the bits are fixed, so that the number is
 * positive and of the same length always.
 */
export function newSerialNumber(entropy: Entropy): Uint8Array {
  const octets = Uint8Array.from(entropy.bytes(OCTETS))
  octets[0] = ((octets[0] as number) & 0x3f) | 0x40
  return octets
}
