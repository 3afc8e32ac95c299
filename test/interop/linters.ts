import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What a linter objects to. */
export interface Objection {
  /** The file that was judged. */
  readonly file: string
  readonly severity: 'warning' | 'error'
  /** The name of the linter's rule. */
  readonly rule: string
  readonly detail: string
}

/** Programs of pkilint; the last two judge CRLs and what a certificate has in common with its issuer's. */
export type PkilintProgram =
  'lint_pkix_cert' | 'lint_cabf_smime_cert' | 'lint_crl' | 'lint_pkix_signer_signee_cert_chain' | 'lint_ocsp_response'

// Where `.ci/install` puts them.
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'certkeep')
const zlint = join(cache, 'zlint-3.7.3/zlint')
const pkilint = join(cache, 'pkilint-0.13.3/bin')

function requireProgram(path: string): void {
  if (!existsSync(path)) throw new Error(`There is no ${path}: the interop tests need it. Run: bash .ci/install`)
}

/** What a program writes to its standard output. Exit codes from `lowestFailure` on are failures. */
async function run(program: string, args: readonly string[], lowestFailure: number): Promise<string> {
  requireProgram(program)
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const output: Buffer[] = []
  const complaints: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code === null || code >= lowestFailure || output.length === 0) {
    throw new Error(`${program} ended with ${code}:\n${Buffer.concat(complaints).toString()}`)
  }
  return Buffer.concat(output).toString()
}

interface ZlintResult {
  readonly result: string
  readonly details?: string
}

/**
 * Warnings and errors of zlint for DER certificates, by the documents named as zlint names them (`RFC5280`). Throws when a
 * file has been judged by no rule at all.
 */
export async function judgeWithZlint(files: readonly string[], sources: readonly string[]): Promise<Objection[]> {
  const lines = (await run(zlint, ['-format', 'der', '-includeSources', sources.join(','), ...files], 1)).trim()
  const reports = lines.split('\n').map(line => JSON.parse(line) as Readonly<Record<string, ZlintResult>>)
  if (reports.length !== files.length) throw new Error(`zlint judged ${reports.length} of ${files.length} files.`)
  return reports.flatMap((report, index) => {
    const results = Object.entries(report)
    if (!results.some(([, { result }]) => result === 'pass')) throw new Error(`zlint has no rule for ${files[index]}.`)
    return results.flatMap(([rule, { result, details = '' }]) => {
      const severity = result === 'error' || result === 'fatal' ? 'error' : result === 'warn' ? 'warning' : undefined
      return severity === undefined ? [] : [{ file: files[index] as string, severity, rule, detail: details }]
    })
  })
}

interface PkilintReport {
  readonly results: readonly {
    readonly node_path: string
    readonly finding_descriptions: readonly {
      readonly severity: string
      readonly code: string
      readonly message: string | null
    }[]
  }[]
}

/** Warnings and errors of a program of pkilint for one file, or for an issuer's and a subject's. */
export async function judgeWithPkilint(
  program: PkilintProgram,
  files: readonly string[],
  options: readonly string[] = []
): Promise<Objection[]> {
  // The exit code is the number of findings; 255 and the like say that it could not read the file.
  const text = await run(join(pkilint, program), ['lint', '-f', 'JSON', ...options, ...files], 200)
  const report = JSON.parse(text) as PkilintReport
  return report.results.flatMap(({ node_path, finding_descriptions }) =>
    finding_descriptions.flatMap(({ severity, code, message }) => {
      const found =
        severity === 'ERROR' || severity === 'FATAL' ? 'error' : severity === 'WARNING' ? 'warning' : undefined
      const detail = `${node_path} ${message ?? ''}`.trim()
      return found === undefined ? [] : [{ file: files.at(-1) as string, severity: found, rule: code, detail }]
    })
  )
}
