import { readFile, stat } from 'node:fs/promises'
import { AppError, wipe } from '@app/core'
import { readSecretFile } from '@app/files'
import {
  CertRequest,
  Console,
  fetchTrustedRoot,
  listAuthorities,
  readPkcs12,
  type ConnectionSettings,
  type Credentials
} from '@app/client'
import { encodePem } from '@app/der'
import type { ConnectionOptions } from '../client-options.js'
import { readProfile, type ClientProfile } from './profile.js'

/** A server found, and what is trusted. */
export interface Connection {
  readonly settings: ConnectionSettings & { readonly trust: string }
  /** The CA's name, when the options or the profile say it. */
  readonly ca?: string
}

/**
 * Finds the server by the options and the profile. Throws `invalid_argument` when there is no address or no root to
 * trust: nothing is ever sent to a server that is not pinned.
 */
export async function findConnection(options: ConnectionOptions): Promise<Connection> {
  const profile = await readProfile()
  const url = options.url ?? profile.url
  if (url === undefined) {
    throw new AppError('invalid_argument', 'No server is named. Give --url, or run "certkeep bootstrap" once.')
  }
  const trust = await findTrust(options, profile, url)
  if (trust === undefined) {
    throw new AppError(
      'invalid_argument',
      'No root is trusted. Give --trust or --fingerprint, or run "certkeep bootstrap" once.'
    )
  }
  const credentials = await findCredentials(options, profile)
  const ca = options.ca ?? profile.ca
  return {
    settings: { url, trust, ...(credentials === undefined ? {} : { credentials }) },
    ...(ca === undefined ? {} : { ca })
  }
}

/** PEM of the roots that the options or the profile trust; undefined when they name none. */
export async function findTrust(
  options: ConnectionOptions,
  profile: ClientProfile,
  url: string | undefined
): Promise<string | undefined> {
  if (options.trust !== undefined) return readText(options.trust)
  if (options.fingerprint !== undefined && url !== undefined) return fetchTrustedRoot(url, options.fingerprint)
  return profile.trust === undefined ? undefined : readText(profile.trust)
}

async function findCredentials(options: ConnectionOptions, profile: ClientProfile): Promise<Credentials> {
  const given = options.tokenFile !== undefined || options.cert !== undefined || options.certP12 !== undefined
  const p12 = given ? options.certP12 : profile.certificateP12
  const passwordFile = given ? options.certPasswordFile : profile.passwordFile
  const tokenFile = given ? options.tokenFile : profile.tokenFile
  const certificate = given ? options.cert : profile.certificate
  const key = given ? options.certKey : profile.certificateKey
  if (tokenFile !== undefined) return { token: await readSecret(tokenFile) }
  if (p12 !== undefined) return credentialsIn(p12, passwordFile)
  if (certificate === undefined) return undefined
  if (key === undefined) throw new AppError('invalid_argument', 'A client certificate needs its key: give --cert-key.')
  return { certificate: await readText(certificate), privateKey: await readSecret(key) }
}

async function credentialsIn(p12: string, passwordFile: string | undefined): Promise<Credentials> {
  if (passwordFile === undefined) {
    throw new AppError('invalid_argument', 'A PKCS#12 file needs its password: give --cert-password-file.')
  }
  const { privateKey, certificate, otherCertificates } = await readPkcs12(
    await readBytes(p12),
    await readSecret(passwordFile)
  )
  if (certificate === undefined) throw new AppError('invalid_argument', `${p12} has no certificate for its key.`)
  return {
    certificate: [certificate, ...otherCertificates].map(der => encodePem('CERTIFICATE', der)).join(''),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  }
}

/** A client of one CA, with what it was made from. */
export interface OpenConnection {
  readonly request: CertRequest
  readonly trust: string
  readonly url: string
  readonly ca: string
}

/** Works with one CA: the one named, else the only one there is. Its connections are closed afterwards. */
export async function withCa<T>(
  { settings, ca }: Connection,
  work: (connection: OpenConnection) => Promise<T>
): Promise<T> {
  const name = ca ?? (await onlyCa(settings))
  await using request = new CertRequest({ ...settings, ca: name })
  return await work({ request, trust: settings.trust, url: settings.url, ca: name })
}

/** Works with the console of the server. Its connections are closed afterwards. */
export async function withConsole<T>(options: ConnectionOptions, work: (console: Console) => Promise<T>): Promise<T> {
  const { settings } = await findConnection(options)
  await using console = new Console(settings)
  return await work(console)
}

async function onlyCa(settings: ConnectionSettings): Promise<string> {
  const found = await listAuthorities(settings)
  const [only] = found
  if (only !== undefined && found.length === 1) return only.name
  const list = found.map(({ name }) => `"${name}"`).join(', ')
  throw new AppError('invalid_argument', `The server has ${found.length} CAs: ${list}. Name one with --ca.`)
}

/** A text file. Throws `not_found` or `unavailable`. */
export async function readText(path: string): Promise<string> {
  return Buffer.from(await readBytes(path)).toString('utf8')
}

/** A file's bytes. Throws `not_found` or `unavailable`. */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new AppError('not_found', `There is no file ${path}.`, { path })
    throw new AppError('unavailable', `${path} cannot be read: ${code}.`, { path, code }, { cause })
  }
}

/** The text of a file that holds one secret and that only its owner may read. Throws `config_invalid`. */
export async function readSecret(path: string): Promise<string> {
  const secret = await readSecretFile(path)
  try {
    return Buffer.from(secret).toString('utf8')
  } finally {
    wipe(secret)
  }
}

/** Whether there is a directory at the path. */
export async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    found => found.isDirectory(),
    () => false
  )
}
