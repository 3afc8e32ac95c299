import { randomUUID } from 'node:crypto'
import type { PrincipalId } from '@app/core'
import { OPERATORS_GROUP, type HeldRole, type OperatorRole } from '@app/policy'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { roleAssignmentEntity } from './operator-entities.js'
import { selectList } from './entity.js'
import { joinGroup, leaveGroup } from './group-membership.js'
import { roleColumnsOf, type RoleAssignmentRow } from './operator-row.js'
import { Conditions, type Page, pageOf } from './page.js'
import { query, queryOne, type Statement } from './sql.js'
import { managerOf, translated, type Unit, within } from './unit.js'

/** What a list of roles is narrowed by. */
export interface RoleFilter {
  readonly principalId?: PrincipalId
  readonly role?: OperatorRole
  readonly caId?: number
  /** Roles that were revoked too. */
  readonly revoked?: boolean
}

/** A role and the account that holds it. */
export interface RoleListing extends RoleAssignmentRow {
  readonly domain: string
  readonly accountName: string
  readonly disabledAt: Date | null
}

/** Serialises every change of roles. Arbitrary, no other lock's, and the same in every version. */
const LOCK: Statement = { name: 'role_lock', text: 'SELECT pg_advisory_xact_lock(4812366208)' }

const ROLE = `SELECT ${selectList(roleAssignmentEntity, 'a')} FROM certkeep.role_assignment AS a`

const HELD: Statement = {
  name: 'role_held',
  text: `${ROLE} WHERE a.principal_id = $1 AND a.revoked_at IS NULL ORDER BY a.granted_at, a.id`
}

const FIND: Statement = { text: `${ROLE} WHERE a.id = $1` }

const OTHER_ADMINISTRATORS: Statement = {
  text: `
    SELECT count(DISTINCT a.principal_id)::integer AS count FROM certkeep.role_assignment AS a
    JOIN certkeep.principal AS p ON p.id = a.principal_id
    WHERE a.role = 'administrator' AND a.ca_id IS NULL AND a.revoked_at IS NULL AND p.disabled_at IS NULL
      AND a.principal_id <> $1`
}

/** The roles of operators. What changes them is for the console. */
export class RoleStore {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Runs work in a transaction in which nobody else changes roles, so that what it reads of them still holds when it
   * writes.
   */
  exclusively<T>(work: (unit: Unit) => Promise<T>, unit?: Unit): Promise<T> {
    return within(this.dataSource, unit, async open => {
      await query(this.dataSource, open, LOCK, [])
      return work(open)
    })
  }

  /** The roles that a principal holds now, the oldest first. */
  listHeld(principalId: PrincipalId, unit?: Unit): Promise<readonly RoleAssignmentRow[]> {
    return query<RoleAssignmentRow>(this.dataSource, unit, HELD, [principalId])
  }

  /** Held or revoked. */
  find(id: string, unit?: Unit): Promise<RoleAssignmentRow | undefined> {
    return queryOne<RoleAssignmentRow>(this.dataSource, unit, FIND, [id])
  }

  /** With their accounts, by their ids; the cursor is the last id seen. */
  async list(filter: RoleFilter, limit: number, cursor?: string): Promise<Page<RoleListing, string>> {
    const conditions = new Conditions()
      .add('a.principal_id = ?', filter.principalId)
      .add('a.role = ?', filter.role)
      .add('(a.ca_id = ? OR a.ca_id IS NULL)', filter.caId)
      .addText(filter.revoked === true ? undefined : 'a.revoked_at IS NULL')
      .add('a.id > ?', cursor)
    const columns = `${selectList(roleAssignmentEntity, 'a')}, p.domain, p.account_name AS "accountName", p.disabled_at AS "disabledAt"`
    const text = `
      SELECT ${columns} FROM certkeep.role_assignment AS a JOIN certkeep.principal AS p ON p.id = a.principal_id
      ${conditions.where()} ORDER BY a.id ${conditions.limit(limit)}`
    const rows = await query<RoleListing>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }

  /** How many accounts other than this one, none of them disabled, are administrators of every CA. */
  async countOtherAdministrators(principalId: PrincipalId, unit?: Unit): Promise<number> {
    const row = await queryOne<{ readonly count: number }>(this.dataSource, unit, OTHER_ADMINISTRATORS, [principalId])
    return row?.count ?? 0
  }

  /**
   * Gives a role and, with the first one, membership of the group of operators. Whether it may be given is judged
   * before. Throws `conflict` when the principal holds it already.
   */
  async grant(principalId: PrincipalId, held: HeldRole, because: Because, now: Date, unit?: Unit): Promise<string> {
    const { dataSource } = this
    const id = randomUUID()
    await within(dataSource, unit, async open => {
      const columns = roleColumnsOf(held)
      const row = { ...columns, id, principalId, grantedBy: because.actor, grantedAt: now }
      await translated(managerOf(dataSource, open).insert(roleAssignmentEntity, row as object))
      await joinGroup(dataSource, open, { group: OPERATORS_GROUP, memberId: principalId, now })
      const detail = { principalId, role: held.role, caId: held.caId, ...scopeDetail(held) }
      const change = { object: 'role_assignment', id, verb: 'granted', at: now, detail } as const
      await appendChange(dataSource, open, change, because)
    })
    return id
  }

  /** Takes a role away and, with the last one, membership of the group of operators. Whether it was held. */
  revoke(id: string, because: Because, now: Date, unit?: Unit): Promise<boolean> {
    const { dataSource } = this
    return within(dataSource, unit, async open => {
      const row = await this.find(id, open)
      if (row === undefined || row.revokedAt !== null) return false
      const patch = { revokedBy: because.actor, revokedAt: now }
      await translated(managerOf(dataSource, open).update(roleAssignmentEntity, { id }, patch))
      const { principalId, role, caId } = row
      if ((await this.listHeld(principalId, open)).length === 0) {
        await leaveGroup(dataSource, open, { group: OPERATORS_GROUP, memberId: principalId })
      }
      const detail = { principalId, role, caId }
      const change = { object: 'role_assignment', id, verb: 'revoked', at: now, detail } as const
      await appendChange(dataSource, open, change, because)
      return true
    })
  }
}

function scopeDetail({ scope }: HeldRole): object {
  return scope === null ? {} : { templates: [...scope.templates], subjectGroups: [...scope.subjectGroups] }
}
