import { setTimeout as sleep } from 'node:timers/promises'
import { isAppError, isLegalMove, REQUEST_STATES, type ErrorCode, type RequestId, type RequestState } from '@app/core'
import {
  AuditLog,
  CertificateStore,
  type Database,
  openDatabase,
  type RequestMove,
  RequestStore,
  ResponseStore,
  type Step
} from '@app/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectClient, createTestDatabase, type TestDatabase } from '../helpers/database.js'
import {
  BECAUSE,
  minutes,
  NOW,
  prepareSetting,
  recordDecision,
  requestsIn,
  requestSample,
  reservationSample,
  type Setting
} from '../helpers/storage-samples.js'

let database: TestDatabase
let setting: Setting
let authority: Database
let requests: RequestStore
beforeAll(async () => {
  database = await createTestDatabase()
  setting = await prepareSetting(database)
  authority = await database.open('authority')
  requests = new RequestStore(authority.dataSource)
})
afterAll(() => database.drop())

const code = (expected: ErrorCode) => expect.toSatisfy(error => isAppError(error, expected))
const failure = { code: 'denied_by_officer', message: 'No.' } as const

async function only(state: Parameters<typeof requestsIn>[2], archival = true): Promise<RequestId> {
  const [id] = await requestsIn(database, setting, state, { archival })
  return id as RequestId
}

async function eventsOf(id: RequestId) {
  const log = new AuditLog((await database.open('console')).dataSource)
  return (await log.list({ objectType: 'request', objectId: String(id) }, 20)).rows
}

describe('a move', () => {
  it('sets what it brings, resets the lease and adds one audit event', async () => {
    const id = await only('received')
    await authority.transaction(unit => requests.lease(unit, [id], minutes(5)))
    const won = await requests.move(
      {
        id,
        from: 'received',
        to: 'pending',
        because: { actor: 'role:authority', detail: { template: 'UserEncryption' } },
        template: setting.archival,
        subject: 'CN=Alice',
        rowFlags: 0x40,
        dispositionMessage: 'Held'
      },
      minutes(1)
    )
    expect(won).toBe(true)
    expect(await requests.get(id)).toMatchObject({
      state: 'pending',
      templateId: setting.archival.id,
      templateName: 'UserEncryption',
      archival: true,
      subject: 'CN=Alice',
      rowFlags: 0x40,
      dispositionMessage: 'Held',
      leaseUntil: null,
      attempts: 0,
      resolvedAt: null
    })
    const [event, ...earlier] = await eventsOf(id)
    expect(earlier).toHaveLength(1)
    expect(event).toMatchObject({
      at: minutes(1),
      actor: 'role:authority',
      action: 'request.pending',
      outcome: 'success',
      detail: { from: 'received', to: 'pending', template: 'UserEncryption' }
    })
  })

  it('to denied keeps its reason and its time; taking it up again takes both away', async () => {
    const id = await only('pending', false)
    const console = new RequestStore((await database.open('console')).dataSource)
    await recordDecision(database, id, 'deny', setting.bob)
    await console.move({ id, from: 'pending', to: 'denied', because: BECAUSE, failure }, minutes(2))
    expect(await requests.get(id)).toMatchObject({ failureCode: failure.code, resolvedAt: minutes(2) })
    expect((await eventsOf(id))[0]).toMatchObject({ outcome: 'denied', detail: { failure: failure.code } })
    await recordDecision(database, id, 'resubmit', setting.bob)
    await console.move({ id, from: 'denied', to: 'received', because: BECAUSE }, minutes(3))
    const taken = { failureCode: null, failureMessage: null, resolvedAt: null, round: 2 }
    expect(await requests.get(id)).toMatchObject(taken)
    expect((await eventsOf(id))[0]).toMatchObject({ action: 'request.resubmitted', outcome: 'success' })
  })

  it('that lost its race changes nothing and adds no event', async () => {
    const id = await only('pending')
    const before = await requests.get(id)
    const events = await eventsOf(id)
    expect(await requests.move({ id, from: 'received', to: 'approved', because: BECAUSE }, NOW)).toBe(false)
    expect(await requests.get(id)).toEqual(before)
    expect(await eventsOf(id)).toEqual(events)
  })

  it('has one winner of 20 who approve and deny at once, and one event', async () => {
    const id = await only('pending')
    await recordDecision(database, id, 'approve', setting.bob)
    await recordDecision(database, id, 'deny', setting.bob)
    const console = new RequestStore((await database.open('console')).dataSource)
    const attempts = Array.from({ length: 20 }, (_, index) => {
      const move = { id, from: 'pending', because: { actor: `officer ${index}` } } as const
      const chosen =
        index % 2 === 0 ? ({ ...move, to: 'approved' } as const) : ({ ...move, to: 'denied', failure } as const)
      return console.move(chosen, NOW)
    })
    const won = await Promise.all(attempts)
    expect(won.filter(Boolean)).toHaveLength(1)
    const [last, ...earlier] = await eventsOf(id)
    expect(last?.actor).toBe(`officer ${won.indexOf(true)}`)
    expect(earlier.map(({ action }) => action)).toEqual(['request.pending', 'request.submitted'])
  })

  it('of a batch moves those still in their state and tells which', async () => {
    const received = await requestsIn(database, setting, 'received', { count: 32 })
    const gone = await only('denied')
    const moves = [...received, gone].map((id, index): RequestMove => {
      return index % 2 === 0
        ? { id, from: 'received', to: 'approved', because: BECAUSE, template: setting.plain }
        : { id, from: 'received', to: 'failed', because: BECAUSE, failure }
    })
    const won = await authority.transaction(unit => requests.moveAll(unit, moves, NOW))
    expect([...won].toSorted((a, b) => a - b)).toEqual(received)
    for (const [index, id] of received.entries()) {
      expect((await requests.get(id)).state).toBe(index % 2 === 0 ? 'approved' : 'failed')
      expect(await eventsOf(id)).toHaveLength(2)
    }
    expect(await eventsOf(gone)).toHaveLength(2)
  })

  it.each<[string, Partial<RequestMove>]>([
    ['that is not in the table', { from: 'failed', to: 'approved' }],
    ['to denied without a reason', { from: 'received', to: 'denied' }],
    ['to approved with a failure', { from: 'received', to: 'approved', failure }]
  ])('%s is a defect of the caller', async (_, move) => {
    const id = await only('received')
    const whole = { id, from: 'received', to: 'approved', because: BECAUSE, ...move } as const
    await expect(requests.move(whole, NOW)).rejects.toThrow(code('internal'))
  })

  it('twice in one batch is a defect of the caller', async () => {
    const id = await only('received')
    const move = { id, from: 'received', to: 'denied', because: BECAUSE, failure } as const
    const work = authority.transaction(unit => requests.moveAll(unit, [move, move], NOW))
    await expect(work).rejects.toThrow(code('internal'))
  })

  it('cannot exchange the template that a request was judged by', async () => {
    const id = await only('pending')
    const move = { id, from: 'pending', to: 'approved', because: BECAUSE, template: setting.plain } as const
    await expect(requests.move(move, NOW)).rejects.toMatchObject({ evidence: { constraint: 'request_keeps_template' } })
  })
})

describe('the database', () => {
  // Each pair of states, tried on a row that satisfies every other rule.
  const pairs = REQUEST_STATES.flatMap(from =>
    REQUEST_STATES.filter(to => to !== from).map(to => [from, to, isLegalMove(from, to)] as const)
  )

  it('allows the owner exactly the moves of the table', async () => {
    const owner = await database.open('owner')
    const outcomes: (readonly [RequestState, RequestState, boolean])[] = []
    for (const [from, to] of pairs) {
      // Of an archival template only where the move needs it: approved to sealed, and from sealed on.
      const archival = from === 'sealed' || to === 'sealed'
      const id = await placed(owner, from, archival)
      if (from === 'pending') await recordDecision(database, id, 'approve', setting.bob)
      if (from === 'denied' || from === 'failed') await recordDecision(database, id, 'resubmit', setting.bob)
      const resolved = ['issued', 'denied', 'failed', 'revoked'].includes(to)
      const update = owner.dataSource.query(
        `UPDATE certkeep.request
         SET state = $2, failure_code = 'internal', failure_message = 'x', resolved_at = $3 WHERE id = $1`,
        [id, to, resolved ? NOW : null]
      )
      const allowed = await update.then(
        () => true,
        () => false
      )
      outcomes.push([from, to, allowed])
    }
    expect(outcomes).toEqual(pairs)
  })

  it('lets no request begin as approved', async () => {
    const owner = new RequestStore((await database.open('owner')).dataSource)
    const begun = { ...requestSample(setting), state: 'approved' as never, failureCode: 'x' }
    await expect(owner.submit(begun, undefined, BECAUSE)).rejects.toMatchObject({
      evidence: { constraint: 'request_starts_unresolved' }
    })
  })

  it('lets a request of an archival template skip no seal', async () => {
    const id = await only('approved')
    const move = requests.move({ id, from: 'approved', to: 'issued', because: BECAUSE }, NOW)
    await expect(move).rejects.toMatchObject({ evidence: { constraint: 'request_is_sealed_before_issued' } })
  })
})

describe('a claim', () => {
  it('of several connections at once gets disjoint rows, the oldest first', async () => {
    await requestsIn(database, setting, 'approved', { count: 15 })
    const archive = new RequestStore((await database.open('archive')).dataSource)
    const claimed: RequestId[][] = []
    const claim = () =>
      archive.withClaimed('seal', { limit: 5, now: NOW }, async rows => {
        claimed.push(rows.map(({ id }) => id))
        // Nobody lets go before everybody has claimed.
        await expect.poll(() => claimed.length).toBe(3)
      })
    expect(await Promise.all([claim(), claim(), claim()])).toEqual([5, 5, 5])
    expect(new Set(claimed.flat()).size).toBe(15)
    for (const rows of claimed) expect(rows).toEqual(rows.toSorted((a, b) => a - b))
  })

  it('gives each step the rows that are its own', async () => {
    const fresh = await createTestDatabase()
    try {
      const scene = await prepareSetting(fresh)
      const make = (state: Parameters<typeof requestsIn>[2], archival: boolean) =>
        requestsIn(fresh, scene, state, { archival })
      const [received] = await make('received', true)
      const [pending] = await make('pending', true)
      const [archival] = await make('approved', true)
      const [plain] = await make('approved', false)
      const [sealed] = await make('sealed', true)
      const [denied] = await make('denied', false)
      const [failed] = await make('failed', false)
      const asAuthority = new RequestStore((await fresh.open('authority')).dataSource)
      const asArchive = new RequestStore((await fresh.open('archive')).dataSource)
      expect(await due(asAuthority, 'evaluate')).toEqual([received])
      expect(await due(asArchive, 'seal')).toEqual([archival])
      expect(await due(asAuthority, 'issue')).toEqual([plain, sealed])
      expect(await due(asAuthority, 'respond')).toEqual([pending, denied, failed])
      const counts = { received: 1, pending: 1, approved: 2, sealed: 1, issued: 0, denied: 1, failed: 1, revoked: 0 }
      expect(await asAuthority.countByState()).toEqual(counts)
    } finally {
      await fresh.drop()
    }
  })

  it('skips a lease until its end and knows when that is', async () => {
    const fresh = await createTestDatabase()
    try {
      const scene = await prepareSetting(fresh)
      const database = await fresh.open('authority')
      const store = new RequestStore(database.dataSource)
      expect(await store.nextDue('evaluate')).toBeUndefined()
      const [id] = await requestsIn(fresh, scene, 'received')
      expect(await store.nextDue('evaluate')).toEqual(NOW)
      await database.transaction(unit => store.lease(unit, [id as RequestId], minutes(5)))
      expect(await store.nextDue('evaluate')).toEqual(minutes(5))
      expect(await store.withClaimed('evaluate', { limit: 1, now: minutes(4) }, nothing)).toBe(0)
      expect(await store.withClaimed('evaluate', { limit: 1, now: minutes(5) }, nothing)).toBe(1)
      expect(await store.get(id as RequestId)).toMatchObject({ attempts: 1 })
    } finally {
      await fresh.drop()
    }
  })

  it('that fails leaves everything as it was', async () => {
    const [id] = await requestsIn(database, setting, 'received')
    const broken = requests.withClaimed('evaluate', { limit: 50, now: NOW }, async (rows, unit) => {
      const moves = rows.map(
        row => ({ id: row.id, from: 'received', to: 'denied', because: BECAUSE, failure }) as const
      )
      await requests.moveAll(unit, moves, NOW)
      throw new Error('the process dies here')
    })
    await expect(broken).rejects.toThrow('the process dies here')
    expect((await requests.get(id as RequestId)).state).toBe('received')
    expect(await eventsOf(id as RequestId)).toHaveLength(1)
  })

  it('lets a serial number be reserved in another transaction meanwhile', async () => {
    const [id] = await requestsIn(database, setting, 'sealed')
    const certificates = new CertificateStore(authority.dataSource)
    await requests.withClaimed('issue', { limit: 50, now: NOW }, async rows => {
      expect(rows.map(row => row.id)).toContain(id)
      const reservation = reservationSample(setting, id as RequestId)
      const reserved = authority.transaction(unit => certificates.reserve(unit, [reservation])).then(() => 'reserved')
      expect(await Promise.race([reserved, sleep(5000, 'blocked')])).toBe('reserved')
    })
  })

  it.each([
    ['authority', 'evaluate', 'request_to_evaluate'],
    ['archive', 'seal', 'request_to_seal'],
    ['authority', 'issue', 'request_to_issue'],
    ['authority', 'respond', 'request_to_respond']
  ] as const)('of the %s for the step %s is a prepared statement that can use its index', async (role, step, index) => {
    const one = await openDatabase({ ...database.settings[role], poolSize: 1 })
    const owner = await connectClient(database.settings.owner)
    try {
      await new RequestStore(one.dataSource).withClaimed(step, { limit: 1, now: NOW }, nothing)
      const prepared = `SELECT statement FROM pg_prepared_statements WHERE name = 'request_claim_${step}'`
      const [row] = await one.dataSource.query<{ readonly statement: string }[]>(prepared)
      await owner.query('SET enable_seqscan = off; SET enable_sort = off')
      const plan = await owner.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${row?.statement}`, [NOW, 32])
      expect(plan.rows.map(line => line['QUERY PLAN']).join('\n')).toContain(`using ${index}`)
    } finally {
      await owner.end()
      await one.close()
    }
  })
})

describe('a withdrawal', () => {
  it('denies the own pending request, with one event, and no other', async () => {
    const front = new RequestStore((await database.open('front')).dataSource)
    const id = await only('pending')
    expect(await front.withdraw(id, setting.bob, BECAUSE, NOW)).toBe(false)
    expect(await front.withdraw(id, setting.alice, BECAUSE, NOW)).toBe(true)
    expect(await front.withdraw(id, setting.alice, BECAUSE, NOW)).toBe(false)
    expect(await front.get(id)).toMatchObject({ state: 'denied', failureCode: 'withdrawn', resolvedAt: NOW })
    expect((await eventsOf(id)).map(({ action }) => action)).toEqual([
      'request.withdrawn',
      'request.pending',
      'request.submitted'
    ])
    const approved = await only('approved')
    expect(await front.withdraw(approved, setting.alice, BECAUSE, NOW)).toBe(false)
  })
})

describe('a full response', () => {
  it('marks the request it is for, while that is in the state it tells of', async () => {
    const responses = new ResponseStore(authority.dataSource)
    const id = await only('pending')
    const response = { requestId: id, state: 'pending', fullResponse: Buffer.from('one'), createdAt: NOW } as const
    await authority.transaction(unit => responses.put(unit, [response]))
    expect(await responses.find(id)).toEqual(response)
    expect((await requests.get(id)).respondedState).toBe('pending')

    const expired = { code: 'pending_expired', message: 'Nobody decided.' } as const
    await requests.move({ id, from: 'pending', to: 'denied', because: BECAUSE, failure: expired }, NOW)
    expect((await requests.get(id)).respondedState).toBeNull()
    await authority.transaction(unit => responses.put(unit, [response]))
    expect((await requests.get(id)).respondedState).toBeNull()
    const denied = { ...response, state: 'denied', fullResponse: Buffer.from('two') } as const
    await authority.transaction(unit => responses.put(unit, [denied]))
    expect((await requests.get(id)).respondedState).toBe('denied')
    const front = new ResponseStore((await database.open('front')).dataSource)
    expect(await front.find(id)).toEqual(denied)
  })

  it('comes with the move that it tells of in one transaction', async () => {
    const responses = new ResponseStore(authority.dataSource)
    const id = await only('received')
    const response = { requestId: id, state: 'denied', fullResponse: Buffer.from('x'), createdAt: NOW } as const
    await authority.transaction(async unit => {
      const move = { id, from: 'received', to: 'denied', because: BECAUSE, failure, responded: true } as const
      await requests.moveAll(unit, [move], NOW)
      await responses.put(unit, [response])
    })
    expect(await requests.get(id)).toMatchObject({ state: 'denied', respondedState: 'denied' })
  })
})

describe('a unit', () => {
  it('is worth nothing after its end', async () => {
    const kept = await authority.transaction(unit => Promise.resolve(unit))
    await expect(requests.lease(kept, [1 as RequestId], NOW)).rejects.toThrow(code('internal'))
  })
})

/** Puts a row into a state past its triggers, which only the owner can. */
async function placed(owner: Database, state: RequestState, archival: boolean): Promise<RequestId> {
  const id = await only('received', archival)
  const resolved = ['issued', 'denied', 'failed', 'revoked'].includes(state)
  await owner.dataSource.query('ALTER TABLE certkeep.request DISABLE TRIGGER USER')
  await owner.dataSource.query(
    `UPDATE certkeep.request SET state = $2, template_id = $3, archival = $4, failure_code = 'internal',
            resolved_at = $5 WHERE id = $1`,
    [id, state, archival ? setting.archival.id : setting.plain.id, archival, resolved ? NOW : null]
  )
  await owner.dataSource.query('ALTER TABLE certkeep.request ENABLE TRIGGER USER')
  return id
}

/** What a step would claim. */
async function due(store: RequestStore, step: Step): Promise<readonly RequestId[]> {
  const ids: RequestId[] = []
  await store.withClaimed(step, { limit: 50, now: NOW }, async rows => {
    ids.push(...rows.map(({ id }) => id))
    await Promise.resolve()
  })
  return ids
}

function nothing(): Promise<void> {
  return Promise.resolve()
}
