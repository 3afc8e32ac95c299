import { InvalidArgumentError, Option, type Command } from 'commander'
import { parsePositive } from './argument.js'
import { collect, withConnectionOptions, type ConnectionOptions } from './client-options.js'
import type { ExportOptions, ImportOutcome } from './client/template-files.js'
import { EXIT } from './exit-code.js'
import { outputOption, print, printFacts, printJson, printRows, talkOf, type OutputFormat } from './output.js'

/** A command that works on this machine's installation, or over the console when it is to or a server is named. */
interface EitherOptions extends ConnectionOptions {
  readonly console?: boolean
  readonly output: OutputFormat
}

const local = () => import('./administration/template-actions.js')
const remote = () => import('./client/template-actions.js')

function withEither(command: Command): Command {
  return withConnectionOptions(command).option('--console', 'ask the server, instead of this machine’s installation')
}

function isRemote({ console, url, tokenFile, cert, certP12 }: EitherOptions): boolean {
  return console === true || [url, tokenFile, cert, certP12].some(option => option !== undefined)
}

/** `template …`: certificate templates; for the person at the machine, and for operators. */
export function registerTemplate(program: Command): void {
  const template = program.command('template').description('certificate templates')
  registerReading(template)
  registerLint(template)
  registerFiles(template)
  registerDecisions(template)
}

function registerReading(template: Command): void {
  withEither(template.command('list').description('versions of templates'))
    .option('--name <name>', 'of this template only; over the console')
    .addOption(
      new Option('--state <state>', 'in this state only; over the console').choices(['draft', 'active', 'retired'])
    )
    .addOption(outputOption('table', 'json'))
    .action(async (options: EitherOptions & { readonly name?: string; readonly state?: 'draft' }) => {
      const { name, state } = options
      const query = { ...(name && { name }), ...(state && { state }) }
      const rows = isRemote(options)
        ? await (await remote()).listTemplates(options, query)
        : await (await local()).listTemplates()
      await (options.output === 'json' ? printJson(rows) : printRows(rows.map(rowOf)))
    })
  withEither(template.command('show').description('what a template says, what each flag does, what the linter finds'))
    .argument('<template>', 'its name for the active version, or the id of a version')
    .addOption(outputOption('table', 'json'))
    .action(async (which: string, options: EitherOptions) => {
      const details = isRemote(options)
        ? await (await remote()).showTemplate(options, which)
        : await (await local()).showTemplate(which)
      await printFacts({ ...details }, options.output)
    })
  withConnectionOptions(template.command('diff').description('what a version says otherwise than an earlier one'))
    .argument('<id>', 'the version', parsePositive)
    .argument('<earlier>', 'the id of the earlier version', parsePositive)
    .addOption(outputOption('table', 'json'))
    .action(async (id: number, earlier: number, options: ConnectionOptions & { readonly output: OutputFormat }) =>
      printFacts({ ...(await (await remote()).diffTemplate(options, id, earlier)) }, options.output)
    )
}

function rowOf(row: object) {
  const { id, name, version, state, author } = row as Readonly<Record<string, string | number>>
  return { id: id ?? '', name: name ?? '', version: version ?? '', state: state ?? '', author: author ?? '' }
}

function registerLint(template: Command): void {
  template
    .command('lint')
    .argument('<file...>', 'templates as JSON, or an export of AD as LDIF; all LDIF together is one export')
    .description('what is unsafe, where, and what to do about it; 1 when there are errors')
    .addOption(outputOption('table', 'json'))
    .action(async (files: readonly string[], { output }: { readonly output: OutputFormat }) => {
      const report = await (await import('./client/template-files.js')).lintFiles(files)
      await printFacts({ ...report }, output)
      talkOf(template).say(`${report.templates} templates, ${report.errors} errors, ${report.warnings} warnings.`)
      if (report.errors > 0) process.exitCode = EXIT.failure
    })
}

function registerFiles(template: Command): void {
  const say = (text: string): void => talkOf(template).say(text)
  withEither(template.command('import').description('add templates as drafts, which an operator activates'))
    .argument('<file>', 'templates as JSON, or an export of AD’s template container as LDIF')
    .option('--map-sid <sid=group>', 'let this group enroll where the SID may in AD; repeatable', collect, [])
    .action(async (file: string, options: EitherOptions & { readonly mapSid: readonly string[] }) => {
      const outcomes = isRemote(options)
        ? await (await remote()).importTemplates(options, file, options.mapSid)
        : await (await local()).importTemplates(file, options.mapSid)
      outcomes.flatMap(sentencesOf).forEach(say)
      if (outcomes.length === 0) say('There is no template in the file.')
      if (outcomes.length === 0 || outcomes.some(({ failure }) => failure !== undefined))
        process.exitCode = EXIT.failure
    })
  withEither(template.command('export').description('templates as JSON or LDIF; every active one when none is named'))
    .argument('[template...]', 'names for active versions, or ids of versions')
    .addOption(new Option('--format <format>', 'the form').choices(['json', 'ldif']).default('json'))
    .option('--base <dn>', 'the root of the directory, for LDIF', parseBase)
    .option('--plain', 'in LDIF, only what the schema of AD knows')
    .option('--out <file>', 'a new file, instead of stdout')
    .action(async (which: readonly string[], options: EitherOptions & ExportOptions & { readonly out?: string }) => {
      const text = isRemote(options)
        ? await (await remote()).exportTemplates(options, which, options)
        : await (await local()).exportTemplates(which, options)
      if (options.out === undefined) await print(text)
      else await (await import('@app/files')).writeNewFile(options.out, Buffer.from(text), 0o644)
    })
}

function parseBase(text: string): string {
  if (/^[A-Za-z]+=[^,=]+(?:,[A-Za-z]+=[^,=]+)*$/.test(text)) return text
  throw new InvalidArgumentError('a distinguished name, as DC=example,DC=org')
}

function sentencesOf({ name, version, id, findings, notes, failure }: ImportOutcome): string[] {
  if (failure !== undefined) return [`${name} is not imported. ${failure}`]
  const unsafe = findings.filter(({ severity }) => severity === 'error')
  const next =
    unsafe.length === 0
      ? [`${name} ${version} is draft ${id}. An operator activates it with "certkeep template activate ${id}".`]
      : [
          `${name} ${version} is draft ${id} and cannot be activated.`,
          ...unsafe.map(({ rule, message, remedy }) => `  ${rule}: ${message} ${remedy}`)
        ]
  return [...next, ...notes.map(note => `  ${note}`)]
}

function registerDecisions(template: Command): void {
  const say = (text: string): void => talkOf(template).say(text)
  withConnectionOptions(template.command('activate').description('make a version active that somebody else wrote'))
    .argument('<id>', 'the id that "template list" tells', parsePositive)
    .action(async (id: number, options: ConnectionOptions) => {
      const { name, version } = await (await remote()).activateTemplate(options, id)
      say(`${name} ${version} is active.`)
    })
  withConnectionOptions(template.command('retire').description('use a version no longer'))
    .argument('<id>', 'the id that "template list" tells', parsePositive)
    .action(async (id: number, options: ConnectionOptions) => {
      const { name, version } = await (await remote()).retireTemplate(options, id)
      say(`${name} ${version} is retired.`)
    })
  for (const [verb, isOffered, description] of [
    ['offer', true, 'have a CA offer a template'],
    ['withdraw', false, 'have a CA offer a template no longer']
  ] as const) {
    withConnectionOptions(template.command(verb).description(description))
      .argument('<template>', 'its name')
      .action(async (name: string, options: ConnectionOptions) => {
        const ca = await chosenCa(options)
        await (await remote()).offerTemplate({ ...options, ca }, name, isOffered)
        say(`"${ca}" ${isOffered ? 'offers' : 'no longer offers'} ${name}.`)
      })
  }
}

async function chosenCa(options: ConnectionOptions): Promise<string> {
  const { findConnection, withCa } = await import('./client/connection.js')
  return withCa(await findConnection(options), ({ ca }) => Promise.resolve(ca))
}
