import { setTimeout as pause } from 'node:timers/promises'
import {
  allItems,
  CertificateDirectory,
  PersonalStore,
  type DirectoryImport,
  type LdapRun,
  type LdapStatus,
  type RegisteredCertificate,
  type Registration
} from '@app/client'
import { AppError } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import { writeNewFile } from '@app/files'
import { decodeLdif, encodeLdif, type LdifAttribute, type LdifEntry } from '@app/ldif'
import type { ConnectionOptions } from '../client-options.js'
import { findConnection, readBytes, readSecret, withConsole } from './connection.js'
import { findEntry } from './directory-console-actions.js'

/** What a part of a file may have at most: well below the largest body of a request, once it stands in JSON. */
const PART = 120_000
const MEMBERS = ['member', 'uniquemember']
/** What says which group an entry with a part of the members is. */
const IDENTITY = ['objectclass', 'cn', 'samaccountname', 'objectsid', 'objectguid', 'entryuuid', 'msds-principalname']

/** Where one's own certificates are. */
export type StoreOptions = ConnectionOptions & { readonly store: string; readonly passphraseFile?: string }

/** Registers one's own certificate: the one of a file, DER or PEM, else an internal one, whose key goes into the store. */
export async function registerCertificate(
  file: string | undefined,
  { store: folder, passphraseFile, ifNotExist, ...options }: StoreOptions & { readonly ifNotExist?: boolean }
): Promise<Omit<Registration, 'certificate'>> {
  const { settings } = await findConnection(options)
  const passphrase = passphraseFile === undefined ? undefined : await readSecret(passphraseFile)
  const store = await PersonalStore.open(folder, passphrase === undefined ? {} : { passphrase })
  await using directory = new CertificateDirectory({ ...settings, store })
  const flags = ifNotExist === true ? 'MQCERT_REGISTER_IF_NOT_EXIST' : 'MQCERT_REGISTER_ALWAYS'
  const given = file === undefined ? {} : { certificate: decodeDerPemOrBase64(await readBytes(file)) }
  const { certificate: _, ...registration } = await directory.registerCertificate({ flags, ...given })
  return registration
}

/** The registered certificates of an account. */
export function listCertificates(
  account: string,
  options: ConnectionOptions
): Promise<readonly RegisteredCertificate[]> {
  return withDirectory(options, directory => directory.list(account))
}

/** One of them, DER. */
export function fetchCertificate(account: string, digest: string, options: ConnectionOptions): Promise<Uint8Array> {
  return withDirectory(options, directory => directory.fetch(digest, account))
}

/** Takes a certificate of one's own from the directory, or of another account as an administrator. */
export function deregisterCertificate(
  digest: string,
  { account, ...options }: ConnectionOptions & { readonly account?: string }
): Promise<void> {
  if (account === undefined) return withDirectory(options, directory => directory.deregister(digest))
  return withConsole(options, async ({ directory }) =>
    directory.deregister((await findEntry(directory, account)).id, digest)
  )
}

/** Certificates that the LDAP server has not taken so far. */
export function listPublications(options: ConnectionOptions): Promise<readonly object[]> {
  return withConsole(options, ({ directory }) =>
    allItems(cursor => directory.publications({ limit: 200, ...(cursor && { cursor }) }))
  )
}

/** Writes the directory as LDIF into a new file that only its owner can read. */
export async function exportDirectory(file: string, options: ConnectionOptions): Promise<void> {
  const pieces: Uint8Array[] = []
  await withConsole(options, async ({ directory }) => {
    for await (const piece of directory.export()) pieces.push(piece)
  })
  await writeNewFile(file, Buffer.concat(pieces), 0o600)
}

/**
 * Sends an LDIF file in parts: first all accounts and groups, then who is in which group. Says what came of it, over all
 * parts; findings are of entries that were not taken, or not wholly.
 */
export async function importDirectory(
  file: string,
  { domain, ...options }: ConnectionOptions & { readonly domain?: string }
): Promise<DirectoryImport> {
  const entries = decodeLdif(await readBytes(file))
  const total = { added: 0, changed: 0, unchanged: 0, ignored: 0 }
  const findings: DirectoryImport['findings'][number][] = []
  await withConsole(options, async ({ directory }) => {
    for (const part of partsOf(entries.map(withoutMembers))) {
      const result = await directory.import(part, domain === undefined ? {} : { domain })
      for (const name of ['added', 'changed', 'unchanged', 'ignored'] as const) total[name] += result[name]
      findings.push(...result.findings)
    }
    for (const part of partsOf(entries.flatMap(membershipsOf))) {
      findings.push(...(await directory.import(part, domain === undefined ? {} : { domain })).findings)
    }
  })
  return { ...total, findings }
}

/** How accounts are read from the LDAP server. */
export function ldapStatus(options: ConnectionOptions): Promise<LdapStatus> {
  return withConsole(options, ({ directory }) => directory.ldap())
}

/** Entries of the LDAP server that could not be taken. */
export function refusedEntries(options: ConnectionOptions): Promise<readonly object[]> {
  return withConsole(options, ({ directory }) =>
    allItems(cursor => directory.refusedEntries({ limit: 200, ...(cursor && { cursor }) }))
  )
}

/** Has the LDAP server read, and waits for the end. Throws `unavailable` with the reason when that fails. */
export function readLdap({
  full = false,
  acceptRemovals = false,
  ...options
}: ConnectionOptions & { readonly full?: boolean; readonly acceptRemovals?: boolean }): Promise<LdapRun> {
  return withConsole(options, async ({ directory }) => {
    let run = await directory.readLdap({ full, acceptRemovals })
    while (run.endedAt === undefined) {
      await pause(500)
      run = await directory.ldapRun(run.id)
    }
    if (run.state === 'failed') throw new AppError('unavailable', run.error ?? 'The LDAP server could not be read.')
    return run
  })
}

async function withDirectory<T>(
  options: ConnectionOptions,
  work: (directory: CertificateDirectory) => Promise<T>
): Promise<T> {
  const { settings } = await findConnection(options)
  await using directory = new CertificateDirectory(settings)
  return await work(directory)
}

const isOneOf = ({ name }: LdifAttribute, names: readonly string[]): boolean => names.includes(name.toLowerCase())

function withoutMembers({ dn, attributes }: LdifEntry): LdifEntry {
  return { dn, attributes: attributes.filter(attribute => !isOneOf(attribute, MEMBERS)) }
}

/** A group with its members, again and again with so many of them as fit into a part. */
function membershipsOf({ dn, attributes }: LdifEntry): readonly LdifEntry[] {
  const identity = attributes.filter(attribute => isOneOf(attribute, IDENTITY))
  return attributes
    .filter(attribute => isOneOf(attribute, MEMBERS))
    .flatMap(({ name, values }) => {
      const parts: LdifEntry[] = []
      for (let at = 0; at < values.length; at += 100) {
        parts.push({ dn, attributes: [...identity, { name, values: values.slice(at, at + 100) }] })
      }
      return parts
    })
}

function* partsOf(entries: readonly LdifEntry[]): Generator<string, void, undefined> {
  let part: string[] = []
  let length = 0
  for (const entry of entries) {
    const text = encodeLdif([entry]).replace(/^version: 1\n\n/, '')
    if (length > 0 && length + text.length > PART) {
      yield part.join('\n')
      part = []
      length = 0
    }
    part.push(text)
    length += text.length
  }
  if (part.length > 0) yield part.join('\n')
}
