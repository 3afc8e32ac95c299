import { randomBytes, sign, verify, type KeyObject } from 'node:crypto'
import { AppError, equalBytes, isAppError, wipe } from '@app/core'
import type { DigestName, PublicKeyInfo } from '@app/x509'
import { decodeKeyBlob, keyObjectOf, wipeKeyBlob, type EcKeyBlob, type KeyBlob, type RsaKeyBlob } from './key-blob.js'
import { isConsistentRsaKey, toBigInt } from './rsa-arithmetic.js'

/**
 * Verifies that a private key is the private half of the requested key, and a whole one, so that whoever recovers it
 * can decrypt what was encrypted to the certificate (the checks are of MS-WCCE 3.2.2.6.2.1.2 and stricter):
 *
 * 1. Its public half is the requested key, number by number.
 * 2. RSA: the numbers belong together. EC: the scalar is above zero and below the curve's order.
 * 3. It signs a random message that the requested key verifies. For EC this is the proof that the scalar is the point's.
 *    For RSA it is the proof that the factors are prime: a key whose d was made to pass 2 with a composite factor would
 *    not decrypt, and its owner could make one to escape recovery.
 *
 * RSA-2048 costs the event loop about 0.1 ms; the signature, some 0.4 ms as the key is fresh, is made on the thread pool.
 * Always throws `archived_key_mismatch` with the same words; the blob is left to the caller.
 */
export async function verifyKeyPair(key: KeyBlob, requestedPublicKey: PublicKeyInfo): Promise<void> {
  const isPublicHalf = key.algorithm === 'rsa' ? isRsaHalf(key, requestedPublicKey) : isEcHalf(key, requestedPublicKey)
  if (!isPublicHalf) throw keyMismatch()
  const isWhole = key.algorithm === 'rsa' ? isConsistentRsaKey(key.parts) : isScalarInRange(key)
  if (!isWhole || !(await signsFor(key, requestedPublicKey))) throw keyMismatch()
}

/** As {@link verifyKeyPair}, for a key that node:crypto holds; keys that no blob can hold do not match. */
export async function verifyKeyObjectPair(privateKey: KeyObject, requestedPublicKey: PublicKeyInfo): Promise<void> {
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
  let key: KeyBlob | undefined
  try {
    key = decodeKeyBlob(pkcs8)
    await verifyKeyPair(key, requestedPublicKey)
  } catch (error) {
    throw isAppError(error, 'key_blob_invalid') ? keyMismatch() : error
  } finally {
    wipe(pkcs8)
    if (key !== undefined) wipeKeyBlob(key)
  }
}

/**
 * The one error for an archived key that does not open, cannot be read or is not the requested key's private half. It
 * tells nothing of which it was, so that nobody can learn of a key by sending variations of its envelope.
 */
export function keyMismatch(): AppError {
  return new AppError(
    'archived_key_mismatch',
    'The archived key is not the private half of the requested key. Encrypt the private key of this request, whole, to the current exchange certificate.'
  )
}

function isRsaHalf({ parts }: RsaKeyBlob, requested: PublicKeyInfo): boolean {
  return (
    requested.modulus !== undefined &&
    equalBytes(parts.modulus, requested.modulus) &&
    toBigInt(parts.publicExponent) === requested.publicExponent
  )
}

function isEcHalf({ curve, parts }: EcKeyBlob, requested: PublicKeyInfo): boolean {
  return requested.curve === curve && requested.point !== undefined && equalBytes(parts.point, requested.point)
}

/** The orders of the curves' groups (SEC 2, 2.4.2, 2.5.1 and 2.6.1). */
const ORDERS = {
  'P-256': 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  'P-384': 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  'P-521':
    0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n
} as const

function isScalarInRange({ curve, parts }: EcKeyBlob): boolean {
  const scalar = toBigInt(parts.scalar)
  return scalar > 0n && scalar < ORDERS[curve]
}

async function signsFor(key: KeyBlob, requested: PublicKeyInfo): Promise<boolean> {
  const message = randomBytes(32)
  let privateKey: KeyObject
  try {
    privateKey = keyObjectOf(key)
  } catch (error) {
    if (isAppError(error, 'key_blob_invalid')) return false
    throw error
  }
  const signature = await signOnPool(privateKey, message, 'sha256')
  return signature !== undefined && verify('sha256', message, requested.keyObject, signature)
}

/** A signature made on the thread pool; undefined when the key cannot make one. */
function signOnPool(privateKey: KeyObject, message: Uint8Array, digest: DigestName): Promise<Uint8Array | undefined> {
  return new Promise(resolve => {
    sign(digest, message, privateKey, (error, signature) => resolve(error === null ? signature : undefined))
  })
}
