import { mkdirSync } from 'node:fs'
import { readFile, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { AppError } from '@app/core'
import { syncDirectory, writeNewFile } from '@app/files'
import type { KeyFiles } from '@app/keys'

/** Names that mean the same on every file system and cannot leave the directory. */
const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?$/

/**
 * Keeps key files in one directory, made with access for its owner only when missing. As {@link KeyFiles} demands:
 * created once, never overwritten, mode 0600, durable when `write` resolves. Throws `invalid_argument` for a name
 * that is more than lower-case letters, digits, dots, dashes and underscores.
 */
export function createKeyFiles(directory: string): KeyFiles {
  const root = resolve(directory)
  const place = (name: string): string => {
    if (NAME.test(name) && !name.includes('..')) return join(root, name)
    throw new AppError('invalid_argument', `"${name}" is no name of a key file.`, { name })
  }
  return {
    read: async name => {
      const path = place(name)
      try {
        return await readFile(path)
      } catch (cause) {
        if (codeOf(cause) === 'ENOENT') return undefined
        throw unavailable(path, 'read', cause)
      }
    },
    write: async (name, bytes) => {
      const path = place(name)
      try {
        mkdirSync(root, { recursive: true, mode: 0o700 })
      } catch (cause) {
        throw unavailable(root, 'made', cause)
      }
      await writeNewFile(path, bytes, 0o600)
    },
    remove: async name => {
      const path = place(name)
      try {
        await unlink(path)
        await syncDirectory(root)
      } catch (cause) {
        if (codeOf(cause) !== 'ENOENT') throw unavailable(path, 'removed', cause)
      }
    }
  }
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code ?? 'unknown'

function unavailable(path: string, what: string, cause: unknown): AppError {
  const code = codeOf(cause)
  return new AppError('unavailable', `${path} cannot be ${what}: ${code}.`, { path, code }, { cause })
}
