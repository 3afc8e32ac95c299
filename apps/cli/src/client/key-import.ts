import { createHash } from 'node:crypto'
import { appendFile, readdir, readFile } from 'node:fs/promises'
import { dirname, extname, join, resolve } from 'node:path'
import { certificatesIn, KeyImporter, openArchivedKeyBlob, readPkcs12, type ArchivedKeyImport } from '@app/client'
import { AppError, isAppError } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import { decodeCertificate } from '@app/x509'
import { z } from 'zod'
import type { ConnectionOptions } from '../client-options.js'
import { EXIT } from '../exit-code.js'
import { print, type OutputFormat, type Talk } from '../output.js'
import { findConnection, isDirectory, readBytes, readSecret, readText, withConsole } from './connection.js'
import { findKeyHolder, type KeyHolder } from './key-holder.js'

/** What `key import` takes. */
export interface KeyImportOptions extends ConnectionOptions {
  readonly passwordFile?: string
  readonly agent?: string
  readonly agentKey?: string
  readonly agentCert?: string
  readonly agentPasswordFile?: string
  readonly certificate?: string
  readonly template?: string
  readonly owner?: string
  readonly foreign?: boolean
  readonly replace?: boolean
  readonly manifest?: string
  readonly journal?: string
  readonly output: OutputFormat
}

/** One line of a manifest: a file and what differs for it. Paths are relative to the manifest. */
const manifestLine = z.strictObject({
  file: z.string().min(1),
  passwordFile: z.string().min(1).optional(),
  certificate: z.string().min(1).optional(),
  template: z.string().min(1).optional(),
  owner: z.string().min(1).optional(),
  foreign: z.boolean().optional(),
  replace: z.boolean().optional()
})

/** A file with a key, and how it is imported. */
type Source = z.infer<typeof manifestLine>

/** What became of one file. */
interface Told {
  readonly file: string
  readonly result: 'imported' | 'archived before' | 'done before' | 'failed'
  readonly requestId?: number
  readonly code?: string
  readonly message?: string
}

/** How many files are on their way at a time. */
const atOnce = 8
const EXTENSIONS = new Set(['.p12', '.pfx', '.p7b', '.p7', '.p7m', '.blob', '.bin', '.der', '.ber', '.pem', '.b64'])

/**
 * `key import`: puts the keys of files into the archive. Every file gets one line; a file that fails holds up no other, and
 * what is in the journal is not done again.
 */
export async function importKeys(paths: readonly string[], options: KeyImportOptions, talk: Talk): Promise<void> {
  const sources = await sourcesOf(paths, options)
  if (sources.length === 0)
    throw new AppError('invalid_argument', 'There is no file to import. Name files or a folder.')
  const { settings, ca } = await findConnection(options)
  if (ca === undefined) throw new AppError('invalid_argument', 'Name the CA whose archive it is with --ca.')
  const agent = await agentOf(options)
  const done = options.journal === undefined ? new Set<string>() : await readJournal(options.journal)
  const counts = { imported: 0, 'archived before': 0, 'done before': 0, failed: 0 }
  await withConsole(options, async console => {
    const importer = new KeyImporter(console, settings.trust)
    const queue = [...sources]
    const work = async (): Promise<void> => {
      for (let source = queue.shift(); source !== undefined; source = queue.shift()) {
        const told = await importFile(source, { options, ca, agent, importer, done })
        counts[told.result]++
        await tell(told, options.output)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, work))
  })
  const before = counts['archived before'] + counts['done before']
  talk.say(`${counts.imported} imported, ${before} in the archive before, ${counts.failed} failed.`)
  if (counts.failed > 0) process.exitCode = EXIT.failure
}

interface Work {
  readonly options: KeyImportOptions
  readonly ca: string
  readonly agent: KeyHolder | undefined
  readonly importer: KeyImporter
  /** SHA-256 of the files that the journal tells of. */
  readonly done: ReadonlySet<string>
}

async function importFile(source: Source, { options, ca, agent, importer, done }: Work): Promise<Told> {
  const { file } = source
  try {
    const bytes = await readBytes(file)
    const digest = createHash('sha256').update(bytes).digest('hex')
    if (done.has(digest)) return { file, result: 'done before' }
    const key = await keyIn(bytes, source, agent)
    const { template, owner, foreign, replace } = source
    const order: ArchivedKeyImport = {
      ca,
      ...key,
      ...(template === undefined ? {} : { template }),
      ...(owner === undefined ? {} : { owner }),
      ...(foreign === undefined ? {} : { foreign }),
      ...(replace === undefined ? {} : { replace })
    }
    const told = await importOnce(file, order, importer)
    if (options.journal !== undefined) await appendFile(options.journal, `${JSON.stringify({ digest, ...told })}\n`)
    return told
  } catch (error) {
    if (!isAppError(error)) throw error
    return { file, result: 'failed', code: error.code, message: error.message }
  }
}

/** A key that is archived already is what a run that was broken off has left. */
async function importOnce(file: string, order: ArchivedKeyImport, importer: KeyImporter): Promise<Told> {
  try {
    const { requestId } = await importer.import(order)
    return { file, result: 'imported', ...(requestId === undefined ? {} : { requestId }) }
  } catch (error) {
    if (!isAppError(error, 'archived_key_exists')) throw error
    const { requestId } = error.evidence
    return { file, result: 'archived before', ...(typeof requestId === 'number' ? { requestId } : {}) }
  }
}

/** The key in a file: a PKCS#12 with its password, or what `certutil -getkey` gave with the agent's key. */
async function keyIn(
  bytes: Uint8Array,
  source: Source,
  agent: KeyHolder | undefined
): Promise<Pick<ArchivedKeyImport, 'privateKey' | 'certificate'>> {
  const der = decodeDerPemOrBase64(bytes)
  const opened = isPkcs12(der)
    ? await readPkcs12(der, await passwordOf(source))
    : await openArchivedKeyBlob(der, requireAgent(agent))
  const given = source.certificate === undefined ? undefined : certificatesIn(await readBytes(source.certificate))[0]
  const certificate = given ?? opened.certificate
  if (certificate === undefined) {
    throw new AppError('invalid_argument', 'The file has no certificate of the key; name it with --certificate.')
  }
  decodeCertificate(certificate)
  return { privateKey: opened.privateKey, certificate }
}

/** A PFX begins with its version, a CMS message with the type of its content. */
function isPkcs12(der: Uint8Array): boolean {
  const length = der[1] ?? 0
  return der[length < 0x80 ? 2 : 2 + (length & 0x7f)] === 0x02
}

async function passwordOf({ passwordFile }: Source): Promise<string> {
  const given = process.env['CERTKEEP_PASSWORD']
  if (passwordFile !== undefined) return readSecret(passwordFile)
  if (given !== undefined) return given
  throw new AppError('invalid_argument', 'A PKCS#12 file needs its password: give --password-file.')
}

function requireAgent(agent: KeyHolder | undefined): KeyHolder {
  if (agent !== undefined) return agent
  throw new AppError(
    'invalid_argument',
    'A recovery blob needs the old recovery agent’s key: give --agent or --agent-key.'
  )
}

function agentOf(options: KeyImportOptions): Promise<KeyHolder | undefined> {
  const { agent: p12, agentKey: key, agentCert: certificate, agentPasswordFile: passwordFile } = options
  return findKeyHolder({ p12, key, certificate, passwordFile })
}

/** The files named, those of folders by their names, and those of the manifest. */
async function sourcesOf(paths: readonly string[], options: KeyImportOptions): Promise<readonly Source[]> {
  const { passwordFile, certificate, template, owner, foreign, replace } = options
  const common = {
    ...(passwordFile === undefined ? {} : { passwordFile }),
    ...(template === undefined ? {} : { template }),
    ...(owner === undefined ? {} : { owner }),
    ...(foreign === undefined ? {} : { foreign }),
    ...(replace === undefined ? {} : { replace })
  }
  const files: string[] = []
  for (const path of paths) files.push(...((await isDirectory(path)) ? await filesIn(path) : [path]))
  if (certificate !== undefined && files.length !== 1) {
    throw new AppError('invalid_argument', '--certificate is for one file; write a manifest for several.')
  }
  const named = files.map(file => ({ ...common, ...(certificate === undefined ? {} : { certificate }), file }))
  const listed = options.manifest === undefined ? [] : await readManifest(options.manifest)
  return [...named, ...listed.map(line => ({ ...common, ...line }))]
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  return entries
    .filter(entry => entry.isFile() && EXTENSIONS.has(extname(entry.name).toLowerCase()))
    .map(({ name }) => join(folder, name))
    .toSorted()
}

async function readManifest(path: string): Promise<readonly Source[]> {
  const folder = dirname(path)
  const lines = (await readText(path)).split('\n').map((text, index) => ({ text: text.trim(), number: index + 1 }))
  return lines
    .filter(({ text }) => text !== '')
    .map(({ text, number }) => {
      const parsed = manifestLine.safeParse(jsonOf(text))
      if (!parsed.success) {
        throw new AppError('invalid_argument', `${path}, line ${number}: ${z.prettifyError(parsed.error)}`)
      }
      const { file, passwordFile, certificate } = parsed.data
      return {
        ...parsed.data,
        file: resolve(folder, file),
        ...(passwordFile === undefined ? {} : { passwordFile: resolve(folder, passwordFile) }),
        ...(certificate === undefined ? {} : { certificate: resolve(folder, certificate) })
      }
    })
}

/** A last line that a crash cut short is passed over: its file is looked at again. */
async function readJournal(path: string): Promise<ReadonlySet<string>> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw new AppError('unavailable', `${path} cannot be read: ${error.code ?? 'unknown'}.`, { path })
  })
  const entries = text.split('\n').map(line => jsonOf(line) as { readonly digest?: unknown } | undefined)
  return new Set(entries.flatMap(entry => (typeof entry?.digest === 'string' ? [entry.digest] : [])))
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function tell(told: Told, output: OutputFormat): Promise<void> {
  const { file, result, requestId, code, message } = told
  const more = result === 'failed' ? `: ${code ?? ''}: ${message ?? ''}` : ''
  const where = requestId === undefined ? '' : `, request ${requestId}`
  await print(output === 'json' ? `${JSON.stringify(told)}\n` : `${file}: ${result}${where}${more}\n`)
}
