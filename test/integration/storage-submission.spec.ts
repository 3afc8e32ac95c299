import { randomBytes } from 'node:crypto'
import { isAppError, type ErrorCode } from '@app/core'
import { AuditLog, RequestStore, type RequestRow } from '@app/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectClient, createTestDatabase, type TestDatabase } from '../helpers/database.js'
import { BECAUSE, minutes, NOW, prepareSetting, requestSample, type Setting } from '../helpers/storage-samples.js'

let database: TestDatabase
let setting: Setting
let requests: RequestStore
beforeAll(async () => {
  database = await createTestDatabase()
  setting = await prepareSetting(database)
  requests = new RequestStore((await database.open('front')).dataSource)
})
afterAll(() => database.drop())

const code = (expected: ErrorCode) => expect.toSatisfy(error => isAppError(error, expected))
const envelope = { envelope: randomBytes(1500), placement: 'unsigned-attribute' } as const

async function eventsOf(id: number): Promise<readonly { readonly action: string; readonly actor: string }[]> {
  const log = new AuditLog((await database.open('console')).dataSource)
  return (await log.list({ objectType: 'request', objectId: String(id) }, 10)).rows
}

describe('a submission', () => {
  it('comes back as it was given, byte for byte', async () => {
    const request = requestSample(setting, {
      carriesKey: true,
      keyHashAlgorithm: 'sha1',
      keyHash: randomBytes(20),
      transactionId: randomBytes(16),
      senderNonce: randomBytes(16),
      flags: 0xffffffff,
      bodyPartId: 0xfffffffe,
      requestAttributes: 'CertificateTemplate:Größe\r\n'
    })
    const { id, state, fresh } = await requests.submit(request, envelope, BECAUSE)
    expect({ state, fresh }).toEqual({ state: 'received', fresh: true })
    const { id: ofRow, ...row } = await requests.get(id)
    const untouched = {
      round: 1,
      pendingUntil: null,
      templateId: null,
      archival: null,
      outOfBand: false,
      attempts: 0,
      leaseUntil: null
    }
    expect(ofRow).toBe(id)
    expect(row).toEqual({ ...request, ...untouched, resolvedAt: null, respondedState: null })
    expect(Buffer.isBuffer(row.rawRequest)).toBe(true)
  })

  it('keeps the envelope in its own table', async () => {
    const { id } = await requests.submit(requestSample(setting), envelope, BECAUSE)
    const owner = await database.open('owner')
    const rows = await owner.dataSource.query(
      'SELECT envelope, placement FROM certkeep.archived_key_envelope WHERE request_id = $1',
      [id]
    )
    expect(rows).toEqual([envelope])
  })

  it('brings exactly one audit event with it', async () => {
    const { id } = await requests.submit(requestSample(setting), undefined, {
      actor: 'EXAMPLE\\alice',
      detail: { address: '192.0.2.1' }
    })
    expect(await eventsOf(id)).toMatchObject([
      {
        action: 'request.submitted',
        actor: 'EXAMPLE\\alice',
        outcome: 'success',
        at: NOW,
        detail: { to: 'received', address: '192.0.2.1' }
      }
    ])
  })

  it('that failed already is resolved at once and keeps no archived key', async () => {
    const failed = requestSample(setting, { state: 'failed', failureCode: 'cmc_structure', failureMessage: 'Broken.' })
    const { id, state } = await requests.submit(failed, undefined, BECAUSE)
    expect(state).toBe('failed')
    expect(await requests.get(id)).toMatchObject({ resolvedAt: NOW, failureCode: 'cmc_structure' })
    expect(await eventsOf(id)).toMatchObject([{ outcome: 'failed', detail: { failure: 'cmc_structure' } }])
    await expect(requests.submit(failed, envelope, BECAUSE)).rejects.toThrow(code('internal'))
  })

  it('keeps text that PostgreSQL cannot hold in a form that it can', async () => {
    const hostile = requestSample(setting, { subject: 'CN=a\0b', requestAttributes: 'x:\uD800' })
    const { id } = await requests.submit(hostile, undefined, { actor: 'a\0b', detail: { note: '\uDFFF\0' } })
    expect(await requests.get(id)).toMatchObject({ subject: 'CN=a\uFFFDb', requestAttributes: 'x:\uFFFD' })
    expect(await eventsOf(id)).toHaveLength(1)
  })
})

describe('submissions that come together', () => {
  it('are each recorded with their own envelope and event, and what the database refuses takes no other with it', async () => {
    const given = Array.from({ length: 21 }, (_, index) => ({
      request: requestSample(setting, { requestAttributes: `Number:${index}`, flags: index === 5 ? 2 ** 70 : index }),
      envelope: { ...envelope, envelope: randomBytes(1000 + index) }
    }))
    const settled = await Promise.allSettled(
      given.map(one => requests.submit(one.request, one.envelope, { actor: `EXAMPLE\\${one.request.flags}` }))
    )
    expect(settled.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []))).toEqual([5])
    const owner = await database.open('owner')
    for (const [index, outcome] of settled.entries()) {
      if (outcome.status === 'rejected') continue
      const { id } = outcome.value
      expect(outcome.value).toEqual({ id, state: 'received', fresh: true })
      expect((await requests.get(id)).rawRequest).toEqual(given[index]?.request.rawRequest)
      expect(await eventsOf(id)).toMatchObject([{ action: 'request.submitted', actor: `EXAMPLE\\${index}` }])
      const kept = await owner.dataSource.query(
        'SELECT envelope FROM certkeep.archived_key_envelope WHERE request_id = $1',
        [id]
      )
      expect(kept).toEqual([{ envelope: given[index]?.envelope.envelope }])
    }
  })
})

describe('the same request again', () => {
  it('is one request with one event, beside others that come at the same time', async () => {
    const [twice, other] = [requestSample(setting), requestSample(setting)]
    const settled = await Promise.all(
      [twice, other, twice, twice].map(request => requests.submit(request, undefined, { actor: 'EXAMPLE\\twice' }))
    )
    const ids = settled.map(({ id }) => id)
    expect([ids[2], ids[3]]).toEqual([ids[0], ids[0]])
    expect(settled.filter(({ fresh }) => fresh)).toHaveLength(2)
    for (const id of new Set(ids)) expect(await eventsOf(id)).toMatchObject([{ action: 'request.submitted' }])
  })

  it('is one request for 20 parallel calls under one idempotency key', async () => {
    const request = requestSample(setting, { idempotencyKey: 'twenty' })
    const calls = Array.from({ length: 20 }, () => requests.submit(request, envelope, BECAUSE))
    const results = await Promise.all(calls)
    expect(new Set(results.map(({ id }) => id)).size).toBe(1)
    expect(results.filter(({ fresh }) => fresh)).toHaveLength(1)
    expect(await eventsOf(results[0]?.id ?? 0)).toHaveLength(1)
  })

  it('is one request for 20 parallel calls without any key', async () => {
    const request = requestSample(setting)
    const results = await Promise.all(Array.from({ length: 20 }, () => requests.submit(request, undefined, BECAUSE)))
    expect(new Set(results.map(({ id }) => id)).size).toBe(1)
  })

  it('gets the state that the first one has reached', async () => {
    const request = requestSample(setting, { transactionId: randomBytes(8) })
    const first = await requests.submit(request, undefined, BECAUSE)
    const authority = new RequestStore((await database.open('authority')).dataSource)
    const template = setting.archival
    await authority.move({ id: first.id, from: 'received', to: 'pending', because: BECAUSE, template }, NOW)
    expect(await requests.submit(request, undefined, BECAUSE)).toEqual({ id: first.id, state: 'pending', fresh: false })
  })

  it('is a new request for another requester', async () => {
    const request = requestSample(setting, { idempotencyKey: 'shared', transactionId: randomBytes(8) })
    const first = await requests.submit(request, undefined, BECAUSE)
    const second = await requests.submit({ ...request, requesterId: setting.bob }, undefined, BECAUSE)
    expect(second).toMatchObject({ fresh: true })
    expect(second.id).not.toBe(first.id)
  })

  it('is a new request once the first one was denied or failed', async () => {
    const request = requestSample(setting)
    const failed = { ...request, state: 'failed', failureCode: 'internal', failureMessage: 'x' } as const
    const first = await requests.submit(failed, undefined, BECAUSE)
    const second = await requests.submit(request, undefined, BECAUSE)
    expect(second).toMatchObject({ state: 'received', fresh: true })
    expect(second.id).not.toBe(first.id)
  })
})

describe('another request', () => {
  it('under a used idempotency key is refused', async () => {
    const first = await requests.submit(requestSample(setting, { idempotencyKey: 'used' }), undefined, BECAUSE)
    const other = requestSample(setting, { idempotencyKey: 'used' })
    await expect(requests.submit(other, undefined, BECAUSE)).rejects.toThrow(code('idempotency_mismatch'))
    await expect(requests.submit(other, undefined, BECAUSE)).rejects.toMatchObject({
      evidence: { requestId: first.id }
    })
  })

  it('with a used transaction id is refused, and nothing of it is kept', async () => {
    const transactionId = randomBytes(16)
    await requests.submit(requestSample(setting, { transactionId }), undefined, BECAUSE)
    const other = requestSample(setting, { transactionId })
    await expect(requests.submit(other, envelope, BECAUSE)).rejects.toThrow(code('replayed_transaction'))
    const owner = await database.open('owner')
    const rows = await owner.dataSource.query('SELECT id FROM certkeep.request WHERE request_digest = $1', [
      other.requestDigest
    ])
    expect(rows).toEqual([])
  })

  it('with the transaction id of a failed one is refused too', async () => {
    const transactionId = randomBytes(16)
    const failed = { transactionId, state: 'failed', failureCode: 'cmc_structure', failureMessage: 'x' } as const
    await requests.submit(requestSample(setting, failed), undefined, BECAUSE)
    await expect(requests.submit(requestSample(setting, { transactionId }), undefined, BECAUSE)).rejects.toThrow(
      code('replayed_transaction')
    )
  })
})

describe('a submission into a database that cannot take it', () => {
  it('is unavailable while the connection is cut, and possible after', async () => {
    const owner = await connectClient(database.settings.owner)
    try {
      const locked = await connectClient(database.settings.owner)
      await locked.query('BEGIN; LOCK TABLE certkeep.audit_event')
      const call = requests.submit(requestSample(setting), undefined, BECAUSE)
      const outcome = call.then(
        () => undefined,
        (error: unknown) => error
      )
      await expect
        .poll(async () => {
          const text = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND usename = 'certkeep_front' AND wait_event_type = 'Lock'`
          return (await owner.query(text)).rowCount
        })
        .toBe(1)
      expect(await outcome).toEqual(code('unavailable'))
      await locked.query('ROLLBACK')
      await locked.end()
    } finally {
      await owner.end()
    }
    await expect(requests.submit(requestSample(setting), undefined, BECAUSE)).resolves.toMatchObject({ fresh: true })
  })

  it('records nothing when the audit event cannot be written', async () => {
    const owner = await database.open('owner')
    await owner.dataSource.query(`
      CREATE FUNCTION certkeep.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full' USING ERRCODE = '53100'; END $$;
      CREATE TRIGGER fail BEFORE INSERT ON certkeep.audit_event FOR EACH ROW EXECUTE FUNCTION certkeep.fail()`)
    const request = requestSample(setting, { idempotencyKey: 'unaudited' })
    try {
      await expect(requests.submit(request, envelope, BECAUSE)).rejects.toThrow(code('unavailable'))
    } finally {
      await owner.dataSource.query('DROP FUNCTION certkeep.fail CASCADE')
    }
    const rows = await owner.dataSource.query(`SELECT id FROM certkeep.request WHERE idempotency_key = 'unaudited'`)
    expect(rows).toEqual([])
  })

  it('never puts a parameter into an error', async () => {
    const canary = Buffer.from('canary of the archived key')
    const request = requestSample(setting, { format: null as never })
    const error: unknown = await requests
      .submit(request, { envelope: canary, placement: 'unsigned-attribute' }, BECAUSE)
      .catch((thrown: unknown) => thrown)
    expect(error).toEqual(code('internal'))
    const everything = JSON.stringify(error, Object.getOwnPropertyNames(error)) + String((error as Error).cause)
    expect(everything).not.toContain(canary.toString('hex'))
    expect(Object.keys((error as Error).cause as object)).toEqual([])
  })
})

describe('a list of requests', () => {
  it('is read in pages, newest first, narrowed by every filter', async () => {
    const keyId = randomBytes(20)
    const ids: number[] = []
    for (let index = 0; index < 5; index++) {
      const request = requestSample(setting, { requesterId: setting.bob, keyId, submittedAt: minutes(index) })
      ids.push((await requests.submit(request, undefined, BECAUSE)).id)
    }
    const filter = {
      caId: setting.caId,
      states: ['received', 'pending'],
      requesterId: setting.bob,
      templateName: setting.archival.name.toUpperCase(),
      keyId,
      submittedFrom: minutes(0),
      submittedUntil: minutes(4)
    } as const
    const first = await requests.list(filter, 3)
    expect(first.rows.map(({ id }) => id)).toEqual([ids[3], ids[2], ids[1]])
    const second = await requests.list(filter, 3, first.next)
    expect(second.rows.map(({ id }) => id)).toEqual([ids[0]])
    expect(second.next).toBeUndefined()
    expect(first.rows[0]).not.toHaveProperty('rawRequest' satisfies keyof RequestRow)
  })

  it('counts what a requester failed with since a time', async () => {
    const failed = { state: 'failed', failureCode: 'archived_key_mismatch', failureMessage: 'x' } as const
    for (const submittedAt of [minutes(0), minutes(10), minutes(20)]) {
      await requests.submit(requestSample(setting, { ...failed, submittedAt }), undefined, BECAUSE)
    }
    expect(await requests.countFailed(setting.alice, 'archived_key_mismatch', minutes(10))).toBe(2)
    expect(await requests.countFailed(setting.alice, 'archived_key_weak', minutes(0))).toBe(0)
    expect(await requests.countFailed(setting.bob, 'archived_key_mismatch', minutes(0))).toBe(0)
  })

  it('throws not_found for a request that does not exist', async () => {
    await expect(requests.get(2_000_000_000 as never)).rejects.toThrow(code('not_found'))
    expect(await requests.find(2_000_000_000 as never)).toBeUndefined()
  })
})
