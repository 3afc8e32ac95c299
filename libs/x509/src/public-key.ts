import { createPublicKey, hash, type KeyObject } from 'node:crypto'
import { AppError, toBase64, view } from '@app/core'
import { DerReader } from '@app/der'
import { OID } from '@app/oid'
import { decodeAlgorithmIdentifier, hasNullOrNoParameters, type AlgorithmIdentifier } from './algorithm.js'

/** A curve of FIPS 186 by name. */
export type CurveName = 'P-256' | 'P-384' | 'P-521'

/** A public key of one of the supported kinds, as received. */
export interface PublicKeyInfo {
  /** The SubjectPublicKeyInfo element. */
  readonly raw: Uint8Array
  readonly algorithm: 'rsa' | 'ec' | 'ed25519'
  /** Only for `ec`. */
  readonly curve?: CurveName
  /** Size of the RSA modulus, of the curve's field, or 255 for Ed25519. */
  readonly bits: number
  /** SHA-1 over the content of the BIT STRING, 20 bytes: the key identifier of RFC 5280, 4.2.1.2, method 1. */
  readonly keyId: Uint8Array
  /**
   * The key for node:crypto, made when first asked for. Throws `public_key_unsupported` when the numbers are no key,
   * for instance a point that is not on its curve.
   */
  readonly keyObject: KeyObject
  /** Only for `rsa`: big-endian without leading zeros. */
  readonly modulus?: Uint8Array
  /** Only for `rsa`. */
  readonly publicExponent?: bigint
  /** Only for `ec` and `ed25519`: the point as encoded (for `ec` 04, X, Y). */
  readonly point?: Uint8Array
}

type KeyNumbers = Pick<PublicKeyInfo, 'algorithm' | 'bits' | 'curve' | 'modulus' | 'publicExponent' | 'point'>

const MIN_MODULUS_BITS = 512
const MAX_MODULUS_BITS = 16_384
const MAX_EXPONENT_OCTETS = 32

const CURVES: ReadonlyMap<string, { readonly curve: CurveName; readonly bits: number; readonly octets: number }> =
  new Map([
    [OID.secp256r1, { curve: 'P-256', bits: 256, octets: 32 }],
    [OID.secp384r1, { curve: 'P-384', bits: 384, octets: 48 }],
    [OID.secp521r1, { curve: 'P-521', bits: 521, octets: 66 }]
  ])

/**
 * Reads a SubjectPublicKeyInfo that stands alone. Throws `public_key_unsupported` for a kind, curve, form or size that
 * is not supported (RSA of 512 to 16384 bits, P-256, P-384, P-521 as named curves with uncompressed points, Ed25519),
 * `x509_structure` or a `der_…` code for broken syntax. Whether the size is enough is for the policy to say.
 *
 * ```asn1
 * SubjectPublicKeyInfo ::= SEQUENCE {
 *   algorithm         AlgorithmIdentifier,
 *   subjectPublicKey  BIT STRING }
 * ```
 * RFC 5280, 4.1.2.7; RFC 3279, 2.3; RFC 5480, 2; RFC 8410, 3 and 4.
 */
export function decodePublicKey(spki: Uint8Array): PublicKeyInfo {
  const reader = DerReader.over(spki)
  const key = decodeSubjectPublicKeyInfo(reader, 'public key')
  reader.end('public key')
  return key
}

/** Reads the SubjectPublicKeyInfo that comes next; as {@link decodePublicKey}. */
export function decodeSubjectPublicKeyInfo(reader: DerReader, what: string): PublicKeyInfo {
  const body = reader.sequence(what)
  const { raw } = body
  const algorithm = decodeAlgorithmIdentifier(body, `${what} algorithm`)
  const { unusedBits, bytes } = body.bitString(`${what} bits`)
  body.end(what)
  if (unusedBits !== 0) {
    throw new AppError('x509_structure', `The bits of ${what} are not whole octets.`, { what, unusedBits })
  }
  return publicKeyOf(raw, bytes, decodeKeyNumbers(algorithm, bytes, what))
}

function decodeKeyNumbers(algorithm: AlgorithmIdentifier, bytes: Uint8Array, what: string): KeyNumbers {
  switch (algorithm.oid) {
    case OID.rsaEncryption:
      if (algorithm.parameters === undefined || !hasNullOrNoParameters(algorithm)) {
        throw new AppError('x509_structure', `The RSA parameters of ${what} are not NULL.`, { what })
      }
      return decodeRsaPublicKey(bytes, what)
    case OID.id_ecPublicKey:
      return decodeEcPoint(algorithm, bytes, what)
    case OID.id_Ed25519:
      if (algorithm.parameters !== undefined || bytes.length !== 32) {
        throw new AppError('x509_structure', `${what} is not an Ed25519 key of 32 octets without parameters.`, { what })
      }
      return { algorithm: 'ed25519', bits: 255, point: bytes }
    default:
      throw unsupported(what, `has an algorithm that is not supported (${algorithm.oid})`, { oid: algorithm.oid })
  }
}

/**
 * ```asn1
 * RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }
 * ```
 * RFC 8017, A.1.1. Both numbers are positive and odd in any key (RFC 8017, 3.1).
 */
function decodeRsaPublicKey(bytes: Uint8Array, what: string): KeyNumbers {
  const reader = DerReader.over(bytes)
  const body = reader.sequence(`${what} RSAPublicKey`)
  const modulus = decodePositive(body.integerContent(`${what} modulus`), `${what} modulus`)
  const exponent = decodePositive(body.integerContent(`${what} exponent`), `${what} exponent`)
  body.end(`${what} RSAPublicKey`)
  reader.end(`${what} RSAPublicKey`)
  const bits = modulus.length * 8 - (Math.clz32(modulus[0] as number) - 24)
  if (bits < MIN_MODULUS_BITS || bits > MAX_MODULUS_BITS) {
    throw unsupported(what, `has ${bits} bits, outside ${MIN_MODULUS_BITS} to ${MAX_MODULUS_BITS}`, { bits })
  }
  const publicExponent = exponent.length > MAX_EXPONENT_OCTETS ? 0n : BigInt(`0x${view(exponent).toString('hex')}`)
  const isModulusOdd = ((modulus[modulus.length - 1] as number) & 1) === 1
  if (!isModulusOdd || publicExponent < 3n || (publicExponent & 1n) === 0n) {
    throw unsupported(what, 'has a modulus or exponent that no RSA key has', { bits })
  }
  return { algorithm: 'rsa', bits, modulus, publicExponent }
}

/** The magnitude of a positive INTEGER without its sign octet. */
function decodePositive(content: Uint8Array, what: string): Uint8Array {
  const magnitude = content[0] === 0 ? content.subarray(1) : content
  if (magnitude.length === 0 || (content[0] as number) >= 0x80) {
    throw new AppError('x509_structure', `${what} is not a positive number.`, { what })
  }
  return magnitude
}

/**
 * ```asn1
 * ECParameters ::= CHOICE { namedCurve OBJECT IDENTIFIER }
 * ```
 * RFC 5480, 2.1.1. Explicit curve parameters are refused: they have been used to forge signatures.
 */
function decodeEcPoint(algorithm: AlgorithmIdentifier, point: Uint8Array, what: string): KeyNumbers {
  if (algorithm.parameters === undefined) throw unsupported(what, 'names no curve', {})
  const reader = DerReader.over(algorithm.parameters)
  if (reader.nextTag !== 0x06) throw unsupported(what, 'describes its curve instead of naming it', {})
  const oid = reader.oid(`${what} curve`)
  const known = CURVES.get(oid)
  if (known === undefined) throw unsupported(what, `is on a curve that is not supported (${oid})`, { oid })
  if (point[0] !== 0x04 || point.length !== 1 + 2 * known.octets) {
    throw unsupported(what, 'is not an uncompressed point of its curve', { curve: known.curve, bytes: point.length })
  }
  return { algorithm: 'ec', bits: known.bits, curve: known.curve, point }
}

function publicKeyOf(raw: Uint8Array, bits: Uint8Array, numbers: KeyNumbers): PublicKeyInfo {
  let keyId: Uint8Array | undefined
  let keyObject: KeyObject | undefined
  return {
    ...numbers,
    raw,
    get keyId(): Uint8Array {
      keyId ??= hash('sha1', bits, 'buffer')
      return keyId
    },
    get keyObject(): KeyObject {
      keyObject ??= importKey(raw)
      return keyObject
    }
  }
}

function importKey(raw: Uint8Array): KeyObject {
  try {
    // As text, since node:crypto looks at any object for what it is not, at the price of four errors made and caught.
    return createPublicKey(`-----BEGIN PUBLIC KEY-----\n${toBase64(raw)}\n-----END PUBLIC KEY-----\n`)
  } catch (cause) {
    throw new AppError('public_key_unsupported', 'The public key has numbers that make no valid key.', {}, { cause })
  }
}

function unsupported(what: string, why: string, evidence: Readonly<Record<string, string | number>>): AppError {
  return new AppError('public_key_unsupported', `${what} ${why}.`, { what, ...evidence })
}
