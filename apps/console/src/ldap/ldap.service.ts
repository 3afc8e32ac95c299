import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import { Wakeups } from '@app/queue'
import { LdapEntryStore, LdapRunStore, type LdapRunRow } from '@app/storage'
import type { AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews } from '../access/page.schemas.js'
import type { LdapView, RefusedView, RunBody, RunView } from './ldap.schemas.js'

const latest = 20

/** How the LDAP server was read, and having it read now. */
@Injectable()
export class LdapService {
  constructor(
    private readonly runs: LdapRunStore,
    private readonly entries: LdapEntryStore,
    private readonly wakeups: Wakeups,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  async show(): Promise<LdapView> {
    const { enabled, everyMinutes } = this.config.directory.ldap.read
    const { taken: accounts, refused } = await this.entries.count()
    return { enabled, everyMinutes, accounts, refused, runs: (await this.runs.list(latest)).map(viewOf) }
  }

  /** Has the LDAP server read now. Throws `conflict` while that is going on, and where the settings do not let it be read. */
  async request({ full, acceptRemovals }: RunBody, operator: AuthenticatedOperator): Promise<RunView> {
    if (!this.config.directory.ldap.read.enabled) {
      throw new AppError('conflict', 'Accounts are not read from an LDAP server; set directory.ldap.read.enabled.')
    }
    const id = randomUUID()
    const run = { id, isFull: full, acceptsRemovals: acceptRemovals }
    await this.runs.request(run, { actor: operator.name }, this.clock.now())
    this.wakeups.nudge('read-ldap')
    return this.find(id)
  }

  /** Throws `not_found`. */
  async find(id: string): Promise<RunView> {
    const run = await this.runs.find(id)
    if (run === undefined) throw new AppError('not_found', `There is no reading ${id} of the LDAP server.`)
    return viewOf(run)
  }

  async refused(limit: number, cursor?: string): Promise<RefusedView> {
    const page = await this.entries.listRefused(limit, cursor)
    return pageOfViews(page, ({ guid, dn, error }) => ({ guid, dn, error: error ?? '' }))
  }
}

function viewOf(row: LdapRunRow): RunView {
  const { id, state, requestedBy, entries, added, changed, disabled, refused, startedAt, endedAt, error } = row
  return {
    id,
    state,
    requestedBy,
    entries,
    added,
    changed,
    disabled,
    refused,
    full: row.isFull,
    requestedAt: row.requestedAt.toISOString(),
    ...(startedAt === null ? {} : { startedAt: startedAt.toISOString() }),
    ...(endedAt === null ? {} : { endedAt: endedAt.toISOString() }),
    ...(error === null ? {} : { error })
  }
}
