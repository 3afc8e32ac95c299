import { createHmac } from 'node:crypto'
import { AppError, equalBytesConstantTime, isAppError, view } from '@app/core'
import { DerReader, encodeInteger, encodeOctetString, encodeOid, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import { COST_RANGE, SCRYPT_SHAPE, type StretchedKeys, type Stretching } from './stretching.js'

const VERSION = 1
const CHECK_LENGTH = 16
const MAC_LENGTH = 32
const SALT_RANGE = { minimum: 16, maximum: 64 } as const

/**
 * A key file as read; nothing in it has been verified.
 *
 * ```asn1
 * KeyFile ::= SEQUENCE {
 *   content  KeyFileContent,
 *   mac      OCTET STRING (SIZE (32)) }                    -- HMAC-SHA-256 over the DER of content
 *
 * KeyFileContent ::= SEQUENCE {
 *   version          INTEGER (1),
 *   stretching       AlgorithmIdentifier {{ id-scrypt }},  -- RFC 7914, 7.1; without keyLength
 *   passphraseCheck  OCTET STRING (SIZE (16)),
 *   encryptedKey     EncryptedPrivateKeyInfo }             -- RFC 5958, 3; PBES2 with PBKDF2 and AES-256-CBC
 *
 * scrypt-params ::= SEQUENCE {
 *   salt OCTET STRING, costParameter INTEGER, blockSize INTEGER, parallelizationParameter INTEGER }
 * ```
 *
 * Why a container: node:crypto and OpenSSL write PBES2 with 2048 rounds of PBKDF2-HMAC-SHA-256, three hundred times
 * fewer than a passphrase needs, and node:crypto has no way to ask for more. So the passphrase goes through scrypt
 * first and PBES2 is given 256 bits that cannot be guessed. CBC does not tell a damaged key from a whole one; the MAC
 * does.
 */
export interface KeyFile {
  readonly stretching: Stretching
  readonly passphraseCheck: Uint8Array
  readonly encryptedKey: Uint8Array
  /** The element under the MAC. */
  readonly content: Uint8Array
  readonly mac: Uint8Array
}

/** Writes a key file around an EncryptedPrivateKeyInfo whose passphrase is `keys.encryption`. */
export function encodeKeyFile(encryptedKey: Uint8Array, stretching: Stretching, keys: StretchedKeys): Uint8Array {
  const content = encodeSequence(
    encodeInteger(VERSION),
    encodeStretching(stretching),
    encodeOctetString(keys.check),
    encryptedKey
  )
  return encodeSequence(content, encodeOctetString(macOver(content, keys)))
}

/** Reads a key file. Throws `key_store_invalid` when it is not one or asks for a stretching out of range. */
export function decodeKeyFile(bytes: Uint8Array, name: string): KeyFile {
  try {
    return readKeyFile(DerReader.over(bytes))
  } catch (cause) {
    throw isAppError(cause) ? damagedKeyFile(name, 'is not a key file of version 1', cause) : cause
  }
}

/**
 * Checks that the keys belong to this file and that nothing in it has changed since it was written. Throws
 * `key_store_locked` when the passphrase was another one, `key_store_invalid` when the file is damaged.
 */
export function verifyKeyFile(file: KeyFile, keys: StretchedKeys, name: string): void {
  if (!equalBytesConstantTime(file.passphraseCheck, keys.check)) {
    throw new AppError(
      'key_store_locked',
      `The passphrase does not open the key file ${name}. Give the one it was written with.`,
      { name }
    )
  }
  if (!equalBytesConstantTime(file.mac, macOver(file.content, keys))) {
    throw damagedKeyFile(name, 'has been changed since it was written')
  }
}

/** The error of a key file that cannot be used. */
export function damagedKeyFile(name: string, why: string, cause?: unknown): AppError {
  return new AppError('key_store_invalid', `The key file ${name} ${why}. Restore it from a copy.`, { name }, { cause })
}

function readKeyFile(reader: DerReader): KeyFile {
  const file = reader.sequence('key file')
  reader.end('key file')
  const body = file.sequence('content')
  const mac = file.octetString('mac')
  file.end('key file')
  if (body.smallInteger('version') !== VERSION) throw outOfRange('The version')
  const stretching = readStretching(body.sequence('stretching'))
  const passphraseCheck = body.octetString('passphrase check')
  const encryptedKey = body.sequence('encrypted key').raw
  body.end('content')
  if (passphraseCheck.length !== CHECK_LENGTH || mac.length !== MAC_LENGTH) throw outOfRange('The check or MAC')
  return { stretching, passphraseCheck, encryptedKey, content: body.raw, mac }
}

function encodeStretching({ salt, cost }: Stretching): Uint8Array {
  const { blockSize, parallelization } = SCRYPT_SHAPE
  return encodeSequence(
    encodeOid(OID.id_scrypt),
    encodeSequence(
      encodeOctetString(salt),
      encodeInteger(cost),
      encodeInteger(blockSize),
      encodeInteger(parallelization)
    )
  )
}

function readStretching(algorithm: DerReader): Stretching {
  if (algorithm.oid('stretching algorithm') !== OID.id_scrypt) throw outOfRange('The stretching algorithm')
  const parameters = algorithm.sequence('scrypt parameters')
  algorithm.end('stretching')
  const salt = parameters.octetString('salt')
  const cost = parameters.smallInteger('cost parameter')
  const blockSize = parameters.smallInteger('block size')
  const parallelization = parameters.smallInteger('parallelization parameter')
  parameters.end('scrypt parameters')
  // Bounds: a file must not be able to ask for all the memory there is, nor for a stretching that is none.
  const isSaltFit = salt.length >= SALT_RANGE.minimum && salt.length <= SALT_RANGE.maximum
  if (!isSaltFit || !isCost(cost)) throw outOfRange('The salt or cost')
  if (blockSize !== SCRYPT_SHAPE.blockSize || parallelization !== SCRYPT_SHAPE.parallelization) {
    throw outOfRange('The block size or parallelization')
  }
  return { salt: Uint8Array.from(salt), cost }
}

/** Whether a scrypt cost is a power of two within {@link COST_RANGE}. */
export function isCost(cost: number): boolean {
  return cost >= COST_RANGE.minimum && cost <= COST_RANGE.maximum && (cost & (cost - 1)) === 0
}

function outOfRange(what: string): AppError {
  return new AppError('key_store_invalid', `${what} is not one this version accepts.`)
}

function macOver(content: Uint8Array, keys: StretchedKeys): Uint8Array {
  return createHmac('sha256', keys.authentication).update(view(content)).digest()
}
