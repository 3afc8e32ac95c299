import { createHash, X509Certificate, type KeyObject } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, isAppError, toHex } from '@app/core'
import { decodePem, encodePem } from '@app/der'
import { readSecretFile, writeNewFile } from '@app/files'
import { makeDirectory } from '../installation.js'
import { decodePrivateKey, encodePrivateKeyPem } from '../private-key-pem.js'
import { MPAPI_CERT_STORE_LOCATION, type CertStoreLocation } from './enumerations.js'

/** A certificate with its private key. */
export interface StoredIdentity {
  /** DER. */
  readonly certificate: Uint8Array
  /** DER of the certificates that stand after it in its file. */
  readonly chain: readonly Uint8Array[]
  readonly privateKey: KeyObject
}

/**
 * Certificate stores as folders: below one directory a folder for each location (`local_machine`), in it one for each
 * store (`my`), in it `name.crt` with certificates in PEM or DER, and `name.key` (mode 0600) where there is a key.
 * Names of stores are compared without regard to case.
 */
export class CertificateStores {
  /** @param directory made when the first certificate is added */
  constructor(private readonly directory: string) {}

  /** DER of every certificate of a store; none for a store that is not there. */
  async list(location: CertStoreLocation, store: string): Promise<readonly Uint8Array[]> {
    const folder = this.folderOf(location, store)
    const files = await Promise.all(
      (await certificateFilesIn(folder)).map(name => readCertificates(join(folder, name)))
    )
    return files.flat()
  }

  /** A certificate by its thumbprint (SHA-1 or SHA-256) with its key. Throws `not_found`, `key_store_invalid`. */
  async findIdentity(
    location: CertStoreLocation,
    store: string,
    thumbprint: string | Uint8Array
  ): Promise<StoredIdentity> {
    const wanted = (typeof thumbprint === 'string' ? thumbprint : toHex(thumbprint))
      .replaceAll(/[\s:]/g, '')
      .toLowerCase()
    const folder = this.folderOf(location, store)
    for (const name of await certificateFilesIn(folder)) {
      const [certificate, ...chain] = await readCertificates(join(folder, name))
      if (certificate === undefined || !isThumbprintOf(certificate, wanted)) continue
      return {
        certificate,
        chain,
        privateKey: await readKey(join(folder, name.replace(/\.[^.]+$/, '.key')), certificate)
      }
    }
    throw new AppError('not_found', `The store ${store} has no certificate with the thumbprint ${wanted}.`, {
      store,
      thumbprint: wanted
    })
  }

  /** Adds a certificate, with its key where one is given, and gives its SHA-1 thumbprint. Throws `file_exists`. */
  async add(
    location: CertStoreLocation,
    store: string,
    entry: Omit<StoredIdentity, 'privateKey' | 'chain'> & Partial<StoredIdentity>
  ): Promise<string> {
    const { certificate, chain = [], privateKey } = entry
    const folder = this.folderOf(location, store)
    const thumbprint = thumbprintOf(certificate)
    await makeDirectory(folder)
    if (privateKey !== undefined) {
      const pem = await encodePrivateKeyPem(privateKey)
      await writeNewFile(join(folder, `${thumbprint}.key`), Buffer.from(pem), 0o600)
    }
    const pems = [certificate, ...chain].map(der => encodePem('CERTIFICATE', der)).join('')
    await writeNewFile(join(folder, `${thumbprint}.crt`), Buffer.from(pems), 0o644)
    return thumbprint
  }

  private folderOf(location: CertStoreLocation, store: string): string {
    if (!/^[a-z0-9][a-z0-9 _.-]{0,63}$/i.test(store)) {
      throw new AppError('invalid_argument', `"${store}" is no name of a certificate store.`, { store })
    }
    const named = Object.entries(MPAPI_CERT_STORE_LOCATION).find(([, value]) => value === location)
    if (named === undefined) {
      throw new AppError('invalid_argument', `${String(location)} is no location of a certificate store.`)
    }
    return join(this.directory, named[0].toLowerCase(), store.toLowerCase())
  }
}

/** The SHA-1 by which a certificate is named, in lower-case hexadecimal. */
export function thumbprintOf(certificate: Uint8Array): string {
  return createHash('sha1').update(certificate).digest('hex')
}

function isThumbprintOf(certificate: Uint8Array, wanted: string): boolean {
  return wanted === thumbprintOf(certificate) || wanted === createHash('sha256').update(certificate).digest('hex')
}

async function certificateFilesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter(name => /\.(?:crt|cer|pem|der)$/i.test(name)).toSorted()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new AppError('unavailable', `The certificate store ${folder} cannot be read.`, { folder }, { cause: error })
  }
}

async function readCertificates(path: string): Promise<readonly Uint8Array[]> {
  const bytes = await readFile(path)
  if (bytes[0] === 0x30) return [bytes]
  return decodePem(bytes.toString('latin1'))
    .filter(({ label }) => label === 'CERTIFICATE')
    .map(block => block.bytes)
}

async function readKey(path: string, certificate: Uint8Array): Promise<KeyObject> {
  const privateKey = decodePrivateKey(await readSecretFile(path).catch(lostKey(path)))
  if (new X509Certificate(certificate).checkPrivateKey(privateKey)) return privateKey
  throw new AppError('key_store_invalid', `${path} is not the key of its certificate.`, { path })
}

function lostKey(path: string): (error: unknown) => never {
  return error => {
    if (!isAppError(error)) throw error
    throw new AppError(
      'key_store_invalid',
      `The certificate has no private key that can be read in ${path}.`,
      { path },
      { cause: error }
    )
  }
}
