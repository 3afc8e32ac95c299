import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { AppError } from '@app/core'

/** What later commands need not be told again. Paths are absolute once read. */
export interface ClientProfile {
  /** The server's address. */
  readonly url?: string
  /** The CA's name. */
  readonly ca?: string
  /** PEM file with the trusted roots. */
  readonly trust?: string
  /** A file with a bearer token. */
  readonly tokenFile?: string
  /** PEM files of a client certificate and its key. */
  readonly certificate?: string
  readonly certificateKey?: string
  /** A PKCS#12 file with both instead, and the file with its password. */
  readonly certificateP12?: string
  readonly passwordFile?: string
}

const paths: ReadonlySet<string> = new Set([
  'trust',
  'tokenFile',
  'certificate',
  'certificateKey',
  'certificateP12',
  'passwordFile'
])
const names: ReadonlySet<string> = new Set(['url', 'ca', ...paths])

/** Where the profile is: `$CERTKEEP_PROFILE`, else `certkeep/profile.json` in the user's configuration directory. */
export function profilePath(): string {
  const { CERTKEEP_PROFILE: named, XDG_CONFIG_HOME: configuration } = process.env
  if (named !== undefined && named !== '') return resolve(named)
  const base = configuration !== undefined && configuration !== '' ? configuration : join(homedir(), '.config')
  return join(base, 'certkeep', 'profile.json')
}

/** The profile; empty when there is none. Throws `config_invalid` when it is not one. */
export async function readProfile(path = profilePath()): Promise<ClientProfile> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return {}
    throw new AppError('config_invalid', `The profile ${path} cannot be read: ${code}.`, { path }, { cause })
  }
  return profileOf(parse(text, path), path)
}

function parse(text: string, path: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>
  } catch {
    // The same answer as for JSON of another kind.
  }
  throw new AppError('config_invalid', `The profile ${path} is no JSON object. Make it anew with "certkeep bootstrap".`)
}

function profileOf(fields: Readonly<Record<string, unknown>>, path: string): ClientProfile {
  const unknown = Object.entries(fields).find(([name, value]) => !names.has(name) || typeof value !== 'string')
  if (unknown !== undefined) {
    throw new AppError('config_invalid', `The profile ${path} has an unknown or wrong member "${unknown[0]}".`, {
      path
    })
  }
  return Object.fromEntries(
    Object.entries(fields as Readonly<Record<string, string>>).map(([name, value]) => [
      name,
      paths.has(name) ? resolve(dirname(path), value) : value
    ])
  )
}
