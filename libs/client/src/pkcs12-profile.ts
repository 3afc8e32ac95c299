import { createCipheriv, createHmac, hash, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { concatBytes, wipe } from '@app/core'
import { encodeInteger, encodeNull, encodeOctetString, encodeOid, encodeSequence } from '@app/der'
import { OID } from '@app/oid'

/**
 * How a PKCS#12 file is encrypted under its password: `modern` with PBES2, AES-256 and SHA-256, which OpenSSL since 1.0,
 * Java since 8u301 and Windows since 10 (1709) read; `legacy` with 3DES and SHA-1, for what is older.
 */
export type Pkcs12Profile = 'modern' | 'legacy'

/** What a profile does with a password. */
export interface PasswordCipher {
  /** The AlgorithmIdentifier and the ciphertext, under a salt of its own. */
  encrypt(plaintext: Uint8Array): Promise<{ readonly algorithm: Uint8Array; readonly ciphertext: Uint8Array }>
  /** The MacData of RFC 7292, 4, over the content of the file. */
  authenticate(content: Uint8Array): Uint8Array
}

/**
 * Rounds of key derivation: for `modern` as OWASP advises in 2023. Those for the MAC of either and all of `legacy` hold
 * the event loop, the former for most of a second.
 */
const ITERATIONS: Readonly<Record<Pkcs12Profile, number>> = { modern: 600_000, legacy: 50_000 }

/** The cipher of a profile under this password. */
export function passwordCipher(profile: Pkcs12Profile, password: string, iterations?: number): PasswordCipher {
  const rounds = iterations ?? ITERATIONS[profile]
  const digest = profile === 'modern' ? 'sha256' : 'sha1'
  return {
    encrypt: plaintext =>
      profile === 'modern'
        ? encryptByPbes2(plaintext, password, rounds)
        : Promise.resolve(encryptByTripleDes(plaintext, password, rounds)),
    authenticate: content => authenticate(content, password, digest, rounds)
  }
}

const pbkdf2InPool = promisify(pbkdf2)

/** RFC 8018, 6.2 and A.4. */
async function encryptByPbes2(plaintext: Uint8Array, password: string, iterations: number) {
  const [salt, iv] = [randomBytes(16), randomBytes(16)]
  const key = await pbkdf2InPool(Buffer.from(password, 'utf8'), salt, iterations, 32, 'sha256')
  try {
    const cipher = createCipheriv('aes-256-cbc', key, iv)
    const prf = encodeSequence(encodeOid(OID.id_hmacWithSHA256), encodeNull())
    const derivation = encodeSequence(encodeOctetString(salt), encodeInteger(iterations), prf)
    const algorithm = encodeSequence(
      encodeOid(OID.id_PBES2),
      encodeSequence(
        encodeSequence(encodeOid(OID.id_PBKDF2), derivation),
        encodeSequence(encodeOid(OID.aes256_CBC), encodeOctetString(iv))
      )
    )
    return { algorithm, ciphertext: concatBytes([cipher.update(plaintext), cipher.final()]) }
  } finally {
    wipe(key)
  }
}

/** RFC 7292, C. */
function encryptByTripleDes(plaintext: Uint8Array, password: string, iterations: number) {
  const salt = randomBytes(8)
  const derive = (purpose: Purpose, length: number) =>
    deriveFromPassword({ digest: 'sha1', purpose, password, salt, iterations, length })
  const key = derive('key', 24)
  try {
    const cipher = createCipheriv('des-ede3-cbc', key, derive('iv', 8))
    const parameters = encodeSequence(encodeOctetString(salt), encodeInteger(iterations))
    const algorithm = encodeSequence(encodeOid(OID.pbeWithSHAAnd3_KeyTripleDES_CBC), parameters)
    return { algorithm, ciphertext: concatBytes([cipher.update(plaintext), cipher.final()]) }
  } finally {
    wipe(key)
  }
}

type Digest = 'sha1' | 'sha256'

const DIGEST_OIDS: Readonly<Record<Digest, string>> = { sha1: OID.id_sha1, sha256: OID.id_sha256 }
const DIGEST_LENGTHS: Readonly<Record<Digest, number>> = { sha1: 20, sha256: 32 }

function authenticate(content: Uint8Array, password: string, digest: Digest, iterations: number): Uint8Array {
  const salt = randomBytes(digest === 'sha1' ? 8 : 16)
  const length = DIGEST_LENGTHS[digest]
  const key = deriveFromPassword({ digest, purpose: 'mac', password, salt, iterations, length })
  try {
    const mac = createHmac(digest, key).update(content).digest()
    const algorithm = encodeSequence(encodeOid(DIGEST_OIDS[digest]), encodeNull())
    const digestInfo = encodeSequence(algorithm, encodeOctetString(mac))
    return encodeSequence(digestInfo, encodeOctetString(salt), encodeInteger(iterations))
  } finally {
    wipe(key)
  }
}

/** The diversifiers of RFC 7292, B.3. */
const PURPOSES = { key: 1, iv: 2, mac: 3 } as const

type Purpose = keyof typeof PURPOSES

interface Derivation {
  readonly digest: Digest
  readonly purpose: Purpose
  readonly password: string
  readonly salt: Uint8Array
  readonly iterations: number
  readonly length: number
}

/** Both digests work on blocks of so many octets. */
const BLOCK = 64

/** RFC 7292, B.2. The caller wipes the result. */
export function deriveFromPassword(derivation: Derivation): Uint8Array {
  const { digest, purpose, salt, iterations, length } = derivation
  const password = nullTerminatedBmp(derivation.password)
  const input = concatBytes([filledBlocks(salt), filledBlocks(password)])
  const output: Uint8Array[] = []
  try {
    const diversifier = Buffer.alloc(BLOCK, PURPOSES[purpose])
    for (let have = 0; have < length; have += DIGEST_LENGTHS[digest]) {
      let part = hash(digest, concatBytes([diversifier, input]), 'buffer')
      for (let round = 1; round < iterations; round++) part = hash(digest, part, 'buffer')
      output.push(part)
      for (let start = 0; start < input.length; start += BLOCK) addBlock(input.subarray(start, start + BLOCK), part)
    }
    return concatBytes(output).slice(0, length)
  } finally {
    wipe(password, input, ...output)
  }
}

/** The octets over and over, to the end of a block (B.2, steps 2 and 3). */
function filledBlocks(octets: Uint8Array): Uint8Array {
  return Buffer.alloc(Math.ceil(octets.length / BLOCK) * BLOCK, octets)
}

/** Block + part + 1, where the part is repeated to a block, modulo 2^512 (B.2, step 6 C). */
function addBlock(block: Uint8Array, part: Uint8Array): void {
  let carry = 1
  for (let index = BLOCK - 1; index >= 0; index--) {
    carry += (block[index] as number) + (part[index % part.length] as number)
    block[index] = carry & 0xff
    carry >>= 8
  }
}

/** A password as a BMPString with two octets of zero at its end (B.1). */
function nullTerminatedBmp(password: string): Uint8Array {
  const bmp = Buffer.from(`${password}\0`, 'utf16le')
  return bmp.swap16()
}
