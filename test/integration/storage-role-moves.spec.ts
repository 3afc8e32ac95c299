import { isLegalMove, REQUEST_STATES, type RequestId, type RequestState } from '@app/core'
import { RequestStore } from '@app/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../helpers/database.js'
import {
  BECAUSE,
  NOW,
  prepareSetting,
  recordDecision,
  requestSample,
  type Setting
} from '../helpers/storage-samples.js'

let database: TestDatabase
let setting: Setting
beforeAll(async () => {
  database = await createTestDatabase()
  setting = await prepareSetting(database)
})
afterAll(() => database.drop())

/** Legal moves that the database keeps from a role, although the role may write the state. */
const KEPT_FROM = {
  archive: (from: RequestState, to: RequestState) => from !== 'approved' || !['sealed', 'failed'].includes(to),
  console: (from: RequestState, to: RequestState) =>
    !['pending>approved', 'pending>denied', 'denied>received', 'failed>received'].includes(`${from}>${to}`),
  // It denies what is pending only because its time is over.
  authority: (from: RequestState, to: RequestState) =>
    ['pending>approved', 'pending>denied', 'approved>sealed', 'denied>received', 'failed>received'].includes(
      `${from}>${to}`
    )
} as const

describe.each(['archive', 'console', 'authority'] as const)('the role %s', role => {
  it('makes the moves that are its own and no others', async () => {
    const pairs = REQUEST_STATES.flatMap(from =>
      REQUEST_STATES.filter(to => isLegalMove(from, to)).map(to => [from, to] as const)
    )
    const { dataSource } = await database.open(role)
    const made: string[] = []
    for (const [from, to] of pairs) {
      const id = await placed(from, from === 'sealed' || to === 'sealed')
      const decisions = { pending: ['approve', 'deny'], denied: ['resubmit'], failed: ['resubmit'] } as const
      for (const kind of from in decisions ? decisions[from as keyof typeof decisions] : []) {
        await recordDecision(database, id, kind, setting.bob)
      }
      const failure = { code: 'internal', message: 'x' }
      const refused = to === 'denied' || to === 'failed'
      const move = { id, from, to, because: BECAUSE, ...(refused ? { failure } : {}) }
      const won = await new RequestStore(dataSource).move(move, NOW).catch(() => false)
      if (won) made.push(`${from}>${to}`)
    }
    expect(made).toEqual(pairs.filter(([from, to]) => !KEPT_FROM[role](from, to)).map(([from, to]) => `${from}>${to}`))
  })
})

/** A row in a state, put there past the triggers. */
async function placed(state: RequestState, archival: boolean): Promise<RequestId> {
  const { dataSource } = await database.open('owner')
  const { id } = await new RequestStore(dataSource).submit(requestSample(setting), undefined, BECAUSE)
  const resolved = ['issued', 'denied', 'failed', 'revoked'].includes(state)
  await dataSource.query('ALTER TABLE certkeep.request DISABLE TRIGGER USER')
  await dataSource.query(
    `UPDATE certkeep.request SET state = $2, template_id = $3, archival = $4, resolved_at = $5,
            failure_code = CASE WHEN $2 >= 'denied'::certkeep.request_state THEN 'internal' END WHERE id = $1`,
    [id, state, archival ? setting.archival.id : setting.plain.id, archival, resolved ? NOW : null]
  )
  await dataSource.query('ALTER TABLE certkeep.request ENABLE TRIGGER USER')
  return id
}
