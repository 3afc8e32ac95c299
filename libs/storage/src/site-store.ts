import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { encodeByteaArray } from './bytea-array.js'
import { selectList } from './entity.js'
import { managementPointEntity, registrationProxyEntity, siteEntity } from './registration-entities.js'
import type { ManagementPointRow, RegistrationProxyRow, SiteRow } from './registration-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction, type Unit } from './unit.js'

const SITE: Statement = {
  name: 'site_get',
  text: `SELECT ${selectList(siteEntity, 's')} FROM certkeep.configmgr_site AS s`
}

const CHANGE: Statement = {
  text: `
    UPDATE certkeep.configmgr_site SET site_code = $2, mode = $3, approval_mode = $4, wait_minimum_seconds = $5,
      wait_maximum_seconds = $6, replay_window_seconds = $7, is_crl_checked = $8, is_sha1_taken = $9,
      trusted_authorities = $10, trusted_domains = $11, version = version + 1
    WHERE version = $1 RETURNING version`
}

const PROXY = `SELECT ${selectList(registrationProxyEntity, 'p')} FROM certkeep.registration_proxy AS p`

const FIND_PROXY: Statement = {
  name: 'registration_proxy_find',
  text: `${PROXY} WHERE p.smsid = $1 AND p.removed_at IS NULL`
}

const LIST_PROXIES: Statement = { text: `${PROXY} ORDER BY p.imported_at, p.smsid` }

const ADD_PROXY: Statement = {
  text: `
    INSERT INTO certkeep.registration_proxy (smsid, name, certificate, key_hash, imported_at)
    VALUES ($1, $2, $3, $4, $5)`
}

const REMOVE_PROXY: Statement = {
  text: `
    UPDATE certkeep.registration_proxy SET removed_at = $2 WHERE smsid = $1 AND removed_at IS NULL RETURNING smsid`
}

const LIST_POINTS: Statement = {
  text: `
    SELECT ${selectList(managementPointEntity, 'm')} FROM certkeep.management_point AS m WHERE m.retired_at IS NULL
    ORDER BY m.created_at, m.id`
}

const ADD_POINT: Statement = {
  text: `
    INSERT INTO certkeep.management_point (id, certificate, sha256, key_reference, created_at)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (sha256) DO NOTHING RETURNING id`
}

/** The site that clients register with: its settings, its proxies, and the certificates that it signs replies with. */
export class SiteStore {
  constructor(private readonly dataSource: DataSource) {}

  async get(): Promise<SiteRow> {
    const [row] = await query<SiteRow & { readonly isOnly: boolean }>(this.dataSource, undefined, SITE, [])
    if (row === undefined) throw new Error('The site has no settings.')
    const { isOnly: _, ...site } = row
    return site
  }

  /** Changes the settings. Whether they were still those of `site.version`. */
  change(site: SiteRow, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const { version, siteCode, mode, approvalMode, waitMinimumSeconds, waitMaximumSeconds } = site
      const policy = [version, siteCode, mode, approvalMode, waitMinimumSeconds, waitMaximumSeconds]
      const trust = [encodeByteaArray(site.trustedAuthorities), [...site.trustedDomains]]
      const values = [...policy, site.replayWindowSeconds, site.isCrlChecked, site.isSha1Taken, ...trust]
      if ((await queryOne(this.dataSource, unit, CHANGE, values)) === undefined) return false
      const detail = { mode, approvalMode, version: version + 1, isSha1Taken: site.isSha1Taken }
      const change = { object: 'configmgr_site', id: siteCode, verb: 'changed', at: now, detail } as const
      await appendChange(this.dataSource, unit, change, because)
      return true
    })
  }

  /** One that was not removed. */
  findProxy(smsid: string, unit?: Unit): Promise<RegistrationProxyRow | undefined> {
    return queryOne<RegistrationProxyRow>(this.dataSource, unit, FIND_PROXY, [smsid])
  }

  /** Removed ones too, the oldest first. */
  listProxies(): Promise<readonly RegistrationProxyRow[]> {
    return query<RegistrationProxyRow>(this.dataSource, undefined, LIST_PROXIES, [])
  }

  /** Throws `conflict` when a proxy has the key. */
  addProxy(proxy: Omit<RegistrationProxyRow, 'removedAt'>, because: Because): Promise<void> {
    return inTransaction(this.dataSource, async unit => {
      const { smsid, name, certificate, keyHash, importedAt: at } = proxy
      await query(this.dataSource, unit, ADD_PROXY, [smsid, name, certificate, keyHash, at])
      const change = { object: 'registration_proxy', id: smsid, verb: 'imported', at, detail: { name } } as const
      await appendChange(this.dataSource, unit, change, because)
    })
  }

  /** Lets a proxy register nobody any more. Whether it could. */
  removeProxy(smsid: string, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      if ((await queryOne(this.dataSource, unit, REMOVE_PROXY, [smsid, now])) === undefined) return false
      const change = { object: 'registration_proxy', id: smsid, verb: 'removed', at: now } as const
      await appendChange(this.dataSource, unit, change, because)
      return true
    })
  }

  /** The certificates of all management points that may answer. */
  listManagementPoints(): Promise<readonly ManagementPointRow[]> {
    return query<ManagementPointRow>(this.dataSource, undefined, LIST_POINTS, [])
  }

  /** For the front. Whether the certificate was not there yet. */
  addManagementPoint(point: Omit<ManagementPointRow, 'retiredAt'>, because: Because): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      const { id, certificate, sha256, keyReference, createdAt: at } = point
      const values = [id, certificate, sha256, keyReference, at]
      if ((await queryOne(this.dataSource, unit, ADD_POINT, values)) === undefined) return false
      const detail = { sha256: sha256.toString('hex') }
      await appendChange(this.dataSource, unit, { object: 'management_point', id, verb: 'added', at, detail }, because)
      return true
    })
  }
}
