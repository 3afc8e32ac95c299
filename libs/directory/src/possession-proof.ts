import { createHash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { AppError } from '@app/core'

/** What a proof of possession is over. */
export interface PossessionClaim {
  /** Of the account that registers. */
  readonly sid: string
  /** The certificate, DER. */
  readonly certificate: Uint8Array
  /** As the server gave it. */
  readonly nonce: string
}

const CONTEXT = 'certkeep-register-certificate'

/**
 * The bytes that a proof signs: the purpose, the nonce, the account and the certificate's SHA-256, a line each. So a
 * signature made for anything else, another account or another certificate proves nothing.
 */
export function possessionBytes({ sid, certificate, nonce }: PossessionClaim): Uint8Array {
  const digest = createHash('sha256').update(certificate).digest('hex')
  return Buffer.from([CONTEXT, nonce, sid, digest, ''].join('\n'), 'utf8')
}

/** A proof by the key of the certificate: PKCS#1 v1.5 or ECDSA (DER) with SHA-256, or Ed25519 or Ed448. */
export function proveCertificatePossession(claim: PossessionClaim, privateKey: KeyObject): Uint8Array {
  return sign(digestFor(privateKey), possessionBytes(claim), privateKey)
}

/** Throws `proof_of_possession_invalid` unless the certificate's key signed the claim. */
export function verifyCertificatePossession(claim: PossessionClaim, spki: Uint8Array, signature: Uint8Array): void {
  if (isValid(claim, spki, signature)) return
  throw new AppError('proof_of_possession_invalid', 'The proof is not by the key of the certificate.')
}

function isValid(claim: PossessionClaim, spki: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    return verify(digestFor(key), possessionBytes(claim), key, signature)
  } catch {
    // A key that cannot sign at all, or of a kind that is not known here.
    return false
  }
}

function digestFor({ asymmetricKeyType }: KeyObject): string | null {
  return asymmetricKeyType === 'ed25519' || asymmetricKeyType === 'ed448' ? null : 'sha256'
}
