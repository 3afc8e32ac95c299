import { Inject, Injectable } from '@nestjs/common'
import { AppError, asPrincipalId, type Clock } from '@app/core'
import { accountNameOf, CLOCK, CONFIG, type Config } from '@app/platform'
import { requireGrantable, type HeldRole } from '@app/policy'
import { heldRoleOf, PrincipalStore, RoleStore, type RoleAssignmentRow, type RoleListing } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import { requirePermission, type AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews } from '../access/page.schemas.js'
import type { GrantBody, OperatorsQuery, OperatorsView, OperatorView } from './operators.schemas.js'

/** Roles: who holds them, giving them and taking them away. */
@Injectable()
export class OperatorsService {
  constructor(
    private readonly roles: RoleStore,
    private readonly principals: PrincipalStore,
    private readonly named: NamedObjects,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /** One page of roles that are held, or were, at the CAs whose operators the caller may know. */
  async list(query: OperatorsQuery, operator: AuthenticatedOperator): Promise<OperatorsView> {
    const { account, role, ca, revoked, limit, cursor } = query
    const caId = await this.named.caIdOf(ca)
    const principalId = account === undefined ? undefined : (await this.named.account(account)).id
    const filter = {
      revoked,
      ...(principalId === undefined ? {} : { principalId }),
      ...(role === undefined ? {} : { role }),
      ...(caId === null ? {} : { caId })
    }
    const page = await this.roles.list(filter, limit, cursor)
    const caName = await this.named.caNames()
    const rows = page.rows.filter(row => row.caId === null || operator.may('operator.read', row.caId))
    return pageOfViews({ ...page, rows }, row => viewOf(row, row, caName))
  }

  /**
   * Gives a role. Throws `access_denied` to oneself and for a CA that the caller is no administrator of, `role_conflict`
   * beside one that excludes it, `conflict` when it is held already.
   */
  async grant(body: GrantBody, operator: AuthenticatedOperator): Promise<OperatorView> {
    // 1. Whom, where, and whether the caller is an administrator there.
    const caId = await this.named.caIdOf(body.ca)
    requirePermission(operator, 'operator.write', caId)
    const principal = await this.named.account(body.account)
    const account = accountNameOf(principal)
    const role: HeldRole = { role: body.role, caId, scope: body.scope ?? null }
    // 2. While nobody else changes roles: whether it may be given, and giving it.
    const now = this.clock.now()
    const id = await this.roles.exclusively(async unit => {
      const held = (await this.roles.listHeld(principal.id, unit)).map(heldRoleOf)
      requireGrantable({
        ...role,
        account,
        held,
        isForOneself: principal.id === operator.principal.id,
        isSeparated: this.config.operators.roleSeparation
      })
      return this.roles.grant(principal.id, role, { actor: operator.name }, now, unit)
    })
    return this.view(await this.get(id))
  }

  /**
   * Takes a role away at once. Throws `not_found` for a role at a CA that is none of the caller's, `conflict` when it
   * was revoked before and for that of the last administrator.
   */
  async revoke(id: string, operator: AuthenticatedOperator): Promise<void> {
    const row = await this.get(id)
    if (!operator.may('operator.write', row.caId)) {
      if (row.caId === null) requirePermission(operator, 'operator.write', null)
      throw notFound(id)
    }
    const now = this.clock.now()
    const won = await this.roles.exclusively(async unit => {
      if (row.role === 'administrator' && row.caId === null) {
        const others = await this.roles.countOtherAdministrators(asPrincipalId(row.principalId), unit)
        if (others === 0) {
          throw new AppError('conflict', 'This is the last administrator; give the role to somebody else first.')
        }
      }
      return this.roles.revoke(id, { actor: operator.name }, now, unit)
    })
    if (!won) throw new AppError('conflict', 'The role was revoked before.')
  }

  private async get(id: string): Promise<RoleAssignmentRow> {
    const row = await this.roles.find(id)
    if (row === undefined) throw notFound(id)
    return row
  }

  private async view(row: RoleAssignmentRow): Promise<OperatorView> {
    const principal = await this.principals.find(row.principalId)
    if (principal === undefined) throw new AppError('internal', `The account of the role ${row.id} is gone.`)
    return viewOf(row, principal, await this.named.caNames())
  }
}

function notFound(id: string): AppError {
  return new AppError('not_found', `There is no role ${id}.`)
}

function viewOf(
  row: RoleAssignmentRow,
  account: Pick<RoleListing, 'domain' | 'accountName' | 'disabledAt'>,
  caName: (id: number | null) => string | undefined
): OperatorView {
  const { scope } = heldRoleOf(row)
  const ca = caName(row.caId)
  return {
    id: row.id,
    account: accountNameOf(account),
    principalId: row.principalId,
    disabled: account.disabledAt !== null,
    role: row.role,
    ...(ca === undefined ? {} : { ca }),
    ...(scope === null ? {} : { scope: { templates: [...scope.templates], subjectGroups: [...scope.subjectGroups] } }),
    grantedBy: row.grantedBy,
    grantedAt: row.grantedAt.toISOString(),
    ...(row.revokedBy === null ? {} : { revokedBy: row.revokedBy }),
    ...(row.revokedAt === null ? {} : { revokedAt: row.revokedAt.toISOString() })
  }
}
