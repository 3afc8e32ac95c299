import { hash } from 'node:crypto'
import type { KeyHash } from '@app/cmc'
import { AppError, fromHex, toHex } from '@app/core'
import { DIGEST_LENGTHS, type DigestName, type PublicKeyInfo } from '@app/x509'
import type { RequestTies, RequestType } from './request-creation.js'
import type { Expectation } from './response-acceptance.js'

/** A request that waits for its response, without its private key: JSON as it stands. Nothing in it is a secret. */
export interface PendingEnrollment {
  readonly version: 1
  readonly type: RequestType
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hexadecimal: ties this to the private key beside it. */
  readonly publicKey: string
  /** Hexadecimal content octets of the INTEGER; absent for PKCS#10 and PKCS#7. */
  readonly transactionId?: string
  readonly senderNonce?: string
  /** Present when the private key is archived. */
  readonly keyHash?: { readonly algorithm: DigestName; readonly value: string }
  /** The number that the CA gave the request, once that is known. */
  readonly requestId?: number
}

/** The JSON form of what is remembered. */
export function encodePending(expected: Expectation, requestId?: number): PendingEnrollment {
  const { type, publicKey, ties, keyHash } = expected
  return {
    version: 1,
    type,
    publicKey: fingerprintOf(publicKey),
    ...(ties === undefined ? {} : { transactionId: toHex(ties.transactionId), senderNonce: toHex(ties.senderNonce) }),
    ...(keyHash === undefined ? {} : { keyHash: { algorithm: keyHash.algorithm, value: toHex(keyHash.value) } }),
    ...(requestId === undefined ? {} : { requestId })
  }
}

/**
 * Reads back what {@link encodePending} wrote and holds it against the private key's public half. Throws
 * `key_store_invalid` when it is damaged, of another version or for another key.
 */
export function decodePending(value: unknown, publicKey: PublicKeyInfo): Expectation & { readonly requestId?: number } {
  const fields = fieldsOf(value)
  const { version, type, requestId } = fields
  if (version !== 1) throw damaged('its version is not 1')
  if (!TYPES.has(type)) throw damaged('it names no form of request')
  if (fields['publicKey'] !== fingerprintOf(publicKey)) throw damaged('it is for another private key')
  if (requestId !== undefined && (!Number.isSafeInteger(requestId) || (requestId as number) < 1)) {
    throw damaged('its request id is no number')
  }
  const form = type as RequestType
  const ties = tiesIn(fields, form)
  const keyHash = keyHashIn(fields['keyHash'])
  return {
    type: form,
    publicKey,
    ...(ties === undefined ? {} : { ties }),
    ...(keyHash === undefined ? {} : { keyHash }),
    ...(requestId === undefined ? {} : { requestId: requestId as number })
  }
}

const TYPES: ReadonlySet<unknown> = new Set<RequestType>(['cmc', 'crmf', 'pkcs10', 'pkcs7'])

function tiesIn(fields: Readonly<Record<string, unknown>>, type: RequestType): RequestTies | undefined {
  const { transactionId, senderNonce } = fields
  if ((type === 'pkcs10' || type === 'pkcs7') && transactionId === undefined && senderNonce === undefined)
    return undefined
  return { transactionId: octetsIn(transactionId, 'transaction id'), senderNonce: octetsIn(senderNonce, 'nonce') }
}

function keyHashIn(value: unknown): KeyHash | undefined {
  if (value === undefined) return undefined
  const { algorithm, value: text } = fieldsOf(value)
  if (typeof algorithm !== 'string' || !Object.hasOwn(DIGEST_LENGTHS, algorithm))
    throw damaged('its key hash is unknown')
  const octets = octetsIn(text, 'key hash')
  if (octets.length !== DIGEST_LENGTHS[algorithm as DigestName]) throw damaged('its key hash has another length')
  return { algorithm: algorithm as DigestName, value: octets }
}

function octetsIn(value: unknown, what: string): Uint8Array {
  const octets = typeof value === 'string' ? fromHex(value) : undefined
  if (octets === undefined || octets.length === 0) throw damaged(`its ${what} is missing or not hexadecimal`)
  return octets
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw damaged('it is no JSON object')
  return value as Readonly<Record<string, unknown>>
}

function fingerprintOf(publicKey: PublicKeyInfo): string {
  return toHex(hash('sha256', publicKey.raw, 'buffer'))
}

function damaged(why: string): AppError {
  return new AppError('key_store_invalid', `What was kept of the pending request cannot be used: ${why}.`)
}
