import { Option, type Command } from 'commander'
import { parsePositive } from './argument.js'
import { withConnectionOptions, type ConnectionOptions } from './client-options.js'
import { EXIT } from './exit-code.js'
import { outputOption, print, printFacts, talkOf, type Facts, type OutputFormat } from './output.js'

/** The options that narrow entries of the log. */
interface FilterOptions extends ConnectionOptions {
  readonly actor?: string
  readonly action?: string
  readonly objectType?: string
  readonly object?: string
  readonly outcome?: string
  readonly from?: string
  readonly until?: string
}

function withFilterOptions(command: Command): Command {
  return withConnectionOptions(command)
    .option('--actor <name>', 'who did it')
    .option('--action <action>', 'what was done, as request.issued')
    .option('--object-type <type>', 'what it was done to, as request')
    .option('--object <id>', 'the id of what it was done to')
    .addOption(new Option('--outcome <outcome>', 'how it ended').choices(['success', 'denied', 'failed']))
    .option('--from <time>', 'at this time or later, ISO 8601')
    .option('--until <time>', 'before this time')
}

function filterOf({ actor, action, objectType, object: objectId, outcome, from, until }: FilterOptions): Filter {
  const given = { actor, action, objectType, objectId, outcome, from: timeOf(from), until: timeOf(until) }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Filter
}

type Filter = Readonly<Record<string, string>>

/** A day, or a time without a zone, is one of this machine. */
function timeOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const time = new Date(text)
  return Number.isNaN(time.getTime()) ? text : time.toISOString()
}

interface TailOptions extends FilterOptions {
  readonly lines: number
  readonly follow?: boolean
  readonly output: OutputFormat
}

interface VerifyOptions extends ConnectionOptions {
  readonly local?: boolean
  readonly checkpoints?: string
  readonly key: readonly string[]
  readonly output: OutputFormat
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value]

/** `audit …`: the audit log, for auditors, and for the person at the machine. */
export function registerAudit(program: Command): void {
  const audit = program.command('audit').description('the audit log')
  withFilterOptions(audit.command('tail'))
    .description('the newest entries')
    .option('-n, --lines <number>', 'how many', parsePositive, 20)
    .option('-f, --follow', 'go on with those that come')
    .addOption(outputOption('table', 'json'))
    .action(async (options: TailOptions) => {
      const { tailAudit } = await import('./client/audit-actions.js')
      const { lines, follow = false, output } = options
      await tailAudit(options, filterOf(options), { lines, follow }, entry =>
        output === 'json'
          ? print(`${JSON.stringify(entry)}\n`)
          : printFacts({ ...entry, windowsText: undefined }, output).then(() => print('\n'))
      )
    })
  withFilterOptions(audit.command('export'))
    .description('every entry, oldest first, each a line with its place in the chain')
    .addOption(new Option('--format <format>', 'JSON lines or CSV').choices(['jsonl', 'csv']).default('jsonl'))
    .action(async (options: FilterOptions & { readonly format: 'jsonl' | 'csv' }) => {
      const { exportAudit } = await import('./client/audit-actions.js')
      await exportAudit(options, filterOf(options), options.format)
    })
  withConnectionOptions(audit.command('verify'))
    .description(
      'follow the chain of the log and name the first entry that is not as it was written; 7 when there is one'
    )
    .option('--local', 'read the database of the installation on this machine')
    .option('--checkpoints <file>', 'a file of checkpoints to hold the chain against; with --local in place of its own')
    .option('--key <sha256>', 'the audit key to trust, repeatable; with --local those of the key store', collect, [])
    .addOption(outputOption('table', 'json'))
    .action(async (options: VerifyOptions, command: Command) => {
      const talk = talkOf(command)
      const { checkpoints } = options
      const parts = {
        ...(checkpoints && { checkpointFile: checkpoints }),
        onProgress: (position: number) => talk.progress(`Verified up to position ${position}.`)
      }
      const report =
        options.local === true
          ? await (await import('./administration/audit-actions.js')).verifyLocalAudit(parts)
          : await (
              await import('./client/audit-actions.js')
            ).verifyRemoteAudit(options, { ...parts, keys: options.key })
      const facts: Facts = { ...report }
      await printFacts(facts, options.output)
      if (facts['keysPinned'] === false) talk.say('The keys are those that the server names; pin them with --key.')
      talk.say(report.fault?.message ?? 'The audit log is as it was written.')
      if (!report.intact) process.exitCode = EXIT.verification
    })
}
