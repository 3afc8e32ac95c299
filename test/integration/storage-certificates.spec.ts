import { createHash, randomBytes } from 'node:crypto'
import { isAppError, type ErrorCode, type RequestId } from '@app/core'
import {
  ArchiveStore,
  AuditLog,
  CaStore,
  CertificateSearch,
  CertificateStore,
  type CrlEntryRow,
  type Database,
  type IssuedCertificate,
  RequestStore,
  type Reservation,
  RevocationAnswerStore,
  type RevocationAnswerRow,
  RevocationStore
} from '@app/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../helpers/database.js'
import {
  BECAUSE,
  caCertificateSample,
  minutes,
  NOW,
  prepareSetting,
  requestsIn,
  reservationSample,
  sealedKeySample,
  type Setting
} from '../helpers/storage-samples.js'

let database: TestDatabase
let setting: Setting
let authority: Database
let certificates: CertificateStore
let requests: RequestStore
let revocations: RevocationStore
/** What the console may do. */
let console: RevocationStore
beforeAll(async () => {
  database = await createTestDatabase()
  setting = await prepareSetting(database)
  authority = await database.open('authority')
  certificates = new CertificateStore(authority.dataSource)
  requests = new RequestStore(authority.dataSource)
  revocations = new RevocationStore(authority.dataSource)
  console = new RevocationStore((await database.open('console')).dataSource)
})
afterAll(() => database.drop())

const code = (expected: ErrorCode) => expect.toSatisfy(error => isAppError(error, expected))
const constraint = (name: string) => ({ evidence: { constraint: name } })

async function only(state: Parameters<typeof requestsIn>[2], archival = true): Promise<RequestId> {
  const [id] = await requestsIn(database, setting, state, { archival })
  return id as RequestId
}

const reserve = (...reservations: Reservation[]) =>
  authority.transaction(unit => certificates.reserve(unit, reservations))

function issued(reservation: Reservation): IssuedCertificate {
  const certificate = randomBytes(80)
  return {
    caId: reservation.caId,
    serialNumber: reservation.serialNumber,
    certificate,
    sha1: createHash('sha1').update(certificate).digest(),
    sha256: createHash('sha256').update(certificate).digest(),
    issuedAt: minutes(1)
  }
}

/** The changes of its status. */
async function eventsOf(serialNumber: Uint8Array): Promise<readonly object[]> {
  const log = new AuditLog((await database.open('console')).dataSource)
  const objectId = Buffer.from(serialNumber).toString('hex')
  const { rows } = await log.list({ objectType: 'certificate', objectId }, 10)
  return rows.filter(({ action }) => action.endsWith('revoked'))
}

/** Reserves, finishes and moves, as issuing does. */
async function issue(id: RequestId, changes: Partial<Reservation> = {}): Promise<IssuedCertificate> {
  const reservation = reservationSample(setting, id, changes)
  await reserve(reservation)
  const certificate = issued(reservation)
  const from = reservation.archival ? ('sealed' as const) : ('approved' as const)
  await authority.transaction(async unit => {
    await certificates.finish(unit, [certificate])
    await requests.moveAll(unit, [{ id, from, to: 'issued', because: BECAUSE }], minutes(1))
  })
  return certificate
}

describe('a certificate', () => {
  it('is reserved with its TBS, then issued, and found by everything that names it', async () => {
    const id = await only('sealed')
    const reservation = reservationSample(setting, id)
    await reserve(reservation)
    const [reserved] = await certificates.findReserved([id])
    const open = {
      certificate: null,
      sha1: null,
      sha256: null,
      issuedAt: null,
      revokedAt: null,
      revocationReason: null,
      invalidityDate: null,
      statusChange: null
    }
    expect(reserved).toEqual({ ...reservation, ...open, state: 'reserved' })

    const certificate = issued(reservation)
    await authority.transaction(unit => certificates.finish(unit, [certificate]))
    const expected = { ...open, ...reservation, ...certificate, state: 'issued' }
    expect(await certificates.findBySerial(setting.caId, reservation.serialNumber)).toEqual(expected)
    expect(await certificates.findByFingerprint(certificate.sha1)).toEqual(expected)
    expect(await certificates.findByFingerprint(certificate.sha256)).toEqual(expected)
    expect(await certificates.findByRequest(id)).toEqual(expected)
    expect(await certificates.findReserved([id])).toEqual([])
  })

  it('is found by its key for every principal but its own', async () => {
    const { alice, bob } = setting
    const keyId = randomBytes(20)
    for (let count = 0; count < 2; count++) await issue(await only('sealed'), { keyId, principalId: alice })
    const other = randomBytes(20)
    await issue(await only('sealed'), { keyId: other, principalId: null })
    await reserve(reservationSample(setting, await only('sealed'), { keyId: other, principalId: alice }))
    const ask = (requestId: number, key: Buffer, principalId: typeof alice) => ({
      requestId: requestId as RequestId,
      keyId: key,
      principalId
    })
    const [zero, most] = ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff']
    const owners = await certificates.findOtherOwners([
      ask(1, keyId, alice),
      ask(2, keyId, bob),
      ask(3, keyId, zero as typeof alice),
      ask(4, keyId, most as typeof alice),
      ask(5, other, bob),
      ask(6, randomBytes(20), bob)
    ])
    expect(owners).toEqual(new Map([2, 3, 4].map(requestId => [requestId, alice])))
    expect(await certificates.findOtherOwners([])).toEqual(new Map())
  })

  it('comes in batches', async () => {
    const ids = await requestsIn(database, setting, 'sealed', { count: 32 })
    const reservations = ids.map(id => reservationSample(setting, id))
    await reserve(...reservations)
    await authority.transaction(unit => certificates.finish(unit, reservations.map(issued)))
    for (const id of ids) expect(await certificates.findByRequest(id)).toMatchObject({ requestId: id })
  })

  it('has a serial number that no other certificate of the CA has or had', async () => {
    const [first, second, third] = await requestsIn(database, setting, 'sealed', { count: 3 })
    const { serialNumber } = reservationSample(setting, first as RequestId)
    await reserve(reservationSample(setting, first as RequestId, { serialNumber }))
    const again = reservationSample(setting, second as RequestId, { serialNumber })
    await expect(reserve(again)).rejects.toThrow(code('conflict'))
    await authority.transaction(unit =>
      certificates.abandon(unit, [{ caId: setting.caId, serialNumber }], BECAUSE, NOW)
    )
    await expect(reserve(reservationSample(setting, third as RequestId, { serialNumber }))).rejects.toThrow(
      code('conflict')
    )
  })

  it('is one for each request, and one reservation at a time', async () => {
    const id = await only('sealed')
    await reserve(reservationSample(setting, id))
    await expect(reserve(reservationSample(setting, id))).rejects.toThrow(code('conflict'))
    const [reserved] = await certificates.findReserved([id])
    await authority.transaction(unit => certificates.finish(unit, [issued(reserved as Reservation)]))

    const second = reservationSample(setting, id)
    await reserve(second)
    const finished = authority.transaction(unit => certificates.finish(unit, [issued(second)]))
    await expect(finished).rejects.toThrow(code('conflict'))
  })

  it('is issued under a reserved serial number only, or the whole batch is not', async () => {
    const [first, second] = await requestsIn(database, setting, 'sealed', { count: 2 })
    const reservation = reservationSample(setting, first as RequestId)
    await reserve(reservation)
    const unknown = issued(reservationSample(setting, second as RequestId))
    const finished = authority.transaction(unit => certificates.finish(unit, [issued(reservation), unknown]))
    await expect(finished).rejects.toThrow(code('conflict'))
    expect(await certificates.findByRequest(first as RequestId)).toBeUndefined()
  })
})

describe('a certificate of an archival template', () => {
  it('is not issued before the key is sealed, whatever the program believes', async () => {
    const id = await only('approved')
    await expect(reserve(reservationSample(setting, id))).rejects.toThrow(/foreign key/)
    await expect(issue(id, { sealedKeyRequestId: null })).rejects.toMatchObject(
      constraint('certificate_archival_has_sealed_key')
    )
  })

  it('does not pass as one that is not archival', async () => {
    const id = await only('approved')
    await expect(reserve(reservationSample(setting, id, { archival: false }))).rejects.toThrow(/foreign key/)
  })

  it('does not borrow the sealed key of another request', async () => {
    const id = await only('approved')
    const sealed = await only('sealed')
    await expect(reserve(reservationSample(setting, id, { sealedKeyRequestId: sealed }))).rejects.toMatchObject(
      constraint('certificate_sealed_key_is_its_own')
    )
  })

  it('is not issued without its sealed key by raw SQL of the owner either', async () => {
    const owner = (await database.open('owner')).dataSource
    const id = await only('approved')
    const insert = (archival: boolean, sealedKey: number | null) =>
      owner.query(
        `INSERT INTO certkeep.certificate (ca_id, serial_number, cert_index, request_id, state, archival,
           sealed_key_request_id, tbs, certificate, subject, not_before, not_after, sha1, sha256, key_id, reserved_at,
           issued_at)
         VALUES ($1, $2, 0, $3, 'issued', $4, $5, '\\x30', '\\x30', 'CN=x', $6, $7, $8, $9, $8, $6, $6)`,
        [setting.caId, randomBytes(16), id, archival, sealedKey, NOW, minutes(9), randomBytes(20), randomBytes(32)]
      )
    await expect(insert(true, null)).rejects.toThrow(/certificate_archival_has_sealed_key/)
    await expect(insert(false, null)).rejects.toThrow(/foreign key/)
    await expect(insert(true, id)).rejects.toThrow(/foreign key/)
    // Nor can the request or its template be made to look as if no key were needed.
    const plainly = `UPDATE certkeep.request SET archival = false WHERE id = $1`
    await expect(owner.query(plainly, [id])).rejects.toThrow(/foreign key/)
    const other = `UPDATE certkeep.request SET archival = false, template_id = $2 WHERE id = $1`
    await expect(owner.query(other, [id, setting.plain.id])).rejects.toThrow(/request_keeps_template/)
    const none = `UPDATE certkeep.request SET archival = NULL WHERE id = $1`
    await expect(owner.query(none, [id])).rejects.toThrow(/request_archival_is_templates/)
    const template = `UPDATE certkeep.template SET archival = false WHERE id = $1`
    await expect(owner.query(template, [setting.archival.id])).rejects.toThrow(/can only be updated to DEFAULT/)
    const definition = `UPDATE certkeep.template SET definition = definition || '{"privateKeyFlags": 0}' WHERE id = $1`
    await expect(owner.query(definition, [setting.archival.id])).rejects.toThrow(/template_is_immutable/)
  })

  it('keeps its sealed key: it cannot be deleted', async () => {
    const id = await only('sealed')
    await issue(id)
    const owner = (await database.open('owner')).dataSource
    await expect(owner.query('DELETE FROM certkeep.sealed_key WHERE request_id = $1', [id])).rejects.toThrow(
      /foreign key/
    )
  })
})

describe('an archived key', () => {
  it('goes from its envelope to the agents in one step', async () => {
    const archive = await database.open('archive')
    const store = new ArchiveStore(archive.dataSource)
    const id = await only('approved')
    const key = sealedKeySample(id, setting)
    await archive.transaction(async unit => {
      const envelopes = await store.readEnvelopes(unit, [id])
      expect(envelopes.get(id)).toMatchObject({ envelope: Buffer.from('enveloped key') })
      await store.seal(unit, [key])
      expect(await store.readEnvelopes(unit, [id])).toEqual(new Map())
    })
    expect(await store.findSealed(id)).toEqual(key)
    expect(await new ArchiveStore(authority.dataSource).listSealed([id, await only('approved')])).toEqual(new Set([id]))
    await expect(archive.transaction(unit => store.seal(unit, [key]))).rejects.toThrow(code('conflict'))
  })

  it('is purged when its request failed or was denied long enough ago', async () => {
    const archive = await database.open('archive')
    const store = new ArchiveStore(archive.dataSource)
    const [denied] = await requestsIn(database, setting, 'denied')
    const waiting = await only('pending')
    const [failing, held] = (await requestsIn(database, setting, 'sealed', { count: 2 })) as [RequestId, RequestId]
    const reservation = reservationSample(setting, held)
    await reserve(reservation)
    const failure = { code: 'lint_failed', message: 'x' } as const
    await requests.move({ id: failing, from: 'sealed', to: 'failed', because: BECAUSE, failure }, NOW)
    await requests.move({ id: held, from: 'sealed', to: 'failed', because: BECAUSE, failure }, NOW)
    expect(await store.purgeEnvelopes(NOW, 100, NOW)).toBe(0)
    expect(await store.purgeEnvelopes(minutes(1), 100, NOW)).toBeGreaterThan(0)
    expect(await store.purgeSealed(minutes(1), 100, minutes(2))).toBe(1)
    const left = await archive.transaction(unit => store.readEnvelopes(unit, [denied as RequestId, waiting]))
    expect([...left.keys()]).toEqual([waiting])
    expect(await store.findSealed(failing)).toBeUndefined()
    await authority.transaction(unit => certificates.abandon(unit, [reservation], BECAUSE, NOW))
    expect(await store.purgeSealed(minutes(1), 100, minutes(2))).toBe(1)
    expect(await store.hasEnvelopesFrom(NOW)).toBe(true)
    expect(await store.hasEnvelopesFrom(minutes(-1))).toBe(false)
  })
})

async function entriesOf(pages: AsyncIterable<readonly CrlEntryRow[]>): Promise<readonly CrlEntryRow[]> {
  const rows: CrlEntryRow[] = []
  for await (const page of pages) rows.push(...page)
  return rows
}

describe('a revocation', () => {
  const officer = { actor: 'officer' }

  it('moves certificate and request with one event, and puts the serial number on the CRL', async () => {
    const id = await only('sealed')
    const { serialNumber } = await issue(id)
    const serial = { caId: setting.caId, serialNumber }
    const before = await revocations.changesOf(setting.caId, 0)
    await console.revoke(serial, { reason: 1, invalidityDate: minutes(-5) }, officer, minutes(5))
    const row = { revokedAt: minutes(5), revocationReason: 1, invalidityDate: minutes(-5) }
    expect(await certificates.findByRequest(id)).toMatchObject(row)
    expect(await requests.get(id)).toMatchObject({ state: 'revoked', dispositionMessage: 'Revoked by officer' })
    expect(await eventsOf(serialNumber)).toMatchObject([
      { action: 'certificate.revoked', actor: 'officer', detail: { requestId: id, reason: 1 } }
    ])
    const entry = { serialNumber, revokedAt: minutes(5), reason: 1, invalidityDate: minutes(-5) }
    expect(await entriesOf(revocations.listForCrl(setting.caId, 0, NOW))).toContainEqual(entry)
    const after = await revocations.changesOf(setting.caId, 0)
    expect(after.ofKey).toBeGreaterThan(before.ofKey)
    expect(await entriesOf(revocations.listChanges(setting.caId, 0, before.last))).toMatchObject([entry])
    expect(await entriesOf(revocations.listChanges(setting.caId, 0, after.last))).toEqual([])
    expect(await revocations.findStatuses(setting.caId, [serialNumber, Buffer.of(1)])).toEqual([
      { serialNumber, state: 'issued', keyIndex: 0, revokedAt: minutes(5), reason: 1, statusChange: after.ofKey }
    ])
  })

  it('for good stays, though its reason may be written anew', async () => {
    const { serialNumber } = await issue(await only('sealed'))
    const serial = { caId: setting.caId, serialNumber }
    await console.revoke(serial, { reason: 1 }, officer, minutes(5))
    for (const reason of [1, 6]) {
      await expect(console.revoke(serial, { reason }, officer, minutes(6))).rejects.toThrow(code('revocation_state'))
    }
    await expect(console.release(serial, undefined, officer, minutes(6))).rejects.toThrow(code('revocation_state'))
    await console.revoke(serial, { reason: 4 }, officer, minutes(7))
    expect(await certificates.findBySerial(setting.caId, serialNumber)).toMatchObject({
      revokedAt: minutes(5),
      revocationReason: 4
    })
    expect(await eventsOf(serialNumber)).toMatchObject([{ detail: { reason: 4, previousReason: 1 } }, {}])
  })

  it('of a certificate on hold is taken back or made final, since the time of the hold', async () => {
    const [first, second] = await requestsIn(database, setting, 'sealed', { count: 2 })
    const held = await issue(first as RequestId)
    const lost = await issue(second as RequestId)
    await console.revoke(held, { reason: 6 }, BECAUSE, minutes(5))
    await console.revoke(lost, { reason: 6 }, BECAUSE, minutes(5))
    const { last } = await revocations.changesOf(setting.caId, 0)
    await expect(console.revoke(held, { reason: 6 }, BECAUSE, NOW)).rejects.toThrow(code('revocation_state'))
    await console.release(held, undefined, BECAUSE, minutes(6))
    expect(await certificates.findByRequest(first as RequestId)).toMatchObject({ revokedAt: null })
    expect((await requests.get(first as RequestId)).state).toBe('issued')
    const removed = { serialNumber: held.serialNumber, revokedAt: null, reason: null, invalidityDate: null }
    expect(await entriesOf(revocations.listChanges(setting.caId, 0, last))).toMatchObject([removed])
    await expect(console.release(held, undefined, BECAUSE, NOW)).rejects.toThrow(code('revocation_state'))
    await console.revoke(lost, { reason: 1 }, BECAUSE, minutes(7))
    const row = await certificates.findByRequest(second as RequestId)
    expect(row).toMatchObject({ revokedAt: minutes(5), revocationReason: 1 })
  })

  it('is refused to whoever has not seen the last one, and one of many at once wins', async () => {
    const certificate = await issue(await only('sealed'))
    const races = await Promise.allSettled(
      Array.from({ length: 12 }, () =>
        console.revoke(certificate, { reason: 6, expectedChange: 0 }, officer, minutes(5))
      )
    )
    expect(races.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const lost = races.flatMap(race => (race.status === 'rejected' ? [race.reason as unknown] : []))
    expect(lost.every(error => isAppError(error, 'precondition_failed'))).toBe(true)
    const row = await certificates.findBySerial(setting.caId, certificate.serialNumber)
    const change = row?.statusChange ?? 0
    await expect(console.release(certificate, change - 1, officer, NOW)).rejects.toThrow(code('precondition_failed'))
    await console.release(certificate, change, officer, NOW)
    expect(await eventsOf(certificate.serialNumber)).toHaveLength(2)
  })

  it('of a certificate of somebody else, or of none, is refused to the front', async () => {
    const { alice, bob } = setting
    const certificate = await issue(await only('sealed'), { principalId: alice })
    const front = new RevocationStore((await database.open('front')).dataSource)
    const byFront = (principal: typeof alice) => front.revokeOwn(certificate, principal, { reason: 1 }, BECAUSE, NOW)
    await expect(byFront(bob)).rejects.toThrow(code('not_found'))
    await expect(front.revoke(certificate, { reason: 1 }, BECAUSE, NOW)).rejects.toThrow(code('internal'))
    await byFront(alice)
    const unknown = { caId: setting.caId, serialNumber: randomBytes(16) }
    await expect(console.revoke(unknown, { reason: 1 }, BECAUSE, NOW)).rejects.toThrow(code('not_found'))
  })

  it('is on the CRL of the key that signed the certificate, until its end', async () => {
    const cas = new CaStore(authority.dataSource)
    await cas.addCertificate(caCertificateSample(setting.caId, { certIndex: 1, keyIndex: 1 }), BECAUSE, NOW)
    const id = await only('sealed')
    const certificate = await issue(id, { certIndex: 1, notAfter: minutes(60) })
    const { serialNumber } = certificate
    await console.revoke(certificate, { reason: 0 }, BECAUSE, minutes(5))
    const entry = { serialNumber, revokedAt: minutes(5), reason: 0, invalidityDate: null }
    expect(await entriesOf(revocations.listForCrl(setting.caId, 1, minutes(60)))).toEqual([entry])
    expect(await entriesOf(revocations.listForCrl(setting.caId, 1, minutes(61)))).toEqual([])
    expect(await entriesOf(revocations.listForCrl(setting.caId, 0, NOW))).not.toContainEqual(entry)
    expect(await entriesOf(revocations.listChanges(setting.caId, 1, 0))).toMatchObject([entry])
  })
})

describe('an abandoned serial number', () => {
  it('is never issued, goes on the CRL and makes room for another reservation', async () => {
    const id = await only('sealed')
    const reservation = reservationSample(setting, id)
    await reserve(reservation)
    await authority.transaction(unit => certificates.abandon(unit, [reservation], BECAUSE, minutes(1)))
    const finished = authority.transaction(unit => certificates.finish(unit, [issued(reservation)]))
    await expect(finished).rejects.toThrow(code('conflict'))
    const { serialNumber } = reservation
    const entry = { serialNumber, revokedAt: NOW, reason: null, invalidityDate: null }
    expect(await entriesOf(revocations.listForCrl(setting.caId, 0, NOW))).toContainEqual(entry)
    const { last } = await revocations.changesOf(setting.caId, 0)
    expect(await entriesOf(revocations.listChanges(setting.caId, 0, last - 1))).toMatchObject([entry])
    await expect(issue(id)).resolves.toBeDefined()
  })
})

describe('an answer to a message that revoked', () => {
  it('that cannot be signed holds back no other', async () => {
    const owner = await database.open('owner')
    const digests = [randomBytes(32), randomBytes(32)]
    for (const digest of digests) {
      await owner.dataSource.query(
        `INSERT INTO certkeep.revocation_answer (ca_id, requester_id, message_digest, body_part_id, created_at)
         VALUES ($1, $2, $3, 1, now())`,
        [setting.caId, setting.bob, digest]
      )
    }
    const answers = new RevocationAnswerStore(authority.dataSource)
    const failure = new Error('The key of this CA is away.')
    const isFirst = (digest: Uint8Array) => digests[0]?.equals(digest) === true
    const sign = ({ messageDigest }: RevocationAnswerRow) =>
      isFirst(messageDigest) ? Promise.reject(failure) : Promise.resolve(Buffer.of(1))
    expect(await answers.sign(32, sign)).toEqual({ taken: 2, failure })
    const signed = await Promise.all(
      digests.map(messageDigest => answers.find({ caId: setting.caId, requesterId: setting.bob, messageDigest }))
    )
    expect(signed.map(row => row?.fullResponse)).toEqual([null, Buffer.of(1)])
    expect(await answers.sign(32, () => Promise.resolve(Buffer.of(2)))).toEqual({ taken: 1 })
  })
})

describe('a list of certificates', () => {
  it('is read in pages, newest first, narrowed by every filter', async () => {
    const search = new CertificateSearch((await database.open('console')).dataSource)
    const ids = await requestsIn(database, setting, 'approved', { count: 4, archival: false })
    for (const [index, id] of ids.entries()) {
      const of = { subject: 'CN=A listed one', principalId: setting.bob, notAfter: minutes(1000 + index) }
      const changes = { archival: false, ...of }
      await issue(id, changes)
    }
    const filter = {
      caIds: [setting.caId],
      principalId: setting.bob,
      templateName: setting.plain.name,
      subject: 'listed',
      state: 'valid'
    } as const
    const now = minutes(1001)
    const first = await search.find(filter, now, 2)
    expect(first.rows.map(({ requestId }) => requestId)).toEqual([ids[3], ids[2]])
    const second = await search.find(filter, now, 2, first.next)
    expect(second.rows.map(({ requestId }) => requestId)).toEqual([ids[1]])
    expect(second.next).toBeUndefined()
    expect(first.rows[0]).not.toHaveProperty('tbs')
    expect((await search.find({ ...filter, state: 'revoked' }, now, 2)).rows).toEqual([])
    await expect(search.find(filter, now, 2, 'x')).rejects.toThrow(code('invalid_argument'))
  })
})
