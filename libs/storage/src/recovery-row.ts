import type { AgentId, CaId, PrincipalId, RecoveryId, RequestId } from '@app/core'

/**
 * What becomes of a recovery: asked for, approved by enough agents, released to whoever asked; or refused by an agent,
 * withdrawn by whoever asked, or not decided or released in its time. The last four are final.
 */
export const RECOVERY_STATES = ['requested', 'approved', 'released', 'refused', 'withdrawn', 'expired'] as const

/** A member of {@link RECOVERY_STATES}. */
export type RecoveryState = (typeof RECOVERY_STATES)[number]

/** The wish of one person for one archived key, and what has become of it. */
export interface RecoveryRow {
  readonly id: RecoveryId
  readonly caId: CaId
  /** Of the archived key. */
  readonly requestId: RequestId
  /** Of the key's certificate: content octets of the INTEGER. */
  readonly serialNumber: Buffer
  /** Whose certificate it is; null for one of the installation. */
  readonly ownerId: PrincipalId | null
  readonly mode: 'any-agent' | 'threshold'
  /** How many people must approve. */
  readonly quorum: number
  readonly state: RecoveryState
  readonly requesterId: PrincipalId
  /** DOMAIN\account at that time. */
  readonly requesterName: string
  readonly reason: string
  readonly ticket: string
  /** DER; the certificate that agents encrypt their shares to. */
  readonly recipient: Buffer | null
  readonly requestedAt: Date
  readonly expiresAt: Date
  /** When the archive had put the agents' shares beside it. */
  readonly preparedAt: Date | null
  readonly approvedAt: Date | null
  readonly releaseUntil: Date | null
  readonly releasedAt: Date | null
  /** The agents whose approvals the release rests on. */
  readonly countedAgents: readonly AgentId[] | null
  readonly closedAt: Date | null
  readonly closedBy: string | null
  readonly closeReason: string | null
  readonly notifyAt: Date | null
  readonly notifiedAt: Date | null
}

/** An agent that a key is sealed to, and who holds its key. */
export interface AgentOfKeyRow {
  readonly agentId: AgentId
  readonly name: string
  /** DER */
  readonly certificate: Buffer
  readonly principalId: PrincipalId | null
  /** Of the account; null without one. */
  readonly domain: string | null
  readonly accountName: string | null
  /** Whether it is in use, valid and not revoked by this installation. */
  readonly usable: boolean
}

/** What an archived key is and for whom; nothing of the key itself. */
export interface ArchivedKeyFacts {
  readonly requestId: RequestId
  readonly caId: CaId
  readonly mode: RecoveryRow['mode']
  /** How many people must approve a recovery of it. */
  readonly quorum: number
  readonly keyFormat: string
  readonly algorithm: string
  readonly bits: number
  readonly sealedAt: Date
  readonly agentIds: readonly AgentId[]
}

/** A certificate whose key is in the archive. */
export interface ArchivedCertificate {
  readonly requestId: RequestId
  readonly caId: CaId
  /** Content octets of the INTEGER. */
  readonly serialNumber: Buffer
  readonly subject: string
  readonly templateName: string | null
  readonly notBefore: Date
  readonly notAfter: Date
  readonly sha1: Buffer
  readonly sha256: Buffer
  readonly principalId: PrincipalId | null
  readonly revokedAt: Date | null
  readonly revocationReason: number | null
  /** Of the account that it is for; null for one of the installation. */
  readonly domain: string | null
  readonly accountName: string | null
}

/** A recovery with its certificate and the approvals that count at the moment. */
export interface FoundRecovery extends RecoveryRow {
  readonly subject: string
  /** Of the owner; null for a certificate of the installation. */
  readonly domain: string | null
  readonly accountName: string | null
  readonly given: number
}

/** What an agent approves with. */
export interface RecoveryShareRow {
  readonly recoveryId: RecoveryId
  readonly agentId: AgentId
  /** The agent's share and what it is told right by; null in the mode `any-agent`. */
  readonly share: Buffer | null
  readonly binding: Buffer | null
  readonly preparedAt: Date
}

/** One agent's approval. */
export interface RecoveryApprovalRow {
  readonly recoveryId: RecoveryId
  readonly agentId: AgentId
  readonly principalId: PrincipalId
  /** DOMAIN\account at that time. */
  readonly principalName: string
  readonly at: Date
  /** ContentInfo, DER: the agent's share encrypted to the recipient; null in the mode `any-agent`. */
  readonly transferred: Buffer | null
}

/** What is delivered of a released recovery. */
export interface RecoveryPackageRow {
  readonly recoveryId: RecoveryId
  /** ContentInfo, DER: the archived key as it is sealed. */
  readonly sealed: Buffer
  readonly preparedAt: Date
  /** Whether the CA signs it: in the mode `any-agent`. */
  readonly toBeSigned: boolean
  /** The key of the CA that signs, by its index; the signed attributes; when they were written down. */
  readonly signerIndex: number | null
  readonly toSign: Buffer | null
  readonly intendedAt: Date | null
  /** ContentInfo, DER: the SignedData around `sealed`. */
  readonly signed: Buffer | null
  readonly signedAt: Date | null
}

/** What somebody asks for. Mode and quorum are the key's. */
export type NewRecovery = Pick<
  RecoveryRow,
  'caId' | 'requestId' | 'ownerId' | 'requesterId' | 'requesterName' | 'reason' | 'ticket' | 'requestedAt' | 'expiresAt'
> & { readonly serialNumber: Uint8Array; readonly recipient: Uint8Array | null }

/** An approval about to be given. */
export type NewRecoveryApproval = Omit<RecoveryApprovalRow, 'transferred'> & { readonly transferred: Uint8Array | null }

/** What a list of recoveries is narrowed by. */
export interface RecoveryFilter {
  readonly caIds: readonly CaId[]
  readonly state?: RecoveryState
  readonly requestId?: RequestId
  /** Asked for by this person, or open and sealed to an agent of the person's. */
  readonly concerning?: PrincipalId
}

/** When an approved recovery can be released, from its approval on. */
export interface ReleaseWindow {
  readonly releaseUntil: Date
}
