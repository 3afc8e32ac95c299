import { createHash, verify as verifyBytes } from 'node:crypto'
import { AppError, equalBytesConstantTime } from '@app/core'
import { decodeCertificate } from '@app/x509'

/** What of a reply is signed. */
export interface ReplyToSign {
  readonly status: number
  readonly contentType: string
  readonly body: Uint8Array
  /** `Content-Digest` of the request that is answered; empty when it had none. */
  readonly requestDigest: string
}

/** Who signs: an EC key on P-256. */
export interface ReplySigner {
  /** DER of the management point's certificate. */
  readonly certificate: Uint8Array
  /** Gives r and s, 32 octets each (RFC 9421, 3.3.4). */
  sign(base: Uint8Array): Promise<Uint8Array>
}

/** The headers of a signed reply. */
export interface ReplySignature {
  readonly 'content-digest': string
  readonly signature: string
  readonly 'signature-input': string
}

/** The label of the signature, and its tag: what it is for. */
const LABEL = 'mp'
const TAG = 'certkeep-management-point'

/** `Content-Digest` of a body (RFC 9530, 2). */
export function contentDigestOf(body: Uint8Array): string {
  return `sha-256=:${createHash('sha256').update(body).digest('base64')}:`
}

/** What a signature names its certificate by: its SHA-256 in hexadecimal. */
export function replyKeyIdOf(certificate: Uint8Array): string {
  return createHash('sha256').update(certificate).digest('hex')
}

/**
 * Signs a reply (RFC 9421): its status, content type and digest, and the digest of the request that it answers, so that
 * it is the answer to no other.
 */
export async function signReply(reply: ReplyToSign, signer: ReplySigner, now: Date): Promise<ReplySignature> {
  const digest = contentDigestOf(reply.body)
  const created = Math.floor(now.getTime() / 1000)
  const parameters = `${COVERED};created=${created};keyid="${replyKeyIdOf(signer.certificate)}";alg="ecdsa-p256-sha256";tag="${TAG}"`
  const signature = await signer.sign(signatureBase(reply, digest, parameters))
  return {
    'content-digest': digest,
    signature: `${LABEL}=:${Buffer.from(signature).toString('base64')}:`,
    'signature-input': `${LABEL}=${parameters}`
  }
}

/** A reply as received. */
export interface ReceivedReply extends ReplyToSign {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

/**
 * Verifies a reply against the certificates of the management points that are known and gives the one that signed it.
 * Throws `reply_signature_invalid` for one that is unsigned, altered, the answer to another request, older or newer than
 * `maxAgeSeconds`, or signed by a certificate that is unknown or outside of its validity.
 */
export function verifyReply(
  reply: ReceivedReply,
  known: readonly Uint8Array[],
  now: Date,
  maxAgeSeconds = 300
): Uint8Array {
  const signature = matchOf(/^mp=:([A-Za-z0-9+/]+={0,2}):$/, reply.headers['signature'], 'is not signed')
  const parameters = matchOf(/^mp=(.+)$/, reply.headers['signature-input'], 'is not signed')
  const fields = /^(\(.*\));created=(\d{1,12});keyid="([0-9a-f]{64})";alg="ecdsa-p256-sha256";tag="([a-z-]+)"$/.exec(
    parameters
  )
  if (fields === null || fields[1] !== COVERED || fields[4] !== TAG) throw refused('is signed in another way')
  const digest = contentDigestOf(reply.body)
  if (!equalTexts(digest, reply.headers['content-digest'] ?? '')) throw refused('has a body that is not the signed one')
  const certificate = known.find(der => replyKeyIdOf(der) === fields[3])
  if (certificate === undefined) throw refused('is signed by a management point that is not known')
  const { publicKey, notBefore, notAfter } = decodeCertificate(certificate)
  if (now < notBefore || now > notAfter) throw refused('is signed by a certificate that is outside of its validity')
  const base = signatureBase(reply, digest, parameters)
  const key = { key: publicKey.keyObject, dsaEncoding: 'ieee-p1363' } as const
  if (publicKey.curve !== 'P-256' || !verifyBytes('sha256', base, key, Buffer.from(signature, 'base64'))) {
    throw refused('has a signature that does not verify')
  }
  if (Math.abs(now.getTime() / 1000 - Number(fields[2])) > maxAgeSeconds) throw refused('was signed at another time')
  return certificate
}

const COVERED = '("@status" "content-type" "content-digest" "content-digest";req)'

/** The signature base (RFC 9421, 2.5). A request without a digest is signed as one with an empty field. */
function signatureBase(reply: ReplyToSign, digest: string, parameters: string): Uint8Array {
  const lines = [
    `"@status": ${reply.status}`,
    `"content-type": ${reply.contentType}`,
    `"content-digest": ${digest}`,
    `"content-digest";req: ${reply.requestDigest}`,
    `"@signature-params": ${parameters}`
  ]
  return Buffer.from(lines.join('\n'), 'latin1')
}

function matchOf(pattern: RegExp, value: string | undefined, otherwise: string): string {
  const [, found] = pattern.exec(value ?? '') ?? []
  if (found === undefined) throw refused(otherwise)
  return found
}

function equalTexts(a: string, b: string): boolean {
  return equalBytesConstantTime(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'))
}

function refused(what: string): AppError {
  return new AppError(
    'reply_signature_invalid',
    `The reply ${what}. Put the certificates of all management points that may answer into the store.`
  )
}
