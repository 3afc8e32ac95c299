import type { PrincipalId } from '@app/core'
import { type DataSource, IsNull, Not } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { principalEntity } from './entities.js'
import { selectList } from './entity.js'
import {
  findGroupId,
  insertGroup,
  joinGroupById,
  leaveGroupById,
  lockGroups,
  refreshGroups
} from './group-membership.js'
import { Conditions, type Page, pageOf } from './page.js'
import type { PrincipalRow } from './principal-row.js'
import { query, type Statement } from './sql.js'
import { inTransaction, managerOf, translated, type Unit, within } from './unit.js'

export { GROUP_DOMAIN } from './group-membership.js'

const PRINCIPAL = `SELECT ${selectList(principalEntity, 'p')} FROM certkeep.principal AS p`

const GROUPS_OF: Statement = {
  text: `
    ${PRINCIPAL} JOIN certkeep.group_member AS m ON m.group_id = p.id
    WHERE m.member_id = $1 ORDER BY lower(p.account_name)`
}

const NAMES_BY_SID: Statement = {
  text: `
    SELECT p.sid, p.account_name AS name FROM certkeep.principal AS p
    WHERE p.kind = 'group' AND p.disabled_at IS NULL AND p.sid = ANY($1)`
}

const DOMAINS: Statement = { text: 'SELECT d.sid FROM certkeep.directory_domain AS d' }

/** A principal and a group. */
export interface Membership {
  readonly groupId: PrincipalId
  readonly memberId: PrincipalId
}

/**
 * Groups and who is in them. Every change brings the group names of all whom it concerns up to date in the same
 * transaction, so that reading an account tells all of its groups. What changes them is for the console.
 */
export class GroupStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Adds a group. Throws `conflict` when the name is taken. */
  add(name: string, because: Because, now: Date, unit?: Unit): Promise<PrincipalId> {
    return within(this.dataSource, unit, open => insertGroup(this.dataSource, open, { name, now }, because))
  }

  /** Whatever the case. */
  findByName(name: string): Promise<PrincipalId | undefined> {
    return findGroupId(this.dataSource, undefined, name)
  }

  /** The names of the groups that have these security identifiers, by them. */
  async findNames(sids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const rows = await query<{ readonly sid: string; readonly name: string }>(
      this.dataSource,
      undefined,
      NAMES_BY_SID,
      [[...sids]]
    )
    return new Map(rows.map(({ sid, name }) => [sid, name]))
  }

  /** The security identifiers of the domains that accounts of the directory are of. */
  async listDomainSids(): Promise<readonly string[]> {
    const rows = await query<{ readonly sid: string }>(this.dataSource, undefined, DOMAINS, [])
    return rows.map(({ sid }) => sid)
  }

  /** Those directly in a group, by their ids; the cursor is the last id seen. */
  async listMembers(
    groupId: PrincipalId,
    limit: number,
    cursor?: PrincipalId
  ): Promise<Page<PrincipalRow, PrincipalId>> {
    const conditions = new Conditions().add('m.group_id = ?', groupId).add('p.id > ?', cursor)
    const text = `
      ${PRINCIPAL} JOIN certkeep.group_member AS m ON m.member_id = p.id
      ${conditions.where()} ORDER BY p.id ${conditions.limit(limit)}`
    const rows = await query<PrincipalRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }

  /** The groups that a principal is directly in, by name. */
  listGroupsOf(memberId: PrincipalId): Promise<readonly PrincipalRow[]> {
    return query<PrincipalRow>(this.dataSource, undefined, GROUPS_OF, [memberId])
  }

  /** Whether it was not a member. Throws `conflict` when the group would be in itself. */
  addMember(membership: Membership, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const added = await joinGroupById(this.dataSource, unit, { ...membership, now })
      if (added) await this.record(unit, membership, 'member_added', because, now)
      return added
    })
  }

  /** Whether it was a member. */
  removeMember(membership: Membership, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const removed = await leaveGroupById(this.dataSource, unit, membership)
      if (removed) await this.record(unit, membership, 'member_removed', because, now)
      return removed
    })
  }

  /**
   * Disables a principal, which ends what its credentials are good for, or enables it again. Being in a disabled group
   * counts for nothing. Whether it was otherwise before.
   */
  setDisabled(id: PrincipalId, disabled: boolean, because: Because, now: Date, unit?: Unit): Promise<boolean> {
    return within(this.dataSource, unit, async open => {
      await lockGroups(this.dataSource, open)
      const manager = managerOf(this.dataSource, open)
      const where = { id, disabledAt: disabled ? IsNull() : Not(IsNull()) }
      const updated = await translated(manager.update(principalEntity, where, { disabledAt: disabled ? now : null }))
      if (updated.affected !== 1) return false
      await refreshGroups(this.dataSource, open, id)
      const verb = disabled ? 'disabled' : 'enabled'
      await appendChange(this.dataSource, open, { object: 'principal', id, verb, at: now }, because)
      return true
    })
  }

  private record(
    unit: Unit,
    { groupId, memberId }: Membership,
    verb: 'member_added' | 'member_removed',
    because: Because,
    now: Date
  ): Promise<void> {
    const change = { object: 'principal', id: groupId, verb, at: now, detail: { member: memberId } } as const
    return appendChange(this.dataSource, unit, change, because)
  }
}
