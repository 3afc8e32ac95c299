import { createHmac, hash } from 'node:crypto'
import { AppError, concatBytes, equalBytesConstantTime, wipe } from '@app/core'
import { encodeNull, encodeOctetString, encodeSequence, type DerReader } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeAlgorithmIdentifier,
  digestNameOf,
  encodeAlgorithmIdentifier,
  encodeDigestAlgorithm,
  hasNullOrNoParameters,
  type AlgorithmIdentifier,
  type DigestName
} from '@app/x509'

/** A hash function that proofs with a shared secret may use. SHA-1 is refused: nothing old needs it here. */
export type ProofDigest = Exclude<DigestName, 'sha1'>

/** A witness made with a shared secret, as received. */
export interface SecretWitness {
  readonly keyAlgorithm: AlgorithmIdentifier
  readonly macAlgorithm: AlgorithmIdentifier
  readonly witness: Uint8Array
}

/** What a requester proves its identity with: the secret was handed over out of band. */
export interface SharedSecret {
  /** UTF-8. The caller wipes it. */
  readonly secret: Uint8Array
  /** The text of the identification control of the same message, when there is one. */
  readonly identification?: string | undefined
}

/**
 * Reads the value of an identity proof or POP link witness of version 2, without judging it. Throws a `der_…` code.
 *
 * ```asn1
 * IdentityProofV2 ::= SEQUENCE {
 *   hashAlgID  AlgorithmIdentifier,
 *   macAlgID   AlgorithmIdentifier,
 *   witness    OCTET STRING }
 * PopLinkWitnessV2 ::= SEQUENCE {
 *   keyGenAlgorithm  AlgorithmIdentifier,
 *   macAlgorithm     AlgorithmIdentifier,
 *   witness          OCTET STRING }
 * ```
 * RFC 10002 (RFC 5272), 6.2.1 and 6.3.1.1.
 */
export function decodeSecretWitness(reader: DerReader, what: string): SecretWitness {
  const body = reader.sequence(what)
  const keyAlgorithm = decodeAlgorithmIdentifier(body, `key algorithm of ${what}`)
  const macAlgorithm = decodeAlgorithmIdentifier(body, `MAC algorithm of ${what}`)
  const witness = body.octetString(`witness of ${what}`)
  body.end(what)
  return { keyAlgorithm, macAlgorithm, witness }
}

const MAC_OIDS: Readonly<Record<ProofDigest, string>> = {
  sha256: OID.id_hmacWithSHA256,
  sha384: OID.id_hmacWithSHA384,
  sha512: OID.id_hmacWithSHA512
}

/**
 * The value of an identity proof control over a reqSequence element (RFC 10002 (RFC 5272), 6.2.1). The key is the hash
 * of the secret and, when the message has one, the identification (6.2.3). The same construction over a random value is
 * a POP link witness (6.3.1.1).
 */
export function buildIdentityProofV2(
  covered: Uint8Array,
  shared: SharedSecret,
  digest: ProofDigest = 'sha256'
): Uint8Array {
  return encodeSequence(
    encodeDigestAlgorithm(digest),
    encodeAlgorithmIdentifier(MAC_OIDS[digest], encodeNull()),
    encodeOctetString(computeWitness(covered, shared, digest, digest))
  )
}

/**
 * Verifies an identity proof over the received reqSequence element, or a POP link witness over the received random
 * value, in a time that does not depend on where they differ. Throws `identity_proof_invalid` for every cause, algorithms
 * outside of SHA-256, SHA-384 and SHA-512 included.
 */
export function verifyIdentityProofV2(covered: Uint8Array, proof: SecretWitness, shared: SharedSecret): void {
  const keyDigest = proofDigest(digestNameOf(proof.keyAlgorithm.oid))
  const macDigest = (Object.keys(MAC_OIDS) as ProofDigest[]).find(name => MAC_OIDS[name] === proof.macAlgorithm.oid)
  const isPlain = hasNullOrNoParameters(proof.keyAlgorithm) && hasNullOrNoParameters(proof.macAlgorithm)
  if (keyDigest === undefined || macDigest === undefined || !isPlain) {
    throw new AppError('identity_proof_invalid', 'The identity proof uses an algorithm that is not accepted.', {
      keyAlgorithm: proof.keyAlgorithm.oid,
      macAlgorithm: proof.macAlgorithm.oid
    })
  }
  const expected = computeWitness(covered, shared, keyDigest, macDigest)
  if (!equalBytesConstantTime(expected, proof.witness)) {
    throw new AppError('identity_proof_invalid', 'The identity proof does not verify with the shared secret.')
  }
}

function proofDigest(digest: DigestName | undefined): ProofDigest | undefined {
  return digest === 'sha1' ? undefined : digest
}

function computeWitness(
  covered: Uint8Array,
  shared: SharedSecret,
  keyDigest: ProofDigest,
  macDigest: ProofDigest
): Uint8Array {
  const material = concatBytes([shared.secret, Buffer.from(shared.identification ?? '', 'utf8')])
  const key = hash(keyDigest, material, 'buffer')
  try {
    return createHmac(macDigest, key).update(covered).digest()
  } finally {
    wipe(material, key)
  }
}
