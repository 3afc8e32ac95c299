import { randomUUID } from 'node:crypto'
import { AppError, asPrincipalId, type PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { query, queryOne, type Statement } from './sql.js'
import type { Unit } from './unit.js'

/** The domain that groups belong to: a group's name counts for itself in the whole installation. */
export const GROUP_DOMAIN = 'CERTKEEP'

/** Serialises every change of memberships, so that what follows from them is right whoever commits first. */
const LOCK: Statement = { name: 'group_lock', text: 'SELECT pg_advisory_xact_lock(4812366207)' }

const ALLOCATE: Statement = {
  text: `
    INSERT INTO certkeep.directory_domain AS d (name, sid, next_rid) VALUES ($1, certkeep.random_domain_sid(), 1105)
    ON CONFLICT (lower(name)) DO UPDATE SET next_rid = d.next_rid + 1
    RETURNING d.sid || '-' || (d.next_rid - 1) AS sid`
}

const RESERVE: Statement = {
  text: `
    UPDATE certkeep.directory_domain SET next_rid = greatest(next_rid, $2::bigint + 1)
    WHERE sid = $1 AND $2::bigint < 4294967295`
}

const FIND_GROUP: Statement = {
  name: 'group_by_name',
  text: `SELECT id FROM certkeep.principal WHERE kind = 'group' AND lower(account_name) = lower($1)`
}

const INSERT_GROUP: Statement = {
  text: `
    INSERT INTO certkeep.principal (id, kind, sid, account_name, domain, display_name, group_names, created_at)
    VALUES ($1, 'group', $2, $3, $4, $3, '{}', $5)`
}

const JOIN: Statement = {
  text: `
    INSERT INTO certkeep.group_member (group_id, member_id, added_at) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING RETURNING group_id`
}

const LEAVE: Statement = {
  text: `DELETE FROM certkeep.group_member WHERE group_id = $1 AND member_id = $2 RETURNING group_id`
}

/** Whether the second is in the first, through others too, or is the first. */
const CONTAINS: Statement = {
  text: `
    WITH RECURSIVE below AS (
      SELECT $1::uuid AS id
      UNION SELECT m.member_id FROM certkeep.group_member AS m JOIN below AS b ON m.group_id = b.id
    )
    SELECT 1 FROM below WHERE id = $2::uuid`
}

/**
 * Brings up to date what follows from memberships, for a principal and everybody in it. A disabled group passes nothing
 * on.
 */
const REFRESH: Statement = {
  text: `
    WITH RECURSIVE affected AS (
      SELECT $1::uuid AS id
      UNION SELECT m.member_id FROM certkeep.group_member AS m JOIN affected AS a ON m.group_id = a.id
    ), above AS (
      SELECT a.id AS principal_id, g.id AS group_id, g.account_name FROM affected AS a
      JOIN certkeep.group_member AS m ON m.member_id = a.id
      JOIN certkeep.principal AS g ON g.id = m.group_id AND g.disabled_at IS NULL
      UNION
      SELECT u.principal_id, g.id, g.account_name FROM above AS u
      JOIN certkeep.group_member AS m ON m.member_id = u.group_id
      JOIN certkeep.principal AS g ON g.id = m.group_id AND g.disabled_at IS NULL
    ), resolved AS (
      SELECT a.id, coalesce(array_agg(u.account_name ORDER BY lower(u.account_name)) FILTER (WHERE u.group_id IS NOT NULL),
        '{}') AS names
      FROM affected AS a LEFT JOIN above AS u ON u.principal_id = a.id GROUP BY a.id
    )
    UPDATE certkeep.principal AS p SET group_names = r.names FROM resolved AS r
    WHERE p.id = r.id AND p.group_names IS DISTINCT FROM r.names`
}

/**
 * The next security identifier under the domain's own, which is made at its first use. It is given out once and never
 * again.
 */
export async function allocateSid(dataSource: DataSource, unit: Unit | undefined, domain: string): Promise<string> {
  const row = await queryOne<{ readonly sid: string }>(dataSource, unit, ALLOCATE, [domain])
  if (row === undefined) throw new AppError('internal', `No security identifier was allocated for ${domain}.`)
  return row.sid
}

/** Keeps a security identifier that came from elsewhere from being allocated. */
export async function reserveSid(dataSource: DataSource, unit: Unit, sid: string): Promise<void> {
  const match = /^(S-1-5-21-\d+-\d+-\d+)-(\d{1,10})$/.exec(sid)
  if (match !== null) await query(dataSource, unit, RESERVE, [match[1], match[2]])
}

/** Lets nobody else change memberships until the transaction ends. */
export async function lockGroups(dataSource: DataSource, unit: Unit): Promise<void> {
  await query(dataSource, unit, LOCK, [])
}

/** A group's id; undefined when there is none of the name, whatever its case. */
export async function findGroupId(
  dataSource: DataSource,
  unit: Unit | undefined,
  name: string
): Promise<PrincipalId | undefined> {
  const row = await queryOne<{ readonly id: PrincipalId }>(dataSource, unit, FIND_GROUP, [name])
  return row?.id
}

/** Adds a group. Throws `conflict` when its name is taken. */
export async function insertGroup(
  dataSource: DataSource,
  unit: Unit,
  group: { readonly name: string; readonly now: Date },
  because: Because
): Promise<PrincipalId> {
  const { name, now } = group
  const id = asPrincipalId(randomUUID())
  const sid = await allocateSid(dataSource, unit, GROUP_DOMAIN)
  await query(dataSource, unit, INSERT_GROUP, [id, sid, name, GROUP_DOMAIN, now])
  const detail = { kind: 'group', account: `${GROUP_DOMAIN}\\${name}` }
  await appendChange(dataSource, unit, { object: 'principal', id, verb: 'added', at: now, detail }, because)
  return id
}

/** Puts a principal into a group by its id. Whether it was not in it. Throws `conflict` when the group would be in itself. */
export async function joinGroupById(
  dataSource: DataSource,
  unit: Unit,
  member: { readonly groupId: PrincipalId; readonly memberId: PrincipalId; readonly now: Date }
): Promise<boolean> {
  const { groupId, memberId, now } = member
  await lockGroups(dataSource, unit)
  if ((await queryOne(dataSource, unit, CONTAINS, [memberId, groupId])) !== undefined) {
    throw new AppError('conflict', 'The group would be a member of itself, through others or directly.', { groupId })
  }
  const joined = await queryOne(dataSource, unit, JOIN, [groupId, memberId, now])
  if (joined === undefined) return false
  await refreshGroups(dataSource, unit, memberId)
  return true
}

/** Takes a principal out of a group by its id. Whether it was in it. */
export async function leaveGroupById(
  dataSource: DataSource,
  unit: Unit,
  { groupId, memberId }: { readonly groupId: PrincipalId; readonly memberId: PrincipalId }
): Promise<boolean> {
  await lockGroups(dataSource, unit)
  const left = await queryOne(dataSource, unit, LEAVE, [groupId, memberId])
  if (left === undefined) return false
  await refreshGroups(dataSource, unit, memberId)
  return true
}

/** Puts a principal into groups by name; those that are not there are added. */
export async function joinGroups(
  dataSource: DataSource,
  unit: Unit,
  member: { readonly memberId: PrincipalId; readonly groupNames: readonly string[]; readonly now: Date },
  because: Because
): Promise<void> {
  const { memberId, groupNames, now } = member
  const names = new Map(groupNames.map(name => [name.toLowerCase(), name]))
  if (names.size === 0) return
  await lockGroups(dataSource, unit)
  for (const name of names.values()) {
    const found = await findGroupId(dataSource, unit, name)
    const groupId = found ?? (await insertGroup(dataSource, unit, { name, now }, because))
    await joinGroupById(dataSource, unit, { groupId, memberId, now })
  }
}

/** As {@link joinGroupById}, by the name of a group that is there. */
export async function joinGroup(
  dataSource: DataSource,
  unit: Unit,
  { group, memberId, now }: { readonly group: string; readonly memberId: PrincipalId; readonly now: Date }
): Promise<void> {
  const groupId = await getGroupId(dataSource, unit, group)
  await joinGroupById(dataSource, unit, { groupId, memberId, now })
}

/** As {@link leaveGroupById}, by the name of a group that is there. */
export async function leaveGroup(
  dataSource: DataSource,
  unit: Unit,
  { group, memberId }: { readonly group: string; readonly memberId: PrincipalId }
): Promise<void> {
  const groupId = await getGroupId(dataSource, unit, group)
  await leaveGroupById(dataSource, unit, { groupId, memberId })
}

/** Brings the group names of a principal and of everybody in it up to date. Needs {@link lockGroups}. */
export async function refreshGroups(dataSource: DataSource, unit: Unit, principalId: PrincipalId): Promise<void> {
  await query(dataSource, unit, REFRESH, [principalId])
}

async function getGroupId(dataSource: DataSource, unit: Unit, name: string): Promise<PrincipalId> {
  const id = await findGroupId(dataSource, unit, name)
  if (id === undefined) throw new AppError('not_found', `There is no group "${name}".`, { name })
  return id
}
