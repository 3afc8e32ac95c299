import { X509Certificate } from 'node:crypto'
import { readdir, readFile, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '@app/platform'

/** What the file system tells of an installation. */
export interface HomeFacts {
  /** Bytes that are free where the home is, and of how many. */
  readonly freeBytes: number
  readonly totalBytes: number
  /** When the home was made, as far as the file system knows. */
  readonly madeAt: Date
  /** When `last-backup` and `audit/last-verified` of the home were touched last; undefined where there are none. */
  readonly backedUpAt: Date | undefined
  readonly verifiedAt: Date | undefined
}

/** Where a successful verification of the whole audit log leaves its time. */
export function verificationMark({ home }: Pick<Config, 'home'>): string {
  return join(home, 'audit', 'last-verified')
}

/** Reads nothing but sizes and times. */
export async function factsOfHome(config: Pick<Config, 'home'>): Promise<HomeFacts> {
  const { bavail, blocks, bsize } = await statfs(config.home)
  const { birthtime, mtime } = await stat(config.home)
  return {
    freeBytes: bavail * bsize,
    totalBytes: blocks * bsize,
    madeAt: birthtime.getTime() > 0 ? birthtime : mtime,
    backedUpAt: await timeOf(join(config.home, 'last-backup')),
    verifiedAt: await timeOf(verificationMark(config))
  }
}

/** The end of the certificate that the HTTPS listener has in a file; of several the last. Undefined where it has none. */
export async function certificateEndOf({ home, https }: Pick<Config, 'home' | 'https'>): Promise<Date | undefined> {
  const files = https.certificateFile === undefined ? await certificatesIn(join(home, 'tls')) : [https.certificateFile]
  const ends = await Promise.all(files.map(endOf))
  return ends.toSorted((first, second) => second.getTime() - first.getTime())[0]
}

async function certificatesIn(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory).catch(() => [])
  return names.filter(name => name.endsWith('.crt')).map(name => join(directory, name))
}

/** The beginning of time for a file that is no certificate, which the server would refuse too. */
async function endOf(path: string): Promise<Date> {
  try {
    return new Date(new X509Certificate(await readFile(path)).validTo)
  } catch {
    return new Date(0)
  }
}

async function timeOf(path: string): Promise<Date | undefined> {
  try {
    return (await stat(path)).mtime
  } catch {
    return undefined
  }
}
