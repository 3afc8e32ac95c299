import { AppError, type PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import type {
  InternalCertificateRow,
  NewRegisteredCertificate,
  RegisteredCertificateRow
} from './registered-certificate-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction, type Unit } from './unit.js'

/** What a registration must find. */
export interface RegistrationTerms {
  /** How many certificates an account may have. */
  readonly most: number
  /** The version that the list must still have, if the caller has seen one. */
  readonly version?: number | undefined
}

const COLUMNS = `
  r.identifier, r.principal_id AS "principalId", r.kind, r.machine_id AS "machineId", r.certificate, r.digest, r.sha256,
  r.subject, r.not_before AS "notBefore", r.not_after AS "notAfter", r.registered_at AS "registeredAt"`

const LIST: Statement = {
  name: 'registered_list',
  text: `SELECT ${COLUMNS} FROM certkeep.registered_certificate AS r WHERE r.principal_id = $1 ORDER BY r.position`
}

const FIND: Statement = {
  name: 'registered_find',
  text: `
    SELECT ${COLUMNS} FROM certkeep.registered_certificate AS r
    WHERE r.principal_id = $1 AND r.digest = $2 ORDER BY r.position LIMIT 1`
}

/** The digest narrows by its index; the bytes decide. */
const FIND_OF_SID: Statement = {
  name: 'registered_of_sid',
  text: `
    SELECT ${COLUMNS} FROM certkeep.registered_certificate AS r
    JOIN certkeep.principal AS p ON p.id = r.principal_id
    WHERE r.digest = decode(md5($2::bytea), 'hex') AND r.certificate = $2 AND p.sid = $1 AND p.disabled_at IS NULL`
}

const VERSION: Statement = {
  text: 'SELECT version::integer AS version FROM certkeep.certificate_list WHERE principal_id = $1'
}

/** Makes the list at its first use, and holds its row until the transaction ends. */
const LOCK: Statement = {
  name: 'registered_lock',
  text: `
    INSERT INTO certkeep.certificate_list AS l (principal_id) VALUES ($1)
    ON CONFLICT (principal_id) DO UPDATE SET version = l.version RETURNING version::integer AS version`
}

const RAISE: Statement = {
  name: 'registered_raise',
  text: 'UPDATE certkeep.certificate_list SET version = version + 1 WHERE principal_id = $1'
}

const COUNT: Statement = {
  text: `
    SELECT count(*)::integer AS count, coalesce(bool_or(certificate = $2), false) AS exists
    FROM certkeep.registered_certificate WHERE principal_id = $1`
}

const COUNT_OTHERS: Statement = {
  text: `
    SELECT count(*)::integer AS count FROM certkeep.registered_certificate
    WHERE principal_id = $1 AND machine_id IS DISTINCT FROM $2::uuid`
}

const INSERT: Statement = {
  text: `
    INSERT INTO certkeep.registered_certificate
      (identifier, principal_id, kind, machine_id, certificate, subject, not_before, not_after, registered_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
}

const REPLACE: Statement = {
  text: `
    DELETE FROM certkeep.registered_certificate
    WHERE principal_id = $1 AND kind = 'internal' AND machine_id = $2 RETURNING encode(digest, 'hex') AS digest`
}

const KEEP: Statement = {
  text: `
    INSERT INTO certkeep.internal_certificate (principal_id, machine_id, certificate, identifier) VALUES ($1, $2, $3, $4)
    ON CONFLICT (principal_id, machine_id) DO UPDATE
      SET certificate = EXCLUDED.certificate, identifier = EXCLUDED.identifier`
}

const FIND_INTERNAL: Statement = {
  text: `
    SELECT i.principal_id AS "principalId", i.machine_id AS "machineId", i.certificate, i.identifier
    FROM certkeep.internal_certificate AS i WHERE i.principal_id = $1 AND i.machine_id = $2`
}

const REMOVE: Statement = {
  text: `
    DELETE FROM certkeep.registered_certificate WHERE principal_id = $1 AND digest = $2
    RETURNING kind, subject, encode(sha256, 'hex') AS sha256`
}

const ADD_NONCE: Statement = {
  text: `
    WITH ended AS (DELETE FROM certkeep.registration_nonce WHERE expires_at <= $4)
    INSERT INTO certkeep.registration_nonce (sha256, principal_id, expires_at) VALUES ($1, $2, $3)`
}

const USE_NONCE: Statement = {
  text: `
    DELETE FROM certkeep.registration_nonce WHERE sha256 = $1 AND principal_id = $2 AND expires_at > $3
    RETURNING principal_id`
}

/**
 * The certificates that are registered for accounts: mSMQSignCertificates and mSMQDigests in one list for each, in the
 * order of registration. Changes of one account's list follow each other, so that none is lost.
 */
export class RegisteredCertificateStore {
  constructor(private readonly dataSource: DataSource) {}

  /** In the order of registration. */
  list(principalId: PrincipalId): Promise<readonly RegisteredCertificateRow[]> {
    return query<RegisteredCertificateRow>(this.dataSource, undefined, LIST, [principalId])
  }

  /** By its MD5 digest. */
  find(principalId: PrincipalId, digest: Uint8Array): Promise<RegisteredCertificateRow | undefined> {
    return queryOne<RegisteredCertificateRow>(this.dataSource, undefined, FIND, [principalId, digest])
  }

  /** The certificate, byte for byte, where it is registered for the account of a SID that is not disabled. */
  findForSid(sid: string, certificate: Uint8Array): Promise<RegisteredCertificateRow | undefined> {
    return queryOne<RegisteredCertificateRow>(this.dataSource, undefined, FIND_OF_SID, [sid, certificate])
  }

  /** Rises with every change of the account's list; 0 for one that never had any. */
  async findVersion(principalId: PrincipalId): Promise<number> {
    const row = await queryOne<{ readonly version: number }>(this.dataSource, undefined, VERSION, [principalId])
    return row?.version ?? 0
  }

  /** What the machine itself knows of its internal certificate, whatever the directory has. */
  findInternal(principalId: PrincipalId, machineId: string): Promise<InternalCertificateRow | undefined> {
    return queryOne<InternalCertificateRow>(this.dataSource, undefined, FIND_INTERNAL, [principalId, machineId])
  }

  /**
   * Writes an account's list as it is: who can do this can change it. Comes before anything is made or deleted
   * (MC-MQAC 3.2.4.2.1). Throws what the directory has against it, and what {@link register} would throw for the list as
   * it is: `precondition_failed`, and `MQ_ERROR_DS_IS_FULL` where an internal certificate of the machine has no place.
   */
  async probe(principalId: PrincipalId, machineId: string, { most, version }: RegistrationTerms): Promise<void> {
    await inTransaction(this.dataSource, async unit => {
      await this.lock(unit, principalId, version)
      const others = await queryOne<{ count: number }>(this.dataSource, unit, COUNT_OTHERS, [principalId, machineId])
      if ((others?.count ?? 0) >= most) throw full(most)
    })
  }

  /**
   * Adds a certificate at the end of the list; an internal one takes the place of the machine's other, if there is one.
   * Throws `precondition_failed` when the list is not of the version given, `MQ_ERROR_INTERNAL_USER_CERT_EXIST` when it
   * has the same certificate, and `MQ_ERROR_DS_IS_FULL` when it would be too long.
   */
  register(row: NewRegisteredCertificate, terms: RegistrationTerms, because: Because): Promise<void> {
    const { principalId, kind, machineId, identifier, registeredAt: at, subject } = row
    const certificate = Buffer.from(row.certificate)
    return inTransaction(this.dataSource, async unit => {
      await this.lock(unit, principalId, terms.version)
      const [replaced] =
        kind === 'internal'
          ? await query<{ digest: string }>(this.dataSource, unit, REPLACE, [principalId, machineId])
          : []
      await this.requireRoom(unit, principalId, certificate, terms.most)
      const values = [identifier, principalId, kind, machineId, certificate, subject, row.notBefore, row.notAfter, at]
      await query(this.dataSource, unit, INSERT, values)
      if (kind === 'internal') {
        await query(this.dataSource, unit, KEEP, [principalId, machineId, certificate, identifier])
      }
      await query(this.dataSource, unit, RAISE, [principalId])
      const detail = { kind, identifier, subject, ...(replaced === undefined ? {} : { replaced: replaced.digest }) }
      const change = { object: 'principal', id: principalId, verb: 'certificate_registered', at, detail } as const
      await appendChange(this.dataSource, unit, change, because)
    })
  }

  /** Takes a certificate from the list. Whether it was there. */
  deregister(principalId: PrincipalId, digest: Uint8Array, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      await this.lock(unit, principalId, undefined)
      const removed = await queryOne<{ kind: string; subject: string; sha256: string }>(this.dataSource, unit, REMOVE, [
        principalId,
        digest
      ])
      if (removed === undefined) return false
      await query(this.dataSource, unit, RAISE, [principalId])
      const change = { object: 'principal', id: principalId, verb: 'certificate_deregistered', at: now } as const
      await appendChange(this.dataSource, unit, { ...change, detail: removed }, because)
      return true
    })
  }

  /** Lets an account prove a possession over a nonce, by its SHA-256, until a time. */
  async addNonce(sha256: Uint8Array, principalId: PrincipalId, expiresAt: Date, now: Date): Promise<void> {
    await query(this.dataSource, undefined, ADD_NONCE, [sha256, principalId, expiresAt, now])
  }

  /** Uses a nonce up. Whether it was the account's and still good. */
  async useNonce(sha256: Uint8Array, principalId: PrincipalId, now: Date): Promise<boolean> {
    return (await query(this.dataSource, undefined, USE_NONCE, [sha256, principalId, now])).length === 1
  }

  private async lock(unit: Unit, principalId: PrincipalId, expected: number | undefined): Promise<void> {
    const list = await queryOne<{ readonly version: number }>(this.dataSource, unit, LOCK, [principalId])
    if (expected === undefined || expected === list?.version) return
    throw new AppError('precondition_failed', 'The list of certificates has changed since it was looked at.')
  }

  private async requireRoom(unit: Unit, principalId: PrincipalId, certificate: Buffer, most: number): Promise<void> {
    const values = [principalId, certificate]
    const found = await queryOne<{ count: number; exists: boolean }>(this.dataSource, unit, COUNT, values)
    if (found?.exists === true) {
      throw new AppError('MQ_ERROR_INTERNAL_USER_CERT_EXIST', 'The certificate is registered for this account already.')
    }
    if ((found?.count ?? 0) < most) return
    throw full(most)
  }
}

function full(most: number): AppError {
  return new AppError('MQ_ERROR_DS_IS_FULL', `The account has ${most} certificates, and may have no more.`, { most })
}
