import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import type { Benchmark, Observed, Plan } from './benchmark.js'
import { approve } from './approve.js'
import { coverage } from './coverage.js'
import { crl } from './crl.js'
import { enrollArchived } from './enroll-archived.js'
import { enrollPlain } from './enroll-plain.js'
import { lists } from './lists.js'
import { messages } from './messages.js'
import { ocsp, ocspNonce } from './ocsp.js'
import { registrations } from './registrations.js'
import { describeMachine, lineOf, reportOf, toMeasurement } from './report.js'
import { recover } from './recover.js'
import { reseal } from './reseal.js'
import { benchDirectory, outputDirectory } from './subscriber-keys.js'

const benchmarks: readonly Benchmark[] = [
  ...enrollArchived,
  enrollPlain,
  approve,
  lists,
  crl,
  ocsp,
  ocspNonce,
  coverage,
  reseal,
  recover,
  registrations,
  messages
]

interface Options {
  readonly seconds: number
  readonly operations?: number
  readonly concurrency: readonly number[]
  readonly json?: string
  readonly filled?: number
  readonly cfssl?: string
  readonly profile?: boolean
}

const program = new Command('bench')
  .description(
    'Measures the program. Without names everything is measured and bench/report.md and report.json written.'
  )
  .argument('[names...]', benchmarks.map(({ name }) => name).join(', '), chooseAnother)
  .option('--seconds <number>', 'how long each level is measured', parsePositive, 20)
  .option('--operations <number>', 'do so many at each level, however long it takes', parsePositive)
  .option('--concurrency <list>', 'how many operations at a time, level by level', parseList, [1, 8, 32])
  .option('--filled <number>', 'have so many requests in the tables before enrollments are measured', parsePositive)
  .option('--cfssl <file>', 'the program cfssl, to be measured beside plain enrollment')
  .option('--json <file>', 'write the measurements here as well')
  .option('--profile', 'have the server write a CPU profile into bench/out')
  .action(measure)

await program.parseAsync()

async function measure(chosen: readonly Benchmark[], options: Options): Promise<void> {
  const plan: Plan = {
    seconds: options.seconds,
    concurrency: options.concurrency,
    ...(options.operations === undefined ? {} : { operations: options.operations }),
    ...(options.filled === undefined ? {} : { filled: options.filled }),
    ...(options.cfssl === undefined ? {} : { cfssl: options.cfssl }),
    ...(options.profile === true ? { profileDirectory: outputDirectory() } : {})
  }
  if (plan.operations !== undefined && plan.operations < Math.max(...plan.concurrency)) {
    program.error('error: there must be at least as many operations as are to run at a time')
  }
  const runs = new Map<Benchmark, readonly Observed[]>()
  for (const benchmark of chosen.length === 0 ? benchmarks : chosen) {
    const observed = await benchmark.run(plan, say)
    runs.set(benchmark, observed)
    for (const one of observed) say(lineOf(one))
  }
  const measurements = [...runs.values()].flat().map(toMeasurement)
  const json = `${JSON.stringify(measurements, undefined, 2)}\n`
  if (options.json !== undefined) writeFileSync(options.json, json)
  const report = reportOf(runs, describeMachine(), new Date().toISOString().slice(0, 10))
  if (chosen.length > 0) {
    process.stdout.write(report)
    return
  }
  writeFileSync(join(benchDirectory(), 'report.md'), report)
  writeFileSync(join(benchDirectory(), 'report.json'), json)
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

function chooseAnother(name: string, chosen: readonly Benchmark[] | undefined): readonly Benchmark[] {
  const found = benchmarks.find(benchmark => benchmark.name === name)
  if (found === undefined) throw new InvalidArgumentError(`one of ${benchmarks.map(({ name }) => name).join(', ')}`)
  return [...(chosen ?? []), found]
}

function parsePositive(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('a positive number')
  return Number(text)
}

function parseList(text: string): readonly number[] {
  return text.split(',').map(parsePositive)
}
