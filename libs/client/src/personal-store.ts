import { createHash, randomUUID, type KeyObject } from 'node:crypto'
import { mkdir, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, equalBytes, type ErrorCode } from '@app/core'
import { decodePem, encodePem } from '@app/der'
import { writeNewFile } from '@app/files'
import { publicHalfOf } from '@app/keys'
import { decodeCertificate } from '@app/x509'
import { buildPkcs12 } from './pkcs12.js'
import { readPkcs12 } from './pkcs12-reader.js'
import { decodePrivateKey, encodePrivateKeyPem } from './private-key-pem.js'

/** A certificate with its key. */
export interface StoredIdentity {
  /** DER */
  readonly certificate: Uint8Array
  readonly privateKey: KeyObject
}

/** How a {@link PersonalStore} is opened. */
export interface PersonalStoreOptions {
  /** Encrypts the keys that are added, and opens those that are encrypted. */
  readonly passphrase?: string
}

const MACHINE_FILE = 'machine-id'
const INTERNAL_FILE = 'internal.pem'

/**
 * A person's own certificates and their keys, in a directory that only its owner can read: the one internal certificate
 * of this machine, and any number of external ones. Each is one PEM file, mode 0600, which is replaced whole. It is a
 * store on one machine: two processes that replace the internal certificate at once leave one of the two.
 */
export class PersonalStore {
  private constructor(
    readonly directory: string,
    /** A GUID, made with the store: what the server knows this machine by. */
    readonly machineId: string,
    private readonly options: PersonalStoreOptions
  ) {}

  /**
   * Opens the store, which is made at its first use. Throws `MQ_ERROR_CANNOT_CREATE_CERT_STORE` when it cannot be made,
   * `MQ_ERROR_CANNOT_OPEN_CERT_STORE` when it is there and cannot be read.
   */
  static async open(directory: string, options: PersonalStoreOptions = {}): Promise<PersonalStore> {
    const path = join(directory, MACHINE_FILE)
    const found = await readOptional(path)
    if (found !== undefined) return new PersonalStore(directory, parseMachineId(found, path), options)
    const machineId = randomUUID()
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      await writeNewFile(path, Buffer.from(`${machineId}\n`), 0o600)
    } catch (cause) {
      // Another process may have made it just now.
      const made = await readOptional(path)
      if (made !== undefined) return new PersonalStore(directory, parseMachineId(made, path), options)
      throw storeError('MQ_ERROR_CANNOT_CREATE_CERT_STORE', directory, 'made', cause)
    }
    return new PersonalStore(directory, machineId, options)
  }

  /** The internal certificate of this machine. Throws `key_store_locked` or `key_store_invalid`. */
  async findInternal(): Promise<StoredIdentity | undefined> {
    const content = await readOptional(join(this.directory, INTERNAL_FILE))
    return content === undefined ? undefined : this.decode(content)
  }

  /** Puts the internal certificate in the place of the one before, whose key is gone then. */
  replaceInternal(identity: StoredIdentity): Promise<void> {
    return this.write(INTERNAL_FILE, identity)
  }

  /** Keeps an external certificate with its key. Throws `key_store_invalid` when they do not belong together. */
  addExternal(identity: StoredIdentity): Promise<void> {
    return this.write(externalFile(identity.certificate), identity)
  }

  /** Keeps the external certificate and key of a PKCS#12 file, and gives the certificate. Throws as {@link readPkcs12}. */
  async importPkcs12(bytes: Uint8Array, password: string): Promise<Uint8Array> {
    const { certificate, privateKey } = await readPkcs12(bytes, password)
    if (certificate === undefined) throw new AppError('key_store_invalid', 'The PKCS#12 file has no certificate.')
    await this.addExternal({ certificate, privateKey })
    return certificate
  }

  /** One identity as a PKCS#12 file. */
  async exportPkcs12({ certificate, privateKey }: StoredIdentity, password: string): Promise<Uint8Array> {
    const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
    try {
      return await buildPkcs12({ privateKey: pkcs8, certificate, chain: [], friendlyName: 'Certkeep', password })
    } finally {
      pkcs8.fill(0)
    }
  }

  /** The key of a certificate, byte for byte, internal or external; undefined when the store has none. */
  async find(certificate: Uint8Array): Promise<StoredIdentity | undefined> {
    const internal = await this.findInternal()
    if (internal !== undefined && equalBytes(internal.certificate, certificate)) return internal
    const content = await readOptional(join(this.directory, externalFile(certificate)))
    return content === undefined ? undefined : this.decode(content)
  }

  /** The external certificates, DER. */
  async listExternal(): Promise<readonly Uint8Array[]> {
    const names = await this.opening(() => readdir(this.directory))
    const files = names.filter(name => /^external-[0-9a-f]{64}\.pem$/.test(name)).toSorted()
    const contents = await Promise.all(files.map(name => readOptional(join(this.directory, name))))
    return contents.flatMap(content => (content === undefined ? [] : [certificateIn(content)]))
  }

  /** Forgets an external certificate and its key. Whether it was there. */
  async removeExternal(certificate: Uint8Array): Promise<boolean> {
    try {
      await unlink(join(this.directory, externalFile(certificate)))
      return true
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw storeError('MQ_ERROR_CANNOT_OPEN_CERT_STORE', this.directory, 'changed', cause)
    }
  }

  private async write(name: string, { certificate, privateKey }: StoredIdentity): Promise<void> {
    requirePair(certificate, privateKey)
    const key = await encodePrivateKeyPem(privateKey, this.options.passphrase)
    const content = Buffer.from(encodePem('CERTIFICATE', certificate) + key)
    const unfinished = join(this.directory, `.${randomUUID()}`)
    await this.opening(async () => {
      await writeNewFile(unfinished, content, 0o600)
      await rename(unfinished, join(this.directory, name))
    })
    content.fill(0)
  }

  private decode(content: Buffer): StoredIdentity {
    const certificate = certificateIn(content)
    const keyBlock = content.subarray(content.indexOf('-----END CERTIFICATE-----') + 25)
    if (!keyBlock.includes('-----BEGIN ')) throw unusable('A certificate of the store has no key.')
    const privateKey = decodePrivateKey(keyBlock, this.options.passphrase)
    requirePair(certificate, privateKey)
    return { certificate, privateKey }
  }

  private async opening<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      throw storeError('MQ_ERROR_CANNOT_OPEN_CERT_STORE', this.directory, 'written or read', cause)
    }
  }
}

function certificateIn(content: Buffer): Uint8Array {
  const block = decodePem(content.toString('latin1')).find(({ label }) => label === 'CERTIFICATE')
  if (block !== undefined) return block.bytes
  throw unusable('A file of the certificate store has no certificate.')
}

/** A certificate that is damaged or without its key; of a damaged key alone there is no `part`. */
function unusable(message: string): AppError {
  return new AppError('key_store_invalid', message, { part: 'certificate' })
}

function requirePair(certificate: Uint8Array, privateKey: KeyObject): void {
  if (equalBytes(decodeCertificate(certificate).publicKey.raw, publicHalfOf(privateKey).raw)) return
  throw unusable('The key is not that of the certificate.')
}

function externalFile(certificate: Uint8Array): string {
  return `external-${createHash('sha256').update(certificate).digest('hex')}.pem`
}

function parseMachineId(content: Buffer, path: string): string {
  const text = content.toString('latin1').trim()
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) return text
  throw new AppError('key_store_invalid', `${path} does not hold a machine id.`, { path })
}

async function readOptional(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw storeError('MQ_ERROR_CANNOT_OPEN_CERT_STORE', path, 'read', cause)
  }
}

function storeError(code: ErrorCode, path: string, what: string, cause: unknown): AppError {
  const { code: reason = cause instanceof AppError ? String(cause.evidence['code'] ?? cause.code) : 'unknown' } =
    cause instanceof AppError ? {} : (cause as NodeJS.ErrnoException)
  return new AppError(code, `The certificate store ${path} cannot be ${what}: ${reason}.`, { path, reason }, { cause })
}
