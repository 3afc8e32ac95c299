import type { Transport } from '../transport.js'
import type { ListPage } from './page.js'

/** A CRL that was published. Times are ISO 8601. */
export interface CrlItem {
  readonly number: number
  readonly kind: 'base' | 'delta'
  readonly keyIndex: number
  /** Of a delta: the base that it states the changes since. */
  readonly baseNumber?: number
  readonly entries: number
  readonly thisUpdate: string
  readonly nextUpdate: string
  readonly nextPublish: string
}

/** The CRLs of a CA. */
export class Crls {
  constructor(private readonly transport: Transport) {}

  /** The newest first. */
  list(ca: string, page: { readonly limit?: number; readonly cursor?: string } = {}): Promise<ListPage<CrlItem>> {
    return this.transport.json({ path: `/api/v1/cas/${encodeURIComponent(ca)}/crl`, query: { ...page } })
  }

  /** Has new ones published now. */
  async publish(ca: string): Promise<void> {
    await this.transport.call({ method: 'POST', path: `/api/v1/cas/${encodeURIComponent(ca)}/crl` })
  }
}
