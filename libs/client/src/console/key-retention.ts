import type { Transport } from '../transport.js'
import type { ListPage, PageOptions } from './page.js'

/** How long keys are kept after the end of their certificates. */
export interface RetentionPolicy {
  readonly ca: string
  /** Absent for the keys of every template without a policy of its own. */
  readonly template?: string
  readonly days: number
  readonly setBy: string
  readonly setAt: string
}

/** A key that must not be purged. */
export interface KeyHold {
  readonly requestId: number
  readonly reason: string
  readonly placedBy: string
  readonly placedAt: string
  readonly liftedBy?: string
  readonly liftedAt?: string
}

/** How long archived keys are kept, and which are held. */
export class KeyRetention {
  constructor(private readonly transport: Transport) {}

  async listPolicies(): Promise<readonly RetentionPolicy[]> {
    const answer = await this.transport.json<{ readonly items: readonly RetentionPolicy[] }>({
      path: '/api/v1/retention-policies'
    })
    return answer.items
  }

  async setPolicy(policy: Pick<RetentionPolicy, 'ca' | 'template' | 'days'>): Promise<void> {
    await this.transport.call({ method: 'PUT', path: '/api/v1/retention-policies', json: policy })
  }

  async removePolicy(policy: Pick<RetentionPolicy, 'ca' | 'template'>): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: '/api/v1/retention-policies', query: { ...policy } })
  }

  /** Those that stand; with `lifted`, the others too. */
  listHolds(query: PageOptions & { readonly lifted?: boolean } = {}): Promise<ListPage<KeyHold>> {
    return this.transport.json({ path: '/api/v1/key-holds', query: { ...query } })
  }

  async hold(requestId: number, reason: string): Promise<void> {
    await this.transport.call({ method: 'POST', path: '/api/v1/key-holds', json: { requestId, reason } })
  }

  async lift(requestId: number): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: `/api/v1/key-holds/${requestId}` })
  }
}
