import { equalBytes, toHex } from '@app/core'
import { FIRST_PREVIOUS, hashOfLink, type HashedEvent } from './audit-hash.js'
import { isSignedBy, type AuditPublicKey, auditKeyId, type Checkpoint } from './checkpoint.js'

/** A link of the chain, with its event as the log has it now and the checkpoint that the database has of it. */
export interface ChainLink {
  readonly position: number
  readonly seq: number
  readonly hash: Uint8Array
  /** Undefined when the log has no event of that number. */
  readonly event: HashedEvent | undefined
  /** Undefined when the database has none at this position. */
  readonly checkpoint: Checkpoint | undefined
}

/** The kinds of damage. */
export type ChainFaultKind =
  /** The event is not the one that was linked: it was changed, or put in the place of another. */
  | 'event_altered'
  /** The event is gone. */
  | 'event_removed'
  /** The event was put among those that had been linked. */
  | 'event_inserted'
  /** The link is gone. */
  | 'link_missing'
  /** The chain differs from what was signed: it was made anew over changed events. */
  | 'chain_recomputed'
  /** The chain ends before a checkpoint that was signed. */
  | 'chain_cut_off'
  /** The checkpoint is not signed by an audit key that is trusted. */
  | 'checkpoint_invalid'
  /** The database lacks a checkpoint that the file has. */
  | 'checkpoint_missing'
  /** The file of checkpoints goes back at this point: the database was replaced by an older one. */
  | 'database_went_back'

/** What is wrong first. */
export interface ChainFault {
  readonly kind: ChainFaultKind
  /** The link; undefined for an event that has none. */
  readonly position?: number
  /** The event. */
  readonly seq?: number
  /** Where damage can only be told to lie between two checkpoints: the first link that may be affected. */
  readonly since?: number
  readonly message: string
}

/** Reads the checkpoints of a file in their order. */
export interface CheckpointReader {
  /** The next one, which stays the next until {@link CheckpointReader.advance}. Undefined at the end. */
  readonly next: Checkpoint | undefined
  advance(): Promise<void>
}

/** What a chain is held against. */
export interface ChainTrust {
  /** The only keys whose signatures count. */
  readonly keys: readonly AuditPublicKey[]
  /** The checkpoints outside the database; absent where there is no such file. */
  readonly file?: CheckpointReader
}

/**
 * Follows a chain link by link. It holds one link and one checkpoint at a time, whatever the length of the chain, and
 * stops at the first fault.
 */
export class ChainVerifier {
  private readonly keys: ReadonlyMap<string, Uint8Array>
  private hash: Uint8Array = FIRST_PREVIOUS
  private at = 0
  private sealedUpTo = 0
  private settled = 0
  private count = 0

  constructor(private readonly trust: ChainTrust) {
    this.keys = new Map(trust.keys.map(({ publicKey }) => [toHex(auditKeyId(publicKey)), publicKey]))
  }

  /** The links that held so far. */
  get position(): number {
    return this.at
  }

  /** The last position that a checkpoint vouches for; what comes after is only as safe as the database. */
  get vouched(): number {
    return this.sealedUpTo
  }

  /** How many checkpoints held, of the database and of the file. */
  get checkpoints(): number {
    return this.count
  }

  /** No event up to this number may be without a link. */
  get settledUpTo(): number {
    return this.settled
  }

  /** Takes the next links, in the order of their positions. The first fault, or undefined. */
  async add(links: readonly ChainLink[]): Promise<ChainFault | undefined> {
    for (const link of links) {
      const fault = this.verifyLink(link) ?? this.verifyOwnCheckpoint(link)
      if (fault !== undefined) return fault
      this.at = link.position
      this.hash = link.hash
      while (this.trust.file?.next !== undefined && this.trust.file.next.position <= link.position) {
        const found = this.verifyFiled(this.trust.file.next, link)
        if (found !== undefined) return found
        await this.trust.file.advance()
      }
    }
    return undefined
  }

  /** After the last link. `last` is the highest position that a checkpoint of the database has. */
  end(last: number): ChainFault | undefined {
    const filed = this.trust.file?.next
    if (filed !== undefined && !this.isSigned(filed)) return this.invalid(filed)
    const known = Math.max(last, filed?.position ?? 0)
    if (known <= this.at) return undefined
    const whose = filed === undefined ? 'the database' : 'the file'
    const remedy =
      filed === undefined
        ? ''
        : ' Either the end was cut off, or the database was restored from a backup older than the file.'
    return {
      kind: 'chain_cut_off',
      position: this.at + 1,
      message: `The chain ends at position ${this.at}, and a checkpoint of ${whose} is at ${known}.${remedy}`
    }
  }

  private verifyLink(link: ChainLink): ChainFault | undefined {
    const { position, seq, event } = link
    const expected = this.at + 1
    if (position !== expected) {
      return { kind: 'link_missing', position: expected, message: `The link at position ${expected} is gone.` }
    }
    if (event === undefined) {
      return { kind: 'event_removed', position, seq, message: `Event ${seq}, linked at position ${position}, is gone.` }
    }
    if (seq <= this.settled) {
      const message = `Event ${seq} was put in at position ${position}, after all up to ${this.settled} had been linked.`
      return { kind: 'event_inserted', position, seq, message }
    }
    if (equalBytes(hashOfLink(this.hash, event), link.hash)) return undefined
    const message = `Event ${seq} at position ${position} is not the one that was linked there.`
    return { kind: 'event_altered', position, seq, message }
  }

  private verifyOwnCheckpoint({ checkpoint, hash }: ChainLink): ChainFault | undefined {
    if (checkpoint === undefined) return undefined
    return this.verifyCheckpoint(checkpoint, hash)
  }

  private verifyFiled(filed: Checkpoint, { position, hash, checkpoint }: ChainLink): ChainFault | undefined {
    if (filed.position < position) {
      const message = `The file of checkpoints goes back to position ${filed.position} behind ${position}.`
      return { kind: 'database_went_back', position: filed.position, message }
    }
    const fault = this.verifyCheckpoint(filed, hash)
    if (fault !== undefined || checkpoint !== undefined) return fault
    const message = `The file has a checkpoint at position ${position} that the database lacks.`
    return { kind: 'checkpoint_missing', position, message }
  }

  private verifyCheckpoint(checkpoint: Checkpoint, hash: Uint8Array): ChainFault | undefined {
    const { position } = checkpoint
    if (!this.isSigned(checkpoint)) return this.invalid(checkpoint)
    if (!equalBytes(checkpoint.hash, hash)) {
      const since = this.sealedUpTo + 1
      const message = `The chain was made anew: it is not what the checkpoint at position ${position} signed. What was changed lies from position ${since} to ${position}.`
      return { kind: 'chain_recomputed', position, since, message }
    }
    this.sealedUpTo = position
    this.settled = Math.max(this.settled, checkpoint.settled)
    this.count++
    return undefined
  }

  private isSigned(checkpoint: Checkpoint): boolean {
    const key = this.keys.get(toHex(checkpoint.keyId))
    return key !== undefined && isSignedBy(checkpoint, key)
  }

  private invalid({ position }: Checkpoint): ChainFault {
    const message = `The checkpoint at position ${position} is not signed by a trusted audit key.`
    return { kind: 'checkpoint_invalid', position, since: this.sealedUpTo + 1, message }
  }
}
