import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const directory = process.env['CERTKEEP_VECTORS'] ?? join(import.meta.dirname, '../../../shared/vectors')

/** Where a test vector lies, for a program that reads files: under `CERTKEEP_VECTORS`, else beside the repository. */
export function vectorPath(name: string): string {
  return join(directory, name)
}

/** The bytes of a test vector. Throws with what to set when there is none of that name. */
export function readVector(name: string): Buffer {
  try {
    return readFileSync(vectorPath(name))
  } catch (cause) {
    throw new Error(`The test vector ${name} cannot be read; set CERTKEEP_VECTORS to the vectors' directory.`, {
      cause
    })
  }
}
