import { Injectable } from '@nestjs/common'
import { AppError, type CaId, type RequestId } from '@app/core'
import { requireInScope, type Permission } from '@app/policy'
import { CaStore, DecisionStore, PrincipalStore, QueueStore, type RequestToDecide } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import { requirePermission, type AuthenticatedOperator } from '../access/operator.js'
import type { QueueItem } from '../queue/queue.schemas.js'
import { itemOf } from './request-views.js'

/** Which requests an operator may see, and which it may do something to. */
@Injectable()
export class RequestAccess {
  constructor(
    private readonly cas: CaStore,
    private readonly principals: PrincipalStore,
    private readonly decisions: DecisionStore,
    private readonly queue: QueueStore,
    private readonly named: NamedObjects
  ) {}

  /** The CAs whose requests the operator may see, or the one of them that is named. Throws `not_found` for another. */
  async readableCas(operator: AuthenticatedOperator, name: string | undefined): Promise<readonly CaId[]> {
    const ids = (await this.cas.list()).map(({ id }) => id).filter(id => operator.may('request.read', id))
    if (name === undefined) return ids
    const id = await this.named.caIdOf(name)
    if (id !== null && ids.includes(id)) return [id]
    throw new AppError('not_found', `There is no CA "${name.slice(0, 64)}".`)
  }

  /** A request as the queue lists it. Throws `not_found` for one that the operator may not see. */
  async item(id: RequestId, operator: AuthenticatedOperator): Promise<QueueItem> {
    const row = await this.queue.find(id)
    if (row === undefined || !operator.may('request.read', row.caId)) throw unknownRequest(id)
    return itemOf(row, await this.named.caNames())
  }

  /**
   * A request that the operator may see. Throws `not_found` for one of another CA, as for one that is not there.
   */
  async readable(id: RequestId, operator: AuthenticatedOperator): Promise<RequestToDecide> {
    const request = await this.decisions.find(id)
    if (request !== undefined && operator.may('request.read', request.caId)) return request
    throw unknownRequest(id)
  }

  /**
   * A request that the operator may use a permission on. Throws `not_found` as {@link readable}, `access_denied` when no
   * role gives the permission at the CA, `restricted_officer` when the role is for other templates or other groups than
   * those of the requester.
   */
  async permitted(id: RequestId, permission: Permission, operator: AuthenticatedOperator): Promise<RequestToDecide> {
    const request = await this.readable(id, operator)
    requirePermission(operator, permission, request.caId)
    const scopes = operator.scopeOf(permission, request.caId)
    if (scopes === undefined) return request
    const { requesterId, templateName } = request
    const requester = requesterId === null ? undefined : await this.principals.find(requesterId)
    const subject = { template: templateName ?? undefined, groups: requester?.groupNames ?? [] }
    requireInScope(operator.name, scopes, subject)
    return request
  }
}

function unknownRequest(id: RequestId): AppError {
  return new AppError('not_found', `There is no request ${id}.`, { requestId: id })
}
