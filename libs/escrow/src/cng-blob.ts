import { concatBytes, isAppError, view } from '@app/core'
import { decodePublicKey, type CurveName } from '@app/x509'
import { encodeEcPublicKey } from './pkcs8.js'
import {
  badKeyBlob,
  bitLength,
  FIELD_OCTETS,
  MODULUS_BITS,
  readParts,
  type ByteOrder,
  type EcKeyParts,
  type PartReader,
  type RsaKeyParts
} from './key-parts.js'
import { completeRsaKey, isFactored } from './rsa-arithmetic.js'

/*
 * The CNG headers (bcrypt.h) have little-endian words and big-endian numbers; MS-WCCE 2.2.2.9 describes big-endian words
 * and little-endian coordinates. No specimen from Windows is known, so both are read. Which one it is needs no guess:
 * the wrong order of words gives impossible lengths, the wrong order of numbers gives factors that do not multiply to
 * the modulus, or a point that is not on the curve. That is a stricter choice than by the requested public key, and it
 * works where no request is at hand.
 */

const RSA_HEADER_OCTETS = 24
const ECC_HEADER_OCTETS = 8

/** BCRYPT_RSAPRIVATE_MAGIC "RSA2" and BCRYPT_RSAFULLPRIVATE_MAGIC "RSA3"; the value is whether the blob is full. */
const RSA_MAGICS: ReadonlyMap<number, boolean> = new Map([
  [0x3241_5352, false],
  [0x3341_5352, true]
])

/**
 * The private key magics of bcrypt.h: ECK2, ECK4, ECK6 for ECDH and ECS2, ECS4, ECS6 for ECDSA. CNG exports the same
 * key under either, after the algorithm it was opened with, so the magic says nothing of what the key is certified for;
 * that a template for signature keys takes no archived key is the policy's.
 */
const ECC_MAGICS: ReadonlyMap<number, CurveName> = new Map([
  [0x324b_4345, 'P-256'],
  [0x344b_4345, 'P-384'],
  [0x364b_4345, 'P-521'],
  [0x3253_4345, 'P-256'],
  [0x3453_4345, 'P-384'],
  [0x3653_4345, 'P-521']
])

const ECDH_MAGICS = { 'P-256': 0x324b_4345, 'P-384': 0x344b_4345, 'P-521': 0x364b_4345 } as const satisfies Record<
  CurveName,
  number
>

const ORDERS: readonly ByteOrder[] = ['little-endian', 'big-endian']

/** Whether bytes begin as a CNG RSA private key blob does. */
export function isCngRsaBlob(bytes: Uint8Array): boolean {
  return magicOf(bytes, RSA_MAGICS) !== undefined
}

/** Whether bytes begin as a CNG ECC private key blob does. */
export function isCngEccBlob(bytes: Uint8Array): boolean {
  return magicOf(bytes, ECC_MAGICS) !== undefined
}

/**
 * Reads a BCRYPT_RSAPRIVATE_BLOB, whose missing numbers are computed, or a BCRYPT_RSAFULLPRIVATE_BLOB (`full`).
 * Throws `key_blob_invalid`.
 *
 * ```c
 * struct BCRYPT_RSAKEY_BLOB { ULONG Magic, BitLength, cbPublicExp, cbModulus, cbPrime1, cbPrime2; }
 * BYTE PublicExponent[cbPublicExp], Modulus[cbModulus], Prime1[cbPrime1], Prime2[cbPrime2]
 * // full private blob only:
 * BYTE Exponent1[cbPrime1], Exponent2[cbPrime2], Coefficient[cbPrime1], PrivateExponent[cbModulus]
 * ```
 * bcrypt.h; MS-WCCE 2.2.2.9.2.
 */
export function decodeCngRsaBlob(bytes: Uint8Array): { readonly full: boolean; readonly parts: RsaKeyParts } {
  const full = magicOf(bytes, RSA_MAGICS)
  if (full === undefined) throw badKeyBlob('it is no CNG RSA private key')
  const header = readRsaHeader(bytes, full)
  return { full, parts: firstReadable(order => readRsaParts(bytes, header, order)) }
}

/**
 * Reads a BCRYPT_ECCPRIVATE_BLOB. Throws `key_blob_invalid`.
 *
 * ```c
 * struct BCRYPT_ECCKEY_BLOB { ULONG dwMagic, cbKey; }
 * BYTE X[cbKey], Y[cbKey], d[cbKey]
 * ```
 * bcrypt.h; MS-WCCE 2.2.2.9.3.
 */
export function decodeCngEccBlob(bytes: Uint8Array): EcKeyParts {
  const curve = magicOf(bytes, ECC_MAGICS)
  if (curve === undefined) throw badKeyBlob('it is no CNG ECC private key')
  const octets = FIELD_OCTETS[curve]
  if (!ORDERS.some(order => readWord(bytes, 1, order) === octets))
    throw badKeyBlob('its length is not that of its curve')
  return firstReadable(order =>
    readParts(bytes, ECC_HEADER_OCTETS, order, reader => {
      const point = concatBytes([Uint8Array.of(4), reader.field(octets), reader.field(octets)])
      const scalar = reader.field(octets)
      if (!isOnCurve(curve, point)) throw badKeyBlob('its point is not on its curve')
      return { curve, point, scalar }
    })
  )
}

/** Writes a BCRYPT_ECCPRIVATE_BLOB with an ECDH magic, as bcrypt.h has it: a secret, the caller wipes it. */
export function encodeCngEcc({ curve, point, scalar }: EcKeyParts): Uint8Array {
  const header = Buffer.alloc(ECC_HEADER_OCTETS)
  header.writeUInt32LE(ECDH_MAGICS[curve], 0)
  header.writeUInt32LE(FIELD_OCTETS[curve], 4)
  return concatBytes([header, point.subarray(1), scalar])
}

interface RsaHeader {
  readonly full: boolean
  readonly bits: number
  readonly exponentOctets: number
  readonly modulusOctets: number
  readonly prime1Octets: number
  readonly prime2Octets: number
}

function readRsaHeader(bytes: Uint8Array, full: boolean): RsaHeader {
  if (bytes.length < RSA_HEADER_OCTETS) throw badKeyBlob('it is shorter than the header of a CNG blob')
  return firstReadable(order => {
    const word = (index: number): number => readWord(bytes, index, order)
    const [bits, exponentOctets, modulusOctets] = [word(1), word(2), word(3)]
    const [prime1Octets, prime2Octets] = [word(4), word(5)]
    const isSized = bits >= MODULUS_BITS.minimum && bits <= MODULUS_BITS.maximum
    if (!isSized || modulusOctets !== Math.ceil(bits / 8)) throw badKeyBlob('its lengths do not agree')
    return { full, bits, exponentOctets, modulusOctets, prime1Octets, prime2Octets }
  })
}

function readRsaParts(bytes: Uint8Array, header: RsaHeader, order: ByteOrder): RsaKeyParts {
  return readParts(bytes, RSA_HEADER_OCTETS, order, reader => {
    const publicExponent = reader.number(header.exponentOctets)
    const modulus = reader.number(header.modulusOctets)
    const [prime1, prime2] = [reader.number(header.prime1Octets), reader.number(header.prime2Octets)]
    const rest = header.full ? readRest(reader, header) : undefined
    if (bitLength(modulus) !== header.bits) throw badKeyBlob('its modulus is not of the size it states')
    if (!isFactored(modulus, prime1, prime2)) throw badKeyBlob('its primes do not multiply to its modulus')
    const numbers = { modulus, publicExponent, prime1, prime2 }
    return rest === undefined ? completeRsaKey(numbers) : { ...numbers, ...rest }
  })
}

function readRest(
  reader: PartReader,
  { prime1Octets, prime2Octets, modulusOctets }: RsaHeader
): Pick<RsaKeyParts, 'exponent1' | 'exponent2' | 'coefficient' | 'privateExponent'> {
  const exponent1 = reader.number(prime1Octets)
  const exponent2 = reader.number(prime2Octets)
  const coefficient = reader.number(prime1Octets)
  return { exponent1, exponent2, coefficient, privateExponent: reader.number(modulusOctets) }
}

function isOnCurve(curve: CurveName, point: Uint8Array): boolean {
  try {
    return decodePublicKey(encodeEcPublicKey(curve, point)).keyObject.type === 'public'
  } catch (error) {
    if (isAppError(error, 'public_key_unsupported')) return false
    throw error
  }
}

/** What the first word stands for, whichever its order. */
function magicOf<T>(bytes: Uint8Array, magics: ReadonlyMap<number, T>): T | undefined {
  return magics.get(readWord(bytes, 0, 'little-endian')) ?? magics.get(readWord(bytes, 0, 'big-endian'))
}

/** A word of the header; one that is not there is zero. */
function readWord(bytes: Uint8Array, index: number, order: ByteOrder): number {
  if (bytes.length < 4 * index + 4) return 0
  return order === 'little-endian' ? view(bytes).readUInt32LE(4 * index) : view(bytes).readUInt32BE(4 * index)
}

/** What `read` makes of the first order it can read; else its complaint about the last. */
function firstReadable<T>(read: (order: ByteOrder) => T): T {
  try {
    return read('big-endian')
  } catch (error) {
    if (!isAppError(error, 'key_blob_invalid')) throw error
    return read('little-endian')
  }
}
