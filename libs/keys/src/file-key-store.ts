import { createPrivateKey, randomBytes, type KeyObject } from 'node:crypto'
import { AppError, isAppError, toHex, view } from '@app/core'
import { decrypterOf } from './decrypter.js'
import { damagedKeyFile, decodeKeyFile, encodeKeyFile, isCost, verifyKeyFile } from './key-file.js'
import { privateKeyFromPkcs8, publicHalfOf } from './key-half.js'
import { generateKeyPairOf } from './key-spec.js'
import type { KeyFiles, KeyStore, StoredKey } from './key-store.js'
import { signerOf } from './signer.js'
import { COST_RANGE, createStretcher, DEFAULT_COST, type PassphraseSource, type Stretcher } from './stretching.js'

/** What the file driver works with. */
export interface FileKeyStoreOptions {
  readonly files: KeyFiles
  /** Asked when a key is first needed and again after a wrong answer. Gives fresh bytes, which are wiped after use. */
  readonly passphrase: PassphraseSource
  /** scrypt's N for new files: a power of two from 2^14 to 2^20, 2^17 when left out. */
  readonly cost?: number
}

/**
 * Keys in files, one each, encrypted under one passphrase; the format stands with KeyFile. Keeps every promise of
 * KeyStore, and further:
 * - The passphrase is stretched once for each salt and process. A new file takes the salt of one that has been opened,
 *   so a store that one process fills has one salt and its start-up pays once for all keys.
 * - A new file is written under the passphrase that was given; the first file of a store cannot tell a misspelt one.
 * - `destroy` removes the file. Whether the disk forgets the bytes is beyond it; without the passphrase they are noise.
 *
 * Throws `invalid_argument` when the cost is not acceptable.
 */
export function createFileKeyStore({ files, passphrase, cost = DEFAULT_COST }: FileKeyStoreOptions): KeyStore {
  if (!isCost(cost)) {
    const { minimum, maximum } = COST_RANGE
    throw new AppError('invalid_argument', `The cost must be a power of two from ${minimum} to ${maximum}.`, { cost })
  }
  const stretcher = createStretcher(passphrase, cost)
  return {
    async generate(spec, label) {
      const name = nameFor(label)
      const { privateKey } = await generateKeyPairOf(spec)
      return storeKey(files, stretcher, name, privateKey)
    },
    async import(pkcs8, label) {
      return storeKey(files, stretcher, nameFor(label), privateKeyFromPkcs8(pkcs8))
    },
    async signer(reference, scheme) {
      return signerOf(await openKey(files, stretcher, reference), scheme)
    },
    async decrypter(reference) {
      return decrypterOf(await openKey(files, stretcher, reference))
    },
    async destroy(reference) {
      await files.remove(nameOf(reference))
    }
  }
}

async function storeKey(files: KeyFiles, stretcher: Stretcher, name: string, key: KeyObject): Promise<StoredKey> {
  const publicKey = publicHalfOf(key)
  const stretching = stretcher.current()
  const keys = await stretcher.stretch(stretching)
  const encryptedKey = key.export({
    type: 'pkcs8',
    format: 'der',
    cipher: 'aes-256-cbc',
    passphrase: view(keys.encryption)
  })
  await files.write(name, encodeKeyFile(encryptedKey, stretching, keys))
  return { reference: name, publicKey }
}

async function openKey(files: KeyFiles, stretcher: Stretcher, reference: string): Promise<KeyObject> {
  const name = nameOf(reference)
  const bytes = await files.read(name)
  if (bytes === undefined) throw new AppError('not_found', `The key store has no key file ${name}.`, { name })
  const file = decodeKeyFile(bytes, name)
  const keys = await stretcher.stretch(file.stretching)
  try {
    verifyKeyFile(file, keys, name)
  } catch (error) {
    if (isAppError(error, 'key_store_locked')) stretcher.forget(file.stretching)
    throw error
  }
  stretcher.confirm(file.stretching)
  try {
    return createPrivateKey({
      key: view(file.encryptedKey),
      format: 'der',
      type: 'pkcs8',
      passphrase: view(keys.encryption)
    })
  } catch {
    throw damagedKeyFile(name, 'holds no private key')
  }
}

function nameFor(label: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(label)) {
    throw new AppError('invalid_argument', 'A key label has 1 to 64 of a-z, 0-9 and -, and does not begin with -.')
  }
  return `${label}-${toHex(randomBytes(8))}.key`
}

function nameOf(reference: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,63}-[0-9a-f]{16}\.key$/.test(reference)) {
    throw new AppError('invalid_argument', 'The key reference is not one that this store gives.')
  }
  return reference
}
