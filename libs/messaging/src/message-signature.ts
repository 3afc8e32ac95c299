import { constants, sign, verify, type KeyObject } from 'node:crypto'
import { signatureAlgorithmOf } from './message-key.js'

/** A private key that signs messages and does not show itself: that of a key store, or in a device. */
export interface HeldKey {
  /** Of JWS, and its key's only one; see {@link signatureAlgorithmOf}. */
  readonly algorithm: string
  /** A signature as JWS carries it: for ECDSA the two numbers one after the other (RFC 7518, 3.4). */
  sign(input: Uint8Array): Promise<Uint8Array>
}

const DIGESTS: Readonly<Record<string, string>> = {
  PS256: 'sha256',
  ES256: 'sha256',
  ES384: 'sha384',
  ES512: 'sha512'
}

/** A key in this process's memory as one that signs messages. Throws as {@link signatureAlgorithmOf}. */
export function heldKeyOf(key: KeyObject): HeldKey {
  const algorithm = signatureAlgorithmOf(key)
  const options = optionsFor(key, algorithm)
  return { algorithm, sign: input => Promise.resolve(sign(DIGESTS[algorithm] ?? null, input, options)) }
}

/** A compact JWS (RFC 7515, 7.1): header and payload, signed. */
export async function signCompact(header: object, payload: Uint8Array, key: HeldKey): Promise<string> {
  const protectedHeader = Buffer.from(JSON.stringify({ alg: key.algorithm, ...header })).toString('base64url')
  const input = `${protectedHeader}.${Buffer.from(payload).toString('base64url')}`
  const signature = await key.sign(Buffer.from(input, 'latin1'))
  return `${input}.${Buffer.from(signature).toString('base64url')}`
}

/**
 * The payload of a compact JWS, in the one spelling of its bytes, whose header names the key's only algorithm and whose
 * signature is the key's; undefined for every other. Throws as {@link signatureAlgorithmOf}.
 */
export function verifyCompact(text: string, key: KeyObject): Uint8Array | undefined {
  const algorithm = signatureAlgorithmOf(key)
  const end = text.lastIndexOf('.')
  const [header = '', payload = ''] = text.slice(0, end).split('.')
  const { alg } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { readonly alg?: unknown }
  const signature = Buffer.from(text.slice(end + 1), 'base64url')
  const input = Buffer.from(text.slice(0, end), 'latin1')
  const isVerified =
    alg === algorithm && verify(DIGESTS[algorithm] ?? null, input, optionsFor(key, algorithm), signature)
  return isVerified ? Buffer.from(payload, 'base64url') : undefined
}

function optionsFor(key: KeyObject, algorithm: string) {
  const padding =
    algorithm === 'PS256'
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : {}
  return { key, dsaEncoding: 'ieee-p1363', ...padding } as const
}
