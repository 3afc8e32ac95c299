import type { Transport } from '../transport.js'
import type { ListPage, PageOptions } from './page.js'

/** A recovery drill. Times are ISO 8601. */
export interface KeyDrill {
  readonly id: number
  readonly state: 'due' | 'succeeded' | 'failed'
  readonly requestedBy: string
  readonly dueAt: string
  readonly endedAt?: string
  /** How many canary keys were archived and recovered. */
  readonly canaries?: number
  /** Why it failed. */
  readonly code?: string
  readonly message?: string
}

/** One page of drills, and how things stand. */
export interface KeyDrillsPage extends ListPage<KeyDrill> {
  /** 0 when drills run only when somebody orders one. */
  readonly everyHours: number
  readonly lastSuccess?: string
  readonly overdue: boolean
}

const path = '/api/v1/key-drills'

/** Drills: whether keys can be archived and recovered, tried with canaries. */
export class KeyDrills {
  constructor(private readonly transport: Transport) {}

  /** The newest first. */
  list(page: PageOptions = {}): Promise<KeyDrillsPage> {
    return this.transport.json({ path, query: { ...page } })
  }

  /** Has one run now; `ordered` is false when one was due already. */
  order(): Promise<{ readonly ordered: boolean }> {
    return this.transport.json({ method: 'POST', path })
  }
}
