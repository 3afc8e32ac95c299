import { Inject, Injectable } from '@nestjs/common'
import { AppError, asId, type AgentId, type CaId, type Clock, type RecoveryId } from '@app/core'
import { CLOCK } from '@app/platform'
import { requireInScope, type Permission } from '@app/policy'
import {
  CaStore,
  PrincipalStore,
  RecoveryStore,
  type AgentOfKeyRow,
  type ArchivedCertificate,
  type FoundRecovery
} from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import { requirePermission, type AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews } from '../access/page.schemas.js'
import { ArchivedKeySearch } from '../archived-keys/archived-key-search.js'
import type { RecoveriesQuery, RecoveriesView, RecoveryDetail } from './recoveries.schemas.js'
import { detailOf, itemOf } from './recovery-views.js'

/** Which recoveries an operator may see, and how they look. */
@Injectable()
export class RecoveryAccess {
  constructor(
    private readonly recoveries: RecoveryStore,
    private readonly keys: ArchivedKeySearch,
    private readonly cas: CaStore,
    private readonly principals: PrincipalStore,
    private readonly named: NamedObjects,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** One page of the recoveries of the CAs whose recoveries the operator may see, the newest first. */
  async list(query: RecoveriesQuery, operator: AuthenticatedOperator): Promise<RecoveriesView> {
    const { state, ca, request, mine, limit, cursor } = query
    const filter = {
      caIds: await this.readableCas(operator, ca),
      ...(state === undefined ? {} : { state }),
      ...(request === undefined ? {} : { requestId: asId<FoundRecovery['requestId']>(request) }),
      ...(mine ? { concerning: operator.principal.id } : {})
    }
    const page = await this.recoveries.list(filter, limit, cursor === undefined ? undefined : asId<RecoveryId>(cursor))
    const caName = await this.named.caNames()
    return pageOfViews(page, row => itemOf(row, caName(row.caId) ?? ''))
  }

  /** A recovery with its agents and approvals. Throws as {@link readable}. */
  async show(id: number, operator: AuthenticatedOperator): Promise<RecoveryDetail> {
    const row = await this.readable(id, operator)
    const caName = await this.named.caNames()
    const approvals = await this.recoveries.listApprovals(row.id)
    const counted = row.countedAgents ?? (await this.recoveries.listCounted(row.id, this.clock.now()))
    return detailOf(itemOf(row, caName(row.caId) ?? ''), { agents: await this.agentsOf(row.id), approvals, counted })
  }

  /** Throws `not_found` for a recovery at a CA whose recoveries the operator may not see, as for none. */
  async readable(id: number, operator: AuthenticatedOperator): Promise<FoundRecovery> {
    const row = await this.recoveries.find(asId<RecoveryId>(id))
    if (row !== undefined && operator.may('recovery.read', row.caId)) return row
    throw new AppError('not_found', `There is no recovery ${id}.`, { recoveryId: id })
  }

  /** As {@link readable}; throws `access_denied` when no role gives the permission at the CA. */
  async permitted(id: number, permission: Permission, operator: AuthenticatedOperator): Promise<FoundRecovery> {
    const row = await this.readable(id, operator)
    requirePermission(operator, permission, row.caId)
    return row
  }

  /** The agents that something is prepared for: those that the key was sealed to when the recovery was asked for, and since. */
  async agentsOf(id: RecoveryId): Promise<readonly AgentOfKeyRow[]> {
    const ids: AgentId[] = (await this.recoveries.listShares(id)).map(({ agentId }) => agentId)
    return this.keys.agentsOf(ids)
  }

  /** Throws `restricted_officer` when the operator is an officer for other templates or groups than the certificate's. */
  async requireScope(
    { caId, principalId, templateName }: Pick<ArchivedCertificate, 'caId' | 'principalId' | 'templateName'>,
    permission: Permission,
    operator: AuthenticatedOperator
  ): Promise<void> {
    const scopes = operator.scopeOf(permission, caId)
    if (scopes === undefined) return
    const owner = principalId === null ? undefined : await this.principals.find(principalId)
    requireInScope(operator.name, scopes, { template: templateName ?? undefined, groups: owner?.groupNames ?? [] })
  }

  /** As {@link requireScope}, of the certificate of a recovery: a scope may have been narrowed since it was asked for. */
  async requireScopeOf(
    { requestId, caId, ownerId }: Pick<FoundRecovery, 'requestId' | 'caId' | 'ownerId'>,
    permission: Permission,
    operator: AuthenticatedOperator
  ): Promise<void> {
    if (operator.scopeOf(permission, caId) === undefined) return
    const templateName = await this.keys.templateOf(requestId)
    await this.requireScope({ caId, principalId: ownerId, templateName }, permission, operator)
  }

  private async readableCas(operator: AuthenticatedOperator, name: string | undefined): Promise<readonly CaId[]> {
    const ids = (await this.cas.list()).map(({ id }) => id).filter(id => operator.may('recovery.read', id))
    if (name === undefined) return ids
    const id = await this.named.caIdOf(name)
    if (id !== null && ids.includes(id)) return [id]
    throw new AppError('not_found', `There is no CA "${name.slice(0, 64)}".`)
  }
}
