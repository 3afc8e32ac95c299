import type { Transport } from '../transport.js'

/** A private key on its way into the archive. */
export interface KeyImportOrder {
  readonly ca: string
  /** PEM or base64 of the certificate that the key belongs to. */
  readonly certificate: string
  /** Base64 of the key wrapped to the CA's exchange certificate; `importArchivedKey` makes it. */
  readonly wrappedKey: string
  /** UUID that the caller knows the import by; sent again, it is told the same outcome. */
  readonly id?: string
  /** The template whose archival settings apply, where the certificate was made of none that archives. */
  readonly template?: string
  /** The account that the certificate is for, where this server did not issue it. */
  readonly owner?: string
  /** Whether another CA issued the certificate. */
  readonly foreign?: boolean
  /** Whether it may take the place of a key that is archived already. */
  readonly replace?: boolean
}

/** What became of an import. Times are ISO 8601. */
export interface KeyImportView {
  readonly id: string
  readonly state: 'received' | 'sealed' | 'failed'
  readonly ca: string
  readonly subject: string
  readonly serialNumber: string
  /** Whether no key of the CA has signed the certificate. */
  readonly foreign: boolean
  readonly owner: string
  readonly importedBy: string
  readonly receivedAt: string
  /** The request that the key is archived with. */
  readonly requestId?: number
  /** Why it was refused. */
  readonly code?: string
  readonly message?: string
}

const base = '/api/v1/archived-keys'

/** Keys that come into the archive from elsewhere. */
export class KeyImports {
  constructor(private readonly transport: Transport) {}

  /** PEM of what a key is wrapped to, with its chain. It must be verified before a key is. */
  async exchangeCertificate(ca: string): Promise<string> {
    const query = { ca }
    const path = `${base}/exchange-certificate`
    return (await this.transport.json<{ readonly certificate: string }>({ path, query })).certificate
  }

  /** Hands a wrapped key in and waits for its outcome, which may be that it was refused. */
  add(order: KeyImportOrder, wait = 10): Promise<KeyImportView> {
    return this.transport.json({ method: 'POST', path: `${base}/imports`, query: { wait }, json: order, wait })
  }

  show(id: string): Promise<KeyImportView> {
    return this.transport.json({ path: `${base}/imports/${encodeURIComponent(id)}` })
  }
}
