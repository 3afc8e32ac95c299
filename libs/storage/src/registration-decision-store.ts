import type { PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { pickPrefixed, selectList, selectPrefixed } from './entity.js'
import { registrationEntity, registrationMessageEntity } from './registration-entities.js'
import type {
  RegistrationConflictRow,
  RegistrationFacts,
  RegistrationMessageRow,
  RegistrationRow
} from './registration-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableJson, storableText } from './text.js'
import type { Unit } from './unit.js'

const CLAIM: Statement = {
  name: 'registration_claim',
  text: `
    SELECT ${selectPrefixed(registrationMessageEntity, 'm', 'message')},
           ${selectPrefixed(registrationEntity, 'r', 'client')}
    FROM certkeep.registration_message AS m JOIN certkeep.registration AS r ON r.smsid = m.smsid
    WHERE m.state = 'due' ORDER BY m.received_at, m.id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED`
}

/** A client that is decided on goes on sending messages, which only have to know that it is there. */
const LOCK: Statement = {
  text: `SELECT ${selectList(registrationEntity, 'r')} FROM certkeep.registration AS r WHERE r.smsid = $1 FOR NO KEY UPDATE`
}

const MESSAGE: Statement = {
  text: `
    SELECT ${selectList(registrationMessageEntity, 'm')} FROM certkeep.registration_message AS m WHERE m.id = $1
    FOR UPDATE`
}

const SAME_HARDWARE: Statement = {
  name: 'registration_same_hardware',
  text: `
    SELECT ${selectList(registrationEntity, 'r')} FROM certkeep.registration AS r
    WHERE lower(r.hardware_id) = lower($1) AND r.hardware_id IS NOT NULL AND r.status = 'registered' AND r.smsid <> $2
    ORDER BY r.requested_at LIMIT 1`
}

/** Two that register with one hardware identifier at once see each other. */
const LOCK_HARDWARE: Statement = { text: `SELECT pg_advisory_xact_lock(hashtextextended(lower($1), 1752))` }

const REGISTER: Statement = {
  name: 'registration_register',
  text: `
    UPDATE certkeep.registration SET status = 'registered', approval = $3, mode = $4, key_hash = $5,
      signing_certificate = $6, encryption_certificate = $7, agent_type = $8, agent_version = $9, agent_identity = $10,
      netbios_name = $11, fqdn = $12, hardware_id = $13, properties = $14::jsonb, proxy_smsid = $15, is_integrated = $16,
      caller_id = $17, decided_at = $18
    WHERE smsid = $1 AND status = $2 RETURNING smsid`
}

const REJECT: Statement = {
  text: `
    UPDATE certkeep.registration SET status = 'rejected', refusal = $3, decided_at = $4
    WHERE smsid = $1 AND status = $2 RETURNING smsid`
}

const MERGE: Statement = {
  text: `
    UPDATE certkeep.registration SET status = 'rejected', refusal = 'merged', merged_into = $2, decided_at = $3
    WHERE smsid = $1 AND status = 'pending' RETURNING smsid`
}

const LINK: Statement = {
  text: 'UPDATE certkeep.registration SET principal_id = $2 WHERE smsid = $1 AND principal_id IS NULL RETURNING smsid'
}

const SETTLE: Statement = {
  name: 'registration_message_settle',
  text: `UPDATE certkeep.registration_message SET state = $2, data = $3, signature = $4 WHERE id = $1 AND state <> 'done'`
}

const INSERT_CONFLICT: Statement = {
  text: `
    INSERT INTO certkeep.registration_conflict (id, smsid, conflict_smsid, hardware_id, message_id, found_at)
    VALUES ($1, $2, $3, $4, $5, $6)`
}

const OPEN_CONFLICT: Statement = {
  text: 'SELECT id FROM certkeep.registration_conflict WHERE smsid = $1 AND resolution IS NULL'
}

const DNS_NAME: Statement = {
  text: 'SELECT id FROM certkeep.principal WHERE lower(dns_name) COLLATE "C" = lower($1) COLLATE "C" LIMIT 1'
}

const PURGE: Statement = {
  text: `
    DELETE FROM certkeep.registration_message WHERE id IN (
      SELECT id FROM certkeep.registration_message WHERE state = 'done' AND received_at < $1 LIMIT 1000)
    RETURNING id`
}

/** A message that waits, and the client that sent it. */
export interface ClaimedRegistration {
  readonly message: RegistrationMessageRow
  readonly client: RegistrationRow
}

/** What is decided of clients. For the console, in the one unit in which it decides. */
export class RegistrationDecisionStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Locks up to `limit` messages that wait and their clients, the oldest first; those that others work on are left out. */
  async lockDue(limit: number, unit: Unit): Promise<readonly ClaimedRegistration[]> {
    const rows = await query<object>(this.dataSource, unit, CLAIM, [limit])
    return rows.map(row => ({
      message: pickPrefixed(registrationMessageEntity, row, 'message'),
      client: pickPrefixed(registrationEntity, row, 'client')
    }))
  }

  /** Locks a client until the unit ends. */
  lock(smsid: string, unit: Unit): Promise<RegistrationRow | undefined> {
    return queryOne<RegistrationRow>(this.dataSource, unit, LOCK, [smsid])
  }

  /** Locks a message until the unit ends. */
  lockMessage(id: string, unit: Unit): Promise<RegistrationMessageRow | undefined> {
    return queryOne<RegistrationMessageRow>(this.dataSource, unit, MESSAGE, [id])
  }

  /** The registered client, other than the one given, that has a hardware identifier; nobody else looks meanwhile. */
  async findSameHardware(hardwareId: string, smsid: string, unit: Unit): Promise<RegistrationRow | undefined> {
    await query(this.dataSource, unit, LOCK_HARDWARE, [hardwareId])
    return queryOne<RegistrationRow>(this.dataSource, unit, SAME_HARDWARE, [hardwareId, smsid])
  }

  /**
   * Writes what a client said of itself and has it registered. Whether it was in the state that was seen. Throws
   * `conflict` when another client has the key.
   */
  async register(
    seen: Pick<RegistrationRow, 'smsid' | 'status'>,
    facts: RegistrationFacts,
    because: Because,
    now: Date,
    unit: Unit
  ): Promise<boolean> {
    const { approval, mode, keyHash, signingCertificate, encryptionCertificate, agentType, properties } = facts
    const texts = [facts.agentVersion, facts.agentIdentity, facts.netbiosName, facts.fqdn].map(storableText)
    const hardwareId = facts.hardwareId === null ? null : storableText(facts.hardwareId)
    const certificates = [keyHash, signingCertificate, encryptionCertificate]
    const rest = [storableJson(properties), facts.proxySmsid, facts.isIntegrated, facts.callerId, now]
    const before = [seen.smsid, seen.status, approval, mode]
    const values = [...before, ...certificates, agentType, ...texts, hardwareId, ...rest]
    if ((await queryOne(this.dataSource, unit, REGISTER, values)) === undefined) return false
    const verb = seen.status === 'pending' ? 'registered' : 'renewed'
    const detail = { mode, approval, netbiosName: facts.netbiosName, fqdn: facts.fqdn }
    const change = { object: 'registration', id: seen.smsid, verb, at: now, detail } as const
    await appendChange(this.dataSource, unit, change, because)
    return true
  }

  /** Refuses a client. Whether it was in the state that was seen. */
  async reject(
    seen: Pick<RegistrationRow, 'smsid' | 'status'>,
    refusal: string,
    because: Because,
    now: Date,
    unit: Unit
  ): Promise<boolean> {
    const values = [seen.smsid, seen.status, storableText(refusal), now]
    if ((await queryOne(this.dataSource, unit, REJECT, values)) === undefined) return false
    const detail = { reason: refusal }
    const change = { object: 'registration', id: seen.smsid, verb: 'rejected', at: now, detail } as const
    await appendChange(this.dataSource, unit, change, because)
    return true
  }

  /** Ends a pending client that turned out to be one that is there. Whether it was pending. */
  async merge(smsid: string, into: string, because: Because, now: Date, unit: Unit): Promise<boolean> {
    if ((await queryOne(this.dataSource, unit, MERGE, [smsid, into, now])) === undefined) return false
    const change = { object: 'registration', id: smsid, verb: 'merged', at: now, detail: { into } } as const
    await appendChange(this.dataSource, unit, change, because)
    return true
  }

  /** Whether an operator has to say what a client is. */
  async hasOpenConflict(smsid: string, unit: Unit): Promise<boolean> {
    return (await queryOne(this.dataSource, unit, OPEN_CONFLICT, [smsid])) !== undefined
  }

  /** Whether an account, a disabled one too, has a DNS name. */
  async isDnsNameTaken(name: string, unit: Unit): Promise<boolean> {
    return (await queryOne(this.dataSource, unit, DNS_NAME, [name])) !== undefined
  }

  /** Says which account a client is in the directory. Whether it had none. */
  async link(smsid: string, principalId: PrincipalId, unit: Unit): Promise<boolean> {
    return (await queryOne(this.dataSource, unit, LINK, [smsid, principalId])) !== undefined
  }

  /** Ends the wait of a message, or has an operator's word waited for; what was signed is kept while it waits. */
  async settle(message: RegistrationMessageRow, state: 'held' | 'done', unit: Unit): Promise<void> {
    const { id, data, signature } = message
    await query(
      this.dataSource,
      unit,
      SETTLE,
      state === 'held' ? [id, state, data, signature] : [id, state, null, null]
    )
  }

  /** Has an operator decide between two clients with one hardware identifier. */
  async addConflict(
    conflict: Omit<RegistrationConflictRow, 'resolution' | 'resolvedAt'>,
    because: Because,
    unit: Unit
  ): Promise<void> {
    const { id, smsid, conflictSmsid, hardwareId, messageId, foundAt: at } = conflict
    await query(this.dataSource, unit, INSERT_CONFLICT, [
      id,
      smsid,
      conflictSmsid,
      storableText(hardwareId),
      messageId,
      at
    ])
    const detail = { smsid, conflictSmsid }
    const change = { object: 'registration_conflict', id, verb: 'found', at, detail } as const
    await appendChange(this.dataSource, unit, change, because)
  }

  /** Forgets messages that were done with before a time, at most a thousand. Whether there may be more. */
  async purge(before: Date): Promise<boolean> {
    return (await query(this.dataSource, undefined, PURGE, [before])).length === 1000
  }
}
