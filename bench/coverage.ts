import pg from 'pg'
import type { CoverageReport } from '@app/client'
import type { ConnectionSettings } from '@app/storage'
import { addAgents, withClient } from './archive-agents.js'
import type { Benchmark, Observed, Plan, Reference } from './benchmark.js'
import { costOfEach, cpuSoFar } from './costs.js'
import { runLoad } from './load.js'
import { clientConfig } from './measured-database.js'
import { startMeasuredServer, type MeasuredServer } from './measured-server.js'
import { residentMiB } from './process-usage.js'

/** Archived keys, unless `--operations` says another number. */
const KEYS = 1_000_000
const AGENTS = 12
/** What one report may take. */
const LIMIT_MS = 10_000
const REPORTS = 20

/** The report on what the agents can open. */
export const coverage: Benchmark = {
  name: 'coverage',
  operation: `The coverage report over HTTPS, in a database with archived keys that are sealed to ${AGENTS} agents, three each, two of whom open it, or two each for every tenth, either of whom does. It may take ${LIMIT_MS / 1000} s.`,
  run: async (plan, say) => {
    const keys = plan.operations ?? KEYS
    const server = await startMeasuredServer({
      profileDirectory: plan.profileDirectory,
      prepare: owner => fillArchive(owner, keys, say)
    })
    try {
      return [await measure(server, keys, plan, say)]
    } finally {
      await server.stop()
    }
  }
}

async function fillArchive(owner: ConnectionSettings, keys: number, say: (line: string) => void): Promise<void> {
  const agents = await addAgents(owner, AGENTS)
  const ids = agents.map(({ id }) => id)
  const start = Date.now()
  await withClient(owner, async client => {
    // Sealed forms as large as those of RSA-2048, so that the table is what it would be.
    await client.query(
      `INSERT INTO certkeep.sealed_key (
         request_id, mode, sealed, key_format, algorithm, bits, content_encryption, sealed_at, quorum, agent_ids)
       SELECT i, CASE WHEN i % 10 = 0 THEN 'any-agent' ELSE 'threshold' END, decode(repeat('5a', 1800), 'hex'), 'pkcs8',
         'rsa', 2048, 'aes-256-gcm', now(), CASE WHEN i % 10 = 0 THEN 1 ELSE 2 END,
         ARRAY(SELECT a FROM unnest($2::integer[]) WITH ORDINALITY AS u (a, n)
               WHERE (n + i) % ${AGENTS} < CASE WHEN i % 10 = 0 THEN 2 ELSE 3 END ORDER BY a)
       FROM generate_series(1000000, 999999 + $1::integer) AS i`,
      [keys, ids]
    )
    await client.query('VACUUM (ANALYZE) certkeep.sealed_key')
  })
  say(`sealed keys: ${keys} in ${((Date.now() - start) / 1000).toFixed(0)} s`)
}

async function measure(
  server: MeasuredServer,
  keys: number,
  plan: Plan,
  say: (line: string) => void
): Promise<Observed> {
  const transport = await server.transport('auditor')
  const report = (): Promise<CoverageReport> => transport.json({ path: '/api/v1/recovery-agents/coverage' })
  try {
    const { keys: counts } = await report()
    const counted = counts.recoverable + counts.critical + counts.unrecoverable
    if (counted !== keys) throw new Error(`The report has ${counted} keys instead of ${keys}.`)
    const start = cpuSoFar(server)
    const limits = { concurrency: 1, seconds: Math.max(plan.seconds, 1), operationsOfWorker: REPORTS }
    const result = await runLoad(limits, async () => void (await report()))
    const cpuMsPerOperation = costOfEach(result.operations, start, cpuSoFar(server))
    if (result.latencyMs.p99 > LIMIT_MS) {
      say(`Too slow: ${result.latencyMs.p99.toFixed(0)} ms.`)
      process.exitCode = 1
    }
    const bare = await bareCount(server.database.settings)
    return {
      name: 'coverage',
      parameters: { keys, agents: AGENTS },
      concurrency: 1,
      operations: result.operations,
      seconds: result.seconds,
      rate: result.rate,
      latencyMs: result.latencyMs,
      cpuMsPerOperation,
      bytesStoredPerOperation: 0,
      residentMiB: residentMiB(server.pid),
      bare,
      ratioToBare: result.rate / bare.rate,
      residentAlong: []
    }
  } finally {
    await transport.close()
  }
}

/** The same keys counted, and nothing else. */
async function bareCount(settings: ConnectionSettings): Promise<Reference> {
  const client = new pg.Client(clientConfig(settings))
  await client.connect()
  try {
    const { rate } = await runLoad({ concurrency: 1, seconds: 2, operationsOfWorker: REPORTS }, async () => {
      await client.query('SELECT count(*) FROM certkeep.sealed_key')
    })
    return { what: 'the keys counted by PostgreSQL, without grouping and without server', rate, cpuMsPerOperation: 0 }
  } finally {
    await client.end()
  }
}
