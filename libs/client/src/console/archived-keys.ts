import type { Transport } from '../transport.js'
import type { CertificateStateName } from './certificates.js'
import type { ListPage, PageOptions } from './page.js'

/** How an archived key is sealed: each agent opens it alone, or several do together. */
export type SealMode = 'any-agent' | 'threshold'

/** What an archived key is found by. Everything that is given must fit. */
export interface KeyCriteria {
  readonly ca?: string
  /** Hexadecimal. */
  readonly serial?: string
  /** Words that begin those of the subject. */
  readonly subject?: string
  readonly upn?: string
  readonly account?: string
  /** SHA-1 or SHA-256 of the certificate. */
  readonly fingerprint?: string
  readonly request?: number
}

/** What a list of archived keys is narrowed by. */
export interface ArchivedKeyListQuery extends KeyCriteria, PageOptions {}

/** An agent that a key is sealed to. */
export interface AgentOfKey {
  readonly agentId: number
  readonly name: string
  /** Who holds the agent's key; an agent without an account approves nothing. */
  readonly account?: string
  /** Whether it is in use and valid. */
  readonly usable: boolean
}

/** An archived key: what it is and who could open it; never the key, sealed or not. Times are ISO 8601. */
export interface ArchivedKeyItem {
  /** Of the request that it was archived with. */
  readonly requestId: number
  readonly ca: string
  readonly serialNumber: string
  readonly subject: string
  readonly account?: string
  readonly template?: string
  readonly state: CertificateStateName
  readonly notBefore: string
  readonly notAfter: string
  readonly sha1: string
  readonly sha256: string
  readonly mode: SealMode
  /** How many people must approve a recovery. */
  readonly quorum: number
  readonly algorithm: string
  readonly bits: number
  readonly sealedAt: string
  readonly agents: readonly AgentOfKey[]
}

const base = '/api/v1/archived-keys'

/** The keys in the archive. */
export class ArchivedKeys {
  constructor(private readonly transport: Transport) {}

  list(query: ArchivedKeyListQuery = {}): Promise<ListPage<ArchivedKeyItem>> {
    return this.transport.json({ path: base, query: { ...query } })
  }

  /** Throws `not_found` for a request without an archived key. */
  get(requestId: number): Promise<ArchivedKeyItem> {
    return this.transport.json({ path: `${base}/${requestId}` })
  }
}
