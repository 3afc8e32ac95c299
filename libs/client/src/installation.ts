import { existsSync } from 'node:fs'
import { mkdir, unlink } from 'node:fs/promises'
import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { AppError, wipe } from '@app/core'
import { encodePem } from '@app/der'
import { writeNewFile } from '@app/files'
import { decodeCertificate, formatName } from '@app/x509'
import { buildPkcs12 } from './pkcs12.js'
import type { Pkcs12Profile } from './pkcs12-profile.js'
import { encodePrivateKeyPem } from './private-key-pem.js'

/** A certificate to install, with its key. DER. */
export interface Installable {
  readonly certificate: Uint8Array
  readonly chain: readonly Uint8Array[]
  readonly privateKey: KeyObject
}

/** Where the parts of a PEM installation go; without `chain` the chain follows the certificate in its file. */
export interface PemPaths {
  readonly key: string
  readonly certificate: string
  readonly chain?: string
}

/** Where the parts of a PEM installation are. */
export type PemInstallation = PemPaths

/**
 * Writes a key (mode 0600, encrypted when a passphrase is given), its certificate and the chain (0644) as PEM. A
 * directory, made when missing, gets `key.pem`, `certificate.pem` and `chain.pem`. Throws `file_exists` when one of the
 * files exists; nothing is written then, and what was written before another failure is removed.
 */
export async function installPem(
  installable: Installable,
  target: string | PemPaths,
  passphrase?: string
): Promise<PemInstallation> {
  const paths = typeof target === 'string' ? pathsIn(target) : target
  requireAbsent([paths.key, paths.certificate, ...(paths.chain === undefined ? [] : [paths.chain])])
  if (typeof target === 'string') await makeDirectory(target)
  const certificate = encodePem('CERTIFICATE', installable.certificate)
  const chain = installable.chain.map(der => encodePem('CERTIFICATE', der)).join('')
  const key = Buffer.from(await encodePrivateKeyPem(installable.privateKey, passphrase))
  try {
    await writeTogether([
      { path: paths.key, bytes: key, mode: 0o600 },
      ...(paths.chain === undefined
        ? [{ path: paths.certificate, bytes: Buffer.from(certificate + chain), mode: 0o644 }]
        : [
            { path: paths.certificate, bytes: Buffer.from(certificate), mode: 0o644 },
            { path: paths.chain, bytes: Buffer.from(chain), mode: 0o644 }
          ])
    ])
  } finally {
    wipe(key)
  }
  return paths
}

/** Writes one PKCS#12 file, mode 0600; encrypted as the profile says, `modern` when none is named. Throws `file_exists`. */
export async function installPkcs12(
  installable: Installable,
  path: string,
  password: string,
  profile: Pkcs12Profile = 'modern'
): Promise<void> {
  // Before the work: deriving keys from the password takes seconds.
  requireAbsent([path])
  const privateKey = installable.privateKey.export({ type: 'pkcs8', format: 'der' })
  try {
    const friendlyName = nameOf(installable)
    const bytes = await buildPkcs12({ ...installable, privateKey, friendlyName, password, profile })
    await writeNewFile(path, bytes, 0o600)
  } finally {
    wipe(privateKey)
  }
}

/** A directory for secrets, with access for its owner only when it is made. Throws `unavailable`. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    throw new AppError('unavailable', `The directory ${path} cannot be made: ${code}.`, { path, code }, { cause })
  }
}

/** One of several files to write. */
interface NewFile {
  readonly path: string
  readonly bytes: Uint8Array
  readonly mode: number
}

/** Creates all of the files or, when one cannot be created, none. Throws `file_exists` or `unavailable`. */
export async function writeTogether(files: readonly NewFile[]): Promise<void> {
  const written: string[] = []
  try {
    for (const { path, bytes, mode } of files) {
      await writeNewFile(path, bytes, mode)
      written.push(path)
    }
  } catch (error) {
    await Promise.all(written.map(path => unlink(path)))
    throw error
  }
}

/** Throws `file_exists` when one of the paths is taken. */
export function requireAbsent(paths: readonly string[]): void {
  const taken = paths.find(path => existsSync(path))
  if (taken !== undefined) {
    throw new AppError('file_exists', `${taken} exists and is not overwritten. Move it away or choose another name.`, {
      path: taken
    })
  }
}

function pathsIn(directory: string): Required<PemPaths> {
  return {
    key: join(directory, 'key.pem'),
    certificate: join(directory, 'certificate.pem'),
    chain: join(directory, 'chain.pem')
  }
}

function nameOf({ certificate }: Installable): string {
  const { subject, serialHex } = decodeCertificate(certificate)
  return subject.rdns.length === 0 ? serialHex : formatName(subject)
}
