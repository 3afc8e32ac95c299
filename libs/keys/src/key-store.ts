import type { PublicKeyInfo, SignatureScheme } from '@app/x509'
import type { Decrypter } from './decrypter.js'
import type { KeySpec } from './key-spec.js'
import type { Signer } from './signer.js'

/** What a store answers when it has taken a key: where it is, and its public half. */
export interface StoredKey {
  /** Names the key within its store: printable ASCII, at most 128 characters, no secret, stable for the key's life. */
  readonly reference: string
  readonly publicKey: PublicKeyInfo
}

/**
 * Holds private keys and lets them be used. It has no way to read a key out.
 *
 * Contract of every driver; `key-store.spec.ts` runs each one through it:
 * - Durability: when `generate` or `import` resolves, the key survives a crash and a loss of power. When they reject,
 *   the key is not stored, or is under a reference that nobody has been told.
 * - References: two keys never share one, also not when their labels are equal, and a reference is not used again after
 *   `destroy`. A caller keeps the reference beside the certificate; the label is for people who look at the store.
 * - Concurrency: every method may be called at any time from any number of callers, and several processes may use one
 *   store. `signer` and `decrypter` may be expensive (a passphrase is stretched, a session opened); what they return is
 *   cheap, may be kept for the life of the process and shared.
 * - Separation: `decrypter` refuses a key that cannot decrypt. Using one key for both purposes is the caller's to avoid.
 * - `destroy` is idempotent: an absent key is success. A Signer or Decrypter handed out before may go on working until
 *   its holder drops it.
 * - Errors: `invalid_argument` for a label, reference or key of a wrong form; `not_found` for a key that is not there;
 *   `key_store_locked` when the passphrase or PIN is missing or wrong, after which a call with the right one succeeds;
 *   `key_store_invalid` when what is stored is damaged; `unavailable` when the device or disk does not answer now.
 */
export interface KeyStore {
  /** Makes a key inside the store. `label` has 1 to 64 of `a-z`, `0-9` and `-`, and does not begin with `-`. */
  generate(spec: KeySpec, label: string): Promise<StoredKey>
  /** Takes an existing key in unencrypted PKCS#8 DER. The bytes are not kept; the caller wipes them. */
  import(pkcs8: Uint8Array, label: string): Promise<StoredKey>
  /** Signs with the key, with the key's usual scheme unless one is named. */
  signer(reference: string, scheme?: SignatureScheme): Promise<Signer>
  /** Unwraps content-encryption keys with the key, which must be RSA. */
  decrypter(reference: string): Promise<Decrypter>
  destroy(reference: string): Promise<void>
}

/**
 * Where the file driver keeps its files: one flat directory. Names are made by the driver from `a-z`, `0-9`, `-` and
 * `.`, at most 96 characters.
 */
export interface KeyFiles {
  /** The whole file, or undefined when there is none. Throws `unavailable` when it cannot be read. */
  read(name: string): Promise<Uint8Array | undefined>
  /**
   * Creates the file, readable and writable by its owner only (mode 0600), and resolves when file and directory entry
   * are on stable storage (fsync). Throws `file_exists` and changes nothing when there is one, `unavailable` when the
   * disk refuses; a file that is half written is never seen under its name.
   */
  write(name: string, bytes: Uint8Array): Promise<void>
  /** Removes the file; succeeds when there is none. Throws `unavailable` when it cannot. */
  remove(name: string): Promise<void>
}
