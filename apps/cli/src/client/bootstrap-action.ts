import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rename, unlink } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'
import { fetchTrustedRoot, listAuthorities } from '@app/client'
import { AppError, isAppError, toHex } from '@app/core'
import { writeNewFile } from '@app/files'
import { jsonOf, type Talk } from '../output.js'
import { findConnection } from './connection.js'
import { profilePath, type ClientProfile } from './profile.js'

/** What `bootstrap` takes. */
export interface BootstrapCommand {
  readonly url: string
  readonly fingerprint: string
  readonly ca?: string
  readonly tokenFile?: string
  readonly cert?: string
  readonly certKey?: string
  readonly certP12?: string
  readonly certPasswordFile?: string
  readonly replace?: boolean
}

/**
 * `bootstrap`: pins the root of a server and writes the profile. With a credential it finds out the name of the CA, when
 * there is one only. Throws `file_exists` when there is a profile and it is not to be replaced.
 */
export async function bootstrap(options: BootstrapCommand, talk: Talk): Promise<void> {
  const path = profilePath()
  if (existsSync(path) && options.replace !== true) {
    throw new AppError('file_exists', `There is a profile in ${path}. Give --replace to have another one.`, { path })
  }
  const root = await fetchTrustedRoot(options.url, options.fingerprint)
  const trust = await keepRoot(dirname(path), root)
  const ca = options.ca ?? (await findOnlyCa(options, trust))
  const profile: ClientProfile = {
    url: options.url,
    ...(ca === undefined ? {} : { ca }),
    trust,
    ...(options.tokenFile === undefined ? {} : { tokenFile: resolve(options.tokenFile) }),
    ...(options.cert === undefined ? {} : { certificate: resolve(options.cert) }),
    ...(options.certKey === undefined ? {} : { certificateKey: resolve(options.certKey) }),
    ...(options.certP12 === undefined ? {} : { certificateP12: resolve(options.certP12) }),
    ...(options.certPasswordFile === undefined ? {} : { passwordFile: resolve(options.certPasswordFile) })
  }
  await replaceFile(path, Buffer.from(jsonOf(profile)))
  talk.say(
    `Trusts ${new X509Certificate(root).subject.replaceAll('\n', ', ')} for ${options.url}${ca === undefined ? '' : `, CA "${ca}"`}.`
  )
  talk.say(`The profile is ${path}.`)
}

/** The root stands beside the profile under its own fingerprint, so one that is there already is the same. */
async function keepRoot(directory: string, pem: string): Promise<string> {
  const name = new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase().slice(0, 32)
  const path = join(directory, `root-${name}.pem`)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  try {
    await writeNewFile(path, Buffer.from(pem), 0o644)
  } catch (error) {
    if (!isAppError(error, 'file_exists')) throw error
  }
  return path
}

async function findOnlyCa(options: BootstrapCommand, trust: string): Promise<string | undefined> {
  if ([options.tokenFile, options.cert, options.certP12].every(given => given === undefined)) return undefined
  const { settings } = await findConnection({ ...options, trust })
  const [only, ...others] = await listAuthorities(settings)
  return others.length === 0 ? only?.name : undefined
}

/** Puts a whole file in the place of another, or of none. */
async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const unfinished = `${path}.${toHex(randomBytes(6))}`
  await writeNewFile(unfinished, bytes, 0o600)
  try {
    await rename(unfinished, path)
  } catch (cause) {
    await unlink(unfinished).catch(() => undefined)
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    throw new AppError('unavailable', `${path} cannot be written: ${code}.`, { path, code }, { cause })
  }
}
