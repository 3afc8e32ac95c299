import { setTimeout as sleep } from 'node:timers/promises'
import { auditKeyId, verifyChain, type AuditPublicKey, type ChainReport } from '@app/audit'
import { AppError, toHex } from '@app/core'
import { everyItem, type AuditEntryFilter, type AuditEntryView, type Console } from '@app/client'
import { openCheckpointFile, readCheckpointFile } from '@app/platform'
import type { ConnectionOptions } from '../client-options.js'
import { print } from '../output.js'
import { withConsole } from './connection.js'

/** How often `tail --follow` looks, in milliseconds. */
const pollEvery = 2000

function withAudit<T>(options: ConnectionOptions, work: (audit: Console['audit']) => Promise<T>): Promise<T> {
  return withConsole(options, ({ audit }) => work(audit))
}

/** Shows the newest entries, the oldest of them first; goes on with those that come when it is to follow. */
export function tailAudit(
  connection: ConnectionOptions,
  filter: AuditEntryFilter,
  { lines, follow }: { readonly lines: number; readonly follow: boolean },
  show: (entry: AuditEntryView) => Promise<void>
): Promise<void> {
  return withAudit(connection, async audit => {
    let last = 0
    const newer = async (most: number): Promise<readonly AuditEntryView[]> => {
      const found: AuditEntryView[] = []
      for await (const entry of everyItem(cursor => audit.list({ ...filter, limit: 200, ...(cursor && { cursor }) }))) {
        if (entry.seq <= last || found.length === most) break
        found.push(entry)
      }
      last = Math.max(last, ...found.map(({ seq }) => seq))
      return found.toReversed()
    }
    for (const entry of await newer(lines)) await show(entry)
    if (!follow) return
    for (;;) {
      await sleep(pollEvery)
      for (const entry of await newer(Infinity)) await show(entry)
    }
  })
}

/** Prints every entry, oldest first, as it comes from the server. */
export function exportAudit(
  connection: ConnectionOptions,
  filter: AuditEntryFilter,
  format: 'jsonl' | 'csv'
): Promise<void> {
  return withAudit(connection, async audit => {
    for await (const piece of audit.export({ ...filter, format })) await print(piece)
  })
}

/** What a verification over the console tells. */
export interface RemoteReport extends ChainReport {
  readonly unlinked: number
  /** SHA-256 of the keys that were trusted. */
  readonly keys: readonly string[]
  /** Whether these were named here, or are only what the server says. */
  readonly keysPinned: boolean
}

/**
 * Verifies the log of a server here: the entries come from it, the hashes are computed by this program. Trusted are the
 * keys that are named by their SHA-256, else those of the file of checkpoints, else those that the server says it has.
 */
export function verifyRemoteAudit(
  connection: ConnectionOptions,
  options: {
    readonly keys: readonly string[]
    readonly checkpointFile?: string
    readonly onProgress: (position: number) => void
  }
): Promise<RemoteReport> {
  const { checkpointFile: path } = options
  return withAudit(connection, async audit => {
    const filed = path === undefined ? [] : (await readCheckpointFile(path)).keys
    const keys = chooseKeys(options.keys, filed, await audit.keys())
    const file = path === undefined ? undefined : await openCheckpointFile(path)
    try {
      const report = await verifyChain(audit.source(), { keys, ...(file && { file }) }, options.onProgress)
      const { unlinked } = await audit.status()
      const keysPinned = options.keys.length > 0 || filed.length > 0
      return { ...report, unlinked, keys: keys.map(nameOf), keysPinned }
    } finally {
      file?.close()
    }
  })
}

function chooseKeys(
  named: readonly string[],
  filed: readonly AuditPublicKey[],
  told: readonly AuditPublicKey[]
): readonly AuditPublicKey[] {
  if (named.length === 0) return filed.length === 0 ? told : filed
  return named.map(name => {
    const key = [...filed, ...told].find(candidate => nameOf(candidate) === name.toLowerCase().replaceAll(':', ''))
    if (key === undefined) throw new AppError('not_found', `The server has no audit key with the SHA-256 ${name}.`)
    return key
  })
}

function nameOf({ publicKey }: AuditPublicKey): string {
  return toHex(auditKeyId(publicKey))
}
