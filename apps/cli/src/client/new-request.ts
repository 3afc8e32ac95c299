import type { RequestOptions } from '@app/client'
import { decodePrivateKey, Enrollment, savePending, type PendingFiles } from '@app/client'
import { parseRequestAttributes } from '@app/cmc'
import { AppError, isAppError } from '@app/core'
import type { NewRequestOptions } from '../client-options.js'
import type { Talk } from '../output.js'
import { findConnection, findTrust, readSecret, readText, withCa } from './connection.js'
import { readProfile } from './profile.js'

/** A request made and kept in a directory. */
export interface KeptRequest {
  readonly enrollment: Enrollment
  /** DER */
  readonly request: Uint8Array
  readonly files: PendingFiles
}

/** Makes a key and a request and keeps both in a directory, for `request submit` and `request accept`. */
export async function makeRequest(options: NewRequestOptions, directory: string, talk: Talk): Promise<KeptRequest> {
  const archival = await findArchival(options, talk)
  const enrollment = new Enrollment({ key: await keyOf(options), ...archival })
  const request = await enrollment.createRequest(wishesOf(options))
  const passphrase = await passphraseOf(options)
  const files = await savePending(directory, enrollment, request, passphrase === undefined ? {} : { passphrase })
  talk.say(
    enrollment.archivesKey
      ? 'The private key goes along, encrypted to the CA, to be archived.'
      : 'The private key stays here; it is not archived.'
  )
  return { enrollment, request, files }
}

/** The passphrase that protects the private key; undefined when there is none. */
export async function passphraseOf({ passphraseFile }: { readonly passphraseFile?: string }): Promise<
  string | undefined
> {
  return passphraseFile === undefined ? undefined : readSecret(passphraseFile)
}

interface Archival {
  readonly trust: string
  readonly privateKeyArchiveCertificate?: Uint8Array | string
  readonly chain?: readonly Uint8Array[]
}

const withoutArchival: Archival = { trust: '' }

/** Whether and to which certificate the key is archived. */
async function findArchival(options: NewRequestOptions, talk: Talk): Promise<Archival> {
  const isPossible = options.form !== 'pkcs10' && (options.key !== 'ed25519' || options.keyFile !== undefined)
  if (options.archive === true && !isPossible) {
    throw new AppError('invalid_argument', 'A PKCS#10 request or an Ed25519 key cannot be archived; drop --archive.')
  }
  if (options.archive === false || !isPossible) return withoutArchival
  if (options.exchangeCert !== undefined) {
    const profile = await readProfile()
    const trust = await findTrust(options, profile, options.url ?? profile.url)
    if (trust === undefined) throw new AppError('invalid_argument', 'No root is trusted. Give --trust.')
    return { trust, privateKeyArchiveCertificate: await readText(options.exchangeCert) }
  }
  return fetchArchival(options, talk)
}

async function fetchArchival(options: NewRequestOptions, talk: Talk): Promise<Archival> {
  const connection = await findConnection(options)
  try {
    return await withCa(connection, async ({ request, trust }) => ({
      trust,
      privateKeyArchiveCertificate: await request.getCACertificate({ exchange: true }),
      chain: await request.getCACertificateChain()
    }))
  } catch (error) {
    const isOptional = options.archive === undefined
    if (!isOptional || !(isAppError(error, 'archival_not_configured') || isAppError(error, 'no_valid_recovery_agent'))) {
      throw error
    }
    talk.say('The CA archives no keys.')
    return withoutArchival
  }
}

async function keyOf(options: NewRequestOptions): Promise<NonNullable<Parameters<typeof existingKey>[0]>> {
  if (options.keyFile === undefined) return { algorithm: options.key }
  const passphrase = await passphraseOf(options)
  return existingKey({ privateKey: decodePrivateKey(await readSecret(options.keyFile), passphrase) })
}
