import { readdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { decodeEnvelopedData, isIdentifiedBy } from '@app/cms'
import { isAppError } from '@app/core'
import { certificatesIn, decodePrivateKey, installPem, makeDirectory, type RecoveryRecipient } from '@app/client'
import { decodeCertificate, type Certificate } from '@app/x509'
import { hash } from 'node:crypto'
import { readBytes } from './connection.js'
import type { KeyHolder } from './key-holder.js'
import { profilePath } from './profile.js'

/** Where the user's one-time recipient keys are: beside the profile, for nobody else to read. */
function recipientDirectory(): string {
  return join(dirname(profilePath()), 'recoveries')
}

/** SHA-256 of a certificate, in hexadecimal: what an officer tells the agents and they compare. */
export function fingerprintOf(certificate: Uint8Array): string {
  return hash('sha256', certificate, 'hex')
}

/** Keeps a one-time key (mode 0600) and its certificate until the recovery is opened. Returns the path of the key. */
export async function keepRecipient({ privateKey, certificate }: RecoveryRecipient): Promise<string> {
  await makeDirectory(recipientDirectory())
  const files = filesOf(certificate)
  await installPem({ privateKey, certificate, chain: [] }, files)
  return files.key
}

/** Removes what {@link keepRecipient} kept, after a request that was not taken. */
export async function dropRecipient({ certificate }: Pick<RecoveryRecipient, 'certificate'>): Promise<void> {
  const { key, certificate: beside } = filesOf(certificate)
  await Promise.all([unlink(key), unlink(beside)])
}

function filesOf(certificate: Uint8Array): { readonly key: string; readonly certificate: string } {
  const name = join(recipientDirectory(), fingerprintOf(certificate).slice(0, 32))
  return { key: `${name}.key`, certificate: `${name}.pem` }
}

/** The kept key that a share is encrypted to; undefined when it is encrypted to another. */
export async function findRecipient(share: Uint8Array): Promise<KeyHolder | undefined> {
  const { recipients } = decodeEnvelopedData(share)
  for (const name of await certificateNames()) {
    const path = join(recipientDirectory(), name)
    const certificate = await readCertificate(path)
    if (certificate === undefined || !recipients.some(({ identifier }) => isNamed(certificate, identifier))) continue
    const privateKey = decodePrivateKey(await readBytes(path.replace(/pem$/, 'key')))
    return { privateKey, certificate }
  }
  return undefined
}

function isNamed(certificate: Certificate, identifier: Parameters<typeof isIdentifiedBy>[1]): boolean {
  return isIdentifiedBy({ issuer: certificate.issuer.raw, serialNumber: certificate.serialNumber }, identifier)
}

async function certificateNames(): Promise<readonly string[]> {
  const names = await readdir(recipientDirectory()).catch(() => [])
  return names.filter(name => name.endsWith('.pem'))
}

async function readCertificate(path: string): Promise<Certificate | undefined> {
  try {
    const [first] = certificatesIn(await readBytes(path))
    return first === undefined ? undefined : decodeCertificate(first)
  } catch (error) {
    // Something else in the directory.
    if (isAppError(error)) return undefined
    throw error
  }
}
