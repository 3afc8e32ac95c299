import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { accountNameOf, CLOCK } from '@app/platform'
import { AgentScopeStore, CaStore, GroupStore, PrincipalStore, type AgentScopeRow, type CaRow } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import { requirePermission, type AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews } from '../access/page.schemas.js'
import type {
  AgentScopeBody,
  AgentScopesQuery,
  AgentScopesView,
  AgentScopeView,
  CaEnrollment
} from './enrollment-rights.schemas.js'

/** For whom enrollment agents may ask, and who may enroll at a CA. */
@Injectable()
export class EnrollmentRightsService {
  constructor(
    private readonly scopes: AgentScopeStore,
    private readonly cas: CaStore,
    private readonly groups: GroupStore,
    private readonly principals: PrincipalStore,
    private readonly named: NamedObjects,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** One page of scopes, at the CAs whose operators the caller may know. */
  async list({ account, limit, cursor }: AgentScopesQuery, operator: AuthenticatedOperator): Promise<AgentScopesView> {
    const agentId = account === undefined ? undefined : (await this.named.account(account)).id
    const page = await this.scopes.list(agentId, limit, cursor)
    const rows = page.rows.filter(({ caId }) => caId === null || operator.may('operator.read', caId))
    const agents = await this.principals.findAll(rows.map(row => row.agentId))
    const caName = await this.named.caNames()
    return pageOfViews({ ...page, rows }, row => {
      const agent = agents.get(row.agentId)
      return viewOf(row, agent === undefined ? row.agentId : accountNameOf(agent), caName)
    })
  }

  /** Lets an agent ask. Throws `access_denied` to oneself, `conflict` when it may already. */
  async grant(body: AgentScopeBody, operator: AuthenticatedOperator): Promise<AgentScopeView> {
    const caId = await this.named.caIdOf(body.ca)
    requirePermission(operator, 'operator.write', caId)
    const agent = await this.named.account(body.account)
    if (agent.id === operator.principal.id) {
      throw new AppError('access_denied', 'Nobody makes themselves an enrollment agent; another administrator has to.')
    }
    await this.requireGroup(body.subjectGroup)
    const scope = { agentId: agent.id, caId, templateName: body.template, subjectGroup: body.subjectGroup }
    const id = await this.scopes.grant(scope, { actor: operator.name }, this.clock.now())
    const row = await this.scopes.find(id)
    if (row === undefined) throw notFound(id)
    return viewOf(row, accountNameOf(agent), await this.named.caNames())
  }

  /** Ends it at once. Throws `not_found`, `conflict` when it was ended before. */
  async revoke(id: string, operator: AuthenticatedOperator): Promise<void> {
    const row = await this.scopes.find(id)
    if (row === undefined || !operator.may('operator.write', row.caId)) throw notFound(id)
    if (await this.scopes.revoke(id, { actor: operator.name }, this.clock.now())) return
    throw new AppError('conflict', 'The scope was revoked before.')
  }

  /** Which groups may enroll at a CA. */
  async enrollment(caName: string): Promise<CaEnrollment> {
    const { enrollGroups } = await this.ca(caName)
    return { groups: enrollGroups === null ? null : [...enrollGroups] }
  }

  /** Says which groups may enroll at a CA from now on. Throws `not_found` for a group that is not there. */
  async setEnrollment(
    caName: string,
    { groups }: CaEnrollment,
    operator: AuthenticatedOperator
  ): Promise<CaEnrollment> {
    const ca = await this.ca(caName)
    for (const group of groups ?? []) await this.requireGroup(group)
    await this.cas.setEnrollGroups(ca.id, groups, { actor: operator.name }, this.clock.now())
    return this.enrollment(caName)
  }

  private async ca(name: string): Promise<CaRow> {
    const ca = await this.cas.findByName(name)
    if (ca === undefined) throw new AppError('not_found', `There is no CA "${name.slice(0, 64)}".`)
    return ca
  }

  private async requireGroup(name: string): Promise<void> {
    if ((await this.groups.findByName(name)) !== undefined) return
    throw new AppError('not_found', `There is no group "${name}". Add it to the directory first.`)
  }
}

function notFound(id: string): AppError {
  return new AppError('not_found', `There is no scope ${id} of an enrollment agent.`)
}

function viewOf(
  row: AgentScopeRow,
  account: string,
  caName: (id: number | null) => string | undefined
): AgentScopeView {
  const ca = caName(row.caId)
  return {
    id: row.id,
    account,
    template: row.templateName,
    subjectGroup: row.subjectGroup,
    ...(ca === undefined ? {} : { ca }),
    grantedBy: row.grantedBy,
    grantedAt: row.grantedAt.toISOString()
  }
}
