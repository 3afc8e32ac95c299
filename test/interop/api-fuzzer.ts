import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { WorkDirectory } from './work-directory.js'

/** What a run is pointed at, and how long it is. */
export interface FuzzRun {
  /** The origin of the HTTPS listener. */
  readonly url: string
  /** PEM of the root to trust. */
  readonly root: string
  readonly token: string
  readonly seed: number
  /** The tags of the operations to try; all where none are named. */
  readonly tags?: readonly string[]
  /** How many seconds to try random and stateful calls besides the systematic ones; 0 for none. */
  readonly seconds: number
}

/** One kind of breach, and the operations that showed it. */
interface Breach {
  readonly title: string
  readonly operations: readonly string[]
}

/** What came of a run. */
export interface FuzzReport {
  readonly operations: number
  readonly cases: number
  readonly breaches: readonly Breach[]
  /** What the fuzzer could not do. */
  readonly errors: readonly string[]
  /** All that the fuzzer printed, for a person. */
  readonly log: string
}

// Where `.ci/install` puts it.
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'certkeep')
const program = join(cache, 'schemathesis-4.32.5/bin/st')
const hooks = join(import.meta.dirname, 'schemathesis/hooks.py')

/**
 * What is held against the document of the API. That a call fitting it may still be refused is no breach: whether bytes
 * are a CMS message or a name is a CA's, no schema says. That unknown members of a query are passed over is meant.
 */
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'missing_required_header',
  'unsupported_method',
  'allow_header_conformance',
  'use_after_free'
]

/** Tries the routes of a server by its own document with schemathesis. Throws when the fuzzer itself does not come to an end. */
export async function fuzzApi(run: FuzzRun, directory: WorkDirectory): Promise<FuzzReport> {
  if (!existsSync(program)) throw new Error(`There is no ${program}: the interop tests need it. Run: bash .ci/install`)
  const name = `fuzz-${run.seed}`
  const root = await directory.put(`${name}.pem`, run.root)
  // A name of a CA that is there; other members are the fuzzer's own.
  const settings = await directory.put(`${name}.toml`, '[parameters]\n"path.ca" = "Test CA"\n')
  const report = `${name}.json`
  const phases = run.seconds > 0 ? 'examples,coverage,fuzzing,stateful' : 'coverage'
  const tags = (run.tags ?? []).flatMap(tag => ['--include-tag', tag])
  const args = [
    ['--config-file', settings, 'run', `${run.url}/api/openapi.json`, '--url', run.url, '--tls-verify', root],
    ['--header', `Authorization: Bearer ${run.token}`, '--checks', CHECKS.join(','), '--phases', phases, ...tags],
    ['--seed', String(run.seed), '--generation-database', 'none', '--continue-on-failure', '--warnings', 'off'],
    ['--request-timeout', '30', '--no-color', '--report', 'json', '--report-json-path', directory.at(report)],
    run.seconds > 0 ? ['--max-time', String(run.seconds)] : ['--max-examples', '5']
  ]
  const env = { ...process.env, SCHEMATHESIS_HOOKS: hooks, PYTHONDONTWRITEBYTECODE: '1' }
  const child = spawn(program, args.flat(), { cwd: directory.at('.'), env, stdio: ['ignore', 'pipe', 'pipe'] })
  const output: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
  await once(child, 'close')
  const log = Buffer.concat(output).toString()
  if (!existsSync(directory.at(report))) throw new Error(`schemathesis has no report:\n${log}`)
  return reportOf(JSON.parse((await directory.read(report)).toString()) as Told, log)
}

/** The report of schemathesis, as far as it is read here. */
interface Told {
  readonly complete: boolean
  readonly stop_reason: string
  readonly operations: { readonly tested: number }
  readonly test_cases: { readonly generated: number }
  readonly failures: readonly Breach[]
  readonly errors: readonly { readonly title: string; readonly count: number }[]
}

function reportOf(told: Told, log: string): FuzzReport {
  return {
    operations: told.operations.tested,
    cases: told.test_cases.generated,
    breaches: told.failures.map(({ title, operations }) => ({ title, operations })),
    errors: told.errors.map(({ title, count }) => `${title}: ${count}`),
    log
  }
}
