import {
  decodeCheckpointLine,
  type AuditPublicKey,
  type ChainLink,
  type ChainSource,
  type Checkpoint
} from '@app/audit'
import { AppError, fromBase64, fromHex } from '@app/core'
import type { Transport } from '../transport.js'
import type { ListPage, PageOptions } from './page.js'

/** An entry of the audit log. */
export interface AuditEntryView {
  readonly seq: number
  readonly at: string
  readonly actor: string
  readonly action: string
  readonly objectType: string
  readonly objectId: string
  readonly outcome: 'success' | 'denied' | 'failed'
  /** The id that Windows logs the same under, and what it says of it. */
  readonly windowsEvent?: number
  readonly windowsText?: string
  readonly detail: Readonly<Record<string, unknown>>
}

/** What entries are narrowed by. Times are ISO 8601. */
export interface AuditEntryFilter {
  readonly actor?: string
  readonly action?: string
  readonly objectType?: string
  readonly objectId?: string
  readonly outcome?: string
  readonly from?: string
  readonly until?: string
}

/** How far the chain over the log has come. */
export interface AuditStatusView {
  readonly linked: number
  readonly unlinked: number
  readonly newest: number
  readonly checkpoint?: CheckpointView
  readonly checkpointSigned?: boolean
  readonly keys: readonly { readonly key: string; readonly publicKey: string; readonly at: string }[]
}

/** A checkpoint, as the file of checkpoints has it in a line. */
export interface CheckpointView {
  readonly position: number
  readonly hash: string
  readonly settled: number
  readonly at: string
  readonly key: string
  readonly signature: string
}

interface LinkView {
  readonly position: number
  readonly seq: number
  readonly hash: string
  readonly event?: NonNullable<ChainLink['event']>
  readonly checkpoint?: CheckpointView
}

const base = '/api/v1/audit'

/** The audit log, for auditors. */
export class Audit {
  constructor(private readonly transport: Transport) {}

  /** Newest first. */
  list(query: AuditEntryFilter & PageOptions = {}): Promise<ListPage<AuditEntryView>> {
    return this.transport.json({ path: base, query: { ...query } })
  }

  /** Every entry, oldest first, as lines of JSON or of CSV, in pieces as they come. */
  export(query: AuditEntryFilter & { readonly format?: 'jsonl' | 'csv' } = {}): AsyncGenerator<Uint8Array> {
    return this.transport.stream({ path: `${base}/export`, query: { ...query } })
  }

  status(): Promise<AuditStatusView> {
    return this.transport.json({ path: `${base}/status` })
  }

  /** Checkpoints after a position, in order. */
  async checkpoints(after = 0, limit = 1000): Promise<readonly CheckpointView[]> {
    const { items } = await this.transport.json<{ readonly items: readonly CheckpointView[] }>({
      path: `${base}/checkpoints`,
      query: { after, limit }
    })
    return items
  }

  /** The keys that the server says its checkpoints are signed with; whether to believe it is the caller's to know. */
  async keys(): Promise<readonly AuditPublicKey[]> {
    const { keys } = await this.status()
    return keys.map(({ publicKey, at }) => ({ publicKey: bytesOf(fromBase64(publicKey)), createdAt: new Date(at) }))
  }

  /** The chain, for `verifyChain`: the hashes are computed here, of what the server says the entries are. */
  source(): ChainSource {
    return {
      listLinks: async (after, limit) => {
        const call = { path: `${base}/links`, query: { after, limit } }
        const { items } = await this.transport.json<{ readonly items: readonly LinkView[] }>(call)
        return items.map(linkOf)
      },
      findLastCheckpoint: async () => {
        const { checkpoint } = await this.status()
        return checkpoint === undefined ? undefined : checkpointOf(checkpoint)
      },
      findUnlinked: async upTo => {
        const { seq } = await this.transport.json<{ readonly seq?: number }>({ path: `${base}/gap`, query: { upTo } })
        return seq
      }
    }
  }
}

function linkOf({ position, seq, hash, event, checkpoint }: LinkView): ChainLink {
  return {
    position,
    seq,
    hash: bytesOf(fromHex(hash)),
    event,
    checkpoint: checkpoint === undefined ? undefined : checkpointOf(checkpoint)
  }
}

function checkpointOf(view: CheckpointView): Checkpoint {
  const line = decodeCheckpointLine(JSON.stringify(view))
  if (line.kind !== 'checkpoint') throw unreadable()
  return line.checkpoint
}

function bytesOf(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined) throw unreadable()
  return bytes
}

function unreadable(): AppError {
  return new AppError('unavailable', 'The server answered with something that is no part of an audit log.')
}
