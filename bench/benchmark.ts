/** What the command line asks of every benchmark. */
export interface Plan {
  /** How long each level of concurrency is measured; not used when `operations` is given. */
  readonly seconds: number
  /** How many operations each level does instead. */
  readonly operations?: number
  /** How many operations are on their way at a time, one level after the other. */
  readonly concurrency: readonly number[]
  /** How many requests are in the tables before an enrollment is measured; none unless given. */
  readonly filled?: number
  /** Where cfssl is, to be measured beside plain enrollment. */
  readonly cfssl?: string
  /** Has the server write a CPU profile into this directory when it ends. */
  readonly profileDirectory?: string
}

/** Milliseconds of one core that one operation costs each side. */
export interface Cost {
  readonly server: number
  readonly database: number
  readonly client: number
}

/** The same job without the program: what nobody can do without, or another program. */
export interface Reference {
  readonly what: string
  /** Operations in a second. */
  readonly rate: number
  /** Of one core, all processes together. */
  readonly cpuMsPerOperation: number
}

/** What was measured at one level of concurrency; an element of the list that `--json` writes. */
export interface Measurement {
  readonly name: string
  readonly parameters: Readonly<Record<string, string | number>>
  readonly concurrency: number
  readonly operations: number
  readonly seconds: number
  /** Operations in a second. */
  readonly rate: number
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number }
  readonly cpuMsPerOperation: Cost
  readonly bytesStoredPerOperation: number
  /** Of the server process when the level ended. */
  readonly residentMiB: number
  /** 99th of 100 delays of the server's event loop, the 10 ms between two looks included; where it was measured. */
  readonly eventLoopLagMs?: number
  readonly bare: Reference
  readonly peer?: Reference
  /** `rate` divided by that of `bare`. */
  readonly ratioToBare: number
  readonly ratioToPeer?: number
}

/** A measurement with what only the report for people tells. */
export interface Observed extends Measurement {
  /** Resident MiB of the server along the way. */
  readonly residentAlong: readonly { readonly operations: number; readonly miB: number }[]
}

/** One benchmark. A file of this directory exports it and `main.ts` lists it. */
export interface Benchmark {
  readonly name: string
  /** What one operation is, in one sentence. */
  readonly operation: string
  /** Measures every level of the plan; `say` takes lines for the person who waits. */
  run(plan: Plan, say: (line: string) => void): Promise<readonly Observed[]>
}
