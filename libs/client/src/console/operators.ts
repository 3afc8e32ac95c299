import type { Transport } from '../transport.js'
import type { ListPage, PageOptions } from './page.js'

/** The roles that operators hold. */
export type OperatorRoleName = 'administrator' | 'officer' | 'auditor' | 'operator' | 'recovery_agent'

/** What an officer is limited to; an empty list limits nothing. */
export interface RoleScope {
  readonly templates: readonly string[]
  readonly subjectGroups: readonly string[]
}

/** A role that somebody holds or held. */
export interface HeldRoleView {
  readonly id: string
  readonly account: string
  readonly principalId: string
  readonly disabled: boolean
  readonly role: OperatorRoleName
  /** Absent for every CA. */
  readonly ca?: string
  readonly scope?: RoleScope
  readonly grantedBy: string
  readonly grantedAt: string
  readonly revokedBy?: string
  readonly revokedAt?: string
}

/** A role to give. */
export interface RoleGrant {
  readonly account: string
  readonly role: OperatorRoleName
  readonly ca?: string
  readonly scope?: Partial<RoleScope>
}

/** What the list of roles is narrowed by. */
export interface RoleQuery extends PageOptions {
  readonly account?: string
  readonly role?: OperatorRoleName
  readonly ca?: string
  readonly revoked?: boolean
}

const base = '/api/v1/operators'

/** Who holds which role. */
export class Operators {
  constructor(private readonly transport: Transport) {}

  list(query: RoleQuery = {}): Promise<ListPage<HeldRoleView>> {
    return this.transport.json({ path: base, query: { ...query } })
  }

  /** Gives a role to somebody else. */
  grant(grant: RoleGrant): Promise<HeldRoleView> {
    return this.transport.json({ method: 'POST', path: base, json: grant })
  }

  /** Takes a role away, by its id. */
  async revoke(id: string): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: `${base}/${encodeURIComponent(id)}` })
  }
}
