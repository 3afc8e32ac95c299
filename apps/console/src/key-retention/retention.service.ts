import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, asId, isAppError, type CaId, type Clock, type RequestId } from '@app/core'
import { CLOCK } from '@app/platform'
import { CaStore, RequestStore, RetentionStore, type KeyHoldRow } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import { requirePermission, type AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews } from '../access/page.schemas.js'
import type { HoldBody, HoldsQuery, HoldsView, PoliciesView, PolicyBody, PolicyQuery } from './key-retention.schemas.js'

/** Retention policies and holds. A policy by itself purges nothing. */
@Injectable()
export class RetentionService {
  constructor(
    private readonly retention: RetentionStore,
    private readonly requests: RequestStore,
    private readonly cas: CaStore,
    private readonly named: NamedObjects,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  async listPolicies(operator: AuthenticatedOperator): Promise<PoliciesView> {
    const caName = await this.named.caNames()
    const rows = (await this.retention.listPolicies()).filter(({ caId }) => operator.may('archive.read', caId))
    const items = rows.map(({ caId, templateName, days, setBy, setAt }) => ({
      ca: caName(caId) ?? '',
      ...(templateName === null ? {} : { template: templateName }),
      days,
      setBy,
      setAt: setAt.toISOString()
    }))
    return { items }
  }

  async setPolicy({ ca, template, days }: PolicyBody, operator: AuthenticatedOperator): Promise<void> {
    const caId = await this.permittedCa(ca, operator)
    const policy = { caId, templateName: template ?? null, days }
    await this.retention.setPolicy(policy, { actor: operator.name }, this.clock.now())
  }

  /** Throws `not_found` when there is no such policy. */
  async removePolicy({ ca, template }: PolicyQuery, operator: AuthenticatedOperator): Promise<void> {
    const caId = await this.permittedCa(ca, operator)
    const because = { actor: operator.name }
    if (await this.retention.removePolicy(caId, template ?? null, because, this.clock.now())) return
    throw new AppError('not_found', 'There is no such retention policy.')
  }

  async listHolds({ lifted, limit, cursor }: HoldsQuery, operator: AuthenticatedOperator): Promise<HoldsView> {
    const caIds = (await this.cas.list()).map(({ id }) => id).filter(id => operator.may('archive.read', id))
    return pageOfViews(await this.retention.listHolds({ caIds, all: lifted }, limit, cursor), viewOf)
  }

  /** Throws `not_found` for a request that is not there, `conflict` when its key is held already or not in the archive. */
  async placeHold({ requestId, reason }: HoldBody, operator: AuthenticatedOperator): Promise<void> {
    const id = await this.permittedRequest(requestId, operator)
    try {
      const hold = { id: randomUUID(), requestId: id, reason }
      await this.retention.placeHold(hold, { actor: operator.name }, this.clock.now())
    } catch (error) {
      if (isAppError(error) && error.evidence['constraint'] === 'key_hold_is_of_kept_key') {
        throw new AppError(
          'conflict',
          `The key of request ${requestId} is not in the archive: none was archived with it, or it was purged.`,
          { requestId }
        )
      }
      if (!isAppError(error, 'conflict')) throw error
      throw new AppError('conflict', `The key of request ${requestId} is held already.`, { requestId })
    }
  }

  /** Throws `not_found` when the key is not held. */
  async liftHold(requestId: number, operator: AuthenticatedOperator): Promise<void> {
    const id = await this.permittedRequest(requestId, operator)
    if (await this.retention.liftHold(id, { actor: operator.name }, this.clock.now())) return
    throw new AppError('not_found', `The key of request ${requestId} is not held.`)
  }

  private async permittedCa(name: string, operator: AuthenticatedOperator): Promise<CaId> {
    const caId = (await this.named.caIdOf(name)) as CaId
    requirePermission(operator, 'archive.write', caId)
    return caId
  }

  private async permittedRequest(requestId: number, operator: AuthenticatedOperator): Promise<RequestId> {
    const request = await this.requests.find(asId<RequestId>(requestId))
    if (request !== undefined && operator.may('archive.write', request.caId)) return request.id
    throw new AppError('not_found', `There is no request ${requestId}.`)
  }
}

function viewOf(row: KeyHoldRow): HoldsView['items'][number] {
  const { requestId, reason, placedBy, placedAt, liftedBy, liftedAt } = row
  return {
    requestId,
    reason,
    placedBy,
    placedAt: placedAt.toISOString(),
    ...(liftedBy === null ? {} : { liftedBy }),
    ...(liftedAt === null ? {} : { liftedAt: liftedAt.toISOString() })
  }
}
