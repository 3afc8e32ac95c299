import pg from 'pg'
import { Transport, type ListPage } from '@app/client'
import type { OperatorRole } from '@app/policy'
import type { Benchmark, Cost, Observed, Plan, Reference } from './benchmark.js'
import { FILLED_ACCOUNT, fillDatabase } from './filled-database.js'
import { runLoad, UNLIMITED } from './load.js'
import { clientConfig, type MeasuredDatabase } from './measured-database.js'
import { startMeasuredServer, type MeasuredServer } from './measured-server.js'
import { cpuOf, residentMiB } from './process-usage.js'

/** Requests in the database, unless `--operations` says another number. */
const REQUESTS = 1_000_000

/** What a page may take, at the 95th of 100. */
const LIMIT_MS = 100

/** Pages that are read of a list, each after the one before, and again from the first. */
const PAGES = 40

/** The tables that no list may read from one end to the other. */
const LARGE = ['request', 'certificate', 'audit_event', 'request_decision'] as const

/** After so many milliseconds an idle connection has told PostgreSQL's statistics what it did (`PGSTAT_IDLE_INTERVAL`). */
const STATISTICS_MS = 12_000

interface List {
  readonly role: OperatorRole
  readonly path: string
  readonly query?: Readonly<Record<string, string | number>>
}

const account = `EXAMPLE\\${FILLED_ACCOUNT}`
const daysAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString()
const queue = (query: List['query']): List => ({ role: 'officer', path: '/api/v1/queue', ...(query && { query }) })
const audit = (query: List['query']): List => ({ role: 'auditor', path: '/api/v1/audit', ...(query && { query }) })
const certificates = (query: List['query']): List => ({
  role: 'officer',
  path: '/api/v1/certificates',
  ...(query && { query })
})
const directory = (query: List['query']): List => ({
  role: 'administrator',
  path: '/api/v1/directory',
  ...(query && { query })
})

/** Every list of the console that grows, with each filter by which it can be narrowed. */
const LISTS: readonly List[] = [
  queue({}),
  queue({ order: 'oldest' }),
  queue({ state: 'all' }),
  queue({ state: 'issued' }),
  queue({ state: 'denied,failed' }),
  queue({ state: 'revoked' }),
  queue({ state: 'all', ca: 'Bench CA' }),
  queue({ state: 'all', template: 'WebServer' }),
  queue({ state: 'pending', template: 'WebServer' }),
  queue({ state: 'all', template: 'UserEncryption', submittedFrom: daysAgo(300), submittedUntil: daysAgo(200) }),
  queue({ state: 'all', requester: account }),
  queue({ state: 'pending', requester: account }),
  queue({ subject: 'filled 7' }),
  queue({ state: 'denied,failed,pending', subject: 'unit 13' }),
  queue({ state: 'all', keyId: '00'.repeat(20) }),
  queue({ state: 'all', submittedFrom: daysAgo(200), submittedUntil: daysAgo(190) }),
  queue({ olderThan: '90d' }),
  certificates({}),
  certificates({ ca: 'Bench CA' }),
  certificates({ subject: 'filled 7' }),
  certificates({ account }),
  certificates({ template: 'WebServer' }),
  certificates({ state: 'revoked' }),
  certificates({ expiringBefore: daysAgo(-60) }),
  audit({}),
  audit({ actor: 'role:authority' }),
  audit({ actor: account }),
  audit({ action: 'request.denied' }),
  audit({ action: 'certificate.revoked', actor: 'role:authority' }),
  audit({ objectType: 'certificate' }),
  audit({ objectType: 'request', objectId: '4711' }),
  audit({ outcome: 'denied' }),
  audit({ outcome: 'success' }),
  audit({ from: daysAgo(200), until: daysAgo(190) }),
  audit({ from: daysAgo(200), until: daysAgo(190), action: 'request.issued' }),
  directory({}),
  directory({ name: 'filled7' }),
  directory({ kind: 'user' }),
  { role: 'administrator', path: '/api/v1/operators' },
  { role: 'administrator', path: '/api/v1/templates' }
]

/** Pages of lists over a million requests. */
export const lists: Benchmark = {
  name: 'lists',
  operation: `One page of 50 of a list of the console over HTTPS, on a kept connection, in a database that has been filled with requests. A list is read page after page, up to ${PAGES}, and again; the 95th of 100 may take ${LIMIT_MS} ms.`,
  run: async (plan, say) => {
    const requests = plan.operations ?? REQUESTS
    const server = await startMeasuredServer({
      profileDirectory: plan.profileDirectory,
      prepare: owner => fillDatabase(owner, requests, say)
    })
    try {
      return await measureLists(server, { requests, plan, say })
    } finally {
      await server.stop()
    }
  }
}

interface Measuring {
  readonly requests: number
  readonly plan: Plan
  readonly say: (line: string) => void
}

async function measureLists(server: MeasuredServer, measuring: Measuring): Promise<readonly Observed[]> {
  const tokens = new Map<OperatorRole, Transport>()
  for (const role of new Set(LISTS.map(list => list.role))) tokens.set(role, await server.transport(role))
  const scansBefore = await scansOf(server.database)
  const observed: Observed[] = []
  try {
    for (const list of LISTS) {
      const transport = tokens.get(list.role) as Transport
      observed.push(await measureList(server, list, transport, measuring))
    }
    for (const { parameters, latencyMs } of observed.filter(({ latencyMs }) => latencyMs.p95 > LIMIT_MS)) {
      fail(measuring, `Too slow: ${String(parameters['list'])}, ${latencyMs.p95.toFixed(0)} ms.`)
    }
    for (const table of await scannedSince(server.database, scansBefore)) {
      fail(measuring, `A list reads all of ${table}: it lacks an index.`)
    }
    return observed
  } finally {
    await Promise.all([...tokens.values()].map(transport => transport.close()))
  }
}

async function measureList(
  server: MeasuredServer,
  list: List,
  transport: Transport,
  { requests, plan }: Measuring
): Promise<Observed> {
  let cursor: string | undefined
  let pages = 0
  let rows = 0
  const page = async (): Promise<void> => {
    const query = { ...list.query, limit: 50, ...(cursor === undefined ? {} : { cursor }) }
    const { items, next } = await transport.json<ListPage<unknown>>({ path: list.path, query })
    rows += items.length
    pages++
    cursor = pages % PAGES === 0 ? undefined : next
  }
  await page()
  const seconds = Math.min(plan.seconds, 2)
  const start = cpu(server)
  const result = await runLoad({ concurrency: 1, seconds, operationsOfWorker: UNLIMITED }, page)
  const end = cpu(server)
  const per = (side: keyof Cost): number => (end[side] - start[side]) / result.operations
  const bare = await bareRead(server.database)
  return {
    name: 'lists',
    parameters: { requests, list: nameOf(list), rowsPerPage: Math.round(rows / pages) },
    concurrency: 1,
    operations: result.operations,
    seconds: result.seconds,
    rate: result.rate,
    latencyMs: result.latencyMs,
    cpuMsPerOperation: { server: per('server'), database: per('database'), client: per('client') },
    bytesStoredPerOperation: 0,
    residentMiB: residentMiB(server.pid),
    bare,
    ratioToBare: result.rate / bare.rate,
    residentAlong: []
  }
}

function nameOf({ path, query = {} }: List): string {
  const filters = Object.entries(query).map(([name, value]) => `${name}=${value}`)
  return [path.replace('/api/v1/', ''), ...filters].join(' ')
}

function cpu({ database, pid }: MeasuredServer): Cost {
  const { user, system } = process.cpuUsage()
  return { server: cpuOf(pid), database: database.cpu(), client: (user + system) / 1000 }
}

/** The newest 51 requests by their primary key, with the columns of a list: one query on a kept connection. */
async function bareRead({ settings }: MeasuredDatabase): Promise<Reference> {
  const client = new pg.Client(clientConfig(settings))
  await client.connect()
  const text = `SELECT id, ca_id, state, template_name, requester_name, subject, key_id, submitted_at, resolved_at
                FROM certkeep.request ORDER BY id DESC LIMIT 51`
  try {
    const from = process.cpuUsage()
    const { rate, operations } = await runLoad(
      { concurrency: 1, seconds: 0.3, operationsOfWorker: UNLIMITED },
      async () => void (await client.query({ name: 'bare', text }))
    )
    const { user, system } = process.cpuUsage(from)
    return {
      what: '51 rows by primary key, without server',
      rate,
      cpuMsPerOperation: (user + system) / 1000 / operations
    }
  } finally {
    await client.end()
  }
}

/** How often each large table has been read from one end to the other. */
async function scansOf(database: MeasuredDatabase): Promise<ReadonlyMap<string, number>> {
  await new Promise(resolve => setTimeout(resolve, STATISTICS_MS))
  const scans = new Map<string, number>()
  for (const table of LARGE) {
    const text = `SELECT seq_scan AS value FROM pg_stat_user_tables WHERE schemaname = 'certkeep' AND relname = '${table}'`
    scans.set(table, await database.number(text))
  }
  return scans
}

async function scannedSince(
  database: MeasuredDatabase,
  before: ReadonlyMap<string, number>
): Promise<readonly string[]> {
  const after = await scansOf(database)
  return [...after].filter(([table, scans]) => scans > (before.get(table) ?? 0)).map(([table]) => table)
}

/** What was measured is told all the same, and the program ends as one that failed. */
function fail({ say }: Measuring, what: string): void {
  say(what)
  process.exitCode = 1
}
