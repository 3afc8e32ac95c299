import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Clients } from './clients.js'
import { buildFaultProgram, root } from './fault-build.js'
import { History } from './history.js'
import { findBreaches, type Breach } from './invariants/index.js'
import type { Evidence } from './invariants/invariant.js'
import { DUE } from './invariants/progress.js'
import { secrecyInvariant } from './invariants/secrecy.js'
import type { Strike } from './fault.js'
import { ALLOWANCE, faultsOf, torment } from './nemesis.js'
import { SeededRandom } from './random.js'
import { startWorld, type Shape, type World } from './world.js'

/** What a run is made of. The same plan gives the same faults in the same order; when they strike is up to the machine. */
export interface RunPlan {
  readonly seed: number
  /** How long there are faults. */
  readonly seconds: number
  readonly clients: number
  readonly shape: Shape
}

/** How the work goes while nothing is wrong, while a process is killed, and afterwards. */
interface Phase {
  readonly name: 'before' | 'during' | 'after'
  readonly seconds: number
  readonly operations: number
  readonly rate: number
}

/** What came of a run. */
export interface RunReport {
  readonly seed: number
  readonly shape: Shape
  readonly seconds: number
  readonly operations: number
  readonly requests: number
  readonly certificates: number
  readonly recoveries: number
  readonly revocations: number
  readonly strikes: readonly Strike[]
  /** How often each point struck. */
  readonly struck: Readonly<Record<string, number>>
  /** Starts of processes beyond the first. */
  readonly restarts: number
  readonly phases: readonly Phase[]
  /** Milliseconds from the last fault until nothing was due any more. */
  readonly settledAfter: number
  readonly breaches: readonly Breach[]
  /** Of the history, one JSON object a line. */
  readonly historyFile: string
}

/** Within this time after the last fault everything must have come to rest; a busy machine needs more than one by itself. */
const SETTLE_MILLISECONDS = 60_000

/** Where reports and histories go. */
export const outputDirectory = join(root, 'test', 'fault', 'out')

/** Makes an installation, torments it, lets it come to rest, and holds the invariants against what is left. */
export async function runFaults({ seed, seconds, clients: count, shape }: RunPlan): Promise<RunReport> {
  const points = buildFaultProgram()
  mkdirSync(outputDirectory, { recursive: true })
  const historyFile = join(outputDirectory, `history-${seed}.jsonl`)
  writeFileSync(historyFile, '')
  const history = new History(historyFile)
  const random = new SeededRandom(seed)
  const began = performance.now()
  const world = await startWorld({ shape, history, diskMiB: 1024 })
  try {
    const clients = new Clients(world, random.fork())
    let isOver = false
    const working = clients.run(count, () => isOver)
    const phases = await measure(world, clients, Math.min(6, seconds / 6))
    const strikes = await torment(world, random.fork(), faultsOf(points), performance.now() + seconds * 1000)
    isOver = true
    const settledAfter = await settle(world, clients, working)
    await retireAll(world)
    const evidence = { ...evidenceOf(world), history }
    const canaries = clients.keys.slice(0, 12)
    const breaches = [...(await findBreaches(evidence)), ...(await afterTheEnd(world, evidence, canaries))]
    const [counts] = await world.sql<Readonly<Record<string, string>>>(`
      SELECT (SELECT count(*) FROM certkeep.request) AS requests,
             (SELECT count(*) FROM certkeep.certificate WHERE state = 'issued') AS certificates,
             (SELECT count(*) FROM certkeep.recovery WHERE state = 'released') AS recoveries,
             (SELECT count(*) FROM certkeep.certificate WHERE revoked_at IS NOT NULL) AS revocations`)
    return {
      seed,
      shape,
      seconds: (performance.now() - began) / 1000,
      operations: clients.count,
      requests: Number(counts?.['requests']),
      certificates: Number(counts?.['certificates']),
      recoveries: Number(counts?.['recoveries']),
      revocations: Number(counts?.['revocations']),
      strikes,
      struck: Object.fromEntries(world.struck),
      restarts: world.processes.reduce((sum, { startCount }) => sum + startCount - 1, 0),
      phases,
      settledAfter,
      breaches,
      historyFile
    }
  } finally {
    await world.stop()
  }
}

/** The rate before, while and after one of the authorities, or of the only ones, is killed. */
async function measure(world: World, clients: Clients, seconds: number): Promise<readonly Phase[]> {
  const phase = async (name: Phase['name'], work: () => Promise<void>): Promise<Phase> => {
    const [count, begun] = [clients.count, performance.now()]
    await work()
    const spent = (performance.now() - begun) / 1000
    const operations = clients.count - count
    return { name, seconds: spent, operations, rate: operations / spent }
  }
  const pause = () => sleep(seconds * 1000)
  // The first enrollments find nothing loaded yet.
  await pause()
  const before = await phase('before', pause)
  const during = await phase('during', async () => {
    for (const role of ['authority', 'archive', 'front'] as const) {
      world.processes.find(process => process.role === role)?.kill()
      await sleep((seconds * 1000) / 3)
    }
  })
  await world.untilReady()
  return [before, during, await phase('after', pause)]
}

/**
 * No faults any more: the clients end what they are at, leases end because the clocks go ahead, and nothing is due in the
 * end. Gives how long that took.
 */
async function settle(world: World, clients: Clients, working: Promise<void>): Promise<number> {
  const begun = performance.now()
  clients.endBy(begun + SETTLE_MILLISECONDS)
  await world.untilReady()
  // Leases may have been taken by a clock that was ahead.
  const ahead = () => {
    for (const process of world.processes) process.order({ kind: 'clock', milliseconds: 11 * 60_000 })
  }
  ahead()
  await working
  while (performance.now() - begun < SETTLE_MILLISECONDS) {
    ahead()
    if (!(await isAnythingDue(world))) break
    await sleep(250)
  }
  const settledAfter = performance.now() - begun
  await publishCrl(world)
  return settledAfter
}

async function isAnythingDue(world: World): Promise<boolean> {
  for (const { find } of DUE) if ((await find(evidenceOf(world))).length > 0) return true
  return false
}

/** A last base CRL knows of everything. */
async function publishCrl(world: World): Promise<void> {
  const [row] = await world.sql<{ changes: string }>(
    'SELECT coalesce(max(last), 0) AS changes FROM certkeep.status_change'
  )
  const known = `SELECT 1 FROM certkeep.crl WHERE kind = 'base' AND crl IS NOT NULL AND changes >= $1`
  const deadline = performance.now() + SETTLE_MILLISECONDS
  while ((await world.sql(known, [row?.changes ?? '0'])).length === 0) {
    if (performance.now() > deadline) {
      world.history.add({ op: 'breach', invariant: 'I12', what: 'No CRL came of the last revocations.' })
      return
    }
    await sleep(250)
  }
}

/** Every process ends as an administrator ends it; the authorities last, which sign the end of the audit log. */
async function retireAll({ processes, grace, history }: World): Promise<void> {
  for (const role of ['front', 'console', 'archive', 'authority'] as const) {
    for (const process of processes.filter(process => process.role === role)) {
      const { code, milliseconds } = await process.retire()
      if (code === 0 && milliseconds < grace + ALLOWANCE) continue
      const what = `${process.name} ended with ${code} after ${Math.round(milliseconds)} ms in the end`
      history.add({ op: 'breach', invariant: 'SIGTERM', what })
    }
  }
}

function evidenceOf(world: World): Evidence {
  const { database, history, server, directory, sql } = world
  return {
    database,
    history,
    ca: server.ca.certificate,
    agents: server.agents,
    directory,
    home: server.config.home,
    sql
  }
}

/** Once every page of the database is written. */
async function afterTheEnd(
  world: World,
  evidence: Evidence,
  canaries: Parameters<typeof secrecyInvariant>[0]
): Promise<readonly Breach[]> {
  await world.sql('CHECKPOINT')
  return (await findBreaches(evidence, [secrecyInvariant(canaries)])).filter(({ name }) => name !== 'seen')
}
