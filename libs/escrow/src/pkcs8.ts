import { createECDH } from 'node:crypto'
import { equalBytes, isAppError, wipe } from '@app/core'
import {
  DerReader,
  encodeBitString,
  encodeContext,
  encodeInteger,
  encodeNull,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeUnsigned,
  contextTag,
  primitiveContextTag,
  TAG
} from '@app/der'
import { OID } from '@app/oid'
import { decodeAlgorithmIdentifier, hasNullOrNoParameters, type CurveName } from '@app/x509'
import {
  badKeyBlob,
  bitLength,
  FIELD_OCTETS,
  MODULUS_BITS,
  withoutLeadingZeros,
  type EcKeyParts,
  type RsaKeyParts
} from './key-parts.js'

const CURVE_OIDS = {
  'P-256': OID.secp256r1,
  'P-384': OID.secp384r1,
  'P-521': OID.secp521r1
} as const satisfies Record<CurveName, string>

const ECDH_NAMES = { 'P-256': 'prime256v1', 'P-384': 'secp384r1', 'P-521': 'secp521r1' } as const satisfies Record<
  CurveName,
  string
>

/**
 * Reads a PrivateKeyInfo or OneAsymmetricKey with an RSA key of two primes or a key on a NIST curve. Attributes are
 * passed over. The numbers are copies. Throws `key_blob_invalid`.
 *
 * ```asn1
 * OneAsymmetricKey ::= SEQUENCE {
 *   version              INTEGER { v1(0), v2(1) },
 *   privateKeyAlgorithm  AlgorithmIdentifier,
 *   privateKey           OCTET STRING,
 *   attributes           [0] IMPLICIT SET OF Attribute OPTIONAL,
 *   publicKey            [1] IMPLICIT BIT STRING OPTIONAL }      -- v2 only
 * ```
 * RFC 5958, 2.
 */
export function decodePkcs8(bytes: Uint8Array): RsaKeyParts | EcKeyParts {
  try {
    return readPkcs8(DerReader.over(bytes))
  } catch (error) {
    if (!isAppError(error)) throw error
    throw isAppError(error, 'key_blob_invalid') ? error : badKeyBlob('it is in none of the known forms')
  }
}

function readPkcs8(message: DerReader): RsaKeyParts | EcKeyParts {
  const body = message.sequence('private key')
  message.end('private key')
  const version = body.smallInteger('version')
  const algorithm = decodeAlgorithmIdentifier(body, 'private key algorithm')
  const privateKey = body.octetString('private key')
  body.optional(contextTag(0), 'attributes')
  const publicKey =
    version === 1 && body.nextTag === primitiveContextTag(1)
      ? body.bitString('public key', primitiveContextTag(1)).bytes
      : undefined
  body.end('private key')
  if (version > 1) throw badKeyBlob('its PKCS#8 version is unknown')
  switch (algorithm.oid) {
    case OID.rsaEncryption:
      if (!hasNullOrNoParameters(algorithm)) throw badKeyBlob('its RSA parameters are not NULL')
      return readRsaPrivateKey(privateKey)
    case OID.id_ecPublicKey:
      return readEcPrivateKey(privateKey, curveOf(algorithm.parameters), publicKey)
    default:
      throw badKeyBlob('it is neither an RSA nor an elliptic curve encryption key')
  }
}

/**
 * ```asn1
 * RSAPrivateKey ::= SEQUENCE {
 *   version INTEGER (0), modulus INTEGER, publicExponent INTEGER, privateExponent INTEGER, prime1 INTEGER,
 *   prime2 INTEGER, exponent1 INTEGER, exponent2 INTEGER, coefficient INTEGER }
 * ```
 * RFC 8017, A.1.2; keys of more than two primes (version 1) are refused.
 */
function readRsaPrivateKey(bytes: Uint8Array): RsaKeyParts {
  const message = DerReader.over(bytes)
  const body = message.sequence('RSAPrivateKey')
  message.end('RSAPrivateKey')
  if (body.smallInteger('version') !== 0) throw badKeyBlob('it has more than two primes')
  const numbers = body.each(reader => reader.integerContent('number'))
  const [modulus, publicExponent, privateExponent, prime1, prime2, exponent1, exponent2, coefficient] = numbers
  const isWhole = numbers.length === 8 && numbers.every(number => (number[0] as number) < 0x80)
  if (!isWhole) throw badKeyBlob('it has not the eight positive numbers of an RSA key')
  const bits = bitLength(withoutLeadingZeros(modulus as Uint8Array))
  if (bits < MODULUS_BITS.minimum || bits > MODULUS_BITS.maximum)
    throw badKeyBlob('its modulus has a size out of range')
  return {
    modulus: copyOf(modulus),
    publicExponent: copyOf(publicExponent),
    privateExponent: copyOf(privateExponent),
    prime1: copyOf(prime1),
    prime2: copyOf(prime2),
    exponent1: copyOf(exponent1),
    exponent2: copyOf(exponent2),
    coefficient: copyOf(coefficient)
  }
}

/**
 * ```asn1
 * ECPrivateKey ::= SEQUENCE {
 *   version     INTEGER (1),
 *   privateKey  OCTET STRING,                          -- as long as the curve's order
 *   parameters  [0] ECParameters {{ NamedCurve }} OPTIONAL,
 *   publicKey   [1] BIT STRING OPTIONAL }
 * ```
 * RFC 5915, 3. A public key that stands in neither place is computed.
 */
function readEcPrivateKey(bytes: Uint8Array, curve: CurveName, outerPoint: Uint8Array | undefined): EcKeyParts {
  const message = DerReader.over(bytes)
  const body = message.sequence('ECPrivateKey')
  message.end('ECPrivateKey')
  if (body.smallInteger('version') !== 1) throw badKeyBlob('its ECPrivateKey version is unknown')
  const scalar = body.octetString('scalar')
  const parameters = body.optionalExplicit(0, 'parameters')
  if (parameters !== undefined && curveOf(parameters.any('curve').raw) !== curve) {
    throw badKeyBlob('it names two curves')
  }
  parameters?.end('parameters')
  const innerPoint = body.optionalExplicit(1, 'public key')?.bitString('public key').bytes
  body.end('ECPrivateKey')
  if (scalar.length !== FIELD_OCTETS[curve]) throw badKeyBlob('its scalar is not as long as its curve demands')
  if (innerPoint !== undefined && outerPoint !== undefined && !equalBytes(innerPoint, outerPoint)) {
    throw badKeyBlob('it has two public keys')
  }
  const point = innerPoint ?? outerPoint ?? pointOf(curve, scalar)
  if (point[0] !== 4 || point.length !== 1 + 2 * FIELD_OCTETS[curve]) throw badKeyBlob('its point is not uncompressed')
  return { curve, point: Uint8Array.from(point), scalar: Uint8Array.from(scalar) }
}

function pointOf(curve: CurveName, scalar: Uint8Array): Uint8Array {
  const ecdh = createECDH(ECDH_NAMES[curve])
  try {
    ecdh.setPrivateKey(scalar)
    return ecdh.getPublicKey()
  } catch {
    throw badKeyBlob('its scalar is out of range')
  }
}

function curveOf(parameters: Uint8Array | undefined): CurveName {
  if (parameters?.[0] !== TAG.oid) throw badKeyBlob('it names no curve')
  const reader = DerReader.over(parameters)
  const oid = reader.oid('curve')
  reader.end('curve')
  const curve = (Object.keys(CURVE_OIDS) as CurveName[]).find(name => CURVE_OIDS[name] === oid)
  if (curve === undefined) throw badKeyBlob('its curve is not supported')
  return curve
}

function copyOf(number: Uint8Array | undefined): Uint8Array {
  return Uint8Array.from(withoutLeadingZeros(number ?? new Uint8Array()))
}

/** PrivateKeyInfo of an RSA key: a secret, the caller wipes it. */
export function encodeRsaPkcs8(parts: RsaKeyParts): Uint8Array {
  const { modulus, publicExponent, privateExponent, prime1, prime2, exponent1, exponent2, coefficient } = parts
  const numbers = [modulus, publicExponent, privateExponent, prime1, prime2, exponent1, exponent2, coefficient]
  const encoded = numbers.map(encodeUnsigned)
  try {
    return encodePkcs8([encodeOid(OID.rsaEncryption), encodeNull()], [encodeInteger(0), ...encoded])
  } finally {
    wipe(...encoded)
  }
}

/** PrivateKeyInfo of an elliptic curve key with its public point inside: a secret, the caller wipes it. */
export function encodeEcPkcs8({ curve, point, scalar }: EcKeyParts): Uint8Array {
  const encoded = encodeOctetString(scalar)
  try {
    return encodePkcs8(
      [encodeOid(OID.id_ecPublicKey), encodeOid(CURVE_OIDS[curve])],
      [encodeInteger(1), encoded, encodeContext(1, encodeBitString(point))]
    )
  } finally {
    wipe(encoded)
  }
}

/** SubjectPublicKeyInfo of a point. */
export function encodeEcPublicKey(curve: CurveName, point: Uint8Array): Uint8Array {
  return encodeSequence(
    encodeSequence(encodeOid(OID.id_ecPublicKey), encodeOid(CURVE_OIDS[curve])),
    encodeBitString(point)
  )
}

function encodePkcs8(algorithm: readonly Uint8Array[], key: readonly Uint8Array[]): Uint8Array {
  const sequence = encodeSequence(...key)
  const octets = encodeOctetString(sequence)
  try {
    return encodeSequence(encodeInteger(0), encodeSequence(...algorithm), octets)
  } finally {
    wipe(sequence, octets)
  }
}
