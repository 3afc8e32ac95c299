import type { KeyObject } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodePem } from '@app/der'

/** A directory for the files that programs exchange with one test file. */
export interface WorkDirectory {
  /** Where a file of this name is or will be. */
  at(name: string): string
  /** Writes a file and returns its path. */
  put(name: string, content: Uint8Array | string): Promise<string>
  /** Writes certificates (DER) as PEM into one file and returns its path. */
  putCertificates(name: string, ...certificates: readonly Uint8Array[]): Promise<string>
  /** Writes a private key as PKCS#8 PEM and returns its path. */
  putKey(name: string, key: KeyObject): Promise<string>
  read(name: string): Promise<Buffer>
  remove(): Promise<void>
}

/** Makes a directory of its own. Use it in `beforeAll` and remove it in `afterAll`. */
export async function makeWorkDirectory(): Promise<WorkDirectory> {
  const directory = await mkdtemp(join(tmpdir(), 'certkeep-interop-'))
  const at = (name: string): string => join(directory, name)
  const put = async (name: string, content: Uint8Array | string): Promise<string> => {
    await writeFile(at(name), content)
    return at(name)
  }
  return {
    at,
    put,
    putCertificates: (name, ...certificates) =>
      put(name, certificates.map(der => encodePem('CERTIFICATE', der)).join('')),
    putKey: (name, key) => put(name, key.export({ type: 'pkcs8', format: 'pem' })),
    read: name => readFile(at(name)),
    remove: () => rm(directory, { recursive: true, force: true })
  }
}
