import { AppError } from '@app/core'
import type { CurveName } from '@app/x509'

/** The numbers of an RSA private key (RFC 8017, A.1.2): big-endian, without leading zeros, each its own memory. */
export interface RsaKeyParts {
  readonly modulus: Uint8Array
  readonly publicExponent: Uint8Array
  readonly privateExponent: Uint8Array
  readonly prime1: Uint8Array
  readonly prime2: Uint8Array
  /** d mod (p - 1) */
  readonly exponent1: Uint8Array
  /** d mod (q - 1) */
  readonly exponent2: Uint8Array
  /** q^-1 mod p */
  readonly coefficient: Uint8Array
}

/** An elliptic curve private key, each part its own memory. */
export interface EcKeyParts {
  readonly curve: CurveName
  /** 04, X, Y; on the curve. */
  readonly point: Uint8Array
  /** d, big-endian, as long as a coordinate. */
  readonly scalar: Uint8Array
}

/** Octets of a coordinate and of the scalar on each curve. */
export const FIELD_OCTETS = { 'P-256': 32, 'P-384': 48, 'P-521': 66 } as const satisfies Record<CurveName, number>

/** The largest modulus that is read, as for public keys. */
export const MODULUS_BITS = { minimum: 512, maximum: 16_384 } as const

/** The error of a blob that is none; `why` says nothing of its content. */
export function badKeyBlob(why: string): AppError {
  return new AppError('key_blob_invalid', `The archived key cannot be read: ${why}.`)
}

/** How many bits a big-endian number without leading zeros has. */
export function bitLength(magnitude: Uint8Array): number {
  const [first = 0] = magnitude
  return magnitude.length === 0 ? 0 : magnitude.length * 8 - (Math.clz32(first) - 24)
}

/** Octet orders of the numbers in a blob. */
export type ByteOrder = 'big-endian' | 'little-endian'

/** Takes numbers out of a blob one after the other. */
export interface PartReader {
  /** The next number as a big-endian copy without leading zeros. */
  number(octets: number): Uint8Array
  /** The next number as a big-endian copy of its full length. */
  field(octets: number): Uint8Array
}

/**
 * Runs `read` over the numbers that follow `start`, which must fill the blob to its end. When it throws, every copy it
 * has made is wiped.
 */
export function readParts<T>(bytes: Uint8Array, start: number, order: ByteOrder, read: (reader: PartReader) => T): T {
  const copies: Uint8Array[] = []
  let position = start
  const field = (octets: number): Uint8Array => {
    if (position + octets > bytes.length) throw badKeyBlob('it ends too early')
    const received = bytes.subarray(position, position + octets)
    const copy = order === 'little-endian' ? received.toReversed() : Uint8Array.from(received)
    position += octets
    copies.push(copy)
    return copy
  }
  try {
    const parts = read({ field, number: octets => withoutLeadingZeros(field(octets)) })
    if (position !== bytes.length) throw badKeyBlob('bytes follow its end')
    return parts
  } catch (error) {
    for (const copy of copies) copy.fill(0)
    throw error
  }
}

/** The same memory without leading zeros; zero has no octets. */
export function withoutLeadingZeros(magnitude: Uint8Array): Uint8Array {
  let start = 0
  while (start < magnitude.length && magnitude[start] === 0) start++
  return magnitude.subarray(start)
}

/** Little-endian octets of a number, padded to a length that must hold it. */
export function littleEndian(magnitude: Uint8Array, octets: number): Uint8Array {
  const out = new Uint8Array(octets)
  for (const [position, octet] of magnitude.entries()) out[magnitude.length - 1 - position] = octet
  return out
}
