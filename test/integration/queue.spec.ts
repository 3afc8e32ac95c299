import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { migrateQueueSchema, Steps, Wakeups, type QueueName, type Step } from '@app/queue'
import { connectClient, createTestDatabase, type TestDatabase, type TestUser } from '../helpers/database.js'

const complaints: object[] = []
const log = {
  warn: (facts: object) => {
    complaints.push(facts)
  },
  error: (facts: object) => {
    complaints.push(facts)
  }
}
const opened: Wakeups[] = []
let database: TestDatabase
let client: Client

/** Wake-ups as one process has them. */
function wakeupsAs(user: TestUser, sweepSeconds = 3600): Wakeups {
  const wakeups = new Wakeups({ connection: database.settings[user], log, sweepSeconds })
  opened.push(wakeups)
  return wakeups
}

async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not happen within ten seconds')
    await sleep(5)
  }
}

async function jobs(step: Step): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM bullmq.job WHERE name = $1 AND id = $1',
    [step]
  )
  return rows[0]?.count ?? 0
}

/** The first sweep comes at once; resolves when the workers have nothing at hand any more. */
function quiet(...queues: readonly QueueName[]): Promise<void> {
  return waitFor(async () => {
    const { rowCount } = await client.query(
      "SELECT 1 FROM bullmq.job WHERE state IN ('waiting', 'active') AND queue = ANY($1)",
      [queues]
    )
    return rowCount === 0
  })
}

beforeAll(async () => {
  database = await createTestDatabase()
  client = await connectClient(database.settings.owner)
  await Promise.all([1, 2, 3].map(() => migrateQueueSchema(database.settings.owner)))
})

afterEach(async () => {
  await Promise.all(opened.splice(0).map(wakeups => wakeups.stop()))
  const said = complaints.splice(0)
  if (said.length > 0) throw new Error(`the queue complained: ${JSON.stringify(said)}`)
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

describe('wake-ups on a database without the tables of the queue', () => {
  it('never start, and say what to do', async () => {
    const bare = await createTestDatabase()
    try {
      const wakeups = new Wakeups({ connection: bare.settings.authority, log })
      let runs = 0
      wakeups.onWake('issue', () => runs++)
      await expect(wakeups.start()).rejects.toMatchObject({
        code: 'database_incompatible',
        message: expect.stringContaining('Start the program once with the owner') as string
      })
      expect(runs).toBe(0)
      const { rows } = await client.query('SELECT 1 FROM pg_stat_activity WHERE datname = $1', [bare.name])
      expect(rows).toEqual([])
    } finally {
      await bare.drop()
    }
  })
})

describe('the tables of the queue', () => {
  it('are made once, by however many start at the same time', async () => {
    await migrateQueueSchema(database.settings.owner)
    const { rows } = await client.query<{ version: number }>('SELECT version FROM bullmq.migration ORDER BY version')
    expect(rows.length).toBeGreaterThan(0)
    expect(new Set(rows.map(({ version }) => version)).size).toBe(rows.length)
  })

  it('can be used by the process roles and changed by none of them', async () => {
    const front = await connectClient(database.settings.front)
    try {
      await expect(front.query('SELECT count(*) FROM bullmq.job')).resolves.toBeDefined()
      await expect(front.query('CREATE TABLE bullmq.mine ()')).rejects.toMatchObject({ code: '42501' })
      await expect(front.query('DELETE FROM bullmq.migration')).rejects.toMatchObject({ code: '42501' })
      await expect(front.query('DROP TABLE bullmq.job')).rejects.toMatchObject({ code: '42501' })
    } finally {
      await front.end()
    }
  })

  it('of a newer program are refused', async () => {
    await client.query("INSERT INTO bullmq.migration (version, name, min_client_version) VALUES (9999, 'x', 99)")
    try {
      await expect(wakeupsAs('authority').start()).rejects.toMatchObject({
        code: 'database_incompatible',
        message: expect.stringContaining('newer program') as string
      })
      await expect(migrateQueueSchema(database.settings.owner)).rejects.toMatchObject({ code: 'database_incompatible' })
    } finally {
      await client.query('DELETE FROM bullmq.migration WHERE version = 9999')
    }
  })

  it('of an older program are refused until they are brought up to date', async () => {
    const { rows } = await client.query('DELETE FROM bullmq.migration WHERE version > 1 RETURNING *')
    try {
      await expect(wakeupsAs('authority').start()).rejects.toMatchObject({ code: 'database_incompatible' })
    } finally {
      await client.query(
        'INSERT INTO bullmq.migration SELECT * FROM json_populate_recordset(NULL::bullmq.migration, $1)',
        [JSON.stringify(rows)]
      )
    }
  })
})

describe('a wake-up', () => {
  it('in the process that runs the step is a call', async () => {
    const wakeups = wakeupsAs('authority')
    let runs = 0
    wakeups.onWake('issue', () => runs++)
    wakeups.nudge('issue')
    expect(runs).toBe(1)
  })

  it('reaches the process that runs the step, within moments', async () => {
    const front = wakeupsAs('front')
    const authority = wakeupsAs('authority')
    let runs = 0
    authority.onWake('evaluate', () => runs++)
    await authority.start()
    await front.start()
    await quiet('authority')
    runs = 0
    const begun = performance.now()
    front.nudge('evaluate')
    await waitFor(() => runs > 0)
    expect(performance.now() - begun).toBeLessThan(1000)
    await waitFor(async () => (await jobs('evaluate')) === 0)
  })

  it('of each step goes to the role that runs it', async () => {
    const front = wakeupsAs('front')
    const authority = wakeupsAs('authority')
    const archive = wakeupsAs('archive')
    const woken: string[] = []
    authority.onWake('evaluate', () => woken.push('evaluate'))
    authority.onWake('issue', () => woken.push('issue'))
    archive.onWake('seal', () => woken.push('seal'))
    await Promise.all([authority.start(), archive.start(), front.start()])
    await quiet('authority', 'archive')
    woken.length = 0
    front.nudge('issue')
    front.nudge('seal')
    await waitFor(() => woken.includes('issue') && woken.includes('seal'))
    expect(woken).not.toContain('evaluate')
  })

  it('waits once for a step that nobody runs at the moment, and is there when somebody does', async () => {
    const front = wakeupsAs('front')
    await front.start()
    for (let i = 0; i < 20; i++) {
      front.nudge('respond')
      await sleep(5)
    }
    await waitFor(async () => (await jobs('respond')) === 1)

    const authority = wakeupsAs('authority')
    let runs = 0
    authority.onWake('respond', () => runs++)
    await authority.start()
    await waitFor(async () => (await jobs('respond')) === 0)
    expect(runs).toBeGreaterThan(0)
  })

  it('is never lost between two that come close together', async () => {
    const front = wakeupsAs('front')
    const authority = wakeupsAs('authority')
    let written = 0
    let seen = 0
    authority.onWake('evaluate', () => {
      seen = written
    })
    await Promise.all([authority.start(), front.start()])
    for (let i = 1; i <= 100; i++) {
      written = i
      front.nudge('evaluate')
      await sleep(i % 7)
    }
    await waitFor(() => seen === 100)
    expect(written).toBe(100)
  })

  it('comes by itself at every sweep', async () => {
    const authority = wakeupsAs('authority', 1)
    let runs = 0
    authority.onWake('crl', () => runs++)
    await authority.start()
    await quiet('authority')
    runs = 0
    await waitFor(() => runs >= 2)
    expect(complaints).toEqual([])
  })

  it('is scheduled once, however often the program starts', async () => {
    for (let i = 0; i < 3; i++) {
      const authority = wakeupsAs('authority', 2 + i)
      authority.onWake('issue', () => undefined)
      await authority.start()
      await authority.stop()
    }
    const { rows } = await client.query("SELECT every_ms FROM bullmq.scheduler WHERE scheduler_id = 'sweep-issue'")
    expect(rows).toEqual([{ every_ms: '4000' }])
  })

  it('comes at the start, for what was left over', async () => {
    const authority = wakeupsAs('authority')
    let runs = 0
    authority.onWake('issue', () => runs++)
    await authority.start()
    expect(runs).toBe(1)
  })

  it('cannot have two handlers, or one after the start', async () => {
    const authority = wakeupsAs('authority')
    authority.onWake('issue', () => undefined)
    expect(() => {
      authority.onWake('issue', () => undefined)
    }).toThrow(/twice or too late/)
    await authority.start()
    expect(() => {
      authority.onWake('respond', () => undefined)
    }).toThrow(/twice or too late/)
  })
})

describe('the steps of two processes', () => {
  it('hand work on to each other until none is left', async () => {
    const rows = { evaluate: 3, seal: 0, issue: 0, respond: 0 }
    const move = (from: keyof typeof rows, to?: keyof typeof rows) => () => {
      if (rows[from] === 0) return Promise.resolve({ more: false, next: [] })
      rows[from]--
      if (to) rows[to]++
      return Promise.resolve({ more: true, next: to === undefined ? [] : [to] })
    }
    const front = wakeupsAs('front')
    const authorityWakeups = wakeupsAs('authority')
    const archiveWakeups = wakeupsAs('archive')
    const authority = new Steps(authorityWakeups, log)
    const archive = new Steps(archiveWakeups, log)
    authority.add('evaluate', move('evaluate', 'seal'))
    archive.add('seal', move('seal', 'issue'))
    authority.add('issue', move('issue', 'respond'))
    authority.add('respond', move('respond'))
    await Promise.all([authorityWakeups.start(), archiveWakeups.start(), front.start()])
    front.nudge('evaluate')
    await waitFor(() => Object.values(rows).every(count => count === 0))
    expect(rows).toEqual({ evaluate: 0, seal: 0, issue: 0, respond: 0 })
    await authority.stop()
    await archive.stop()
  })
})

describe('after all connections were cut', () => {
  it('wake-ups and sweeps go on by themselves', async () => {
    const front = wakeupsAs('front')
    const authority = wakeupsAs('authority', 1)
    let runs = 0
    authority.onWake('issue', () => runs++)
    await Promise.all([authority.start(), front.start()])
    front.nudge('issue')
    await quiet('authority')
    await client.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()'
    )
    await sleep(100)
    runs = 0
    await waitFor(() => runs >= 2)
    await quiet('authority')
    runs = 0
    front.nudge('issue')
    await waitFor(() => runs > 0)
    expect(runs).toBeGreaterThan(0)
    // What was cut off is told of, and made good.
    complaints.length = 0
  })
})

describe('a worker that dies with a wake-up in hand', () => {
  it('holds up the next ones for seconds only', async () => {
    const front = wakeupsAs('front')
    await front.start()
    front.nudge('exchange-keys')
    await waitFor(async () => (await jobs('exchange-keys')) === 1)
    // What a worker leaves behind that is killed just after it took the job.
    await client.query(
      `UPDATE bullmq.job SET state = 'active', lock_token = 'dead', locked_until_ms = $1, processed_at_ms = $1
       WHERE name = 'exchange-keys' AND id = 'exchange-keys'`,
      [Date.now()]
    )
    const archive = wakeupsAs('archive')
    let runs = 0
    archive.onWake('exchange-keys', () => runs++)
    await archive.start()
    const begun = Date.now()
    while ((await jobs('exchange-keys')) > 0 && Date.now() - begun < 20_000) await sleep(50)
    expect(Date.now() - begun).toBeLessThan(15_000)
    await quiet('archive')
    runs = 0
    front.nudge('exchange-keys')
    await waitFor(() => runs > 0)
  })
})
