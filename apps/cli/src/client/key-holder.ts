import type { KeyObject } from 'node:crypto'
import { certificatesIn, decodePrivateKey, readPkcs12 } from '@app/client'
import { AppError } from '@app/core'
import { decodeCertificate, type Certificate } from '@app/x509'
import { readBytes } from './connection.js'
import { getPassword } from './password.js'

/** Where the private key of an agent or a recipient is. */
export interface KeyHolderFiles {
  /** PKCS#12 */
  readonly p12?: string | undefined
  /** PEM or DER, instead. */
  readonly key?: string | undefined
  /** The certificate of `key`. */
  readonly certificate?: string | undefined
  readonly passwordFile?: string | undefined
}

/** An agent or a recipient with the private key. */
export interface KeyHolder {
  readonly privateKey: KeyObject
  /** Absent when the files do not have it. */
  readonly certificate?: Certificate
}

/**
 * Reads a key and its certificate; undefined when no file is named. The password is asked for where it is needed. Throws
 * `key_store_locked` for a wrong one, `key_store_invalid` for what is no key.
 */
export async function findKeyHolder(files: KeyHolderFiles): Promise<KeyHolder | undefined> {
  if (files.p12 !== undefined) {
    const source = { file: files.passwordFile, variable: 'CERTKEEP_PASSWORD', question: `Password of ${files.p12}` }
    const { privateKey, certificate } = await readPkcs12(await readBytes(files.p12), await getPassword(source))
    return certificate === undefined ? { privateKey } : { privateKey, certificate: decodeCertificate(certificate) }
  }
  if (files.key === undefined) return undefined
  const privateKey = await readKey(files.key, files.passwordFile)
  if (files.certificate === undefined) return { privateKey }
  const [first] = certificatesIn(await readBytes(files.certificate))
  if (first === undefined) throw new AppError('pem_invalid', `${files.certificate} has no certificate.`)
  return { privateKey, certificate: decodeCertificate(first) }
}

async function readKey(path: string, passwordFile: string | undefined): Promise<KeyObject> {
  const bytes = await readBytes(path)
  const isEncrypted = Buffer.from(bytes).toString('latin1').includes('ENCRYPTED')
  if (!isEncrypted && passwordFile === undefined) return decodePrivateKey(bytes)
  const source = { file: passwordFile, variable: 'CERTKEEP_PASSWORD', question: `Passphrase of ${path}` }
  return decodePrivateKey(bytes, await getPassword(source))
}
