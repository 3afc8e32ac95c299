import { AppError, type Entropy } from '@app/core'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'

/** What PostgreSQL itself uses (RFC 7677, 4). */
const ITERATIONS = 4096

/** RFC 5802, 5.1: what a password's keys are derived for. */
const CLIENT_KEY = 'Client Key'
const SERVER_KEY = 'Server Key'

/**
 * A password as PostgreSQL stores it (`pg_authid.rolpassword`): `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`
 * (RFC 5802, 3; RFC 7677). Given in place of the password, the password itself reaches neither the wire nor a server log.
 * Throws `invalid_argument` for an empty password and for other than printable ASCII, which SASLprep would change.
 */
export function encodeScramVerifier(password: string, entropy: Entropy): string {
  if (!/^[\x21-\x7e]+$/.test(password)) {
    throw new AppError('invalid_argument', 'A database password is one or more printable ASCII characters, no spaces.')
  }
  const salt = entropy.bytes(16)
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, 'sha256')
  const storedKey = createHash('sha256').update(hmac(salted, CLIENT_KEY)).digest('base64')
  const serverKey = hmac(salted, SERVER_KEY).toString('base64')
  return `SCRAM-SHA-256$${ITERATIONS}:${Buffer.from(salt).toString('base64')}$${storedKey}:${serverKey}`
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
