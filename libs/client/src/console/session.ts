import type { Transport } from '../transport.js'
import type { HeldRoleView } from './operators.js'

/** A browser in which somebody is signed in. */
export interface SessionInfo {
  readonly id: string
  readonly method: 'oidc'
  readonly createdAt: string
  readonly lastSeenAt: string
  readonly expiresAt: string
  readonly current: boolean
}

/** Who calls, and what it may do. */
export interface SignedIn {
  readonly account: string
  readonly principalId: string
  readonly displayName?: string
  readonly credential: 'token' | 'session' | 'certificate'
  readonly roles: readonly Pick<HeldRoleView, 'role' | 'ca' | 'scope'>[]
  readonly sessions: readonly SessionInfo[]
}

/** Who one is, and where operators are signed in. */
export class Session {
  constructor(private readonly transport: Transport) {}

  /** Who calls. */
  show(): Promise<SignedIn> {
    return this.transport.json({ path: '/api/v1/session' })
  }

  /** The browsers in which an account is signed in. */
  listOf(account: string): Promise<{ readonly items: readonly SessionInfo[] }> {
    return this.transport.json({ path: '/api/v1/sessions', query: { account } })
  }

  /** Ends a session of anybody. */
  async endAny(id: string): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: `/api/v1/sessions/${encodeURIComponent(id)}` })
  }
}
