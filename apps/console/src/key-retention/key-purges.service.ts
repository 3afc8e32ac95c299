import { Inject, Injectable } from '@nestjs/common'
import { AppError, toHex, type CaId, type Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { Wakeups } from '@app/queue'
import { CaStore, KeyPurgeStore, type KeyPurgeItem, type KeyPurgeRow } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import { requirePermission, type AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews } from '../access/page.schemas.js'
import type {
  ItemsQuery,
  ItemsView,
  KeyPurgeView,
  ProposalBody,
  ProposalView,
  PurgesQuery,
  PurgesView
} from './key-retention.schemas.js'

/** Purges of archived keys: proposed by one administrator, approved by another, carried out by the archive. */
@Injectable()
export class KeyPurgesService {
  constructor(
    private readonly purges: KeyPurgeStore,
    private readonly cas: CaStore,
    private readonly named: NamedObjects,
    private readonly wakeups: Wakeups,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** One page of the purges of the CAs whose archive the operator may see. */
  async list({ ca, state, limit, cursor }: PurgesQuery, operator: AuthenticatedOperator): Promise<PurgesView> {
    const only = await this.named.caIdOf(ca)
    const cas = (await this.cas.list()).map(({ id }) => id)
    const caIds = cas.filter(id => (only === null || id === only) && operator.may('archive.read', id))
    const page = await this.purges.list({ caIds, ...(state === undefined ? {} : { state }) }, limit, cursor)
    const caName = await this.named.caNames()
    return pageOfViews(page, row => viewOf(row, caName))
  }

  /**
   * Proposes the keys that may go now, or tells of them. Their numbers are fixed with it, so that what is approved is
   * what was seen.
   */
  async propose(body: ProposalBody, operator: AuthenticatedOperator): Promise<ProposalView> {
    const caId = (await this.named.caIdOf(body.ca)) as CaId
    requirePermission(operator, 'archive.write', caId)
    const now = this.clock.now()
    const of = { caId, templateName: body.template ?? null }
    const eligible = await this.purges.countPurgeable(of, now)
    const ids = (await this.purges.listPurgeable(of, now, body.limit)).map(({ requestId }) => requestId)
    if (body.dryRun || ids.length === 0) return { eligible, requestIds: ids }
    const by = { id: operator.principal.id, name: operator.name }
    const id = await this.purges.propose({ ...of, reason: body.reason }, ids, by, now)
    return { purge: await this.view(await this.get(id, operator)), eligible, requestIds: ids }
  }

  async show(id: number, operator: AuthenticatedOperator): Promise<KeyPurgeView> {
    return this.view(await this.get(id, operator))
  }

  async keys(id: number, { limit, cursor }: ItemsQuery, operator: AuthenticatedOperator): Promise<ItemsView> {
    await this.get(id, operator)
    return pageOfViews(await this.purges.listItems(id, limit, cursor), itemOf)
  }

  /** Throws `approver_excluded` for whoever proposed it, `conflict` when it is not proposed any more. */
  async approve(id: number, operator: AuthenticatedOperator): Promise<KeyPurgeView> {
    const row = await this.get(id, operator)
    requirePermission(operator, 'archive.write', row.caId)
    if (row.proposedBy === operator.principal.id) {
      throw new AppError('approver_excluded', 'You proposed this purge; another administrator has to approve it.')
    }
    const by = { id: operator.principal.id, name: operator.name }
    if (!(await this.purges.approve(id, by, this.clock.now()))) throw passed(row)
    this.wakeups.nudge('purge')
    return this.view(await this.get(id, operator))
  }

  /** Throws `conflict` when it is done or was cancelled before. */
  async cancel(id: number, operator: AuthenticatedOperator): Promise<KeyPurgeView> {
    const row = await this.get(id, operator)
    requirePermission(operator, 'archive.write', row.caId)
    if (!(await this.purges.cancel(id, { actor: operator.name }, this.clock.now()))) throw passed(row)
    return this.view(await this.get(id, operator))
  }

  /** Throws `not_found`, also for one of a CA whose archive the operator may not see. */
  private async get(id: number, operator: AuthenticatedOperator): Promise<KeyPurgeRow> {
    const row = await this.purges.find(id)
    if (row !== undefined && operator.may('archive.read', row.caId)) return row
    throw new AppError('not_found', `There is no purge ${id}.`)
  }

  private async view(row: KeyPurgeRow): Promise<KeyPurgeView> {
    return viewOf(row, await this.named.caNames())
  }
}

function passed({ id, state }: KeyPurgeRow): AppError {
  return new AppError('conflict', `The purge ${id} is ${state === 'proposed' ? 'decided meanwhile' : state}.`, { id })
}

function viewOf(row: KeyPurgeRow, caName: (id: number | null) => string | undefined): KeyPurgeView {
  const { id, state, templateName, reason, keys, purged, kept, proposedByName, proposedAt } = row
  const { approvedByName, approvedAt, cancelledByName, cancelledAt, completedAt } = row
  return {
    id,
    ca: caName(row.caId) ?? '',
    state,
    ...(templateName === null ? {} : { template: templateName }),
    reason,
    keys,
    purged,
    kept,
    proposedBy: proposedByName,
    proposedAt: proposedAt.toISOString(),
    ...(approvedByName === null ? {} : { approvedBy: approvedByName }),
    ...(approvedAt === null ? {} : { approvedAt: approvedAt.toISOString() }),
    ...(cancelledByName === null ? {} : { cancelledBy: cancelledByName }),
    ...(cancelledAt === null ? {} : { cancelledAt: cancelledAt.toISOString() }),
    ...(completedAt === null ? {} : { completedAt: completedAt.toISOString() })
  }
}

function itemOf({ requestId, state, keyHash, why, decidedAt }: KeyPurgeItem): ItemsView['items'][number] {
  return {
    requestId,
    state,
    ...(keyHash === null ? {} : { keyHash: toHex(keyHash) }),
    ...(why === null ? {} : { why }),
    ...(decidedAt === null ? {} : { decidedAt: decidedAt.toISOString() })
  }
}
