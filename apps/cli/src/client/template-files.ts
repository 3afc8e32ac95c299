import { AppError, isAppError } from '@app/core'
import { decodeLdif, encodeLdif, findText, type LdifEntry } from '@app/ldif'
import {
  decodeTemplate,
  decodeTemplateEntry,
  encodeTemplate,
  encodeTemplateEntry,
  isTemplateEntry,
  lintExport,
  lintTemplate,
  type CertificateTemplate,
  type ExportReport,
  type FindGroup,
  type TemplateFinding
} from '@app/templates'
import { jsonOf } from '../output.js'
import { readBytes } from './connection.js'

/** A template of a file, and what whoever imports it should know; or why there is none. */
export type TemplateOfFile =
  | { readonly template: CertificateTemplate; readonly notes: readonly string[] }
  | { readonly name: string; readonly failure: string }

/** What a file holds. */
type TemplateFile = { readonly json: readonly unknown[] } | { readonly entries: readonly LdifEntry[] }

/** Reads JSON, a template or a list of them, or LDIF. Throws `not_found`, `ldif_invalid` or `invalid_argument`. */
export async function readTemplateFile(file: string): Promise<TemplateFile> {
  const bytes = await readBytes(file)
  const start = Buffer.from(bytes.subarray(0, 1024)).toString('utf8').trimStart()
  if (!start.startsWith('{') && !start.startsWith('[')) return { entries: decodeLdif(bytes) }
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    return { json: Array.isArray(value) ? value : [value] }
  } catch (cause) {
    throw new AppError('invalid_argument', `${file} is not JSON.`, { file }, { cause })
  }
}

/** The templates of a file; of LDIF, those among its entries. One that cannot be read does not hold back the others. */
export function templatesOf(file: TemplateFile, findGroup: FindGroup): TemplateOfFile[] {
  if ('json' in file) return file.json.map(value => ({ template: decodeTemplate(value), notes: [] }))
  return file.entries.filter(isTemplateEntry).map(entry => {
    try {
      return decodeTemplateEntry(entry, findGroup)
    } catch (error) {
      if (!isAppError(error, 'invalid_argument')) throw error
      return { name: findText(entry, 'cn') ?? entry.dn, failure: error.message }
    }
  })
}

/** Security identifiers of a file's templates that may enroll, for the directory to name. */
export function enrolleesOf(file: TemplateFile): string[] {
  const sids = new Set<string>()
  templatesOf(file, sid => {
    sids.add(sid)
    return undefined
  })
  return [...sids]
}

/** What the linter says of files: of the templates in JSON, and of all LDIF together as one export. */
export interface LintReport extends ExportReport {
  readonly errors: number
  readonly warnings: number
}

/** Lints files as {@link LintReport} says. Works without an installation. */
export async function lintFiles(files: readonly string[]): Promise<LintReport> {
  const read = await Promise.all(files.map(readTemplateFile))
  const entries = read.flatMap(file => ('entries' in file ? file.entries : []))
  const templates = read.flatMap(file => ('json' in file ? file.json.map(decodeTemplate) : []))
  const report = lintExport(entries)
  const findings = [
    ...templates.flatMap(template => lintTemplate(template).map(finding => ({ ...finding, object: template.name }))),
    ...report.findings
  ]
  const errors = findings.filter(({ severity }) => severity === 'error').length
  return {
    objects: report.objects + templates.length,
    templates: report.templates + templates.length,
    errors,
    warnings: findings.length - errors,
    findings,
    notShown: entries.length === 0 ? [] : report.notShown
  }
}

/** How templates are written. */
export interface ExportOptions {
  readonly format: 'json' | 'ldif'
  /** The root of the directory, as `DC=example,DC=org`. */
  readonly base?: string
  /** Only what the schema of AD knows. */
  readonly plain?: boolean
}

/** Templates as JSON, one as an object and several as a list, or as LDIF. */
export function formatTemplates(templates: readonly CertificateTemplate[], options: ExportOptions): string {
  if (options.format === 'json') {
    const [only, ...others] = templates.map(encodeTemplate)
    return jsonOf(others.length === 0 && only !== undefined ? only : templates.map(encodeTemplate))
  }
  const settings = options.plain !== true
  const base = options.base === undefined ? {} : { base: options.base }
  return encodeLdif(templates.map(template => encodeTemplateEntry(template, { ...base, settings })))
}

/** `SID=GROUP` as it is given on the command line. Throws `invalid_argument`. */
export function parseSidMap(pairs: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    pairs.map(pair => {
      const match = /^(S-1-[0-9-]+)=(.+)$/.exec(pair)
      if (match === null) throw new AppError('invalid_argument', `"${pair}" is no SID=GROUP, as S-1-5-11=Staff.`)
      return [match[1] as string, match[2] as string]
    })
  )
}

/** What became of one template of a file. */
export interface ImportOutcome {
  readonly name: string
  readonly version?: string
  /** Of the draft; absent when there is none. */
  readonly id?: number
  readonly findings: readonly TemplateFinding[]
  readonly notes: readonly string[]
  readonly failure?: string
}

/** Adds each template of a file by `add`, which gives the id; what cannot be added is told and does not stop the rest. */
export async function importEach(
  templates: readonly TemplateOfFile[],
  add: (template: CertificateTemplate) => Promise<number>
): Promise<ImportOutcome[]> {
  const outcomes: ImportOutcome[] = []
  for (const each of templates) {
    if ('failure' in each) outcomes.push({ ...each, findings: [], notes: [] })
    else outcomes.push(await importOne(each.template, each.notes, add))
  }
  return outcomes
}

async function importOne(
  template: CertificateTemplate,
  notes: readonly string[],
  add: (template: CertificateTemplate) => Promise<number>
): Promise<ImportOutcome> {
  const version = `${template.majorVersion}.${template.minorVersion}`
  const common = { name: template.name, version, findings: lintTemplate(template), notes }
  try {
    return { ...common, id: await add(template) }
  } catch (error) {
    if (!isAppError(error, 'conflict')) throw error
    return { ...common, failure: `Version ${version} exists already; raise minorVersion to add another.` }
  }
}
