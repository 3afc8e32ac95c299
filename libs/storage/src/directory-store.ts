import type { PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { principalEntity } from './entities.js'
import { selectList } from './entity.js'
import { Conditions, type Page, pageOf } from './page.js'
import type { PrincipalRow } from './principal-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { managerOf, translated, type Unit, within } from './unit.js'

/** What a list of principals is narrowed by. */
export interface PrincipalFilter {
  readonly kind?: PrincipalRow['kind'] | undefined
  /** How the account name, UPN, mail address or DNS name begins, whatever the case. */
  readonly name?: string | undefined
  readonly domain?: string | undefined
  /** A group that they are in, through others too. */
  readonly group?: string | undefined
  readonly disabled?: boolean | undefined
  readonly sid?: string | undefined
  /** The objectGUID. */
  readonly guid?: string | undefined
  /** One of its service principal names, whatever the case. */
  readonly servicePrincipalName?: string | undefined
  /** One of its explicit certificate mappings, whatever the case. */
  readonly altSecurityIdentity?: string | undefined
}

/** The attributes of a principal that may change. Those that identify it never do. */
export type PrincipalAttributes = Pick<
  PrincipalRow,
  | 'displayName'
  | 'distinguishedName'
  | 'upn'
  | 'mail'
  | 'dnsName'
  | 'guid'
  | 'servicePrincipalNames'
  | 'altSecurityIdentities'
>

const IN_GROUP = `p.group_names @> ARRAY[(
  SELECT g.account_name FROM certkeep.principal AS g WHERE g.kind = 'group' AND lower(g.account_name) = lower(?))]`

/** What begins with a text is a range in the order of bytes; it ends before the text with the last character there is. */
const BEGINS = `(${['account_name', 'upn', 'mail', 'dns_name']
  .map(column => `lower(p.${column}) COLLATE "C"`)
  .map(name => `(${name} >= lower(?::text) AND ${name} < lower(?::text) || chr(1114111))`)
  .join(' OR ')})`

/** Who else has one of these names: two accounts with one would each get the tickets and certificates of the other. */
const NAMESAKES: Statement = {
  name: 'principal_namesakes',
  text: `
    SELECT p.account_name AS "accountName" FROM certkeep.principal AS p
    WHERE p.id <> $1 AND p.kind <> 'system' AND (
      certkeep.lowered(p.service_principal_names) && certkeep.lowered($2::text[]) OR lower(p.upn) = lower($3)
      OR p.guid = $4)
    LIMIT 1`
}

const FIND_BY_GUID: Statement = {
  name: 'principal_by_guid',
  text: `SELECT ${selectList(principalEntity, 'p')} FROM certkeep.principal AS p
    WHERE p.guid = $1 OR (p.guid IS NULL AND p.id = $1)`
}

const FIND_BY_NAMES: Statement = {
  name: 'principal_by_dns',
  text: `SELECT ${selectList(principalEntity, 'p')} FROM certkeep.principal AS p
    WHERE lower(p.distinguished_name) = ANY ($1::text[])`
}

/** Lists and changes of the directory. For the console. */
export class DirectoryStore {
  constructor(private readonly dataSource: DataSource) {}

  /** All but the system account, by their ids; the cursor is the last id seen. */
  async search(filter: PrincipalFilter, limit: number, cursor?: PrincipalId): Promise<Page<PrincipalRow, PrincipalId>> {
    const conditions = new Conditions()
      .addText(`p.kind <> 'system'`)
      .add('p.kind = ?', filter.kind)
      .add('lower(p.domain) = lower(?)', filter.domain)
      .add(IN_GROUP, filter.group)
      .add(BEGINS, filter.name)
      .addText(disabledCondition(filter.disabled))
      .add('p.sid = ?', filter.sid)
      .add('(p.guid = ?::uuid OR p.guid IS NULL AND p.id = ?::uuid)', filter.guid)
      .add('certkeep.lowered(p.service_principal_names) @> ARRAY[lower(?::text)]', filter.servicePrincipalName)
      .add('certkeep.lowered(p.alt_security_identities) @> ARRAY[lower(?::text)]', filter.altSecurityIdentity)
      .add('p.id > ?', cursor)
    const columns = selectList(principalEntity, 'p')
    const text = `SELECT ${columns} FROM certkeep.principal AS p ${conditions.where()} ORDER BY p.id ${conditions.limit(limit)}`
    const rows = await query<PrincipalRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }

  /** By its objectGUID; disabled ones too. */
  findByGuid(guid: string): Promise<PrincipalRow | undefined> {
    return queryOne<PrincipalRow>(this.dataSource, undefined, FIND_BY_GUID, [guid])
  }

  /** Those that have one of these distinguished names, whatever the case; disabled ones too. */
  findByDistinguishedNames(names: readonly string[]): Promise<readonly PrincipalRow[]> {
    const lowered = names.map(name => name.toLowerCase())
    return query<PrincipalRow>(this.dataSource, undefined, FIND_BY_NAMES, [lowered])
  }

  /** The account name of another that has one of these service principal names, the UPN or the GUID. */
  async findNamesake(
    id: PrincipalId,
    {
      servicePrincipalNames = [],
      upn = null,
      guid = null
    }: Partial<Pick<PrincipalAttributes, 'servicePrincipalNames' | 'upn' | 'guid'>>,
    unit?: Unit
  ): Promise<string | undefined> {
    const values = [id, servicePrincipalNames, upn, guid]
    const row = await queryOne<{ readonly accountName: string }>(this.dataSource, unit, NAMESAKES, values)
    return row?.accountName
  }

  /** Changes attributes; the audit event names which. */
  change(
    id: PrincipalId,
    attributes: Partial<PrincipalAttributes>,
    because: Because,
    now: Date,
    unit?: Unit
  ): Promise<void> {
    return within(this.dataSource, unit, async open => {
      await translated(managerOf(this.dataSource, open).update(principalEntity, { id }, attributes))
      const detail = { attributes: Object.keys(attributes) }
      await appendChange(this.dataSource, open, { object: 'principal', id, verb: 'changed', at: now, detail }, because)
    })
  }
}

function disabledCondition(disabled: boolean | undefined): string | undefined {
  if (disabled === undefined) return undefined
  return disabled ? 'p.disabled_at IS NOT NULL' : 'p.disabled_at IS NULL'
}
