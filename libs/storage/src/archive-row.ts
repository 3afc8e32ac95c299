import type { AgentId, CaId, ExchangeKeyId, PrincipalId, RequestId } from '@app/core'

/** A key that clients wrap their private keys to, and its certificate. */
export interface ExchangeKeyRow {
  readonly id: ExchangeKeyId
  readonly caId: CaId
  readonly keyReference: string
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer
  readonly state: 'generated' | 'requested' | 'certified' | 'destroyed'
  readonly imported: boolean
  /** The request that its certificate was made by; an exchange certificate has a row of its own (MS-WCCE 3.2.1.4.3). */
  readonly requestId: RequestId | null
  /** DER */
  readonly certificate: Buffer | null
  /** The certificate's issuer as a DER Name, and its serial number: what a RecipientInfo names. */
  readonly issuer: Buffer | null
  readonly serialNumber: Buffer | null
  readonly notBefore: Date | null
  readonly notAfter: Date | null
  /** The key of the CA that signed its certificate; null without one, and for an imported key. */
  readonly caKeyIndex: number | null
  readonly createdAt: Date
  readonly destroyedAt: Date | null
}

/** A recovery agent's public certificate. */
export interface AgentRow {
  readonly id: AgentId
  readonly caId: CaId
  readonly name: string
  /** DER */
  readonly certificate: Buffer
  readonly sha256: Buffer
  readonly subject: string
  /** DER Name */
  readonly issuer: Buffer
  readonly serialNumber: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  readonly state: 'active' | 'retired'
  readonly addedAt: Date
  readonly retiredAt: Date | null
  /** Whose key it is; null: nobody can approve a recovery with it. */
  readonly principalId: PrincipalId | null
}

/** The archived key as the client sent it: a ContentInfo wrapped to an exchange key. Kept until it is sealed. */
export interface EnvelopeRow {
  readonly requestId: RequestId
  readonly envelope: Buffer
  readonly placement: 'unsigned-attribute' | 'crmf-control'
}

/** An archived key sealed to recovery agents. */
export interface SealedKeyRow {
  readonly requestId: RequestId
  /** How the agents open it; `any-agent`: each of them alone; `threshold`: several together. */
  readonly mode: 'any-agent' | 'threshold'
  /** So many of the agents open it: 1 in the mode `any-agent`. */
  readonly quorum: number
  /** ContentInfo, DER. */
  readonly sealed: Buffer
  readonly keyFormat: string
  readonly algorithm: string
  readonly bits: number
  readonly contentEncryption: string
  readonly sealedAt: Date
}
