import type { Transport } from '../transport.js'
import type { ListPage, PageOptions } from './page.js'

/** A purge of archived keys. Times are ISO 8601. */
export interface KeyPurge {
  readonly id: number
  readonly ca: string
  readonly state: 'proposed' | 'approved' | 'done' | 'cancelled'
  /** Absent for keys of every template. */
  readonly template?: string
  readonly reason: string
  readonly keys: number
  readonly purged: number
  /** Keys that were held, wanted for longer or gone when their turn came. */
  readonly kept: number
  readonly proposedBy: string
  readonly proposedAt: string
  readonly approvedBy?: string
  readonly approvedAt?: string
  readonly cancelledBy?: string
  readonly cancelledAt?: string
  readonly completedAt?: string
}

/** A purge to propose. */
export interface KeyPurgeProposal {
  readonly ca: string
  readonly template?: string
  readonly reason: string
  /** Most keys of it; 10,000 when left out. */
  readonly limit?: number
  /** Whether only to tell which keys it would be. */
  readonly dryRun?: boolean
}

/** What was proposed, or would be. */
export interface ProposedKeyPurge {
  /** Absent after a dry run, and when no key may go. */
  readonly purge?: KeyPurge
  /** Keys that the policies let go now. */
  readonly eligible: number
  readonly requestIds: readonly number[]
}

/** A key of a purge. */
export interface PurgedKey {
  readonly requestId: number
  readonly state: 'due' | 'purged' | 'kept'
  /** SHA-256 of the public key of what was purged, hexadecimal. */
  readonly keyHash?: string
  readonly why?: string
  readonly decidedAt?: string
}

const base = '/api/v1/key-purges'

/** Purges of archived keys: one administrator proposes, another approves. */
export class KeyPurges {
  constructor(private readonly transport: Transport) {}

  /** The newest first. */
  list(
    query: PageOptions & { readonly ca?: string; readonly state?: KeyPurge['state'] } = {}
  ): Promise<ListPage<KeyPurge>> {
    return this.transport.json({ path: base, query: { ...query } })
  }

  propose(proposal: KeyPurgeProposal): Promise<ProposedKeyPurge> {
    return this.transport.json({ method: 'POST', path: base, json: proposal })
  }

  show(id: number): Promise<KeyPurge> {
    return this.transport.json({ path: `${base}/${id}` })
  }

  keys(id: number, page: PageOptions = {}): Promise<ListPage<PurgedKey>> {
    return this.transport.json({ path: `${base}/${id}/keys`, query: { ...page } })
  }

  /** Throws `approver_excluded` for whoever proposed it. */
  approve(id: number): Promise<KeyPurge> {
    return this.transport.json({ method: 'POST', path: `${base}/${id}/approve` })
  }

  cancel(id: number): Promise<KeyPurge> {
    return this.transport.json({ method: 'POST', path: `${base}/${id}/cancel` })
  }
}
