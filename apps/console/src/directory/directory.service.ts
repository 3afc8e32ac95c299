import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, asPrincipalId, type Clock } from '@app/core'
import { accountNameOf, CLOCK } from '@app/platform'
import { DirectoryStore, GroupStore, PrincipalStore, type PrincipalRow } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import type { AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews } from '../access/page.schemas.js'
import { AccountChanges } from './account-changes.js'
import { attributesOf, requireOpenGroup, viewOf } from './principal-view.js'
import type {
  AddBody,
  ChangeBody,
  DirectoryQuery,
  PrincipalDetailView,
  PrincipalsView,
  PrincipalView,
  TokenView
} from './directory.schemas.js'

const builtInGroup = { user: 'Domain Users', computer: 'Domain Computers' } as const

/** Users, computers and groups. */
@Injectable()
export class DirectoryService {
  constructor(
    private readonly principals: PrincipalStore,
    private readonly directory: DirectoryStore,
    private readonly groups: GroupStore,
    private readonly changes: AccountChanges,
    private readonly named: NamedObjects,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** One page of accounts and groups. */
  async list({ limit, cursor, ...filter }: DirectoryQuery): Promise<PrincipalsView> {
    const after = cursor === undefined ? undefined : asPrincipalId(cursor)
    return pageOfViews(await this.directory.search(filter, limit, after), viewOf)
  }

  /** One account or group. Throws `not_found`. */
  async show(id: string): Promise<PrincipalDetailView> {
    const row = await this.get(id)
    const memberOf = await this.groups.listGroupsOf(row.id)
    return { ...viewOf(row), memberOf: memberOf.map(group => group.accountName) }
  }

  /** Adds one. Throws `conflict` when the name or the SID is taken, `not_found` for a group that is not there. */
  async add(body: AddBody, operator: AuthenticatedOperator): Promise<PrincipalView> {
    const now = this.clock.now()
    const because = { actor: operator.name }
    if (body.kind === 'group') return viewOf(await this.get(await this.groups.add(body.account, because, now)))
    const { kind, account, domain, groups } = body
    const groupNames = [...new Set([builtInGroup[kind], ...groups])]
    for (const name of groupNames) {
      if ((await this.groups.findByName(name)) === undefined)
        throw new AppError('not_found', `There is no group "${name}".`)
      requireOpenGroup(name)
    }
    const id = asPrincipalId(randomUUID())
    const sid = body.sid ?? (await this.principals.allocateSid(domain))
    const attributes = attributesOf({
      displayName: account,
      distinguishedName: null,
      upn: kind === 'user' ? `${account}@${domain}`.toLowerCase() : null,
      mail: null,
      dnsName: null,
      ...body
    })
    await this.changes.requireUnique(id, attributes)
    const row = { id, kind, sid, accountName: account, domain, ...attributes, groupNames, createdAt: now }
    await this.principals.add(row, because)
    return viewOf(await this.get(id))
  }

  /** Changes attributes. Throws as {@link AccountChanges.change}. */
  async change(id: string, body: ChangeBody, operator: AuthenticatedOperator): Promise<PrincipalDetailView> {
    const given = Object.entries(body).filter(([, value]) => value !== undefined)
    await this.changes.change(await this.getAccount(id), Object.fromEntries(given), { actor: operator.name })
    return this.show(id)
  }

  /** Disables or enables one. Throws `conflict` when it was so before, and for the last administrator. */
  async setDisabled(id: string, disabled: boolean, operator: AuthenticatedOperator): Promise<void> {
    const row = await this.get(id)
    const won = await this.changes.setDisabled(row, disabled, { actor: operator.name })
    if (!won) throw new AppError('conflict', `${accountNameOf(row)} is ${disabled ? 'disabled' : 'enabled'} already.`)
  }

  /** One page of those directly in a group. Throws `not_found`. */
  async members(
    id: string,
    { limit, cursor }: { limit: number; cursor?: string | undefined }
  ): Promise<PrincipalsView> {
    const group = await this.getGroup(id)
    const after = cursor === undefined ? undefined : asPrincipalId(cursor)
    return pageOfViews(await this.groups.listMembers(group.id, limit, after), viewOf)
  }

  /** Puts an account or a group into a group, or takes it out; to do so again does nothing. Throws `conflict`. */
  async setMember(
    { id, member, isMember }: { readonly id: string; readonly member: string; readonly isMember: boolean },
    operator: AuthenticatedOperator
  ): Promise<void> {
    const group = await this.getGroup(id)
    const row = await this.get(member)
    requireOpenGroup(group.accountName)
    if (row.kind === 'group') requireOpenGroup(row.accountName)
    const membership = { groupId: group.id, memberId: row.id }
    const because = { actor: operator.name, detail: { account: accountNameOf(row) } }
    const now = this.clock.now()
    await (isMember
      ? this.groups.addMember(membership, because, now)
      : this.groups.removeMember(membership, because, now))
  }

  /** The tokens of an account, revoked ones too. */
  async tokens(id: string): Promise<{ items: TokenView[] }> {
    const caName = await this.named.caNames()
    const rows = await this.principals.listCredentials((await this.getAccount(id)).id)
    return {
      items: rows.map(row => {
        const ca = caName(row.caId)
        return {
          id: row.id,
          label: row.label,
          scopes: [...row.scopes],
          ...(ca === undefined ? {} : { ca }),
          createdAt: row.createdAt.toISOString(),
          ...(row.expiresAt === null ? {} : { expiresAt: row.expiresAt.toISOString() }),
          ...(row.revokedAt === null ? {} : { revokedAt: row.revokedAt.toISOString() })
        }
      })
    }
  }

  /** Ends a token at once. Throws `not_found`, or `conflict` when it was revoked before. */
  async revokeToken(id: string, token: string, operator: AuthenticatedOperator): Promise<void> {
    const rows = await this.principals.listCredentials((await this.getAccount(id)).id)
    if (!rows.some(row => row.id === token)) throw new AppError('not_found', `The account has no token ${token}.`)
    if (await this.principals.revokeCredential(token, { actor: operator.name }, this.clock.now())) return
    throw new AppError('conflict', 'The token was revoked before.')
  }

  private async get(id: string): Promise<PrincipalRow> {
    const row = await this.principals.find(asPrincipalId(id))
    if (row === undefined || row.kind === 'system') throw new AppError('not_found', `There is no account ${id}.`)
    return row
  }

  private async getAccount(id: string): Promise<PrincipalRow> {
    const row = await this.get(id)
    if (row.kind !== 'group') return row
    throw new AppError('invalid_argument', `${row.accountName} is a group; this is for users and computers.`)
  }

  private async getGroup(id: string): Promise<PrincipalRow> {
    const row = await this.get(id)
    if (row.kind === 'group') return row
    throw new AppError('invalid_argument', `${accountNameOf(row)} is no group.`)
  }
}
