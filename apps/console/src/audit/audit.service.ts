import { Readable } from 'node:stream'
import { Injectable } from '@nestjs/common'
import {
  auditKeyId,
  exportHeading,
  exportLine,
  isSignedBy,
  WINDOWS_EVENTS,
  windowsEventOf,
  type Checkpoint
} from '@app/audit'
import { toBase64, toHex } from '@app/core'
import { AuditChainStore, AuditLog, type AuditFilter, type AuditRow } from '@app/storage'
import { pageOfViews } from '../access/page.schemas.js'
import type {
  AfterQuery,
  AuditQuery,
  CheckpointsView,
  CheckpointView,
  EntriesView,
  EntryView,
  ExportQuery,
  GapQuery,
  GapView,
  LinksView,
  StatusView
} from './audit.schemas.js'

/** Entries of an export that are in memory at a time. */
const batch = 2000

/** The audit log: reading it, and what it takes to verify it elsewhere. */
@Injectable()
export class AuditService {
  constructor(
    private readonly log: AuditLog,
    private readonly chain: AuditChainStore
  ) {}

  /** One page, newest first. */
  async list({ limit, cursor, ...filter }: AuditQuery): Promise<EntriesView> {
    return pageOfViews(await this.log.list(given(filter), limit, cursor), viewOf)
  }

  /** All of them, oldest first, read as the caller takes them. */
  export({ format, ...filter }: ExportQuery): Readable {
    const { log } = this
    const pieces = async function* (): AsyncGenerator<string, void, undefined> {
      yield exportHeading(format)
      for (let after = 0; ;) {
        const events = await log.export(given(filter), after, batch)
        yield events.map(event => exportLine(event, format)).join('')
        if (events.length < batch) return
        after = Number(events.at(-1)?.seq)
      }
    }
    return Readable.from(pieces(), { objectMode: false })
  }

  /** How far the chain has come, its last checkpoint, and the keys. */
  async status(): Promise<StatusView> {
    const { checkpoint, ...counts } = await this.chain.status()
    const keys = await this.chain.listKeys()
    const keyViews = keys.map(({ publicKey, createdAt }) => ({
      key: toHex(auditKeyId(publicKey)),
      publicKey: toBase64(publicKey),
      at: createdAt.toISOString()
    }))
    if (checkpoint === undefined) return { ...counts, keys: keyViews }
    const checkpointSigned = keys.some(({ publicKey }) => isSignedBy(checkpoint, publicKey))
    return { ...counts, checkpoint: checkpointViewOf(checkpoint), checkpointSigned, keys: keyViews }
  }

  /** Checkpoints after a position, in order. */
  async checkpoints({ after, limit }: AfterQuery): Promise<CheckpointsView> {
    return { items: (await this.chain.listCheckpoints(after, limit)).map(checkpointViewOf) }
  }

  /** Links after a position, in order. */
  async links({ after, limit }: AfterQuery): Promise<LinksView> {
    const links = await this.chain.listLinks(after, limit)
    return {
      items: links.map(({ position, seq, hash, event, checkpoint }) => ({
        position,
        seq,
        hash: toHex(hash),
        ...(event === undefined ? {} : { event }),
        ...(checkpoint === undefined ? {} : { checkpoint: checkpointViewOf(checkpoint) })
      }))
    }
  }

  /** The first entry, up to a number, that has no link. */
  async gap({ upTo }: GapQuery): Promise<GapView> {
    const seq = await this.chain.findUnlinked(upTo)
    return seq === undefined ? {} : { seq }
  }
}

/** A filter without what was left out. */
function given(filter: Omit<ExportQuery, 'format'>): AuditFilter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined))
}

function viewOf({ seq, at, actor, action, objectType, objectId, outcome, detail }: AuditRow): EntryView {
  const windowsEvent = windowsEventOf(action, detail['from'])
  return {
    seq,
    at: at.toISOString(),
    actor,
    action,
    objectType,
    objectId,
    outcome,
    ...(windowsEvent === null ? {} : { windowsEvent, windowsText: WINDOWS_EVENTS[windowsEvent] ?? '' }),
    detail
  }
}

function checkpointViewOf(checkpoint: Checkpoint): CheckpointView {
  const { position, hash, settled, at, keyId, signature } = checkpoint
  return {
    position,
    hash: toHex(hash),
    settled,
    at: at.toISOString(),
    key: toHex(keyId),
    signature: toBase64(signature)
  }
}
