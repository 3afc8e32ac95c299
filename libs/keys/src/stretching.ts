import { randomBytes, scrypt } from 'node:crypto'
import { AppError, toHex, wipe } from '@app/core'

/** How a passphrase becomes keys: scrypt (RFC 7914) with this salt and cost N, r = 8, p = 1. */
export interface Stretching {
  readonly salt: Uint8Array
  readonly cost: number
}

/** Three independent parts of one scrypt output. */
export interface StretchedKeys {
  /** Opens the encrypted PKCS#8: 64 hexadecimal digits in ASCII, so that OpenSSL's tools can be given them too. */
  readonly encryption: Uint8Array
  /** Authenticates the file: 32 bytes. */
  readonly authentication: Uint8Array
  /** Tells a wrong passphrase from a damaged file: 16 bytes, stored in the clear. Testing a guess costs one scrypt. */
  readonly check: Uint8Array
}

/** Gives a passphrase. Asked once for each salt; must give fresh bytes each time, which are wiped after use. */
export type PassphraseSource = () => Promise<Uint8Array> | Uint8Array

/** Turns the store's passphrase into keys, each salt once. */
export interface Stretcher {
  /** The keys under this stretching. Throws `key_store_locked` when there is no passphrase. */
  stretch(stretching: Stretching): Promise<StretchedKeys>
  /** Drops what a wrong passphrase made, so that the next call asks for it again. */
  forget(stretching: Stretching): void
  /** Notes that these keys opened a file, so that new files may share their salt. */
  confirm(stretching: Stretching): void
  /** The stretching for new files: a confirmed one, else a fresh one that stays. */
  current(): Stretching
}

/** N = 2^17: with r = 8 and p = 1 it needs 128 MiB and about a third of a second for each guess. */
export const DEFAULT_COST = 2 ** 17

/** The costs that are accepted, in a file and as a setting; the upper bound needs 1 GiB. */
export const COST_RANGE = { minimum: 2 ** 14, maximum: 2 ** 20 } as const

/** scrypt's r and p, the same for every file. */
export const SCRYPT_SHAPE = { blockSize: 8, parallelization: 1 } as const

const SALT_LENGTH = 32

/** A stretcher that keeps the keys of each salt for the life of the process. */
export function createStretcher(passphrase: PassphraseSource, cost: number): Stretcher {
  const known = new Map<string, Promise<StretchedKeys>>()
  let preferred: Stretching | undefined
  return {
    stretch(stretching) {
      const name = nameOf(stretching)
      const started = known.get(name)
      if (started !== undefined) return started
      const keys = derive(passphrase, stretching)
      known.set(name, keys)
      keys.catch(() => known.delete(name))
      return keys
    },
    forget(stretching) {
      known.delete(nameOf(stretching))
    },
    confirm(stretching) {
      // A file of a lower cost keeps it, but lends it to no new file.
      if (stretching.cost >= cost) preferred = stretching
    },
    current() {
      preferred ??= { salt: randomBytes(SALT_LENGTH), cost }
      return preferred
    }
  }
}

async function derive(passphrase: PassphraseSource, stretching: Stretching): Promise<StretchedKeys> {
  const secret = await passphrase()
  let output: Buffer | undefined
  try {
    if (secret.length === 0) {
      throw new AppError('key_store_locked', 'The key store needs a passphrase and was given an empty one.')
    }
    output = await scryptOf(secret, stretching)
    return {
      encryption: Buffer.from(toHex(output.subarray(0, 32)), 'latin1'),
      authentication: Uint8Array.from(output.subarray(32, 64)),
      check: Uint8Array.from(output.subarray(64, 80))
    }
  } finally {
    wipe(secret, output)
  }
}

function scryptOf(secret: Uint8Array, { salt, cost }: Stretching): Promise<Buffer> {
  // scrypt needs 128 * N * r bytes (RFC 7914, 2) and a little more.
  const options = { cost, ...SCRYPT_SHAPE, maxmem: 128 * (cost + 64) * SCRYPT_SHAPE.blockSize }
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, 80, options, (error, output) => {
      if (error === null) resolve(output)
      else reject(new AppError('unavailable', 'The passphrase could not be stretched.', { cost }, { cause: error }))
    })
  })
}

function nameOf({ salt, cost }: Stretching): string {
  return `${toHex(salt)}/${cost}`
}
