import { randomBytes } from 'node:crypto'
import { link, open, unlink } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { AppError } from '@app/core'

/**
 * Creates a file and resolves when its content and its name are on stable storage. A file that is half written is
 * never seen under the name, also not after a crash. Throws `file_exists` and changes nothing when there is one,
 * `unavailable` when the disk refuses. `mode` are its permissions, whatever the umask takes away.
 */
export async function writeNewFile(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  const target = resolve(path)
  const unfinished = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}`)
  try {
    try {
      await writeDurably(unfinished, bytes, mode)
      await link(unfinished, target)
    } finally {
      await unlink(unfinished).catch(() => undefined)
    }
    await syncDirectory(dirname(target))
  } catch (cause) {
    throw writeError(target, cause)
  }
}

async function writeDurably(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode)
  try {
    await file.writeFile(bytes)
    await file.chmod(mode)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Makes names in a directory durable. Windows has no such call and needs none for NTFS, which logs names. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function writeError(path: string, cause: unknown): AppError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown'
  if (code === 'EEXIST') {
    return new AppError('file_exists', `${path} exists and is not overwritten. Move it away or choose another name.`, {
      path
    })
  }
  return new AppError('unavailable', `${path} cannot be written: ${code}.`, { path, code }, { cause })
}
