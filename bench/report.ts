import { arch, cpus, platform, release, totalmem } from 'node:os'
import type { Benchmark, Cost, Measurement, Observed } from './benchmark.js'

/** The element of the list that `--json` writes: nothing but the agreed members, in their order. */
export function toMeasurement(observed: Observed): Measurement {
  const { residentAlong: _, ...measurement } = observed
  return measurement
}

/** The machine that was measured, in one line. */
export function describeMachine(): string {
  const processors = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  const model = processors[0]?.model.trim() ?? 'unknown processor'
  return `${processors.length} × ${model}, ${memory} GiB, ${platform()} ${release()} ${arch()}, Node.js ${process.version}`
}

/** The report for people, in Markdown. */
export function reportOf(runs: ReadonlyMap<Benchmark, readonly Observed[]>, machine: string, day: string): string {
  const parts = [...runs].filter(([, observed]) => observed.length > 0).map(([run, observed]) => section(run, observed))
  return `# Benchmarks

Written by \`npm run bench\` on ${day}. Client, server and database share one machine: ${machine}. What each column is, and
how to run this yourself, stands in [README.md](README.md).

${parts.join('\n')}`
}

function section({ name, operation }: Benchmark, observed: readonly Observed[]): string {
  const [first] = observed
  const named = Object.keys(first?.parameters ?? {})
  // What is the same for all stands above the table, what is not in a column of it.
  const varying = named.filter(key => new Set(observed.map(({ parameters }) => parameters[key])).size > 1)
  const parameters = named.filter(key => !varying.includes(key)).map(key => `${key} ${first?.parameters[key]}`)
  const rows = observed.map(one => [...varying.map(key => String(one.parameters[key])), ...row(one)])
  return `## ${name}

${operation}

Parameters: ${parameters.join(', ')}. Bare: ${first?.bare.what ?? ''}.

${table([...varying, ...HEADINGS], rows)}
${observed.flatMap(memory).join('')}`
}

const HEADINGS = [
  'at a time',
  'operations',
  'per second',
  'p50 ms',
  'p95 ms',
  'p99 ms',
  'CPU ms server',
  'database',
  'client',
  'sum',
  'bytes stored',
  'resident MiB',
  'loop lag p99 ms',
  'bare per second',
  'bare CPU ms',
  'ratio to bare',
  'peer per second',
  'peer CPU ms',
  'ratio to peer'
]

function row(observed: Observed): readonly string[] {
  const { concurrency, operations, rate, latencyMs, cpuMsPerOperation: cost, bare } = observed
  return [
    String(concurrency),
    String(operations),
    rate.toFixed(0),
    latencyMs.p50.toFixed(1),
    latencyMs.p95.toFixed(1),
    latencyMs.p99.toFixed(1),
    cost.server.toFixed(2),
    cost.database.toFixed(2),
    cost.client.toFixed(2),
    sumOf(cost).toFixed(2),
    String(observed.bytesStoredPerOperation),
    observed.residentMiB.toFixed(0),
    fixed(observed.eventLoopLagMs, 1),
    bare.rate.toFixed(0),
    bare.cpuMsPerOperation.toFixed(2),
    observed.ratioToBare.toFixed(2),
    fixed(observed.peer?.rate, 0),
    fixed(observed.peer?.cpuMsPerOperation, 2),
    fixed(observed.ratioToPeer, 2)
  ]
}

function fixed(value: number | undefined, digits: number): string {
  return value === undefined ? '' : value.toFixed(digits)
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  return [headings, headings.map(() => '--:'), ...rows].map(cells => `| ${cells.join(' | ')} |\n`).join('')
}

function memory({ concurrency, residentAlong }: Observed): readonly string[] {
  if (residentAlong.length === 0) return []
  const points = residentAlong.map(({ operations, miB }) => `${operations}: ${miB.toFixed(0)}`)
  return [`\nResident MiB of the server after so many operations, ${concurrency} at a time: ${points.join(', ')}.\n`]
}

/** What was measured, in one line. */
export function lineOf(observed: Observed): string {
  const { name, concurrency, rate, latencyMs, cpuMsPerOperation: cost, residentMiB, bare } = observed
  const { server, database, client } = cost
  return [
    `${name} at ${concurrency}: ${rate.toFixed(1)}/s`,
    `p50 ${latencyMs.p50.toFixed(1)} p95 ${latencyMs.p95.toFixed(1)} p99 ${latencyMs.p99.toFixed(1)} ms`,
    `CPU ms ${server.toFixed(2)} server + ${database.toFixed(2)} database + ${client.toFixed(2)} client = ${sumOf(cost).toFixed(2)}`,
    `${observed.bytesStoredPerOperation} bytes stored, ${residentMiB.toFixed(0)} MiB resident`,
    `event loop ${fixed(observed.eventLoopLagMs, 1)} ms`,
    `bare ${bare.rate.toFixed(1)}/s, ${bare.cpuMsPerOperation.toFixed(2)} CPU ms, ratio ${observed.ratioToBare.toFixed(2)}`,
    ...(observed.peer === undefined
      ? []
      : [
          `peer ${fixed(observed.peer.rate, 1)}/s, ${fixed(observed.peer.cpuMsPerOperation, 2)} CPU ms, ratio ${fixed(observed.ratioToPeer, 2)}`
        ])
  ].join('; ')
}

function sumOf({ server, database, client }: Cost): number {
  return server + database + client
}
