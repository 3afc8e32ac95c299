import { AppError, equalBytes } from '@app/core'
import { encodeNull, encodeOid, encodeSequence, type DerReader } from '@app/der'
import { OID } from '@app/oid'

/** A hash function this program computes. SHA-1 only where a caller allows it or a key identifier is meant. */
export type DigestName = 'sha1' | 'sha256' | 'sha384' | 'sha512'

/** An algorithm and its parameters as received; `parameters` and `raw` are whole elements. */
export interface AlgorithmIdentifier {
  readonly oid: string
  readonly parameters?: Uint8Array
  readonly raw: Uint8Array
}

/**
 * Reads an AlgorithmIdentifier without judging it. Throws a `der_…` code.
 *
 * ```asn1
 * AlgorithmIdentifier ::= SEQUENCE {
 *   algorithm   OBJECT IDENTIFIER,
 *   parameters  ANY DEFINED BY algorithm OPTIONAL }
 * ```
 * RFC 5280, 4.1.1.2.
 */
export function decodeAlgorithmIdentifier(reader: DerReader, what: string): AlgorithmIdentifier {
  const body = reader.sequence(what)
  const { raw } = body
  const oid = body.oid(`${what} algorithm`)
  if (body.isEnd) return { oid, raw }
  const parameters = body.any(`${what} parameters`).raw
  body.end(what)
  return { oid, parameters, raw }
}

/** An AlgorithmIdentifier; `parameters` is a whole element, absent when undefined. */
export function encodeAlgorithmIdentifier(oid: string, parameters?: Uint8Array): Uint8Array {
  return parameters === undefined ? encodeSequence(encodeOid(oid)) : encodeSequence(encodeOid(oid), parameters)
}

/** Whether the parameters are what hash and RSA algorithms may have: NULL, or nothing. */
export function hasNullOrNoParameters(algorithm: AlgorithmIdentifier): boolean {
  return algorithm.parameters === undefined || equalBytes(algorithm.parameters, encodeNull())
}

const DIGESTS: ReadonlyMap<string, DigestName> = new Map([
  [OID.id_sha1, 'sha1'],
  [OID.id_sha256, 'sha256'],
  [OID.id_sha384, 'sha384'],
  [OID.id_sha512, 'sha512']
])

/** The hash function of an object identifier, undefined when it is none that is accepted. */
export function digestNameOf(oid: string): DigestName | undefined {
  return DIGESTS.get(oid)
}

/** The size of a hash value in bytes. */
export const DIGEST_LENGTHS = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 } as const satisfies Record<
  DigestName,
  number
>

const DIGEST_OIDS = {
  sha1: OID.id_sha1,
  sha256: OID.id_sha256,
  sha384: OID.id_sha384,
  sha512: OID.id_sha512
} as const satisfies Record<DigestName, string>

/** The object identifier of a hash function. */
export function digestOid(digest: DigestName): string {
  return DIGEST_OIDS[digest]
}

/** A hash AlgorithmIdentifier without parameters (RFC 5754, 2; RFC 3370, 2.1). */
export function encodeDigestAlgorithm(digest: DigestName): Uint8Array {
  return encodeAlgorithmIdentifier(DIGEST_OIDS[digest])
}

/**
 * Reads the hash function of an AlgorithmIdentifier. Throws `cms_algorithm_not_allowed` when it is not an accepted one
 * or has parameters other than NULL.
 */
export function decodeDigestName(algorithm: AlgorithmIdentifier, what: string): DigestName {
  const digest = digestNameOf(algorithm.oid)
  if (digest === undefined || !hasNullOrNoParameters(algorithm)) {
    throw new AppError('cms_algorithm_not_allowed', `${what} is not an accepted hash function (${algorithm.oid}).`, {
      what,
      oid: algorithm.oid
    })
  }
  return digest
}
