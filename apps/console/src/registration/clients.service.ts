import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import {
  ClientStore,
  Database,
  RegistrationDecisionStore,
  type Because,
  type RegistrationRow,
  type Unit
} from '@app/storage'
import type { AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews } from '../access/page.schemas.js'
import { ClientAccounts } from './client-accounts.js'
import { ClientCertificates } from './client-certificates.js'
import { detailOfClient, viewOfClient } from './client-views.js'
import type { BlockBody, ClientDecisionBody, ClientDetailView, ClientsQuery, ClientsView } from './clients.schemas.js'

/** Clients that have registered, and what operators decide of them. */
@Injectable()
export class ClientsService {
  constructor(
    private readonly database: Database,
    private readonly clients: ClientStore,
    private readonly rows: RegistrationDecisionStore,
    private readonly accounts: ClientAccounts,
    private readonly certificates: ClientCertificates,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** One page, the newest first. */
  async list({ limit, cursor, status, approval, blocked, name }: ClientsQuery): Promise<ClientsView> {
    const filter = {
      ...(status === undefined ? {} : { status }),
      ...(approval === undefined ? {} : { approval }),
      ...(blocked === undefined ? {} : { isBlocked: blocked }),
      ...(name === undefined ? {} : { name })
    }
    return pageOfViews(await this.clients.list(filter, limit, cursor), viewOfClient)
  }

  /** Throws `not_found`. */
  async show(smsid: string): Promise<ClientDetailView> {
    return this.database.transaction(async unit => detailOfClient(await this.get(smsid, unit)))
  }

  /**
   * Approves a registered client, which gets its account with it, or takes the approval back, which disables the account.
   * Throws `not_found`, and `conflict` for a client that is not registered, or is so already, or needs no approval.
   */
  async setApproval(
    smsid: string,
    isApproved: boolean,
    { comment }: ClientDecisionBody,
    operator: AuthenticatedOperator
  ): Promise<ClientDetailView> {
    const because = becauseOf(operator, comment)
    return this.database.transaction(async unit => {
      const before = await this.get(smsid, unit)
      if (!(await this.clients.setApproval(smsid, isApproved, because, this.clock.now(), unit))) {
        throw notSo(before, isApproved ? 'approved' : 'unapproved')
      }
      const client = await this.get(smsid, unit)
      if (isApproved) await this.accounts.provide(client, 'site', because, unit)
      else await this.accounts.withdraw(client, because, unit)
      return detailOfClient(await this.get(smsid, unit))
    })
  }

  /**
   * Blocks a client, whatever its mode: it is refused from now on, its account is disabled, and the certificates that CAs
   * of this installation issued to it are revoked; all or nothing. Throws `not_found` and `conflict`.
   */
  async block(
    smsid: string,
    { comment, reason }: BlockBody,
    operator: AuthenticatedOperator
  ): Promise<ClientDetailView> {
    const because = becauseOf(operator, comment)
    const { client, revoked } = await this.database.transaction(async unit => {
      const before = await this.get(smsid, unit)
      if (!(await this.clients.setBlocked(smsid, true, because, this.clock.now(), unit))) {
        throw notSo(before, 'blocked')
      }
      await this.accounts.withdraw(before, because, unit)
      const revoked = await this.certificates.revoke(before, reason, because, unit)
      return { client: await this.get(smsid, unit), revoked }
    })
    this.certificates.announce(revoked)
    return { ...detailOfClient(client), revoked: revoked.map(({ serial }) => serial) }
  }

  /**
   * Lifts a block: the client has the approval that it had before, and its account again. What was revoked stays revoked.
   * Throws `not_found` and `conflict`.
   */
  async unblock(
    smsid: string,
    { comment }: ClientDecisionBody,
    operator: AuthenticatedOperator
  ): Promise<ClientDetailView> {
    const because = becauseOf(operator, comment)
    return this.database.transaction(async unit => {
      const before = await this.get(smsid, unit)
      if (!(await this.clients.setBlocked(smsid, false, because, this.clock.now(), unit))) {
        throw notSo(before, 'unblocked')
      }
      await this.accounts.provide(await this.get(smsid, unit), 'nobody', because, unit)
      return detailOfClient(await this.get(smsid, unit))
    })
  }

  private async get(smsid: string, unit: Unit): Promise<RegistrationRow> {
    const row = await this.rows.lock(smsid, unit)
    if (row === undefined) throw new AppError('not_found', `There is no client ${smsid}.`)
    return row
  }
}

/** What stands in the record of an operator's decision. */
export function becauseOf({ name }: AuthenticatedOperator, comment: string | undefined): Because {
  return { actor: name, ...(comment === undefined ? {} : { detail: { comment } }) }
}

function notSo({ smsid, status, approval, blockedAt }: RegistrationRow, wanted: string): AppError {
  const state = blockedAt === null ? `${status} and ${approval.replace('_', ' ')}` : 'blocked'
  return new AppError('conflict', `The client is ${state}, so it cannot be ${wanted}.`, { smsid, status, approval })
}
