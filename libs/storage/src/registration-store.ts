import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { selectList } from './entity.js'
import { registrationEntity } from './registration-entities.js'
import type { NewRegistration, NewRegistrationMessage, RegistrationRow } from './registration-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableText } from './text.js'
import { inTransaction, type Unit } from './unit.js'

const REGISTRATION = `SELECT ${selectList(registrationEntity, 'r')} FROM certkeep.registration AS r`

const FIND: Statement = { name: 'registration_find', text: `${REGISTRATION} WHERE r.smsid = $1` }

const BY_KEY: Statement = {
  name: 'registration_by_key',
  text: `
    ${REGISTRATION} WHERE r.key_hash = $1 AND r.proxy_smsid IS NULL
    ORDER BY (r.status = 'rejected'), r.requested_at DESC LIMIT 20`
}

const INSERT: Statement = {
  name: 'registration_insert',
  text: `
    INSERT INTO certkeep.registration
      (smsid, mode, key_hash, signing_certificate, netbios_name, fqdn, proxy_smsid, requested_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT DO NOTHING RETURNING smsid`
}

const INSERT_MESSAGE: Statement = {
  name: 'registration_message_insert',
  text: `
    INSERT INTO certkeep.registration_message
      (smsid, kind, signature_hash, data, signature, proxy_smsid, mode, caller_id, is_certified,
       received_at, state)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (signature_hash) DO NOTHING RETURNING id`
}

const CONFIRM: Statement = {
  name: 'registration_confirm',
  text: 'UPDATE certkeep.registration SET confirmed_at = $2 WHERE smsid = $1'
}

/** Counts no further than anybody waits. */
const COUNT_DUE: Statement = {
  name: 'registration_count_due',
  text: `
    SELECT count(*) AS due FROM (SELECT FROM certkeep.registration_message WHERE state = 'due' LIMIT 100000) AS waiting`
}

const KNOWS: Statement = {
  name: 'registration_knows_message',
  text: 'SELECT id FROM certkeep.registration_message WHERE signature_hash = $1'
}

/** What became of a message that came in. */
export type Received = 'received' | 'replayed' | 'taken'

/** What clients send. For the front, which adds what it took and changes nothing that was decided. */
export class RegistrationStore {
  constructor(private readonly dataSource: DataSource) {}

  find(smsid: string, unit?: Unit): Promise<RegistrationRow | undefined> {
    return queryOne<RegistrationRow>(this.dataSource, unit, FIND, [smsid])
  }

  /** The clients with a key of their own, which no proxy lent them; those that were rejected last. */
  listByKey(keyHash: Uint8Array): Promise<readonly RegistrationRow[]> {
    return query<RegistrationRow>(this.dataSource, undefined, BY_KEY, [keyHash])
  }

  /** Whether a message with this signature was taken before. */
  async hasMessage(signatureHash: Uint8Array): Promise<boolean> {
    return (await queryOne(this.dataSource, undefined, KNOWS, [signatureHash])) !== undefined
  }

  /** How many registrations wait to be decided. */
  async countDue(): Promise<number> {
    const row = await queryOne<{ readonly due: number }>(this.dataSource, undefined, COUNT_DUE, [])
    return row?.due ?? 0
  }

  /**
   * Takes a registration: the client, when it is a new one, and the message that is to be decided. `taken`: the SMSID or
   * the key of a new client is another one's by now; `replayed`: the message was taken before. Neither changes anything.
   */
  async receive(
    client: NewRegistration | undefined,
    message: NewRegistrationMessage,
    because: Because
  ): Promise<Received> {
    class Undone extends Error {
      constructor(readonly outcome: Received) {
        super(outcome)
      }
    }
    return inTransaction(this.dataSource, async unit => {
      if (client !== undefined && !(await this.insert(client, because, unit))) throw new Undone('taken')
      if (!(await this.insertMessage(message, 'due', unit))) throw new Undone('replayed')
      return 'received' as const
    }).catch((error: unknown) => {
      if (error instanceof Undone) return error.outcome
      throw error
    })
  }

  /** Takes a message that asks and changes nothing. Whether it was not taken before. */
  confirm(message: NewRegistrationMessage): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      if (!(await this.insertMessage({ ...message, data: null, signature: null }, 'done', unit))) return false
      await query(this.dataSource, unit, CONFIRM, [message.smsid, message.receivedAt])
      return true
    })
  }

  private async insert(client: NewRegistration, because: Because, unit: Unit): Promise<boolean> {
    const { smsid, mode, keyHash, signingCertificate, netbiosName, fqdn, proxySmsid, requestedAt: at } = client
    const name = storableText(netbiosName)
    const values = [smsid, mode, keyHash, signingCertificate, name, storableText(fqdn), proxySmsid, at]
    if ((await queryOne(this.dataSource, unit, INSERT, values)) === undefined) return false
    const detail = { mode, netbiosName: name, ...(proxySmsid === null ? {} : { proxySmsid }) }
    await appendChange(
      this.dataSource,
      unit,
      { object: 'registration', id: smsid, verb: 'received', at, detail },
      because
    )
    return true
  }

  private async insertMessage(message: NewRegistrationMessage, state: 'due' | 'done', unit: Unit): Promise<boolean> {
    const { smsid, kind, signatureHash, data, signature, proxySmsid, mode } = message
    const facts = [mode, message.callerId, message.isCertified, message.receivedAt]
    const values = [smsid, kind, signatureHash, data, signature, proxySmsid, ...facts, state]
    return (await queryOne(this.dataSource, unit, INSERT_MESSAGE, values)) !== undefined
  }
}
