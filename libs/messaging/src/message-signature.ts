import { constants, sign, type KeyObject } from 'node:crypto'
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
  const padding =
    algorithm === 'PS256'
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : {}
  const options = { key, dsaEncoding: 'ieee-p1363', ...padding } as const
  return { algorithm, sign: input => Promise.resolve(sign(DIGESTS[algorithm] ?? null, input, options)) }
}

/** A compact JWS (RFC 7515, 7.1): header and payload, signed. */
export async function signCompact(header: object, payload: Uint8Array, key: HeldKey): Promise<string> {
  const protectedHeader = Buffer.from(JSON.stringify({ alg: key.algorithm, ...header })).toString('base64url')
  const input = `${protectedHeader}.${Buffer.from(payload).toString('base64url')}`
  const signature = await key.sign(Buffer.from(input, 'latin1'))
  return `${input}.${Buffer.from(signature).toString('base64url')}`
}
