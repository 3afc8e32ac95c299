import { constants, verify, type KeyObject, type VerifyKeyObjectInput } from 'node:crypto'
import { AppError, isAppError } from '@app/core'
import { encodeNull } from '@app/der'
import { OID } from '@app/oid'
import {
  encodeAlgorithmIdentifier,
  hasNullOrNoParameters,
  type AlgorithmIdentifier,
  type DigestName
} from './algorithm.js'
import { decodePssParameters, decodeSpecifiedDigest } from './signature-parameters.js'
import type { PublicKeyInfo } from './public-key.js'

/** A signature this program makes. RSA is PKCS#1 v1.5. */
export type SignatureScheme =
  'rsa-sha256' | 'rsa-sha384' | 'rsa-sha512' | 'ecdsa-sha256' | 'ecdsa-sha384' | 'ecdsa-sha512' | 'ed25519'

interface SchemeFacts {
  readonly oid: string
  readonly digest: DigestName
  readonly encoded: Uint8Array
}

function rsaFacts(oid: string, digest: DigestName): SchemeFacts {
  return { oid, digest, encoded: encodeAlgorithmIdentifier(oid, encodeNull()) }
}

function plainFacts(oid: string, digest: DigestName): SchemeFacts {
  return { oid, digest, encoded: encodeAlgorithmIdentifier(oid) }
}

const SCHEMES = {
  'rsa-sha256': rsaFacts(OID.sha256WithRSAEncryption, 'sha256'),
  'rsa-sha384': rsaFacts(OID.sha384WithRSAEncryption, 'sha384'),
  'rsa-sha512': rsaFacts(OID.sha512WithRSAEncryption, 'sha512'),
  'ecdsa-sha256': plainFacts(OID.ecdsa_with_SHA256, 'sha256'),
  'ecdsa-sha384': plainFacts(OID.ecdsa_with_SHA384, 'sha384'),
  'ecdsa-sha512': plainFacts(OID.ecdsa_with_SHA512, 'sha512'),
  ed25519: plainFacts(OID.id_Ed25519, 'sha512')
} as const satisfies Record<SignatureScheme, SchemeFacts>

/**
 * The AlgorithmIdentifier of a scheme: NULL parameters for RSA, none for the others (RFC 4055, 5; RFC 5758, 3.2;
 * RFC 8410, 3). The result is shared, do not write to it.
 */
export function encodeSignatureAlgorithm(scheme: SignatureScheme): Uint8Array {
  return SCHEMES[scheme].encoded
}

/** The hash function of a scheme; for Ed25519 the one that CMS pairs it with, SHA-512 (RFC 8419, 3). */
export function digestOfScheme(scheme: SignatureScheme): DigestName {
  return SCHEMES[scheme].digest
}

/**
 * The scheme to sign with a key: with the hash function named, else SHA-256 for RSA and P-256, SHA-384 for P-384 and
 * SHA-512 for P-521. Ed25519 has one scheme and ignores it. Throws `cms_algorithm_not_allowed` for SHA-1.
 */
export function schemeFor(publicKey: Pick<PublicKeyInfo, 'algorithm' | 'curve'>, digest?: DigestName): SignatureScheme {
  if (publicKey.algorithm === 'ed25519') return 'ed25519'
  const chosen = digest ?? defaultDigest(publicKey)
  if (chosen === 'sha1') throw new AppError('cms_algorithm_not_allowed', 'Nothing is signed with SHA-1.', { digest })
  return publicKey.algorithm === 'rsa' ? `rsa-${chosen}` : `ecdsa-${chosen}`
}

function defaultDigest(publicKey: Pick<PublicKeyInfo, 'curve'>): DigestName {
  switch (publicKey.curve) {
    case 'P-384':
      return 'sha384'
    case 'P-521':
      return 'sha512'
    default:
      return 'sha256'
  }
}

/** A signature to verify. */
export interface SignatureToVerify {
  readonly publicKey: PublicKeyInfo
  readonly signatureAlgorithm: AlgorithmIdentifier
  /** The hash function stated beside the signature algorithm, as in a SignerInfo; must agree with it. */
  readonly digest?: DigestName
  readonly data: Uint8Array
  /** ECDSA as DER (Ecdsa-Sig-Value). */
  readonly signature: Uint8Array
  /** SHA-1 is refused unless this is true. */
  readonly allowSha1?: boolean
}

/** How to verify: the kind of key, its padding, the hash function (undefined: to be stated beside it). */
interface Method {
  readonly key: PublicKeyInfo['algorithm']
  readonly digest: DigestName | undefined
  readonly isPss?: boolean
}

const COMBINED: ReadonlyMap<string, Method> = new Map<string, Method>([
  [OID.sha1WithRSAEncryption, { key: 'rsa', digest: 'sha1' }],
  [OID.sha256WithRSAEncryption, { key: 'rsa', digest: 'sha256' }],
  [OID.sha384WithRSAEncryption, { key: 'rsa', digest: 'sha384' }],
  [OID.sha512WithRSAEncryption, { key: 'rsa', digest: 'sha512' }],
  [OID.rsaEncryption, { key: 'rsa', digest: undefined }],
  [OID.ecdsa_with_SHA1, { key: 'ec', digest: 'sha1' }],
  [OID.ecdsa_with_SHA256, { key: 'ec', digest: 'sha256' }],
  [OID.ecdsa_with_SHA384, { key: 'ec', digest: 'sha384' }],
  [OID.ecdsa_with_SHA512, { key: 'ec', digest: 'sha512' }],
  [OID.id_Ed25519, { key: 'ed25519', digest: 'sha512' }]
])

/**
 * Verifies a signature by an algorithm of the allow-list: RSA PKCS#1 v1.5 (combined identifiers, or rsaEncryption with
 * the hash function stated beside it), RSASSA-PSS with one hash function throughout and a salt of its length, ECDSA,
 * Ed25519. Returns the hash function and whether the signature is right.
 *
 * Throws `cms_algorithm_not_allowed` for any other algorithm or parameters, for SHA-1 that is not allowed and for a key
 * of another kind; `cms_digest_algorithm_mismatch` when the stated hash function is another; `public_key_unsupported`
 * when the key is none.
 */
export function verifySignature(input: SignatureToVerify): { readonly digest: DigestName; readonly valid: boolean } {
  const { publicKey, signatureAlgorithm, data, signature, allowSha1 = false } = input
  const method = methodOf(signatureAlgorithm)
  const digest = method.digest ?? input.digest
  if (digest === undefined) throw refused(signatureAlgorithm, 'names no hash function and none is stated beside it')
  if (input.digest !== undefined && input.digest !== digest) {
    throw new AppError(
      'cms_digest_algorithm_mismatch',
      `The signature algorithm uses ${digest} where ${input.digest} is stated.`,
      { algorithm: signatureAlgorithm.oid, stated: input.digest }
    )
  }
  if (digest === 'sha1' && !allowSha1) throw refused(signatureAlgorithm, 'uses SHA-1, which is not allowed here')
  if (method.key !== publicKey.algorithm)
    throw refused(signatureAlgorithm, `is not for a key of type ${publicKey.algorithm}`)
  return { digest, valid: isValid(verifyInput(method, publicKey), method, digest, data, signature) }
}

/**
 * Checks that an issuer signed a certificate or CRL. Throws `chain_invalid` when it did not, or with an algorithm that
 * {@link verifySignature} does not accept (its error is the cause).
 */
export function verifyIssuerSignature(input: SignatureToVerify, what: string): void {
  let valid: boolean
  try {
    valid = verifySignature(input).valid
  } catch (cause) {
    if (!isAppError(cause)) throw cause
    throw new AppError(
      'chain_invalid',
      `The signature of the ${what} cannot be accepted. ${cause.message}`,
      cause.evidence,
      { cause }
    )
  }
  if (!valid) throw new AppError('chain_invalid', `The ${what} is not signed with the key of its issuer.`)
}

/** A bare key means PKCS#1 v1.5 for RSA and DER for ECDSA, and costs node:crypto half of what an object around it does. */
function verifyInput(method: Method, { keyObject: key }: PublicKeyInfo): KeyObject | VerifyKeyObjectInput {
  return method.isPss === true
    ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : key
}

function isValid(
  key: KeyObject | VerifyKeyObjectInput,
  method: Method,
  digest: DigestName,
  data: Uint8Array,
  signature: Uint8Array
): boolean {
  try {
    return verify(method.key === 'ed25519' ? null : digest, data, key, signature)
  } catch {
    // OpenSSL raises instead of answering no when, for instance, the key is too short for the hash function.
    return false
  }
}

function methodOf(algorithm: AlgorithmIdentifier): Method {
  switch (algorithm.oid) {
    case OID.id_RSASSA_PSS:
      return { key: 'rsa', digest: decodePssParameters(algorithm.parameters), isPss: true }
    case OID.ecdsa_with_Specified:
      return { key: 'ec', digest: decodeSpecifiedDigest(algorithm.parameters) }
    default: {
      const method = COMBINED.get(algorithm.oid)
      if (method === undefined) throw refused(algorithm, 'is not an accepted one')
      const isAllowed = method.key === 'rsa' ? hasNullOrNoParameters(algorithm) : algorithm.parameters === undefined
      if (!isAllowed) throw refused(algorithm, 'has parameters that it must not have')
      return method
    }
  }
}

function refused(algorithm: AlgorithmIdentifier, why: string): AppError {
  return new AppError('cms_algorithm_not_allowed', `The signature algorithm ${algorithm.oid} ${why}.`, {
    algorithm: algorithm.oid
  })
}
