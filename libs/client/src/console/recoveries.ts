import type { AgentPart } from '@app/escrow'
import type { Transport } from '../transport.js'
import type { AgentOfKey, KeyCriteria, SealMode } from './archived-keys.js'
import type { ListPage, PageOptions } from './page.js'

/** What becomes of a recovery. The last four are final. */
export type RecoveryStateName = 'requested' | 'approved' | 'released' | 'refused' | 'withdrawn' | 'expired'

/** A recovery of an archived key. Times are ISO 8601, hashes and numbers hexadecimal. */
export interface RecoveryItem {
  readonly id: number
  readonly ca: string
  readonly state: RecoveryStateName
  readonly mode: SealMode
  /** `given` are those that count at the moment. */
  readonly approvals: { readonly given: number; readonly needed: number }
  /** Of the archived key. */
  readonly requestId: number
  readonly serialNumber: string
  readonly subject: string
  /** Whose certificate it is. */
  readonly account?: string
  readonly requestedBy: string
  readonly reason: string
  readonly ticket: string
  /** What agents compare before they encrypt anything to it. */
  readonly recipient?: { readonly subject: string; readonly sha256: string; readonly selfSigned: boolean }
  readonly requestedAt: string
  readonly expiresAt: string
  readonly approvedAt?: string
  /** Until when it can be released, and what was released be fetched. */
  readonly releaseUntil?: string
  readonly releasedAt?: string
  readonly closed?: { readonly at: string; readonly by: string; readonly reason?: string }
  readonly ownerToldAt?: string
  /** When the owner of the certificate will be told. */
  readonly ownerToldFrom?: string
}

/** An agent that the key is sealed to, and its approval. */
export interface AgentOfRecovery extends AgentOfKey {
  readonly approvedBy?: string
  readonly approvedAt?: string
  /** Whether its approval counts at the moment; for a released recovery, whether it did. */
  readonly counts: boolean
}

/** A recovery with those who can approve it and those who did. */
export interface RecoveryDetail extends RecoveryItem {
  readonly agents: readonly AgentOfRecovery[]
}

/** What somebody asks for. */
export interface RecoveryRequest {
  /** Must fit one archived key only; else `invalid_argument` lists the requests of those that it fits. */
  readonly key: KeyCriteria
  readonly reason: string
  /** What the recovery is known by elsewhere. */
  readonly ticket: string
  /**
   * DER: the certificate that agents encrypt their shares to; for a one-time key one signed by itself. May be left out
   * only for a key that each agent opens alone.
   */
  readonly recipient?: Uint8Array
}

/** What a list of recoveries is narrowed by. */
export interface RecoveryListQuery extends PageOptions {
  readonly state?: RecoveryStateName
  readonly ca?: string
  /** Of the archived key. */
  readonly request?: number
  /** Those only that the caller asked for, or can still approve. */
  readonly mine?: boolean
}

/** What an agent approves with. */
export interface OfferedShare {
  readonly recoveryId: number
  readonly mode: SealMode
  readonly agentId: number
  /** DER. */
  readonly agentCertificate: Uint8Array
  /** What `transferPart` takes, for the recipient as the successor; absent in the mode `any-agent`. */
  readonly held?: AgentPart
  /** DER: the certificate to encrypt the share to. */
  readonly recipient?: Uint8Array
}

/** An approval. */
export interface RecoveryApproval {
  /** Which of the caller's agents; needed only where several of them could. */
  readonly agentId?: number
  /** What `transferPart` gave for the recipient; for the mode `threshold` only. */
  readonly share?: Uint8Array
}

/** What the recipient of a recovery opens. */
export interface RecoveryPackage {
  readonly recoveryId: number
  readonly mode: SealMode
  /**
   * DER. `any-agent`: a SignedData of the CA around the sealed key, as ICertAdmin2::GetArchivedKey gives it, for any agent
   * to open; `threshold`: the sealed key, for `openWithShares`.
   */
  readonly package: Uint8Array
  /** `threshold`: the agents' shares, encrypted to the recipient. */
  readonly shares: readonly { readonly agentId: number; readonly share: Uint8Array }[]
  /** DER: the certificate of the key. */
  readonly certificate: Uint8Array
  /** DER: its issuers, the nearest first. */
  readonly chain: readonly Uint8Array[]
}

/** {@link OfferedShare} with bytes in base64. */
type EncodedShare = Omit<OfferedShare, 'agentCertificate' | 'held' | 'recipient'> & {
  readonly agentCertificate: string
  readonly part?: string
  readonly binding?: string
  readonly recipient?: string
}

/** {@link RecoveryPackage} with bytes in base64. */
type EncodedPackage = Omit<RecoveryPackage, 'package' | 'shares' | 'certificate' | 'chain'> & {
  readonly package: string
  readonly shares: readonly { readonly agentId: number; readonly share: string }[]
  readonly certificate: string
  readonly chain: readonly string[]
}

const base = '/api/v1/recoveries'
/** The archive may have to prepare something first. */
const preparation = 10

/** Recoveries of archived keys: asked for by officers, approved by agents, released to whoever asked. */
export class Recoveries {
  constructor(private readonly transport: Transport) {}

  list(query: RecoveryListQuery = {}): Promise<ListPage<RecoveryItem>> {
    return this.transport.json({ path: base, query: { ...query } })
  }

  get(id: number): Promise<RecoveryDetail> {
    return this.transport.json({ path: `${base}/${id}` })
  }

  /** Asks for a key. Throws `invalid_argument` when several keys fit or the recipient will not do. */
  request({ recipient, ...request }: RecoveryRequest): Promise<RecoveryDetail> {
    const json = { ...request, ...(recipient === undefined ? {} : { recipient: toBase64(recipient) }) }
    return this.transport.json({ method: 'POST', path: base, json })
  }

  /** The share of the caller's agent. Throws `access_denied` when the key is sealed to no agent of the caller's. */
  async share(id: number, agentId?: number): Promise<OfferedShare> {
    const query = agentId === undefined ? {} : { agent: agentId }
    const path = `${base}/${id}/share`
    const answer = await this.transport.json<EncodedShare>({ path, query, wait: preparation })
    const { part, binding, recipient, agentCertificate, ...told } = answer
    const { mode } = told
    return {
      ...told,
      agentCertificate: fromBase64(agentCertificate),
      ...(part === undefined || binding === undefined
        ? {}
        : { held: { mode, part: fromBase64(part), binding: fromBase64(binding) } }),
      ...(recipient === undefined ? {} : { recipient: fromBase64(recipient) })
    }
  }

  /** Approves, once for each person. Throws `approver_excluded` for whoever asked and for who has approved. */
  approve(id: number, { agentId, share }: RecoveryApproval = {}): Promise<RecoveryDetail> {
    const json = {
      ...(agentId === undefined ? {} : { agentId }),
      ...(share === undefined ? {} : { share: toBase64(share) })
    }
    return this.transport.json({ method: 'POST', path: `${base}/${id}/approve`, json, wait: preparation })
  }

  /** Refuses a recovery for good. For recovery agents. */
  refuse(id: number, reason: string): Promise<RecoveryDetail> {
    return this.transport.json({ method: 'POST', path: `${base}/${id}/refuse`, json: { reason } })
  }

  /** Takes back what the caller asked for. */
  withdraw(id: number): Promise<RecoveryDetail> {
    return this.transport.json({ method: 'DELETE', path: `${base}/${id}` })
  }

  /** Releases what is approved, once, to the caller, who asked for it. Throws `conflict` the second time. */
  release(id: number): Promise<RecoveryDetail> {
    return this.transport.json({ method: 'POST', path: `${base}/${id}/release`, json: {} })
  }

  /** What was released to the caller: the same bytes however often, until the time for it is over. */
  async package(id: number): Promise<RecoveryPackage> {
    const path = `${base}/${id}/package`
    const answer = await this.transport.json<EncodedPackage>({ path, wait: preparation })
    return {
      ...answer,
      package: fromBase64(answer.package),
      shares: answer.shares.map(({ agentId, share }) => ({ agentId, share: fromBase64(share) })),
      certificate: fromBase64(answer.certificate),
      chain: answer.chain.map(fromBase64)
    }
  }
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}
