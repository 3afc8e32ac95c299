import { toBase64 } from '@app/core'
import type { Transport } from '../transport.js'
import type { ListPage, PageOptions } from './page.js'

/** One of the two agents of a reseal. */
export interface ResealParty {
  readonly id: number
  readonly name: string
  /** Of its certificate, in hexadecimal. */
  readonly sha256: string
  readonly account?: string
}

/** That the keys of an agent are handed on to a successor, and how far they are. */
export interface Reseal {
  readonly id: string
  readonly ca: string
  readonly state: 'open' | 'completed' | 'cancelled'
  readonly from: ResealParty
  readonly to: ResealParty
  readonly reason: string
  readonly startedBy: string
  readonly startedAt: string
  readonly endedAt?: string
  /** Keys that were sealed to the agent at the start; absent until they are counted. */
  readonly total?: number
  readonly keys: {
    readonly prepared: number
    readonly handedOn: number
    readonly stored: number
    readonly verified: number
    readonly done: number
    readonly skipped: number
  }
}

/** An agent's part of a key, in base64; see `AgentPart` of `@app/escrow`. */
export interface KeyPart {
  readonly requestId: number
  readonly mode: 'any-agent' | 'threshold'
  readonly part: string
  readonly binding: string
  readonly failure?: string
}

/** Which parts are wanted. */
export interface PartsOptions {
  /** Of keys with a higher number only. */
  readonly after?: number
  /** 1 to 200; 100 if absent. */
  readonly limit?: number
}

const base = '/api/v1/reseals'

/** Archived keys handed on from one agent to another. */
export class Reseals {
  constructor(private readonly transport: Transport) {}

  list(
    query: PageOptions & { readonly state?: Reseal['state']; readonly fromAgent?: number } = {}
  ): Promise<ListPage<Reseal>> {
    return this.transport.json({ path: base, query: { ...query } })
  }

  show(id: string): Promise<Reseal> {
    return this.transport.json({ path: `${base}/${id}` })
  }

  /** For an administrator who is neither of the agents. */
  start(json: { readonly fromAgent: number; readonly toAgent: number; readonly reason: string }): Promise<Reseal> {
    return this.transport.json({ method: 'POST', path: base, json })
  }

  /** What is done stays done. */
  cancel(id: string): Promise<Reseal> {
    return this.transport.json({ method: 'POST', path: `${base}/${id}/cancel`, json: {} })
  }

  /** For the agent: its own parts of keys, which wait to be handed on. */
  parts(id: string, query: PartsOptions = {}): Promise<{ readonly items: readonly KeyPart[] }> {
    return this.transport.json({ path: `${base}/${id}/parts`, query: { ...query } })
  }

  /** For the agent: parts encrypted to the successor. Gives how many were taken. */
  async handOn(
    id: string,
    parts: readonly { readonly requestId: number; readonly part: Uint8Array }[]
  ): Promise<number> {
    const json = { parts: parts.map(({ requestId, part }) => ({ requestId, part: toBase64(part) })) }
    const path = `${base}/${id}/parts`
    return (await this.transport.json<{ readonly taken: number }>({ method: 'POST', path, json })).taken
  }

  /** For the successor: its parts of keys, which wait to be verified. */
  newParts(id: string, query: PartsOptions = {}): Promise<{ readonly items: readonly KeyPart[] }> {
    return this.transport.json({ path: `${base}/${id}/new-parts`, query: { ...query } })
  }

  /** For the successor: whether parts, by the SHA-256 of each in hexadecimal, open and belong to their keys. */
  judge(
    id: string,
    verdicts: readonly { readonly requestId: number; readonly sha256: string; readonly right: boolean }[]
  ): Promise<{ readonly right: number; readonly wrong: number }> {
    return this.transport.json({ method: 'POST', path: `${base}/${id}/verdicts`, json: { verdicts } })
  }
}
