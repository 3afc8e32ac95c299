import { AppError } from '@app/core'
import { DerReader, TAG } from '@app/der'
import {
  decodeAlgorithmIdentifier,
  decodeSubjectPublicKeyInfo,
  type AlgorithmIdentifier,
  type PublicKeyInfo
} from '@app/x509'

/** A KEYGEN request as received: a key and a challenge, signed with the key. */
export interface KeygenRequest {
  readonly raw: Uint8Array
  /** The signed element. */
  readonly signed: Uint8Array
  readonly publicKey: PublicKeyInfo
  readonly challenge: string
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
}

/**
 * Reads a KEYGEN request (MS-WCCE 2.2.2.6.4); nothing may follow it. Throws `cmc_structure`, `public_key_unsupported` or
 * a `der_…` code.
 *
 * ```asn1
 * SignedPublicKeyAndChallenge ::= SEQUENCE {
 *   publicKeyAndChallenge  PublicKeyAndChallenge,
 *   signatureAlgorithm     AlgorithmIdentifier,
 *   signature              BIT STRING }
 * PublicKeyAndChallenge ::= SEQUENCE {
 *   spki       SubjectPublicKeyInfo,
 *   challenge  IA5String }
 * ```
 */
export function decodeKeygenRequest(bytes: Uint8Array): KeygenRequest {
  const message = DerReader.over(bytes)
  const outer = message.sequence('KEYGEN request')
  message.end('KEYGEN request')
  const body = outer.sequence('PublicKeyAndChallenge')
  const signed = body.raw
  const publicKey = decodeSubjectPublicKeyInfo(body, 'KEYGEN public key')
  if (body.nextTag !== TAG.ia5String) body.element(TAG.ia5String, 'challenge')
  const challenge = body.string('challenge')
  body.end('PublicKeyAndChallenge')
  const signatureAlgorithm = decodeAlgorithmIdentifier(outer, 'KEYGEN signature algorithm')
  const { unusedBits, bytes: signature } = outer.bitString('KEYGEN signature')
  outer.end('KEYGEN request')
  if (unusedBits !== 0) throw new AppError('cmc_structure', 'The KEYGEN signature is not whole octets.')
  return { raw: bytes, signed, publicKey, challenge, signatureAlgorithm, signature }
}
