import { readFile, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, wipe, type Clock } from '@app/core'
import { decodeDerPemOrBase64, encodePem } from '@app/der'
import { writeNewFile } from '@app/files'
import { Enrollment } from './enrollment.js'
import { makeDirectory, requireAbsent, writeTogether } from './installation.js'

/** Where a request went. */
export interface Submission {
  readonly requestId: number
  /** The CA's name. */
  readonly ca: string
  /** The server's address. */
  readonly url: string
}

/** The files of a pending enrollment in its directory. */
export interface PendingFiles {
  /** PEM */
  readonly request: string
  /** PKCS#8 PEM, mode 0600. */
  readonly key: string
  /** JSON: what ties the response to the request. */
  readonly state: string
  /** JSON, once the request has been submitted. */
  readonly submission: string
}

/** The names that the files have in a directory. */
export function pendingFilesIn(directory: string): PendingFiles {
  return {
    request: join(directory, 'request.pem'),
    key: join(directory, 'pending.key'),
    state: join(directory, 'pending.json'),
    submission: join(directory, 'submitted.json')
  }
}

/**
 * Keeps a request and its key in a directory, which is made when missing with access for its owner only, so that a
 * later process can submit and accept. Throws `file_exists` when the directory holds an enrollment already.
 */
export async function savePending(
  directory: string,
  enrollment: Enrollment,
  request: Uint8Array,
  options: { readonly passphrase?: string } = {}
): Promise<PendingFiles> {
  const files = pendingFilesIn(directory)
  requireAbsent([files.key, files.state, files.request, files.submission])
  const { privateKey, state } = await enrollment.exportPending(options)
  const key = Buffer.from(privateKey)
  await makeDirectory(directory)
  try {
    await writeTogether([
      { path: files.key, bytes: key, mode: 0o600 },
      { path: files.state, bytes: json(state), mode: 0o600 },
      { path: files.request, bytes: Buffer.from(encodePem(labelFor(state.type), request)), mode: 0o600 }
    ])
  } finally {
    wipe(key)
  }
  return files
}

function labelFor(type: string): string {
  return type === 'pkcs10' ? 'CERTIFICATE REQUEST' : 'CMS'
}

/** Notes where the request of a directory went. Throws `file_exists` when that has been noted before. */
export async function saveSubmission(directory: string, submission: Submission): Promise<void> {
  await writeNewFile(pendingFilesIn(directory).submission, json(submission), 0o600)
}

/** Where the request of a directory went; undefined when it has not been submitted. Throws `key_store_invalid`. */
export async function findSubmission(directory: string): Promise<Submission | undefined> {
  const path = pendingFilesIn(directory).submission
  const bytes = await findFile(path)
  if (bytes === undefined) return undefined
  const { requestId, ca, url } = parseJson(bytes, path) as Partial<Submission>
  if (!Number.isSafeInteger(requestId) || typeof ca !== 'string' || typeof url !== 'string') throw damaged(path)
  return { requestId: requestId as number, ca, url }
}

/** The request that a directory keeps, DER. Throws `not_found`. */
export async function readPendingRequest(directory: string): Promise<Uint8Array> {
  return decodeDerPemOrBase64(await readPart(directory, pendingFilesIn(directory).request))
}

/** Takes up the enrollment of a directory. Throws `not_found`, `key_store_locked` or `key_store_invalid`. */
export async function loadPending(
  directory: string,
  settings: { readonly trust: string; readonly passphrase?: string; readonly clock?: Clock }
): Promise<Enrollment> {
  const files = pendingFilesIn(directory)
  const state = parseJson(await readPart(directory, files.state), files.state)
  const privateKey = await readPart(directory, files.key)
  const { passphrase, ...rest } = settings
  try {
    return Enrollment.restore({ privateKey, state, ...(passphrase === undefined ? {} : { passphrase }) }, rest)
  } finally {
    wipe(privateKey)
  }
}

/** Removes the files of an enrollment that is complete, and the directory when nothing else is in it. */
export async function removePending(directory: string): Promise<void> {
  for (const path of Object.values(pendingFilesIn(directory)) as string[]) {
    await unlink(path).catch(ignoreMissing)
  }
  await rmdir(directory).catch(() => undefined)
}

async function readPart(directory: string, path: string): Promise<Uint8Array> {
  const bytes = await findFile(path)
  if (bytes !== undefined) return bytes
  throw new AppError('not_found', `${directory} holds no pending enrollment: ${path} is missing.`, { path })
}

async function findFile(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path)
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new AppError('unavailable', `${path} cannot be read: ${code}.`, { path, code }, { cause })
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

function parseJson(bytes: Uint8Array, path: string): unknown {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // The same answer as for JSON of another kind.
  }
  throw damaged(path)
}

function damaged(path: string): AppError {
  return new AppError('key_store_invalid', `${path} is damaged. Make the request anew.`, { path })
}

function json(value: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`)
}
