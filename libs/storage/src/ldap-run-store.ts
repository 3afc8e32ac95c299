import { AppError } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableText } from './text.js'
import { inTransaction } from './unit.js'

/** What a run has come to so far. */
export interface LdapRunCounts {
  /** Entries that the LDAP server has. */
  readonly entries: number
  readonly added: number
  readonly changed: number
  readonly disabled: number
  /** Entries that could not be taken. */
  readonly refused: number
}

/** One reading of the LDAP server. */
export interface LdapRunRow extends LdapRunCounts {
  /** UUID */
  readonly id: string
  readonly requestedBy: string
  readonly requestedAt: Date
  /** Whether every entry is read, changed or not. */
  readonly isFull: boolean
  /** Whether it may disable more accounts than the settings let a run disable. */
  readonly acceptsRemovals: boolean
  readonly state: 'due' | 'running' | 'done' | 'failed'
  readonly startedAt: Date | null
  readonly endedAt: Date | null
  /** Why it failed. */
  readonly error: string | null
}

/** A run that somebody wants. */
export type NewLdapRun = Pick<LdapRunRow, 'id' | 'isFull' | 'acceptsRemovals'>

const COLUMNS = `
  r.id, r.requested_by AS "requestedBy", r.requested_at AS "requestedAt", r.is_full AS "isFull",
  r.accepts_removals AS "acceptsRemovals", r.state, r.started_at AS "startedAt", r.ended_at AS "endedAt", r.entries,
  r.added, r.changed, r.disabled, r.refused, r.error`

const REQUEST: Statement = {
  text: `
    INSERT INTO certkeep.ldap_run (id, requested_by, requested_at, is_full, accepts_removals) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT ((true)) WHERE state IN ('due', 'running') DO NOTHING RETURNING id`
}

const SCHEDULE: Statement = {
  name: 'ldap_run_schedule',
  text: `
    INSERT INTO certkeep.ldap_run (id, requested_by, requested_at, is_full, accepts_removals)
    SELECT gen_random_uuid(), $1, $2, false, false
    WHERE NOT EXISTS (SELECT FROM certkeep.ldap_run WHERE state IN ('due', 'running') OR requested_at > $3)
    ON CONFLICT ((true)) WHERE state IN ('due', 'running') DO NOTHING`
}

/** One that nobody runs: due, or of a process that must have ended. */
const CLAIM: Statement = {
  name: 'ldap_run_claim',
  text: `
    UPDATE certkeep.ldap_run AS r
    SET state = 'running', leased_until = $2, started_at = $1, entries = 0, added = 0, changed = 0, disabled = 0, refused = 0
    WHERE r.id IN (
      SELECT id FROM certkeep.ldap_run WHERE state = 'due' OR (state = 'running' AND leased_until <= $1)
      LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING ${COLUMNS}`
}

const PROGRESS: Statement = {
  name: 'ldap_run_progress',
  text: `
    UPDATE certkeep.ldap_run
    SET leased_until = $2, entries = $3, added = $4, changed = $5, disabled = $6, refused = $7
    WHERE id = $1 AND state = 'running'`
}

const END: Statement = {
  text: `
    UPDATE certkeep.ldap_run
    SET state = $2, ended_at = $3, error = $4, leased_until = NULL, entries = $5, added = $6, changed = $7, disabled = $8,
      refused = $9
    WHERE id = $1 AND state = 'running'`
}

const FIND: Statement = { text: `SELECT ${COLUMNS} FROM certkeep.ldap_run AS r WHERE r.id = $1` }

const LIST: Statement = { text: `SELECT ${COLUMNS} FROM certkeep.ldap_run AS r ORDER BY r.requested_at DESC LIMIT $1` }

const FIND_ENDED: Statement = {
  name: 'ldap_run_ended',
  text: `
    SELECT ${COLUMNS} FROM certkeep.ldap_run AS r
    WHERE r.ended_at IS NOT NULL AND ($1::text IS NULL OR r.state = $1) ORDER BY r.ended_at DESC LIMIT 1`
}

const PURGE: Statement = {
  text: `
    DELETE FROM certkeep.ldap_run WHERE ended_at < $1
      AND id NOT IN (SELECT id FROM certkeep.ldap_run WHERE state = 'done' ORDER BY ended_at DESC LIMIT 1)`
}

/** The readings of the LDAP server, of which one at most is open. For the console. */
export class LdapRunStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Asks for a run. Throws `conflict` while one is open. */
  request({ id, isFull, acceptsRemovals }: NewLdapRun, because: Because, now: Date): Promise<void> {
    return inTransaction(this.dataSource, async unit => {
      const values = [id, because.actor, now, isFull, acceptsRemovals]
      if ((await queryOne(this.dataSource, unit, REQUEST, values)) === undefined) {
        throw new AppError('conflict', 'The LDAP server is being read already; wait for the end.')
      }
      const detail = { isFull, acceptsRemovals }
      await appendChange(this.dataSource, unit, { object: 'ldap_run', id, verb: 'requested', at: now, detail }, because)
    })
  }

  /** Has a run due unless one is open, or was asked for after a time. */
  async schedule(requestedBy: string, now: Date, after: Date): Promise<void> {
    await query(this.dataSource, undefined, SCHEDULE, [requestedBy, now, after])
  }

  /** Takes the open run, unless another process has it; nobody else takes it until the lease ends. */
  claim(now: Date, leasedUntil: Date): Promise<LdapRunRow | undefined> {
    return queryOne<LdapRunRow>(this.dataSource, undefined, CLAIM, [now, leasedUntil])
  }

  /** Tells how far a run has come, and keeps it for longer. */
  async progress(id: string, counts: LdapRunCounts, leasedUntil: Date): Promise<void> {
    await query(this.dataSource, undefined, PROGRESS, [id, leasedUntil, ...valuesOf(counts)])
  }

  /** Ends a run; with an error it has failed. */
  async end(id: string, counts: LdapRunCounts, error: string | undefined, now: Date): Promise<void> {
    const reason = error === undefined ? null : storableText(error)
    const values = [id, reason === null ? 'done' : 'failed', now, reason, ...valuesOf(counts)]
    await query(this.dataSource, undefined, END, values)
  }

  find(id: string): Promise<LdapRunRow | undefined> {
    return queryOne<LdapRunRow>(this.dataSource, undefined, FIND, [id])
  }

  /** The latest, the newest first. */
  list(limit: number): Promise<readonly LdapRunRow[]> {
    return query<LdapRunRow>(this.dataSource, undefined, LIST, [limit])
  }

  /** The last that has ended, or the last that has ended so. */
  findEnded(state?: 'done' | 'failed'): Promise<LdapRunRow | undefined> {
    return queryOne<LdapRunRow>(this.dataSource, undefined, FIND_ENDED, [state ?? null])
  }

  /** Forgets runs that ended before a time, but for the last good one. */
  async purge(before: Date): Promise<void> {
    await query(this.dataSource, undefined, PURGE, [before])
  }
}

function valuesOf({ entries, added, changed, disabled, refused }: LdapRunCounts): readonly number[] {
  return [entries, added, changed, disabled, refused]
}
