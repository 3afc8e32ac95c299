import { createReadStream } from 'node:fs'
import { mkdir, open, stat, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { decodeCheckpointLine, type AuditPublicKey, type Checkpoint, type CheckpointReader } from '@app/audit'
import { AppError } from '@app/core'
import { syncDirectory } from '@app/files'
import type { Config } from '../config/load.js'

/** Where the checkpoints of an installation are kept outside of its database. */
export function checkpointFileOf({ home, audit }: Pick<Config, 'home' | 'audit'>): string {
  return audit.checkpointFile ?? join(home, 'audit', 'checkpoints.jsonl')
}

/**
 * Adds lines to the file, made with access for its owner only when missing, and gives its size when they are on stable
 * storage. A line that a crash left without its end is removed first. Throws `unavailable` when the disk refuses.
 */
export async function appendCheckpointLines(path: string, lines: string): Promise<number> {
  let size: number
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(path, 'a+', 0o600)
    try {
      await removeTornLine(file)
      await file.appendFile(lines)
      await file.sync()
      ;({ size } = await file.stat())
    } finally {
      await file.close()
    }
    await syncDirectory(dirname(path))
    return size
  } catch (cause) {
    throw unavailable(path, 'written', cause)
  }
}

async function removeTornLine(file: FileHandle): Promise<void> {
  const { size } = await file.stat()
  const tail = Buffer.alloc(Math.min(size, 65_536))
  await file.read(tail, 0, tail.length, size - tail.length)
  const end = tail.lastIndexOf('\n') + 1
  if (end < tail.length) await file.truncate(size - tail.length + end)
}

/** The checkpoints of a file in their order, and the keys that it names. */
export interface CheckpointFile extends CheckpointReader {
  /** Those of the lines that have been read. */
  readonly keys: readonly AuditPublicKey[]
  close(): void
}

/**
 * Reads a file of checkpoints line by line, as far as it goes now; undefined when there is none. Throws `unavailable`
 * when it cannot be read and `invalid_argument` for a line that is none; an unfinished last line is passed over.
 */
export async function openCheckpointFile(path: string): Promise<CheckpointFile | undefined> {
  const size = await checkpointFileSize(path)
  if (size === undefined) return undefined
  const stream = createReadStream(path, { end: Math.max(0, size - 1) })
  const lines = createInterface({ input: stream, crlfDelay: Infinity })[Symbol.asyncIterator]()
  const keys: AuditPublicKey[] = []
  let next: Checkpoint | undefined
  let line = await nextLine(lines, path)
  const advance = async (): Promise<void> => {
    next = undefined
    while (next === undefined && line !== undefined) {
      const text = line
      line = await nextLine(lines, path)
      next = takeLine(text, line === undefined, keys)
    }
  }
  await advance()
  return {
    get next() {
      return next
    },
    keys,
    advance,
    close: () => stream.destroy()
  }
}

/** The size of the file in bytes; undefined when there is none. Throws `unavailable` when it cannot be looked at. */
export async function checkpointFileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw unavailable(path, 'read', cause)
  }
}

async function nextLine(lines: AsyncIterator<string>, path: string): Promise<string | undefined> {
  try {
    const { done, value } = await lines.next()
    return done === true ? undefined : value
  } catch (cause) {
    throw unavailable(path, 'read', cause)
  }
}

/** The checkpoint of a line; undefined for a key, which is remembered, and for an unfinished last line. */
function takeLine(text: string, isLast: boolean, keys: AuditPublicKey[]): Checkpoint | undefined {
  try {
    const decoded = decodeCheckpointLine(text)
    if (decoded.kind === 'checkpoint') return decoded.checkpoint
    keys.push(decoded.key)
    return undefined
  } catch (error) {
    if (isLast && !text.endsWith('}')) return undefined
    throw error
  }
}

/** The last checkpoint of a file and the keys that it names; reads the whole file. */
export async function readCheckpointFile(
  path: string
): Promise<{ readonly last: Checkpoint | undefined; readonly keys: readonly AuditPublicKey[] }> {
  const file = await openCheckpointFile(path)
  if (file === undefined) return { last: undefined, keys: [] }
  let last: Checkpoint | undefined
  for (let { next } = file; next !== undefined; next = file.next) {
    last = next
    await file.advance()
  }
  return { last, keys: file.keys }
}

function unavailable(path: string, what: string, cause: unknown): AppError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown'
  const message = `The file of audit checkpoints ${path} cannot be ${what}: ${code}.`
  return new AppError('unavailable', message, { path, code }, { cause })
}
