import type { Transport } from '../transport.js'
import type { RevocationReason } from './certificates.js'
import type { ListPage, PageOptions } from './page.js'

/** What the site thinks of a client; a block counts before everything else. */
export type ClientApproval = 'not_approved' | 'approved' | 'not_applicable' | 'blocked'

/** A client of the site in short. Times are ISO 8601. */
export interface ClientItem {
  /** `GUID:` and a GUID in upper case. */
  readonly smsid: string
  readonly status: 'pending' | 'registered' | 'rejected'
  readonly approval: ClientApproval
  readonly mode: 'mixed' | 'native'
  readonly netbiosName: string
  readonly fqdn: string
  readonly hardwareId?: string
  readonly agentType: number
  readonly agentIdentity: string
  /** The proxy that signs for it. */
  readonly proxySmsid?: string
  /** Whether it proved to be an account of the directory. */
  readonly integrated: boolean
  /** The account that it is in the directory. */
  readonly accountId?: string
  /** SHA-1 of its signing certificate. */
  readonly thumbprint: string
  readonly refusal?: string
  readonly mergedInto?: string
  readonly requestedAt: string
  readonly decidedAt?: string
  readonly confirmedAt?: string
  readonly blockedAt?: string
}

/** A client with what it said of itself. */
export interface ClientDetail extends ClientItem {
  readonly agentVersion: string
  readonly properties: Readonly<Record<string, string>>
  /** PEM of its signing certificate. */
  readonly certificate: string
  /** Serial numbers of the certificates that were revoked with a block, in the answer to it. */
  readonly revoked?: readonly string[]
}

/** What a list of clients is narrowed by. */
export interface ClientListQuery extends PageOptions {
  readonly status?: ClientItem['status']
  readonly approval?: Exclude<ClientApproval, 'blocked'>
  readonly blocked?: boolean
  /** A beginning of the NetBIOS name or of the full name. */
  readonly name?: string
}

/** Why an operator decides as it does. */
export interface ClientDecision {
  readonly comment?: string
}

/** What two clients with one hardware identifier are: the old one alone, two, or one with a new key. */
export type ConflictResolution = 'keep' | 'new' | 'merge'

/** Two clients with one hardware identifier. */
export interface RegistrationConflict {
  readonly id: string
  /** The newcomer. */
  readonly smsid: string
  /** The client that was there. */
  readonly conflictSmsid: string
  readonly hardwareId: string
  readonly foundAt: string
  readonly resolution?: ConflictResolution
  readonly resolvedAt?: string
}

const base = '/api/v1/configmgr'
const pathOf = (smsid: string, rest = ''): string => `${base}/clients/${encodeURIComponent(smsid)}${rest}`

/** Clients that have registered. */
export class Clients {
  constructor(private readonly transport: Transport) {}

  list(query: ClientListQuery = {}): Promise<ListPage<ClientItem>> {
    return this.transport.json({ path: `${base}/clients`, query: { ...query } })
  }

  /** Throws `not_found`. */
  show(smsid: string): Promise<ClientDetail> {
    return this.transport.json({ path: pathOf(smsid) })
  }

  /** Throws `conflict` for a client that is not registered, is approved already or needs no approval. */
  approve(smsid: string, decision: ClientDecision = {}): Promise<ClientDetail> {
    return this.decide(smsid, 'approve', decision)
  }

  /** Takes an approval back. Throws `conflict`. */
  unapprove(smsid: string, decision: ClientDecision = {}): Promise<ClientDetail> {
    return this.decide(smsid, 'unapprove', decision)
  }

  /** Blocks a client and revokes its certificates, as `privilegeWithdrawn` unless told otherwise. Throws `conflict`. */
  block(smsid: string, decision: ClientDecision & { readonly reason?: RevocationReason } = {}): Promise<ClientDetail> {
    return this.decide(smsid, 'block', decision)
  }

  /** Lifts a block; what was revoked stays revoked. Throws `conflict`. */
  unblock(smsid: string, decision: ClientDecision = {}): Promise<ClientDetail> {
    return this.decide(smsid, 'unblock', decision)
  }

  /** Clients with the hardware identifier of another, newest first. */
  conflicts(query: PageOptions & { readonly open?: boolean } = {}): Promise<ListPage<RegistrationConflict>> {
    return this.transport.json({ path: `${base}/pending-registrations`, query: { ...query } })
  }

  /** Throws `not_found`, and `conflict` when it was resolved before. */
  async resolve(id: string, resolution: ConflictResolution, decision: ClientDecision = {}): Promise<void> {
    const path = `${base}/pending-registrations/${encodeURIComponent(id)}/resolve`
    await this.transport.call({ method: 'POST', path, json: { resolution, ...decision } })
  }

  private decide(smsid: string, verb: string, json: object): Promise<ClientDetail> {
    return this.transport.json({ method: 'POST', path: pathOf(smsid, `/${verb}`), json })
  }
}
