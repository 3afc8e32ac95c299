import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, asPrincipalId, type Clock, type PrincipalId } from '@app/core'
import { accountNameOf, CLOCK } from '@app/platform'
import { DirectoryStore, GroupStore, PrincipalStore, RoleStore, type PrincipalRow, type Unit } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import type { AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews } from '../access/page.schemas.js'
import { attributesOf, closedGroup, isClosedGroup, requireOpenGroup, viewOf } from './principal-view.js'
import type {
  AddBody,
  ChangeBody,
  DirectoryQuery,
  PrincipalDetailView,
  PrincipalsView,
  PrincipalView,
  TokenView
} from './directory.schemas.js'

/** The attributes that a person is found by at sign-in, or that certificates name for other systems to trust. */
const identifying = ['upn', 'mail', 'dnsName'] as const
const builtInGroup = { user: 'Domain Users', computer: 'Domain Computers' } as const

/** Users, computers and groups. */
@Injectable()
export class DirectoryService {
  constructor(
    private readonly principals: PrincipalStore,
    private readonly directory: DirectoryStore,
    private readonly groups: GroupStore,
    private readonly roles: RoleStore,
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
    const row = { id, kind, sid, accountName: account, domain, ...attributes, groupNames, createdAt: now }
    await this.principals.add(row, because)
    return viewOf(await this.get(id))
  }

  /**
   * Changes attributes. Throws `conflict` for those that say who signs in, of an account that holds a role: whoever
   * could change them could sign in as that operator.
   */
  async change(id: string, body: ChangeBody, operator: AuthenticatedOperator): Promise<PrincipalDetailView> {
    const row = await this.getAccount(id)
    const changed = Object.entries(body).filter(([name, value]) => value !== undefined && row[name as 'upn'] !== value)
    await this.roles.exclusively(async unit => {
      const touches = changed.some(([name]) => (identifying as readonly string[]).includes(name))
      if (touches && (await this.roles.listHeld(row.id, unit)).length > 0) {
        throw new AppError(
          'conflict',
          `${accountNameOf(row)} holds a role; revoke it before ${identifying.join(', ')} change.`
        )
      }
      if (changed.length === 0) return
      await this.directory.change(row.id, Object.fromEntries(changed), { actor: operator.name }, this.clock.now(), unit)
    })
    return this.show(id)
  }

  /** Disables or enables one. Throws `conflict` when it was so before, and for the last administrator. */
  async setDisabled(id: string, disabled: boolean, operator: AuthenticatedOperator): Promise<void> {
    const row = await this.get(id)
    if (isClosedGroup(row.accountName) && row.kind === 'group') throw closedGroup(row.accountName)
    const won = await this.roles.exclusively(async unit => {
      if (disabled && (await this.isLastAdministrator(row.id, unit))) {
        throw new AppError('conflict', 'This is the last administrator; give the role to somebody else first.')
      }
      return this.groups.setDisabled(row.id, disabled, { actor: operator.name }, this.clock.now(), unit)
    })
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

  private async isLastAdministrator(id: PrincipalId, unit: Unit): Promise<boolean> {
    const held = await this.roles.listHeld(id, unit)
    if (!held.some(({ role, caId }) => role === 'administrator' && caId === null)) return false
    return (await this.roles.countOtherAdministrators(id, unit)) === 0
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
