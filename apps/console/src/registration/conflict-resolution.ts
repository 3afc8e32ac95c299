import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import {
  ClientStore,
  Database,
  RegistrationDecisionStore,
  SiteStore,
  type Because,
  type RegistrationConflictRow,
  type RegistrationMessageRow,
  type RegistrationRow
} from '@app/storage'
import { RegistrationDecisions, type DecisionPlace } from './registration-decisions.js'

/** What two clients with one hardware identifier are. */
export type Resolution = NonNullable<RegistrationConflictRow['resolution']>

interface Parties {
  readonly newcomer: RegistrationRow
  readonly existing: RegistrationRow
  readonly message: RegistrationMessageRow
}

/** Resolves conflicts of hardware identifiers as an operator says. */
@Injectable()
export class ConflictResolution {
  constructor(
    private readonly database: Database,
    private readonly clients: ClientStore,
    private readonly rows: RegistrationDecisionStore,
    private readonly sites: SiteStore,
    private readonly decisions: RegistrationDecisions,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * `keep`: the client that was there stays and the newcomer is refused. `new`: they are two machines, and the newcomer is
   * registered beside. `merge`: they are one machine, which goes on under its old identifier with its new key. Throws
   * `not_found`, and `conflict` when it was resolved before or when one of the two is blocked meanwhile.
   */
  async resolve(id: string, resolution: Resolution, because: Because): Promise<void> {
    const site = await this.sites.get()
    await this.database.transaction(async unit => {
      const conflict = await this.clients.lockConflict(id, unit)
      if (conflict === undefined) throw new AppError('not_found', `There is no pending registration ${id}.`)
      const now = this.clock.now()
      if (!(await this.clients.resolveConflict(id, resolution, because, now, unit))) {
        throw new AppError('conflict', 'Somebody has resolved this before.')
      }
      const existing = await this.rows.lock(conflict.conflictSmsid, unit)
      const newcomer = await this.rows.lock(conflict.smsid, unit)
      const message = await this.rows.lockMessage(conflict.messageId, unit)
      if (existing === undefined || newcomer === undefined || message === undefined) {
        throw new AppError('internal', 'A conflict has lost its clients.')
      }
      await this.apply(resolution, { existing, newcomer, message }, { site, unit }, because)
    })
  }

  private async apply(resolution: Resolution, parties: Parties, place: DecisionPlace, because: Because): Promise<void> {
    const { existing, newcomer, message } = parties
    const { unit } = place
    if (resolution === 'new') {
      if (newcomer.blockedAt !== null || newcomer.status === 'rejected') {
        throw new AppError('conflict', 'A client that is blocked or refused is not registered. Resolve it as "keep".')
      }
      return this.decisions.register(message, newcomer, place)
    }
    if (resolution === 'keep') {
      // A registered client that only changed its hardware keeps what it was.
      if (newcomer.status === 'pending') {
        await this.rows.reject(newcomer, 'another client has its hardware', because, this.clock.now(), unit)
      }
      return this.rows.settle(message, 'done', unit)
    }
    if (existing.blockedAt !== null || newcomer.blockedAt !== null || existing.status !== 'registered') {
      throw new AppError('conflict', 'A client that is blocked or gone is not merged with another.')
    }
    // First, since a key is one client's only.
    if (!(await this.rows.merge(newcomer.smsid, existing.smsid, because, this.clock.now(), unit))) {
      throw new AppError('conflict', 'A client that is registered already is not merged with another.')
    }
    // The message is the newcomer's, and its key is to be the existing client's from now on.
    return this.decisions.takeOver(message, { existing, newcomer }, place)
  }
}
