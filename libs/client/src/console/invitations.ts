import type { Transport } from '../transport.js'
import type { OperatorRoleName, RoleScope } from './operators.js'

/** An invitation that can be redeemed still. */
export interface Invitation {
  readonly id: string
  readonly role: OperatorRoleName
  /** Absent for every CA. */
  readonly ca?: string
  readonly scope?: RoleScope
  readonly invitedBy: string
  readonly createdAt: string
  readonly expiresAt: string
}

/** A role to invite somebody to. */
export interface InvitationRequest {
  readonly role: OperatorRoleName
  readonly ca?: string
  readonly scope?: Partial<RoleScope>
  /** How long the link can be redeemed; 24 if absent. */
  readonly hours?: number
}

/** Who somebody has become by a link, and what the first certificate is asked for with. */
export interface Redeemed {
  readonly account: string
  readonly sid: string
  readonly role: OperatorRoleName
  readonly ca: string
  readonly template: string
  readonly token: string
  readonly expiresAt: string
}

const base = '/api/v1/invitations'

/** Links by which people become operators. */
export class Invitations {
  constructor(private readonly transport: Transport) {}

  list(): Promise<{ readonly items: readonly Invitation[] }> {
    return this.transport.json({ path: base })
  }

  /** Makes a link, which is told this once. */
  invite(request: InvitationRequest): Promise<Invitation & { readonly link: string }> {
    return this.transport.json({ method: 'POST', path: base, json: request })
  }

  async revoke(id: string): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: `${base}/${encodeURIComponent(id)}` })
  }

  /** Becomes an operator by the secret of a link. Needs no credential. */
  redeem(redeemer: {
    readonly secret: string
    readonly account: string
    readonly displayName: string
  }): Promise<Redeemed> {
    return this.transport.json({ method: 'POST', path: `${base}/redeem`, json: redeemer })
  }
}
