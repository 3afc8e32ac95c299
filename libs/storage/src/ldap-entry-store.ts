import type { PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import { Conditions, type Page, pageOf } from './page.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableText } from './text.js'

/** An entry of the LDAP server, and whom it is here. */
export interface LdapEntryRow {
  /** objectGUID or entryUUID */
  readonly guid: string
  /** Null while it could not be taken. */
  readonly principalId: PrincipalId | null
  readonly dn: string
  /** The distinguished name in one spelling for all that mean the same. */
  readonly dnKey: string
  /** What the server says of its last change. */
  readonly stamp: string | null
  /** Whether its account was disabled because of the LDAP server. */
  readonly disabledBySource: boolean
  /** Whether the server has it no longer. */
  readonly isGone: boolean
  /** Why the directory here is not as the entry says. */
  readonly error: string | null
}

const COLUMNS = `
  e.guid, e.principal_id AS "principalId", e.dn, e.dn_key AS "dnKey", e.stamp,
  e.disabled_by_source AS "disabledBySource", e.is_gone AS "isGone", e.error`

const LIST: Statement = { text: `SELECT ${COLUMNS} FROM certkeep.ldap_entry AS e` }

const PUT: Statement = {
  name: 'ldap_entry_put',
  text: `
    INSERT INTO certkeep.ldap_entry (guid, principal_id, dn, dn_key, stamp, disabled_by_source, is_gone, error)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (guid) DO UPDATE SET principal_id = EXCLUDED.principal_id, dn = EXCLUDED.dn, dn_key = EXCLUDED.dn_key,
      stamp = EXCLUDED.stamp, disabled_by_source = EXCLUDED.disabled_by_source, is_gone = EXCLUDED.is_gone,
      error = EXCLUDED.error`
}

const FIND_BY_KEYS: Statement = {
  name: 'ldap_entry_by_keys',
  text: `
    SELECT e.dn_key AS "dnKey", e.principal_id AS "principalId" FROM certkeep.ldap_entry AS e
    WHERE e.dn_key = ANY ($1::text[]) AND e.principal_id IS NOT NULL AND NOT e.is_gone`
}

/** Who is directly in a group and comes from the LDAP server. */
const MEMBERS: Statement = {
  name: 'ldap_entry_members',
  text: `
    SELECT m.member_id AS "principalId" FROM certkeep.group_member AS m
    JOIN certkeep.ldap_entry AS e ON e.principal_id = m.member_id WHERE m.group_id = $1`
}

const COUNT: Statement = {
  text: `
    SELECT count(*) FILTER (WHERE principal_id IS NOT NULL AND NOT is_gone)::integer AS taken,
      count(*) FILTER (WHERE error IS NOT NULL)::integer AS refused FROM certkeep.ldap_entry`
}

/** The entries of the LDAP server that accounts and groups are read from. For the console. */
export class LdapEntryStore {
  constructor(private readonly dataSource: DataSource) {}

  /** All that were ever seen, by their GUIDs. */
  async readAll(): Promise<ReadonlyMap<string, LdapEntryRow>> {
    const rows = await query<LdapEntryRow>(this.dataSource, undefined, LIST, [])
    return new Map(rows.map(row => [row.guid, row]))
  }

  /** Records what is known of an entry. Throws `conflict` when another entry is the same account. */
  async put(row: LdapEntryRow): Promise<void> {
    const { guid, principalId, dn, dnKey, stamp, disabledBySource, isGone } = row
    const error = row.error === null ? null : storableText(row.error)
    const values = [guid, principalId, storableText(dn), storableText(dnKey), stamp, disabledBySource, isGone, error]
    await query(this.dataSource, undefined, PUT, values)
  }

  /** Who the entries of these names are, as far as they are known. */
  async findPrincipals(dnKeys: readonly string[]): Promise<ReadonlyMap<string, PrincipalId>> {
    const rows = await query<{ dnKey: string; principalId: PrincipalId }>(this.dataSource, undefined, FIND_BY_KEYS, [
      dnKeys
    ])
    return new Map(rows.map(({ dnKey, principalId }) => [dnKey, principalId]))
  }

  /** Those directly in a group that come from the LDAP server; others were put there by hand. */
  async listMembers(groupId: PrincipalId): Promise<readonly PrincipalId[]> {
    const rows = await query<{ principalId: PrincipalId }>(this.dataSource, undefined, MEMBERS, [groupId])
    return rows.map(({ principalId }) => principalId)
  }

  /** How many are accounts and groups here, and how many are not as the LDAP server says. */
  async count(): Promise<{ readonly taken: number; readonly refused: number }> {
    const row = await queryOne<{ taken: number; refused: number }>(this.dataSource, undefined, COUNT, [])
    return row ?? { taken: 0, refused: 0 }
  }

  /** Those that are not as the LDAP server says, by their GUIDs; the cursor is the last one seen. */
  async listRefused(limit: number, cursor?: string): Promise<Page<LdapEntryRow, string>> {
    const conditions = new Conditions().addText('e.error IS NOT NULL').add('e.guid > ?', cursor)
    const text = `
      SELECT ${COLUMNS} FROM certkeep.ldap_entry AS e ${conditions.where()} ORDER BY e.guid ${conditions.limit(limit)}`
    const rows = await query<LdapEntryRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ guid }) => guid)
  }
}
