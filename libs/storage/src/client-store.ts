import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { selectList } from './entity.js'
import { Conditions, type Page, pageOf } from './page.js'
import { registrationConflictEntity, registrationEntity } from './registration-entities.js'
import type { RegistrationConflictRow, RegistrationRow } from './registration-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { type Unit, within } from './unit.js'

/** What a list of clients is narrowed by. */
export interface ClientFilter {
  readonly status?: RegistrationRow['status']
  readonly approval?: RegistrationRow['approval']
  readonly isBlocked?: boolean
  /** A beginning of the NetBIOS name or of the full name, whatever the case. */
  readonly name?: string
}

const APPROVE: Statement = {
  text: `
    UPDATE certkeep.registration SET approval = $3 WHERE smsid = $1 AND approval = $2 AND status = 'registered'
    RETURNING smsid`
}

const BLOCK: Statement = {
  text: 'UPDATE certkeep.registration SET blocked_at = $2 WHERE smsid = $1 AND blocked_at IS NULL RETURNING smsid'
}

const UNBLOCK: Statement = {
  text: 'UPDATE certkeep.registration SET blocked_at = NULL WHERE smsid = $1 AND blocked_at IS NOT NULL RETURNING smsid'
}

const NOTE_ACCOUNT: Statement = {
  text: 'UPDATE certkeep.registration SET is_principal_disabled = $2 WHERE smsid = $1'
}

const CONFLICT = `SELECT ${selectList(registrationConflictEntity, 'c')} FROM certkeep.registration_conflict AS c`

const LOCK_CONFLICT: Statement = { text: `${CONFLICT} WHERE c.id = $1 FOR UPDATE` }

const RESOLVE: Statement = {
  text: `
    UPDATE certkeep.registration_conflict SET resolution = $2, resolved_at = $3 WHERE id = $1 AND resolution IS NULL
    RETURNING id`
}

/** Clients as operators see them, and what operators decide of them. For the console. */
export class ClientStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Newest first; the cursor is the SMSID of the last one seen. */
  async list(filter: ClientFilter, limit: number, cursor?: string): Promise<Page<RegistrationRow, string>> {
    const { status, approval, isBlocked, name } = filter
    const conditions = new Conditions()
      .add('r.status = ?', status)
      .add('r.approval = ?', approval)
      .addText(isBlocked === undefined ? undefined : `r.blocked_at IS ${isBlocked ? 'NOT ' : ''}NULL`)
      .add(
        '(lower(r.netbios_name) LIKE ? OR lower(r.fqdn) LIKE ?)',
        name === undefined ? undefined : `${name.toLowerCase().replaceAll(/[\\%_]/g, String.raw`\$&`)}%`
      )
      .add(
        '(r.requested_at, r.smsid) < (SELECT s.requested_at, s.smsid FROM certkeep.registration AS s WHERE s.smsid = ?)',
        cursor
      )
    const text = `
      SELECT ${selectList(registrationEntity, 'r')} FROM certkeep.registration AS r ${conditions.where()}
      ORDER BY r.requested_at DESC, r.smsid DESC ${conditions.limit(limit)}`
    const rows = await query<RegistrationRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ smsid }) => smsid)
  }

  /** Approves a registered client, or takes the approval back. Whether it was the other way. */
  setApproval(smsid: string, isApproved: boolean, because: Because, now: Date, unit?: Unit): Promise<boolean> {
    const [from, to] = isApproved ? ['not_approved', 'approved'] : ['approved', 'not_approved']
    const verb = isApproved ? 'approved' : 'unapproved'
    return this.change({ statement: APPROVE, values: [smsid, from, to], smsid, verb }, because, now, unit)
  }

  /** Blocks a client, whatever its mode, or lifts the block. Whether it was the other way. */
  setBlocked(smsid: string, isBlocked: boolean, because: Because, now: Date, unit?: Unit): Promise<boolean> {
    const [statement, values] = isBlocked ? [BLOCK, [smsid, now]] : [UNBLOCK, [smsid]]
    const verb = isBlocked ? 'blocked' : 'unblocked'
    return this.change({ statement, values, smsid, verb }, because, now, unit)
  }

  /** Notes whether the account of a client is disabled because of what was decided of the client. */
  async noteAccount(smsid: string, isPrincipalDisabled: boolean, unit: Unit): Promise<void> {
    await query(this.dataSource, unit, NOTE_ACCOUNT, [smsid, isPrincipalDisabled])
  }

  /** Conflicts that wait for an operator, or all; newest first; the cursor is the id of the last one seen. */
  async listConflicts(
    { isOpen }: { readonly isOpen?: boolean },
    limit: number,
    cursor?: string
  ): Promise<Page<RegistrationConflictRow, string>> {
    const conditions = new Conditions()
      .addText(isOpen === undefined ? undefined : `c.resolution IS ${isOpen ? '' : 'NOT '}NULL`)
      .add(
        '(c.found_at, c.id) < (SELECT s.found_at, s.id FROM certkeep.registration_conflict AS s WHERE s.id = ?)',
        cursor
      )
    const text = `${CONFLICT} ${conditions.where()} ORDER BY c.found_at DESC, c.id DESC ${conditions.limit(limit)}`
    const rows = await query<RegistrationConflictRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }

  /** Locks a conflict until the unit ends. */
  lockConflict(id: string, unit: Unit): Promise<RegistrationConflictRow | undefined> {
    return queryOne<RegistrationConflictRow>(this.dataSource, unit, LOCK_CONFLICT, [id])
  }

  /** Says what two clients with one hardware identifier are. Whether nobody had said it before. */
  async resolveConflict(
    id: string,
    resolution: NonNullable<RegistrationConflictRow['resolution']>,
    because: Because,
    now: Date,
    unit: Unit
  ): Promise<boolean> {
    if ((await queryOne(this.dataSource, unit, RESOLVE, [id, resolution, now])) === undefined) return false
    const change = { object: 'registration_conflict', id, verb: 'resolved', at: now, detail: { resolution } } as const
    await appendChange(this.dataSource, unit, change, because)
    return true
  }

  private change(
    moved: {
      readonly statement: Statement
      readonly values: readonly unknown[]
      readonly smsid: string
      readonly verb: 'approved' | 'unapproved' | 'blocked' | 'unblocked'
    },
    because: Because,
    now: Date,
    unit: Unit | undefined
  ): Promise<boolean> {
    const { statement, values, smsid, verb } = moved
    return within(this.dataSource, unit, async open => {
      if ((await queryOne(this.dataSource, open, statement, values)) === undefined) return false
      await appendChange(this.dataSource, open, { object: 'registration', id: smsid, verb, at: now }, because)
      return true
    })
  }
}
