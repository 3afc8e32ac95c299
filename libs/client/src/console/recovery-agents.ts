import type { Finding } from '@app/core'
import type { AgentFault, KeyCounts } from '@app/policy'
import type { Transport } from '../transport.js'

/** A recovery agent, and what is sealed to it. */
export interface RecoveryAgentView {
  readonly id: number
  readonly ca: string
  readonly name: string
  readonly subject: string
  readonly serialNumber: string
  /** Of its certificate, in hexadecimal. */
  readonly sha256: string
  readonly state: 'active' | 'retired'
  /** Whether it can take part in a recovery now. */
  readonly alive: boolean
  /** Why it cannot. */
  readonly fault?: AgentFault
  readonly account?: string
  readonly notBefore: string
  readonly notAfter: string
  readonly addedAt: string
  readonly retiredAt?: string
  /** Archived keys that are sealed to it. */
  readonly keys: number
  /** Archived keys that can be opened now and could not without it. */
  readonly lostWithout: number
}

/** Which archived keys the agents that are alive can open. */
export interface CoverageReport {
  readonly at: string
  readonly keys: KeyCounts
  readonly byMode: Readonly<Record<'any-agent' | 'threshold', KeyCounts>>
  readonly agents: readonly RecoveryAgentView[]
  /** What is lost when certificates of agents end. */
  readonly losses: readonly { readonly at: string; readonly keys: number; readonly agents: readonly string[] }[]
  readonly warningDays: number
  readonly findings: readonly Finding[]
}

const base = '/api/v1/recovery-agents'

/** Those who can open archived keys. */
export class RecoveryAgents {
  constructor(private readonly transport: Transport) {}

  /** In the order they were added. */
  list(query: { readonly ca?: string } = {}): Promise<{ readonly items: readonly RecoveryAgentView[] }> {
    return this.transport.json({ path: base, query: { ...query } })
  }

  show(id: number): Promise<RecoveryAgentView> {
    return this.transport.json({ path: `${base}/${id}` })
  }

  coverage(query: { readonly ca?: string } = {}): Promise<CoverageReport> {
    return this.transport.json({ path: `${base}/coverage`, query: { ...query } })
  }

  /** Refused with `precondition_failed` when more keys would be lost than are confirmed. */
  retire(id: number, confirmedLoss = 0): Promise<RecoveryAgentView & { readonly keysLost: number }> {
    return this.transport.json({ method: 'POST', path: `${base}/${id}/retire`, json: { confirmedLoss } })
  }
}
