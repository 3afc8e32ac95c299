import { createHash, createPublicKey, verify } from 'node:crypto'
import { AppError, fromBase64, fromHex, toBase64, toHex, view } from '@app/core'

/** The signed word that the chain had this hash at this position. */
export interface Checkpoint extends CheckpointFacts {
  /** By the key of {@link CheckpointFacts.keyId}, over {@link encodeCheckpoint}. */
  readonly signature: Uint8Array
}

/** What a checkpoint says. */
export interface CheckpointFacts {
  readonly position: number
  /** Of the link at the position. */
  readonly hash: Uint8Array
  /** No event up to this number can come any more: what is not linked up to the position was never written. */
  readonly settled: number
  readonly at: Date
  /** SHA-256 of the public key. */
  readonly keyId: Uint8Array
}

/** A key that checkpoints are signed with. */
export interface AuditPublicKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  readonly createdAt: Date
}

/** The name of an audit key: SHA-256 of its SubjectPublicKeyInfo. */
export function auditKeyId(publicKey: Uint8Array): Uint8Array {
  return createHash('sha256').update(publicKey).digest()
}

/**
 * The octets that are signed: lines of ASCII. The first keeps the signature from meaning anything elsewhere; no
 * certificate, CRL or CMS content begins so.
 */
export function encodeCheckpoint({ position, hash, settled, at, keyId }: CheckpointFacts): Uint8Array {
  const lines = [
    'certkeep audit checkpoint 1',
    `position: ${position}`,
    `hash: ${toHex(hash)}`,
    `settled: ${settled}`,
    `at: ${at.toISOString()}`,
    `key: ${toHex(keyId)}`
  ]
  return Buffer.from(`${lines.join('\n')}\n`)
}

/** Whether the key made the signature: ECDSA on P-256 with SHA-256, the signature in DER. No other key ever did. */
export function isSignedBy(checkpoint: Checkpoint, publicKey: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: view(publicKey), format: 'der', type: 'spki' })
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return false
    return verify('sha256', encodeCheckpoint(checkpoint), key, checkpoint.signature)
  } catch {
    return false
  }
}

/** A line of the file of checkpoints. */
export type CheckpointLine =
  | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint }
  | { readonly kind: 'key'; readonly key: AuditPublicKey }

/** A checkpoint as a line of JSON, with its line break. */
export function encodeCheckpointLine({ position, hash, settled, at, keyId, signature }: Checkpoint): string {
  const line = { position, hash: toHex(hash), settled, at: at.toISOString(), key: toHex(keyId) }
  return `${JSON.stringify({ ...line, signature: toBase64(signature) })}\n`
}

/** A key as a line of JSON, with its line break. It stands before the first checkpoint that it signs. */
export function encodeKeyLine({ publicKey, createdAt }: AuditPublicKey): string {
  const line = { key: toHex(auditKeyId(publicKey)), publicKey: toBase64(publicKey), at: createdAt.toISOString() }
  return `${JSON.stringify(line)}\n`
}

/** Throws `invalid_argument` for a line that neither of the two wrote. */
export function decodeCheckpointLine(line: string): CheckpointLine {
  const value = parsed(line)
  const at = new Date(textOf(value, 'at'))
  if (Number.isNaN(at.getTime())) throw malformed()
  if (value['publicKey'] !== undefined) {
    const publicKey = fromBase64(textOf(value, 'publicKey'))
    if (publicKey === undefined || toHex(auditKeyId(publicKey)) !== value['key']) throw malformed()
    return { kind: 'key', key: { publicKey, createdAt: at } }
  }
  const hash = fromHex(textOf(value, 'hash'))
  const keyId = fromHex(textOf(value, 'key'))
  const signature = fromBase64(textOf(value, 'signature'))
  if (hash?.length !== 32 || keyId?.length !== 32 || signature === undefined) throw malformed()
  const numbers = { position: numberOf(value, 'position'), settled: numberOf(value, 'settled') }
  return { kind: 'checkpoint', checkpoint: { ...numbers, hash, at, keyId, signature } }
}

function parsed(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>
  } catch {
    // Said below.
  }
  throw malformed()
}

function textOf(value: Readonly<Record<string, unknown>>, member: string): string {
  const found = value[member]
  if (typeof found !== 'string') throw malformed()
  return found
}

function numberOf(value: Readonly<Record<string, unknown>>, member: string): number {
  const found = value[member]
  if (typeof found !== 'number' || !Number.isSafeInteger(found) || found < 0) throw malformed()
  return found
}

function malformed(): AppError {
  return new AppError('invalid_argument', 'A line of the file of checkpoints is neither a checkpoint nor a key.')
}
