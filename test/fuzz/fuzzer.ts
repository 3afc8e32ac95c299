import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAppError } from '@app/core'
import type { Decoder } from '../helpers/decoders.js'
import type { Coverage } from './coverage.js'
import { mutate, Random } from './mutate.js'

/** Inputs that reach what the seeds do not, and inputs that once did harm. */
const CORPUS = join(import.meta.dirname, 'corpus')

/** Reading an input takes a few milliseconds of processor time; whatever takes this long is a finding. */
const MAX_MILLISECONDS = 1000

/** Inputs between two questions after coverage. */
const BATCH = 128

/** Larger inputs are worth changing and not worth keeping among the files. */
const LARGEST_KEPT = 2048

/** An input with which a decoder did not end as it may. */
export interface Finding {
  readonly decoder: string
  /** In base64. */
  readonly input: string
  readonly error: string
}

/** How long and with what. */
export interface FuzzPlan {
  readonly seed: number
  readonly milliseconds: number
  readonly coverage: Coverage
}

/** What a run of one decoder came to. */
export interface FuzzReport {
  readonly runs: number
  /** Inputs that reached something new. */
  readonly news: number
  readonly findings: readonly Finding[]
}

/** The inputs that are kept of a decoder. */
export function corpusOf(decoder: string): readonly Uint8Array[] {
  const directory = join(CORPUS, decoder)
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .toSorted()
    .map(name => readFileSync(join(directory, name)))
}

/** Keeps an input; its name is its digest, so that none is kept twice. */
function keepInput(decoder: string, input: Uint8Array): void {
  const directory = join(CORPUS, decoder)
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, createHash('sha256').update(input).digest('hex').slice(0, 16)), input)
}

/** Changed inputs, so many, of which none must do harm. */
export async function tryChanges(decoder: Decoder, seed: number, count: number): Promise<readonly Finding[]> {
  const random = new Random(seed)
  const pool = [...decoder.seeds, ...corpusOf(decoder.name)]
  const findings = new Findings(decoder)
  for (let run = 0; run < count; run++) await findings.attempt(mutate(decoder, random.of(pool), pool, random))
  return findings.all
}

/**
 * Changes inputs of a decoder and gives it the result, as long as the plan says. What reaches new code is changed further
 * and kept among the files, as is what does harm. Coverage is asked for after many inputs together; where they reached
 * something new, each half of them is tried again, until one input is left.
 */
export async function fuzz(decoder: Decoder, plan: FuzzPlan): Promise<FuzzReport> {
  const { coverage } = plan
  const random = new Random(plan.seed)
  const pool = [...decoder.seeds, ...corpusOf(decoder.name)]
  const findings = new Findings(decoder)
  let news = 0
  const explore = async (inputs: readonly Uint8Array[]): Promise<void> => {
    for (const input of inputs) await findings.attempt(input)
    const reached = await coverage.take()
    const [input] = inputs
    if (reached.length === 0 || input === undefined) return
    if (inputs.length > 1) {
      const half = inputs.length >> 1
      await explore(inputs.slice(0, half))
      return explore(inputs.slice(half))
    }
    coverage.add(reached)
    news++
    pool.push(input)
    if (input.length <= LARGEST_KEPT) keepInput(decoder.name, input)
  }
  for (const input of pool) await findings.attempt(input)
  coverage.add(await coverage.take())
  const end = performance.now() + plan.milliseconds
  while (performance.now() < end) {
    await explore(Array.from({ length: BATCH }, () => mutate(decoder, random.of(pool), pool, random)))
  }
  for (const { input } of findings.all) keepInput(decoder.name, Buffer.from(input, 'base64'))
  return { runs: findings.runs, news, findings: findings.all }
}

class Findings {
  runs = 0
  private readonly found = new Map<string, Finding>()

  constructor(private readonly decoder: Decoder) {}

  get all(): readonly Finding[] {
    return [...this.found.values()]
  }

  async attempt(input: Uint8Array): Promise<void> {
    this.runs++
    const error = await harmOf(this.decoder, input)
    if (error === undefined || this.found.has(error)) return
    this.found.set(error, { decoder: this.decoder.name, input: Buffer.from(input).toString('base64'), error })
  }
}

/** Why an input does harm: an error that is none of the program's, or too much time. */
export async function harmOf(decoder: Decoder, input: Uint8Array): Promise<string | undefined> {
  const start = process.cpuUsage()
  try {
    await decoder.read(input)
  } catch (error) {
    if (!isAppError(error)) return error instanceof Error ? firstLines(error) : String(error)
  }
  const { user, system } = process.cpuUsage(start)
  const milliseconds = Math.round((user + system) / 1000)
  return milliseconds > MAX_MILLISECONDS ? 'takes too long' : undefined
}

/** One defect has many inputs: the message without what it quotes, and where it was thrown. */
function firstLines(error: Error): string {
  const [, place = ''] = (error.stack ?? '').split('\n').filter(line => !line.includes('node:'))
  return `${error.name}: ${error.message.replace(/["'`].*["'`]|\d+/g, '…')} ${place.trim()}`
}
