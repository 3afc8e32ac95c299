import { concatBytes, view, wipe } from '@app/core'
import {
  badKeyBlob,
  bitLength,
  littleEndian,
  MODULUS_BITS,
  readParts,
  withoutLeadingZeros,
  type RsaKeyParts
} from './key-parts.js'

const PRIVATEKEYBLOB = 0x07
const CUR_BLOB_VERSION = 0x02
const CALG_RSA_KEYX = 0xa400
const RSA2 = 0x3241_5352
const HEADER_OCTETS = 20

/** Whether bytes begin as a CAPI PRIVATEKEYBLOB does. */
export function isCapiBlob(bytes: Uint8Array): boolean {
  return bytes[0] === PRIVATEKEYBLOB && bytes[1] === CUR_BLOB_VERSION
}

/**
 * Reads a CAPI PRIVATEKEYBLOB of an RSA key exchange key. All numbers are little-endian.
 *
 * ```c
 * struct { BYTE bType; BYTE bVersion; WORD reserved; ALG_ID aiKeyAlg; }   // 07 02 0000, CALG_RSA_KEYX
 * struct { DWORD magic; DWORD bitlen; DWORD pubexp; }                     // "RSA2"
 * BYTE modulus[bitlen/8], prime1[bitlen/16], prime2[bitlen/16], exponent1[bitlen/16], exponent2[bitlen/16],
 *      coefficient[bitlen/16], privateExponent[bitlen/8]                  // lengths rounded up
 * ```
 * MS-WCCE 2.2.2.9.1. Throws `key_blob_invalid`. CALG_RSA_SIGN is refused: signature keys are not archived.
 */
export function decodeCapiBlob(bytes: Uint8Array): RsaKeyParts {
  if (bytes.length < HEADER_OCTETS) throw badKeyBlob('it is shorter than the header of a PRIVATEKEYBLOB')
  const header = view(bytes)
  if (header.readUInt16LE(2) !== 0) throw badKeyBlob('the reserved field of its header is not zero')
  if (header.readUInt32LE(4) !== CALG_RSA_KEYX) throw badKeyBlob('it is not an RSA key exchange key')
  if (header.readUInt32LE(8) !== RSA2) throw badKeyBlob('it is not an RSA private key')
  const bits = header.readUInt32LE(12)
  if (bits < MODULUS_BITS.minimum || bits > MODULUS_BITS.maximum)
    throw badKeyBlob('its modulus has a size out of range')
  const whole = Math.ceil(bits / 8)
  const half = Math.ceil(bits / 16)
  const publicExponent = withoutLeadingZeros(bytes.subarray(16, 20).toReversed())
  return readParts(bytes, HEADER_OCTETS, 'little-endian', reader => {
    const modulus = reader.number(whole)
    if (bitLength(modulus) !== bits) throw badKeyBlob('its modulus is not of the size it states')
    const [prime1, prime2] = [reader.number(half), reader.number(half)]
    const [exponent1, exponent2, coefficient] = [reader.number(half), reader.number(half), reader.number(half)]
    const privateExponent = reader.number(whole)
    return { modulus, publicExponent, privateExponent, prime1, prime2, exponent1, exponent2, coefficient }
  })
}

/**
 * Writes a CAPI PRIVATEKEYBLOB of an RSA key exchange key: a secret, the caller wipes it. Throws `key_blob_invalid` for
 * a key that the form cannot hold: a public exponent above 32 bits, or a prime longer than half the modulus.
 */
export function encodeCapiBlob(parts: RsaKeyParts): Uint8Array {
  const bits = bitLength(parts.modulus)
  const whole = Math.ceil(bits / 8)
  const half = Math.ceil(bits / 16)
  const { modulus, prime1, prime2, exponent1, exponent2, coefficient, privateExponent } = parts
  const inHalves = [prime1, prime2, exponent1, exponent2, coefficient]
  if (parts.publicExponent.length > 4) throw badKeyBlob('a PRIVATEKEYBLOB has no room for its public exponent')
  if (inHalves.some(part => part.length > half) || privateExponent.length > whole) {
    throw badKeyBlob('a PRIVATEKEYBLOB has no room for its private numbers')
  }
  const header = Buffer.alloc(HEADER_OCTETS)
  header[0] = PRIVATEKEYBLOB
  header[1] = CUR_BLOB_VERSION
  header.writeUInt32LE(CALG_RSA_KEYX, 4)
  header.writeUInt32LE(RSA2, 8)
  header.writeUInt32LE(bits, 12)
  header.set(littleEndian(parts.publicExponent, 4), 16)
  const halves = inHalves.map(part => littleEndian(part, half))
  const exponent = littleEndian(privateExponent, whole)
  try {
    return concatBytes([header, littleEndian(modulus, whole), ...halves, exponent])
  } finally {
    wipe(...halves, exponent)
  }
}
