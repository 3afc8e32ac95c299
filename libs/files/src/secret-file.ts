import { open, type FileHandle } from 'node:fs/promises'
import { AppError, wipe } from '@app/core'

/** More than any passphrase, token or key that is kept in a file of its own. */
const MAX_BYTES = 64 * 1024

/**
 * The content of a file that holds one secret, without the line end that editors add. The caller wipes it. Throws
 * `config_invalid` when the file cannot be read, is empty or too large, is no regular file, or when others than its
 * owner have access to it.
 */
export async function readSecretFile(path: string): Promise<Uint8Array> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (cause) {
    throw refusal(path, `cannot be read: ${(cause as NodeJS.ErrnoException).code ?? 'unknown'}`, cause)
  }
  try {
    const { mode, size } = await file.stat().then(found => {
      if (!found.isFile()) throw refusal(path, 'is no regular file')
      return found
    })
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      const found = (mode & 0o777).toString(8).padStart(4, '0')
      throw refusal(path, `holds a secret and is open to others (mode ${found}); run: chmod 600 ${path}`)
    }
    if (size > MAX_BYTES) throw refusal(path, `has ${size} bytes; a secret has at most ${MAX_BYTES}`)
    return withoutLineEnd(path, await file.readFile())
  } finally {
    await file.close()
  }
}

function withoutLineEnd(path: string, content: Buffer): Uint8Array {
  try {
    let length = content.length
    if (content[length - 1] === 0x0a) length--
    if (content[length - 1] === 0x0d) length--
    if (length <= 0) throw refusal(path, 'is empty')
    return Uint8Array.from(content.subarray(0, length))
  } finally {
    wipe(content)
  }
}

function refusal(path: string, what: string, cause?: unknown): AppError {
  return new AppError('config_invalid', `${path} ${what}.`, { path }, { cause })
}
