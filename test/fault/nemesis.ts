import { setTimeout as sleep } from 'node:timers/promises'
import type { SeededRandom } from './random.js'
import type { RoleProcess } from './role-process.js'
import { DATABASE_FAULTS } from './database-faults.js'
import { wakeInVain } from './duplicate-jobs.js'
import type { Fault, Outcome, Strike } from './fault.js'
import type { World } from './world.js'

/** How long a point is waited for before it is given up. */
const POINT_MILLISECONDS = 6000

/** The points that a process of a role passes: those of its own sources and those of the libraries. */
function pointsOf(role: string, points: readonly string[]): readonly string[] {
  const own = POINTS_OF_ROLE[role] ?? []
  return points.filter(point => own.includes(point.split('.')[0] ?? ''))
}

/** The first part of a point's name tells whose it is. */
const POINTS_OF_ROLE: Readonly<Record<string, readonly string[]>> = {
  front: ['submit', 'withdraw', 'transaction'],
  console: ['decide', 'revoke', 'recovery', 'release', 'deliver', 'transaction'],
  authority: ['evaluate', 'issue', 'respond', 'crl', 'audit', 'package', 'transaction'],
  archive: ['seal', 'recover', 'transaction']
}

/** Whichever process of a role comes to the point first is struck there. Most points are such as work passes by. */
async function atPoint(
  world: World,
  random: SeededRandom,
  points: readonly string[],
  fate: 'kill' | { readonly stallMilliseconds: number }
): Promise<Outcome> {
  const { role } = random.pick(world.processes)
  const [all, isPassed] = [pointsOf(role, points), (point: string) => world.passed.has(point)]
  const known = all.filter(isPassed)
  const point = random.pick(known.length === 0 || random.next() < 0.1 ? all : known)
  const processes = world.processes.filter(process => process.role === role)
  const before = world.struck.get(point) ?? 0
  const hit = random.between(1, 2)
  await Promise.all(processes.map(process => process.untilReady()))
  for (const process of processes) process.order({ kind: 'arm', point, hit, fate })
  const deadline = performance.now() + POINT_MILLISECONDS
  while ((world.struck.get(point) ?? 0) === before && performance.now() < deadline) await sleep(20)
  for (const process of processes) process.order({ kind: 'disarm' })
  return { target: `${role} ${point}`, hit: (world.struck.get(point) ?? 0) > before }
}

function killRandomly(world: World, random: SeededRandom): Promise<Outcome> {
  const process = random.pick(world.processes)
  process.kill()
  return Promise.resolve({ target: process.name, hit: true })
}

/** Under load it has to end by itself within its time, and well. */
async function terminate(world: World, random: SeededRandom): Promise<Outcome> {
  const process = random.pick(world.processes)
  await process.untilReady()
  const { code, milliseconds } = await process.terminate()
  const what = `${process.name} ended with ${code} after ${Math.round(milliseconds)} ms when it was asked to end`
  if (code !== 0 || milliseconds > world.grace + ALLOWANCE) {
    world.history.add({ op: 'breach', invariant: 'SIGTERM', what })
  }
  return { target: process.name, hit: true }
}

/** What a busy machine may add to the grace time. */
export const ALLOWANCE = 5000

/** Half of the jumps are longer than any lease, so that a step is taken over from somebody who is still at it. */
async function moveClock(world: World, random: SeededRandom): Promise<Outcome> {
  const process: RoleProcess = random.pick(world.processes)
  const seconds = random.pick([-600, -90, -5, 5, 90, 600])
  process.order({ kind: 'clock', milliseconds: seconds * 1000 })
  await sleep(random.between(500, 3000))
  process.order({ kind: 'clock', milliseconds: 0 })
  return { target: `${process.name} ${seconds} s`, hit: true }
}

/**
 * A process stands still in the middle of its work while another of its role has a clock that is far ahead: the lease is
 * over for the one and not for the other, which then goes on.
 */
async function takeOver(world: World, random: SeededRandom, points: readonly string[]): Promise<Outcome> {
  const role = random.pick(['authority', 'archive'])
  const [one, other] = world.processes.filter(process => process.role === role)
  if (one === undefined || other === undefined) return { target: role, hit: false }
  await Promise.all([one.untilReady(), other.untilReady()])
  other.order({ kind: 'clock', milliseconds: 120_000 })
  const work = role === 'authority' ? ['issue', 'respond', 'crl'] : ['seal', 'recover']
  const point = random.pick(points.filter(name => work.includes(name.split('.')[0] ?? '') && world.passed.has(name)))
  const before = world.struck.get(point) ?? 0
  one.order({ kind: 'arm', point, hit: 1, fate: { stallMilliseconds: random.between(1000, 4000) } })
  const deadline = performance.now() + POINT_MILLISECONDS
  while ((world.struck.get(point) ?? 0) === before && performance.now() < deadline) await sleep(20)
  const isHit = (world.struck.get(point) ?? 0) > before
  // Long enough for the other to find what the one has begun, and for the one to go on.
  if (isHit) await sleep(5000)
  one.order({ kind: 'disarm' })
  other.order({ kind: 'clock', milliseconds: 0 })
  return { target: `${one.name} ${point}`, hit: isHit }
}

/** Every kind of fault; the points are those of the fault build. */
export function faultsOf(points: readonly string[]): readonly Fault[] {
  return [
    { name: 'kill at a point', weight: 12, strike: (world, random) => atPoint(world, random, points, 'kill') },
    { name: 'kill', weight: 4, strike: killRandomly },
    {
      name: 'stall at a point',
      weight: 2,
      strike: (world, random) => atPoint(world, random, points, { stallMilliseconds: random.between(500, 7000) })
    },
    { name: 'take over', weight: 2, strike: (world, random) => takeOver(world, random, points) },
    { name: 'SIGTERM', weight: 2, strike: terminate },
    { name: 'clock jump', weight: 3, strike: moveClock },
    { name: 'duplicate jobs', weight: 1, strike: wakeInVain },
    ...DATABASE_FAULTS
  ]
}

/** Strikes until the time is over. Gives what it did. */
export async function torment(
  world: World,
  random: SeededRandom,
  faults: readonly Fault[],
  until: number
): Promise<readonly Strike[]> {
  const possible = faults.filter(({ isPossible }) => isPossible?.(world) !== false)
  const strikes: Strike[] = []
  while (performance.now() < until) {
    const fault = random.weighted(possible)
    try {
      strikes.push({ fault: fault.name, ...(await fault.strike(world, random)) })
    } catch (error) {
      strikes.push({ fault: fault.name, target: error instanceof Error ? error.message : String(error), hit: false })
    }
    for (const process of world.processes) process.order({ kind: 'count' })
    await sleep(random.between(20, 300))
  }
  return strikes
}
